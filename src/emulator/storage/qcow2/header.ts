/**
 * The header of a qcow2 image, versions 2 and 3, and its extensions (QEMU, docs/interop/qcow2.txt). Everything in it is
 * big-endian. Not read: encryption, external data files, extended L2 entries; images with these are refused.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, unsupported } from '../image-error.ts';

export const QCOW2_MAGIC = 0x514649fb;
const HEADER_BYTES_V2 = 72;
const HEADER_BYTES_V3 = 104;
/** With the compression type. */
export const HEADER_BYTES_WRITTEN = 112;

/** Where fields lie that are changed later. */
export const HEADER_AT = {
  backingOffset: 8, backingLength: 16, clusterBits: 20, size: 24, crypt: 32, l1Entries: 36, l1Position: 40, refcountTablePosition: 48, refcountTableClusters: 56,
  snapshotCount: 60, snapshotsPosition: 64, incompatible: 72, compatible: 80, autoclear: 88, refcountOrder: 96, headerLength: 100, compression: 104,
} as const;

/** Incompatible features: low 32 bits. */
export const INCOMPATIBLE = { dirty: 1, corrupt: 2, externalData: 4, compressionType: 8, extendedL2: 16 } as const;
export const COMPATIBLE_LAZY_REFCOUNTS = 1;
export const AUTOCLEAR_BITMAPS = 1;

const EXTENSION = { end: 0, backingFormat: 0xe2792aca, featureNames: 0x6803f857, bitmaps: 0x23852875 } as const;

export const CLUSTER_BITS_MINIMUM = 9;
export const CLUSTER_BITS_MAXIMUM = 21;
const BACKING_NAME_BYTES_MAXIMUM = 1023;
const L1_BYTES_MAXIMUM = 32 << 20;
const REFCOUNT_TABLE_BYTES_MAXIMUM = 8 << 20;
/** Larger ones are no disks: their tables would keep one busy for ever. */
const DISK_BYTES_MAXIMUM = 64 * 2 ** 40;
const SNAPSHOTS_MAXIMUM = 65536;

export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  /** Bytes of the disk. */
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Position: number;
  readonly refcountTablePosition: number;
  readonly refcountTableClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsPosition: number;
  readonly isDirty: boolean;
  readonly isCorrupt: boolean;
  readonly hasLazyRefcounts: boolean;
  readonly autoclear: number;
  /** Bits of a refcount are 2 to this power. */
  readonly refcountOrder: number;
  readonly compression: 'zlib' | 'zstd';
  readonly backingName: string | undefined;
  readonly backingFormat: string | undefined;
  /** The bitmaps extension, where the image has one. */
  readonly bitmaps: { readonly count: number; readonly directoryBytes: number; readonly directoryPosition: number } | undefined;
}

/** Throws `ImageError`. */
export async function readQcow2Header(file: ByteFile): Promise<Qcow2Header> {
  const start = new Uint8Array(1 << CLUSTER_BITS_MINIMUM);
  await file.read(0, start);
  const head = new ByteFields(start, 'big-endian');
  const version = head.u32(4);
  if (head.u32(0) !== QCOW2_MAGIC) throw damaged('the file is no qcow2 image');
  if (version !== 2 && version !== 3) throw unsupported(`the qcow2 image has version ${version}, and 2 and 3 are known`);
  const clusterBits = head.u32(HEADER_AT.clusterBits);
  if (clusterBits < CLUSTER_BITS_MINIMUM || clusterBits > CLUSTER_BITS_MAXIMUM) throw damaged(`the qcow2 image has clusters of 2^${clusterBits} bytes, and 2^9 to 2^21 are possible`);
  const clusterBytes = 2 ** clusterBits;
  const crypt = head.u32(HEADER_AT.crypt);
  if (crypt !== 0) throw unsupported('the qcow2 image is encrypted', 'decrypt it with "qemu-img convert"');
  const features = version === 2 ? FEATURES_V2 : readFeatures(head, clusterBytes);
  const size = head.u64(HEADER_AT.size, 'size');
  const l1Entries = head.u32(HEADER_AT.l1Entries);
  const l1Position = head.u64(HEADER_AT.l1Position, 'L1 table');
  const l1Needed = Math.ceil(size / (clusterBytes * (clusterBytes / 8)));
  if (l1Entries * 8 > L1_BYTES_MAXIMUM) throw unsupported('the L1 table of the qcow2 image is larger than 32 MiB', 'convert it to one with larger clusters');
  if (l1Entries < l1Needed) throw damaged('the L1 table of the qcow2 image is too short for its size');
  const refcountTableClusters = head.u32(HEADER_AT.refcountTableClusters);
  const refcountTablePosition = head.u64(HEADER_AT.refcountTablePosition, 'refcount table');
  if (refcountTableClusters * clusterBytes > REFCOUNT_TABLE_BYTES_MAXIMUM) throw unsupported('the refcount table of the qcow2 image is larger than 8 MiB', 'convert it to one with larger clusters');
  if (refcountTableClusters === 0) throw damaged('the qcow2 image has no refcount table');
  const snapshotCount = head.u32(HEADER_AT.snapshotCount);
  const snapshotsPosition = snapshotCount === 0 ? 0 : head.u64(HEADER_AT.snapshotsPosition, 'snapshot table');
  if (snapshotCount > SNAPSHOTS_MAXIMUM) throw damaged(`the qcow2 image claims ${snapshotCount} snapshots`);
  for (const [name, position] of [['L1 table', l1Entries === 0 ? 0 : l1Position], ['refcount table', refcountTablePosition], ['snapshot table', snapshotsPosition]] as const) {
    if (position % clusterBytes !== 0) throw damaged(`the ${name} of the qcow2 image doesn't begin at a cluster`);
  }
  const refcountEnd = refcountTablePosition + refcountTableClusters * clusterBytes;
  if (l1Entries > 0 && l1Position < refcountEnd && refcountTablePosition < l1Position + l1Entries * 8) throw damaged('the L1 table and the refcount table of the qcow2 image lie on each other');
  if (size > DISK_BYTES_MAXIMUM) throw unsupported('the disk of the qcow2 image is larger than 64 TiB');
  if (refcountTablePosition === 0 || (l1Entries > 0 && l1Position === 0)) throw damaged('a table of the qcow2 image lies on its header');
  const extensions = await readExtensions(file, features.headerLength, clusterBytes, head.u64(HEADER_AT.backingOffset, 'backing file name'));
  const backingName = await readBackingName(file, head, clusterBytes);
  const { headerLength: _, ...kept } = features;
  return {
    version, clusterBits, size, l1Entries, l1Position, refcountTablePosition, refcountTableClusters, snapshotCount, snapshotsPosition, ...kept,
    backingName, ...extensions,
  };
}

type Features = Pick<Qcow2Header, 'isDirty' | 'isCorrupt' | 'hasLazyRefcounts' | 'autoclear' | 'refcountOrder' | 'compression'> & { readonly headerLength: number };

const FEATURES_V2: Features = {
  isDirty: false, isCorrupt: false, hasLazyRefcounts: false, autoclear: 0, refcountOrder: 4, compression: 'zlib', headerLength: HEADER_BYTES_V2,
};

function readFeatures(head: ByteFields, clusterBytes: number): Features {
  const headerLength = head.u32(HEADER_AT.headerLength);
  if (headerLength < HEADER_BYTES_V3 || headerLength > clusterBytes || headerLength % 8 !== 0) throw damaged(`the qcow2 header claims ${headerLength} bytes`);
  const high = head.u32(HEADER_AT.incompatible);
  const incompatible = head.u32(HEADER_AT.incompatible + 4);
  if ((incompatible & INCOMPATIBLE.externalData) !== 0) throw unsupported('the qcow2 image keeps its data in another file', 'convert it with "qemu-img convert"');
  if ((incompatible & INCOMPATIBLE.extendedL2) !== 0) throw unsupported('the qcow2 image has extended L2 entries (subclusters)', 'convert it with "qemu-img convert -O qcow2 -o extended_l2=off"');
  const known = INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt | INCOMPATIBLE.compressionType;
  if (high !== 0 || (incompatible & ~known) !== 0) throw unsupported('the qcow2 image has features that this version doesn\'t know');
  const refcountOrder = head.u32(HEADER_AT.refcountOrder);
  if (refcountOrder > 6) throw damaged(`the refcounts of the qcow2 image claim 2^${refcountOrder} bits`);
  const type = headerLength > HEADER_BYTES_V3 ? head.bytes[HEADER_AT.compression]! : 0;
  if (type > 1) throw unsupported(`the qcow2 image is compressed by a method ${type} that this version doesn't know`);
  if ((type !== 0) !== ((incompatible & INCOMPATIBLE.compressionType) !== 0)) throw damaged('the qcow2 header contradicts itself on how the image is compressed');
  return {
    isDirty: (incompatible & INCOMPATIBLE.dirty) !== 0,
    isCorrupt: (incompatible & INCOMPATIBLE.corrupt) !== 0,
    hasLazyRefcounts: (head.u32(HEADER_AT.compatible + 4) & COMPATIBLE_LAZY_REFCOUNTS) !== 0,
    autoclear: head.u32(HEADER_AT.autoclear + 4),
    refcountOrder, compression: type === 1 ? 'zstd' : 'zlib', headerLength,
  };
}

/** They lie between the header and the backing file's name, in the first cluster. */
async function readExtensions(file: ByteFile, headerLength: number, clusterBytes: number, nameOffset: number): Promise<Pick<Qcow2Header, 'backingFormat' | 'bitmaps'>> {
  const end = nameOffset >= headerLength && nameOffset < clusterBytes ? nameOffset : clusterBytes;
  const cluster = new Uint8Array(clusterBytes);
  await file.read(0, cluster);
  const fields = new ByteFields(cluster, 'big-endian');
  let backingFormat: string | undefined;
  let bitmaps: Qcow2Header['bitmaps'];
  for (let at = headerLength; at + 8 <= end;) {
    const type = fields.u32(at);
    const length = fields.u32(at + 4);
    if (type === EXTENSION.end) break;
    if (length > end - at - 8) throw damaged('an extension of the qcow2 header is longer than the header');
    if (type === EXTENSION.backingFormat) backingFormat = fields.text(at + 8, length);
    if (type === EXTENSION.bitmaps && length >= 24) {
      bitmaps = { count: fields.u32(at + 8), directoryBytes: fields.u64(at + 16, 'bitmap directory'), directoryPosition: fields.u64(at + 24, 'bitmap directory') };
    }
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return { backingFormat, bitmaps };
}

/**
 * The extensions that begin at `from`, with another one for the format of the image below, and their end. Names of features are
 * left out: they help programs that don't know a feature, and take room.
 */
export function extensionsWithBacking(cluster: ByteFields, from: number, format: string): Uint8Array {
  const kept: Uint8Array[] = [];
  for (let at = from; at + 8 <= cluster.bytes.length;) {
    const type = cluster.u32(at);
    const whole = 8 + Math.ceil(cluster.u32(at + 4) / 8) * 8;
    if (type === EXTENSION.end || at + whole > cluster.bytes.length) break;
    if (type !== EXTENSION.backingFormat && type !== EXTENSION.featureNames) kept.push(cluster.bytes.slice(at, at + whole));
    at += whole;
  }
  const name = new TextEncoder().encode(format);
  const backing = new ByteFields(new Uint8Array(8 + Math.ceil(name.length / 8) * 8), 'big-endian');
  backing.setU32(0, EXTENSION.backingFormat);
  backing.setU32(4, name.length);
  backing.bytes.set(name, 8);
  const all = [backing.bytes, ...kept];
  const bytes = new Uint8Array(all.reduce((sum, { length }) => sum + length, 0) + 8);
  let to = 0;
  for (const extension of all) {
    bytes.set(extension, to);
    to += extension.length;
  }
  return bytes;
}

async function readBackingName(file: ByteFile, head: ByteFields, clusterBytes: number): Promise<string | undefined> {
  const offset = head.u64(HEADER_AT.backingOffset, 'backing file name');
  if (offset === 0) return undefined;
  const length = head.u32(HEADER_AT.backingLength);
  if (length > BACKING_NAME_BYTES_MAXIMUM || offset + length > clusterBytes) throw damaged('the name of the qcow2 image\'s backing file doesn\'t lie in its header');
  if (length === 0) return undefined;
  const bytes = new Uint8Array(length);
  await file.read(offset, bytes);
  return new ByteFields(bytes, 'big-endian').text(0, length);
}

export interface NewQcow2Header {
  readonly version: 2 | 3;
  readonly clusterBits: number;
  readonly size: number;
  readonly l1Entries: number;
  readonly l1Position: number;
  readonly refcountTablePosition: number;
  readonly refcountTableClusters: number;
  readonly refcountOrder: number;
  readonly hasLazyRefcounts: boolean;
  readonly compression: 'zlib' | 'zstd';
  readonly backing: { readonly name: string; readonly format: string } | undefined;
}

/** The first cluster of a new image. */
export function newHeaderCluster(header: NewQcow2Header): Uint8Array {
  const bytes = new Uint8Array(2 ** header.clusterBits);
  const fields = new ByteFields(bytes, 'big-endian');
  fields.setU32(0, QCOW2_MAGIC);
  fields.setU32(4, header.version);
  fields.setU32(HEADER_AT.clusterBits, header.clusterBits);
  fields.setU64(HEADER_AT.size, header.size);
  fields.setU32(HEADER_AT.l1Entries, header.l1Entries);
  fields.setU64(HEADER_AT.l1Position, header.l1Position);
  fields.setU64(HEADER_AT.refcountTablePosition, header.refcountTablePosition);
  fields.setU32(HEADER_AT.refcountTableClusters, header.refcountTableClusters);
  let at = HEADER_BYTES_V2;
  if (header.version === 3) {
    if (header.compression === 'zstd') fields.setU32(HEADER_AT.incompatible + 4, INCOMPATIBLE.compressionType);
    if (header.hasLazyRefcounts) fields.setU32(HEADER_AT.compatible + 4, COMPATIBLE_LAZY_REFCOUNTS);
    fields.setU32(HEADER_AT.refcountOrder, header.refcountOrder);
    fields.setU32(HEADER_AT.headerLength, HEADER_BYTES_WRITTEN);
    bytes[HEADER_AT.compression] = header.compression === 'zstd' ? 1 : 0;
    at = HEADER_BYTES_WRITTEN;
  }
  if (header.backing !== undefined) {
    const format = new TextEncoder().encode(header.backing.format);
    const name = new TextEncoder().encode(header.backing.name);
    const nameAt = at + 8 + Math.ceil(format.length / 8) * 8 + 8;
    if (name.length > BACKING_NAME_BYTES_MAXIMUM || nameAt + name.length > bytes.length) throw unsupported('the backing file\'s path is too long for the image\'s header', 'use a shorter path or larger clusters');
    fields.setU32(at, EXTENSION.backingFormat);
    fields.setU32(at + 4, format.length);
    bytes.set(format, at + 8);
    // An empty extension ends the list.
    bytes.set(name, nameAt);
    fields.setU64(HEADER_AT.backingOffset, nameAt);
    fields.setU32(HEADER_AT.backingLength, name.length);
  }
  return bytes;
}
