/** System calls, ports, and other instructions that concern the processor as a whole. */
import {
  ATTRIBUTE_TYPE, CR4_SMAP, CR4_TSD, EFER_SCE, EFLAGS_AC, EFLAGS_ALL, EFLAGS_IF, EFLAGS_RF, EFLAGS_VM, TYPE_TSS_32, TYPE_TSS_32_BUSY, VECTOR_GP, VECTOR_UD,
} from '../arch.ts';
import {
  CPL, CR4, CS, EFER, EXIT_HALTED, EXIT_REASON, GDTR_BASE, GDTR_LIMIT, GPR, GS, IDTR_BASE, IDTR_LIMIT, KERNEL_GS_BASE, LSTAR, RAX, RCX, RDX, RIP, RSP,
  SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SFMASK, SS, STAR, STATUS_EXIT, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME, SYSENTER_CS,
  SYSENTER_EIP, SYSENTER_ESP, TR, TSC_AUX,
} from '../state-layout.ts';
import { cpuid, ioRead, ioWrite } from './board.ts';
import {
  fault, faultStatus, get32, get64, in64BitCode, inLongMode, inProtectedMode, inVm86, isCanonical, plainFaultStatus, set32, set64, statusOrLoop,
} from './cpu-state.ts';
import { flagsValue, iopl, writeFlags } from './flags.ts';
import { guestTsc } from './msr.ts';
import { READ, reach } from './mmu.ts';
import { setMode } from './mode.ts';
import { implicitTable } from './tlb.ts';

const R11: u32 = GPR + 88;

/** Attributes of the flat segments that fast system calls load: G, P, accessed; DPL is added. */
const FLAT_CODE_64: u32 = 0xa09b;
const FLAT_CODE_32: u32 = 0xc09b;
const FLAT_DATA: u32 = 0xc093;

function setFlat(segment: u32, selector: u32, attributes: u32, level: u32): void {
  set64(segment + SEGMENT_BASE, 0);
  set32(segment + SEGMENT_LIMIT, 0xffffffff);
  set32(segment + SEGMENT_ATTRIBUTES, attributes | level << 5);
  set32(segment + SEGMENT_SELECTOR, selector & 0xfffc | level);
}

function enterFlat(codeSelector: u32, stackSelector: u32, code: u32, level: u32, rip: u64): void {
  setFlat(CS, codeSelector, code, level);
  setFlat(SS, stackSelector, FLAT_DATA, level);
  set32(CPL, level);
  set64(RIP, rip);
}

export function syscall(): i32 {
  if (!in64BitCode() || !(get64(EFER) & EFER_SCE)) return plainFaultStatus(VECTOR_UD);
  set64(RCX, get64(RIP));
  set64(R11, flagsValue() & ~EFLAGS_RF);
  const selector = <u32>(get64(STAR) >> 32) & 0xfffc;
  enterFlat(selector, selector + 8, FLAT_CODE_64, 0, get64(LSTAR));
  writeFlags(0, <u32>get64(SFMASK) | EFLAGS_RF);
  setMode();
  return STATUS_RESUME;
}

export function sysret(operandBytes: u32): i32 {
  if (!in64BitCode() || !(get64(EFER) & EFER_SCE)) return plainFaultStatus(VECTOR_UD);
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  const wide = operandBytes == 8;
  const rip = get64(RCX);
  if (wide && !isCanonical(rip)) return faultStatus(VECTOR_GP, 0);
  const selector = <u32>(get64(STAR) >> 48);
  enterFlat(wide ? selector + 16 : selector, selector + 8, wide ? FLAT_CODE_64 : FLAT_CODE_32, 3, wide ? rip : rip & 0xffffffff);
  writeFlags(<u32>get64(R11) & ~(EFLAGS_RF | EFLAGS_VM), EFLAGS_ALL);
  setMode();
  return statusOrLoop(STATUS_RESUME);
}

export function sysenter(): i32 {
  const selector = <u32>get64(SYSENTER_CS) & 0xfffc;
  if (!inProtectedMode() || selector == 0) return faultStatus(VECTOR_GP, 0);
  const long = inLongMode();
  const mask: u64 = long ? ~0 : 0xffffffff;
  writeFlags(0, EFLAGS_IF | EFLAGS_VM | EFLAGS_RF);
  set64(RSP, get64(SYSENTER_ESP) & mask);
  enterFlat(selector, selector + 8, long ? FLAT_CODE_64 : FLAT_CODE_32, 0, get64(SYSENTER_EIP) & mask);
  setMode();
  return STATUS_RESUME;
}

export function sysexit(operandBytes: u32): i32 {
  const selector = <u32>get64(SYSENTER_CS) & 0xfffc;
  if (!inProtectedMode() || selector == 0 || get32(CPL) != 0) return faultStatus(VECTOR_GP, 0);
  const wide = operandBytes == 8;
  const rip = get64(RDX);
  const rsp = get64(RCX);
  if (wide && (!isCanonical(rip) || !isCanonical(rsp))) return faultStatus(VECTOR_GP, 0);
  const mask: u64 = wide ? ~0 : 0xffffffff;
  const base = selector + (wide ? 32 : 16);
  set64(RSP, rsp & mask);
  enterFlat(base, base + 8, wide ? FLAT_CODE_64 : FLAT_CODE_32, 3, rip & mask);
  setMode();
  return STATUS_RESUME;
}

export function swapgs(): i32 {
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  const base = get64(GS + SEGMENT_BASE);
  set64(GS + SEGMENT_BASE, get64(KERNEL_GS_BASE));
  set64(KERNEL_GS_BASE, base);
  return STATUS_NEXT;
}

function setAlignmentCheck(value: u32): i32 {
  if (get32(CPL) != 0 || !(get64(CR4) & CR4_SMAP)) return plainFaultStatus(VECTOR_UD);
  writeFlags(value, EFLAGS_AC);
  return STATUS_NEXT;
}
export function stac(): i32 { return setAlignmentCheck(EFLAGS_AC); }
export function clac(): i32 { return setAlignmentCheck(0); }

/** LGDT (0) and LIDT (1); the caller has checked CPL. */
export function loadDescriptorTable(which: u32, base: u64, limit: u32): i32 {
  if (inLongMode() && !isCanonical(base)) return faultStatus(VECTOR_GP, 0);
  set64(which ? IDTR_BASE : GDTR_BASE, base);
  set32(which ? IDTR_LIMIT : GDTR_LIMIT, limit & 0xffff);
  return STATUS_NEXT;
}

/** RDTSC, RDTSCP (`aux`). */
export function rdtsc(aux: i32): i32 {
  if (get32(CPL) != 0 && (get64(CR4) & CR4_TSD) != 0) return faultStatus(VECTOR_GP, 0);
  const value = guestTsc();
  set64(RAX, value & 0xffffffff);
  set64(RDX, value >> 32);
  if (aux) set64(RCX, get64(TSC_AUX) & 0xffffffff);
  return STATUS_NEXT;
}

/** There are no performance counters. */
export function rdpmc(): i32 {
  return faultStatus(VECTOR_GP, 0);
}

export function hlt(): i32 {
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  set32(EXIT_REASON, EXIT_HALTED);
  return STATUS_EXIT;
}

export function cpuidInstruction(): i32 {
  cpuid();
  return STATUS_NEXT;
}

/** Whether `width` ports from `port` may be used: IOPL, else the TSS' permission bitmap. False with a fault pending. */
export function mayUsePorts(port: u32, width: u32): bool {
  if (!inProtectedMode() || (!inVm86() && get32(CPL) <= iopl())) return true;
  const type = get32(TR + SEGMENT_ATTRIBUTES) & ATTRIBUTE_TYPE;
  const limit = get32(TR + SEGMENT_LIMIT);
  if ((type != TYPE_TSS_32 && type != TYPE_TSS_32_BUSY) || limit < 0x67) return fault(VECTOR_GP, 0);
  const base = get64(TR + SEGMENT_BASE);
  let pointer = reach(base + 0x66, 2, READ, implicitTable());
  if (!pointer) return false;
  const at = <u32>load<u16>(pointer) + (port >> 3);
  if (at + 1 > limit) return fault(VECTOR_GP, 0);
  pointer = reach(base + at, 2, READ, implicitTable());
  if (!pointer) return false;
  const denied = <u32>load<u16>(pointer) >> (port & 7) & ((1 << width) - 1);
  return denied ? fault(VECTOR_GP, 0) : true;
}

/** IN: AL, AX or EAX from a port. */
export function portIn(port: u32, width: u32): i32 {
  port &= 0xffff;
  if (!mayUsePorts(port, width)) return STATUS_FAULT;
  const value = ioRead(port, width);
  const rax = get64(RAX);
  if (width == 1) set64(RAX, rax & ~<u64>0xff | value & 0xff);
  else if (width == 2) set64(RAX, rax & ~<u64>0xffff | value & 0xffff);
  else set64(RAX, value);
  return statusOrLoop(STATUS_NEXT);
}

/** OUT */
export function portOut(port: u32, width: u32, value: u32): i32 {
  port &= 0xffff;
  if (!mayUsePorts(port, width)) return STATUS_FAULT;
  if (width == 1) value &= 0xff;
  else if (width == 2) value &= 0xffff;
  ioWrite(port, width, value);
  return statusOrLoop(STATUS_NEXT);
}
