/** What RESET and INIT leave: SDM 3A table 9-1. */
import {
  APIC_BASE_RESET, CPU_SIGNATURE, CR0_CD, CR0_ET, CR0_NW, DR6_FIXED, DR7_FIXED, EFLAGS_FIXED, FPU_CONTROL_RESET, MISC_ENABLE_RESET, MXCSR_RESET,
  PAT_RESET_HIGH, PAT_RESET_LOW,
} from '../arch.ts';
import { GLOBAL_A20_MASK } from '../memory-layout.ts';
import {
  APIC_BASE, ATTENTION, CR0, CR2, CR3, CR4, CS, CSTAR, DEBUG_PENDING, DR0, DR6, DR7, EFER, EFLAGS_REST, FAULT_VECTOR, FERR, FLAGS_AUX, FLAGS_RESULT, FPU_CONTROL,
  FPU_REGISTERS, FPU_STATUS, FPU_TAGS, FPU_TOP, GDTR_BASE, GDTR_LIMIT, GPR, IDTR_BASE, IDTR_LIMIT, IGNNE, INTERRUPT_SHADOW, KERNEL_GS_BASE, LDTR, LSTAR, MISC_ENABLE,
  MTRR_DEF_TYPE, MXCSR, NMI_BLOCKED, PAT, PDPTE, PENDING_BYTES, RDX, RIP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SFMASK, STAR,
  SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TR, TSC_ADJUST, TSC_AUX, TSC_OFFSET, XMM, ZERO,
} from '../state-layout.ts';
import { cpuBase, get64, segmentAt, set32, set64 } from './cpu-state.ts';
import { setMode } from './mode.ts';
import { resetTlbs } from './tlb.ts';

function setResetSegment(segment: u32, attributes: u32): void {
  set64(segment + SEGMENT_BASE, 0);
  set32(segment + SEGMENT_LIMIT, 0xffff);
  set32(segment + SEGMENT_ATTRIBUTES, attributes);
  set32(segment + SEGMENT_SELECTOR, 0);
}

/** `kind`: 0 power-on, 1 INIT, which keeps the x87 and SSE state, the MSRs and the caching bits of CR0. */
export function reset(kind: i32): void {
  memory.fill(cpuBase + GPR, 0, 128);
  set64(ZERO, 0);
  set64(RDX, CPU_SIGNATURE);
  set64(FLAGS_RESULT, 1);
  set32(FLAGS_AUX, 0);
  set32(EFLAGS_REST, EFLAGS_FIXED);
  set64(RIP, 0xfff0);
  for (let i: u32 = 0; i < 6; i++) setResetSegment(segmentAt(i), 0x93);
  set32(CS + SEGMENT_ATTRIBUTES, 0x9b);
  set32(CS + SEGMENT_SELECTOR, 0xf000);
  set64(CS + SEGMENT_BASE, 0xffff0000);
  setResetSegment(LDTR, 0x82);
  setResetSegment(TR, 0x8b);
  set64(GDTR_BASE, 0);
  set32(GDTR_LIMIT, 0xffff);
  set64(IDTR_BASE, 0);
  set32(IDTR_LIMIT, 0xffff);
  const caching = kind == 0 ? <u64>(CR0_CD | CR0_NW) : get64(CR0) & (CR0_CD | CR0_NW);
  set64(CR0, caching | CR0_ET);
  set64(CR2, 0);
  set64(CR3, 0);
  set64(CR4, 0);
  memory.fill(cpuBase + DR0, 0, 32);
  set64(DR6, DR6_FIXED);
  set64(DR7, DR7_FIXED);
  set64(EFER, 0);
  memory.fill(cpuBase + PDPTE, 0, 32);
  set32(ATTENTION, 0);
  set32(INTERRUPT_SHADOW, 0);
  set32(NMI_BLOCKED, 0);
  set32(DEBUG_PENDING, 0);
  set32(PENDING_BYTES, 0);
  set32(FAULT_VECTOR, -1);
  if (kind == 0) resetPower();
  if (!load<u32>(GLOBAL_A20_MASK)) store<u32>(GLOBAL_A20_MASK, 0xffffffff);
  resetTlbs();
  setMode();
}

function resetPower(): void {
  memory.fill(cpuBase + FPU_REGISTERS, 0, 128);
  set32(FPU_CONTROL, FPU_CONTROL_RESET);
  set32(FPU_STATUS, 0);
  // The board's error logic is reset with the processor.
  set32(FERR, 0);
  set32(IGNNE, 0);
  set32(FPU_TOP, 0);
  set32(FPU_TAGS, 0);
  set32(MXCSR, MXCSR_RESET);
  memory.fill(cpuBase + XMM, 0, 256);
  set64(STAR, 0);
  set64(LSTAR, 0);
  set64(CSTAR, 0);
  set64(SFMASK, 0);
  set64(KERNEL_GS_BASE, 0);
  set64(SYSENTER_CS, 0);
  set64(SYSENTER_ESP, 0);
  set64(SYSENTER_EIP, 0);
  set64(PAT, <u64>PAT_RESET_HIGH << 32 | PAT_RESET_LOW);
  set64(TSC_AUX, 0);
  set64(TSC_OFFSET, 0);
  set64(TSC_ADJUST, 0);
  // The variable and fixed ranges lie between MTRR_DEF_TYPE's neighbour PDPTE and MISC_ENABLE.
  set64(MTRR_DEF_TYPE, 0);
  memory.fill(cpuBase + PDPTE + 32, 0, MISC_ENABLE - PDPTE - 32);
  set64(MISC_ENABLE, MISC_ENABLE_RESET);
  set64(APIC_BASE, APIC_BASE_RESET);
}
