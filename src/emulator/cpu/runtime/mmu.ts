/**
 * Data accesses at linear addresses. `reach` gives a pointer to the bytes, or to SCRATCH where they can't be reached in
 * one piece (devices, page crossings); what was stored in SCRATCH, `commitWrite` carries to its place.
 */
import { MAP_READABLE, MAP_WRITABLE, PAGE_CLEAN, PAGE_FLAGS } from '../memory-layout.ts';
import {
  ACCESS_ALIGNMENT_SHIFT, ACCESS_KIND, ACCESS_STACK, BUDGET, COUNT_TLB_MISSES, DEBUG_PENDING, DR0, DR7, PENDING_BYTES, PENDING_FIRST, PENDING_FIRST_BYTES, PENDING_SECOND, SCRATCH, TLB_ADDEND, TLB_ENTRIES,
  TLB_ENTRY_BYTES, TLB_READ_TAG, TLB_SUPERVISOR, TLB_USER, TLB_WRITE_TAG,
} from '../state-layout.ts';
import { DR7_ENABLES, VECTOR_AC, VECTOR_GP, VECTOR_SS } from '../arch.ts';
import { pageChanges } from './board.ts';
import { isDecoded } from './code-pages.ts';
import { cpuBase, fault, get32, get64, in64BitCode, inLongMode, isCanonical, set32, set64 } from './cpu-state.ts';
import { MODIFY, READ, WRITE, walk, walkGlobal, walkPageBits, walkPhysical, walkWritable } from './page-walk.ts';
import { beforeWrite, hasCode, isGuarded, mapEntry, readPhysical, writePhysical } from './physical.ts';
import { alignedTable, currentTable, fillData, userTable } from './tlb.ts';

/** What `regionAccess` answers where only the interpreter can do the instruction. */
const INTERPRET: u32 = 1;

/** What `translate` found: physical address and PHYS_MAP word. */
let foundPhysical: u64 = 0;
let foundMap: u32 = 0;

/** Length in bytes of what breakpoint `n` watches, 0 unless it is an armed data breakpoint. SDM 3B §17.2.4. */
function watchedBytes(dr7: u64, n: u32): u32 {
  if (!(dr7 >> (n * 2) & 3)) return 0;
  const control = <u32>(dr7 >> (16 + n * 4)) & 15;
  if (!(control & 1)) return 0;
  const length = control >> 2;
  return length == 2 ? 8 : length + 1;
}

function pageIsWatched(linear: u64): bool {
  const dr7 = get64(DR7);
  for (let n: u32 = 0; n < 4; n++) {
    if (watchedBytes(dr7, n) && (get64(DR0 + n * 8) ^ linear) >> 12 == 0) return true;
  }
  return false;
}

function noteWatchpoints(linear: u64, bytes: u32, access: u32): void {
  const dr7 = get64(DR7);
  for (let n: u32 = 0; n < 4; n++) {
    const length = watchedBytes(dr7, n);
    if (!length) continue;
    const onReads = (dr7 >> (16 + n * 4) & 2) != 0;
    if (access == READ && !onReads) continue;
    const start = get64(DR0 + n * 8) & ~<u64>(length - 1);
    if (linear < start + length && start < linear + bytes) set32(DEBUG_PENDING, get32(DEBUG_PENDING) | (1 << n));
  }
}

/** Translates and enters the page in the TLB `table`; false with a fault pending. */
function translate(linear: u64, access: u32, table: u32): bool {
  if (!walk(linear, access, table == <u32>cpuBase + TLB_USER, table == <u32>cpuBase + TLB_SUPERVISOR)) return false;
  foundPhysical = walkPhysical;
  foundMap = mapEntry(walkPhysical);
  if (foundMap == 0 || ((get64(DR7) & DR7_ENABLES) != 0 && pageIsWatched(linear))) return true;
  const writable = walkWritable && (foundMap & MAP_WRITABLE) != 0 && !isGuarded(foundMap);
  fillData(table, linear, foundMap & ~0xfff, (foundMap & MAP_READABLE) != 0, writable, walkGlobal, walkPageBits);
  return true;
}

/** The alignment that an operand of so many bytes needs where it is checked: SDM 3A table 6-7. None of 16 bytes and more. */
function naturalAlignment(bytes: u32): u32 {
  if (bytes == 10) return 8;
  return bytes <= 8 && (bytes & (bytes - 1)) == 0 ? bytes : 1;
}

/** Whether alignment is checked, and `linear` is no multiple of `alignment`: #AC is pending then. */
export function isMisaligned(linear: u64, alignment: u32): bool {
  if (currentTable() != alignedTable() || (linear & (alignment - 1)) == 0) return false;
  fault(VECTOR_AC, 0);
  return true;
}

/** `options`: ACCESS_* bits besides the kind. `memoryOnly`: INTERPRET instead of a device's answer. */
function slowReach(linear: u64, bytes: u32, access: u32, table: u32, options: u32 = 0, memoryOnly: bool = false): u32 {
  set32(COUNT_TLB_MISSES, get32(COUNT_TLB_MISSES) + 1);
  set32(PENDING_BYTES, 0);
  let last = linear + bytes - 1;
  if (!inLongMode()) {
    linear &= 0xffffffff;
    last &= 0xffffffff;
  } else if (!isCanonical(linear) || !isCanonical(last)) {
    fault(options & ACCESS_STACK ? VECTOR_SS : VECTOR_GP, 0);
    return 0;
  } else if (!in64BitCode() && linear >> 32 == 0) last &= 0xffffffff;
  if (table == alignedTable()) {
    const alignment = options >> ACCESS_ALIGNMENT_SHIFT;
    return isMisaligned(linear, alignment ? alignment : naturalAlignment(bytes)) ? 0 : reach(linear, bytes, access, userTable());
  }
  const scratch = <u32>cpuBase + SCRATCH;
  if ((linear ^ last) >> 12 == 0) {
    if (!translate(linear, access, table)) return 0;
    if (get64(DR7) & DR7_ENABLES) noteWatchpoints(linear, bytes, access);
    const pointer = (foundMap & ~0xfff) + (<u32>foundPhysical & 0xfff);
    if (access == READ) {
      if (foundMap & MAP_READABLE) return pointer;
    } else if ((foundMap & MAP_WRITABLE) != 0 && (access == WRITE || (foundMap & MAP_READABLE) != 0)) {
      // Code is dropped before it is overwritten: nothing is decoded in between.
      if (isGuarded(pointer)) beforeWrite(pointer, bytes);
      return pointer;
    }
    if (memoryOnly) return INTERPRET;
    if (access != WRITE) readPhysical(foundPhysical, scratch, bytes);
    if (access != READ) {
      set64(PENDING_FIRST, foundPhysical);
      set32(PENDING_FIRST_BYTES, bytes);
      set32(PENDING_BYTES, bytes);
    }
    return scratch;
  }
  const firstBytes = 0x1000 - (<u32>linear & 0xfff);
  if (!translate(linear, access, table)) return 0;
  const first = foundPhysical;
  if (memoryOnly && !(foundMap & MAP_READABLE)) return INTERPRET;
  if (!translate(last & ~<u64>0xfff, access, table)) return 0;
  const second = foundPhysical;
  if (memoryOnly && !(foundMap & MAP_READABLE)) return INTERPRET;
  if (get64(DR7) & DR7_ENABLES) noteWatchpoints(linear, bytes, access);
  if (access != WRITE) {
    readPhysical(first, scratch, firstBytes);
    readPhysical(second, scratch + firstBytes, bytes - firstBytes);
  }
  if (access != READ) {
    set64(PENDING_FIRST, first);
    set64(PENDING_SECOND, second);
    set32(PENDING_FIRST_BYTES, firstBytes);
    set32(PENDING_BYTES, bytes);
  }
  return scratch;
}

/** A pointer to `bytes` (1–64) bytes at `linear` through the TLB `table`, or 0 with a fault pending. */
@inline export function reach(linear: u64, bytes: u32, access: u32, table: u32): u32 {
  const entry = table + ((<u32>(linear >> 12) & (TLB_ENTRIES - 1)) * TLB_ENTRY_BYTES);
  const tag = load<u64>(entry + (access == READ ? TLB_READ_TAG : TLB_WRITE_TAG));
  if (((linear + bytes - 1) & ~<u64>0xfff) == tag) return <u32>linear + load<u32>(entry + TLB_ADDEND);
  return slowReach(linear, bytes, access, table);
}

/** Access (ACCESS_*) with the privilege of the code that is being executed. */
export function slowAccess(linear: u64, bytes: u32, access: u32): u32 {
  return slowReach(linear, bytes, access & ACCESS_KIND, currentTable(), access & ~ACCESS_KIND);
}

/**
 * As `slowAccess`, for translated code: a pointer that nothing needs to be done about afterwards, 0 with a fault pending,
 * or INTERPRET with nothing changed where a device would be reached, or a write would reach two pages or decoded code.
 * `request`: bits 0–7 the bytes, from 8 on the access; `budget`: what is left, the instruction itself included.
 */
export function regionAccess(linear: u64, request: u32, budget: u32): u32 {
  set32(BUDGET, budget);
  const bytes = request & 0xff;
  let access = request >> 8;
  const table = currentTable();
  const options = access & ~ACCESS_KIND;
  access &= ACCESS_KIND;
  if (access == READ) return slowReach(linear, bytes, READ, table, options, true);
  if (!inLongMode()) linear &= 0xffffffff;
  if (((linear ^ (linear + bytes - 1)) >> 12) != 0 || (get64(DR7) & DR7_ENABLES) != 0) return INTERPRET;
  if (inLongMode() && !isCanonical(linear)) return slowReach(linear, bytes, access, table, options);
  set32(COUNT_TLB_MISSES, get32(COUNT_TLB_MISSES) + 1);
  if (!translate(linear, access, table)) return 0;
  if (!(foundMap & MAP_WRITABLE) || !(foundMap & MAP_READABLE)) return INTERPRET;
  const pointer = (foundMap & ~0xfff) + (<u32>foundPhysical & 0xfff);
  if (!isGuarded(pointer)) return pointer;
  if (hasCode(pointer) && isDecoded(pointer, bytes)) return INTERPRET;
  if (load<u8>(PAGE_FLAGS + (pointer >> 12)) & PAGE_CLEAN) pageChanges(pointer);
  return pointer;
}

/** Carries what was stored in SCRATCH to its place, after `reach` for writing returned it. */
export function commitWrite(): void {
  const bytes = get32(PENDING_BYTES);
  if (!bytes) return;
  set32(PENDING_BYTES, 0);
  const firstBytes = get32(PENDING_FIRST_BYTES);
  const scratch = <u32>cpuBase + SCRATCH;
  // A device's answer to the first part may use SCRATCH no more: devices don't execute guest code.
  writePhysical(get64(PENDING_FIRST), scratch, firstBytes);
  if (bytes > firstBytes) writePhysical(get64(PENDING_SECOND), scratch + firstBytes, bytes - firstBytes);
}

@inline function committed(): bool {
  if (get32(PENDING_BYTES)) commitWrite();
  return true;
}
export function write8(linear: u64, value: u32, table: u32): bool {
  const pointer = reach(linear, 1, WRITE, table);
  if (!pointer) return false;
  store<u8>(pointer, <u8>value);
  return committed();
}
export function write16(linear: u64, value: u32, table: u32): bool {
  const pointer = reach(linear, 2, WRITE, table);
  if (!pointer) return false;
  store<u16>(pointer, <u16>value);
  return committed();
}
export function write32(linear: u64, value: u32, table: u32): bool {
  const pointer = reach(linear, 4, WRITE, table);
  if (!pointer) return false;
  store<u32>(pointer, value);
  return committed();
}
export function write64(linear: u64, value: u64, table: u32): bool {
  const pointer = reach(linear, 8, WRITE, table);
  if (!pointer) return false;
  store<u64>(pointer, value);
  return committed();
}
/** `bytes` is 2, 4 or 8. */
export function writeSized(linear: u64, value: u64, bytes: u32, table: u32): bool {
  if (bytes == 8) return write64(linear, value, table);
  return bytes == 4 ? write32(linear, <u32>value, table) : write16(linear, <u32>value, table);
}
/** Zero-extended value of 1, 2, 4 or 8 bytes at a pointer that `reach` gave. */
@inline export function loadSized(pointer: u32, bytes: u32): u64 {
  if (bytes == 8) return load<u64>(pointer);
  if (bytes == 4) return load<u32>(pointer);
  return bytes == 2 ? load<u16>(pointer) : load<u8>(pointer);
}
@inline export function storeSized(pointer: u32, value: u64, bytes: u32): void {
  if (bytes == 8) store<u64>(pointer, value);
  else if (bytes == 4) store<u32>(pointer, <u32>value);
  else if (bytes == 2) store<u16>(pointer, <u16>value);
  else store<u8>(pointer, <u8>value);
}
/** Commits a store through `reach`'s pointer. */
@inline export function commit(): void {
  if (get32(PENDING_BYTES)) commitWrite();
}
export { READ, WRITE, MODIFY };
