/** The x87 register stack, status and control words as the rest of x87-*.ts sees them: SDM 1 chapter 8. */
import { CR0_NE, VECTOR_MF } from '../arch.ts';
import { CR0, FAULT_FREEZE, FERR, FPU_CONTROL, FPU_REGISTERS, FPU_STATUS, FPU_TAGS, FPU_TOP, IGNNE } from '../state-layout.ts';
import { coprocessorError } from './board.ts';
import { cpuBase, get32, get64, raise, set32 } from './cpu-state.ts';

/** Status word: exception flags in bits 0–5, then these. */
export const FSW_SF: u32 = 0x40;
export const FSW_ES: u32 = 0x80;
export const FSW_C0: u32 = 0x100;
export const FSW_C1: u32 = 0x200;
export const FSW_C2: u32 = 0x400;
export const FSW_C3: u32 = 0x4000;
export const FSW_B: u32 = 0x8000;
/** Control word: bits that exist; bit 6 reads 1. */
const FCW_WRITABLE: u32 = 0x1f3f;
const FCW_FIXED: u32 = 0x40;

/** Address of ST(i). */
@inline export function registerAt(i: u32): u32 {
  return <u32>cpuBase + FPU_REGISTERS + ((get32(FPU_TOP) + i & 7) << 4);
}
@inline export function isEmpty(i: u32): bool {
  return (get32(FPU_TAGS) >> (get32(FPU_TOP) + i & 7) & 1) != 0;
}
@inline export function setEmpty(i: u32): void {
  set32(FPU_TAGS, get32(FPU_TAGS) | (1 << (get32(FPU_TOP) + i & 7)));
}
@inline export function setValid(i: u32): void {
  set32(FPU_TAGS, get32(FPU_TAGS) & ~(1 << (get32(FPU_TOP) + i & 7)));
}
@inline export function moveTop(delta: u32): void {
  set32(FPU_TOP, get32(FPU_TOP) + delta & 7);
}
@inline export function pop(): void {
  setEmpty(0);
  moveTop(1);
}

/** The status word with TOP, as instructions show it. */
@inline export function statusWord(): u32 {
  return get32(FPU_STATUS) | (get32(FPU_TOP) << 11);
}
/** ES and B follow from the flags and their masks. */
export function updateSummary(): void {
  const status = get32(FPU_STATUS) & ~(FSW_ES | FSW_B);
  set32(FPU_STATUS, (status & ~get32(FPU_CONTROL) & 0x3f) != 0 ? status | FSW_ES | FSW_B : status);
  if (get32(FERR)) releaseErrorLine();
}

/**
 * An unmasked error is pending where a waiting instruction is to begin: 1 if that may happen all the same, 0 with #MF
 * pending or (CR0.NE = 0) FAULT_FREEZE.
 */
export function x87Error(): i32 {
  if (!(get64(CR0) & CR0_NE)) {
    if (get32(IGNNE)) return 1;
    raise(FAULT_FREEZE, 0, 0);
  } else raise(VECTOR_MF, 0, 0);
  return 0;
}
/** FERR#, asserted when the processor freezes and not earlier, as the P6 family does: SDM 1 appendix D.2. */
export function assertErrorLine(): void {
  if (get32(FERR)) return;
  set32(FERR, 1);
  coprocessorError(1);
}
/** Takes FERR# back once no error is pending or CR0.NE is set. */
export function releaseErrorLine(): void {
  if ((get32(FPU_STATUS) & FSW_ES) != 0 && !(get64(CR0) & CR0_NE)) return;
  set32(FERR, 0);
  coprocessorError(0);
}
export function setStatusWord(word: u32): void {
  set32(FPU_TOP, word >> 11 & 7);
  set32(FPU_STATUS, word & 0x477f);
  updateSummary();
}
export function setControlWord(word: u32): void {
  set32(FPU_CONTROL, word & FCW_WRITABLE | FCW_FIXED);
  updateSummary();
}

/** Two bits a physical register: 0 valid, 1 zero, 2 special, 3 empty. */
export function tagWord(): u32 {
  let word: u32 = 0;
  const tags = get32(FPU_TAGS);
  for (let n: u32 = 0; n < 8; n++) {
    let tag: u32 = 3;
    if (!(tags >> n & 1)) {
      const at = <u32>cpuBase + FPU_REGISTERS + (n << 4);
      const exponent = <u32>load<u16>(at, 8) & 0x7fff;
      const significand = load<u64>(at);
      if (exponent == 0 && significand == 0) tag = 1;
      else tag = exponent == 0 || exponent == 0x7fff || <i64>significand >= 0 ? 2 : 0;
    }
    word |= tag << (n * 2);
  }
  return word;
}
export function setTagWord(word: u32): void {
  let tags: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) if ((word >> (n * 2) & 3) == 3) tags |= 1 << n;
  set32(FPU_TAGS, tags);
}
