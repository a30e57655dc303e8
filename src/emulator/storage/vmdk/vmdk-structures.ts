/**
 * VMware's virtual disk format 1.1/5.0 ("Virtual Disk Format 5.0", 2011): a descriptor in text names extents, flat ones and
 * sparse ones; a sparse extent has a header, a directory of tables and tables of grains. Little-endian.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, printable, unsupported } from '../image-error.ts';

export const SPARSE_HEADER_BYTES = 512;
export const GRAINS_OF_TABLE = 512;
const MAGIC = 0x564d444b;
const SPARSE_AT = {
  version: 4, flags: 8, capacity: 12, grainSectors: 20, descriptor: 28, descriptorSectors: 36, grainsOfTable: 44, redundantDirectory: 48, directory: 56, overhead: 64,
  unclean: 72, newlines: 73, compression: 77,
} as const;
export const FLAG = { newlines: 1, redundant: 2, zeroGrains: 4, compressed: 0x1_0000, markers: 0x2_0000 } as const;
/** In the directory's place: it is in the footer. */
export const DIRECTORY_AT_END = Infinity;
const DESCRIPTOR_BYTES_MAXIMUM = 1 << 20;
const EXTENTS_MAXIMUM = 4096;
const DIRECTORY_BYTES_MAXIMUM = 64 << 20;

export interface SparseHeader {
  readonly version: number;
  readonly flags: number;
  readonly capacitySectors: number;
  readonly grainSectors: number;
  readonly descriptorSector: number;
  readonly descriptorSectors: number;
  readonly directorySector: number;
  readonly redundantDirectorySector: number;
  readonly overheadSectors: number;
  readonly isCompressed: boolean;
}

/** Throws `ImageError`. */
export async function readSparseHeader(file: ByteFile, position = 0): Promise<SparseHeader> {
  const head = new ByteFields(new Uint8Array(SPARSE_HEADER_BYTES), 'little-endian');
  await file.read(position, head.bytes);
  if (head.u32(0) !== MAGIC) throw head.text(0, 4) === 'COWD' ? unsupported('the VMDK image is one of ESX ("COWD")') : damaged('the extent of the VMDK image is no sparse one');
  const version = head.u32(SPARSE_AT.version);
  if (version < 1 || version > 3) throw unsupported(`the VMDK image has version ${version}`);
  const flags = head.u32(SPARSE_AT.flags);
  const grainSectors = head.u64(SPARSE_AT.grainSectors, 'grain size');
  if (grainSectors < 8 || grainSectors > 1 << 13 || (grainSectors & (grainSectors - 1)) !== 0) throw damaged(`the VMDK image has grains of ${grainSectors} sectors`);
  if (head.u32(SPARSE_AT.grainsOfTable) !== GRAINS_OF_TABLE) throw unsupported('the tables of the VMDK image have other than 512 grains');
  const isCompressed = (flags & FLAG.compressed) !== 0;
  if (isCompressed && head.u16(SPARSE_AT.compression) !== 1) throw unsupported('the VMDK image is compressed by a method other than deflate');
  const capacitySectors = head.u64(SPARSE_AT.capacity, 'size');
  if (directoryEntries({ capacitySectors, grainSectors }) * 4 > DIRECTORY_BYTES_MAXIMUM) throw unsupported('the directory of the VMDK image is larger than 64 MiB');
  const header: SparseHeader = {
    version, flags, capacitySectors, grainSectors, isCompressed,
    descriptorSector: head.u64OrInfinity(SPARSE_AT.descriptor), descriptorSectors: head.u64OrInfinity(SPARSE_AT.descriptorSectors),
    directorySector: head.u64OrInfinity(SPARSE_AT.directory), redundantDirectorySector: head.u64OrInfinity(SPARSE_AT.redundantDirectory),
    overheadSectors: head.u64OrInfinity(SPARSE_AT.overhead),
  };
  if (position === 0 && header.directorySector === DIRECTORY_AT_END) {
    // Before the footer's marker come data, behind it the end-of-stream marker.
    const size = await file.size();
    if (size < 2048) throw damaged('the VMDK image is cut off');
    return { ...await readSparseHeader(file, size - 1024), descriptorSector: header.descriptorSector, descriptorSectors: header.descriptorSectors };
  }
  if (!Number.isFinite(header.directorySector) || header.directorySector === 0) throw damaged('the VMDK image has no directory');
  return header;
}

export function directoryEntries({ capacitySectors, grainSectors }: Pick<SparseHeader, 'capacitySectors' | 'grainSectors'>): number {
  return Math.ceil(Math.ceil(capacitySectors / grainSectors) / GRAINS_OF_TABLE);
}

export function newSparseHeader(header: Omit<SparseHeader, 'isCompressed'>): Uint8Array {
  const head = new ByteFields(new Uint8Array(SPARSE_HEADER_BYTES), 'little-endian');
  head.setU32(0, MAGIC);
  head.setU32(SPARSE_AT.version, header.version);
  head.setU32(SPARSE_AT.flags, header.flags);
  head.setU64(SPARSE_AT.capacity, header.capacitySectors);
  head.setU64(SPARSE_AT.grainSectors, header.grainSectors);
  head.setU64(SPARSE_AT.descriptor, header.descriptorSector);
  head.setU64(SPARSE_AT.descriptorSectors, header.descriptorSectors);
  head.setU32(SPARSE_AT.grainsOfTable, GRAINS_OF_TABLE);
  head.setU64(SPARSE_AT.redundantDirectory, header.redundantDirectorySector);
  if (header.directorySector === DIRECTORY_AT_END) head.bytes.fill(0xff, SPARSE_AT.directory, SPARSE_AT.directory + 8);
  else head.setU64(SPARSE_AT.directory, header.directorySector);
  head.setU64(SPARSE_AT.overhead, header.overheadSectors);
  head.setText(SPARSE_AT.newlines, '\n \r\n');
  head.setU16(SPARSE_AT.compression, (header.flags & FLAG.compressed) !== 0 ? 1 : 0);
  return head.bytes;
}

export type VmdkKind = 'monolithicSparse' | 'monolithicFlat' | 'twoGbMaxExtentSparse' | 'twoGbMaxExtentFlat' | 'streamOptimized';

export interface ExtentLine {
  readonly sectors: number;
  readonly type: 'SPARSE' | 'FLAT' | 'ZERO';
  readonly name: string;
  /** Of a flat extent: where its data begins in the file. */
  readonly firstSector: number;
}

export interface Descriptor {
  readonly kind: string;
  readonly contentId: string;
  readonly parentContentId: string;
  readonly parentName: string | undefined;
  readonly extents: readonly ExtentLine[];
}

const NO_PARENT = 'ffffffff';

/** Throws `ImageError`. */
export function parseDescriptor(text: string): Descriptor {
  const value = (key: string): string | undefined => new RegExp(`^[ \\t]*${key}[ \\t]*=[ \\t]*"?([^"\\r\\n]*)"?`, 'im').exec(text)?.[1];
  const extents: ExtentLine[] = [];
  for (const line of text.split(/\r?\n/)) {
    const match = /^\s*(?:RW|RDONLY|NOACCESS)\s+(\d{1,15})\s+(\w+)(?:\s+"([^"]+)"(?:\s+(\d{1,15}))?)?/.exec(line);
    if (match === null) continue;
    const [, sectors = '', type = '', name = '', first = '0'] = match;
    if (type !== 'SPARSE' && type !== 'FLAT' && type !== 'ZERO') throw unsupported(`the VMDK image has an extent of the type ${printable(type)}`);
    if (extents.length === EXTENTS_MAXIMUM) throw unsupported(`the VMDK image has more than ${EXTENTS_MAXIMUM} extents`);
    extents.push({ sectors: Number(sectors), type, name, firstSector: Number(first) });
  }
  if (extents.length === 0) throw damaged('the descriptor of the VMDK image names no extents');
  const parentContentId = value('parentCID')?.toLowerCase() ?? NO_PARENT;
  const hint = value('parentFileNameHint');
  return { kind: value('createType') ?? '', contentId: value('CID')?.toLowerCase() ?? '', parentContentId, parentName: parentContentId === NO_PARENT ? undefined : hint, extents };
}

export async function readDescriptorAt(file: ByteFile, position: number, bytes: number): Promise<string> {
  if (!(bytes > 0 && bytes <= DESCRIPTOR_BYTES_MAXIMUM)) throw damaged('the descriptor of the VMDK image is too long');
  const text = new ByteFields(new Uint8Array(bytes), 'little-endian');
  await file.read(position, text.bytes);
  return text.text(0, bytes);
}

export interface NewDescriptor {
  readonly kind: VmdkKind;
  readonly sectors: number;
  readonly contentId: number;
  readonly extents: readonly ExtentLine[];
}

export function newDescriptor({ kind, sectors, contentId, extents }: NewDescriptor): Uint8Array {
  const lines = extents.map(({ sectors: count, type, name, firstSector }) => `RW ${count} ${type} "${name}"${type === 'FLAT' ? ` ${firstSector}` : ''}`);
  return new TextEncoder().encode(`# Disk DescriptorFile
version=1
CID=${contentId.toString(16).padStart(8, '0')}
parentCID=${NO_PARENT}
createType="${kind}"

# Extent description
${lines.join('\n')}

# The Disk Data Base
#DDB

ddb.virtualHWVersion = "4"
ddb.geometry.cylinders = "${Math.min(16383, Math.floor(sectors / (16 * 63)))}"
ddb.geometry.heads = "16"
ddb.geometry.sectors = "63"
ddb.adapterType = "ide"
`);
}
