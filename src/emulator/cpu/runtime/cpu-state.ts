/** The CPU block of this instance's processor, and how faults are reported. */
import { EFLAGS_VM, EFLAGS_IF, CR0_PE, EFER_LMA } from '../arch.ts';
import {
  BUDGET, INTERRUPT_SHADOW, SHADOW_BUDGET,
  ATTENTION, ATTENTION_DEVICE, ATTENTION_INTERRUPT, ATTENTION_NMI, ATTENTION_STEP, CPL, CR0, EFER, EFLAGS_REST, EXIT_ATTENTION, EXIT_REASON, FAULT_ERROR,
  FAULT_HAS_ERROR, FAULT_VECTOR, MODE, MODE_CODE_64, NMI_BLOCKED, SEGMENTS, SEGMENT_BYTES, STATUS_EXIT, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME,
} from '../state-layout.ts';

@external("env", "cpuBase")
export declare const cpuBase: i32;

@inline export function get32(offset: u32): u32 { return load<u32>(cpuBase + offset); }
@inline export function set32(offset: u32, value: u32): void { store<u32>(cpuBase + offset, value); }
@inline export function get64(offset: u32): u64 { return load<u64>(cpuBase + offset); }
@inline export function set64(offset: u32, value: u64): void { store<u64>(cpuBase + offset, value); }

/** State offset of a segment register, by number. */
@inline export function segmentAt(segment: u32): u32 { return SEGMENTS + segment * SEGMENT_BYTES; }

@inline export function inLongMode(): bool { return (get64(EFER) & EFER_LMA) != 0; }
@inline export function in64BitCode(): bool { return (get32(MODE) & MODE_CODE_64) != 0; }
@inline export function inVm86(): bool { return (get32(EFLAGS_REST) & EFLAGS_VM) != 0; }
@inline export function inProtectedMode(): bool { return (get64(CR0) & CR0_PE) != 0; }
/** Real-address mode or virtual-8086 mode: selectors are paragraphs. */
@inline export function usesParagraphs(): bool { return !inProtectedMode() || inVm86(); }

@inline export function isCanonical(linear: u64): bool { return <u64>((<i64>linear << 16) >> 16) == linear; }

export function raise(vector: i32, errorCode: u32, hasError: i32): void {
  set32(FAULT_VECTOR, vector);
  set32(FAULT_ERROR, errorCode);
  set32(FAULT_HAS_ERROR, hasError);
}

/** Reports a fault with an error code; false, for `return fault(…)`. */
export function fault(vector: i32, errorCode: u32): bool {
  raise(vector, errorCode, 1);
  return false;
}

/** The same as a STATUS_*. */
export function faultStatus(vector: i32, errorCode: u32): i32 {
  raise(vector, errorCode, 1);
  return STATUS_FAULT;
}
export function plainFaultStatus(vector: i32): i32 {
  raise(vector, 0, 0);
  return STATUS_FAULT;
}

/** 0 with #GP pending unless CPL is 0. */
export function privileged(): i32 {
  if (get32(CPL) == 0) return 1;
  raise(13, 0, 1);
  return 0;
}

/** Whether the machine loop wants its turn before the next instruction. What is shadowed, the loop itself finds out. */
export function loopWanted(): bool {
  const attention = get32(ATTENTION);
  if (attention & (ATTENTION_DEVICE | ATTENTION_STEP)) return true;
  if ((attention & ATTENTION_NMI) != 0 && !get32(NMI_BLOCKED)) return true;
  return (attention & ATTENTION_INTERRUPT) != 0 && (get32(EFLAGS_REST) & EFLAGS_IF) != 0;
}

/** No interrupt before the instruction after this one has been executed: INTERRUPT_SHADOW becomes `kind`. BUDGET counts this one. */
export function shadowInterrupts(kind: u32): void {
  set32(INTERRUPT_SHADOW, kind);
  set32(SHADOW_BUDGET, get32(BUDGET));
}

/** How an instruction ends after which an interrupt may be let in: `status`, or an exit to the machine loop. */
export function statusOrLoop(status: i32): i32 {
  if (!loopWanted()) return status;
  set32(EXIT_REASON, EXIT_ATTENTION);
  return STATUS_EXIT;
}

/** How an instruction ends that may have changed MODE: decoded code that follows is right only for the old one. */
@inline export function statusAfterMode(oldMode: u32): i32 {
  return get32(MODE) == oldMode ? STATUS_NEXT : STATUS_RESUME;
}
