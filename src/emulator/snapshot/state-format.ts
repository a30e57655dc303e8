/**
 * The file of a saved state. Little-endian:
 *
 *     header   64 bytes: magic, u32 version, u32 bytes of a chunk, u64 offset and u64 bytes of the index, u64 bytes of the file,
 *              u32 CRC of the index, 8 bytes 0, u32 CRC of the 60 bytes before
 *     data     sections and chunks of memory, in any order
 *     index    plain data (plain-data.ts): identity, board, sections, other files, regions, and the table of chunks
 *
 * A table entry has 16 bytes: u8 encoding, u8 file (0 this one, n the n-th other one), u16 and u32 high and low part of the
 * offset, u32 stored bytes, u32 CRC of the chunk's contents. Chunks of other files are those that had not changed since.
 * CRCs are those of zlib.
 */
import { decodePlain, encodePlain } from './plain-data.ts';
import { CHUNK_BYTES } from './memory-regions.ts';
import { damagedState, StateError } from './state-error.ts';

export const STATE_VERSION = 1;
export const HEADER_BYTES = 64;
const MAGIC = 'GuesthouseState\n';
const ENTRY_BYTES = 16;
/** 4 GiB of memory have a table of 1 MiB. */
export const INDEX_BYTES_MAXIMUM = 16 << 20;
const SECTION_BYTES_MAXIMUM = 64 << 20;
export const OTHER_FILES_MAXIMUM = 255;
const SECTIONS_MAXIMUM = 1000;

export const CHUNK_ENCODING = { zeros: 0, plain: 1, zstd: 2 } as const;

export type Checksum = (bytes: Uint8Array) => number;

export interface StateHeader {
  readonly indexOffset: number;
  readonly indexBytes: number;
  readonly indexChecksum: number;
  readonly fileBytes: number;
}

export interface SectionPlace {
  readonly id: string;
  readonly version: number;
  readonly offset: number;
  /** Compressed (zstd), and what they become. */
  readonly bytes: number;
  readonly plainBytes: number;
  /** Of the compressed bytes. */
  readonly checksum: number;
}

/** Another state file, whose chunks this one counts on. */
export interface OtherFile {
  readonly id: string;
  readonly bytes: number;
}

export interface ChunkPlace {
  readonly encoding: number;
  /** 0: this file; n: `otherFiles[n - 1]`. */
  readonly file: number;
  readonly offset: number;
  readonly bytes: number;
  readonly checksum: number;
}

export interface StateIndex {
  /** 32 hexadecimal digits. */
  readonly id: string;
  /** What the machine is made of: plain data, equal for machines that the state fits. */
  readonly board: Readonly<Record<string, unknown>>;
  readonly sections: readonly SectionPlace[];
  readonly otherFiles: readonly OtherFile[];
  readonly regions: readonly { readonly name: string; readonly chunks: number }[];
  readonly chunks: ChunkTable;
}

/** Places of a memory's chunks; at first all of them are zeros. */
export class ChunkTable {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  static ofZeros(chunks: number): ChunkTable {
    return new ChunkTable(new Uint8Array(chunks * ENTRY_BYTES));
  }

  get length(): number {
    return this.bytes.length / ENTRY_BYTES;
  }

  isZero(chunk: number): boolean {
    return this.bytes[chunk * ENTRY_BYTES] === CHUNK_ENCODING.zeros;
  }

  get(chunk: number): ChunkPlace {
    const at = chunk * ENTRY_BYTES;
    return {
      encoding: this.bytes[at]!, file: this.bytes[at + 1]!,
      offset: this.#view.getUint16(at + 2, true) * 0x1_0000_0000 + this.#view.getUint32(at + 4, true),
      bytes: this.#view.getUint32(at + 8, true), checksum: this.#view.getUint32(at + 12, true),
    };
  }

  set(chunk: number, { encoding, file, offset, bytes, checksum }: ChunkPlace): void {
    const at = chunk * ENTRY_BYTES;
    this.bytes[at] = encoding;
    this.bytes[at + 1] = file;
    this.#view.setUint16(at + 2, Math.floor(offset / 0x1_0000_0000), true);
    this.#view.setUint32(at + 4, offset % 0x1_0000_0000, true);
    this.#view.setUint32(at + 8, bytes, true);
    this.#view.setUint32(at + 12, checksum, true);
  }
}

export function encodeHeader({ indexOffset, indexBytes, indexChecksum, fileBytes }: StateHeader, checksum: Checksum): Uint8Array<ArrayBuffer> {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  for (let at = 0; at < MAGIC.length; at++) header[at] = MAGIC.charCodeAt(at);
  view.setUint32(16, STATE_VERSION, true);
  view.setUint32(20, CHUNK_BYTES, true);
  view.setBigUint64(24, BigInt(indexOffset), true);
  view.setBigUint64(32, BigInt(indexBytes), true);
  view.setBigUint64(40, BigInt(fileBytes), true);
  view.setUint32(48, indexChecksum, true);
  view.setUint32(60, checksum(header.subarray(0, 60)), true);
  return header;
}

/** Of a file of `fileBytes`. Throws `StateError`. */
export function decodeHeader(header: Uint8Array, fileBytes: number, checksum: Checksum): StateHeader {
  if (header.length < HEADER_BYTES) throw damagedState('is cut off');
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  for (let at = 0; at < MAGIC.length; at++) if (header[at] !== MAGIC.charCodeAt(at)) throw damagedState('is no saved state of Guesthouse, or its beginning is damaged');
  const version = view.getUint32(16, true);
  if (version > STATE_VERSION) throw new StateError('state.newer', `the saved state has the version ${version}, and this Guesthouse knows versions up to ${STATE_VERSION}`, 'open it with a newer Guesthouse');
  if (view.getUint32(60, true) !== checksum(header.subarray(0, 60))) throw damagedState('has a damaged beginning');
  if (version !== STATE_VERSION || view.getUint32(20, true) !== CHUNK_BYTES) throw damagedState('has a beginning that makes no sense');
  const place = (at: number): number => Number(view.getBigUint64(at, true));
  const found = { indexOffset: place(24), indexBytes: place(32), fileBytes: place(40), indexChecksum: view.getUint32(48, true) };
  if (found.fileBytes !== fileBytes) throw damagedState(found.fileBytes > fileBytes ? 'is cut off' : 'goes on after its end');
  if (found.indexBytes > INDEX_BYTES_MAXIMUM || found.indexOffset < HEADER_BYTES || found.indexOffset + found.indexBytes > fileBytes) throw damagedState('has an index outside its file');
  return found;
}

export function encodeIndex({ id, board, sections, otherFiles, regions, chunks }: StateIndex): Uint8Array<ArrayBuffer> {
  return encodePlain({ id, board, sections, otherFiles, regions, chunks: chunks.bytes });
}

/** Everything that other code counts on is looked at here. Throws `StateError`. */
export function decodeIndex(bytes: Uint8Array, header: StateHeader, checksum: Checksum): StateIndex {
  if (bytes.length !== header.indexBytes || checksum(bytes) !== header.indexChecksum) throw damagedState('has a damaged index');
  const index = objectOf(decodePlain(bytes));
  const otherFiles = listOf(index['otherFiles'], OTHER_FILES_MAXIMUM).map((other): OtherFile => ({ id: identityOf(other['id']), bytes: countOf(other['bytes']) }));
  const sections = listOf(index['sections'], SECTIONS_MAXIMUM).map((section): SectionPlace => ({
    id: textOf(section['id']), version: countOf(section['version']), offset: countOf(section['offset']), bytes: countOf(section['bytes']), plainBytes: countOf(section['plainBytes']), checksum: countOf(section['checksum']),
  }));
  for (const { offset, bytes: length, plainBytes } of sections) {
    if (plainBytes > SECTION_BYTES_MAXIMUM || offset < HEADER_BYTES || offset + length > header.fileBytes) throw damagedState('has a section outside its file');
  }
  const regions = listOf(index['regions'], 16).map((region) => ({ name: textOf(region['name']), chunks: countOf(region['chunks']) }));
  const table = index['chunks'];
  if (!(table instanceof Uint8Array) || table.length !== ENTRY_BYTES * regions.reduce((sum, { chunks }) => sum + chunks, 0)) throw damagedState('has no table of its memory');
  const chunks = new ChunkTable(table as Uint8Array<ArrayBuffer>);
  const fileBytes = [header.fileBytes, ...otherFiles.map((other) => other.bytes)];
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    if (!chunks.isZero(chunk)) checkPlace(chunks.get(chunk), fileBytes);
  }
  return { id: identityOf(index['id']), board: objectOf(index['board']), sections, otherFiles, regions, chunks };
}

function checkPlace({ encoding, file, offset, bytes }: ChunkPlace, fileBytes: readonly number[]): void {
  const isPlain = encoding === CHUNK_ENCODING.plain;
  const isSound = isPlain ? bytes === CHUNK_BYTES : encoding === CHUNK_ENCODING.zstd && bytes > 0 && bytes < CHUNK_BYTES;
  if (!isSound || offset < HEADER_BYTES || offset + bytes > (fileBytes[file] ?? 0)) throw damagedState('has a table that makes no sense');
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Uint8Array) throw damagedState('has an index that makes no sense');
  return value as Record<string, unknown>;
}

function listOf(value: unknown, most: number): Record<string, unknown>[] {
  if (!Array.isArray(value) || value.length > most) throw damagedState('has an index that makes no sense');
  return value.map(objectOf);
}

function countOf(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw damagedState('has an index that makes no sense');
  return value;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string' || value.length > 256) throw damagedState('has an index that makes no sense');
  return value;
}

function identityOf(value: unknown): string {
  const id = textOf(value);
  if (!/^[0-9a-f]{32}$/.test(id)) throw damagedState('has an index that makes no sense');
  return id;
}
