/** Gives a qcow2 image another name for the image below it, whose contents as seen from above must be the same. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { unsupported } from '../image-error.ts';
import { extensionsWithBacking, HEADER_AT, readQcow2Header } from './header.ts';

/** What a disk writes in one piece, or not at all. */
const SECTOR_BYTES = 512;

/** It is on stable storage when it returns; interrupted, the old name or the new one is there. Throws `ImageError`. */
export async function setBacking(file: ByteFile, name: string, format: string): Promise<void> {
  const header = await readQcow2Header(file);
  const cluster = new Uint8Array(2 ** header.clusterBits);
  await file.read(0, cluster);
  const fields = new ByteFields(cluster, 'big-endian');
  const from = header.version === 2 ? 72 : fields.u32(HEADER_AT.headerLength);
  const extensions = extensionsWithBacking(fields, from, format);
  const nameBytes = new TextEncoder().encode(name);
  const end = from + extensions.length + nameBytes.length;
  if (end > SECTOR_BYTES) throw unsupported('the image below has too long a name', 'use shorter names for the machine\'s disks');
  const sector = cluster.slice(0, SECTOR_BYTES);
  sector.fill(0, from);
  sector.set(extensions, from);
  sector.set(nameBytes, from + extensions.length);
  const changed = new ByteFields(sector, 'big-endian');
  changed.setU64(HEADER_AT.backingOffset, from + extensions.length);
  changed.setU32(HEADER_AT.backingLength, nameBytes.length);
  await file.flush();
  await file.write(0, sector);
  await file.flush();
}
