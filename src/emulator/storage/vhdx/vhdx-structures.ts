/** Headers, regions and metadata of a VHDX file ("[MS-VHDX]: Virtual Hard Disk v2 File Format"). Little-endian. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, ImageError, unsupported } from '../image-error.ts';

const HEADER_BYTES = 4096;
const HEADER_POSITIONS = [65536, 131072] as const;
const REGION_POSITIONS = [196608, 262144] as const;
const REGION_BYTES = 65536;
export const MEGABYTE = 1 << 20;
const HEADER_AT = { checksum: 4, sequence: 8, fileWriteGuid: 16, dataWriteGuid: 32, logGuid: 48, logVersion: 64, version: 66, logLength: 68, logPosition: 72 } as const;
const GUID = {
  blockTable: '2dc27766-f623-4200-9d64-115e9bfd4a08', metadata: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
  parameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b', size: '2fa54224-cd1b-4876-b211-5dbed83bf4b8', page83: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSector: '8141bf1d-a96f-4709-ba47-f233a8faab5f', physicalSector: 'cda348c7-445d-4471-9cc9-e9885251c556',
} as const;
/** Bits of a metadata entry: it is of the virtual disk, and must be understood. */
const METADATA_FLAG = { virtualDisk: 2, required: 4 } as const;
const BLOCKS_MAXIMUM = 1 << 26;

/** CRC-32C, as RFC 3720 has it; `bytes` with its own field as zeros. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? 0x82f6_3b78 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});

function hasChecksum(bytes: Uint8Array): boolean {
  const copy = new ByteFields(bytes.slice(), 'little-endian');
  const said = copy.u32(HEADER_AT.checksum);
  copy.setU32(HEADER_AT.checksum, 0);
  return crc32c(copy.bytes) === said;
}

/** A GUID's text to its bytes: the first three groups are little-endian. */
function guidBytes(text: string): Uint8Array {
  const digits = text.replaceAll('-', '');
  const bytes = Uint8Array.from({ length: 16 }, (_, index) => parseInt(digits.slice(index * 2, index * 2 + 2), 16));
  return Uint8Array.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15], (from) => bytes[from]!);
}

function isGuid(bytes: Uint8Array, at: number, text: string): boolean {
  return guidBytes(text).every((byte, index) => bytes[at + index] === byte);
}

export interface VhdxHeader {
  /** Where the current header lies; the other place takes the next. */
  readonly position: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export interface VhdxLayout {
  readonly header: VhdxHeader;
  readonly tablePosition: number;
  readonly tableBytes: number;
  readonly size: number;
  readonly blockBytes: number;
  readonly isFixed: boolean;
  /** 16 bytes by which guests know the disk, where it has any. */
  readonly uuid: Uint8Array | undefined;
  readonly blocks: number;
  /** Payload entries of the table between two entries for bitmaps. */
  readonly chunkBlocks: number;
}

/** Throws `ImageError`; also where the log has what isn't in the file yet (`withLogReplayed`). */
export async function readVhdxLayout(file: ByteFile): Promise<VhdxLayout> {
  const start = new ByteFields(new Uint8Array(512), 'little-endian');
  await file.read(0, start.bytes);
  if (start.text(0, 8) !== 'vhdxfile') throw damaged('the file is no VHDX image');
  const header = await readVhdxHeader(file);
  const fields = new ByteFields(header.bytes, 'little-endian');
  if (fields.u16(HEADER_AT.version) !== 1 || fields.u16(HEADER_AT.logVersion) !== 0) throw unsupported('the VHDX image has an unknown version');
  if (header.bytes.subarray(HEADER_AT.logGuid, HEADER_AT.logGuid + 16).some((byte) => byte !== 0)) {
    throw new ImageError('image.dirty', 'the VHDX image was not closed, and its log has changes that are not in it', 'open it once with the program that wrote it, or run "qemu-img check -r all"');
  }
  const { table, metadata } = await readRegions(file);
  const facts = await readMetadata(file, metadata.position);
  const { size, blockBytes } = facts;
  const blocks = Math.ceil(size / blockBytes);
  const chunkBlocks = (2 ** 23 * 512) / blockBytes;
  if (blocks > BLOCKS_MAXIMUM) throw unsupported('the table of the VHDX image is larger than 512 MiB');
  if ((blocks + Math.floor(Math.max(0, blocks - 1) / chunkBlocks)) * 8 > table.bytes) throw damaged('the table of the VHDX image is too short for its size');
  return { header, tablePosition: table.position, tableBytes: table.bytes, ...facts, blocks, chunkBlocks };
}

/** The newer of the two. Throws `ImageError` where neither is sound. */
export async function readVhdxHeader(file: ByteFile): Promise<VhdxHeader> {
  let current: VhdxHeader | undefined;
  for (const position of HEADER_POSITIONS) {
    const fields = new ByteFields(new Uint8Array(HEADER_BYTES), 'little-endian');
    await file.read(position, fields.bytes);
    if (fields.text(0, 4) !== 'head' || !hasChecksum(fields.bytes)) continue;
    const sequence = fields.u64OrInfinity(HEADER_AT.sequence);
    if (Number.isFinite(sequence) && (current === undefined || sequence > current.sequence)) current = { position, sequence, bytes: fields.bytes };
  }
  if (current === undefined) throw damaged('the VHDX image has no sound header');
  return current;
}

interface Region { readonly position: number; readonly bytes: number }

async function readRegions(file: ByteFile): Promise<{ table: Region; metadata: Region }> {
  for (const position of REGION_POSITIONS) {
    const fields = new ByteFields(new Uint8Array(REGION_BYTES), 'little-endian');
    await file.read(position, fields.bytes);
    if (fields.text(0, 4) !== 'regi' || !hasChecksum(fields.bytes)) continue;
    let table: Region | undefined;
    let metadata: Region | undefined;
    for (let index = 0; index < Math.min(fields.u32(8), 2047); index++) {
      const at = 16 + index * 32;
      const region = { position: fields.u64(at + 16, 'region'), bytes: fields.u32(at + 24) };
      if (region.position % MEGABYTE !== 0 || region.position < MEGABYTE || region.bytes % MEGABYTE !== 0) throw damaged('a region of the VHDX image doesn\'t begin at a whole MiB');
      if (isGuid(fields.bytes, at, GUID.blockTable)) table = region;
      else if (isGuid(fields.bytes, at, GUID.metadata)) metadata = region;
      else if ((fields.u32(at + 28) & 1) !== 0) throw unsupported('the VHDX image has a region that this version doesn\'t know');
    }
    if (table === undefined || metadata === undefined) throw damaged('the VHDX image lacks a region');
    return { table, metadata };
  }
  throw damaged('the VHDX image has no sound table of regions');
}

async function readMetadata(file: ByteFile, position: number): Promise<Pick<VhdxLayout, 'size' | 'blockBytes' | 'isFixed' | 'uuid'>> {
  const table = new ByteFields(new Uint8Array(REGION_BYTES), 'little-endian');
  await file.read(position, table.bytes);
  if (table.text(0, 8) !== 'metadata') throw damaged('the metadata of the VHDX image are damaged');
  const items = new Map<string, ByteFields>();
  for (let index = 0; index < Math.min(table.u16(10), 2047); index++) {
    const at = 32 + index * 32;
    const name = Object.values(GUID).find((guid) => isGuid(table.bytes, at, guid));
    if (name === undefined) {
      if ((table.u32(at + 24) & METADATA_FLAG.required) !== 0) throw unsupported('the VHDX image has a parent, or other metadata that this version doesn\'t know', 'convert it with "qemu-img convert"');
      continue;
    }
    const item = new ByteFields(new Uint8Array(16), 'little-endian');
    await file.read(position + table.u32(at + 16), item.bytes);
    items.set(name, item);
  }
  const parameters = items.get(GUID.parameters);
  const size = items.get(GUID.size)?.u64(0, 'size');
  if (parameters === undefined || size === undefined) throw damaged('the VHDX image lacks metadata');
  if (items.get(GUID.logicalSector)?.u32(0) !== 512) throw unsupported('the VHDX image has sectors of other than 512 bytes');
  const blockBytes = parameters.u32(0);
  const flags = parameters.u32(4);
  if (blockBytes < MEGABYTE || blockBytes > 256 * MEGABYTE || (blockBytes & (blockBytes - 1)) !== 0) throw damaged(`the VHDX image has blocks of ${blockBytes} bytes`);
  if ((flags & 2) !== 0) throw unsupported('the VHDX image has a parent', 'convert it with "qemu-img convert"');
  return { size, blockBytes, isFixed: (flags & 1) !== 0, uuid: items.get(GUID.page83)?.bytes };
}

/** Where the log lies that has to be replayed: none where the file was closed, or has a version that isn't known. Throws `ImageError`. */
export function vhdxLogOf({ bytes }: VhdxHeader): { readonly guid: Uint8Array; readonly position: number; readonly bytes: number } | undefined {
  const fields = new ByteFields(bytes, 'little-endian');
  const guid = bytes.slice(HEADER_AT.logGuid, HEADER_AT.logGuid + 16);
  if (guid.every((byte) => byte === 0) || fields.u16(HEADER_AT.version) !== 1 || fields.u16(HEADER_AT.logVersion) !== 0) return undefined;
  const log = { guid, position: fields.u64(HEADER_AT.logPosition, 'log'), bytes: fields.u32(HEADER_AT.logLength) };
  if (log.position < MEGABYTE || log.position % MEGABYTE !== 0 || log.bytes === 0 || log.bytes % MEGABYTE !== 0) throw damaged('the log of the VHDX image doesn\'t lie at whole MiB');
  return log;
}

/** Another GUID of what was written: any other value will do, and this one was never used for the file. */
export function nextWriteGuid({ bytes }: VhdxHeader): Uint8Array {
  const guid = bytes.slice(HEADER_AT.fileWriteGuid, HEADER_AT.fileWriteGuid + 16);
  for (let at = 0, carry = 1; at < 16 && carry > 0; at++) {
    const sum = guid[at]! + carry;
    guid[at] = sum & 0xff;
    carry = sum >> 8;
  }
  return guid;
}

/** The header's successor, with nothing to be replayed. */
export function closedHeader(header: VhdxHeader): VhdxHeader {
  const bytes = header.bytes.slice();
  bytes.fill(0, HEADER_AT.logGuid, HEADER_AT.logGuid + 16);
  return nextHeader({ ...header, bytes }, bytes.slice(HEADER_AT.fileWriteGuid, HEADER_AT.fileWriteGuid + 16));
}

/** The header's successor, for the other place: says that the file is being written. */
export function nextHeader({ position, sequence, bytes }: VhdxHeader, writeGuid: Uint8Array): VhdxHeader {
  const fields = new ByteFields(bytes.slice(), 'little-endian');
  fields.setU64(HEADER_AT.sequence, sequence + 1);
  fields.bytes.set(writeGuid, HEADER_AT.fileWriteGuid);
  fields.bytes.set(writeGuid, HEADER_AT.dataWriteGuid);
  fields.setU32(HEADER_AT.checksum, 0);
  fields.setU32(HEADER_AT.checksum, crc32c(fields.bytes));
  return { position: position === HEADER_POSITIONS[0] ? HEADER_POSITIONS[1] : HEADER_POSITIONS[0], sequence: sequence + 1, bytes: fields.bytes };
}

export interface NewVhdx {
  readonly bytes: number;
  readonly subformat: 'dynamic' | 'fixed';
  readonly blockBytes?: number | undefined;
  readonly uuid: Uint8Array;
}

const DEFAULT_BLOCK_BYTES = 16 * MEGABYTE;
const LOG_POSITION = MEGABYTE;
const METADATA_POSITION = 2 * MEGABYTE;
const TABLE_POSITION = 3 * MEGABYTE;
const ITEMS_AT = 65536;

/** State and position of a block in an entry of the table. */
export const BLOCK_STATE = { absent: 0, undefinedData: 1, zeros: 2, unmapped: 3, present: 6, partial: 7 } as const;

/** Into an empty file. Throws `ImageError`. */
export async function createVhdx(file: ByteFile, wanted: NewVhdx): Promise<void> {
  const blockBytes = wanted.blockBytes ?? DEFAULT_BLOCK_BYTES;
  if (blockBytes < MEGABYTE || blockBytes > 256 * MEGABYTE || (blockBytes & (blockBytes - 1)) !== 0) throw unsupported(`a VHDX image can't have blocks of ${blockBytes} bytes`, 'choose a power of two from 1M to 256M');
  const blocks = Math.ceil(wanted.bytes / blockBytes);
  if (blocks > BLOCKS_MAXIMUM) throw unsupported('the disk is too large for blocks of this size', 'choose larger blocks');
  const chunkBlocks = (2 ** 23 * 512) / blockBytes;
  const tableBytes = Math.ceil(((blocks + Math.floor(blocks / chunkBlocks) + 1) * 8) / MEGABYTE) * MEGABYTE;
  const dataPosition = TABLE_POSITION + tableBytes;
  const isFixed = wanted.subformat === 'fixed';
  if (isFixed) {
    const table = new ByteFields(new Uint8Array(tableBytes), 'little-endian');
    for (let block = 0; block < blocks; block++) table.setU64((block + Math.floor(block / chunkBlocks)) * 8, dataPosition + block * blockBytes + BLOCK_STATE.present);
    await file.write(TABLE_POSITION, table.bytes);
  }
  await file.write(METADATA_POSITION, metadataOf(wanted, blockBytes, isFixed));
  const regions = new ByteFields(new Uint8Array(REGION_BYTES), 'little-endian');
  regions.setText(0, 'regi');
  regions.setU32(8, 2);
  for (const [index, [guid, position, bytes]] of ([[GUID.blockTable, TABLE_POSITION, tableBytes], [GUID.metadata, METADATA_POSITION, MEGABYTE]] as const).entries()) {
    regions.bytes.set(guidBytes(guid), 16 + index * 32);
    regions.setU64(32 + index * 32, position);
    regions.setU32(40 + index * 32, bytes);
    regions.setU32(44 + index * 32, 1);
  }
  regions.setU32(HEADER_AT.checksum, crc32c(regions.bytes));
  for (const position of REGION_POSITIONS) await file.write(position, regions.bytes);
  const header = new ByteFields(new Uint8Array(HEADER_BYTES), 'little-endian');
  header.setText(0, 'head');
  header.setU16(HEADER_AT.version, 1);
  header.setU32(HEADER_AT.logLength, MEGABYTE);
  header.setU64(HEADER_AT.logPosition, LOG_POSITION);
  const first = nextHeader({ position: HEADER_POSITIONS[1], sequence: 0, bytes: header.bytes }, wanted.uuid);
  const second = nextHeader(first, wanted.uuid);
  for (const { position, bytes } of [first, second]) await file.write(position, bytes);
  await file.truncate(dataPosition + (isFixed ? blocks * blockBytes : 0));
  await file.flush();
  const identifier = new ByteFields(new Uint8Array(512), 'little-endian');
  identifier.setText(0, 'vhdxfile');
  for (const [index, letter] of [...'Guesthouse'].entries()) identifier.setU16(8 + index * 2, letter.charCodeAt(0));
  await file.write(0, identifier.bytes);
  await file.flush();
}

function metadataOf({ bytes, uuid }: NewVhdx, blockBytes: number, isFixed: boolean): Uint8Array {
  const region = new ByteFields(new Uint8Array(MEGABYTE), 'little-endian');
  region.setText(0, 'metadata');
  const items: [string, number, number, (at: number) => void][] = [
    [GUID.parameters, 8, METADATA_FLAG.required, (at) => { region.setU32(at, blockBytes); region.setU32(at + 4, isFixed ? 1 : 0); }],
    [GUID.size, 8, METADATA_FLAG.required | METADATA_FLAG.virtualDisk, (at) => { region.setU64(at, bytes); }],
    [GUID.page83, 16, METADATA_FLAG.required | METADATA_FLAG.virtualDisk, (at) => { region.bytes.set(uuid, at); }],
    [GUID.logicalSector, 4, METADATA_FLAG.required | METADATA_FLAG.virtualDisk, (at) => { region.setU32(at, 512); }],
    [GUID.physicalSector, 4, METADATA_FLAG.required | METADATA_FLAG.virtualDisk, (at) => { region.setU32(at, 4096); }],
  ];
  region.setU16(10, items.length);
  let place = ITEMS_AT;
  for (const [index, [guid, length, flags, write]] of items.entries()) {
    const at = 32 + index * 32;
    region.bytes.set(guidBytes(guid), at);
    region.setU32(at + 16, place);
    region.setU32(at + 20, length);
    region.setU32(at + 24, flags);
    write(place);
    place += 16;
  }
  return region.bytes;
}
