/** The footer and header of Microsoft's VHD ("Virtual Hard Disk Image Format Specification", 2006). All big-endian. */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, unsupported } from '../image-error.ts';

export const FOOTER_BYTES = 512;
export const HEADER_BYTES = 1024;
export const ABSENT = 0xffff_ffff;
const FOOTER_AT = {
  features: 8, version: 12, header: 16, time: 24, creator: 28, creatorVersion: 32, creatorHost: 36, originalSize: 40, size: 48, cylinders: 56, heads: 58, sectors: 59, type: 60,
  checksum: 64, uuid: 68,
} as const;
const HEADER_AT = { next: 8, table: 16, version: 24, entries: 28, blockBytes: 32, checksum: 36, parentUuid: 40, parentTime: 56, parentName: 64, locators: 576 } as const;
const LOCATORS = 8;
const LOCATOR_BYTES = 24;
const RELATIVE_PATH = 0x57327275; // "W2ru"
const PARENT_NAME_BYTES = 512;
const LOCATOR_BYTES_MAXIMUM = 4096;
const TYPES = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' } as const;
const BLOCKS_MAXIMUM = 1 << 24;
/** 2000-01-01, from which VHD counts seconds. */
const VHD_EPOCH_SECONDS = 946_684_800;

export interface VhdFooter {
  readonly type: (typeof TYPES)[keyof typeof TYPES];
  readonly size: number;
  readonly headerPosition: number;
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  readonly bytes: Uint8Array;
}

export interface VhdHeader {
  readonly tablePosition: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly parentUuid: Uint8Array;
  readonly parentName: string | undefined;
}

function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (const [index, byte] of bytes.entries()) if (index < at || index >= at + 4) sum += byte;
  return ~sum >>> 0;
}

function parseFooter(bytes: Uint8Array): VhdFooter | undefined {
  const fields = new ByteFields(bytes, 'big-endian');
  if (fields.text(0, 8) !== 'conectix' || fields.u32(FOOTER_AT.checksum) !== checksum(bytes, FOOTER_AT.checksum)) return undefined;
  const type = (TYPES as Readonly<Record<number, VhdFooter['type'] | undefined>>)[fields.u32(FOOTER_AT.type)];
  if (type === undefined) throw unsupported(`the VHD image has the type ${fields.u32(FOOTER_AT.type)}, which this version doesn't know`);
  return {
    type, size: fields.u64(FOOTER_AT.size, 'size'), headerPosition: type === 'fixed' ? 0 : fields.u64(FOOTER_AT.header, 'header'),
    uuid: bytes.slice(FOOTER_AT.uuid, FOOTER_AT.uuid + 16), bytes,
  };
}

/** From the end; where that was cut off, the copy at the beginning. Throws `ImageError`. */
export async function readVhdFooter(file: ByteFile): Promise<{ readonly footer: VhdFooter; readonly isAtEnd: boolean }> {
  const size = await file.size();
  const last = new Uint8Array(FOOTER_BYTES);
  if (size >= FOOTER_BYTES) await file.read(size - FOOTER_BYTES, last);
  const atEnd = parseFooter(last);
  if (atEnd !== undefined && atEnd.type === 'fixed' && atEnd.size > size - FOOTER_BYTES) throw damaged('the VHD image is shorter than its disk');
  if (atEnd !== undefined) return { footer: atEnd, isAtEnd: true };
  const first = new Uint8Array(FOOTER_BYTES);
  await file.read(0, first);
  const copy = parseFooter(first);
  if (copy === undefined || copy.type === 'fixed') throw damaged('the VHD image has no sound footer');
  return { footer: copy, isAtEnd: false };
}

/** Throws `ImageError`. */
export async function readVhdHeader(file: ByteFile, footer: VhdFooter): Promise<VhdHeader> {
  const fields = new ByteFields(new Uint8Array(HEADER_BYTES), 'big-endian');
  if (footer.headerPosition % 512 !== 0) throw damaged('the header of the VHD image doesn\'t begin at a sector');
  await file.read(footer.headerPosition, fields.bytes);
  if (fields.text(0, 8) !== 'cxsparse' || fields.u32(HEADER_AT.checksum) !== checksum(fields.bytes, HEADER_AT.checksum)) throw damaged('the header of the VHD image is damaged');
  const blockBytes = fields.u32(HEADER_AT.blockBytes);
  const blocks = fields.u32(HEADER_AT.entries);
  const tablePosition = fields.u64(HEADER_AT.table, 'block table');
  if (blockBytes < 4096 || blockBytes > 1 << 28 || (blockBytes & (blockBytes - 1)) !== 0) throw damaged(`the VHD image has blocks of ${blockBytes} bytes`);
  if (blocks > BLOCKS_MAXIMUM) throw unsupported('the table of the VHD image is larger than 64 MiB');
  if (footer.size > blocks * blockBytes) throw damaged('the table of the VHD image is too short for its size');
  if (tablePosition % 512 !== 0 || tablePosition < FOOTER_BYTES) throw damaged('the table of the VHD image doesn\'t begin at a sector behind the footer');
  // Else a small file could claim a table that fills the memory.
  if (tablePosition + blocks * 4 > await file.size()) throw damaged('the table of the VHD image lies behind the end of the file');
  return {
    tablePosition, blocks, blockBytes, parentUuid: fields.bytes.slice(HEADER_AT.parentUuid, HEADER_AT.parentUuid + 16),
    parentName: footer.type === 'differencing' ? await readParentName(file, fields) : undefined,
  };
}

/** The relative path where there is one, else the parent's name. In our kind of slashes. */
async function readParentName(file: ByteFile, header: ByteFields): Promise<string | undefined> {
  for (let index = 0; index < LOCATORS; index++) {
    const at = HEADER_AT.locators + index * LOCATOR_BYTES;
    const length = header.u32(at + 8);
    if (header.u32(at) !== RELATIVE_PATH || length === 0 || length > LOCATOR_BYTES_MAXIMUM || length % 2 !== 0) continue;
    const bytes = new Uint8Array(length);
    await file.read(header.u64(at + 16, 'parent locator'), bytes);
    return slashed(utf16(bytes, true)).replace(/^\.\//, '');
  }
  const name = slashed(utf16(header.bytes.subarray(HEADER_AT.parentName, HEADER_AT.parentName + PARENT_NAME_BYTES), false));
  // An absolute path of another system.
  return name === '' ? undefined : name.split('/').at(-1);
}

function slashed(path: string): string {
  return path.replaceAll('\\', '/');
}

function utf16(bytes: Uint8Array, littleEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = '';
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    const unit = view.getUint16(at, littleEndian);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

function utf16Bytes(text: string, littleEndian: boolean): Uint8Array {
  const bytes = new Uint8Array(text.length * 2);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < text.length; index++) view.setUint16(index * 2, text.charCodeAt(index), littleEndian);
  return bytes;
}

export interface NewVhdFooter {
  readonly type: VhdFooter['type'];
  readonly size: number;
  readonly uuid: Uint8Array;
  /** Since 1970. */
  readonly epochSeconds: number;
}

export function newFooter({ type, size, uuid, epochSeconds }: NewVhdFooter): Uint8Array {
  const fields = new ByteFields(new Uint8Array(FOOTER_BYTES), 'big-endian');
  fields.setText(0, 'conectix');
  fields.setU32(FOOTER_AT.features, 2);
  fields.setU32(FOOTER_AT.version, 0x1_0000);
  if (type === 'fixed') fields.bytes.fill(0xff, FOOTER_AT.header, FOOTER_AT.header + 8);
  else fields.setU64(FOOTER_AT.header, FOOTER_BYTES);
  fields.setU32(FOOTER_AT.time, Math.max(0, Math.floor(epochSeconds) - VHD_EPOCH_SECONDS));
  // QUIRK(QEMU): takes the size from the geometry, which is coarser, unless it knows that the creator means the size field.
  fields.setText(FOOTER_AT.creator, 'win ');
  fields.setU32(FOOTER_AT.creatorVersion, 0xa_0000);
  fields.setText(FOOTER_AT.creatorHost, 'Wi2k');
  fields.setU64(FOOTER_AT.originalSize, size);
  fields.setU64(FOOTER_AT.size, size);
  const { cylinders, heads, sectors } = geometry(size / 512);
  fields.setU16(FOOTER_AT.cylinders, cylinders);
  fields.bytes[FOOTER_AT.heads] = heads;
  fields.bytes[FOOTER_AT.sectors] = sectors;
  fields.setU32(FOOTER_AT.type, type === 'fixed' ? 2 : type === 'dynamic' ? 3 : 4);
  fields.bytes.set(uuid, FOOTER_AT.uuid);
  fields.setU32(FOOTER_AT.checksum, checksum(fields.bytes, FOOTER_AT.checksum));
  return fields.bytes;
}

export interface NewVhdHeader {
  readonly tablePosition: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly parent: { readonly name: string; readonly uuid: Uint8Array; readonly locatorPosition: number } | undefined;
}

/** The header, and what is to lie at the locator's position. */
export function newHeader({ tablePosition, blocks, blockBytes, parent }: NewVhdHeader): { readonly header: Uint8Array; readonly locator: Uint8Array } {
  const fields = new ByteFields(new Uint8Array(HEADER_BYTES), 'big-endian');
  fields.setText(0, 'cxsparse');
  fields.bytes.fill(0xff, HEADER_AT.next, HEADER_AT.next + 8);
  fields.setU64(HEADER_AT.table, tablePosition);
  fields.setU32(HEADER_AT.version, 0x1_0000);
  fields.setU32(HEADER_AT.entries, blocks);
  fields.setU32(HEADER_AT.blockBytes, blockBytes);
  let locator = new Uint8Array(0);
  if (parent !== undefined) {
    const windowsName = parent.name.replaceAll('/', '\\');
    locator = new Uint8Array(utf16Bytes(windowsName.startsWith('\\') ? windowsName : `.\\${windowsName}`, true));
    if (locator.length > 512) throw unsupported('the parent\'s path is too long for a VHD image', 'use a shorter one');
    fields.bytes.set(parent.uuid, HEADER_AT.parentUuid);
    fields.bytes.set(utf16Bytes(parent.name.split('/').at(-1) ?? '', false).subarray(0, PARENT_NAME_BYTES), HEADER_AT.parentName);
    fields.setU32(HEADER_AT.locators, RELATIVE_PATH);
    fields.setU32(HEADER_AT.locators + 4, 512);
    fields.setU32(HEADER_AT.locators + 8, locator.length);
    fields.setU64(HEADER_AT.locators + 16, parent.locatorPosition);
  }
  fields.setU32(HEADER_AT.checksum, checksum(fields.bytes, HEADER_AT.checksum));
  return { header: fields.bytes, locator };
}

/** The specification's appendix, "CHS Calculation". */
function geometry(totalSectors: number): { cylinders: number; heads: number; sectors: number } {
  const total = Math.min(totalSectors, 65535 * 16 * 255);
  if (total >= 65535 * 16 * 63) return { cylinders: Math.floor(total / 255 / 16), heads: 16, sectors: 255 };
  let sectors = 17;
  let tracks = Math.floor(total / sectors);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectors = 31;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  if (tracks >= heads * 1024) {
    sectors = 63;
    heads = 16;
    tracks = Math.floor(total / sectors);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectors };
}
