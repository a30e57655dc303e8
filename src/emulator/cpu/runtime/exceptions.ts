/** Interrupts and exceptions in every mode: SDM 3A chapter 6; 3B §20.3 for virtual-8086 mode. */
import {
  ATTRIBUTE_BIG, ATTRIBUTE_LONG, ATTRIBUTE_NOT_SYSTEM, ATTRIBUTE_PRESENT, ATTRIBUTE_TYPE, CR4_VME, DR7_GD, EFLAGS_AC, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT,
  EFLAGS_RF, EFLAGS_TF, EFLAGS_VIF, EFLAGS_VM, TYPE_INTERRUPT_GATE_16, TYPE_INTERRUPT_GATE_32, TYPE_TASK_GATE, TYPE_TRAP_GATE_16, TYPE_TRAP_GATE_32,
  VECTOR_DB, VECTOR_DE, VECTOR_DF, VECTOR_GP, VECTOR_NMI, VECTOR_NP, VECTOR_PF, VECTOR_TS,
} from '../arch.ts';
import {
  COUNT_EXCEPTIONS, COUNT_INTERRUPTS, CPL, CR2, CR4, CS, DR7, DS, ES, EXIT_HALTED, EXIT_REASON, EXIT_TRIPLE_FAULT, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR,
  FAULT_FREEZE, FAULT_VECTOR, FS, GS, IDTR_BASE, IDTR_LIMIT, INTERRUPT_SHADOW, NMI_BLOCKED, RIP, RSP, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, STATUS_EXIT,
  STATUS_FAULT, STATUS_RESUME, TR,
} from '../state-layout.ts';
import { fault, faultStatus, get32, get64, inLongMode, inProtectedMode, inVm86, isCanonical, raise, set32, set64 } from './cpu-state.ts';
import { flagsValue, iopl, writeFlags } from './flags.ts';
import { READ, reach } from './mmu.ts';
import { setMode } from './mode.ts';
import {
  asError, attributesOf, descriptor, descriptorAt, dplOf, isCode, isConforming, isNull, limitOf, markAccessed, readDescriptor, setNullSegment,
  setParagraphSegment, setSegment,
} from './segments.ts';
import {
  commitStack, framePush, innerDescriptor, innerDescriptorAt, innerPointer, innerSelector, openCurrentStack, openFlatStack, openStack, readInnerStack,
  readLongStack,
} from './stack-frame.ts';
import { SWITCH_CALL, switchTask } from './task-switch.ts';
import { currentTable, implicitTable } from './tlb.ts';
import { assertErrorLine } from './x87-state.ts';

/** Where an event comes from: a fault or trap, a line of the processor, INT n / INT3 / INTO, or INT1. */
const EXCEPTION: i32 = 0;
const EXTERNAL: i32 = 1;
const SOFTWARE: i32 = 2;
const ICEBP: i32 = 3;

/** What delivery came to, where that isn't STATUS_RESUME: a task gate's switch can end in shutdown. */
let eventStatus: i32 = STATUS_RESUME;

/** EFLAGS as the handler's frame shows them: RF belongs to faults. */
function savedFlags(vector: u32, source: i32): u32 {
  const flags = flagsValue() & ~EFLAGS_RF;
  return source == EXCEPTION && vector != VECTOR_DB ? flags | EFLAGS_RF : flags;
}

@inline function gateError(vector: u32, external: u32): u32 { return vector << 3 | 2 | external; }

/** By the interrupt vector table at `table`, pushing `flags`; real-address mode and redirected INT n. */
function deliverByVectorTable(vector: u32, table: u64, flags: u32, cleared: u32): bool {
  const entry = reach(table + vector * 4, 4, READ, currentTable());
  if (!entry) return false;
  const target = load<u32>(entry);
  openCurrentStack(0);
  if (!framePush(flags & 0xffff, 2)) return false;
  if (!framePush(get32(CS + SEGMENT_SELECTOR), 2)) return false;
  if (!framePush(get64(RIP) & 0xffff, 2)) return false;
  commitStack();
  setParagraphSegment(CS, target >> 16);
  set64(RIP, target & 0xffff);
  writeFlags(0, cleared);
  setMode();
  return true;
}

function deliverReal(vector: u32): bool {
  if (vector * 4 + 3 > get32(IDTR_LIMIT)) return fault(VECTOR_GP, 0);
  return deliverByVectorTable(vector, get64(IDTR_BASE), flagsValue(), EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
}

function deliverProtected(vector: u32, source: i32, errorCode: u32, hasError: bool): bool {
  const external: u32 = source == SOFTWARE ? 0 : 1;
  const cpl = get32(CPL);
  if (vector * 8 + 7 > get32(IDTR_LIMIT)) return fault(VECTOR_GP, gateError(vector, external));
  const pointer = reach(get64(IDTR_BASE) + vector * 8, 8, READ, implicitTable());
  if (!pointer) return false;
  const gate = load<u64>(pointer);
  const gateAttributes = attributesOf(gate);
  const type = gateAttributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM);
  const known = type == TYPE_TASK_GATE || type == TYPE_INTERRUPT_GATE_16 || type == TYPE_TRAP_GATE_16 || type == TYPE_INTERRUPT_GATE_32 || type == TYPE_TRAP_GATE_32;
  if (!known) return fault(VECTOR_GP, gateError(vector, external));
  if (source == SOFTWARE && dplOf(gateAttributes) < cpl) return fault(VECTOR_GP, gateError(vector, external));
  if (!(gateAttributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, gateError(vector, external));
  const selector = <u32>(gate >> 16) & 0xffff;
  if (type == TYPE_TASK_GATE) {
    eventStatus = switchTask(selector, SWITCH_CALL, external, errorCode, hasError);
    return eventStatus != STATUS_FAULT;
  }

  if (isNull(selector)) return fault(VECTOR_GP, external);
  if (!readDescriptor(selector, VECTOR_GP, external)) return false;
  const code = descriptor;
  const codeAt = descriptorAt;
  const attributes = attributesOf(code);
  const dpl = dplOf(attributes);
  if (!isCode(attributes) || dpl > cpl) return fault(VECTOR_GP, asError(selector, external));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, external));
  const wide = (type & 8) != 0;
  const bytes: u32 = wide ? 4 : 2;
  const offset = (gate & 0xffff) | (wide ? gate >> 32 & 0xffff0000 : 0);
  const flags = savedFlags(vector, source);
  const fromVm86 = inVm86();
  const inner = !isConforming(attributes) && dpl < cpl;
  if (fromVm86 && (!inner || dpl != 0)) return fault(VECTOR_GP, asError(selector, external));
  if (inner) {
    if (!readInnerStack(dpl, external)) return false;
    openStack(innerDescriptor, innerPointer, dpl, asError(innerSelector, external));
    if (fromVm86) {
      if (!framePush(get32(GS + SEGMENT_SELECTOR), bytes) || !framePush(get32(FS + SEGMENT_SELECTOR), bytes)) return false;
      if (!framePush(get32(DS + SEGMENT_SELECTOR), bytes) || !framePush(get32(ES + SEGMENT_SELECTOR), bytes)) return false;
    }
    if (!framePush(get32(SS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RSP), bytes)) return false;
  } else openCurrentStack(external);
  if (!framePush(flags, bytes)) return false;
  if (!framePush(get32(CS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RIP), bytes)) return false;
  if (hasError && !framePush(errorCode, bytes)) return false;
  if (offset > limitOf(code)) return fault(VECTOR_GP, external);
  if (inner && !markAccessed(innerDescriptor, innerDescriptorAt)) return false;
  if (!markAccessed(code, codeAt)) return false;

  const level = inner ? dpl : cpl;
  commitStack();
  if (inner) {
    setSegment(SS, innerSelector, innerDescriptor);
    set32(CPL, level);
  }
  setSegment(CS, selector & ~3 | level, code);
  set64(RIP, offset);
  let cleared: u32 = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
  if (!(type & 1)) cleared |= EFLAGS_IF;
  if (fromVm86) {
    setNullSegment(ES, 0, 0);
    setNullSegment(DS, 0, 0);
    setNullSegment(FS, 0, 0);
    setNullSegment(GS, 0, 0);
  }
  writeFlags(0, cleared);
  setMode();
  return true;
}

function deliverLong(vector: u32, source: i32, errorCode: u32, hasError: bool): bool {
  const external: u32 = source == SOFTWARE ? 0 : 1;
  const cpl = get32(CPL);
  if (vector * 16 + 15 > get32(IDTR_LIMIT)) return fault(VECTOR_GP, gateError(vector, external));
  const pointer = reach(get64(IDTR_BASE) + vector * 16, 16, READ, implicitTable());
  if (!pointer) return false;
  const gate = load<u64>(pointer);
  const offset = (gate & 0xffff) | (gate >> 32 & 0xffff0000) | (load<u64>(pointer + 8) << 32);
  const gateAttributes = attributesOf(gate);
  const type = gateAttributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM);
  if (type != TYPE_INTERRUPT_GATE_32 && type != TYPE_TRAP_GATE_32) return fault(VECTOR_GP, gateError(vector, external));
  if (source == SOFTWARE && dplOf(gateAttributes) < cpl) return fault(VECTOR_GP, gateError(vector, external));
  if (!(gateAttributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, gateError(vector, external));
  const selector = <u32>(gate >> 16) & 0xffff;
  if (isNull(selector)) return fault(VECTOR_GP, external);
  if (!readDescriptor(selector, VECTOR_GP, external)) return false;
  const code = descriptor;
  const codeAt = descriptorAt;
  const attributes = attributesOf(code);
  const dpl = dplOf(attributes);
  if (!isCode(attributes) || dpl > cpl || (attributes & (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) != ATTRIBUTE_LONG) return fault(VECTOR_GP, asError(selector, external));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, external));
  if (!isCanonical(offset)) return fault(VECTOR_GP, external);
  const level = isConforming(attributes) ? cpl : dpl;
  const stackTable = <u32>(gate >> 32) & 7;
  let stack = get64(RSP);
  if (stackTable) {
    if (!readLongStack(0x1c + stackTable * 8, external)) return false;
    stack = innerPointer;
  } else if (level < cpl) {
    if (!readLongStack(4 + level * 8, external)) return false;
    stack = innerPointer;
  }
  openFlatStack(stack & ~<u64>15, level, external);
  if (!framePush(get32(SS + SEGMENT_SELECTOR), 8) || !framePush(get64(RSP), 8)) return false;
  if (!framePush(savedFlags(vector, source), 8)) return false;
  if (!framePush(get32(CS + SEGMENT_SELECTOR), 8) || !framePush(get64(RIP), 8)) return false;
  if (hasError && !framePush(errorCode, 8)) return false;
  if (!markAccessed(code, codeAt)) return false;

  commitStack();
  if (level < cpl) {
    setNullSegment(SS, level, level);
    set32(CPL, level);
  }
  setSegment(CS, selector & ~3 | level, code);
  set64(RIP, offset);
  let cleared: u32 = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
  if (!(type & 1)) cleared |= EFLAGS_IF;
  writeFlags(0, cleared);
  setMode();
  return true;
}

function deliver(vector: u32, source: i32, errorCode: u32, hasError: bool): bool {
  eventStatus = STATUS_RESUME;
  if (!inProtectedMode()) return deliverReal(vector);
  return inLongMode() ? deliverLong(vector, source, errorCode, hasError) : deliverProtected(vector, source, errorCode, hasError);
}

@inline function isContributory(vector: i32): bool {
  return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

/** Delivers an event and what goes wrong on the way: SDM 3A table 6-5. */
function deliverEvent(vector: i32, source: i32, errorCode: u32, hasError: bool): i32 {
  set32(INTERRUPT_SHADOW, 0);
  while (!deliver(vector, source, errorCode, hasError)) {
    const second = <i32>get32(FAULT_VECTOR);
    set32(FAULT_VECTOR, -1);
    if (second == VECTOR_PF) set64(CR2, get64(FAULT_ADDRESS));
    const first = source == EXCEPTION ? vector : -1;
    source = EXCEPTION;
    if (first == VECTOR_DF) {
      set32(EXIT_REASON, EXIT_TRIPLE_FAULT);
      return STATUS_EXIT;
    }
    if ((isContributory(first) && isContributory(second)) || (first == VECTOR_PF && (second == VECTOR_PF || isContributory(second)))) {
      vector = VECTOR_DF;
      errorCode = 0;
      hasError = true;
    } else {
      vector = second;
      errorCode = get32(FAULT_ERROR);
      hasError = get32(FAULT_HAS_ERROR) != 0;
    }
  }
  return eventStatus;
}

/** Delivers the pending fault; RIP is the faulting instruction's (of a trap: the next one's). */
export function deliverFault(): i32 {
  // The last byte of the address space has the address by which helpers say that there is none. Nothing lives there.
  if (<i32>get32(FAULT_VECTOR) < 0) raise(VECTOR_GP, 0, 1);
  const vector = <i32>get32(FAULT_VECTOR);
  set32(FAULT_VECTOR, -1);
  if (vector == FAULT_FREEZE) {
    assertErrorLine();
    set32(EXIT_REASON, EXIT_HALTED);
    return STATUS_EXIT;
  }
  set32(COUNT_EXCEPTIONS, get32(COUNT_EXCEPTIONS) + 1);
  if (vector == VECTOR_PF) set64(CR2, get64(FAULT_ADDRESS));
  if (vector == VECTOR_DB) set64(DR7, get64(DR7) & ~<u64>DR7_GD);
  return deliverEvent(vector, EXCEPTION, get32(FAULT_ERROR), get32(FAULT_HAS_ERROR) != 0);
}

/** Delivers an interrupt from outside, or (vector 2) an NMI. */
export function deliverInterrupt(vector: i32): i32 {
  set32(COUNT_INTERRUPTS, get32(COUNT_INTERRUPTS) + 1);
  if (vector == VECTOR_NMI) set32(NMI_BLOCKED, 1);
  return deliverEvent(vector & 0xff, EXTERNAL, 0, false);
}

/** Whether the TSS' bitmap leaves INT `vector` to the virtual-8086 program itself. 1 yes, 0 no, -1 with a fault pending. */
function redirects(vector: u32): i32 {
  const limit = get32(TR + SEGMENT_LIMIT);
  if (limit < 0x67) return 0;
  const base = get64(TR + SEGMENT_BASE);
  let pointer = reach(base + 0x66, 2, READ, implicitTable());
  if (!pointer) return -1;
  const at = <u32>load<u16>(pointer) - 32 + (vector >> 3);
  if (at > limit) return 0;
  pointer = reach(base + at, 1, READ, implicitTable());
  if (!pointer) return -1;
  return load<u8>(pointer) >> <u8>(vector & 7) & 1 ? 0 : 1;
}

/** INT n (kind 0), INT3 (1), INTO (2), INT1 (3); RIP is the next instruction's. */
export function softwareInterrupt(vector: u32, kind: i32): i32 {
  if (kind == 0 && inVm86()) {
    if (get64(CR4) & CR4_VME) {
      const redirected = redirects(vector);
      if (redirected < 0) return STATUS_FAULT;
      if (redirected) {
        let flags = flagsValue();
        let cleared: u32 = EFLAGS_TF | EFLAGS_NT;
        if (iopl() == 3) cleared |= EFLAGS_IF;
        else {
          flags = flags & ~EFLAGS_IF | EFLAGS_IOPL | (flags & EFLAGS_VIF ? EFLAGS_IF : 0);
          cleared |= EFLAGS_VIF;
        }
        return deliverByVectorTable(vector, 0, flags, cleared) ? STATUS_RESUME : STATUS_FAULT;
      }
    }
    if (iopl() < 3) return faultStatus(VECTOR_GP, 0);
  }
  return deliver(vector, kind == 3 ? ICEBP : SOFTWARE, 0, false) ? eventStatus : STATUS_FAULT;
}
