/** Guest-physical memory: RAM and ROM directly, everything else through the board. */
import { GLOBAL_A20_MASK, MAP_READABLE, MAP_WRITABLE, PAGE_ABSENT, PAGE_CLEAN, PAGE_FLAGS, PAGE_HAS_CODE, PHYS_MAP, PHYS_MAP_PAGES } from '../memory-layout.ts';
import { mmioRead, mmioWrite, pageChanges, pageTouched } from './board.ts';
import { invalidateCode } from './code-pages.ts';

@inline export function throughA20(physical: u64): u64 {
  return physical & (0xffffffff00000000 | <u64>load<u32>(GLOBAL_A20_MASK));
}

/** PHYS_MAP's word for the page of a physical address, whose contents are there when it returns. */
@inline export function mapEntry(physical: u64): u32 {
  const page = physical >> 12;
  const entry = page < <u64>PHYS_MAP_PAGES ? load<u32>(PHYS_MAP + (<u32>page << 2)) : 0;
  if (load<u8>(PAGE_FLAGS + (entry >> 12)) & PAGE_ABSENT) pageTouched(entry);
  return entry;
}

@inline export function hasCode(memoryOffset: u32): bool {
  return (load<u8>(PAGE_FLAGS + (memoryOffset >> 12)) & PAGE_HAS_CODE) != 0;
}

/** Somebody wants to know before the page changes: `beforeWrite`. */
@inline export function isGuarded(memoryOffset: u32): bool {
  return (load<u8>(PAGE_FLAGS + (memoryOffset >> 12)) & (PAGE_HAS_CODE | PAGE_CLEAN)) != 0;
}

/** Bytes of one page are about to change. */
export function beforeWrite(memoryOffset: u32, bytes: u32): void {
  if (load<u8>(PAGE_FLAGS + (memoryOffset >> 12)) & PAGE_CLEAN) pageChanges(memoryOffset);
  if (hasCode(memoryOffset)) invalidateCode(memoryOffset, bytes);
}

/** The widest naturally aligned access that begins at `physical` and lies within `bytes`. */
@inline function pieceAt(physical: u64, bytes: u32): u32 {
  if (bytes >= 4 && (physical & 3) == 0) return 4;
  return bytes >= 2 && (physical & 1) == 0 ? 2 : 1;
}

/** Reads `bytes` bytes of one page to `target`. */
export function readPhysical(physical: u64, target: u32, bytes: u32): void {
  const map = mapEntry(physical);
  if (map & MAP_READABLE) {
    memory.copy(target, (map & ~0xfff) + (<u32>physical & 0xfff), bytes);
    return;
  }
  while (bytes != 0) {
    const piece = pieceAt(physical, bytes);
    const value = mmioRead(<u32>physical, <u32>(physical >> 32), piece);
    if (piece == 4) store<u32>(target, value);
    else if (piece == 2) store<u16>(target, <u16>value);
    else store<u8>(target, <u8>value);
    physical += piece;
    target += piece;
    bytes -= piece;
  }
}

/** Writes `bytes` bytes of one page. What can be read but not written (ROM) is the board's to ignore. */
export function writePhysical(physical: u64, source: u32, bytes: u32): void {
  const map = mapEntry(physical);
  if (map & MAP_WRITABLE) {
    const target = (map & ~0xfff) + (<u32>physical & 0xfff);
    if (isGuarded(target)) beforeWrite(target, bytes);
    memory.copy(target, source, bytes);
    return;
  }
  while (bytes != 0) {
    const piece = pieceAt(physical, bytes);
    let value: u32;
    if (piece == 4) value = load<u32>(source);
    else if (piece == 2) value = load<u16>(source);
    else value = load<u8>(source);
    mmioWrite(<u32>physical, <u32>(physical >> 32), piece, value);
    physical += piece;
    source += piece;
    bytes -= piece;
  }
}

/** Paging structure entries, which normally lie in RAM. */
export function readPhysical32(physical: u64): u32 {
  const map = mapEntry(physical);
  if (map & MAP_READABLE) return load<u32>((map & ~0xfff) + (<u32>physical & 0xfff));
  return mmioRead(<u32>physical, <u32>(physical >> 32), 4);
}
export function readPhysical64(physical: u64): u64 {
  const map = mapEntry(physical);
  if (map & MAP_READABLE) return load<u64>((map & ~0xfff) + (<u32>physical & 0xfff));
  return <u64>readPhysical32(physical) | (<u64>readPhysical32(physical + 4) << 32);
}

/** ORs bits into a byte of RAM: accessed and dirty bits. Elsewhere they are lost, as on a bus that ignores them. */
export function setPhysicalBits(physical: u64, bits: u8): void {
  const map = mapEntry(physical);
  if (!(map & MAP_WRITABLE)) return;
  const target = (map & ~0xfff) + (<u32>physical & 0xfff);
  if (isGuarded(target)) beforeWrite(target, 1);
  store<u8>(target, load<u8>(target) | bits);
}
