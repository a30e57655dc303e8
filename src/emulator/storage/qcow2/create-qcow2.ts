/** Writes an empty qcow2 image. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { unsupported } from '../image-error.ts';
import { CLUSTER_BITS_MAXIMUM, CLUSTER_BITS_MINIMUM, newHeaderCluster } from './header.ts';

export interface NewQcow2 {
  /** Whole sectors of 512 bytes. */
  readonly bytes: number;
  /** A power of two from 512 to 2 MiB. */
  readonly clusterBytes?: number | undefined;
  readonly version?: 2 | 3 | undefined;
  readonly compression?: 'zlib' | 'zstd' | undefined;
  readonly lazyRefcounts?: boolean | undefined;
  /** Bits of a refcount: a power of two from 1 to 64. */
  readonly refcountBits?: number | undefined;
  readonly backing?: { readonly name: string; readonly format: string } | undefined;
}

const DEFAULT_CLUSTER_BYTES = 65536;
const REFCOUNT_TABLE_BYTES_MAXIMUM = 8 << 20;
const L1_BYTES_MAXIMUM = 32 << 20;

/** Into an empty file. Throws `ImageError`. */
export async function createQcow2(file: ByteFile, wanted: NewQcow2): Promise<void> {
  const clusterBytes = wanted.clusterBytes ?? DEFAULT_CLUSTER_BYTES;
  const clusterBits = Math.log2(clusterBytes);
  const version = wanted.version ?? 3;
  const refcountBits = wanted.refcountBits ?? 16;
  const refcountOrder = Math.log2(refcountBits);
  if (!Number.isInteger(clusterBits) || clusterBits < CLUSTER_BITS_MINIMUM || clusterBits > CLUSTER_BITS_MAXIMUM) throw unsupported(`a qcow2 image can't have clusters of ${clusterBytes} bytes`, 'choose a power of two from 512 to 2M');
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6) throw unsupported(`a qcow2 image can't have refcounts of ${refcountBits} bits`, 'choose 1, 2, 4, 8, 16, 32 or 64');
  if (version === 2 && (refcountBits !== 16 || wanted.lazyRefcounts === true || wanted.compression === 'zstd')) throw unsupported('version 2 of qcow2 has refcounts of 16 bits, written at once, and zlib alone', 'use version 3');
  const l2Entries = clusterBytes / 8;
  const dataClusters = Math.ceil(wanted.bytes / clusterBytes);
  const l2Tables = Math.ceil(dataClusters / l2Entries);
  const l1Clusters = Math.ceil((l2Tables * 8) / clusterBytes);
  if (l1Clusters * clusterBytes > L1_BYTES_MAXIMUM) throw unsupported('the disk is too large for clusters of this size', 'choose larger clusters');
  const blockEntries = (clusterBytes * 8) / refcountBits;
  // A table that never has to move, unless snapshots come.
  const countedClusters = (dataClusters + l2Tables) * 1.01 + 64;
  const tableClusters = Math.ceil((Math.ceil(countedClusters / blockEntries) * 8) / clusterBytes);
  if (tableClusters * clusterBytes > REFCOUNT_TABLE_BYTES_MAXIMUM) throw unsupported('the disk is too large for clusters of this size', 'choose larger clusters');
  const others = 1 + tableClusters + l1Clusters;
  let blocks = 1;
  while (blocks * blockEntries < others + blocks) blocks++;

  const tablePosition = clusterBytes;
  const blocksPosition = tablePosition + tableClusters * clusterBytes;
  const l1Position = blocksPosition + blocks * clusterBytes;
  const end = l1Position + l1Clusters * clusterBytes;
  const table = new ByteFields(new Uint8Array(tableClusters * clusterBytes), 'big-endian');
  for (let block = 0; block < blocks; block++) table.setU64(block * 8, blocksPosition + block * clusterBytes);
  await file.write(tablePosition, table.bytes);
  await file.write(blocksPosition, countsOfOnes(others + blocks, refcountBits, blocks * clusterBytes));
  await file.truncate(end);
  await file.flush();
  await file.write(0, newHeaderCluster({
    version, clusterBits, size: wanted.bytes, l1Entries: l2Tables, l1Position, refcountTablePosition: tablePosition, refcountTableClusters: tableClusters,
    refcountOrder, hasLazyRefcounts: wanted.lazyRefcounts ?? false, compression: wanted.compression ?? 'zlib', backing: wanted.backing,
  }));
  await file.flush();
}

/** Refcount blocks whose first `count` counts are 1. */
function countsOfOnes(count: number, bits: number, bytes: number): Uint8Array {
  const blocks = new Uint8Array(bytes);
  for (let index = 0; index < count; index++) {
    // Big-endian: the 1 is in the last byte. Below a byte the first count has the lowest bits.
    if (bits >= 8) blocks[(index + 1) * (bits / 8) - 1] = 1;
    else blocks[(index * bits) >> 3]! |= 1 << ((index * bits) & 7);
  }
  return blocks;
}
