/** What follows from CR0, EFER, EFLAGS and the segment registers: MODE, CPL, the TLB in use, stepping. */
import {
  ATTRIBUTE_BIG, ATTRIBUTE_CODE, ATTRIBUTE_EXPAND_DOWN, ATTRIBUTE_LONG, ATTRIBUTE_UNUSABLE, ATTRIBUTE_WRITABLE, CR0_AM, CR0_PE, CR4_SMAP, DR7_ENABLES, EFER_LMA,
  EFLAGS_AC, EFLAGS_TF, EFLAGS_VM,
} from '../arch.ts';
import {
  ATTENTION, ATTENTION_STEP, CPL, CR0, CR4, CS, DR7, DS, EFER, EFLAGS_REST, ES, MODE, MODE_ALIGNED, MODE_CODE_32, MODE_CODE_64, MODE_CS_LIMITED, MODE_FLAT, MODE_STACK_32,
  JUMP_KEYS, MODE_USER, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SS, TLB_ALIGNED, TLB_CURRENT, TLB_SUPERVISOR, TLB_SUPERVISOR_AC, TLB_USER,
} from '../state-layout.ts';
import { cpuBase, get32, get64, set32, set64 } from './cpu-state.ts';

function isFlat(segment: u32): bool {
  if (get64(segment + SEGMENT_BASE) != 0 || get32(segment + SEGMENT_LIMIT) != 0xffffffff) return false;
  const kind = ATTRIBUTE_UNUSABLE | ATTRIBUTE_CODE | ATTRIBUTE_EXPAND_DOWN | ATTRIBUTE_WRITABLE;
  return (get32(segment + SEGMENT_ATTRIBUTES) & kind) == ATTRIBUTE_WRITABLE;
}

/** To be called after any change of a segment register, CPL, CR0, CR4, EFER, DR7 or EFLAGS.VM, AC, TF. */
export function setMode(): void {
  const flags = get32(EFLAGS_REST);
  if (!(get64(CR0) & CR0_PE)) set32(CPL, 0);
  else if (flags & EFLAGS_VM) set32(CPL, 3);
  const cpl = get32(CPL);
  const code = get32(CS + SEGMENT_ATTRIBUTES);
  let mode: u32 = cpl == 3 ? MODE_USER : 0;
  if ((get64(EFER) & EFER_LMA) != 0 && (code & ATTRIBUTE_LONG) != 0) mode |= MODE_CODE_64;
  else {
    if (code & ATTRIBUTE_BIG) mode |= MODE_CODE_32;
    if (get32(SS + SEGMENT_ATTRIBUTES) & ATTRIBUTE_BIG) mode |= MODE_STACK_32;
    if (isFlat(DS) && isFlat(ES) && isFlat(SS)) mode |= MODE_FLAT;
    if (get64(CS + SEGMENT_BASE) != 0 || get32(CS + SEGMENT_LIMIT) != 0xffffffff) mode |= MODE_CS_LIMITED;
  }
  const aligned = cpl == 3 && (flags & EFLAGS_AC) != 0 && (get64(CR0) & CR0_AM) != 0;
  if (aligned) mode |= MODE_ALIGNED;
  set32(MODE, mode);
  for (let half: u32 = 0; half < 16; half += 8) set64(JUMP_KEYS + half, get64(JUMP_KEYS + half) & ~(<u64>0x7f << 48) | <u64>mode << 48);
  let table = TLB_SUPERVISOR_AC;
  if (cpl == 3) table = aligned ? TLB_ALIGNED : TLB_USER;
  else if ((get64(CR4) & CR4_SMAP) != 0 && !(flags & EFLAGS_AC)) table = TLB_SUPERVISOR;
  set32(TLB_CURRENT, cpuBase + table);
  const attention = get32(ATTENTION);
  const steps = (flags & EFLAGS_TF) != 0 || (get64(DR7) & DR7_ENABLES) != 0;
  set32(ATTENTION, steps ? attention | ATTENTION_STEP : attention & ~ATTENTION_STEP);
}
