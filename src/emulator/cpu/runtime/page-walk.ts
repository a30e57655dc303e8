/** From linear to physical addresses: SDM 3A chapter 4. */
import {
  CR0_PG, CR0_WP, CR3_PAGING_BASE_32, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMEP, EFER_LMA, EFER_NXE, PF_FETCH, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE,
  PTE_ACCESSED, PTE_DIRTY, PTE_GLOBAL, PTE_LARGE, PTE_PRESENT, PTE_USER, PTE_WRITABLE, VECTOR_PF,
} from '../arch.ts';
import { CR0, CR3, CR4, EFER, FAULT_ADDRESS, PDPTE } from '../state-layout.ts';
import { get64, raise, set64 } from './cpu-state.ts';
import { readPhysical32, readPhysical64, setPhysicalBits, throughA20 } from './physical.ts';

export const READ: u32 = 0;
export const WRITE: u32 = 1;
export const MODIFY: u32 = 2;
export const EXECUTE: u32 = 3;

/** What the last successful walk found. */
export let walkPhysical: u64 = 0;
/** Writes with the same privilege need no further walk: permitted, and the dirty bit is set. */
export let walkWritable: bool = false;
export let walkGlobal: bool = false;
/** log2 of the page's size: 12, 21, 22 or 30. */
export let walkPageBits: u32 = 12;

/** Bits of a 64-bit entry that hold a physical address; above them, up to bit 51, reserved. */
const ADDRESS: u64 = 0xfffffff000;
const RESERVED: u64 = 0x000fff0000000000;
/** PAE paging reserves what 4-level paging ignores. */
const RESERVED_PAE: u64 = 0x7fffff0000000000;
const NO_EXECUTE: u64 = 0x8000000000000000;

@inline function isWrite(access: u32): bool { return access == WRITE || access == MODIFY; }

function pageFault(linear: u64, access: u32, user: bool, bits: u32): bool {
  let code = bits;
  if (isWrite(access)) code |= PF_WRITE;
  if (user) code |= PF_USER;
  if (access == EXECUTE) {
    const cr4 = get64(CR4);
    if ((cr4 & CR4_SMEP) != 0 || ((cr4 & CR4_PAE) != 0 && (get64(EFER) & EFER_NXE) != 0)) code |= PF_FETCH;
  }
  set64(FAULT_ADDRESS, linear);
  raise(VECTOR_PF, code, 1);
  return false;
}

/** Rights that the levels leave, then the leaf's accessed and dirty bits. `leaf` is at physical address `at`. */
function finish(linear: u64, access: u32, user: bool, smap: bool, leaf: u64, at: u64, writable: bool, userPage: bool, noExecute: bool): bool {
  const writeProtect = (get64(CR0) & CR0_WP) != 0;
  const mayWrite = user ? writable : writable || !writeProtect;
  let allowed: bool;
  if (user) allowed = userPage;
  else if (!userPage) allowed = true;
  else allowed = access == EXECUTE ? (get64(CR4) & CR4_SMEP) == 0 : !smap;
  if (isWrite(access) && !mayWrite) allowed = false;
  if (access == EXECUTE && noExecute) allowed = false;
  if (!allowed) return pageFault(linear, access, user, PF_PRESENT);
  const wanted: u8 = <u8>(PTE_ACCESSED | (isWrite(access) ? PTE_DIRTY : 0));
  if ((<u8>leaf & wanted) != wanted) setPhysicalBits(at, wanted);
  walkWritable = mayWrite && (isWrite(access) || (leaf & PTE_DIRTY) != 0);
  walkGlobal = (leaf & PTE_GLOBAL) != 0 && (get64(CR4) & CR4_PGE) != 0;
  return true;
}

@inline function touch(entry: u64, at: u64): void {
  if (!(entry & PTE_ACCESSED)) setPhysicalBits(at, <u8>PTE_ACCESSED);
}

function walk32(linear: u64, access: u32, user: bool, smap: bool): bool {
  const directoryAt = throughA20((get64(CR3) & CR3_PAGING_BASE_32) + ((linear >> 22 & 0x3ff) << 2));
  const directory = <u64>readPhysical32(directoryAt);
  if (!(directory & PTE_PRESENT)) return pageFault(linear, access, user, 0);
  let writable = (directory & PTE_WRITABLE) != 0;
  let userPage = (directory & PTE_USER) != 0;
  if ((directory & PTE_LARGE) != 0 && (get64(CR4) & CR4_PSE) != 0) {
    if (directory & 0x200000) return pageFault(linear, access, user, PF_PRESENT | PF_RESERVED);
    if (!finish(linear, access, user, smap, directory, directoryAt, writable, userPage, false)) return false;
    walkPhysical = (directory & 0xffc00000) | ((directory >> 13 & 0xff) << 32) | (linear & 0x3fffff);
    walkPageBits = 22;
    return true;
  }
  touch(directory, directoryAt);
  const tableAt = throughA20((directory & 0xfffff000) + ((linear >> 12 & 0x3ff) << 2));
  const table = <u64>readPhysical32(tableAt);
  if (!(table & PTE_PRESENT)) return pageFault(linear, access, user, 0);
  writable = writable && (table & PTE_WRITABLE) != 0;
  userPage = userPage && (table & PTE_USER) != 0;
  if (!finish(linear, access, user, smap, table, tableAt, writable, userPage, false)) return false;
  walkPhysical = (table & 0xfffff000) | (linear & 0xfff);
  walkPageBits = 12;
  return true;
}

/** PAE and 4-level paging: 64-bit entries, from the level of `shift` (39 PML4, 21 page directory) at `base`. */
function walk64(linear: u64, access: u32, user: bool, smap: bool, base: u64, shift: u32, reservedAlways: u64): bool {
  let reserved = reservedAlways;
  if (!(get64(EFER) & EFER_NXE)) reserved |= NO_EXECUTE;
  let rights: u64 = PTE_WRITABLE | PTE_USER;
  let noExecute: u64 = 0;
  while (true) {
    const at = throughA20(base + ((linear >> shift & 0x1ff) << 3));
    const entry = readPhysical64(at);
    if (!(entry & PTE_PRESENT)) return pageFault(linear, access, user, 0);
    const large = shift != 12 && (entry & PTE_LARGE) != 0;
    let bad = entry & reserved;
    if (large) bad |= shift == 39 ? PTE_LARGE : entry & ((<u64>1 << shift) - 0x2000);
    if (bad) return pageFault(linear, access, user, PF_PRESENT | PF_RESERVED);
    rights &= entry;
    noExecute |= entry & NO_EXECUTE;
    if (large || shift == 12) {
      if (!finish(linear, access, user, smap, entry, at, (rights & PTE_WRITABLE) != 0, (rights & PTE_USER) != 0, noExecute != 0)) return false;
      const inside = (<u64>1 << shift) - 1;
      walkPhysical = (entry & ADDRESS & ~inside) | (linear & inside);
      walkPageBits = shift;
      return true;
    }
    touch(entry, at);
    base = entry & ADDRESS;
    shift -= 9;
  }
}

/**
 * Translates a canonical linear address for an access with user or supervisor privilege (`smap`: user pages are out of
 * reach) and fills walk*; false with #PF pending. The address found is the one on the bus.
 */
export function walk(linear: u64, access: u32, user: bool, smap: bool): bool {
  let found: bool;
  if (!(get64(CR0) & CR0_PG)) {
    walkPhysical = linear & 0xffffffff;
    walkWritable = true;
    walkGlobal = false;
    walkPageBits = 12;
    found = true;
  } else if (get64(EFER) & EFER_LMA) {
    found = walk64(linear, access, user, smap, get64(CR3) & ADDRESS, 39, RESERVED);
  } else if (get64(CR4) & CR4_PAE) {
    const pointer = get64(PDPTE + ((<u32>linear >> 30) << 3));
    if (!(pointer & PTE_PRESENT)) return pageFault(linear, access, user, 0);
    found = walk64(linear, access, user, smap, pointer & ADDRESS, 21, RESERVED_PAE);
  } else found = walk32(linear, access, user, smap);
  if (found) walkPhysical = throughA20(walkPhysical);
  return found;
}
