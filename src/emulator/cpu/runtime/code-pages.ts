/**
 * Decoded code: finding the record for an address, making and dropping code pages. Descriptors are laid out in
 * memory-layout.ts; what is in them is decoded by the board's `decodeBlock`.
 */
import {
  CODE_ARENA, CODE_ARENA_BYTES, CODE_PAGE_BYTES, CODE_PAGE_CHUNKS, CODE_PAGE_COVERED, CODE_PAGE_ENTRIES, CODE_PAGE_HEADS, CODE_PAGE_MODE, CODE_PAGE_NEXT,
  CODE_PAGE_NUMBER, CODE_PAGE_REGIONS, ENTRY_TABLE_BITS, ENTRY_TABLE_BYTES, CODE_CHUNK_HEADER_BYTES, CODE_CHUNK_PAGE, CODE_CHUNK_USED, CODE_UNIT_BYTES, GLOBAL_FREE_UNITS, GLOBAL_FREE_UNIT_COUNT, GLOBAL_RAM_HIGH_BYTES, GLOBAL_RAM_LOW_BYTES, GLOBAL_RETIRED_UNITS, HANDLER_NUMBER_COLD, HANDLER_NUMBER_COUNT, HANDLER_NUMBER_REGION, GLOBAL_CODE_ARENA_GENERATION, GLOBAL_CODE_ARENA_NEXT, GLOBAL_FREE_ENTRY_TABLES, HANDLER_NUMBER_CROSSING, HANDLER_NUMBER_REFETCH, MAP_READABLE, PAGE_FLAGS,
  PAGE_HAS_CODE, PAGE_HAS_DESCRIPTOR, RECORD_BYTES, RECORD_HANDLER, RECORD_IP,
} from '../memory-layout.ts';
import {
  ARGUMENTS, CODE_TLB, CODE_TLB_ENTRIES, CODE_TLB_ENTRY_BYTES, COUNT_DECODED, COUNT_INVALIDATIONS, CPL, CS, FAULT_VECTOR, HOT_THRESHOLD, LIMIT_RECORD, MODE, MODE_CODE_32, MODE_CODE_64, MODE_CODE_SIZE,
  MODE_CS_EDGE, MODE_CS_LIMITED, MODE_DECODING, RIP_PAGE, SEGMENT_BASE, SEGMENT_LIMIT,
} from '../state-layout.ts';
import { VECTOR_GP } from '../arch.ts';
import { decodeBlock, makeGate, regionsDropped } from './board.ts';
import { cpuBase, fault, get32, get64, in64BitCode, inLongMode, isCanonical, set32, set64 } from './cpu-state.ts';
import { EXECUTE, walk, walkGlobal, walkPageBits, walkPhysical } from './page-walk.ts';
import { mapEntry } from './physical.ts';
import { fillCode, flushCodeTlb, protectPage } from './tlb.ts';

/** What one descriptor and one block's decoding may take at most, with a wide margin. */
const ARENA_RESERVE: u32 = 0x40000;

const LONGEST_INSTRUCTION: u32 = 15;

/** PAGE_HAS_CODE and PAGE_HAS_DESCRIPTOR in each of eight bytes. */
const CODE_BITS: u64 = 0x0101010101010101 * (PAGE_HAS_CODE | PAGE_HAS_DESCRIPTOR);

/** As much of the code arena as guest RAM warrants: a machine of 256 MiB may have 32 of it. */
function arenaBytes(): u32 {
  const ram = <u64>load<u32>(GLOBAL_RAM_LOW_BYTES) + load<u32>(GLOBAL_RAM_HIGH_BYTES);
  return <u32>min<u64>(CODE_ARENA_BYTES, 0x1000000 + (ram >> 4));
}

/** Bytes of the code arena that are free. */
export function codeRoom(): u32 {
  const next = max<u32>(load<u32>(GLOBAL_CODE_ARENA_NEXT), CODE_ARENA);
  return arenaBytes() - min<u32>(next - CODE_ARENA, arenaBytes()) + load<u32>(GLOBAL_FREE_UNIT_COUNT) * CODE_UNIT_BYTES;
}

/** A unit of the code arena, contents undefined; 0 when it is full, which `fetch` prevents. */
function allocUnit(): u32 {
  const free = load<u32>(GLOBAL_FREE_UNITS);
  if (free) {
    store<u32>(GLOBAL_FREE_UNITS, load<u32>(free));
    store<u32>(GLOBAL_FREE_UNIT_COUNT, load<u32>(GLOBAL_FREE_UNIT_COUNT) - 1);
    return free;
  }
  const next = max<u32>(load<u32>(GLOBAL_CODE_ARENA_NEXT), CODE_ARENA);
  if (next - CODE_ARENA >= arenaBytes()) return 0;
  store<u32>(GLOBAL_CODE_ARENA_NEXT, next + CODE_UNIT_BYTES);
  return next;
}

/** A new first chunk of a code page, without records. */
export function allocChunk(descriptor: u32): u32 {
  const chunk = allocUnit();
  store<u32>(chunk, load<u32>(descriptor + CODE_PAGE_CHUNKS));
  store<u32>(chunk + CODE_CHUNK_USED, 0);
  store<u32>(chunk + CODE_CHUNK_PAGE, descriptor);
  store<u32>(descriptor + CODE_PAGE_CHUNKS, chunk);
  return chunk;
}

/** What was dropped may be used again: no record is being executed. */
export function reclaimCode(): void {
  for (let unit = load<u32>(GLOBAL_RETIRED_UNITS); unit != 0;) {
    const next = load<u32>(unit);
    store<u32>(unit, load<u32>(GLOBAL_FREE_UNITS));
    store<u32>(GLOBAL_FREE_UNITS, unit);
    store<u32>(GLOBAL_FREE_UNIT_COUNT, load<u32>(GLOBAL_FREE_UNIT_COUNT) + 1);
    unit = next;
  }
  store<u32>(GLOBAL_RETIRED_UNITS, 0);
}

/** An empty entry table, of those that are free again where there is one. */
export function allocEntryTable(): u32 {
  if (!load<u32>(GLOBAL_FREE_ENTRY_TABLES)) {
    const unit = allocUnit();
    for (let table = unit; table < unit + CODE_UNIT_BYTES; table += ENTRY_TABLE_BYTES) freeEntryTable(table);
  }
  const table = load<u32>(GLOBAL_FREE_ENTRY_TABLES);
  store<u32>(GLOBAL_FREE_ENTRY_TABLES, load<u32>(table));
  memory.fill(table, 0, ENTRY_TABLE_BYTES);
  return table;
}

/** The record of what was decoded at an offset of a page; 0: nothing was. */
@inline function recordAt(descriptor: u32, offset: u32): u32 {
  const table = load<u32>(descriptor + CODE_PAGE_ENTRIES + ((offset >> ENTRY_TABLE_BITS) << 2));
  return load<u32>(table + ((offset << 2) & (ENTRY_TABLE_BYTES - 1)));
}

function freeEntryTable(table: u32): void {
  store<u32>(table, load<u32>(GLOBAL_FREE_ENTRY_TABLES));
  store<u32>(GLOBAL_FREE_ENTRY_TABLES, table);
}

function freeEntryTables(descriptor: u32): void {
  for (let pointer = descriptor + CODE_PAGE_ENTRIES; pointer < descriptor + CODE_PAGE_REGIONS; pointer += 4) {
    const table = load<u32>(pointer);
    if (!table) continue;
    store<u32>(pointer, 0);
    freeEntryTable(table);
  }
}

@inline function arenaIsShort(): bool {
  return codeRoom() < ARENA_RESERVE;
}

/** Forgets all decoded code. Never while records are being executed. */
export function flushAllCode(): void {
  const pages = <u32>memory.size() << 4;
  for (let page: u32 = 0; page < pages; page += 8) {
    const flags = load<u64>(PAGE_FLAGS + page);
    if (!(flags & CODE_BITS)) continue;
    store<u64>(PAGE_FLAGS + page, flags & ~CODE_BITS);
    memory.fill(CODE_PAGE_HEADS + page * 4, 0, 32);
  }
  flushCodeTlb();
  store<u32>(GLOBAL_CODE_ARENA_NEXT, CODE_ARENA);
  memory.fill(GLOBAL_FREE_UNITS, 0, GLOBAL_FREE_ENTRY_TABLES + 4 - GLOBAL_FREE_UNITS);
  if (get32(HOT_THRESHOLD)) regionsDropped(0);
  store<u32>(GLOBAL_CODE_ARENA_GENERATION, load<u32>(GLOBAL_CODE_ARENA_GENERATION) + 1);
}

/** The descriptor of a page of memory (byte offset) in a decoding mode, made if need be. */
function codePage(memoryOffset: u32, mode: u32): u32 {
  const page = memoryOffset >> 12;
  const head = load<u32>(CODE_PAGE_HEADS + page * 4);
  for (let descriptor = head; descriptor != 0; descriptor = load<u32>(descriptor + CODE_PAGE_NEXT)) {
    if (load<u32>(descriptor + CODE_PAGE_MODE) == mode) return descriptor;
  }
  const descriptor = allocUnit();
  memory.fill(descriptor, 0, CODE_PAGE_BYTES);
  store<u32>(descriptor + CODE_PAGE_MODE, mode);
  store<u32>(descriptor + CODE_PAGE_NEXT, head);
  store<u32>(descriptor + CODE_PAGE_NUMBER, page);
  store<u32>(CODE_PAGE_HEADS + page * 4, descriptor);
  store<u8>(PAGE_FLAGS + page, load<u8>(PAGE_FLAGS + page) | PAGE_HAS_DESCRIPTOR);
  return descriptor;
}

/** From now on writes to the page go through the slow path. */
function guardPage(page: u32): void {
  const flags = load<u8>(PAGE_FLAGS + page);
  if (flags & PAGE_HAS_CODE) return;
  store<u8>(PAGE_FLAGS + page, flags | PAGE_HAS_CODE);
  protectPage(page << 12);
}

/** The linear address of CS:RIP; all ones with #GP pending when it is none. */
function codeAddress(rip: u64, mode: u32): u64 {
  if (mode & MODE_CODE_64) {
    if (isCanonical(rip)) return rip;
  } else {
    if (!(mode & MODE_CS_LIMITED)) return rip & 0xffffffff;
    if (rip <= get32(CS + SEGMENT_LIMIT)) return (rip + get64(CS + SEGMENT_BASE)) & 0xffffffff;
  }
  fault(VECTOR_GP, 0);
  return ~0;
}

/**
 * MODE_CS_EDGE where records of the page that begins at `pageRip` can lead out of the limit of CS without a fetch: past its
 * end, or by a branch that is linked to what lies before the segment (in 16-bit code none is).
 */
function edgeMode(pageRip: i64, mode: u32): u32 {
  const limit = get32(CS + SEGMENT_LIMIT);
  if (limit == 0xffffffff) return 0;
  return pageRip + 0xfff > <i64>limit || (pageRip < 0 && (mode & MODE_CODE_SIZE) == MODE_CODE_32) ? MODE_CS_EDGE : 0;
}

/** A record that has the instruction at `offset` of the page decoded by itself, when its turn comes. */
function singleRecord(offset: u32): u32 {
  const record = <u32>cpuBase + LIMIT_RECORD;
  memory.fill(record, 0, RECORD_BYTES);
  store<u16>(record + RECORD_HANDLER, HANDLER_NUMBER_CROSSING);
  store<u16>(record + RECORD_IP, <u16>offset);
  return record;
}

/** Where an address lies in memory, in a page that the code TLB doesn't know: its walk's results are left in walk*. 0 with a fault pending. */
function walkToCode(linear: u64): u32 {
  if (!walk(linear, EXECUTE, get32(CPL) == 3, false)) return 0;
  const map = mapEntry(walkPhysical);
  if (map & MAP_READABLE) return (map & ~0xfff) + (<u32>walkPhysical & 0xfff);
  // Nothing executable lies there. A PC's bus would deliver all ones, which soon end in a fault too.
  fault(VECTOR_GP, 0);
  return 0;
}

@inline function codeTlbEntry(linear: u64): u32 {
  return <u32>cpuBase + CODE_TLB + ((<u32>(linear >> 12) & (CODE_TLB_ENTRIES - 1)) * CODE_TLB_ENTRY_BYTES);
}

/** Has the code TLB know the page that was walked to just now; returns its descriptor. */
function enterCode(tag: u64, memoryOffset: u32): u32 {
  const descriptor = codePage(memoryOffset & ~0xfff, <u32>tag & (MODE_DECODING | MODE_CS_EDGE));
  fillCode(tag, descriptor, walkGlobal, walkPageBits);
  return descriptor;
}

/** The record to execute at CS:`rip`; sets RIP_PAGE. 0 with a fault pending. */
export function fetch(rip: u64): u32 {
  let mode = get32(MODE);
  const linear = codeAddress(rip, mode);
  // All ones is a canonical address too, but no instruction begins there that ends before the address space does.
  if (linear == ~0) return 0;
  const offset = <u32>linear & 0xfff;
  if (mode & MODE_CS_LIMITED) {
    const edge = edgeMode(<i64>(rip - offset), mode);
    if (edge != 0 && rip + LONGEST_INSTRUCTION - 1 > get32(CS + SEGMENT_LIMIT)) {
      set64(RIP_PAGE, rip - offset);
      return singleRecord(offset);
    }
    mode |= edge;
  }
  const tag = (linear & ~<u64>0xfff) | <u64>mode;
  const entry = codeTlbEntry(linear);
  let descriptor: u32;
  if (load<u64>(entry) == tag) descriptor = load<u32>(entry + 8);
  else {
    const at = walkToCode(linear);
    if (!at) return 0;
    if (arenaIsShort()) flushAllCode();
    descriptor = enterCode(tag, at);
  }
  const record = recordAt(descriptor, offset);
  if (record) {
    set64(RIP_PAGE, rip - offset);
    if (!get32(HOT_THRESHOLD) || (mode & MODE_CS_EDGE) != 0) return record;
    const handler = load<u16>(record + RECORD_HANDLER);
    return handler == HANDLER_NUMBER_COUNT || handler == HANDLER_NUMBER_REGION || handler == HANDLER_NUMBER_COLD ? record : makeGate(descriptor, offset);
  }
  if (arenaIsShort()) {
    flushAllCode();
    return fetch(rip);
  }
  set64(RIP_PAGE, rip - offset);
  set32(COUNT_DECODED, get32(COUNT_DECODED) + 1);
  guardPage(load<u32>(descriptor + CODE_PAGE_NUMBER));
  return decodeBlock(descriptor, offset);
}

/** Whether the page at a linear address that begins it holds what a descriptor was made of. Raises nothing. */
export function codeIsAt(linear: u64, descriptor: u32): bool {
  const mode = get32(MODE);
  const tag = linear | <u64>mode;
  const entry = codeTlbEntry(linear);
  if (load<u64>(entry) == tag) return load<u32>(entry + 8) == descriptor;
  if (mode & MODE_CODE_64 && !isCanonical(linear)) return false;
  if (!walk(linear, EXECUTE, get32(CPL) == 3, false)) {
    set32(FAULT_VECTOR, -1);
    return false;
  }
  const map = mapEntry(walkPhysical);
  if (!(map & MAP_READABLE) || load<u32>(descriptor + CODE_PAGE_NUMBER) != (map & ~0xfff) >> 12) return false;
  fillCode(tag, descriptor, walkGlobal, walkPageBits);
  return true;
}

/** Where in memory the code at a linear address lies, as the code TLB has it; 0 with a fault pending. */
function codeAt(linear: u64): u32 {
  const offset = <u32>linear & 0xfff;
  let mode = get32(MODE);
  if (mode & MODE_CS_LIMITED) mode |= edgeMode(<i64>((linear - get64(CS + SEGMENT_BASE)) & 0xffffffff) - offset, mode);
  const tag = (linear & ~<u64>0xfff) | <u64>mode;
  const entry = codeTlbEntry(linear);
  if (load<u64>(entry) == tag) return (load<u32>(load<u32>(entry + 8) + CODE_PAGE_NUMBER) << 12) | offset;
  const at = walkToCode(linear);
  // Records may be in execution: the arena can't be emptied here.
  if (at != 0 && !arenaIsShort()) enterCode(tag, at);
  return at;
}

/**
 * Copies up to `bytes` (at most 16) code bytes at a linear address to ARGUMENTS and returns how many could be read; where
 * they end early, the fault is pending. Goes by the code TLB as `fetch` does: a guest may change its page tables without telling, and
 * which page it executes then must not depend on whether instructions were taken one by one.
 */
export function fetchBytes(linear: u64, bytes: u32): u32 {
  let done: u32 = 0;
  while (done < bytes) {
    let at = linear + done;
    if (!in64BitCode()) at &= 0xffffffff;
    else if (inLongMode() && !isCanonical(at)) {
      fault(VECTOR_GP, 0);
      return done;
    }
    const from = codeAt(at);
    if (!from) return done;
    const inPage = min<u32>(bytes - done, 0x1000 - (<u32>at & 0xfff));
    memory.copy(<u32>cpuBase + ARGUMENTS + done, from, inPage);
    done += inPage;
  }
  return done;
}

/** Whether decoded instructions cover one of the bytes [start, end) of the page. */
function covers(descriptor: u32, start: u32, end: u32): bool {
  const bits = descriptor + CODE_PAGE_COVERED;
  while (start < end) {
    if ((start & 7) == 0 && start + 8 <= end) {
      if (load<u8>(bits + (start >> 3))) return true;
      start += 8;
      continue;
    }
    if (load<u8>(bits + (start >> 3)) >> <u8>(start & 7) & 1) return true;
    start++;
  }
  return false;
}

/** Drops all that was decoded of a page. Records stay where they are for now, since some may be in execution, but lead back here. */
function dropPage(descriptor: u32): void {
  for (let chunk = load<u32>(descriptor + CODE_PAGE_CHUNKS); chunk != 0;) {
    const end = chunk + CODE_CHUNK_HEADER_BYTES + load<u32>(chunk + CODE_CHUNK_USED) * RECORD_BYTES;
    for (let record = chunk + CODE_CHUNK_HEADER_BYTES; record < end; record += RECORD_BYTES) {
      store<u16>(record + RECORD_HANDLER, HANDLER_NUMBER_REFETCH);
    }
    const next = load<u32>(chunk);
    store<u32>(chunk, load<u32>(GLOBAL_RETIRED_UNITS));
    store<u32>(GLOBAL_RETIRED_UNITS, chunk);
    chunk = next;
  }
  store<u32>(descriptor + CODE_PAGE_CHUNKS, 0);
  if (load<u32>(descriptor + CODE_PAGE_REGIONS)) {
    store<u32>(descriptor + CODE_PAGE_REGIONS, 0);
    regionsDropped(descriptor);
  }
  memory.fill(descriptor + CODE_PAGE_COVERED, 0, CODE_PAGE_ENTRIES - CODE_PAGE_COVERED);
  freeEntryTables(descriptor);
}

/** Whether one of the bytes, which lie in one page, was decoded. */
export function isDecoded(memoryOffset: u32, length: u32): bool {
  const start = memoryOffset & 0xfff;
  for (let descriptor = load<u32>(CODE_PAGE_HEADS + (memoryOffset >> 12) * 4); descriptor != 0; descriptor = load<u32>(descriptor + CODE_PAGE_NEXT)) {
    if (covers(descriptor, start, start + length)) return true;
  }
  return false;
}

/**
 * Translated code was made from bytes [start, end) of a page, which lies at `memoryOffset`, in a decoding mode. Returns the
 * page's descriptor.
 */
export function coverCode(memoryOffset: u32, mode: u32, start: u32, end: u32): u32 {
  const descriptor = codePage(memoryOffset, mode & MODE_DECODING);
  guardPage(memoryOffset >> 12);
  for (; start < end; start++) {
    const at = descriptor + CODE_PAGE_COVERED + (start >> 3);
    store<u8>(at, load<u8>(at) | <u8>(<u32>1 << (start & 7)));
  }
  store<u32>(descriptor + CODE_PAGE_REGIONS, 1);
  return descriptor;
}

/** Bytes of memory are about to change, or have: what was decoded from them is dropped. */
export function invalidateCode(memoryOffset: u32, length: u32): void {
  while (length != 0) {
    const start = memoryOffset & 0xfff;
    const inPage = min<u32>(length, 0x1000 - start);
    const page = memoryOffset >> 12;
    const flags = load<u8>(PAGE_FLAGS + page);
    if (flags & PAGE_HAS_CODE) {
      let left = false;
      for (let descriptor = load<u32>(CODE_PAGE_HEADS + page * 4); descriptor != 0; descriptor = load<u32>(descriptor + CODE_PAGE_NEXT)) {
        if (covers(descriptor, start, start + inPage)) {
          dropPage(descriptor);
          set32(COUNT_INVALIDATIONS, get32(COUNT_INVALIDATIONS) + 1);
        } else if (load<u32>(descriptor + CODE_PAGE_CHUNKS)) left = true;
      }
      // Memory that once held code and is put to another use becomes fast to write again.
      if (!left) store<u8>(PAGE_FLAGS + page, flags & ~PAGE_HAS_CODE);
    }
    memoryOffset += inPage;
    length -= inPage;
  }
}
