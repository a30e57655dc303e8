/** MOV to and from control and debug registers, and what depends on them: SDM 3A §2.5, §4. */
import {
  CR0_CD, CR0_ET, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR0_WRITABLE, CR4_DE, CR4_PAE, CR4_PGE, CR4_PSE, CR4_SMAP, CR4_SMEP, CR4_SUPPORTED, DR6_BD,
  DR6_FIXED, DR7_ENABLES, DR7_FIXED, DR7_GD, DR7_WRITABLE, EFER_LMA, EFER_LME, ATTRIBUTE_LONG, VECTOR_DB, VECTOR_GP, VECTOR_UD,
} from '../arch.ts';
import { CPL, CR0, CR2, CR3, CR4, CS, DR0, DR6, DR7, EFER, FERR, PDPTE, SEGMENT_ATTRIBUTES, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME } from '../state-layout.ts';
import { getTaskPriority, setTaskPriority } from './board.ts';
import { fault, faultStatus, get32, get64, in64BitCode, inLongMode, isCanonical, plainFaultStatus, set64, statusOrLoop } from './cpu-state.ts';
import { setMode } from './mode.ts';
import { readPhysical64, throughA20 } from './physical.ts';
import { flushAll, flushNonGlobal, flushPage } from './tlb.ts';
import { releaseErrorLine } from './x87-state.ts';

/** Bits of PDPTEs that must be 0: 1–2, 5–8, and above the physical address. */
const PDPTE_RESERVED: u64 = 0xffffff00000001e6;

/** Whether paging uses page directory pointers held in registers. */
@inline function usesPdptes(cr0: u64, cr4: u64): bool {
  return (cr0 & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && !(get64(EFER) & EFER_LME);
}

/** Loads the four PAE page directory pointers; false with #GP(0) pending and nothing changed when one is malformed. */
function loadPdptes(cr3: u64): bool {
  const at = cr3 & 0xffffffe0;
  for (let i: u32 = 0; i < 4; i++) {
    const entry = readPhysical64(throughA20(at + i * 8));
    if ((entry & 1) != 0 && (entry & PDPTE_RESERVED) != 0) return fault(VECTOR_GP, 0);
  }
  for (let i: u32 = 0; i < 4; i++) set64(PDPTE + i * 8, readPhysical64(throughA20(at + i * 8)));
  return true;
}

/** Sets CR3 as a task switch does; false with #GP pending. */
export function loadPagingBase(value: u64): bool {
  if (usesPdptes(get64(CR0), get64(CR4)) && !loadPdptes(value)) return false;
  set64(CR3, value);
  flushNonGlobal();
  return true;
}

function setCr0(value: u64): i32 {
  if (value >> 32) return faultStatus(VECTOR_GP, 0);
  const old = get64(CR0);
  let cr0 = value & CR0_WRITABLE | CR0_ET;
  if ((cr0 & CR0_PG) != 0 && !(cr0 & CR0_PE)) return faultStatus(VECTOR_GP, 0);
  if ((cr0 & CR0_NW) != 0 && !(cr0 & CR0_CD)) return faultStatus(VECTOR_GP, 0);
  const efer = get64(EFER);
  if ((cr0 & ~old & CR0_PG) != 0) {
    if (efer & EFER_LME) {
      if (!(get64(CR4) & CR4_PAE) || (get32(CS + SEGMENT_ATTRIBUTES) & ATTRIBUTE_LONG) != 0) return faultStatus(VECTOR_GP, 0);
      set64(EFER, efer | EFER_LMA);
    } else if ((get64(CR4) & CR4_PAE) != 0 && !loadPdptes(get64(CR3))) return STATUS_FAULT;
  } else if ((old & ~cr0 & CR0_PG) != 0) {
    if (in64BitCode()) return faultStatus(VECTOR_GP, 0);
    set64(EFER, efer & ~<u64>EFER_LMA);
  }
  set64(CR0, cr0);
  if (get32(FERR)) releaseErrorLine();
  if ((old ^ cr0) & (CR0_PG | CR0_WP | CR0_PE)) flushAll();
  setMode();
  return STATUS_RESUME;
}

function setCr4(value: u64): i32 {
  const old = get64(CR4);
  if (value & ~<u64>CR4_SUPPORTED) return faultStatus(VECTOR_GP, 0);
  if (inLongMode() && !(value & CR4_PAE)) return faultStatus(VECTOR_GP, 0);
  const changed = old ^ value;
  if ((changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) != 0 && usesPdptes(get64(CR0), value) && !loadPdptes(get64(CR3))) return STATUS_FAULT;
  set64(CR4, value);
  if (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_SMAP)) flushAll();
  setMode();
  return STATUS_RESUME;
}

/** MOV CRn, r; the caller has checked CPL. */
export function movToControl(register: u32, value: u64): i32 {
  if (!in64BitCode()) value &= 0xffffffff;
  if (register == 0) return setCr0(value);
  if (register == 2) {
    set64(CR2, value);
    return STATUS_RESUME;
  }
  if (register == 3) {
    if (inLongMode() && (value & 0xffffff0000000000) != 0) return faultStatus(VECTOR_GP, 0);
    return loadPagingBase(value) ? STATUS_RESUME : STATUS_FAULT;
  }
  if (register == 4) return setCr4(value);
  if (register == 8) {
    if (value >> 4) return faultStatus(VECTOR_GP, 0);
    setTaskPriority(<u32>value);
    return statusOrLoop(STATUS_RESUME);
  }
  return plainFaultStatus(VECTOR_UD);
}

export function readControl(register: u32): u64 {
  if (register == 0) return get64(CR0);
  if (register == 2) return get64(CR2);
  if (register == 3) return get64(CR3);
  if (register == 4) return get64(CR4);
  return register == 8 ? <u64>getTaskPriority() : 0;
}

/** LMSW: sets PE but never clears it; MP, EM and TS as given. The caller has checked CPL. */
export function lmsw(value: u32): i32 {
  const cr0 = get64(CR0);
  return setCr0(cr0 & ~<u64>0xe | <u64>(value & 0xf));
}

export function clts(): i32 {
  if (get32(CPL)) return faultStatus(VECTOR_GP, 0);
  set64(CR0, get64(CR0) & ~<u64>CR0_TS);
  return STATUS_NEXT;
}

/** The caller has checked CPL. */
export function invlpg(linear: u64): i32 {
  if (!inLongMode() || isCanonical(linear)) flushPage(linear);
  return STATUS_RESUME;
}

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE. */
@inline function debugRegister(register: u32): u32 { return register == 4 || register == 5 ? register + 2 : register; }

/** Whether MOV may name the debug register, either way; else the fault is raised (SDM 3B §18.2.2, §18.2.4). The caller has checked CPL. */
export function debugAccessible(register: u32): i32 {
  if ((register == 4 || register == 5) && (get64(CR4) & CR4_DE) != 0) {
    plainFaultStatus(VECTOR_UD);
    return 0;
  }
  if (get64(DR7) & DR7_GD) {
    set64(DR6, get64(DR6) | DR6_BD);
    plainFaultStatus(VECTOR_DB);
    return 0;
  }
  return 1;
}

/** MOV DRn, r; the caller has checked CPL. */
export function movToDebug(register: u32, value: u64): i32 {
  if (!debugAccessible(register)) return STATUS_FAULT;
  if (!in64BitCode()) value &= 0xffffffff;
  const number = debugRegister(register);
  const before = get64(DR7);
  if (number < 4) {
    if (in64BitCode() && !isCanonical(value)) return faultStatus(VECTOR_GP, 0);
    set64(DR0 + number * 8, value);
  } else {
    if (value >> 32) return faultStatus(VECTOR_GP, 0);
    if (number == 6) set64(DR6, value & 0xe00f | DR6_FIXED);
    else set64(DR7, value & DR7_WRITABLE | DR7_FIXED);
  }
  // Watched pages are kept out of the TLBs.
  if ((before | get64(DR7)) & DR7_ENABLES) flushAll();
  setMode();
  return statusOrLoop(STATUS_RESUME);
}

export function readDebug(register: u32): u64 {
  return get64(DR0 + debugRegister(register) * 8);
}
