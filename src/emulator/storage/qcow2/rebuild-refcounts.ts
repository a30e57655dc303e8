/** New refcount tables for a qcow2 image, from references that were counted. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { unsupported } from '../image-error.ts';
import type { CountedReferences } from '../counted-references.ts';
import { HEADER_AT, type Qcow2Header } from './header.ts';

/**
 * Writes them behind all that is used and then points the header to them. `counted` must hold every reference but those of
 * the old refcount tables; it is given those of the new ones.
 */
export async function rebuildRefcounts(
  file: ByteFile, header: Qcow2Header, counted: CountedReferences,
): Promise<void> {
  const clusterBytes = 2 ** header.clusterBits;
  const bits = 2 ** header.refcountOrder;
  const blockEntries = (clusterBytes * 8) / bits;
  // Behind the old tables, too: until the header points elsewhere they are what the image has.
  const first = Math.max(counted.end, Math.ceil(await file.size() / clusterBytes));
  const used = new Set<number>();
  for (const cluster of counted.clusters()) used.add(Math.floor(cluster / blockEntries));
  let blocks: number[];
  let tableClusters: number;
  for (let end = first; ;) {
    const own = new Set(used);
    for (let block = Math.floor(first / blockEntries); block * blockEntries < end; block++) own.add(block);
    blocks = [...own].sort((one, other) => one - other);
    const tableEntries = (blocks.at(-1) ?? 0) + 1;
    tableClusters = Math.ceil((tableEntries * 8) / clusterBytes);
    const needed = first + tableClusters + blocks.length;
    if (needed <= end) break;
    end = needed;
  }
  if (tableClusters * clusterBytes > 8 << 20) throw unsupported('the image has too many clusters for a refcount table', 'convert it to one with larger clusters');
  for (let cluster = first; cluster < first + tableClusters + blocks.length; cluster++) counted.add(cluster, 1);
  const table = new ByteFields(new Uint8Array(tableClusters * clusterBytes), 'big-endian');
  const maximum = bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1;
  for (const [index, block] of blocks.entries()) {
    const position = (first + tableClusters + index) * clusterBytes;
    table.setU64(block * 8, position);
    const counts = new ByteFields(new Uint8Array(clusterBytes), 'big-endian');
    for (let entry = 0; entry < blockEntries; entry++) {
      const count = Math.min(maximum, counted.get(block * blockEntries + entry));
      if (count > 0) setCount(counts, entry, bits, count);
    }
    await file.write(position, counts.bytes);
  }
  await file.write(first * clusterBytes, table.bytes);
  await file.flush();
  const head = new ByteFields(new Uint8Array(12), 'big-endian');
  head.setU64(0, first * clusterBytes);
  head.setU32(8, tableClusters);
  await file.write(HEADER_AT.refcountTablePosition, head.bytes);
  await file.flush();
}

function setCount(counts: ByteFields, index: number, bits: number, count: number): void {
  switch (bits) {
    case 64: counts.setU64(index * 8, count); break;
    case 32: counts.setU32(index * 4, count); break;
    case 16: counts.setU16(index * 2, count); break;
    default: counts.bytes[(index * bits) >> 3]! |= count << ((index * bits) & 7);
  }
}
