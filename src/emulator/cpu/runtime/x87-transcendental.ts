/**
 * The x87's transcendental instructions: SDM 1 §8.3.6–8.3.8. Computed to about 100 bits and rounded once, so results are
 * within 0.501 ulp of the exact value of the reduced argument; processors promise 1 ulp. Arguments of FSIN, FCOS,
 * FSINCOS and FPTAN are reduced with the 66 bits of π that the manual documents (§8.3.8). Where the manual leaves a
 * result undefined (F2XM1 outside −1 … 1, FYL2XP1 up to −1) it is the
 * operand, ST(0).
 */
import { FPU_STATUS } from '../state-layout.ts';
import { get32, set32 } from './cpu-state.ts';
import {
  aDenormal, aExponent, aKind, aSign, aSignificand, bDenormal, bExponent, bKind, bSign, bSignificand, DE, FINITE, formatExtended, INFINITE, outA, outExtendedHigh,
  outExtendedSignificand, outInfinity, outInvalid, outZero, PE, propagateA, propagateNan, QUIET, raiseFlags, roundOut, setB, swapOperands, ZE, ZERO,
} from './soft-float.ts';
import { divide128, divisionRemainder, multiplyOperands } from './soft-float-arithmetic.ts';
import { addTo, arcTangent, divide, doubleAreaTangent, exponentialMinusOne, high, low, multiply, power, set, sineSeries } from './double-double.ts';
import { begin, loadA, loadB, push, put, putNan, settle, stackOverflow, stackUnderflow, storeOut } from './x87-arithmetic.ts';
import { FSW_C2, isEmpty, pop } from './x87-state.ts';

const LN2_HIGH: f64 = 0.6931471805599453;
const LN2_LOW: f64 = 2.3190468138462996e-17;
const LOG2E_HIGH: f64 = 1.4426950408889634;
const LOG2E_LOW: f64 = 2.0355273740931033e-17;
const PI_HIGH: f64 = 3.141592653589793;
const PI_LOW: f64 = 1.2246467991473532e-16;
const PI_SIGNIFICAND: u64 = 0xc90fdaa22168c234;
const PI_BELOW: u64 = 0xc4c6628b80dc1cd1;
/** π/2 as the reduction takes it, bit 127 being 1: 66 bits. */
const REDUCTION_HIGH: u64 = 0xc90fdaa22168c234;
const REDUCTION_LOW: u64 = 0xc000000000000000;
const ONE: u64 = 0x8000000000000000;

/** A significand with bit 63 set as a double-double from 1 to 2. */
@inline function fraction(significand: u64): void {
  set(<f64>(significand >> 11) * power(-52), <f64>(significand & 0x7ff) * power(-63));
}

/** Rounds ±(high + low) × 2^exponent, which is no exact value, into the result. */
function roundSum(flip: u32, exponent: i32): void {
  const sign: u32 = high < 0 ? 1 : 0;
  const h = abs(high);
  const l = sign ? -low : low;
  const bits = reinterpret<u64>(h);
  const own = <i32>(bits >> 52) - 1023;
  const units = l * power(62 - own) * 2;
  const whole = floor(units);
  let hi = (bits & 0xfffffffffffff | 0x10000000000000) << 11;
  let lo = <u64>((units - whole) * 18446744073709551616.0) | 1;
  let at = own;
  const before = hi;
  hi += <u64><i64>whole;
  if (whole < 0 && <i64>hi >= 0) {
    hi = hi << 1 | lo >> 63;
    lo = lo << 1 | 1;
    at--;
  } else if (whole > 0 && hi < before) {
    lo = lo >> 1 | hi << 63 | 1;
    hi = hi >> 1 | ONE;
    at++;
  }
  roundOut(sign ^ flip, at + exponent, hi, lo);
}
/** A magnitude a trifle below significand × 2^(exponent − 63). */
function roundBelow(sign: u32, exponent: i32, significand: u64): void {
  if (significand == ONE) roundOut(sign, exponent - 1, ~<u64>0, ~<u64>0);
  else roundOut(sign, exponent, significand - 1, ~<u64>0);
}
@inline function noteDenormals(): void {
  if (aDenormal || bDenormal) raiseFlags(DE);
}

/** F2XM1. */
export function x87Exponential(): void {
  if (isEmpty(0)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  begin();
  formatExtended();
  loadA(0);
  exponential();
  if (settle()) storeOut(0);
}
function exponential(): void {
  if (aKind >= QUIET) return propagateA();
  if (aDenormal) raiseFlags(DE);
  if (aKind == ZERO) return outZero(aSign);
  if (aKind == INFINITE) {
    if (!aSign) return outInfinity(0);
    return roundOut(1, 0, ONE, 0);
  }
  if (aExponent >= 0) {
    if (aExponent == 0 && aSignificand == ONE) return roundOut(aSign, aSign ? -1 : 0, ONE, 0);
    raiseFlags(PE);
    return outA();
  }
  const sign = aSign;
  fraction(aSignificand);
  if (aExponent < -80) {
    multiply(high, low, LN2_HIGH, LN2_LOW);
    return roundSum(sign, aExponent);
  }
  const scale = power(aExponent) * (sign ? -1.0 : 1.0);
  multiply(high * scale, low * scale, LN2_HIGH, LN2_LOW);
  exponentialMinusOne(high, low);
  roundSum(0, 0);
}

/** FYL2X (0) and FYL2XP1 (1): ST(1) × log2(ST(0)) or log2(ST(0) + 1) into ST(1), then pops. */
export function x87Logarithm(plusOne: i32): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (!stackUnderflow()) return;
    putNan(1);
    return pop();
  }
  begin();
  formatExtended();
  loadA(0);
  loadB(1);
  if (plusOne) logarithmPlusOne();
  else logarithm();
  if (!settle()) return;
  storeOut(1);
  pop();
}
/** y × (high + low) for finite y in `b`. */
function timesB(): void {
  const h = high;
  const l = low;
  const exponent = bExponent;
  const sign = bSign;
  fraction(bSignificand);
  multiply(h, l, high, low);
  roundSum(sign, exponent);
}
/** log2 of m for 0.7 < m < 1.5, by its difference from 1, over the series of artanh. */
function logarithmNearOne(dh: f64, dl: f64): void {
  addTo(2, 0, dh, dl);
  divide(dh, dl, high, low);
  doubleAreaTangent(high, low);
  multiply(high, low, LOG2E_HIGH, LOG2E_LOW);
}
function logarithm(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  if (aKind == ZERO) {
    if (bKind == ZERO) return outInvalid();
    if (bKind == FINITE) {
      raiseFlags(ZE);
      return outInfinity(bSign ^ 1);
    }
    return outInfinity(bSign ^ 1);
  }
  if (aSign) return outInvalid();
  const one = aKind == FINITE && aExponent == 0 && aSignificand == ONE;
  const below: u32 = aKind == FINITE && aExponent < 0 ? 1 : 0;
  if (aKind == INFINITE) {
    if (bKind == ZERO) return outInvalid();
    noteDenormals();
    return outInfinity(bSign);
  }
  if (bKind == INFINITE) {
    if (one) return outInvalid();
    noteDenormals();
    return outInfinity(bSign ^ below);
  }
  noteDenormals();
  if (bKind == ZERO) return outZero(bSign ^ below);
  if (one) return outZero(bSign);
  let exponent = aExponent;
  if (aSignificand == ONE) {
    // A power of two: exact.
    swapOperands();
    bFromSmallInteger(exponent);
    return multiplyOperands();
  }
  fraction(aSignificand);
  if (high > 1.4142135623730951) {
    exponent++;
    set(high * 0.5, low * 0.5);
  }
  addTo(high, low, -1, 0);
  logarithmNearOne(high, low);
  addTo(high, low, exponent, 0);
  timesB();
}
/** An integer into `b`, keeping `a`. */
function bFromSmallInteger(value: i32): void {
  const magnitude: u64 = value < 0 ? -value : value;
  if (magnitude == 0) return setB(0, 0, 0);
  const shift = clz(magnitude);
  setB(value < 0 ? 1 : 0, 63 - <i32>shift, magnitude << shift);
}
function logarithmPlusOne(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  if (aKind == INFINITE) {
    if (aSign || bKind == ZERO) return outInvalid();
    noteDenormals();
    return outInfinity(bSign);
  }
  const sign = aSign ^ bSign;
  if (aKind == ZERO) {
    if (bKind == INFINITE) return outInvalid();
    noteDenormals();
    return outZero(sign);
  }
  noteDenormals();
  if (aSign && aExponent >= 0) {
    raiseFlags(PE);
    return outA();
  }
  if (bKind == INFINITE) return outInfinity(sign);
  if (bKind == ZERO) return outZero(sign);
  const negative = aSign != 0;
  fraction(aSignificand);
  if (aExponent < -120) {
    multiply(high, low, LOG2E_HIGH, LOG2E_LOW);
    const exponent = aExponent;
    const h = high;
    const l = low;
    fraction(bSignificand);
    multiply(h, l, high, low);
    return roundSum(sign, exponent + bExponent);
  }
  // The 1 doesn't count any more.
  if (aExponent > 130) return logarithm();
  const scale = power(aExponent);
  const xh = negative ? -high * scale : high * scale;
  const xl = negative ? -low * scale : low * scale;
  if (xh > -0.29 && xh < 0.41) logarithmNearOne(xh, xl);
  else {
    addTo(xh, xl, 1, 0);
    let exponent = <i32>(reinterpret<u64>(high) >> 52) - 1023;
    if (high * power(-exponent) > 1.4142135623730951) exponent++;
    const down = power(-exponent);
    addTo(high * down, low * down, -1, 0);
    if (high == 0 && low == 0) set(exponent, 0);
    else {
      logarithmNearOne(high, low);
      addTo(high, low, exponent, 0);
    }
  }
  timesB();
}

/** FPATAN: arctan(ST(1) / ST(0)) in the right quadrant, into ST(1), then pops. */
export function x87ArcTangent(): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (!stackUnderflow()) return;
    putNan(1);
    return pop();
  }
  begin();
  formatExtended();
  loadA(0);
  loadB(1);
  arcTangentOfQuotient();
  if (!settle()) return;
  storeOut(1);
  pop();
}
/** A trifle below |b / a|, whose exponents differ by `distance`. */
function quotientBelow(sign: u32, distance: i32): void {
  const fits = bSignificand < aSignificand;
  const q = fits ? divide128(bSignificand, 0, aSignificand) : divide128(bSignificand >> 1, bSignificand << 63, aSignificand);
  const exponent = fits ? distance - 1 : distance;
  const rest = divisionRemainder;
  if (rest == 0) return roundBelow(sign, exponent, q);
  roundOut(sign, exponent, q, rest > aSignificand - rest ? ONE | 1 : 1);
}
function arcTangentOfQuotient(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  const sign = bSign;
  noteDenormals();
  if (bKind == ZERO) {
    if (!aSign) return outZero(sign);
    return roundOut(sign, 1, PI_SIGNIFICAND, PI_BELOW);
  }
  if (bKind == INFINITE) {
    if (aKind != INFINITE) return roundOut(sign, 0, PI_SIGNIFICAND, PI_BELOW);
    if (!aSign) return roundOut(sign, -1, PI_SIGNIFICAND, PI_BELOW);
    return roundOut(sign, 1, 0x96cbe3f9990e91a7, 0x9394c9e8a0a5159c);
  }
  if (aKind == INFINITE) {
    if (!aSign) return outZero(sign);
    return roundOut(sign, 1, PI_SIGNIFICAND, PI_BELOW);
  }
  if (aKind == ZERO) return roundOut(sign, 0, PI_SIGNIFICAND, PI_BELOW);
  const negative = aSign != 0;
  // The smaller over the larger.
  const inverted = bExponent > aExponent || (bExponent == aExponent && bSignificand > aSignificand);
  fraction(inverted ? bSignificand : aSignificand);
  const dh = high;
  const dl = low;
  fraction(inverted ? aSignificand : bSignificand);
  divide(high, low, dh, dl);
  const distance = inverted ? aExponent - bExponent : bExponent - aExponent;
  if (distance < -60 && !inverted && !negative) return quotientBelow(sign, distance);
  const scale = power(max(distance, -140));
  arcTangent(high * scale, low * scale);
  if (inverted) {
    if (negative) addTo(PI_HIGH * 0.5, PI_LOW * 0.5, high, low);
    else addTo(PI_HIGH * 0.5, PI_LOW * 0.5, -high, -low);
  } else if (negative) addTo(PI_HIGH, PI_LOW, -high, -low);
  roundSum(sign, 0);
}

// Trigonometry

let reducedHigh: f64 = 0;
let reducedLow: f64 = 0;
let quadrant: u32 = 0;

/** `a` (magnitude below 2^63) modulo π/2, to −π/4 … π/4; the sign of `a` isn't counted. */
function reduce(): void {
  let hi = aSignificand;
  let lo: u64 = 0;
  let overflowed = false;
  quadrant = 0;
  if (aExponent < -1) {
    fraction(aSignificand);
    const scale = power(max(aExponent, -200));
    reducedHigh = high * scale;
    reducedLow = low * scale;
    return;
  }
  if (aExponent < 0) {
    lo = hi << 63;
    hi >>= 1;
  } else {
    for (let i = aExponent; ; i--) {
      quadrant <<= 1;
      if (overflowed || hi > REDUCTION_HIGH || (hi == REDUCTION_HIGH && lo >= REDUCTION_LOW)) {
        const borrow: u64 = lo < REDUCTION_LOW ? 1 : 0;
        lo -= REDUCTION_LOW;
        hi -= REDUCTION_HIGH + borrow;
        quadrant |= 1;
      }
      overflowed = false;
      if (i == 0) break;
      overflowed = <i64>hi < 0;
      hi = hi << 1 | lo >> 63;
      lo <<= 1;
    }
  }
  // Above π/4: from the other side.
  let negative = false;
  const halfHigh = REDUCTION_HIGH >> 1;
  const halfLow = REDUCTION_HIGH << 63 | REDUCTION_LOW >> 1;
  if (hi > halfHigh || (hi == halfHigh && lo > halfLow)) {
    const borrow: u64 = REDUCTION_LOW < lo ? 1 : 0;
    lo = REDUCTION_LOW - lo;
    hi = REDUCTION_HIGH - hi - borrow;
    quadrant++;
    negative = true;
  }
  let exponent = 0;
  if (hi == 0) {
    hi = lo;
    lo = 0;
    exponent = -64;
  }
  if (hi == 0) {
    reducedHigh = 0;
    reducedLow = 0;
    return;
  }
  const shift = <u32>clz(hi);
  if (shift) {
    hi = hi << shift | lo >> (64 - shift);
    lo <<= shift;
    exponent -= shift;
  }
  const scale = power(exponent) * (negative ? -1.0 : 1.0);
  reducedHigh = <f64>(hi >> 11) * power(-52) * scale;
  reducedLow = <f64>((hi & 0x7ff) << 53 | lo >> 11) * power(-116) * scale;
}
/** sin or cos of what `reduce` found. `sign` is the argument's. */
function sineOrCosine(sign: u32, cosine: bool): void {
  const useCosine = ((quadrant & 1) != 0) != cosine;
  sineSeries(reducedHigh, reducedLow, useCosine);
  const flip: u32 = cosine ? (quadrant + 1 >> 1 & 1) : sign ^ (quadrant >> 1 & 1);
  roundSum(flip, 0);
}
/** sin (0), cos (1) or tan (2) of the finite, non-zero `a`, reduced. */
function trigonometric(which: i32): void {
  if (aExponent < -70) {
    if (which == 0) return roundBelow(aSign, aExponent, aSignificand);
    if (which == 1) return roundBelow(0, 0, ONE);
    return roundOut(aSign, aExponent, aSignificand, 1);
  }
  if (which < 2) return sineOrCosine(aSign, which == 1);
  sineSeries(reducedHigh, reducedLow, false);
  const sh = high;
  const sl = low;
  sineSeries(reducedHigh, reducedLow, true);
  if (quadrant & 1) divide(-high, -low, sh, sl);
  else divide(sh, sl, high, low);
  roundSum(aSign, 0);
}

/** FSIN (0), FCOS (1), FPTAN (2), FSINCOS (3). */
export function x87Trigonometric(which: i32): void {
  const pushes = which >= 2;
  set32(FPU_STATUS, get32(FPU_STATUS) & ~FSW_C2);
  if (isEmpty(0)) {
    if (!stackUnderflow()) return;
    putNan(0);
    if (!pushes) return;
    push();
    return putNan(0);
  }
  if (pushes && !isEmpty(7)) {
    if (!stackOverflow()) return;
    putNan(0);
    push();
    return putNan(0);
  }
  begin();
  formatExtended();
  loadA(0);
  if (aKind >= QUIET || aKind == INFINITE) {
    if (aKind == INFINITE) outInvalid();
    else propagateA();
    if (!settle()) return;
    storeOut(0);
    if (!pushes) return;
    push();
    return storeOut(0);
  }
  if (aKind == FINITE && aExponent >= 63) {
    settle();
    set32(FPU_STATUS, get32(FPU_STATUS) | FSW_C2);
    return;
  }
  if (aDenormal) raiseFlags(DE);
  let significand: u64 = ONE;
  let top: u32 = 0x3fff;
  if (aKind == ZERO) {
    if (which != 1) outZero(aSign);
    else roundOut(0, 0, ONE, 0);
  } else {
    reduce();
    if (which == 3) {
      trigonometric(1);
      significand = outExtendedSignificand();
      top = outExtendedHigh();
      trigonometric(0);
    } else trigonometric(which);
  }
  if (!settle()) return;
  storeOut(0);
  if (!pushes) return;
  push();
  put(0, significand, top);
}
