/** Opens an attached medium as sectors. */
import type { DiskAttachment } from '../../shared/vm-protocol.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { HostByteFile } from './file-bytes.ts';
import { StartError } from './start-error.ts';

/** Throws `StartError` where the file can't be used as what it is attached as. */
export async function openDisk(attachment: DiskAttachment): Promise<DiskImage> {
  const { path, readOnly, discardChanges } = attachment;
  const file = await HostByteFile.open(path, readOnly || discardChanges ? 'read-only' : 'read-write');
  await file[Symbol.asyncDispose]();
  throw new StartError('media.format', `${path} can't be read yet`, 'wait');
}
