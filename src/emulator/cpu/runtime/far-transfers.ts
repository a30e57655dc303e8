/** Far JMP, CALL and RET, IRET: SDM 2 (those instructions), 3A §5.8 and §6.12, 3B §20.2–20.3. */
import {
  ATTRIBUTE_BIG, ATTRIBUTE_LONG, ATTRIBUTE_NOT_SYSTEM, ATTRIBUTE_PRESENT, ATTRIBUTE_TYPE, ATTRIBUTE_UNUSABLE, ATTRIBUTE_CODE, CR4_VME, EFLAGS_ALL, EFLAGS_AC,
  EFLAGS_ID, EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VIF, EFLAGS_VIP, EFLAGS_VM, TYPE_CALL_GATE_16, TYPE_CALL_GATE_32, TYPE_TASK_GATE,
  TYPE_TSS_16, TYPE_TSS_32, VECTOR_GP, VECTOR_NP, VECTOR_SS,
} from '../arch.ts';
import {
  CPL, CR4, CS, DS, EFLAGS_REST, ES, FS, GS, NMI_BLOCKED, RIP, RSP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, STATUS_FAULT,
  STATUS_RESUME, TR,
} from '../state-layout.ts';
import {
  fault, faultStatus, get32, get64, in64BitCode, inLongMode, inVm86, isCanonical, segmentAt, set32, set64, statusOrLoop, usesParagraphs,
} from './cpu-state.ts';
import { iopl, writeFlags } from './flags.ts';
import { READ, loadSized, reach } from './mmu.ts';
import { setMode } from './mode.ts';
import {
  NOT_AN_ADDRESS, asError, attributesOf, descriptor, descriptorAt, dplOf, isCode, isConforming, isNull, isWritableData, limitOf, markAccessed, readDescriptor,
  setNullSegment, setParagraphSegment, setSegment, stackAddress, stackMask,
} from './segments.ts';
import {
  commitStack, framePush, innerDescriptor, innerDescriptorAt, innerPointer, innerSelector, openCurrentStack, openFlatStack, openStack, readInnerStack,
  readLongStack,
} from './stack-frame.ts';
import { SWITCH_CALL, SWITCH_JUMP, SWITCH_RETURN, switchTask } from './task-switch.ts';
import { currentTable, implicitTable } from './tlb.ts';

@inline function masked(value: u64, bytes: u32): u64 {
  if (bytes == 8) return value;
  return bytes == 4 ? value & 0xffffffff : value & 0xffff;
}

/** The value popped by `framePop`. */
let popped: u64 = 0;
/** Reads `bytes` bytes `offset` above the stack pointer, which stays; false with the fault pending. */
function peekStack(offset: u32, bytes: u32): bool {
  const linear = stackAddress(offset, bytes, READ);
  if (linear == NOT_AN_ADDRESS) return false;
  const pointer = reach(linear, bytes, READ, currentTable());
  if (!pointer) return false;
  popped = loadSized(pointer, bytes);
  return true;
}

function movedStack(bytes: u32): u64 {
  const mask = stackMask();
  const rsp = get64(RSP);
  return rsp & ~mask | (rsp + bytes) & mask;
}

/** The code segment that `readCode` found. */
let code: u64 = 0;
let codeAt: u64 = 0;
/** Reads the descriptor of a code segment to go to; whether it may be entered is yet to be seen. */
function readCode(selector: u32): bool {
  if (!readDescriptor(selector, VECTOR_GP, 0)) return false;
  code = descriptor;
  codeAt = descriptorAt;
  return true;
}

@inline function is64BitTarget(attributes: u32): bool { return inLongMode() && (attributes & ATTRIBUTE_LONG) != 0; }

/** Whether `offset` can be executed in the code segment found. */
function checkTarget(offset: u64): bool {
  if (is64BitTarget(attributesOf(code))) {
    if (!isCanonical(offset)) return fault(VECTOR_GP, 0);
  } else if (offset > limitOf(code)) return fault(VECTOR_GP, 0);
  return true;
}

/** The rules of a direct far JMP or CALL, or of one through a gate that doesn't change privilege. */
function checkSamePrivilege(selector: u32, checkRpl: bool): bool {
  const attributes = attributesOf(code);
  const cpl = get32(CPL);
  const dpl = dplOf(attributes);
  if (isConforming(attributes) ? dpl > cpl : dpl != cpl || (checkRpl && (selector & 3) > cpl)) return fault(VECTOR_GP, asError(selector, 0));
  if (inLongMode() && (attributes & (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) == (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) return fault(VECTOR_GP, asError(selector, 0));
  return attributes & ATTRIBUTE_PRESENT ? true : fault(VECTOR_NP, asError(selector, 0));
}

/** Enters the code segment found at `offset` with privilege `level`. */
function enterCode(selector: u32, offset: u64, level: u32): void {
  setSegment(CS, selector & 0xfffc | level, code);
  set32(CPL, level);
  set64(RIP, offset);
}

/** Real-address and virtual-8086 mode. */
function jumpToParagraph(selector: u32, offset: u64): bool {
  if (offset > get32(CS + SEGMENT_LIMIT) && !inVm86()) return fault(VECTOR_GP, 0);
  if (offset > 0xffff && inVm86()) return fault(VECTOR_GP, 0);
  setParagraphSegment(CS, selector);
  set64(RIP, offset);
  return true;
}

@inline function ended(good: bool): i32 {
  if (!good) return STATUS_FAULT;
  setMode();
  return STATUS_RESUME;
}

/** What a call gate leads to. */
let gateSelector: u32 = 0;
let gateOffset: u64 = 0;
/** Reads the second half of the gate in `descriptor` in long mode, and its target's code segment. */
function readGate(selector: u32, wide: bool): bool {
  const gate = descriptor;
  gateSelector = <u32>(gate >> 16) & 0xffff;
  gateOffset = gate & 0xffff;
  if (wide) gateOffset |= gate >> 32 & 0xffff0000;
  if (inLongMode()) {
    const pointer = reach(descriptorAt + 8, 8, READ, implicitTable());
    if (!pointer) return false;
    const second = load<u64>(pointer);
    if (second >> 40 & 0x1f) return fault(VECTOR_GP, asError(selector, 0));
    gateOffset |= second << 32;
  }
  if (isNull(gateSelector)) return fault(VECTOR_GP, 0);
  if (!readCode(gateSelector)) return false;
  const attributes = attributesOf(code);
  if (!isCode(attributes) || dplOf(attributes) > get32(CPL)) return fault(VECTOR_GP, asError(gateSelector, 0));
  if (inLongMode() && (attributes & (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) != ATTRIBUTE_LONG) return fault(VECTOR_GP, asError(gateSelector, 0));
  return true;
}

/** A system descriptor as target; `isCall` tells CALL from JMP. */
function throughSystemDescriptor(selector: u32, isCall: bool): i32 {
  const attributes = attributesOf(descriptor);
  const type = attributes & ATTRIBUTE_TYPE;
  const long = inLongMode();
  const isTask = !long && (type == TYPE_TSS_16 || type == TYPE_TSS_32 || type == TYPE_TASK_GATE);
  const isGate = type == TYPE_CALL_GATE_32 || (!long && type == TYPE_CALL_GATE_16);
  const dpl = dplOf(attributes);
  if ((!isTask && !isGate) || dpl < get32(CPL) || dpl < (selector & 3)) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return faultStatus(VECTOR_NP, asError(selector, 0));
  if (isTask) {
    const task = type == TYPE_TASK_GATE ? <u32>(descriptor >> 16) & 0xffff : selector;
    const status = switchTask(task, isCall ? SWITCH_CALL : SWITCH_JUMP, 0, 0, false);
    return status == STATUS_RESUME ? statusOrLoop(STATUS_RESUME) : status;
  }
  const wide = type == TYPE_CALL_GATE_32;
  const parameters = <u32>(descriptor >> 32) & 31;
  if (!readGate(selector, wide)) return STATUS_FAULT;
  if (isCall) return ended(callThroughGate(wide, parameters));
  if (!checkSamePrivilege(gateSelector, false) || !checkTarget(gateOffset) || !markAccessed(code, codeAt)) return STATUS_FAULT;
  enterCode(gateSelector, gateOffset, get32(CPL));
  return ended(true);
}

function callThroughGate(wide: bool, parameters: u32): bool {
  const cpl = get32(CPL);
  const attributes = attributesOf(code);
  const selector = gateSelector;
  const offset = gateOffset;
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, 0));
  const long = inLongMode();
  const bytes: u32 = long ? 8 : wide ? 4 : 2;
  const dpl = dplOf(attributes);
  if (isConforming(attributes) || dpl == cpl) {
    if (long) openFlatStack(get64(RSP), cpl, 0);
    else openCurrentStack(0);
    if (!framePush(get32(CS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RIP), bytes)) return false;
    if (!checkTarget(offset) || !markAccessed(code, codeAt)) return false;
    commitStack();
    enterCode(selector, offset, cpl);
    return true;
  }
  if (long) {
    if (!readLongStack(4 + dpl * 8, 0)) return false;
    openFlatStack(innerPointer, dpl, 0);
  } else {
    if (!readInnerStack(dpl, 0)) return false;
    openStack(innerDescriptor, innerPointer, dpl, asError(innerSelector, 0));
  }
  if (!framePush(get32(SS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RSP), bytes)) return false;
  if (!long) {
    for (let i = parameters; i != 0; i--) {
      if (!peekStack((i - 1) * bytes, bytes) || !framePush(popped, bytes)) return false;
    }
  }
  if (!framePush(get32(CS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RIP), bytes)) return false;
  if (!checkTarget(offset) || !markAccessed(code, codeAt)) return false;
  if (!long && !markAccessed(innerDescriptor, innerDescriptorAt)) return false;
  commitStack();
  if (long) setNullSegment(SS, dpl, dpl);
  else setSegment(SS, innerSelector, innerDescriptor);
  enterCode(selector, offset, dpl);
  return true;
}

export function farJump(selector: u32, target: u64, operandBytes: u32): i32 {
  selector &= 0xffff;
  const offset = masked(target, operandBytes);
  if (usesParagraphs()) return ended(jumpToParagraph(selector, offset));
  if (isNull(selector)) return faultStatus(VECTOR_GP, 0);
  if (!readCode(selector)) return STATUS_FAULT;
  const attributes = attributesOf(code);
  if (!(attributes & ATTRIBUTE_NOT_SYSTEM)) return throughSystemDescriptor(selector, false);
  if (!isCode(attributes)) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!checkSamePrivilege(selector, true) || !checkTarget(offset) || !markAccessed(code, codeAt)) return STATUS_FAULT;
  enterCode(selector, offset, get32(CPL));
  return ended(true);
}

function callParagraph(selector: u32, offset: u64, bytes: u32): bool {
  openCurrentStack(0);
  if (!framePush(get32(CS + SEGMENT_SELECTOR), bytes) || !framePush(get64(RIP), bytes)) return false;
  if (!jumpToParagraph(selector, offset)) return false;
  commitStack();
  return true;
}

export function farCall(selector: u32, target: u64, operandBytes: u32): i32 {
  selector &= 0xffff;
  const offset = masked(target, operandBytes);
  if (usesParagraphs()) return ended(callParagraph(selector, offset, operandBytes));
  if (isNull(selector)) return faultStatus(VECTOR_GP, 0);
  if (!readCode(selector)) return STATUS_FAULT;
  const attributes = attributesOf(code);
  if (!(attributes & ATTRIBUTE_NOT_SYSTEM)) return throughSystemDescriptor(selector, true);
  if (!isCode(attributes)) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!checkSamePrivilege(selector, true)) return STATUS_FAULT;
  openCurrentStack(0);
  if (!framePush(get32(CS + SEGMENT_SELECTOR), operandBytes) || !framePush(get64(RIP), operandBytes)) return STATUS_FAULT;
  if (!checkTarget(offset) || !markAccessed(code, codeAt)) return STATUS_FAULT;
  commitStack();
  enterCode(selector, offset, get32(CPL));
  return ended(true);
}

/** The code segment that RETF and IRET return to. */
function checkReturnCode(selector: u32, offset: u64): bool {
  if (isNull(selector)) return fault(VECTOR_GP, 0);
  if (!readCode(selector)) return false;
  const attributes = attributesOf(code);
  const rpl = selector & 3;
  if (!isCode(attributes) || rpl < get32(CPL)) return fault(VECTOR_GP, asError(selector, 0));
  const dpl = dplOf(attributes);
  if (isConforming(attributes) ? dpl > rpl : dpl != rpl) return fault(VECTOR_GP, asError(selector, 0));
  if (inLongMode() && (attributes & (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) == (ATTRIBUTE_LONG | ATTRIBUTE_BIG)) return fault(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, 0));
  return checkTarget(offset) && markAccessed(code, codeAt);
}

/** The stack segment found by `checkReturnStack`; 0 for a null selector. */
let stack: u64 = 0;
function checkReturnStack(selector: u32, level: u32): bool {
  stack = 0;
  if (isNull(selector)) {
    return is64BitTarget(attributesOf(code)) && level != 3 && (selector & 3) == level ? true : fault(VECTOR_GP, 0);
  }
  if (!readDescriptor(selector, VECTOR_GP, 0)) return false;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  if ((selector & 3) != level || !isWritableData(attributes) || dplOf(attributes) != level) return fault(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_SS, asError(selector, 0));
  stack = raw;
  return markAccessed(raw, descriptorAt);
}

/** Sets SS:RSP to the stack found, `extra` bytes up. */
function enterStack(selector: u32, pointer: u64, level: u32, extra: u32): void {
  if (isNull(selector)) setNullSegment(SS, selector, level);
  else setSegment(SS, selector, stack);
  if (is64BitTarget(attributesOf(code))) set64(RSP, pointer + extra);
  else if (isNull(selector) || (attributesOf(stack) & ATTRIBUTE_BIG) != 0) set64(RSP, (pointer + extra) & 0xffffffff);
  else set64(RSP, get64(RSP) & ~<u64>0xffff | (pointer + extra) & 0xffff);
}

/** Data segments that outer code may not use are emptied when privilege falls. */
function dropInnerSegments(level: u32): void {
  for (let i: u32 = 0; i < 6; i++) {
    const at = segmentAt(i);
    if (at == CS || at == SS) continue;
    const attributes = get32(at + SEGMENT_ATTRIBUTES);
    if (attributes & ATTRIBUTE_UNUSABLE) continue;
    const conforming = (attributes & ATTRIBUTE_CODE) != 0 && isConforming(attributes);
    if (!conforming && dplOf(attributes) < level) setNullSegment(at, 0, 0);
  }
}

export function farReturn(bytes: u32, extra: u32): i32 {
  if (!peekStack(0, bytes)) return STATUS_FAULT;
  const offset = popped;
  if (!peekStack(bytes, bytes)) return STATUS_FAULT;
  const selector = <u32>popped & 0xffff;
  if (usesParagraphs()) {
    const rsp = movedStack(bytes * 2 + extra);
    if (!jumpToParagraph(selector, offset)) return STATUS_FAULT;
    set64(RSP, rsp);
    return ended(true);
  }
  if (!checkReturnCode(selector, offset)) return STATUS_FAULT;
  const level = selector & 3;
  if (level == get32(CPL)) {
    set64(RSP, movedStack(bytes * 2 + extra));
    enterCode(selector, offset, level);
    return ended(true);
  }
  if (!peekStack(bytes * 2 + extra, bytes)) return STATUS_FAULT;
  const pointer = popped;
  if (!peekStack(bytes * 3 + extra, bytes)) return STATUS_FAULT;
  const stackSelector = <u32>popped & 0xffff;
  if (!checkReturnStack(stackSelector, level)) return STATUS_FAULT;
  enterStack(stackSelector, pointer, level, extra);
  enterCode(selector, offset, level);
  dropInnerSegments(level);
  return ended(true);
}

/** Ends an IRET: flags, NMIs, interrupts. */
function returned(flags: u32, mask: u32): i32 {
  writeFlags(flags, mask);
  set32(NMI_BLOCKED, 0);
  setMode();
  return statusOrLoop(STATUS_RESUME);
}

const LOW_FLAGS: u32 = EFLAGS_ALL & 0xffff;

/** IRET in real-address mode, and in virtual-8086 mode. */
function returnFromParagraph(bytes: u32): i32 {
  const vm86 = inVm86();
  const virtual = vm86 && iopl() < 3;
  if (virtual && (!(get64(CR4) & CR4_VME) || bytes != 2)) return faultStatus(VECTOR_GP, 0);
  if (!peekStack(0, bytes)) return STATUS_FAULT;
  const offset = popped;
  if (!peekStack(bytes, bytes)) return STATUS_FAULT;
  const selector = <u32>popped & 0xffff;
  if (!peekStack(bytes * 2, bytes)) return STATUS_FAULT;
  let flags = <u32>popped;
  let mask = LOW_FLAGS;
  if (bytes == 4) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
  if (vm86) mask &= ~EFLAGS_IOPL;
  if (virtual) {
    const blocked = (flags & EFLAGS_TF) != 0 || ((flags & EFLAGS_IF) != 0 && (get32(EFLAGS_REST) & EFLAGS_VIP) != 0);
    if (blocked) return faultStatus(VECTOR_GP, 0);
    flags = flags & ~EFLAGS_VIF | (flags & EFLAGS_IF ? EFLAGS_VIF : 0);
    mask = mask & ~EFLAGS_IF | EFLAGS_VIF;
  }
  const rsp = movedStack(bytes * 3);
  if (!jumpToParagraph(selector, offset)) return STATUS_FAULT;
  set64(RSP, rsp);
  return returned(flags, mask);
}

/** IRET from CPL 0 to virtual-8086 mode; the stack holds EIP CS EFLAGS ESP SS ES DS FS GS. */
function returnToVm86(offset: u64, selector: u32, flags: u32): i32 {
  let pointer: u64 = 0;
  for (let i: u32 = 3; i < 9; i++) {
    // All of the frame must be readable before anything changes.
    if (!peekStack(i * 4, 4)) return STATUS_FAULT;
    if (i == 3) pointer = popped;
  }
  if (offset > 0xffff) return faultStatus(VECTOR_GP, 0);
  peekStack(16, 4);
  const ss = <u32>popped;
  peekStack(20, 4);
  const es = <u32>popped;
  peekStack(24, 4);
  const ds = <u32>popped;
  peekStack(28, 4);
  const fs = <u32>popped;
  peekStack(32, 4);
  const gs = <u32>popped;
  writeFlags(flags, EFLAGS_ALL);
  setParagraphSegment(CS, selector);
  setParagraphSegment(SS, ss);
  setParagraphSegment(ES, es);
  setParagraphSegment(DS, ds);
  setParagraphSegment(FS, fs);
  setParagraphSegment(GS, gs);
  set64(RSP, pointer);
  set64(RIP, offset);
  set32(CPL, 3);
  return returned(0, 0);
}

export function iret(bytes: u32): i32 {
  if (usesParagraphs()) return returnFromParagraph(bytes);
  const cpl = get32(CPL);
  const long = inLongMode();
  if (get32(EFLAGS_REST) & EFLAGS_NT) {
    if (long) return faultStatus(VECTOR_GP, 0);
    const link = reach(get64(TR + SEGMENT_BASE), 2, READ, implicitTable());
    if (!link) return STATUS_FAULT;
    const status = switchTask(load<u16>(link), SWITCH_RETURN, 0, 0, false);
    if (status != STATUS_RESUME) return status;
    set32(NMI_BLOCKED, 0);
    return statusOrLoop(STATUS_RESUME);
  }
  if (!peekStack(0, bytes)) return STATUS_FAULT;
  const offset = popped;
  if (!peekStack(bytes, bytes)) return STATUS_FAULT;
  const selector = <u32>popped & 0xffff;
  if (!peekStack(bytes * 2, bytes)) return STATUS_FAULT;
  const flags = <u32>popped;
  if ((flags & EFLAGS_VM) != 0 && cpl == 0 && bytes == 4 && !long) return returnToVm86(offset, selector, flags);
  if (!checkReturnCode(selector, offset)) return STATUS_FAULT;
  const level = selector & 3;

  let mask = LOW_FLAGS & ~(EFLAGS_IF | EFLAGS_IOPL);
  if (bytes != 2) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
  if (cpl <= iopl()) mask |= EFLAGS_IF;
  if (cpl == 0) {
    mask |= EFLAGS_IOPL;
    if (bytes != 2) mask |= EFLAGS_VIF | EFLAGS_VIP;
  }
  if (level == cpl && !in64BitCode()) {
    set64(RSP, movedStack(bytes * 3));
    enterCode(selector, offset, level);
    return returned(flags, mask);
  }
  if (!peekStack(bytes * 3, bytes)) return STATUS_FAULT;
  const pointer = popped;
  if (!peekStack(bytes * 4, bytes)) return STATUS_FAULT;
  const stackSelector = <u32>popped & 0xffff;
  if (!checkReturnStack(stackSelector, level)) return STATUS_FAULT;
  enterStack(stackSelector, pointer, level, 0);
  enterCode(selector, offset, level);
  if (level != cpl) dropInnerSegments(level);
  return returned(flags, mask);
}
