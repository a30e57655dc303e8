/** Opens an attached medium as sectors. */
import type { DiskAttachment } from '../../shared/vm-protocol.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { DiscardOverlay } from '../storage/discard-overlay.ts';
import { ImageError } from '../storage/image-error.ts';
import { IsoImage } from '../storage/iso-image.ts';
import { openImage } from '../storage/open-image.ts';
import type { MountedBundle } from './bundle-members.ts';
import { HostImageFiles } from './image-files.ts';
import { StartError } from './start-error.ts';
import { zlibCompression } from './zlib-compression.ts';

/** Changes that are to be forgotten are kept in memory, up to this much for each disk. */
const MAX_DISCARDED_BYTES = 1 << 30;

/** Throws `StartError` where the file can't be used as what it is attached as. */
export async function openDisk(attachment: DiskAttachment, bundle?: MountedBundle): Promise<DiskImage> {
  const { path, kind } = attachment;
  try {
    return kind === 'cdrom' ? await openDisc(path, bundle) : await openHardDisk(attachment, bundle);
  } catch (error) {
    if (error instanceof ImageError) throw new StartError(error.code, `${path}: ${error.message}`, error.advice);
    throw error;
  }
}

async function openHardDisk({ path, format, readOnly, discardChanges, backingFolders }: DiskAttachment, bundle: MountedBundle | undefined): Promise<DiskImage> {
  const image = await openImage({
    path, format: format === 'iso' ? 'raw' : format, readOnly: readOnly || discardChanges,
    files: new HostImageFiles(backingFolders, { bundle }), compression: zlibCompression,
  });
  return discardChanges && !readOnly ? new DiscardOverlay({ base: image, maximumBytes: MAX_DISCARDED_BYTES }) : image;
}

async function openDisc(path: string, bundle: MountedBundle | undefined): Promise<DiskImage> {
  const file = await new HostImageFiles([], { bundle }).open(path, 'look');
  try {
    const fileBytes = await file.size();
    if (fileBytes === 0) throw new ImageError('media.empty', 'the image is empty', 'name another image');
    return new IsoImage({ file, fileBytes });
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}
