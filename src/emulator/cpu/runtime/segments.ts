/** Segment registers, descriptor tables and the addresses they make: SDM 3A chapters 3 and 5. */
import {
  ATTRIBUTE_ACCESSED, ATTRIBUTE_BIG, ATTRIBUTE_CODE, ATTRIBUTE_DPL, ATTRIBUTE_DPL_SHIFT, ATTRIBUTE_EXPAND_DOWN, ATTRIBUTE_NOT_SYSTEM, ATTRIBUTE_PRESENT,
  ATTRIBUTE_TYPE, ATTRIBUTE_UNUSABLE, ATTRIBUTE_WRITABLE, TYPE_CALL_GATE_16, TYPE_CALL_GATE_32, TYPE_LDT, TYPE_TASK_GATE, TYPE_TSS_16, TYPE_TSS_16_BUSY,
  TYPE_TSS_32, TYPE_TSS_32_BUSY, VECTOR_GP, VECTOR_NP, VECTOR_SS,
} from '../arch.ts';
import { RECORD_BASE, RECORD_DISPLACEMENT, RECORD_INDEX, RECORD_SCALE, RECORD_SEGMENT } from '../memory-layout.ts';
import {
  CPL, FAULT_VECTOR, GDTR_BASE, GDTR_LIMIT, LDTR, MODE, MODE_CODE_64, MODE_STACK_32, RAX, RSP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SHADOW_STACK_LOAD,
  SEGMENT_SELECTOR, SS, STATUS_FAULT, STATUS_NEXT, TR,
  SEGMENT_SS,
} from '../state-layout.ts';
import {
  fault, faultStatus, get32, get64, in64BitCode, inLongMode, inProtectedMode, inVm86, isCanonical, segmentAt, set32, set64, shadowInterrupts, statusAfterMode,
} from './cpu-state.ts';
import { READ, WRITE, reach, write8 } from './mmu.ts';
import { setMode } from './mode.ts';
import { implicitTable } from './tlb.ts';

export const NOT_AN_ADDRESS: u64 = ~0;
const SEGMENT_FS: u32 = 4;

/** What `readDescriptor` found: the descriptor and its linear address. */
export let descriptor: u64 = 0;
export let descriptorAt: u64 = 0;

@inline export function baseOf(raw: u64): u64 { return (raw >> 16 & 0xffffff) | (raw >> 56 << 24); }
@inline export function attributesOf(raw: u64): u32 { return <u32>(raw >> 40) & 0xf0ff; }
@inline export function limitOf(raw: u64): u32 {
  const limit = <u32>(raw & 0xffff) | (<u32>(raw >> 32) & 0xf0000);
  return (raw >> 55 & 1) != 0 ? limit << 12 | 0xfff : limit;
}
@inline export function dplOf(attributes: u32): u32 { return (attributes & ATTRIBUTE_DPL) >> ATTRIBUTE_DPL_SHIFT; }
/** A selector as error codes show it. */
@inline export function asError(selector: u32, external: u32): u32 { return (selector & 0xfffc) | external; }
@inline export function isNull(selector: u32): bool { return (selector & 0xfffc) == 0; }
@inline export function isCode(attributes: u32): bool {
  return (attributes & (ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_CODE)) == (ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_CODE);
}
@inline export function isWritableData(attributes: u32): bool {
  return (attributes & (ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_CODE | ATTRIBUTE_WRITABLE)) == (ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_WRITABLE);
}
@inline export function isSystem(attributes: u32): bool { return (attributes & ATTRIBUTE_NOT_SYSTEM) == 0; }
@inline export function isConforming(attributes: u32): bool { return (attributes & ATTRIBUTE_EXPAND_DOWN) != 0; }

/** Linear address of a selector's descriptor, or NOT_AN_ADDRESS where it lies outside its table. */
function descriptorAddress(selector: u32): u64 {
  let base = get64(GDTR_BASE);
  let limit = get32(GDTR_LIMIT);
  if (selector & 4) {
    const attributes = get32(LDTR + SEGMENT_ATTRIBUTES);
    if ((attributes & ATTRIBUTE_UNUSABLE) != 0 || !(attributes & ATTRIBUTE_PRESENT)) return NOT_AN_ADDRESS;
    base = get64(LDTR + SEGMENT_BASE);
    limit = get32(LDTR + SEGMENT_LIMIT);
  }
  return (selector & 0xffff | 7) > limit ? NOT_AN_ADDRESS : base + (selector & 0xfff8);
}

/** Reads a selector's descriptor; false with a fault pending: `vector` with the selector when it is outside its table. */
export function readDescriptor(selector: u32, vector: i32, external: u32): bool {
  const at = descriptorAddress(selector);
  if (at == NOT_AN_ADDRESS) return fault(vector, asError(selector, external));
  const pointer = reach(at, 8, READ, implicitTable());
  if (!pointer) return false;
  descriptor = load<u64>(pointer);
  descriptorAt = at;
  return true;
}

/** Bits 32–63 of the base of a 16-byte system descriptor in long mode, which `readDescriptor` has read the first half of. */
export let upperBase: u64 = 0;
export function readUpperBase(selector: u32, vector: i32, external: u32): bool {
  upperBase = 0;
  if (!inLongMode()) return true;
  if (descriptorAddress(selector + 8) == NOT_AN_ADDRESS) return fault(vector, asError(selector, external));
  const pointer = reach(descriptorAt + 8, 8, READ, implicitTable());
  if (!pointer) return false;
  const second = load<u64>(pointer);
  upperBase = second << 32;
  if ((second >> 40 & 0x1f) != 0) return fault(vector, asError(selector, external));
  return true;
}

/** Sets the accessed bit in a descriptor's table, where it isn't set. */
export function markAccessed(raw: u64, at: u64): bool {
  if ((raw >> 40 & ATTRIBUTE_ACCESSED) != 0) return true;
  return write8(at + 5, <u32>(raw >> 40) & 0xff | ATTRIBUTE_ACCESSED, implicitTable());
}

/** Fills a segment register (its state offset) from a descriptor. */
export function setSegment(segment: u32, selector: u32, raw: u64): void {
  set64(segment + SEGMENT_BASE, baseOf(raw));
  set32(segment + SEGMENT_LIMIT, limitOf(raw));
  set32(segment + SEGMENT_ATTRIBUTES, attributesOf(raw) | ATTRIBUTE_ACCESSED);
  set32(segment + SEGMENT_SELECTOR, selector & 0xffff);
}

/** A null selector. `dpl` matters for SS only. */
export function setNullSegment(segment: u32, selector: u32, dpl: u32): void {
  set64(segment + SEGMENT_BASE, 0);
  set32(segment + SEGMENT_LIMIT, 0);
  set32(segment + SEGMENT_ATTRIBUTES, ATTRIBUTE_UNUSABLE | (dpl << ATTRIBUTE_DPL_SHIFT));
  set32(segment + SEGMENT_SELECTOR, selector & 0xffff);
}

/** What loading a selector does in real-address and virtual-8086 mode. The former keeps the limit ("unreal mode"). */
export function setParagraphSegment(segment: u32, selector: u32): void {
  const old = get32(segment + SEGMENT_ATTRIBUTES);
  const base = ATTRIBUTE_PRESENT | ATTRIBUTE_NOT_SYSTEM | ATTRIBUTE_WRITABLE | ATTRIBUTE_ACCESSED;
  if (inVm86()) {
    set32(segment + SEGMENT_LIMIT, 0xffff);
    set32(segment + SEGMENT_ATTRIBUTES, base | ATTRIBUTE_DPL);
  } else {
    if (old & ATTRIBUTE_UNUSABLE) set32(segment + SEGMENT_LIMIT, 0xffff);
    set32(segment + SEGMENT_ATTRIBUTES, base | (old & ATTRIBUTE_BIG));
  }
  set64(segment + SEGMENT_BASE, <u64>(selector & 0xffff) << 4);
  set32(segment + SEGMENT_SELECTOR, selector & 0xffff);
}

function loadStackSegment(selector: u32): bool {
  const cpl = get32(CPL);
  if (isNull(selector)) {
    if (!in64BitCode() || cpl == 3 || (selector & 3) != cpl) return fault(VECTOR_GP, 0);
    setNullSegment(SS, selector, cpl);
    return true;
  }
  if (!readDescriptor(selector, VECTOR_GP, 0)) return false;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  if ((selector & 3) != cpl || !isWritableData(attributes) || dplOf(attributes) != cpl) return fault(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_SS, asError(selector, 0));
  if (!markAccessed(raw, descriptorAt)) return false;
  setSegment(SS, selector, raw);
  return true;
}

/** ES, DS, FS or GS in protected mode. `vector` is what a bad selector raises: #GP, or #TS in a task switch. */
export function loadDataSegment(segment: u32, selector: u32, cpl: u32, vector: i32): bool {
  if (isNull(selector)) {
    setNullSegment(segment, selector, 0);
    return true;
  }
  if (!readDescriptor(selector, vector, 0)) return false;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  const kind = ATTRIBUTE_CODE | ATTRIBUTE_WRITABLE;
  if (isSystem(attributes) || (attributes & kind) == ATTRIBUTE_CODE) return fault(vector, asError(selector, 0));
  const conforming = (attributes & (ATTRIBUTE_CODE | ATTRIBUTE_EXPAND_DOWN)) == (ATTRIBUTE_CODE | ATTRIBUTE_EXPAND_DOWN);
  if (!conforming && max<u32>(selector & 3, cpl) > dplOf(attributes)) return fault(vector, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_NP, asError(selector, 0));
  if (!markAccessed(raw, descriptorAt)) return false;
  setSegment(segment, selector, raw);
  return true;
}

/** MOV and POP to a segment register (0 ES … 5 GS, not CS). */
export function loadSegment(segment: u32, selector: u32): i32 {
  selector &= 0xffff;
  const oldMode = get32(MODE);
  const at = segmentAt(segment);
  if (!inProtectedMode() || inVm86()) setParagraphSegment(at, selector);
  else if (segment == SEGMENT_SS) {
    if (!loadStackSegment(selector)) return STATUS_FAULT;
  } else if (!loadDataSegment(at, selector, get32(CPL), VECTOR_GP)) return STATUS_FAULT;
  if (segment == SEGMENT_SS) shadowInterrupts(SHADOW_STACK_LOAD);
  setMode();
  return statusAfterMode(oldMode);
}

/** Whether [offset, offset + bytes) lies within a segment's limit. A limit of 4 GiB lets accesses wrap around. */
export function withinLimit(attributes: u32, limit: u32, offset: u64, bytes: u32): bool {
  const last = offset + bytes - 1;
  if ((attributes & (ATTRIBUTE_CODE | ATTRIBUTE_EXPAND_DOWN)) == ATTRIBUTE_EXPAND_DOWN) {
    const top: u64 = attributes & ATTRIBUTE_BIG ? 0xffffffff : 0xffff;
    return offset > limit && last <= top;
  }
  return last <= limit || limit == 0xffffffff;
}

/**
 * Checks an access against a segment outside 64-bit mode and returns its linear address; NOT_AN_ADDRESS with a fault pending
 * (#SS(`error`) through SS, else #GP(`error`)).
 */
export function checkSegment(segment: u32, offset: u64, bytes: u32, access: u32, error: u32): u64 {
  const attributes = get32(segment + SEGMENT_ATTRIBUTES);
  let good = (attributes & (ATTRIBUTE_UNUSABLE | ATTRIBUTE_PRESENT)) == ATTRIBUTE_PRESENT;
  if (attributes & ATTRIBUTE_CODE) {
    // Real-address mode has no types.
    if (inProtectedMode() && (access != READ || !(attributes & ATTRIBUTE_WRITABLE))) good = false;
  } else if (access != READ && !(attributes & ATTRIBUTE_WRITABLE)) good = false;
  if (!withinLimit(attributes, get32(segment + SEGMENT_LIMIT), offset, bytes)) good = false;
  if (good) return (get64(segment + SEGMENT_BASE) + offset) & 0xffffffff;
  fault(segment == SS ? VECTOR_SS : VECTOR_GP, error);
  return NOT_AN_ADDRESS;
}

/** Segment number and offset → linear address for an access in the mode that is being executed. */
export function linearAddress(segment: u32, offset: u64, bytes: u32, access: u32): u64 {
  if (in64BitCode()) return segment >= SEGMENT_FS ? offset + get64(segmentAt(segment) + SEGMENT_BASE) : offset;
  return checkSegment(segmentAt(segment), offset, bytes, access, 0);
}

@inline function maskAddress(address: u64, size: u32): u64 {
  if (size == 0) return address & 0xffff;
  return size == 1 ? address & 0xffffffff : address;
}
@inline function addressSize(op: u32): u32 { return <u32>load<u8>(op + RECORD_SCALE) >> 2 & 3; }
@inline function unmaskedAddress(op: u32): u64 {
  const base = get64(<u32>load<u8>(op + RECORD_BASE) << 3);
  const index = get64(<u32>load<u8>(op + RECORD_INDEX) << 3);
  return base + (index << (load<u8>(op + RECORD_SCALE) & 3)) + <u64><i64>load<i32>(op + RECORD_DISPLACEMENT);
}
@inline function segmentOf(op: u32): u32 { return <u32>load<u8>(op + RECORD_SEGMENT) & 7; }

/** The effective address of a record's memory operand, as LEA computes it. */
export function effectiveAddress(op: u32): u64 {
  return maskAddress(unmaskedAddress(op), addressSize(op));
}

/** The linear address of a record's memory operand; NOT_AN_ADDRESS with a fault pending. */
export function segmentedAddress(op: u32, bytes: u32, access: u32): u64 {
  return linearAddress(segmentOf(op), effectiveAddress(op), bytes, access);
}

/** XLATB: AL is added to the record's address. */
export function translateAddress(op: u32): u64 {
  const address = maskAddress(unmaskedAddress(op) + (get64(RAX) & 0xff), addressSize(op));
  return linearAddress(segmentOf(op), address, 1, READ);
}

/** Linear address of [register] in a record's segment and address size, for a write; NOT_AN_ADDRESS with a fault pending. */
export function implicitAddress(op: u32, register: u32): u64 {
  return linearAddress(segmentOf(op), maskAddress(get64(register << 3), addressSize(op)), 1, WRITE);
}

/** The stack pointer as the current stack size sees it. */
@inline export function stackMask(): u64 {
  const mode = get32(MODE);
  if (mode & MODE_CODE_64) return ~0;
  return mode & MODE_STACK_32 ? 0xffffffff : 0xffff;
}

/** Linear address of `bytes` bytes `offset` above the stack pointer; NOT_AN_ADDRESS with a fault pending. */
export function stackAddress(offset: i64, bytes: u32, access: u32): u64 {
  const address = (get64(RSP) + offset) & stackMask();
  if (in64BitCode()) {
    if (isCanonical(address) && isCanonical(address + bytes - 1)) return address;
    fault(VECTOR_SS, 0);
    return NOT_AN_ADDRESS;
  }
  return checkSegment(SS, address, bytes, access, 0);
}

/** LAR's and LSL's view of a selector; false when it isn't visible, or when its descriptor can't be read (a page fault is pending). */
function visibleDescriptor(selector: u32, gatesToo: bool): bool {
  if (isNull(selector) || descriptorAddress(selector) == NOT_AN_ADDRESS) return false;
  if (!readDescriptor(selector, VECTOR_GP, 0)) return false;
  const attributes = attributesOf(descriptor);
  const type = attributes & ATTRIBUTE_TYPE;
  if (isSystem(attributes)) {
    const long = inLongMode();
    let known = type == TYPE_LDT || type == TYPE_TSS_32 || type == TYPE_TSS_32_BUSY;
    if (!long && (type == TYPE_TSS_16 || type == TYPE_TSS_16_BUSY)) known = true;
    if (gatesToo && (type == TYPE_CALL_GATE_32 || (!long && (type == TYPE_CALL_GATE_16 || type == TYPE_TASK_GATE)))) known = true;
    if (!known) return false;
  } else if (isCode(attributes) && isConforming(attributes)) return true;
  return max<u32>(get32(CPL), selector & 3) <= dplOf(attributes);
}

@inline function faultIsPending(): bool { return <i32>get32(FAULT_VECTOR) >= 0; }

/** Access rights, -1 where ZF is to be cleared, -2 with a fault pending. */
export function lar(selector: u32): u64 {
  if (visibleDescriptor(selector & 0xffff, true)) return descriptor >> 32 & 0xffff00;
  return faultIsPending() ? <u64>-2 : <u64>-1;
}
/** Segment limit in bytes, or as `lar`. */
export function lsl(selector: u32): u64 {
  if (visibleDescriptor(selector & 0xffff, false)) return <u64>limitOf(descriptor);
  return faultIsPending() ? <u64>-2 : <u64>-1;
}
/** ZF, or -1 with a fault pending. */
export function verr(selector: u32): i32 {
  if (!visibleDescriptor(selector & 0xffff, false)) return faultIsPending() ? -1 : 0;
  const attributes = attributesOf(descriptor);
  return !isSystem(attributes) && (!(attributes & ATTRIBUTE_CODE) || (attributes & ATTRIBUTE_WRITABLE) != 0) ? 1 : 0;
}
export function verw(selector: u32): i32 {
  if (!visibleDescriptor(selector & 0xffff, false)) return faultIsPending() ? -1 : 0;
  return isWritableData(attributesOf(descriptor)) ? 1 : 0;
}

/** LLDT; the caller has checked CPL. */
export function lldt(selector: u32): i32 {
  selector &= 0xffff;
  if (isNull(selector)) {
    setNullSegment(LDTR, selector, 0);
    return STATUS_NEXT;
  }
  if (selector & 4) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!readDescriptor(selector, VECTOR_GP, 0)) return STATUS_FAULT;
  const raw = descriptor;
  const attributes = attributesOf(raw);
  if ((attributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM)) != TYPE_LDT) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return faultStatus(VECTOR_NP, asError(selector, 0));
  if (!readUpperBase(selector, VECTOR_GP, 0)) return STATUS_FAULT;
  setSystemSegment(LDTR, selector, raw, upperBase);
  return STATUS_NEXT;
}

/** LDTR or TR from a descriptor and, in long mode, the upper half of its base. */
export function setSystemSegment(segment: u32, selector: u32, raw: u64, upper: u64): void {
  set64(segment + SEGMENT_BASE, baseOf(raw) | upper);
  set32(segment + SEGMENT_LIMIT, limitOf(raw));
  set32(segment + SEGMENT_ATTRIBUTES, attributesOf(raw));
  set32(segment + SEGMENT_SELECTOR, selector);
}

/** LTR; the caller has checked CPL. */
export function ltr(selector: u32): i32 {
  selector &= 0xffff;
  if (isNull(selector)) return faultStatus(VECTOR_GP, 0);
  if (selector & 4) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!readDescriptor(selector, VECTOR_GP, 0)) return STATUS_FAULT;
  const raw = descriptor;
  const at = descriptorAt;
  const attributes = attributesOf(raw);
  const type = attributes & (ATTRIBUTE_TYPE | ATTRIBUTE_NOT_SYSTEM);
  if (type != TYPE_TSS_32 && (type != TYPE_TSS_16 || inLongMode())) return faultStatus(VECTOR_GP, asError(selector, 0));
  if (!(attributes & ATTRIBUTE_PRESENT)) return faultStatus(VECTOR_NP, asError(selector, 0));
  if (!readUpperBase(selector, VECTOR_GP, 0)) return STATUS_FAULT;
  const busy = raw | (<u64>2 << 40);
  if (!write8(at + 5, <u32>(busy >> 40), implicitTable())) return STATUS_FAULT;
  setSystemSegment(TR, selector, busy, upperBase);
  return STATUS_NEXT;
}
