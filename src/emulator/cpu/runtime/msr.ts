/** RDMSR and WRMSR: SDM 4. Memory types (MTRRs, PAT) are kept and have no effect. */
import {
  ARCH_CAPABILITIES, EFER_LMA, EFER_LME, EFER_NXE, EFER_SUPPORTED, CR0_PG, MICROCODE_REVISION, MSR_APIC_BASE, MSR_ARCH_CAPABILITIES, MSR_BIOS_SIGN_ID,
  MSR_BIOS_UPDT_TRIG, MSR_CSTAR, MSR_DEBUG_CTL, MSR_EFER, MSR_ENERGY_PERF_BIAS, MSR_FEATURE_CONTROL, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_LSTAR,
  MSR_MCG_CAP, MSR_MCG_STATUS, MSR_MISC_ENABLE, MSR_MTRR_CAP, MSR_MTRR_DEF_TYPE, MSR_MTRR_FIX_16K_80000, MSR_MTRR_FIX_16K_A0000, MSR_MTRR_FIX_4K_C0000,
  MSR_MTRR_FIX_4K_F8000, MSR_MTRR_FIX_64K_00000, MSR_MTRR_PHYS_BASE_0, MSR_MTRR_PHYS_MASK_7, MSR_P5_MC_ADDR, MSR_P5_MC_TYPE, MSR_PAT, MSR_PERF_CTL,
  MSR_PERF_STATUS, MSR_PLATFORM_ID, MSR_PLATFORM_INFO, MSR_STAR, MSR_SYSCALL_MASK, MSR_SYSENTER_CS, MSR_SYSENTER_EIP, MSR_SYSENTER_ESP,
  MSR_TIME_STAMP_COUNTER, MSR_TSC_ADJUST, MSR_TSC_AUX, MSR_TSC_DEADLINE, MTRR_CAP, VECTOR_GP,
} from '../arch.ts';
import {
  APIC_BASE, ARGUMENTS, CPL, CR0, CSTAR, EFER, FS, GS, KERNEL_GS_BASE, LSTAR, MISC_ENABLE, MTRR_DEF_TYPE, MTRRS, PAT, RAX, RCX, RDX, SEGMENT_BASE, SFMASK,
  STAR, STATUS_NEXT, STATUS_RESUME, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_ADJUST, TSC_AUX, TSC_OFFSET,
} from '../state-layout.ts';
import { apicMsrRead, apicMsrWrite, timeStampCounter } from './board.ts';
import { faultStatus, get32, get64, isCanonical, set64, statusOrLoop } from './cpu-state.ts';
import { setMode } from './mode.ts';
import { flushAll } from './tlb.ts';

/** The time-stamp counter as the guest sees it. */
export function guestTsc(): u64 {
  timeStampCounter();
  return get64(ARGUMENTS) + get64(TSC_OFFSET);
}

/** State offset of an MSR that only holds its value; 0 when it is another. */
function plainMsr(index: u32): u32 {
  if (index >= <u32>MSR_MTRR_PHYS_BASE_0 && index <= <u32>MSR_MTRR_PHYS_MASK_7) return MTRRS + (index - MSR_MTRR_PHYS_BASE_0) * 8;
  if (index == MSR_MTRR_FIX_64K_00000) return MTRRS + 128;
  if (index == MSR_MTRR_FIX_16K_80000 || index == MSR_MTRR_FIX_16K_A0000) return MTRRS + 136 + (index - MSR_MTRR_FIX_16K_80000) * 8;
  if (index >= <u32>MSR_MTRR_FIX_4K_C0000 && index <= <u32>MSR_MTRR_FIX_4K_F8000) return MTRRS + 152 + (index - MSR_MTRR_FIX_4K_C0000) * 8;
  switch (index) {
    case MSR_MTRR_DEF_TYPE: return MTRR_DEF_TYPE;
    case MSR_PAT: return PAT;
    case MSR_SYSENTER_CS: return SYSENTER_CS;
    case MSR_SYSENTER_ESP: return SYSENTER_ESP;
    case MSR_SYSENTER_EIP: return SYSENTER_EIP;
    case MSR_MISC_ENABLE: return MISC_ENABLE;
    case MSR_APIC_BASE: return APIC_BASE;
    case MSR_TSC_ADJUST: return TSC_ADJUST;
    case <u32>MSR_EFER: return EFER;
    case <u32>MSR_STAR: return STAR;
    case <u32>MSR_LSTAR: return LSTAR;
    case <u32>MSR_CSTAR: return CSTAR;
    case <u32>MSR_SYSCALL_MASK: return SFMASK;
    case <u32>MSR_FS_BASE: return FS + SEGMENT_BASE;
    case <u32>MSR_GS_BASE: return GS + SEGMENT_BASE;
    case <u32>MSR_KERNEL_GS_BASE: return KERNEL_GS_BASE;
    case <u32>MSR_TSC_AUX: return TSC_AUX;
    default: return 0;
  }
}

/** MSRs that read as a constant and ignore what is written. */
function constantMsr(index: u32): bool {
  switch (index) {
    case MSR_P5_MC_ADDR:
    case MSR_P5_MC_TYPE:
    case MSR_PLATFORM_ID:
    case MSR_FEATURE_CONTROL:
    case MSR_BIOS_UPDT_TRIG:
    case MSR_BIOS_SIGN_ID:
    case MSR_PLATFORM_INFO:
    case MSR_MTRR_CAP:
    case MSR_ARCH_CAPABILITIES:
    case MSR_MCG_CAP:
    case MSR_MCG_STATUS:
    case MSR_PERF_STATUS:
    case MSR_PERF_CTL:
    case MSR_ENERGY_PERF_BIAS:
    case MSR_DEBUG_CTL:
      return true;
    default:
      return false;
  }
}
function constantValue(index: u32): u64 {
  switch (index) {
    // Locked, VMX off.
    case MSR_FEATURE_CONTROL: return 1;
    case MSR_BIOS_SIGN_ID: return <u64>MICROCODE_REVISION << 32;
    case MSR_MTRR_CAP: return MTRR_CAP;
    case MSR_ARCH_CAPABILITIES: return ARCH_CAPABILITIES;
    default: return 0;
  }
}

export function rdmsr(): i32 {
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  const index = <u32>get64(RCX);
  const held = plainMsr(index);
  let value: u64;
  if (held) value = get64(held);
  else if (index == MSR_TIME_STAMP_COUNTER) value = guestTsc();
  else if (index == MSR_TSC_DEADLINE) {
    apicMsrRead(index);
    value = get64(ARGUMENTS);
  } else if (constantMsr(index)) value = constantValue(index);
  else return faultStatus(VECTOR_GP, 0);
  set64(RAX, value & 0xffffffff);
  set64(RDX, value >> 32);
  return STATUS_NEXT;
}

function holdsAddress(index: u32): bool {
  switch (index) {
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
    case <u32>MSR_LSTAR:
    case <u32>MSR_CSTAR:
    case <u32>MSR_FS_BASE:
    case <u32>MSR_GS_BASE:
    case <u32>MSR_KERNEL_GS_BASE:
      return true;
    default:
      return false;
  }
}

/** Memory types of a PAT or fixed MTRR: 0, 1, 4–7. */
function hasMemoryTypes(value: u64): bool {
  for (let i = 0; i < 8; i++) {
    const type = value >> (i * 8) & 0xff;
    if (type == 2 || type == 3 || type > 7) return false;
  }
  return true;
}

function writeEfer(value: u64): i32 {
  const old = get64(EFER);
  if (value & ~<u64>EFER_SUPPORTED) return faultStatus(VECTOR_GP, 0);
  if (((old ^ value) & EFER_LME) != 0 && (get64(CR0) & CR0_PG) != 0) return faultStatus(VECTOR_GP, 0);
  set64(EFER, value & ~<u64>EFER_LMA | old & EFER_LMA);
  if ((old ^ value) & EFER_NXE) flushAll();
  setMode();
  return STATUS_RESUME;
}

export function wrmsr(): i32 {
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  const index = <u32>get64(RCX);
  const value = get64(RAX) & 0xffffffff | get64(RDX) << 32;
  if (index == <u32>MSR_EFER) return writeEfer(value);
  if (index == MSR_TIME_STAMP_COUNTER || index == MSR_TSC_ADJUST) {
    const by = index == MSR_TSC_ADJUST ? value - get64(TSC_ADJUST) : value - guestTsc();
    set64(TSC_OFFSET, get64(TSC_OFFSET) + by);
    set64(TSC_ADJUST, get64(TSC_ADJUST) + by);
    return statusOrLoop(STATUS_NEXT);
  }
  if (index == MSR_TSC_DEADLINE || index == MSR_APIC_BASE) {
    if (index == MSR_APIC_BASE) {
      if (value & 0xffffff00000006ff) return faultStatus(VECTOR_GP, 0);
      set64(APIC_BASE, value);
    }
    set64(ARGUMENTS, value);
    apicMsrWrite(index);
    return statusOrLoop(STATUS_RESUME);
  }
  if (holdsAddress(index) && !isCanonical(value)) return faultStatus(VECTOR_GP, 0);
  if (index == MSR_PAT && !hasMemoryTypes(value)) return faultStatus(VECTOR_GP, 0);
  if (index == <u32>MSR_TSC_AUX && value >> 32 != 0) return faultStatus(VECTOR_GP, 0);
  const held = plainMsr(index);
  if (held) set64(held, value);
  else if (!constantMsr(index)) return faultStatus(VECTOR_GP, 0);
  return statusOrLoop(STATUS_NEXT);
}
