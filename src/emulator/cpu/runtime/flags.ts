/** EFLAGS: the lazy arithmetic flags (see state-layout.ts) and the rules of PUSHF, POPF, CLI and STI. */
import {
  CR4_PVI, CR4_VME, EFLAGS_AC, EFLAGS_AF, EFLAGS_ALL, EFLAGS_ARITHMETIC, EFLAGS_CF, EFLAGS_FIXED, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_IOPL_SHIFT, EFLAGS_OF,
  EFLAGS_PF, EFLAGS_RF, EFLAGS_SF, EFLAGS_TF, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, EFLAGS_ZF, VECTOR_GP,
} from '../arch.ts';
import {
  ATTENTION, ATTENTION_INTERRUPT, CPL, CR4, EFLAGS_REST, EXIT_ATTENTION, EXIT_REASON, FLAGS_A, FLAGS_AUX, FLAGS_B, FLAGS_CARRY, FLAGS_KIND, FLAGS_OVERFLOW,
  FLAGS_R, FLAGS_RESULT, FLAG_ADD, FLAG_CARRY_APART, FLAG_INC, FLAG_LOGIC, FLAG_OPERATION, FLAG_OVERFLOW_APART, FLAG_SIZE_SHIFT, FLAG_SUB,
  MODE, RSP, STATUS_EXIT, STATUS_NEXT,
} from '../state-layout.ts';
import { fault, faultStatus, get32, get64, inProtectedMode, inVm86, set32, set64, shadowInterrupts, statusAfterMode, statusOrLoop } from './cpu-state.ts';
import { setMode } from './mode.ts';
import { stackMask } from './segments.ts';

/** CF PF AF ZF SF OF as they stand. */
export function arithmeticFlags(): u32 {
  const result = get64(FLAGS_RESULT);
  const aux = get32(FLAGS_AUX);
  const parity = popcnt<u32>((<u32>result ^ (aux >> 8)) & 0xff) & 1;
  let flags: u32 = aux >> 31;
  if (!parity) flags |= EFLAGS_PF;
  if (aux & 8) flags |= EFLAGS_AF;
  if (result == 0) flags |= EFLAGS_ZF;
  if ((<u32>(result >> 63) ^ aux) & 1) flags |= EFLAGS_SF;
  if ((aux >> 31 ^ aux >> 30) & 1) flags |= EFLAGS_OF;
  return flags;
}

/** Computes what translated code left as operands: from then on FLAGS_RESULT and FLAGS_AUX hold. */
export function materializeFlags(): void {
  const kind = get32(FLAGS_KIND);
  if (!kind) return;
  set32(FLAGS_KIND, 0);
  const operation = kind & FLAG_OPERATION;
  let aux = get32(FLAGS_AUX);
  if (operation) {
    const bits = <u64>8 << (kind >> FLAG_SIZE_SHIFT & 3);
    const spare = 64 - bits;
    const a = get64(FLAGS_A);
    const b = get64(FLAGS_B);
    const result = <i64>(get64(FLAGS_R) << spare) >> spare;
    set64(FLAGS_RESULT, result);
    if (operation <= <u32>FLAG_SUB) {
      const carries = operation == FLAG_ADD ? (a & b) | ((a | b) & ~result) : (~a & b) | ((~a | b) & result);
      aux = <u32>(carries >> (bits - 2) & 3) << 30 | <u32>carries & 8;
    } else if (operation == FLAG_LOGIC) aux = 0;
    else {
      const smallest = <i64>((<u64>1) << 63) >> spare;
      const overflow = operation == FLAG_INC ? result == smallest : result == ~smallest;
      aux = (overflow ? 1 << 30 : 0) | ((<u32>result & 15) == (operation == FLAG_INC ? 0 : 15) ? 8 : 0);
    }
  }
  if (kind & (FLAG_CARRY_APART | FLAG_OVERFLOW_APART)) {
    const carry = kind & FLAG_CARRY_APART ? get32(FLAGS_CARRY) : aux >> 31;
    const overflow = kind & FLAG_OVERFLOW_APART ? get32(FLAGS_OVERFLOW) : (aux >> 31 ^ aux >> 30) & 1;
    aux = aux & 0x3fffffff | carry << 31 | (carry ^ overflow) << 30;
  }
  set32(FLAGS_AUX, aux);
}

/** As an INC or DEC behind what translated code left: `kind` without FLAG_CARRY_APART. */
export function stepFlags(kind: u32, result: u64): void {
  materializeFlags();
  set32(FLAGS_KIND, kind | FLAG_CARRY_APART);
  set32(FLAGS_CARRY, get32(FLAGS_AUX) >> 31);
  set64(FLAGS_R, result);
}

/** All of RFLAGS. */
export function flagsValue(): u32 { return get32(EFLAGS_REST) & ~EFLAGS_ARITHMETIC | EFLAGS_FIXED | arithmeticFlags(); }
export function readFlags(): u64 { return flagsValue(); }

/** Sets CF PF AF ZF SF OF from a value of EFLAGS. */
export function writeArithmeticFlags(value: u32): void {
  const zero = (value & EFLAGS_ZF) != 0;
  // The result 0 has even parity, the result 1 odd.
  const parityDelta: u32 = ((value & EFLAGS_PF) != 0) != zero ? 0x100 : 0;
  const carry: u32 = value & EFLAGS_CF;
  const overflow: u32 = value >> 11 & 1;
  set64(FLAGS_RESULT, zero ? 0 : 1);
  set32(FLAGS_AUX, carry << 31 | (carry ^ overflow) << 30 | parityDelta | (value & EFLAGS_AF ? 8 : 0) | (value & EFLAGS_SF ? 1 : 0));
}

/** Replaces the flags in `mask` by those of `value`, and follows what that changes. */
export function writeFlags(value: u32, mask: u32): void {
  if (mask & EFLAGS_ARITHMETIC) writeArithmeticFlags(arithmeticFlags() & ~mask | value & mask);
  mask &= EFLAGS_ALL & ~EFLAGS_ARITHMETIC;
  const old = get32(EFLAGS_REST);
  const flags = old & ~(mask | EFLAGS_ARITHMETIC) | value & mask | EFLAGS_FIXED;
  set32(EFLAGS_REST, flags);
  if ((old ^ flags) & (EFLAGS_VM | EFLAGS_AC | EFLAGS_TF)) setMode();
}

@inline export function iopl(): u32 { return (get32(EFLAGS_REST) & EFLAGS_IOPL) >> EFLAGS_IOPL_SHIFT; }

/** PUSHF's value; all ones with #GP pending in virtual-8086 mode without the right. */
export function pushFlagsValue(): u64 {
  let flags = flagsValue() & ~(EFLAGS_RF | EFLAGS_VM);
  if (inVm86() && iopl() < 3) {
    if (!(get64(CR4) & CR4_VME)) {
      fault(VECTOR_GP, 0);
      return ~0;
    }
    // SDM 3B §20.3: the virtual interrupt flag takes the place of IF.
    flags = flags & ~EFLAGS_IF | EFLAGS_IOPL;
    if (get32(EFLAGS_REST) & EFLAGS_VIF) flags |= EFLAGS_IF;
  }
  return flags;
}

/** 0 with #GP pending where POPF may not be executed at all. */
export function popFlagsAllowed(): i32 {
  if (!inVm86() || iopl() == 3 || (get64(CR4) & CR4_VME) != 0) return 1;
  fault(VECTOR_GP, 0);
  return 0;
}

/** POPF after the stack pointer has moved. */
export function popFlags(value: u64, operandBytes: u32): i32 {
  const flags = <u32>value;
  const oldMode = get32(MODE);
  const wide: u32 = EFLAGS_AC | 0x200000;
  let mask: u32 = EFLAGS_ALL & 0xffff;
  if (operandBytes > 2) mask |= wide;
  const cpl = get32(CPL);
  if (inVm86() && iopl() < 3) {
    const blocked = (flags & EFLAGS_TF) != 0 || ((flags & EFLAGS_IF) != 0 && (get32(EFLAGS_REST) & EFLAGS_VIP) != 0);
    if (operandBytes != 2 || blocked) {
      const stack = stackMask();
      const rsp = get64(RSP);
      set64(RSP, rsp & ~stack | (rsp - operandBytes) & stack);
      return faultStatus(VECTOR_GP, 0);
    }
    writeFlags(flags & ~EFLAGS_VIF | (flags & EFLAGS_IF ? EFLAGS_VIF : 0), mask & ~(EFLAGS_IF | EFLAGS_IOPL) | EFLAGS_VIF);
    return statusOrLoop(STATUS_NEXT);
  }
  if (inProtectedMode()) {
    if (cpl > iopl()) mask &= ~EFLAGS_IF;
    if (cpl != 0) mask &= ~EFLAGS_IOPL;
  }
  writeFlags(flags & ~EFLAGS_RF, mask | EFLAGS_RF);
  return statusOrLoop(statusAfterMode(oldMode));
}

/** Whether CLI and STI act on VIF instead of IF. */
function virtualInterrupts(): bool {
  const cr4 = get64(CR4);
  return inVm86() ? (cr4 & CR4_VME) != 0 : get32(CPL) == 3 && (cr4 & CR4_PVI) != 0;
}

export function cli(): i32 {
  const flags = get32(EFLAGS_REST);
  if (!inProtectedMode() || get32(CPL) <= iopl()) set32(EFLAGS_REST, flags & ~EFLAGS_IF);
  else if (virtualInterrupts()) set32(EFLAGS_REST, flags & ~EFLAGS_VIF);
  else return faultStatus(VECTOR_GP, 0);
  return STATUS_NEXT;
}

export function sti(): i32 {
  const flags = get32(EFLAGS_REST);
  if (!inProtectedMode() || get32(CPL) <= iopl()) {
    if (flags & EFLAGS_IF) return STATUS_NEXT;
    set32(EFLAGS_REST, flags | EFLAGS_IF);
    shadowInterrupts(1);
    if (!(get32(ATTENTION) & ATTENTION_INTERRUPT)) return STATUS_NEXT;
    set32(EXIT_REASON, EXIT_ATTENTION);
    return STATUS_EXIT;
  }
  if (virtualInterrupts() && !(flags & EFLAGS_VIP)) {
    set32(EFLAGS_REST, flags | EFLAGS_VIF);
    return STATUS_NEXT;
  }
  return faultStatus(VECTOR_GP, 0);
}
