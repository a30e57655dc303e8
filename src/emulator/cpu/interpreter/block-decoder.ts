import { LONGEST_INSTRUCTION, type DecodedInstruction, type Decoder } from '../decoder.ts';
import type { Width } from '../isa/emitter.ts';
import type { InstructionRow } from '../isa/row.ts';
import {
  CODE_CHUNK_HEADER_BYTES, CODE_CHUNK_RECORDS, CODE_CHUNK_USED, CODE_PAGE_CHUNKS, CODE_PAGE_COVERED, CODE_PAGE_ENTRIES, CODE_PAGE_MODE, CODE_PAGE_NUMBER, ENTRY_TABLE_BITS, ENTRY_TABLE_BYTES, PAGE_BYTES,
  RECORD_A, RECORD_B, RECORD_BASE, RECORD_BYTES, RECORD_DISPLACEMENT, RECORD_HANDLER, RECORD_IMMEDIATE, RECORD_INDEX, RECORD_IP, RECORD_LENGTH, RECORD_LINK,
  RECORD_REMAINING, RECORD_SCALE, RECORD_SEGMENT,
} from '../memory-layout.ts';
import { ARGUMENTS, MODE_CODE_16, MODE_CODE_SIZE, MODE_CS_EDGE, SLOT_RIP_PAGE, SLOT_ZERO, STEP_RECORDS } from '../state-layout.ts';
import {
  HANDLER_COLD, HANDLER_COUNT, HANDLER_CROSSING, HANDLER_GOTO, HANDLER_PAGE_END, HANDLER_RESUME, HANDLER_STEPPED, HANDLER_TOO_LONG, HANDLER_UNDEFINED, type FormKind, type FormTable,
} from './forms.ts';

/** Instructions decoded ahead at most: past conditional branches the next ones are a guess. */
const DECODE_AHEAD = 48;

/** Runtime functions the decoder needs; see runtime/code-pages.ts. */
export interface CodePages {
  /** A new first chunk of a code page. */
  allocChunk(page: number): number;
  /** An empty table for 64 offsets of a code page. */
  allocEntryTable(): number;
  /** Copies up to `count` code bytes at a linear address to ARGUMENTS; returns how many could be read. */
  fetchBytes(linear: bigint, count: number): number;
}

/** Writes decoded instructions as records, one block after the other, into the chunks of their code page. */
export class BlockDecoder {
  private readonly decoder: Decoder;
  private readonly table: FormTable;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private readonly pages: CodePages;
  private readonly cpuBase: number;
  /** Whether the newest record begins a chunk that the one before leads to. */
  private bridged = false;
  /** Whether a gate that counts executions stands before each block that is decoded because control went there. */
  gates = false;
  /** Instructions decoded, for statistics. */
  decoded = 0;

  constructor(options: { decoder: Decoder; table: FormTable; memory: ArrayBufferLike; pages: CodePages; cpuBase: number }) {
    this.decoder = options.decoder;
    this.table = options.table;
    this.bytes = new Uint8Array(options.memory);
    this.view = new DataView(options.memory);
    this.pages = options.pages;
    this.cpuBase = options.cpuBase;
  }

  /**
   * Decodes from `start` (offset in the page) of a code page on, to the next unconditional transfer at most. Returns the
   * record of the instruction at `start`.
   */
  decodeBlock(page: number, start: number): number {
    const { view } = this;
    const mode = view.getUint32(page + CODE_PAGE_MODE, true);
    const pageStart = view.getUint32(page + CODE_PAGE_NUMBER, true) * PAGE_BYTES;
    let first = 0;
    let offset = start;
    /** Records of the current block, newest last, to fill in RECORD_REMAINING. */
    let open: number[] = [];
    const edge = (mode & MODE_CS_EDGE) !== 0;
    const linkable = !edge && (mode & MODE_CODE_SIZE) !== MODE_CODE_16;
    const gate = this.gates && !edge ? this.newRecord(page, HANDLER_COUNT, start) : 0;
    const close = (): void => {
      for (let i = 0; i < open.length; i++) this.bytes[(open[i] as number) + RECORD_REMAINING] = open.length - i;
      open = [];
    };
    for (let count = 0; ; count++) {
      const known = offset < PAGE_BYTES ? recordAt(view, page, offset) : 0;
      if (edge && count > 0) {
        this.newRecord(page, HANDLER_RESUME, offset);
        close();
        break;
      }
      if (offset >= PAGE_BYTES || known || (count >= DECODE_AHEAD && open.length === 0) || open.length >= 200) {
        const record = this.newRecord(page, offset >= PAGE_BYTES ? HANDLER_PAGE_END : HANDLER_GOTO, offset);
        view.setUint32(record + RECORD_IMMEDIATE, offset, true);
        view.setUint32(record + RECORD_LINK, known, true);
        first ||= record;
        close();
        break;
      }
      const decoded = this.decoder.decode(this.bytes, pageStart + offset, pageStart + PAGE_BYTES, mode);
      if (decoded === 'incomplete') {
        const record = this.newRecord(page, HANDLER_CROSSING, offset);
        this.enter(page, offset, record);
        this.cover(page, offset, PAGE_BYTES - offset);
        first ||= record;
        close();
        break;
      }
      const length = typeof decoded === 'string' ? 1 : decoded.length;
      const record = this.newRecord(page, decoded === 'too-long' ? HANDLER_TOO_LONG : HANDLER_UNDEFINED, offset);
      // The way to a new chunk enters a block, and so pays for it: the old block ends before.
      if (this.bridged) close();
      this.enter(page, offset, record);
      this.cover(page, offset, typeof decoded === 'string' ? Math.min(15, PAGE_BYTES - offset) : length);
      first ||= record;
      open.push(record);
      this.decoded++;
      if (typeof decoded === 'string') {
        this.bytes[record + RECORD_LENGTH] = length;
        close();
        break;
      }
      this.write(record, decoded, offset, linkable);
      this.shorten(record, decoded, open.length > 1, linkable);
      offset += length;
      if (decoded.row.ends) {
        close();
        if (decoded.entry.neverFallsThrough) break;
      }
    }
    return gate ? this.enterGate(page, start, gate, first) : first;
  }

  /** A gate in front of what is decoded at `start`: its record, which may already be a gate. */
  makeGate(page: number, start: number): number {
    const record = recordAt(this.view, page, start);
    if (!record) return this.decodeBlock(page, start);
    const handler = this.view.getUint16(record + RECORD_HANDLER, true);
    if (handler >= HANDLER_COUNT && handler <= HANDLER_COLD) return record;
    return this.enterGate(page, start, this.newRecord(page, HANDLER_COUNT, start), record);
  }

  private enterGate(page: number, start: number, gate: number, first: number): number {
    this.view.setUint32(gate + RECORD_DISPLACEMENT, page, true);
    this.view.setUint32(gate + RECORD_LINK, first, true);
    this.enter(page, start, gate);
    return gate;
  }

  /**
   * Replaces the handler of the instruction before, where this one makes a cheaper one do: a compare and the Jcc right
   * behind it become one handler, and flags that this instruction, which can't fault before, overwrites unseen aren't computed.
   */
  private shorten(record: number, decoded: DecodedInstruction, inBlock: boolean, linkable: boolean): void {
    const { before, table, view } = this;
    const { row, width } = decoded;
    const { condition } = decoded.entry;
    const adjacent = inBlock && before !== undefined && before.record + RECORD_BYTES === record;
    if (adjacent && condition >= 0 && width !== 16 && linkable) {
      const fused = table.fusedHandler(before.row, before.width, before.kind, condition);
      if (fused !== undefined) view.setUint16(before.record + RECORD_HANDLER, fused, true);
    } else if (adjacent && decoded.entry.overwritesFlags && (decoded.kind === 'reg' || decoded.kind === 'none')) {
      const flagless = table.flaglessHandler(before.row, before.width, before.kind);
      if (flagless !== undefined) view.setUint16(before.record + RECORD_HANDLER, flagless, true);
    }
    this.before = { record, row, width, kind: decoded.kind };
  }
  private before: { readonly record: number; readonly row: InstructionRow; readonly width: Width; readonly kind: FormKind } | undefined;

  /**
   * Decodes the instruction at `linear` into the step records, of which at most `bytes` bytes may be fetched; behind it stands
   * a record that goes on at the next instruction or, `stepping`, ends the engine's run. Returns its record, 0 where it is not
   * all within those bytes, or within pages that can be read (a fault is pending).
   */
  decodeSingle(linear: bigint, pageOffset: number, mode: number, bytes: number, stepping: boolean): number {
    const at = this.cpuBase + ARGUMENTS;
    const wanted = Math.min(bytes, LONGEST_INSTRUCTION);
    // The next page is not looked for before the instruction is known to go on there, as in a block.
    const inPage = Math.min(wanted, PAGE_BYTES - pageOffset);
    let decoded = this.decoder.decode(this.bytes, at, at + this.pages.fetchBytes(linear, inPage), mode);
    if (decoded === 'incomplete' && inPage < wanted) decoded = this.decoder.decode(this.bytes, at, at + this.pages.fetchBytes(linear, wanted), mode);
    if (decoded === 'incomplete') return 0;
    return this.writeSingle(decoded, pageOffset, stepping ? HANDLER_STEPPED : HANDLER_RESUME);
  }

  private writeSingle(decoded: DecodedInstruction | string, pageOffset: number, after: number): number {
    const record = this.cpuBase + STEP_RECORDS;
    const { view } = this;
    this.clear(record, decoded === 'too-long' ? HANDLER_TOO_LONG : HANDLER_UNDEFINED, pageOffset);
    this.bytes[record + RECORD_REMAINING] = 1;
    let length = 1;
    if (typeof decoded !== 'string') {
      this.write(record, decoded, pageOffset, false);
      length = decoded.length;
    }
    this.clear(record + RECORD_BYTES, after, pageOffset + length);
    view.setUint8(record + RECORD_LENGTH, length);
    return record;
  }

  private write(record: number, decoded: DecodedInstruction, offset: number, linkable: boolean): void {
    const { view, bytes } = this;
    const { row, width } = decoded;
    let { kind } = decoded;
    writeOperands(view, record, decoded, offset);
    if (kind === 'far') {
      const target = offset + decoded.length + decoded.relative;
      if (linkable && width !== 16 && target >= 0 && target < PAGE_BYTES) kind = 'link';
    }
    view.setUint16(record + RECORD_HANDLER, this.table.handler(row, width, kind), true);
    bytes[record + RECORD_LENGTH] = decoded.length;
  }

  private clear(record: number, handler: number, offset: number): void {
    const { view } = this;
    for (let at = record; at < record + RECORD_BYTES; at += 4) view.setUint32(at, 0, true);
    view.setUint16(record + RECORD_HANDLER, handler, true);
    view.setUint16(record + RECORD_IP, offset, true);
    view.setUint8(record + RECORD_BASE, SLOT_ZERO);
    view.setUint8(record + RECORD_INDEX, SLOT_ZERO);
  }

  /** The next free record of the page's newest chunk. A chunk's last record is kept for the way to the next chunk. */
  private newRecord(page: number, handler: number, offset: number): number {
    const { view } = this;
    let chunk = view.getUint32(page + CODE_PAGE_CHUNKS, true);
    this.bridged = false;
    let used = chunk ? view.getUint32(chunk + CODE_CHUNK_USED, true) : CODE_CHUNK_RECORDS;
    if (used >= CODE_CHUNK_RECORDS - 1) {
      const fresh = this.pages.allocChunk(page) >>> 0;
      if (chunk && used === CODE_CHUNK_RECORDS - 1) {
        const bridge = chunk + CODE_CHUNK_HEADER_BYTES + used * RECORD_BYTES;
        this.clear(bridge, HANDLER_GOTO, offset);
        view.setUint32(bridge + RECORD_IMMEDIATE, offset, true);
        view.setUint32(bridge + RECORD_LINK, fresh + CODE_CHUNK_HEADER_BYTES, true);
        view.setUint32(chunk + CODE_CHUNK_USED, used + 1, true);
        this.bridged = true;
      }
      chunk = fresh;
      used = 0;
    }
    view.setUint32(chunk + CODE_CHUNK_USED, used + 1, true);
    const record = chunk + CODE_CHUNK_HEADER_BYTES + used * RECORD_BYTES;
    this.clear(record, handler, offset);
    return record;
  }

  /** What `recordAt` finds from now on. */
  private enter(page: number, offset: number, record: number): void {
    const pointer = page + CODE_PAGE_ENTRIES + (offset >> ENTRY_TABLE_BITS) * 4;
    let table = this.view.getUint32(pointer, true);
    if (!table) {
      table = this.pages.allocEntryTable() >>> 0;
      this.view.setUint32(pointer, table, true);
    }
    this.view.setUint32(table + ((offset * 4) & (ENTRY_TABLE_BYTES - 1)), record, true);
  }
  private cover(page: number, offset: number, length: number): void {
    for (let at = offset; at < offset + length && at < PAGE_BYTES; at++) {
      const index = page + CODE_PAGE_COVERED + (at >> 3);
      this.bytes[index] = (this.bytes[index] as number) | (1 << (at & 7));
    }
  }
}

/** The record of what was decoded at an offset of a page; 0: nothing was. */
export function recordAt(view: DataView, page: number, offset: number): number {
  const table = view.getUint32(page + CODE_PAGE_ENTRIES + (offset >> ENTRY_TABLE_BITS) * 4, true);
  return view.getUint32(table + ((offset * 4) & (ENTRY_TABLE_BYTES - 1)), true);
}

/** The operand fields of a record for the instruction at `offset` of its page. */
export function writeOperands(view: DataView, record: number, decoded: Readonly<DecodedInstruction>, offset: number): void {
  const next = offset + decoded.length;
  if (decoded.kind === 'far') {
    view.setInt32(record + RECORD_IMMEDIATE, next + decoded.relative, true);
    view.setUint32(record + RECORD_LINK, 0, true);
  } else view.setBigInt64(record + RECORD_IMMEDIATE, decoded.immediate, true);
  view.setUint8(record + RECORD_A, decoded.entry.isString ? decoded.repeat : decoded.a);
  view.setUint8(record + RECORD_B, decoded.b);
  view.setUint8(record + RECORD_BASE, decoded.entry.isTableLookup ? 3 : decoded.base);
  view.setUint8(record + RECORD_INDEX, decoded.index);
  view.setUint8(record + RECORD_SCALE, decoded.scale | (decoded.addressBits === 64 ? 8 : decoded.addressBits === 32 ? 4 : 0));
  view.setUint8(record + RECORD_SEGMENT, decoded.segment);
  view.setInt32(record + RECORD_DISPLACEMENT, decoded.base === SLOT_RIP_PAGE ? decoded.displacement + next : decoded.displacement, true);
}
