/**
 * Pushing frames on a stack that may not be the current one: nothing of the processor's state changes until `commitStack`,
 * so a fault in the middle leaves everything as it was. Also the stacks that a TSS names.
 */
import { ATTRIBUTE_BIG, ATTRIBUTE_PRESENT, VECTOR_SS, VECTOR_TS } from '../arch.ts';
import { CPL, RSP, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SEGMENT_SELECTOR, SS, TR } from '../state-layout.ts';
import { fault, get32, get64, isCanonical, set64 } from './cpu-state.ts';
import { READ, reach, writeSized } from './mmu.ts';
import {
  asError, attributesOf, baseOf, descriptor, descriptorAt, dplOf, isNull, isWritableData, limitOf, readDescriptor, stackMask, withinLimit,
} from './segments.ts';
import { currentTable, implicitTable } from './tlb.ts';

let frameBase: u64 = 0;
let frameLimit: u32 = 0;
let frameAttributes: u32 = 0;
let frameMask: u64 = 0;
let frameTable: u32 = 0;
let frameError: u32 = 0;
/** The stack pointer after what was pushed; bits above the stack's size are those it began with. */
export let framePointer: u64 = 0;

/** The current stack. `error`: code of the #SS that a push may raise. */
export function openCurrentStack(error: u32): void {
  frameBase = get64(SS + SEGMENT_BASE);
  frameLimit = get32(SS + SEGMENT_LIMIT);
  frameAttributes = get32(SS + SEGMENT_ATTRIBUTES);
  frameMask = stackMask();
  framePointer = get64(RSP);
  frameTable = get32(CPL) == 3 ? currentTable() : implicitTable();
  frameError = error;
}

/** A stack given by its segment's descriptor, used with the privilege `cpl`. */
export function openStack(raw: u64, pointer: u64, cpl: u32, error: u32): void {
  frameBase = baseOf(raw);
  frameLimit = limitOf(raw);
  frameAttributes = attributesOf(raw);
  frameMask = frameAttributes & ATTRIBUTE_BIG ? 0xffffffff : 0xffff;
  framePointer = pointer;
  frameTable = cpl == 3 ? currentTable() : implicitTable();
  frameError = error;
}

/** A stack in 64-bit mode. */
export function openFlatStack(pointer: u64, cpl: u32, error: u32): void {
  frameMask = ~0;
  framePointer = pointer;
  frameTable = cpl == 3 ? currentTable() : implicitTable();
  frameError = error;
}

/** Pushes 2, 4 or 8 bytes; false with the fault pending. */
export function framePush(value: u64, bytes: u32): bool {
  const at = (framePointer - bytes) & frameMask;
  let linear = at;
  if (frameMask == ~0) {
    if (!isCanonical(at)) return fault(VECTOR_SS, frameError);
  } else {
    if (!withinStack(at, bytes)) return fault(VECTOR_SS, frameError);
    linear = (frameBase + at) & 0xffffffff;
  }
  if (!writeSized(linear, value, bytes, frameTable)) return false;
  framePointer = framePointer & ~frameMask | at;
  return true;
}

function withinStack(at: u64, bytes: u32): bool {
  return isWritableData(frameAttributes) && withinLimit(frameAttributes, frameLimit, at, bytes);
}

export function commitStack(): void {
  set64(RSP, framePointer);
}

/** The stack for privilege level `level` that `readInnerStack` found in a legacy TSS. */
export let innerSelector: u32 = 0;
export let innerPointer: u64 = 0;
export let innerDescriptor: u64 = 0;
export let innerDescriptorAt: u64 = 0;

export function readInnerStack(level: u32, external: u32): bool {
  const wide = (get32(TR + SEGMENT_ATTRIBUTES) & 8) != 0;
  const at: u32 = wide ? 4 + level * 8 : 2 + level * 4;
  const bytes: u32 = wide ? 8 : 4;
  if (at + bytes - 1 > get32(TR + SEGMENT_LIMIT)) return fault(VECTOR_TS, asError(get32(TR + SEGMENT_SELECTOR), external));
  const pointer = reach(get64(TR + SEGMENT_BASE) + at, bytes, READ, implicitTable());
  if (!pointer) return false;
  innerPointer = wide ? <u64>load<u32>(pointer) : <u64>load<u16>(pointer);
  innerSelector = <u32>load<u16>(pointer + (wide ? 4 : 2));
  if (isNull(innerSelector)) return fault(VECTOR_TS, external);
  if (!readDescriptor(innerSelector, VECTOR_TS, external)) return false;
  const attributes = attributesOf(descriptor);
  if ((innerSelector & 3) != level || !isWritableData(attributes) || dplOf(attributes) != level) return fault(VECTOR_TS, asError(innerSelector, external));
  if (!(attributes & ATTRIBUTE_PRESENT)) return fault(VECTOR_SS, asError(innerSelector, external));
  innerDescriptor = descriptor;
  innerDescriptorAt = descriptorAt;
  return true;
}

/** A stack pointer of the 64-bit TSS, at byte `at` of it, to `innerPointer`. */
export function readLongStack(at: u32, external: u32): bool {
  if (at + 7 > get32(TR + SEGMENT_LIMIT)) return fault(VECTOR_TS, asError(get32(TR + SEGMENT_SELECTOR), external));
  const pointer = reach(get64(TR + SEGMENT_BASE) + at, 8, READ, implicitTable());
  if (!pointer) return false;
  innerPointer = load<u64>(pointer);
  return isCanonical(innerPointer) ? true : fault(VECTOR_SS, external);
}
