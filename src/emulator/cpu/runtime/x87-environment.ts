/**
 * x87 and SSE state to and from memory: FXSAVE, FNSAVE, FNSTENV and their kin (SDM 1 §8.1.10 and §10.5; volume 2,
 * FXSAVE). The pointers to the last instruction and operand are kept only when it left an unmasked exception pending.
 */
import { CR0_PE, EFLAGS_VM } from '../arch.ts';
import {
  CR0, EFLAGS_REST, FERR, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE, FPU_REGISTERS, FPU_STATUS, FPU_TAGS, FPU_TOP, MXCSR, PENDING_BYTES, STATUS_FAULT, STATUS_NEXT,
  XMM,
} from '../state-layout.ts';
import { cpuBase, faultStatus, get32, get64, in64BitCode, set32, set64 } from './cpu-state.ts';
import { isMisaligned, MODIFY, READ, WRITE, commit, reach, write16, write32, write64 } from './mmu.ts';
import { NOT_AN_ADDRESS, segmentedAddress } from './segments.ts';
import { currentTable, uncheckedTable } from './tlb.ts';
import { releaseErrorLine, setControlWord, setStatusWord, setTagWord, statusWord, tagWord, updateSummary } from './x87-state.ts';

/** Bits of MXCSR that exist. */
const MXCSR_MASK: u32 = 0xffff;
const FX_BYTES: u32 = 512;

/** FNINIT. */
export function x87Initialize(): void {
  set32(FPU_CONTROL, 0x37f);
  set32(FPU_STATUS, 0);
  if (get32(FERR)) releaseErrorLine();
  set32(FPU_TOP, 0);
  set32(FPU_TAGS, 0xff);
  clearPointers();
}
function clearPointers(): void {
  set32(FPU_OPCODE, 0);
  set32(FPU_CS, 0);
  set32(FPU_DS, 0);
  set64(FPU_IP, 0);
  set64(FPU_DP, 0);
}

/** FLDCW. */
export function x87LoadControl(word: i32): void {
  setControlWord(word);
}
/** FNSTSW. */
export function x87StatusWord(): i32 {
  return statusWord();
}
/** FNCLEX. */
export function x87ClearExceptions(): void {
  set32(FPU_STATUS, get32(FPU_STATUS) & 0x7f00);
  if (get32(FERR)) releaseErrorLine();
}

/** LDMXCSR: 0 with #GP pending where a bit is set that doesn't exist. */
export function loadMxcsr(value: i32): i32 {
  if (<u32>value & ~MXCSR_MASK) {
    faultStatus(13, 0);
    return 0;
  }
  set32(MXCSR, value);
  return 1;
}

/** Whether every page of `bytes` bytes can be accessed. */
function accessible(linear: u64, bytes: u32, access: u32): bool {
  const table = currentTable();
  const probe = access == WRITE ? MODIFY : READ;
  // Nothing is committed: a probe of device memory reads a byte.
  const first = reach(linear, 1, probe, table) != 0;
  dropPending();
  if (!first) return false;
  const last = linear + bytes - 1;
  if ((linear ^ last) >> 12 == 0) return true;
  const second = reach(last, 1, probe, table) != 0;
  dropPending();
  return second;
}
@inline function dropPending(): void { set32(PENDING_BYTES, 0); }

/** A piece of the image, 16 bytes from `low` and `high`; the page is known to be writable. */
function put16(linear: u64, low: u64, high: u64): void {
  const pointer = reach(linear, 16, WRITE, currentTable());
  if (!pointer) return;
  store<u64>(pointer, low);
  store<u64>(pointer, high, 8);
  commit();
}
let gotLow: u64 = 0;
let gotHigh: u64 = 0;
function get16(linear: u64): void {
  gotLow = 0;
  gotHigh = 0;
  const pointer = reach(linear, 16, READ, currentTable());
  if (!pointer) return;
  gotLow = load<u64>(pointer);
  gotHigh = load<u64>(pointer, 8);
}

/** (record, whether REX.W): the 512-byte image. */
export function fxsave(record: i32, wide: i32): i32 {
  const linear = segmentedAddress(record, FX_BYTES, WRITE);
  if (linear == NOT_AN_ADDRESS) return STATUS_FAULT;
  if (linear & 15) return isMisaligned(linear, 4) ? STATUS_FAULT : faultStatus(13, 0);
  if (!accessible(linear, FX_BYTES, WRITE)) return STATUS_FAULT;
  const tags = ~get32(FPU_TAGS) & 0xff;
  const head = <u64>get32(FPU_CONTROL) | (<u64>statusWord() << 16) | (<u64>tags << 32) | (<u64>get32(FPU_OPCODE) << 48);
  const ip = wide ? get64(FPU_IP) : (get64(FPU_IP) & 0xffffffff) | (<u64>get32(FPU_CS) << 32);
  const dp = wide ? get64(FPU_DP) : (get64(FPU_DP) & 0xffffffff) | (<u64>get32(FPU_DS) << 32);
  put16(linear, head, ip);
  put16(linear + 16, dp, <u64>get32(MXCSR) | (<u64>MXCSR_MASK << 32));
  const top = get32(FPU_TOP);
  for (let i: u32 = 0; i < 8; i++) {
    const at = <u32>cpuBase + FPU_REGISTERS + ((top + i & 7) << 4);
    put16(linear + 32 + i * 16, load<u64>(at), load<u16>(at, 8));
  }
  const count: u32 = in64BitCode() ? 16 : 8;
  for (let i: u32 = 0; i < count; i++) {
    const at = <u32>cpuBase + XMM + (i << 4);
    put16(linear + 160 + i * 16, load<u64>(at), load<u64>(at, 8));
  }
  return STATUS_NEXT;
}

export function fxrstor(record: i32, wide: i32): i32 {
  const linear = segmentedAddress(record, FX_BYTES, READ);
  if (linear == NOT_AN_ADDRESS) return STATUS_FAULT;
  if (linear & 15) return isMisaligned(linear, 4) ? STATUS_FAULT : faultStatus(13, 0);
  if (!accessible(linear, FX_BYTES, READ)) return STATUS_FAULT;
  get16(linear + 16);
  const mxcsr = <u32>gotHigh;
  const dp = gotLow;
  if (mxcsr & ~MXCSR_MASK) return faultStatus(13, 0);
  get16(linear);
  const head = gotLow;
  set32(MXCSR, mxcsr);
  set64(FPU_IP, wide ? gotHigh : gotHigh & 0xffffffff);
  set64(FPU_DP, wide ? dp : dp & 0xffffffff);
  set32(FPU_CS, wide ? 0 : <u32>(gotHigh >> 32) & 0xffff);
  set32(FPU_DS, wide ? 0 : <u32>(dp >> 32) & 0xffff);
  set32(FPU_OPCODE, <u32>(head >> 48) & 0x7ff);
  setControlWord(<u32>head & 0xffff);
  setStatusWord(<u32>(head >> 16) & 0xffff);
  set32(FPU_TAGS, ~<u32>(head >> 32) & 0xff);
  const top = get32(FPU_TOP);
  for (let i: u32 = 0; i < 8; i++) {
    get16(linear + 32 + i * 16);
    const at = <u32>cpuBase + FPU_REGISTERS + ((top + i & 7) << 4);
    store<u64>(at, gotLow);
    store<u64>(at, gotHigh & 0xffff, 8);
  }
  const count: u32 = in64BitCode() ? 16 : 8;
  for (let i: u32 = 0; i < count; i++) {
    get16(linear + 160 + i * 16);
    const at = <u32>cpuBase + XMM + (i << 4);
    store<u64>(at, gotLow);
    store<u64>(at, gotHigh, 8);
  }
  return STATUS_NEXT;
}

function usesRealLayout(): bool {
  return (get64(CR0) & CR0_PE) == 0 || (get32(EFLAGS_REST) & EFLAGS_VM) != 0;
}

/** Writes the environment: 28 bytes, or 14 where `short`. */
function putEnvironment(linear: u64, short: bool): void {
  const table = uncheckedTable();
  const ip = <u32>get64(FPU_IP);
  const dp = <u32>get64(FPU_DP);
  const opcode = get32(FPU_OPCODE);
  const real = usesRealLayout();
  const realIp = ip + (get32(FPU_CS) << 4);
  const realDp = dp + (get32(FPU_DS) << 4);
  if (short) {
    write16(linear, get32(FPU_CONTROL), table);
    write16(linear + 2, statusWord(), table);
    write16(linear + 4, tagWord(), table);
    write16(linear + 6, real ? realIp : ip, table);
    write16(linear + 8, real ? (realIp >> 4 & 0xf000) | opcode : get32(FPU_CS), table);
    write16(linear + 10, real ? realDp : dp, table);
    write16(linear + 12, real ? realDp >> 4 & 0xf000 : get32(FPU_DS), table);
    return;
  }
  write32(linear, get32(FPU_CONTROL) | 0xffff0000, table);
  write32(linear + 4, statusWord() | 0xffff0000, table);
  write32(linear + 8, tagWord() | 0xffff0000, table);
  write32(linear + 12, real ? realIp & 0xffff | 0xffff0000 : ip, table);
  write32(linear + 16, real ? (realIp >> 16 << 12) | opcode : get32(FPU_CS) | (opcode << 16), table);
  write32(linear + 20, real ? realDp & 0xffff | 0xffff0000 : dp, table);
  write32(linear + 24, real ? realDp >> 16 << 12 : get32(FPU_DS) | 0xffff0000, table);
}

function read(linear: u64, bytes: u32): u32 {
  const pointer = reach(linear, bytes, READ, currentTable());
  if (!pointer) return 0;
  return bytes == 2 ? load<u16>(pointer) : load<u32>(pointer);
}

function getEnvironment(linear: u64, short: bool): void {
  const step: u32 = short ? 2 : 4;
  const control = read(linear, step) & 0xffff;
  const status = read(linear + step, step) & 0xffff;
  const tags = read(linear + step * 2, step) & 0xffff;
  const ip = read(linear + step * 3, step);
  const second = read(linear + step * 4, step);
  const dp = read(linear + step * 5, step);
  const fourth = read(linear + step * 6, step);
  if (usesRealLayout()) {
    set64(FPU_IP, short ? ip | (second & 0xf000) << 4 : (ip & 0xffff) | (second >> 12 & 0xffff) << 16);
    set64(FPU_DP, short ? dp | (fourth & 0xf000) << 4 : (dp & 0xffff) | (fourth >> 12 & 0xffff) << 16);
    set32(FPU_OPCODE, second & 0x7ff);
    set32(FPU_CS, 0);
    set32(FPU_DS, 0);
  } else {
    set64(FPU_IP, ip);
    set64(FPU_DP, dp);
    set32(FPU_CS, second & 0xffff);
    set32(FPU_DS, fourth & 0xffff);
    if (!short) set32(FPU_OPCODE, second >> 16 & 0x7ff);
  }
  setControlWord(control);
  setStatusWord(status);
  setTagWord(tags);
}

/** FNSTENV: (record, operand size 16 or 32). Masks all exceptions afterwards. */
export function x87StoreEnvironment(record: i32, size: i32): i32 {
  const bytes: u32 = size == 16 ? 14 : 28;
  const linear = segmentedAddress(record, bytes, WRITE);
  if (linear == NOT_AN_ADDRESS || isMisaligned(linear, size >> 3) || !accessible(linear, bytes, WRITE)) return STATUS_FAULT;
  putEnvironment(linear, size == 16);
  set32(FPU_CONTROL, get32(FPU_CONTROL) | 0x3f);
  updateSummary();
  return STATUS_NEXT;
}
export function x87LoadEnvironment(record: i32, size: i32): i32 {
  const bytes: u32 = size == 16 ? 14 : 28;
  const linear = segmentedAddress(record, bytes, READ);
  if (linear == NOT_AN_ADDRESS || isMisaligned(linear, size >> 3) || !accessible(linear, bytes, READ)) return STATUS_FAULT;
  getEnvironment(linear, size == 16);
  return STATUS_NEXT;
}
/** FNSAVE: the environment and the registers ST(0)–ST(7), 10 bytes each; then FNINIT. */
export function x87Save(record: i32, size: i32): i32 {
  const head: u32 = size == 16 ? 14 : 28;
  const linear = segmentedAddress(record, head + 80, WRITE);
  if (linear == NOT_AN_ADDRESS || isMisaligned(linear, size >> 3) || !accessible(linear, head + 80, WRITE)) return STATUS_FAULT;
  putEnvironment(linear, size == 16);
  const table = uncheckedTable();
  const top = get32(FPU_TOP);
  for (let i: u32 = 0; i < 8; i++) {
    const at = <u32>cpuBase + FPU_REGISTERS + ((top + i & 7) << 4);
    write64(linear + head + i * 10, load<u64>(at), table);
    write16(linear + head + i * 10 + 8, load<u16>(at, 8), table);
  }
  x87Initialize();
  return STATUS_NEXT;
}
export function x87Restore(record: i32, size: i32): i32 {
  const head: u32 = size == 16 ? 14 : 28;
  const linear = segmentedAddress(record, head + 80, READ);
  if (linear == NOT_AN_ADDRESS || isMisaligned(linear, size >> 3) || !accessible(linear, head + 80, READ)) return STATUS_FAULT;
  getEnvironment(linear, size == 16);
  const table = uncheckedTable();
  const top = get32(FPU_TOP);
  for (let i: u32 = 0; i < 8; i++) {
    const at = <u32>cpuBase + FPU_REGISTERS + ((top + i & 7) << 4);
    const pointer = reach(linear + head + i * 10, 10, READ, table);
    if (!pointer) return STATUS_FAULT;
    store<u64>(at, load<u64>(pointer));
    store<u64>(at, load<u16>(pointer, 8), 8);
  }
  return STATUS_NEXT;
}
