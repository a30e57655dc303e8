/**
 * Writes ACPI Machine Language (ACPI 6.5 chapter 20) and the resource descriptors in it (§6.4). Each function returns
 * the bytes of one term; nest them as ASL would be nested. Only what the board's tables use is here.
 */
export type Aml = readonly number[];

const NAME_OP = 0x08;
const BYTE_PREFIX = 0x0a;
const WORD_PREFIX = 0x0b;
const DWORD_PREFIX = 0x0c;
const STRING_PREFIX = 0x0d;
const SCOPE_OP = 0x10;
const BUFFER_OP = 0x11;
const PACKAGE_OP = 0x12;
const METHOD_OP = 0x14;
const DUAL_NAME_PREFIX = 0x2e;
const MULTI_NAME_PREFIX = 0x2f;
const EXTENDED_PREFIX = 0x5b;
const REGION_OP = 0x80;
const FIELD_OP = 0x81;
const DEVICE_OP = 0x82;
const PROCESSOR_OP = 0x83;
const STORE_OP = 0x70;
const AND_OP = 0x7b;
const OR_OP = 0x7d;
const CREATE_DWORD_FIELD_OP = 0x8a;
const IF_OP = 0xa0;
const ELSE_OP = 0xa1;
const RETURN_OP = 0xa4;
const METHOD_SERIALIZED = 0x08;
const REGION_PCI_CONFIG = 2;
const FIELD_BYTE_ACCESS = 1;

export const ZERO: Aml = [0x00];
export const ARG0: Aml = [0x68];

function little(value: number, bytes: number): number[] {
  const encoded: number[] = [];
  for (let index = 0, rest = value; index < bytes; index++, rest = Math.floor(rest / 256)) encoded.push(rest % 256);
  return encoded;
}

/** PkgLength (§20.2.4) counts itself; then the content. */
function sized(content: Aml): number[] {
  if (content.length + 1 < 0x40) return [content.length + 1, ...content];
  for (let following = 1; following <= 3; following++) {
    const total = content.length + 1 + following;
    if (total < 2 ** (4 + 8 * following)) return [(following << 6) | (total & 0x0f), ...little(Math.floor(total / 16), following), ...content];
  }
  throw new Error(`${content.length} bytes are too many for one AML term`);
}

/** A name as ASL writes it: `\_SB.PCI0`, `^PRQ0`, `_HID`. Segments are padded with underscores. */
export function path(name: string): Aml {
  const prefix = /^(\\|\^*)/.exec(name)![0];
  const segments = name.slice(prefix.length).split('.').filter((segment) => segment !== '');
  const bytes = [...prefix].map((character) => character.charCodeAt(0));
  if (segments.length === 0) bytes.push(0);
  else if (segments.length === 2) bytes.push(DUAL_NAME_PREFIX);
  else if (segments.length > 2) bytes.push(MULTI_NAME_PREFIX, segments.length);
  for (const segment of segments) {
    if (!/^[A-Z_][A-Z0-9_]{0,3}$/.test(segment)) throw new Error(`${segment} is no name in AML`);
    for (let index = 0; index < 4; index++) bytes.push(segment.charCodeAt(index) || 0x5f);
  }
  return bytes;
}

/** A whole number from 0 to 2^32 - 1. */
export function integer(value: number): Aml {
  if (value === 0 || value === 1) return [value];
  if (value < 0x100) return [BYTE_PREFIX, value];
  if (value < 0x10000) return [WORD_PREFIX, ...little(value, 2)];
  return [DWORD_PREFIX, ...little(value, 4)];
}

export function text(value: string): Aml {
  return [STRING_PREFIX, ...[...value].map((character) => character.charCodeAt(0) & 0x7f), 0];
}

/** `PNP0A03` as the 32-bit number that _HID takes (§19.3.4, EISAID). */
export function eisaId(id: string): Aml {
  const letter = (index: number): number => (id.charCodeAt(index) - 0x40) & 0x1f;
  const vendor = (letter(0) << 10) | (letter(1) << 5) | letter(2);
  const product = Number.parseInt(id.slice(3), 16);
  return [DWORD_PREFIX, vendor >> 8, vendor & 0xff, product >> 8, product & 0xff];
}

export function name(of: string, value: Aml): Aml {
  return [NAME_OP, ...path(of), ...value];
}

export function scope(of: string, ...terms: Aml[]): Aml {
  return [SCOPE_OP, ...sized([...path(of), ...terms.flat()])];
}

export function device(of: string, ...terms: Aml[]): Aml {
  return [EXTENDED_PREFIX, DEVICE_OP, ...sized([...path(of), ...terms.flat()])];
}

/** `id` is the one that the MADT gives. No P_BLK: power states are HLT's. */
export function processor(of: string, id: number): Aml {
  return [EXTENDED_PREFIX, PROCESSOR_OP, ...sized([...path(of), id, ...little(0, 4), 0])];
}

/** Serialized, since methods here create names. */
export function method(of: string, argumentCount: number, ...terms: Aml[]): Aml {
  return [METHOD_OP, ...sized([...path(of), argumentCount | METHOD_SERIALIZED, ...terms.flat()])];
}

export function package_(...elements: Aml[]): Aml {
  return [PACKAGE_OP, ...sized([elements.length, ...elements.flat()])];
}

export function buffer(bytes: readonly number[]): Aml {
  return [BUFFER_OP, ...sized([...integer(bytes.length), ...bytes])];
}

/** Configuration space of the PCI function that the enclosing device's _ADR names. */
export function pciConfigRegion(of: string, offset: number, length: number): Aml {
  return [EXTENDED_PREFIX, REGION_OP, ...path(of), REGION_PCI_CONFIG, ...integer(offset), ...integer(length)];
}

/** Names of consecutive bytes of a region. */
export function byteFields(region: string, ...fields: string[]): Aml {
  return [EXTENDED_PREFIX, FIELD_OP, ...sized([...path(region), FIELD_BYTE_ACCESS, ...fields.flatMap((field) => [...path(field), 8])])];
}

export function createDwordField(source: Aml, byteOffset: number, of: string): Aml {
  return [CREATE_DWORD_FIELD_OP, ...source, ...integer(byteOffset), ...path(of)];
}

export function and(left: Aml, right: Aml, target: Aml = ZERO): Aml {
  return [AND_OP, ...left, ...right, ...target];
}

export function or(left: Aml, right: Aml, target: Aml = ZERO): Aml {
  return [OR_OP, ...left, ...right, ...target];
}

export function store(value: Aml, target: Aml): Aml {
  return [STORE_OP, ...value, ...target];
}

export function ifElse(condition: Aml, then: Aml, otherwise: Aml): Aml {
  return [IF_OP, ...sized([...condition, ...then]), ELSE_OP, ...sized(otherwise)];
}

export function return_(value: Aml): Aml {
  return [RETURN_OP, ...value];
}

// ---- Resource descriptors ----

const DECODE_16 = 1;
const ADDRESS_MEMORY = 0;
const ADDRESS_IO = 1;
const ADDRESS_BUS = 2;
/** Producer, positive decode, both ends fixed. */
const WINDOW_FLAGS = 0x0c;
const IO_ENTIRE_RANGE = 0x03;
const MEMORY_READ_WRITE = 0x01;
const MEMORY_CACHEABLE = 0x02;
/** Consumer, level-triggered, active high, shared. */
const INTERRUPT_FLAGS = 0x09;

/** A _CRS or _PRS value. */
export function resources(...descriptors: Aml[]): Aml {
  return buffer([...descriptors.flat(), 0x79, 0x00]);
}

export function ioPorts(base: number, length: number): Aml {
  return [0x47, DECODE_16, ...little(base, 2), ...little(base, 2), 1, length];
}

/** Edge-triggered, active high, not shared, as ISA's are. */
export function isaIrq(irq: number): Aml {
  return [0x22, ...little(1 << irq, 2)];
}

/** Level-triggered alternatives. The first interrupt's number lies at offset INTERRUPT_NUMBER_OFFSET. */
export function interrupt(...irqs: readonly number[]): Aml {
  return [0x89, ...little(2 + 4 * irqs.length, 2), INTERRUPT_FLAGS, irqs.length, ...irqs.flatMap((irq) => little(irq, 4))];
}
export const INTERRUPT_NUMBER_OFFSET = 5;

export function fixedMemory(base: number, length: number): Aml {
  return [0x86, ...little(9, 2), MEMORY_READ_WRITE, ...little(base, 4), ...little(length, 4)];
}

export function busWindow(first: number, last: number): Aml {
  return wordWindow(ADDRESS_BUS, 0, first, last);
}

export function ioWindow(first: number, last: number): Aml {
  return wordWindow(ADDRESS_IO, IO_ENTIRE_RANGE, first, last);
}

export function memoryWindow(first: number, last: number, cacheable: boolean): Aml {
  const flags = MEMORY_READ_WRITE | (cacheable ? MEMORY_CACHEABLE : 0);
  return [0x87, ...little(0x17, 2), ADDRESS_MEMORY, WINDOW_FLAGS, flags,
    ...little(0, 4), ...little(first, 4), ...little(last, 4), ...little(0, 4), ...little(last - first + 1, 4)];
}

function wordWindow(kind: number, flags: number, first: number, last: number): Aml {
  return [0x88, ...little(0x0d, 2), kind, WINDOW_FLAGS, flags,
    ...little(0, 2), ...little(first, 2), ...little(last, 2), ...little(0, 2), ...little(last - first + 1, 2)];
}
