/** Hardware task switches: SDM 3A chapter 7. */
import {
  ATTRIBUTE_NOT_SYSTEM, ATTRIBUTE_PRESENT, ATTRIBUTE_TYPE, CR0_PG, CR0_TS, DR6_BT, EFLAGS_ALL, EFLAGS_ARITHMETIC, EFLAGS_FIXED, EFLAGS_NT, EFLAGS_VM,
  TYPE_LDT, TYPE_TSS_16, TYPE_TSS_32, VECTOR_DB, VECTOR_GP, VECTOR_NP, VECTOR_SS, VECTOR_TS,
} from '../arch.ts';
import {
  CPL, CR0, CR3, CS, DR6, DR7, EFLAGS_REST, EXIT_REASON, EXIT_TRIPLE_FAULT, LDTR, PENDING_BYTES, RAX, RIP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS,
  STATUS_EXIT, STATUS_FAULT, STATUS_RESUME, TR,
} from '../state-layout.ts';
import { loadPagingBase } from './control-registers.ts';
import { fault, get32, get64, inLongMode, raise, segmentAt, set32, set64 } from './cpu-state.ts';
import { deliverFault } from './exceptions.ts';
import { flagsValue, writeArithmeticFlags } from './flags.ts';
import { MODIFY, READ, WRITE, reach, write16, write32, write8 } from './mmu.ts';
import { setMode } from './mode.ts';
import {
  asError, attributesOf, descriptor, descriptorAt, dplOf, isCode, isConforming, isNull, isWritableData, limitOf, baseOf, loadDataSegment, markAccessed,
  readDescriptor, setNullSegment, setParagraphSegment, setSegment, setSystemSegment,
} from './segments.ts';
import { commitStack, framePush, openCurrentStack } from './stack-frame.ts';
import { implicitTable } from './tlb.ts';

export const SWITCH_JUMP: i32 = 0;
export const SWITCH_CALL: i32 = 1;
export const SWITCH_RETURN: i32 = 2;

const BUSY: u64 = 0x20000000000;
/** DR7.L0–L3 and LE. */
const LOCAL_BREAKPOINTS: u64 = 0x155;
const TSS_32_BYTES: u32 = 0x68;
const TSS_16_BYTES: u32 = 0x2c;

/**
 * Faults of a new task may lead to further tasks by task gates. Busy bits end that, unless the tasks' segments overlap the
 * descriptor tables: then this does, by shutdown.
 */
const NESTED_SWITCHES_MAX: u32 = 16;
let nestedSwitches: u32 = 0;

/** Makes every byte of [at, at + bytes) reachable beforehand, so that the switch itself can't fault. */
function touch(at: u64, bytes: u32, access: u32): bool {
  const table = implicitTable();
  const reached = reach(at, 1, access, table) != 0 && reach(at + bytes - 1, 1, access, table) != 0;
  // Nothing is stored yet.
  set32(PENDING_BYTES, 0);
  return reached;
}

@inline function word(at: u64): u32 { return <u32>load<u16>(reach(at, 2, READ, implicitTable())); }
@inline function dword(at: u64): u32 { return load<u32>(reach(at, 4, READ, implicitTable())); }

function saveTask(base: u64, wide: bool, flags: u32): void {
  const table = implicitTable();
  if (wide) {
    write32(base + 0x20, <u32>get64(RIP), table);
    write32(base + 0x24, flags, table);
    for (let i: u32 = 0; i < 8; i++) write32(base + 0x28 + i * 4, <u32>get64(RAX + i * 8), table);
    for (let i: u32 = 0; i < 6; i++) write16(base + 0x48 + i * 4, get32(segmentAt(i) + SEGMENT_SELECTOR), table);
  } else {
    write16(base + 0x0e, <u32>get64(RIP), table);
    write16(base + 0x10, flags, table);
    for (let i: u32 = 0; i < 8; i++) write16(base + 0x12 + i * 2, <u32>get64(RAX + i * 8), table);
    for (let i: u32 = 0; i < 4; i++) write16(base + 0x22 + i * 2, get32(segmentAt(i) + SEGMENT_SELECTOR), table);
  }
}

function loadTaskTable(selector: u32): bool {
  setNullSegment(LDTR, selector, 0);
  if (isNull(selector)) return true;
  if (selector & 4) return fault(VECTOR_TS, asError(selector, 0));
  if (!readDescriptor(selector, VECTOR_TS, 0)) return false;
  const attributes = attributesOf(descriptor);
  if ((attributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM)) != TYPE_LDT || !(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_TS, asError(selector, 0));
  set64(LDTR + SEGMENT_BASE, baseOf(descriptor));
  set32(LDTR + SEGMENT_LIMIT, limitOf(descriptor));
  set32(LDTR + SEGMENT_ATTRIBUTES, attributes);
  return true;
}

function loadTaskCode(selector: u32): bool {
  if (isNull(selector)) return fault(VECTOR_TS, 0);
  if (!readDescriptor(selector, VECTOR_TS, 0)) return false;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  const level = selector & 3;
  const dpl = dplOf(attributes);
  if (!isCode(attributes) || (isConforming(attributes) ? dpl > level : dpl != level)) return fault(VECTOR_TS, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, 0));
  if (!markAccessed(raw, descriptorAt)) return false;
  setSegment(CS, selector, raw);
  return true;
}

function loadTaskStack(selector: u32): bool {
  if (isNull(selector)) return fault(VECTOR_TS, 0);
  if (!readDescriptor(selector, VECTOR_TS, 0)) return false;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  const level = get32(CPL);
  if (!isWritableData(attributes) || dplOf(attributes) != level || (selector & 3) != level) return fault(VECTOR_TS, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_SS, asError(selector, 0));
  if (!markAccessed(raw, descriptorAt)) return false;
  setSegment(SS, selector, raw);
  return true;
}

/** The new task's segment registers hold their selectors and nothing else yet. */
function loadTaskSegments(table: u32): bool {
  if (!loadTaskTable(table)) return false;
  if (get32(EFLAGS_REST) & EFLAGS_VM) {
    for (let i: u32 = 0; i < 6; i++) setParagraphSegment(segmentAt(i), get32(segmentAt(i) + SEGMENT_SELECTOR));
    return true;
  }
  if (!loadTaskCode(get32(CS + SEGMENT_SELECTOR)) || !loadTaskStack(get32(SS + SEGMENT_SELECTOR))) return false;
  const cpl = get32(CPL);
  for (let i: u32 = 0; i < 6; i++) {
    const at = segmentAt(i);
    if (at != CS && at != SS && !loadDataSegment(at, get32(at + SEGMENT_SELECTOR), cpl, VECTOR_TS)) return false;
  }
  return true;
}

/**
 * Switches to the task of a TSS selector. STATUS_FAULT: nothing changed, the fault is pending. Faults of the new task's own
 * state are delivered within it.
 */
export function switchTask(selector: u32, kind: i32, external: u32, errorCode: u32, hasError: bool): i32 {
  const vector = kind == SWITCH_RETURN ? VECTOR_TS : VECTOR_GP;
  if (inLongMode()) {
    fault(VECTOR_GP, asError(selector, external));
    return STATUS_FAULT;
  }
  if (isNull(selector) || (selector & 4) != 0) {
    fault(vector, asError(selector, external));
    return STATUS_FAULT;
  }
  if (!readDescriptor(selector, vector, external)) return STATUS_FAULT;
  const raw = descriptor;
  const rawAt = descriptorAt;
  const attributes = attributesOf(raw);
  const type = attributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM);
  const wanted: u32 = kind == SWITCH_RETURN ? 2 : 0;
  if (type != (TYPE_TSS_16 | wanted) && type != (TYPE_TSS_32 | wanted)) {
    fault(vector, asError(selector, external));
    return STATUS_FAULT;
  }
  if (!(attributes & ATTRIBUTE_PRESENT)) {
    fault(VECTOR_NP, asError(selector, external));
    return STATUS_FAULT;
  }
  const wide = (type & 8) != 0;
  const base = baseOf(raw);
  if (limitOf(raw) < (wide ? TSS_32_BYTES : TSS_16_BYTES) - 1) {
    fault(VECTOR_TS, asError(selector, external));
    return STATUS_FAULT;
  }
  const oldSelector = get32(TR + SEGMENT_SELECTOR);
  const oldBase = get64(TR + SEGMENT_BASE);
  const oldWide = (get32(TR + SEGMENT_ATTRIBUTES) & 8) != 0;
  if (!touch(oldBase, oldWide ? TSS_32_BYTES : TSS_16_BYTES, WRITE) || !touch(base, wide ? TSS_32_BYTES : TSS_16_BYTES, kind == SWITCH_CALL ? MODIFY : READ)) return STATUS_FAULT;
  if (!touch(rawAt, 8, MODIFY)) return STATUS_FAULT;
  let oldAt: u64 = 0;
  let old: u64 = 0;
  if (kind != SWITCH_CALL && !isNull(oldSelector)) {
    if (!readDescriptor(oldSelector, VECTOR_TS, external)) return STATUS_FAULT;
    oldAt = descriptorAt;
    old = descriptor;
    if (!touch(oldAt, 8, MODIFY)) return STATUS_FAULT;
  }

  const table = implicitTable();
  let flags = flagsValue();
  if (kind == SWITCH_RETURN) flags &= ~EFLAGS_NT;
  saveTask(oldBase, oldWide, flags);
  if (oldAt) write8(oldAt + 5, <u32>((old & ~BUSY) >> 40), table);
  if (kind != SWITCH_RETURN) write8(rawAt + 5, <u32>((raw | BUSY) >> 40), table);
  if (kind == SWITCH_CALL) write16(base, oldSelector, table);

  const paging = wide ? dword(base + 0x1c) : 0;
  let newFlags = wide ? dword(base + 0x24) : word(base + 0x10);
  const rip = wide ? dword(base + 0x20) : word(base + 0x0e);
  const localTable = wide ? word(base + 0x60) : word(base + 0x2a);
  const trap = wide && (word(base + 0x64) & 1) != 0;
  for (let i: u32 = 0; i < 8; i++) set64(RAX + i * 8, wide ? <u64>dword(base + 0x28 + i * 4) : <u64>word(base + 0x12 + i * 2));
  for (let i: u32 = 0; i < 6; i++) {
    let segment: u32 = 0;
    if (wide) segment = word(base + 0x48 + i * 4);
    else if (i < 4) segment = word(base + 0x22 + i * 2);
    setNullSegment(segmentAt(i), segment, 0);
  }
  if (kind == SWITCH_CALL) newFlags |= EFLAGS_NT;
  set64(RIP, rip);
  writeArithmeticFlags(newFlags);
  set32(EFLAGS_REST, newFlags & EFLAGS_ALL & ~EFLAGS_ARITHMETIC | EFLAGS_FIXED);
  setSystemSegment(TR, selector & 0xffff, raw | BUSY, 0);
  set64(CR0, get64(CR0) | CR0_TS);
  set64(DR7, get64(DR7) & ~LOCAL_BREAKPOINTS);
  if (wide && (get64(CR0) & CR0_PG) != 0 && paging != <u32>get64(CR3)) loadPagingBase(paging);
  set32(CPL, newFlags & EFLAGS_VM ? 3 : get32(CS + SEGMENT_SELECTOR) & 3);

  let good = loadTaskSegments(localTable);
  setMode();
  if (good && hasError) {
    openCurrentStack(external);
    good = framePush(errorCode, wide ? 4 : 2);
    if (good) commitStack();
  }
  if (good && trap) {
    set64(DR6, get64(DR6) | DR6_BT);
    raise(VECTOR_DB, 0, 0);
    good = false;
  }
  if (good) return STATUS_RESUME;
  if (nestedSwitches == NESTED_SWITCHES_MAX) {
    set32(EXIT_REASON, EXIT_TRIPLE_FAULT);
    return STATUS_EXIT;
  }
  nestedSwitches++;
  const status = deliverFault();
  nestedSwitches--;
  return status;
}
