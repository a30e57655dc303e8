/** PUSHA, POPA, ENTER and LEAVE: one stack, several accesses, nothing changed until the last succeeded. */
import { PENDING_BYTES, RBP, RSP, STATUS_FAULT, STATUS_NEXT, SEGMENT_SS } from '../state-layout.ts';
import { get64, set32, set64 } from './cpu-state.ts';
import { MODIFY, READ, WRITE, commit, loadSized, reach, storeSized } from './mmu.ts';
import { NOT_AN_ADDRESS, linearAddress, stackAddress, stackMask } from './segments.ts';
import { currentTable } from './tlb.ts';

const REGISTER_SP: u32 = 4;

let loaded: u64 = 0;
function loadStack(offset: i64, bytes: u32): bool {
  const linear = stackAddress(offset, bytes, READ);
  if (linear == NOT_AN_ADDRESS) return false;
  const pointer = reach(linear, bytes, READ, currentTable());
  if (!pointer) return false;
  loaded = loadSized(pointer, bytes);
  return true;
}
function storeStack(offset: i64, value: u64, bytes: u32): bool {
  const linear = stackAddress(offset, bytes, WRITE);
  if (linear == NOT_AN_ADDRESS) return false;
  const pointer = reach(linear, bytes, WRITE, currentTable());
  if (!pointer) return false;
  storeSized(pointer, value, bytes);
  commit();
  return true;
}
function setPointer(offset: u32, value: u64): void {
  const mask = stackMask();
  set64(offset, get64(offset) & ~mask | value & mask);
}
/** Writes 2, 4 or 8 bytes of a register as an instruction of that operand size does. */
function writeRegister(offset: u32, value: u64, bytes: u32): void {
  set64(offset, bytes == 2 ? get64(offset) & ~<u64>0xffff | value : value);
}

export function pusha(bytes: u32): i32 {
  for (let i: u32 = 0; i < 8; i++) {
    if (!storeStack(-(<i64>(i + 1) * bytes), get64(i << 3), bytes)) return STATUS_FAULT;
  }
  setPointer(RSP, get64(RSP) - bytes * 8);
  return STATUS_NEXT;
}

export function popa(bytes: u32): i32 {
  // Once the farthest value and all before it were read, nothing can fault any more.
  for (let i: u32 = 0; i < 8; i++) if (!loadStack(i * bytes, bytes)) return STATUS_FAULT;
  for (let i: u32 = 0; i < 8; i++) {
    const register = 7 - i;
    if (register == REGISTER_SP) continue;
    if (!loadStack(i * bytes, bytes)) return STATUS_FAULT;
    writeRegister(register << 3, loaded, bytes);
  }
  setPointer(RSP, get64(RSP) + bytes * 8);
  return STATUS_NEXT;
}

export function enter(bytes: u32, size: u32, level: u32): i32 {
  level &= 31;
  const mask = stackMask();
  if (!storeStack(-<i64>bytes, get64(RBP), bytes)) return STATUS_FAULT;
  const frame = (get64(RSP) - bytes) & mask;
  let depth: i64 = <i64>bytes;
  if (level != 0) {
    for (let i: u32 = 1; i < level; i++) {
      const address = (get64(RBP) - i * bytes) & mask;
      const linear = linearAddress(SEGMENT_SS, address, bytes, READ);
      if (linear == NOT_AN_ADDRESS) return STATUS_FAULT;
      const pointer = reach(linear, bytes, READ, currentTable());
      if (!pointer) return STATUS_FAULT;
      depth += bytes;
      if (!storeStack(-depth, loadSized(pointer, bytes), bytes)) return STATUS_FAULT;
    }
    depth += bytes;
    if (!storeStack(-depth, frame, bytes)) return STATUS_FAULT;
  }
  // The new top of the stack must be writable too.
  const linear = stackAddress(-depth - size, bytes, WRITE);
  if (linear == NOT_AN_ADDRESS || !reach(linear, bytes, MODIFY, currentTable())) return STATUS_FAULT;
  set32(PENDING_BYTES, 0);
  const top = get64(RSP) - depth - size;
  writeRegister(RBP, bytes == 2 ? frame & 0xffff : frame, bytes);
  setPointer(RSP, top);
  return STATUS_NEXT;
}

export function leave(bytes: u32): i32 {
  const mask = stackMask();
  const rbp = get64(RBP);
  const linear = linearAddress(SEGMENT_SS, rbp & mask, bytes, READ);
  if (linear == NOT_AN_ADDRESS) return STATUS_FAULT;
  const pointer = reach(linear, bytes, READ, currentTable());
  if (!pointer) return STATUS_FAULT;
  const value = loadSized(pointer, bytes);
  setPointer(RSP, rbp + bytes);
  writeRegister(RBP, value, bytes);
  return STATUS_NEXT;
}
