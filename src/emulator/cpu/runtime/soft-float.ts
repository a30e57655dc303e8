/**
 * IEEE 754 arithmetic on x86's binary formats (single, double, double-extended), exact with every rounding mode and
 * exception: SDM 1 chapters 4.8–4.9, 8 and 11. Numbers are unpacked into a sign, an exponent and a significand whose bit
 * 63 is set, computed with 64 more bits below it, and rounded once. There are no tuples: operands and results are the
 * variables `a…`, `b…` and `out…`.
 */

/** Exception flags, at their places in both FSW and MXCSR. */
export const IE: u32 = 1;
export const DE: u32 = 2;
export const ZE: u32 = 4;
export const OE: u32 = 8;
export const UE: u32 = 16;
export const PE: u32 = 32;

/** Rounding control, as in both FCW and MXCSR. */
export const NEAREST: u32 = 0;
export const DOWN: u32 = 1;
export const UP: u32 = 2;
export const TRUNCATE: u32 = 3;

export const ZERO: u32 = 0;
export const FINITE: u32 = 1;
export const INFINITE: u32 = 2;
export const QUIET: u32 = 3;
export const SIGNALING: u32 = 4;
/** Encodings of the extended format that mean nothing since the 80387. */
export const UNSUPPORTED: u32 = 5;

export const TOP_BIT: u64 = 0x8000000000000000;
const QUIET_BIT: u64 = 0x4000000000000000;
/** Significand of the default NaN. */
const DEFAULT_NAN: u64 = 0xc000000000000000;
/** What is added to or taken from the exponent where underflow or overflow is unmasked. */
const BIAS_ADJUST: i32 = 24576;

/** Environment of the operation: set by `begin`. */
export let rounding: u32 = 0;
let masks: u32 = 0x3f;
let flushToZero: bool = false;
let denormalsAreZero: bool = false;
let sseNans: bool = false;
let precision: u32 = 64;
let exponentMinimum: i32 = -16382;
let exponentMaximum: i32 = 16383;

/** Exceptions since `begin`. */
export let flags: u32 = 0;
/** Whether the last rounding made the magnitude larger. */
export let roundedUp: bool = false;

export let aSign: u32 = 0;
export let aKind: u32 = 0;
export let aExponent: i32 = 0;
export let aSignificand: u64 = 0;
export let aDenormal: bool = false;
export let bSign: u32 = 0;
export let bKind: u32 = 0;
export let bExponent: i32 = 0;
export let bSignificand: u64 = 0;
export let bDenormal: bool = false;
/** The result; a denormal one has the smallest exponent and bit 63 of the significand clear. */
export let outSign: u32 = 0;
export let outKind: u32 = 0;
export let outExponent: i32 = 0;
export let outSignificand: u64 = 0;

export function raiseFlags(more: u32): void { flags |= more; }
export function setRounding(mode: u32): void { rounding = mode; }
export function noteRoundedUp(): void { roundedUp = true; }

/** Starts an x87 operation under a control word. */
export function beginX87(control: u32): void {
  flags = 0;
  roundedUp = false;
  rounding = control >> 10 & 3;
  masks = control & 0x3f;
  flushToZero = false;
  denormalsAreZero = false;
  sseNans = false;
  const pc = control >> 8 & 3;
  precision = pc == 0 ? 24 : pc == 2 ? 53 : 64;
  exponentMinimum = -16382;
  exponentMaximum = 16383;
}
/** Starts an SSE operation under an MXCSR. */
export function beginSse(mxcsr: u32): void {
  flags = 0;
  rounding = mxcsr >> 13 & 3;
  masks = mxcsr >> 7 & 0x3f;
  flushToZero = (mxcsr & 0x8000) != 0;
  denormalsAreZero = (mxcsr & 0x40) != 0;
  sseNans = true;
}
/** Format of results. `formatExtended` rounds to 64 bits whatever precision control says. */
export function formatSingle(): void { precision = 24; exponentMinimum = -126; exponentMaximum = 127; }
export function formatDouble(): void { precision = 53; exponentMinimum = -1022; exponentMaximum = 1023; }
export function formatExtended(): void { precision = 64; exponentMinimum = -16382; exponentMaximum = 16383; }

// Unpacking

let uSign: u32 = 0;
let uKind: u32 = 0;
let uExponent: i32 = 0;
let uSignificand: u64 = 0;
let uDenormal: bool = false;

function unpackFields(sign: u32, biased: u32, fraction: u64, largest: u32, minimum: i32): void {
  uSign = sign;
  uDenormal = false;
  if (biased == largest) {
    uSignificand = fraction | TOP_BIT;
    uKind = fraction == 0 ? INFINITE : (fraction & QUIET_BIT) != 0 ? QUIET : SIGNALING;
    uExponent = exponentMaximum + 1;
  } else if (biased != 0) {
    uKind = FINITE;
    uSignificand = fraction | TOP_BIT;
    uExponent = <i32>biased + minimum - 1;
  } else if (fraction == 0 || denormalsAreZero) {
    uKind = ZERO;
    uSignificand = 0;
    uExponent = 0;
  } else {
    uKind = FINITE;
    uDenormal = true;
    // The fraction lies at bit 62 and below.
    const shift = clz(fraction);
    uSignificand = fraction << shift;
    uExponent = minimum - <i32>shift;
  }
}
function unpackSingle(value: u32): void {
  unpackFields(value >> 31, value >> 23 & 0xff, <u64>(value & 0x7fffff) << 40, 0xff, -126);
}
function unpackDouble(value: u64): void {
  unpackFields(<u32>(value >> 63), <u32>(value >> 52) & 0x7ff, value << 12 >> 1, 0x7ff, -1022);
}
function unpackExtended(significand: u64, high: u32): void {
  uSign = high >> 15 & 1;
  uDenormal = false;
  uSignificand = significand;
  const biased = high & 0x7fff;
  if (biased == 0) {
    if (significand == 0) {
      uKind = ZERO;
      uExponent = 0;
      return;
    }
    uKind = FINITE;
    uDenormal = true;
    const shift = clz(significand);
    uSignificand = significand << shift;
    uExponent = -16382 - <i32>shift;
    return;
  }
  uExponent = <i32>biased - 16383;
  if (<i64>significand >= 0) uKind = UNSUPPORTED;
  else if (biased != 0x7fff) uKind = FINITE;
  else if (significand == TOP_BIT) uKind = INFINITE;
  else uKind = (significand & QUIET_BIT) != 0 ? QUIET : SIGNALING;
}
@inline function toA(): void { aSign = uSign; aKind = uKind; aExponent = uExponent; aSignificand = uSignificand; aDenormal = uDenormal; }
@inline function toB(): void { bSign = uSign; bKind = uKind; bExponent = uExponent; bSignificand = uSignificand; bDenormal = uDenormal; }
export function aFromSingle(value: u32): void { unpackSingle(value); toA(); }
export function bFromSingle(value: u32): void { unpackSingle(value); toB(); }
export function aFromDouble(value: u64): void { unpackDouble(value); toA(); }
export function bFromDouble(value: u64): void { unpackDouble(value); toB(); }
export function aFromExtended(significand: u64, high: u32): void { unpackExtended(significand, high); toA(); }
export function bFromExtended(significand: u64, high: u32): void { unpackExtended(significand, high); toB(); }
/** Exact: every integer of 64 bits fits. */
export function aFromInteger(value: i64): void {
  aSign = value < 0 ? 1 : 0;
  aDenormal = false;
  if (value == 0) {
    aKind = ZERO;
    aSignificand = 0;
    aExponent = 0;
    return;
  }
  const magnitude: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  const shift = clz(magnitude);
  aKind = FINITE;
  aSignificand = magnitude << shift;
  aExponent = 63 - <i32>shift;
}
export function bFromInteger(value: i64): void {
  aFromInteger(value);
  bSign = aSign; bKind = aKind; bExponent = aExponent; bSignificand = aSignificand; bDenormal = false;
}
export function setA(sign: u32, exponent: i32, significand: u64): void {
  aSign = sign; aKind = significand == 0 ? ZERO : FINITE; aExponent = exponent; aSignificand = significand; aDenormal = false;
}
export function setB(sign: u32, exponent: i32, significand: u64): void {
  bSign = sign; bKind = significand == 0 ? ZERO : FINITE; bExponent = exponent; bSignificand = significand; bDenormal = false;
}
export function negateB(): void { bSign ^= 1; }
/** For instructions that raise nothing for denormal operands. */
export function clearADenormal(): void { aDenormal = false; }
export function swapOperands(): void {
  const sign = aSign; aSign = bSign; bSign = sign;
  const kind = aKind; aKind = bKind; bKind = kind;
  const exponent = aExponent; aExponent = bExponent; bExponent = exponent;
  const significand = aSignificand; aSignificand = bSignificand; bSignificand = significand;
  const denormal = aDenormal; aDenormal = bDenormal; bDenormal = denormal;
}

// Packing what `out…` holds

export function outAsSingle(): u32 {
  const sign = outSign << 31;
  if (outKind == ZERO) return sign;
  if (outKind >= INFINITE) return sign | 0x7f800000 | <u32>(outKind == INFINITE ? 0 : outSignificand << 1 >> 41);
  const biased: u32 = <i64>outSignificand < 0 ? <u32>(outExponent + 127) : 0;
  return sign | (biased << 23) | (<u32>(outSignificand >> 40) & 0x7fffff);
}
export function outAsDouble(): u64 {
  const sign = <u64>outSign << 63;
  if (outKind == ZERO) return sign;
  if (outKind >= INFINITE) return sign | 0x7ff0000000000000 | (outKind == INFINITE ? 0 : outSignificand << 1 >> 12);
  const biased: u64 = <i64>outSignificand < 0 ? <u64>(outExponent + 1023) : 0;
  return sign | (biased << 52) | (outSignificand << 1 >> 12);
}
/** Sign and exponent of the extended format; the significand is `outExtendedSignificand`. */
export function outExtendedHigh(): u32 {
  const sign = outSign << 15;
  if (outKind == ZERO) return sign;
  if (outKind >= INFINITE) return sign | 0x7fff;
  return sign | (<i64>outSignificand < 0 ? <u32>(outExponent + 16383) : 0);
}
export function outExtendedSignificand(): u64 {
  return outKind == ZERO ? 0 : outKind == INFINITE ? TOP_BIT : outSignificand;
}

// Results

export function outDefaultNan(): void {
  outSign = 1;
  outKind = QUIET;
  outSignificand = DEFAULT_NAN;
}
export function outInvalid(): void {
  flags |= IE;
  outDefaultNan();
}
export function outZero(sign: u32): void {
  outSign = sign;
  outKind = ZERO;
  outSignificand = 0;
  outExponent = 0;
}
export function outInfinity(sign: u32): void {
  outSign = sign;
  outKind = INFINITE;
  outSignificand = TOP_BIT;
}
@inline function outNan(sign: u32, significand: u64): void {
  outSign = sign;
  outKind = QUIET;
  outSignificand = significand | QUIET_BIT;
}
/** `a` as it is, NaNs quieted. */
export function outA(): void {
  outSign = aSign;
  outKind = aKind;
  outExponent = aExponent;
  outSignificand = aSignificand;
}

/** The result of an operation on a lone NaN or unsupported operand `a`. */
export function propagateA(): void {
  if (aKind == UNSUPPORTED) return outInvalid();
  if (aKind == SIGNALING) flags |= IE;
  outNan(aSign, aSignificand);
}
/** The same for two operands of which one at least is such. SDM 1 table 4-7. */
export function propagateNan(): void {
  if (aKind == UNSUPPORTED || bKind == UNSUPPORTED) return outInvalid();
  if (aKind == SIGNALING || bKind == SIGNALING) flags |= IE;
  if (sseNans) {
    if (aKind >= QUIET) outNan(aSign, aSignificand);
    else outNan(bSign, bSignificand);
    return;
  }
  if (bKind < QUIET) return outNan(aSign, aSignificand);
  if (aKind < QUIET) return outNan(bSign, bSignificand);
  if (aKind != bKind) {
    if (aKind == QUIET) outNan(aSign, aSignificand);
    else outNan(bSign, bSignificand);
    return;
  }
  if (aSignificand > bSignificand || (aSignificand == bSignificand && aSign == 0)) outNan(aSign, aSignificand);
  else outNan(bSign, bSignificand);
}
@inline export function noteDenormals(): void {
  if (aDenormal || bDenormal) flags |= DE;
}

// Rounding

let quotient: u64 = 0;
let inexact: bool = false;
let increment: bool = false;
let carried: bool = false;

/** quotient = hi.lo >> shift, rounded to an integer. */
function roundAt(sign: u32, hi: u64, lo: u64, shift: u32): void {
  let half: bool;
  let sticky: bool;
  if (shift == 0) {
    quotient = hi;
    half = <i64>lo < 0;
    sticky = lo << 1 != 0;
  } else if (shift < 64) {
    quotient = hi >> shift;
    half = (hi >> (shift - 1) & 1) != 0;
    sticky = (hi & ((<u64>1 << (shift - 1)) - 1)) != 0 || lo != 0;
  } else {
    quotient = 0;
    half = shift == 64 && <i64>hi < 0;
    sticky = (shift == 64 ? hi << 1 | lo : hi | lo) != 0;
  }
  inexact = half || sticky;
  increment = false;
  if (inexact) {
    if (rounding == NEAREST) increment = half && (sticky || (quotient & 1) != 0);
    else if (rounding == DOWN) increment = sign != 0;
    else if (rounding == UP) increment = sign == 0;
  }
  if (increment) quotient++;
  carried = increment && quotient == 0;
}

function outOverflow(sign: u32): void {
  flags |= OE | PE;
  const toInfinity = rounding == NEAREST || (rounding == UP && sign == 0) || (rounding == DOWN && sign != 0);
  roundedUp = toInfinity;
  if (toInfinity) return outInfinity(sign);
  outSign = sign;
  outKind = FINITE;
  outExponent = exponentMaximum;
  outSignificand = ~<u64>0 << (64 - precision);
}

/** Rounds ±(hi.lo) × 2^(exponent − 63), bit 63 of hi set, into `out…`. */
export function roundOut(sign: u32, exponent: i32, hi: u64, lo: u64): void {
  const shift = 64 - precision;
  outSign = sign;
  outKind = FINITE;
  roundAt(sign, hi, lo, shift);
  let exponentAfter = exponent;
  let significand = quotient << shift;
  if (carried || (shift != 0 && quotient >> precision != 0)) {
    exponentAfter++;
    significand = TOP_BIT;
  }
  if (exponent >= exponentMinimum) {
    if (exponentAfter > exponentMaximum) {
      if (masks & OE) return outOverflow(sign);
      flags |= OE;
      exponentAfter -= BIAS_ADJUST;
    }
    if (inexact) {
      flags |= PE;
      roundedUp = increment;
    }
    outExponent = exponentAfter;
    outSignificand = significand;
    return;
  }
  const tiny = exponentAfter < exponentMinimum;
  if (tiny && !(masks & UE)) {
    flags |= UE;
    if (inexact) {
      flags |= PE;
      roundedUp = increment;
    }
    outExponent = exponentAfter + BIAS_ADJUST;
    outSignificand = significand;
    return;
  }
  if (tiny && flushToZero) {
    flags |= UE | PE;
    return outZero(sign);
  }
  const distance = exponentMinimum - exponent;
  roundAt(sign, hi, lo, distance > 70 ? 134 : shift + distance);
  if (inexact) {
    flags |= tiny ? PE | UE : PE;
    roundedUp = increment;
  }
  if (quotient == 0) return outZero(sign);
  outExponent = exponentMinimum;
  outSignificand = quotient << shift;
}

// Conversions

/** Rounds `a` to the result format: conversion between formats. `silent` leaves out the denormal exception. */
export function convertOut(silent: bool): void {
  if (aKind >= QUIET) return propagateA();
  if (aDenormal && !silent) flags |= DE;
  if (aKind == ZERO) return outZero(aSign);
  if (aKind == INFINITE) return outInfinity(aSign);
  roundOut(aSign, aExponent, aSignificand, 0);
}

/** `a` rounded to an integer, in its own format. */
export function integralOut(): void {
  if (aKind >= QUIET) return propagateA();
  if (aDenormal) flags |= DE;
  if (aKind == ZERO) return outZero(aSign);
  if (aKind == INFINITE) return outInfinity(aSign);
  outA();
  if (aExponent >= 63) return;
  roundAt(aSign, aSignificand, 0, aExponent < -1 ? 65 : <u32>(63 - aExponent));
  if (inexact) {
    flags |= PE;
    roundedUp = increment;
  }
  if (quotient == 0) return outZero(aSign);
  const shift = clz(quotient);
  outSignificand = quotient << shift;
  outExponent = 63 - <i32>shift;
}

/** `a` as a signed integer of `bits` bits, rounded; the smallest integer with IE where it doesn't fit. */
export function integerOf(bits: u32): i64 {
  const indefinite: i64 = <i64>-1 << (bits - 1);
  if (aKind == ZERO) return 0;
  if (aKind >= INFINITE || aExponent > 63) {
    flags |= IE;
    return indefinite;
  }
  roundAt(aSign, aSignificand, 0, aExponent < -1 ? 65 : <u32>(63 - aExponent));
  const limit: u64 = <u64>1 << (bits - 1);
  if (carried || quotient > limit || (quotient == limit && aSign == 0)) {
    flags |= IE;
    return indefinite;
  }
  if (inexact) {
    flags |= PE;
    roundedUp = increment;
  }
  return aSign ? <i64>(0 - quotient) : <i64>quotient;
}

/** Whether and how the last `integerOf` or `integralOut` was inexact. */
export function clearFlag(flag: u32): void { flags &= ~flag; }
