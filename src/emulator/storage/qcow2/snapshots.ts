/** The snapshot table of a qcow2 image, as far as it must be known to keep the snapshots (qcow2.txt, "Snapshots"). */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged } from '../image-error.ts';
import type { Qcow2Header } from './header.ts';

const ENTRY_BYTES = 40;
const TABLE_BYTES_MAXIMUM = 64 << 20;
const L1_ENTRIES_MAXIMUM = (32 << 20) / 8;
const READ_BYTES = 65536;

export interface SnapshotTables {
  /** Length of the snapshot table. */
  readonly bytes: number;
  readonly l1Tables: readonly { readonly position: number; readonly entries: number }[];
}

/** Throws `ImageError`. */
export async function readSnapshotTables(file: ByteFile, header: Qcow2Header): Promise<SnapshotTables> {
  const l1Tables: { position: number; entries: number }[] = [];
  // Tables lie side by side in the file, so together they can't be longer than it.
  let l1BytesLeft = await file.size();
  let at = 0;
  let windowAt = 0;
  let window = new ByteFields(new Uint8Array(0), 'big-endian');
  for (let left = header.snapshotCount; left > 0; left--) {
    if (at - windowAt + ENTRY_BYTES > window.bytes.length) {
      window = new ByteFields(new Uint8Array(READ_BYTES), 'big-endian');
      windowAt = at;
      await file.read(header.snapshotsPosition + at, window.bytes);
    }
    const here = at - windowAt;
    const entries = window.u32(here + 8);
    if (entries > L1_ENTRIES_MAXIMUM) throw damaged('the L1 table of a snapshot is larger than 32 MiB');
    const position = window.u64(here, 'snapshot');
    if (position % 2 ** header.clusterBits !== 0) throw damaged('the L1 table of a snapshot doesn\'t begin at a cluster');
    l1BytesLeft -= entries * 8;
    if (l1BytesLeft < 0) throw damaged('the L1 tables of the snapshots are longer than the file');
    l1Tables.push({ position, entries });
    at += Math.ceil((ENTRY_BYTES + window.u32(here + 36) + window.u16(here + 12) + window.u16(here + 14)) / 8) * 8;
    if (at > TABLE_BYTES_MAXIMUM) throw damaged('the snapshot table is larger than 64 MiB');
  }
  return { bytes: at, l1Tables };
}
