/**
 * The data TLBs (one per privilege) and the code TLB: filling and emptying. A list of entries in use makes a flush cost
 * what was filled.
 */
import {
  CR4, JUMP_KEYS, MODE_CODE_64, TLB_ADDEND, TLB_CURRENT, TLB_ENTRIES, TLB_ENTRY_BYTES, TLB_FLAGS, TLB_LISTS, TLB_LIST_BYTES, TLB_READ_TAG, TLB_SUPERVISOR, TLB_SUPERVISOR_AC, TLB_USER, TLB_ALIGNED, UPPER_CODE_IS_LOCAL,
  TLB_WRITE_TAG, CODE_TLB, CODE_TLB_ENTRIES, CODE_TLB_ENTRY_BYTES,
} from '../state-layout.ts';
import { CPU_BLOCKS, JUMP_CACHES, JUMP_CACHE_BYTES, JUMP_CACHE_PAGE_ENTRIES } from '../memory-layout.ts';
import { CR4_SMAP } from '../arch.ts';
import { cpuBase, get32, get64, set32, set64 } from './cpu-state.ts';

/** Entry flags: page is global; entry is in its list; log2 of the page's size from bit 8. */
const GLOBAL: u32 = 1;
const LISTED: u32 = 2;
const EMPTY: u64 = ~0;

const LIST_LARGE_SET: u32 = 8;
const LIST_INDICES: u32 = 16;
const LISTS: u32 = 4;
const CODE_LIST: u32 = 3;
/** Where an entry of the code TLB keeps its flags. */
const CODE_TLB_FLAGS: u32 = 12;

@inline export function userTable(): u32 { return cpuBase + TLB_USER; }
@inline export function currentTable(): u32 { return get32(TLB_CURRENT); }
@inline export function alignedTable(): u32 { return cpuBase + TLB_ALIGNED; }
/** For parts of an operand whose alignment was checked, or isn't. */
export function uncheckedTable(): u32 {
  const table = currentTable();
  return table == alignedTable() ? userTable() : table;
}
/** For accesses the processor makes by itself (descriptor tables, TSS, stacks of handlers): SMAP holds whatever AC says. */
@inline export function implicitTable(): u32 {
  return cpuBase + ((get64(CR4) & CR4_SMAP) != 0 ? TLB_SUPERVISOR : TLB_SUPERVISOR_AC);
}

@inline function listOf(table: u32): u32 { return cpuBase + TLB_LISTS + (((table - cpuBase) >> 15) - 1) * TLB_LIST_BYTES; }
@inline function tableOf(list: u32): u32 { return cpuBase + (list == CODE_LIST ? CODE_TLB : TLB_USER + (list << 15)); }

@inline function entryOf(table: u32, linear: u64): u32 {
  return table + ((<u32>(linear >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES);
}

/** One bit of the set of large pages for the 2 MiB (half of a 4 MiB page) around `linear`. */
@inline function largeBit(linear: u64): u64 { return <u64>1 << ((linear >> 21) * 0x9e3779b97f4a7c15 >> 58); }

function enlist(list: u32, index: u32): void {
  const count = load<u32>(list);
  store<u16>(list + LIST_INDICES + count * 2, <u16>index);
  store<u32>(list, count + 1);
}

function noteLarge(list: u32, linear: u64, pageBits: u32): void {
  if (pageBits == 12) return;
  let bits = pageBits == 30 ? <u64>-1 : largeBit(linear);
  store<u64>(list + LIST_LARGE_SET, load<u64>(list + LIST_LARGE_SET) | bits);
}

/** Enters the page of `linear`, which lies at `page` in memory (byte offset). */
export function fillData(table: u32, linear: u64, page: u32, readable: bool, writable: bool, global: bool, pageBits: u32): void {
  const entry = entryOf(table, linear);
  const tag = linear & ~<u64>0xfff;
  const flags = load<u32>(entry + TLB_FLAGS);
  if (!(flags & LISTED)) enlist(listOf(table), <u32>(linear >> 12) & (TLB_ENTRIES - 1));
  noteLarge(listOf(table), linear, pageBits);
  store<u64>(entry + TLB_READ_TAG, readable ? tag : EMPTY);
  store<u64>(entry + TLB_WRITE_TAG, writable ? tag : EMPTY);
  store<u32>(entry + TLB_ADDEND, page - <u32>tag);
  store<u32>(entry + TLB_FLAGS, LISTED | (global ? GLOBAL : 0) | (pageBits << 8));
}

/** `tag`: linear page | MODE. */
export function fillCode(tag: u64, descriptor: u32, global: bool, pageBits: u32): void {
  const index = <u32>(tag >> 12) & (CODE_TLB_ENTRIES - 1);
  const entry = cpuBase + CODE_TLB + index * CODE_TLB_ENTRY_BYTES;
  const list = cpuBase + TLB_LISTS + CODE_LIST * TLB_LIST_BYTES;
  if (!(load<u32>(entry + CODE_TLB_FLAGS) & LISTED)) enlist(list, index);
  noteLarge(list, tag, pageBits);
  if (!global && isUpper(tag, (tag & MODE_CODE_64) != 0)) set32(UPPER_CODE_IS_LOCAL, 1);
  store<u64>(entry, tag);
  store<u32>(entry + 8, descriptor);
  store<u32>(entry + CODE_TLB_FLAGS, LISTED | (global ? GLOBAL : 0) | (pageBits << 8));
}

/** Empties a data or code TLB; `keepGlobal` spares pages with the G bit. */
function flushList(number: u32, keepGlobal: bool): void {
  const list = cpuBase + TLB_LISTS + number * TLB_LIST_BYTES;
  const table = tableOf(number);
  const isCode = number == CODE_LIST;
  const shift: u32 = isCode ? 4 : 5;
  const flagsAt: u32 = isCode ? CODE_TLB_FLAGS : TLB_FLAGS;
  const count = load<u32>(list);
  let kept: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const index = <u32>load<u16>(list + LIST_INDICES + i * 2);
    const entry = table + (index << shift);
    if (keepGlobal && (load<u32>(entry + flagsAt) & GLOBAL)) {
      store<u16>(list + LIST_INDICES + kept * 2, <u16>index);
      kept++;
      continue;
    }
    store<u64>(entry, EMPTY);
    if (!isCode) store<u64>(entry + TLB_WRITE_TAG, EMPTY);
    store<u32>(entry + flagsAt, 0);
  }
  store<u32>(list, kept);
  // The jump cache may still lead to large global pages whose entries others have taken.
  if (kept == 0 && !(isCode && keepGlobal)) store<u64>(list + LIST_LARGE_SET, 0);
}

@inline function jumpCache(): u32 { return JUMP_CACHES + (cpuBase - CPU_BLOCKS) / 2; }
/** Of a linear address that code is at: whether it lies in the half that kernels use; jump-cache.ts. */
@inline function isUpper(linear: u64, in64BitCode: bool): bool { return (linear >> (in64BitCode ? 47 : 31) & 1) != 0; }

function forgetHalf(upper: bool): void {
  const at: u32 = upper ? JUMP_KEYS + 8 : JUMP_KEYS;
  const key = get64(at) + (<u64>1 << 55);
  set64(at, key);
  if (key >> 55 == 0) memory.fill(jumpCache(), 0xff, JUMP_CACHE_BYTES);
}
/** Nothing is found in the jump cache from now on. */
export function forgetJumps(): void {
  forgetHalf(false);
  forgetHalf(true);
}
/** Nothing is found there of the page that contains `linear`. */
function forgetPage(linear: u64): void {
  const large = load<u64>(cpuBase + TLB_LISTS + CODE_LIST * TLB_LIST_BYTES + LIST_LARGE_SET);
  // Either half of a 4 MiB page may be what was entered.
  if (!(large & (largeBit(linear) | largeBit(linear ^ 0x200000)))) {
    memory.fill(jumpCache() + ((<u32>(linear >> 12) ^ <u32>(linear >> 17)) & 31) * (JUMP_CACHE_PAGE_ENTRIES * 16), 0xff, JUMP_CACHE_PAGE_ENTRIES * 16);
    return;
  }
  // Below 4 GiB it may be of 64-bit code or not.
  const low = linear >> 32 == 0;
  if (isUpper(linear, !low)) forgetHalf(true);
  if (low || !isUpper(linear, true)) forgetHalf(false);
}

/** What a load of CR3 does. */
export function flushNonGlobal(): void {
  forgetHalf(false);
  if (get32(UPPER_CODE_IS_LOCAL)) forgetHalf(true);
  for (let i: u32 = 0; i < LISTS; i++) flushList(i, true);
  set32(UPPER_CODE_IS_LOCAL, 0);
}

export function flushCodeTlb(): void {
  forgetJumps();
  flushList(CODE_LIST, false);
  set32(UPPER_CODE_IS_LOCAL, 0);
}

export function flushAll(): void {
  forgetJumps();
  for (let i: u32 = 0; i < LISTS; i++) flushList(i, false);
  set32(UPPER_CODE_IS_LOCAL, 0);
}

/** Must run once before anything else, and after the lists may have been lost (restoring a CPU block). */
export function resetTlbs(): void {
  memory.fill(cpuBase + CODE_TLB, 0xff, CODE_TLB_ENTRIES * CODE_TLB_ENTRY_BYTES);
  for (let i: u32 = 0; i < <u32>CODE_TLB_ENTRIES; i++) store<u32>(cpuBase + CODE_TLB + i * CODE_TLB_ENTRY_BYTES + CODE_TLB_FLAGS, 0);
  for (let i: u32 = 0; i < CODE_LIST * <u32>TLB_ENTRIES; i++) {
    const entry = cpuBase + TLB_USER + i * TLB_ENTRY_BYTES;
    store<u64>(entry + TLB_READ_TAG, EMPTY);
    store<u64>(entry + TLB_WRITE_TAG, EMPTY);
    store<u32>(entry + TLB_FLAGS, 0);
  }
  memory.fill(alignedTable(), 0xff, TLB_ENTRIES * TLB_ENTRY_BYTES);
  memory.fill(cpuBase + TLB_LISTS, 0, LISTS * TLB_LIST_BYTES);
  memory.fill(jumpCache(), 0xff, JUMP_CACHE_BYTES);
}

/** Whether the page of `flags`, of which `tag` is a part, contains `linear`. */
@inline function pageContains(flags: u32, tag: u64, linear: u64): bool {
  const bits = <u64>(flags >> 8);
  return (tag >> bits) == (linear >> bits);
}

@inline function heldPage(entry: u32, isCode: bool): u64 {
  const read = load<u64>(entry);
  return isCode || read != EMPTY ? read : load<u64>(entry + TLB_WRITE_TAG);
}

/** INVLPG: drops the page that contains `linear`, also where it is large and entered in pieces. */
export function flushPage(linear: u64): void {
  forgetPage(linear);
  for (let number: u32 = 0; number < LISTS; number++) {
    const list = cpuBase + TLB_LISTS + number * TLB_LIST_BYTES;
    const table = tableOf(number);
    const isCode = number == CODE_LIST;
    const shift: u32 = isCode ? 4 : 5;
    const flagsAt: u32 = isCode ? CODE_TLB_FLAGS : TLB_FLAGS;
    const own = table + ((<u32>(linear >> 12) & (TLB_ENTRIES - 1)) << shift);
    if ((heldPage(own, isCode) ^ linear) >> 12 == 0) {
      store<u64>(own, EMPTY);
      if (!isCode) store<u64>(own + TLB_WRITE_TAG, EMPTY);
    }
    if (!(load<u64>(list + LIST_LARGE_SET) & largeBit(linear))) {
      // The other half of a 4 MiB page may be what was entered.
      if (!(load<u64>(list + LIST_LARGE_SET) & largeBit(linear ^ 0x200000))) continue;
    }
    const count = load<u32>(list);
    for (let i: u32 = 0; i < count; i++) {
      const entry = table + (<u32>load<u16>(list + LIST_INDICES + i * 2) << shift);
      const flags = load<u32>(entry + flagsAt);
      const held = heldPage(entry, isCode);
      if (flags >> 8 == 12 || held == EMPTY || !pageContains(flags, held, linear)) continue;
      store<u64>(entry, EMPTY);
      if (!isCode) store<u64>(entry + TLB_WRITE_TAG, EMPTY);
    }
  }
}

/** Takes the right to be written directly from every linear alias of a page of memory. */
export function protectPage(page: u32): void {
  for (let number: u32 = 0; number < CODE_LIST; number++) {
    const list = cpuBase + TLB_LISTS + number * TLB_LIST_BYTES;
    const table = tableOf(number);
    const count = load<u32>(list);
    for (let i: u32 = 0; i < count; i++) {
      const entry = table + (<u32>load<u16>(list + LIST_INDICES + i * 2) << 5);
      const tag = load<u64>(entry + TLB_WRITE_TAG);
      if (tag != EMPTY && load<u32>(entry + TLB_ADDEND) + <u32>tag == page) store<u64>(entry + TLB_WRITE_TAG, EMPTY);
    }
  }
}
