/**
 * The log of a VHDX file ("[MS-VHDX]", 2.3): a ring of entries, each of which says what 4096-byte sectors of the file become. A
 * writer that was cut off leaves it to whoever opens the file next. Little-endian.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, unsupported } from '../image-error.ts';
import { closedHeader, crc32c, nextHeader, nextWriteGuid, readVhdxHeader, vhdxLogOf, type VhdxHeader } from './vhdx-structures.ts';

const SECTOR_BYTES = 4096;
const LOG_BYTES_MAXIMUM = 32 << 20;
const ZERO_RANGES_MAXIMUM = 1 << 15;
/** How often each byte of the log may be summed up: a sound log needs two times, one made for it would take hours. */
const SUMS_MAXIMUM = 8;
/** The file's identifier and its headers, which no entry may change. */
const HEADERS_END = 192 << 10;
/** By how much a log may make its file longer: many of the largest blocks, and no more than a host's file system takes. */
const GROWTH_BYTES_MAXIMUM = 16 * 2 ** 30;
const ENTRY_HEADER_BYTES = 64;
const DESCRIPTOR_BYTES = 32;
const ENTRY_AT = { checksum: 4, length: 8, tail: 12, sequence: 16, descriptors: 24, guid: 32, flushedFile: 48, lastFile: 56 } as const;
const DESCRIPTOR_AT = { trailing: 4, leading: 8, zeroLength: 8, position: 16, sequence: 24 } as const;
/** In a sector of data: between them the data without its first 8 bytes and its last 4, which are in its descriptor. */
const DATA_AT = { sequenceHigh: 4, bytes: 8, sequenceLow: 4092 } as const;

interface LogEntry {
  readonly at: number;
  readonly sequence: number;
  readonly tail: number;
  readonly fields: ByteFields;
}

/**
 * The file as its log wants it: the log becomes part of a file that may be written, and is held in memory over one that may not.
 * A file without a log, or of which more is wrong, is returned as it is. Throws `ImageError`.
 */
export async function withLogReplayed(file: ByteFile): Promise<ByteFile> {
  const header = await readVhdxHeader(file);
  const log = vhdxLogOf(header);
  if (log === undefined) return file;
  if (log.bytes > LOG_BYTES_MAXIMUM) throw unsupported('the log of the VHDX image is larger than 32 MiB', 'run "qemu-img check -r all"');
  const entries = new LogReader(log.guid, await contentsOf(file, log)).activeSequence();
  const newest = entries.at(-1);
  if (newest === undefined) throw damaged('the VHDX image was not closed, and its log has no sound entry');
  const fileBytes = await file.size();
  if (newest.fields.u64(ENTRY_AT.flushedFile, 'log entry') > fileBytes) throw damaged('the VHDX image is cut off: its log is of a longer file');
  const lastByte = newest.fields.u64(ENTRY_AT.lastFile, 'log entry');
  if (lastByte > fileBytes + GROWTH_BYTES_MAXIMUM) throw damaged('the log of the VHDX image is of a file too long to be true');
  const replayed = new ReplayedFile(file, Math.max(fileBytes, lastByte));
  for (const entry of entries) replay(entry, replayed, log);
  if (file.readOnly) {
    const { position, bytes } = closedHeader(header);
    replayed.setSector(position, bytes);
    return replayed;
  }
  const begun = nextHeader(header, nextWriteGuid(header));
  await file.write(begun.position, begun.bytes);
  await file.flush();
  await replayed.writeOut();
  await closeLog(file, begun);
  return file;
}

/** Both headers, one after the other: a cut between them leaves a sound one that says the same. */
async function closeLog(file: ByteFile, header: VhdxHeader): Promise<void> {
  for (let round = 0; round < 2; round++) {
    header = closedHeader(header);
    await file.write(header.position, header.bytes);
    await file.flush();
  }
}

async function contentsOf(file: ByteFile, { position, bytes }: { position: number; bytes: number }): Promise<Uint8Array> {
  const contents = new Uint8Array(bytes);
  await file.read(position, contents);
  return contents;
}

class LogReader {
  readonly #guid: Uint8Array;
  readonly #log: Uint8Array;
  readonly #seen = new Map<number, LogEntry | undefined>();
  #summed = 0;

  constructor(guid: Uint8Array, log: Uint8Array) {
    this.#guid = guid;
    this.#log = log;
  }

  /** The newest unbroken run of entries, from the oldest that isn't surely in the file yet. */
  activeSequence(): readonly LogEntry[] {
    let newest: readonly LogEntry[] = [];
    for (let start = 0; start < this.#log.length;) {
      const run = this.#runFrom(start);
      const last = run.at(-1);
      const tail = run.findIndex(({ at }) => at === last?.tail);
      if (last !== undefined && tail >= 0 && last.sequence > (newest.at(-1)?.sequence ?? 0)) newest = run.slice(tail);
      const next = last === undefined ? start + SECTOR_BYTES : last.at + last.fields.bytes.length;
      // The run went past the ring's end.
      if (next <= start) break;
      start = next;
    }
    return newest;
  }

  #runFrom(start: number): LogEntry[] {
    const run: LogEntry[] = [];
    let length = 0;
    for (let at = start; length < this.#log.length;) {
      const entry = this.#entryAt(at);
      if (entry === undefined || (run.length > 0 && entry.sequence !== run.at(-1)!.sequence + 1)) break;
      length += entry.fields.bytes.length;
      if (length > this.#log.length) break;
      run.push(entry);
      at = (at + entry.fields.bytes.length) % this.#log.length;
    }
    return run;
  }

  /** The entry that begins there, if it is whole and of this log. */
  #entryAt(at: number): LogEntry | undefined {
    if (!this.#seen.has(at)) this.#seen.set(at, this.#readEntry(at));
    return this.#seen.get(at);
  }

  #readEntry(at: number): LogEntry | undefined {
    const head = new ByteFields(this.#log.subarray(at, at + ENTRY_HEADER_BYTES), 'little-endian');
    if (head.text(0, 4) !== 'loge' || this.#guid.some((byte, index) => head.bytes[ENTRY_AT.guid + index] !== byte)) return undefined;
    const length = head.u32(ENTRY_AT.length);
    const tail = head.u32(ENTRY_AT.tail);
    const sequence = head.u64OrInfinity(ENTRY_AT.sequence);
    if (length === 0 || length % SECTOR_BYTES !== 0 || length > this.#log.length || tail % SECTOR_BYTES !== 0 || tail >= this.#log.length) return undefined;
    if (sequence === 0 || !Number.isSafeInteger(sequence) || sectorsOfDescriptors(head) * SECTOR_BYTES > length) return undefined;
    this.#summed += length;
    if (this.#summed > this.#log.length * SUMS_MAXIMUM) throw damaged('the entries of the VHDX image\'s log lie on each other');
    const fields = new ByteFields(new Uint8Array(length), 'little-endian');
    const first = this.#log.subarray(at, at + length);
    fields.bytes.set(first);
    fields.bytes.set(this.#log.subarray(0, length - first.length), first.length);
    const said = fields.u32(ENTRY_AT.checksum);
    fields.setU32(ENTRY_AT.checksum, 0);
    return crc32c(fields.bytes) === said ? { at, sequence, tail, fields } : undefined;
  }
}

function sectorsOfDescriptors(entry: ByteFields): number {
  return Math.ceil((ENTRY_HEADER_BYTES + entry.u32(ENTRY_AT.descriptors) * DESCRIPTOR_BYTES) / SECTOR_BYTES);
}

/** Throws `ImageError` where a sound entry says what can't be. */
function replay({ fields, sequence }: LogEntry, file: ReplayedFile, log: { position: number; bytes: number }): void {
  let dataAt = sectorsOfDescriptors(fields) * SECTOR_BYTES;
  for (let index = 0; index < fields.u32(ENTRY_AT.descriptors); index++) {
    const at = ENTRY_HEADER_BYTES + index * DESCRIPTOR_BYTES;
    const kind = fields.text(at, 4);
    const position = fields.u64(at + DESCRIPTOR_AT.position, 'log entry');
    const length = kind === 'zero' ? fields.u64(at + DESCRIPTOR_AT.zeroLength, 'log entry') : SECTOR_BYTES;
    const isPlaced = position % SECTOR_BYTES === 0 && length % SECTOR_BYTES === 0 && position >= HEADERS_END && (position + length <= log.position || position >= log.position + log.bytes);
    if (!isPlaced || fields.u64OrInfinity(at + DESCRIPTOR_AT.sequence) !== sequence) throw damaged(`entry ${sequence} of the VHDX image's log leads where it may not`);
    if (kind === 'zero') {
      file.setZeros(position, length);
    } else if (kind === 'desc' && dataAt < fields.bytes.length && fields.text(dataAt, 4) === 'data' && fields.u32(dataAt + DATA_AT.sequenceHigh) * 0x1_0000_0000 + fields.u32(dataAt + DATA_AT.sequenceLow) === sequence) {
      const sector = fields.bytes.slice(dataAt, dataAt + SECTOR_BYTES);
      sector.set(fields.bytes.subarray(at + DESCRIPTOR_AT.leading, at + DESCRIPTOR_AT.leading + DATA_AT.bytes));
      sector.set(fields.bytes.subarray(at + DESCRIPTOR_AT.trailing, at + DESCRIPTOR_AT.trailing + 4), DATA_AT.sequenceLow);
      file.setSector(position, sector);
      dataAt += SECTOR_BYTES;
    } else {
      throw damaged(`entry ${sequence} of the VHDX image's log is damaged`);
    }
  }
}

/** A file with sectors and ranges of zeros laid over it. */
class ReplayedFile implements ByteFile {
  readonly readOnly = true;
  readonly #file: ByteFile;
  readonly #fileBytes: number;
  /** By position; they lie over the ranges of zeros. */
  readonly #sectors = new Map<number, Uint8Array>();
  readonly #zeros: { readonly start: number; readonly end: number }[] = [];

  constructor(file: ByteFile, fileBytes: number) {
    this.#file = file;
    this.#fileBytes = fileBytes;
  }

  setSector(position: number, bytes: Uint8Array): void {
    if (position + SECTOR_BYTES > this.#fileBytes) throw damaged('the log of the VHDX image leads behind the end of the file');
    this.#sectors.set(position, bytes);
  }

  /** What lies behind the end of the file is zeros anyway. */
  setZeros(start: number, length: number): void {
    const end = Math.min(start + length, this.#fileBytes);
    if (end <= start) return;
    if (this.#zeros.length === ZERO_RANGES_MAXIMUM) throw unsupported('the log of the VHDX image has more ranges of zeros than this version keeps', 'run "qemu-img check -r all"');
    this.#zeros.push({ start, end });
    for (const position of this.#sectors.keys()) if (position >= start && position < end) this.#sectors.delete(position);
  }

  async writeOut(): Promise<void> {
    if (await this.#file.size() < this.#fileBytes) await this.#file.truncate(this.#fileBytes);
    let done = 0;
    for (const { start, end } of this.#zeros.toSorted((one, other) => one.start - other.start)) {
      const from = Math.max(start, done);
      if (end > from) await this.#file.punchHole(from, end - from);
      done = Math.max(done, end);
    }
    for (const [position, bytes] of this.#sectors) await this.#file.write(position, bytes);
    await this.#file.flush();
  }

  async size(): Promise<number> {
    return this.#fileBytes;
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    await this.#file.read(position, target);
    const targetEnd = position + target.length;
    for (const { start, end } of this.#zeros) if (start < targetEnd && end > position) target.fill(0, Math.max(0, start - position), end - position);
    for (let at = position - (position % SECTOR_BYTES); at < targetEnd; at += SECTOR_BYTES) {
      const sector = this.#sectors.get(at);
      if (sector !== undefined) target.set(sector.subarray(Math.max(0, position - at), targetEnd - at), Math.max(0, at - position));
    }
  }

  write(): Promise<void> {
    return refused();
  }

  truncate(): Promise<void> {
    return refused();
  }

  punchHole(): Promise<void> {
    return refused();
  }

  async flush(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

function refused(): Promise<never> {
  return Promise.reject(new Error('a file that may not be written was written'));
}
