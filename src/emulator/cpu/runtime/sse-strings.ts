/** The SSE4 instructions that look at many pairs of elements: SDM 1 §12.10 (string comparison), volume 2. */
import { ARGUMENTS, XMM } from '../state-layout.ts';
import { cpuBase } from './cpu-state.ts';

@inline function source(): u32 { return <u32>cpuBase + ARGUMENTS; }

/** Control bits. */
const WORDS: u32 = 1;
const SIGNED: u32 = 2;
const EQUAL_ANY: u32 = 0;
const RANGES: u32 = 1;
const EQUAL_EACH: u32 = 2;
const NEGATIVE: u32 = 0x10;
const MASKED: u32 = 0x20;
const MOST_SIGNIFICANT: u32 = 0x40;

/** A bit for each element of `a` that is the same in `b`. */
@inline function equalElements(a: v128, b: v128, control: u32): u32 {
  return (control & WORDS) != 0 ? i16x8.bitmask(i16x8.eq(a, b)) : i8x16.bitmask(i8x16.eq(a, b));
}
/** All elements as the one that begins the register at `from`, `index` elements from there. */
@inline function splat(from: u32, index: u32, control: u32): v128 {
  return (control & WORDS) != 0 ? v128.load16_splat(from + index * 2) : v128.load8_splat(from + index);
}
/** A bit for each element of `a` that is not below that of `b`. */
@inline function notBelow(a: v128, b: v128, control: u32): u32 {
  if (control & WORDS) return i16x8.bitmask((control & SIGNED) != 0 ? i16x8.ge_s(a, b) : i16x8.ge_u(a, b));
  return i8x16.bitmask((control & SIGNED) != 0 ? i8x16.ge_s(a, b) : i8x16.ge_u(a, b));
}

function implicitLength(at: u32, control: u32, count: u32): u32 {
  const zeros = equalElements(v128.load(at), v128.splat<i8>(0), control);
  return zeros != 0 ? ctz(zeros) : count;
}
function explicitLength(length: i64, count: u32): u32 {
  const limit: i64 = count;
  if (length <= -limit || length >= limit) return count;
  return length < 0 ? <u32>-length : <u32>length;
}

/** Bit j of the result: what of `a` the element j of `b` meets. */
function aggregate(a: u32, b: u32, lengthA: u32, lengthB: u32, count: u32, control: u32): u32 {
  const all: u32 = (1 << count) - 1;
  const valid: u32 = (1 << lengthB) - 1;
  const second = v128.load(b);
  const kind = control >> 2 & 3;
  let bits: u32 = 0;
  if (kind == EQUAL_EACH) {
    const shorter = min(lengthA, lengthB);
    const longer = max(lengthA, lengthB);
    return equalElements(v128.load(a), second, control) & ((1 << shorter) - 1) | all & ~((1 << longer) - 1);
  }
  if (kind == EQUAL_ANY) {
    for (let i: u32 = 0; i < lengthA; i++) bits |= equalElements(splat(a, i, control), second, control);
    return bits & valid;
  }
  if (kind == RANGES) {
    for (let i: u32 = 0; i + 1 < lengthA; i += 2) bits |= notBelow(second, splat(a, i, control), control) & notBelow(splat(a, i + 1, control), second, control);
    return bits & valid;
  }
  bits = all;
  // What would lie behind the end of `b` is taken as met.
  for (let i: u32 = 0; i < lengthA; i++) bits &= (equalElements(splat(a, i, control), second, control) & valid) >> i | ~(all >> i);
  return bits & all;
}

/**
 * PCMPxSTRx of the register at `a` and the source. Bits 0–15 of what it returns: the result by element; 16–19 ZF, SF, CF,
 * OF; 24–28 the index. Lengths count only where `explicit`.
 */
export function sseStringCompare(control: i32, explicit: i32, lengthA: i64, lengthB: i64, a: i32): i32 {
  const mode = <u32>control;
  const b = source();
  const count: u32 = (mode & WORDS) != 0 ? 8 : 16;
  const la = explicit ? explicitLength(lengthA, count) : implicitLength(a, mode, count);
  const lb = explicit ? explicitLength(lengthB, count) : implicitLength(b, mode, count);
  const all: u32 = (1 << count) - 1;
  let bits = aggregate(a, b, la, lb, count, mode);
  if (mode & NEGATIVE) bits ^= (mode & MASKED) != 0 ? (1 << lb) - 1 : all;
  let index = count;
  if (bits) index = (mode & MOST_SIGNIFICANT) != 0 ? 31 - clz(bits) : ctz(bits);
  let flags: u32 = 0;
  if (lb < count) flags |= 1;
  if (la < count) flags |= 2;
  if (bits) flags |= 4;
  if (bits & 1) flags |= 8;
  return bits | flags << 16 | index << 24;
}

/** The result of `sseStringCompare` as a mask in XMM0. */
export function sseStringMask(control: i32, result: i32): void {
  const to = <u32>cpuBase + XMM;
  if (!(<u32>control & MOST_SIGNIFICANT)) {
    store<u64>(to, result & 0xffff);
    store<u64>(to, 0, 8);
    return;
  }
  if (<u32>control & WORDS) {
    for (let i = 0; i < 8; i++) store<u16>(to + i * 2, (result >> i & 1) != 0 ? 0xffff : 0);
  } else {
    for (let i = 0; i < 16; i++) store<u8>(to + i, (result >> i & 1) != 0 ? 0xff : 0);
  }
}

/** MPSADBW: eight sums of four absolute differences. */
export function sseSumsOfDifferences(control: i32, destination: i32): void {
  const first = <u32>destination + (<u32>control >> 2 & 1) * 4;
  const second = source() + (<u32>control & 3) * 4;
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    let sum: u64 = 0;
    for (let k: u32 = 0; k < 4; k++) {
      const difference = <i32>load<u8>(first + i + k) - <i32>load<u8>(second + k);
      sum += difference < 0 ? -difference : difference;
    }
    if (i < 4) low |= sum << (i * 16);
    else high |= sum << (i * 16 - 64);
  }
  store<u64>(destination, low);
  store<u64>(destination, high, 8);
}

/** PHMINPOSUW: the least word of the source and its index. */
export function sseLeastWord(destination: i32): void {
  let least: u32 = 0x10000;
  let index: u32 = 0;
  for (let i: u32 = 0; i < 8; i++) {
    const word = load<u16>(source() + i * 2);
    if (word < least) {
      least = word;
      index = i;
    }
  }
  store<u64>(destination, least | index << 16);
  store<u64>(destination, 0, 8);
}
