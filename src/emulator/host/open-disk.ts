/** Opens an attached medium as sectors. */
import type { DiskAttachment } from '../../shared/vm-protocol.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { DiscardOverlay } from '../storage/discard-overlay.ts';
import { IsoImage } from '../storage/iso-image.ts';
import { RawImage } from '../storage/raw-image.ts';
import { HostByteFile } from './file-bytes.ts';
import { StartError } from './start-error.ts';

/** Changes that are to be forgotten are kept in memory, up to this much for each disk. */
const MAX_DISCARDED_BYTES = 1 << 30;

/** Throws `StartError` where the file can't be used as what it is attached as. */
export async function openDisk(attachment: DiskAttachment): Promise<DiskImage> {
  const { path, kind, readOnly, discardChanges } = attachment;
  const keepsChanges = kind === 'disk' && !readOnly && !discardChanges;
  const file = await HostByteFile.open(path, keepsChanges ? 'read-write' : 'read-only');
  try {
    const fileBytes = await file.size();
    if (fileBytes === 0) throw new StartError('media.empty', `${path} is empty`, 'name another image');
    if (kind === 'cdrom') return new IsoImage({ file, fileBytes });
    const image = new RawImage({ file, fileBytes });
    return discardChanges && !readOnly ? new DiscardOverlay({ base: image, maximumBytes: MAX_DISCARDED_BYTES }) : image;
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}
