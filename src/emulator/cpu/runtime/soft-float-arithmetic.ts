/** The arithmetic of soft-float.ts: operands `a` and `b`, one rounding, the result in `out…`. */
import {
  DE, DOWN, IE, INFINITE, QUIET, SIGNALING, TOP_BIT, ZE, ZERO, aDenormal, aExponent, aKind, aSign, aSignificand, bExponent, bKind, bSign, bSignificand, negateB,
  noteDenormals, outInfinity, outInvalid, outZero, propagateA, propagateNan, raiseFlags, roundOut, rounding, swapOperands,
} from './soft-float.ts';

// 128-bit helpers

export let productHigh: u64 = 0;
export let productLow: u64 = 0;
export function multiply64(x: u64, y: u64): void {
  const x0 = x & 0xffffffff;
  const x1 = x >> 32;
  const y0 = y & 0xffffffff;
  const y1 = y >> 32;
  const low = x0 * y0;
  const middle = x1 * y0 + (low >> 32);
  const middle2 = x0 * y1 + (middle & 0xffffffff);
  productHigh = x1 * y1 + (middle >> 32) + (middle2 >> 32);
  productLow = middle2 << 32 | (low & 0xffffffff);
}

export let divisionRemainder: u64 = 0;
/** (hi:lo) / divisor for hi < divisor and bit 63 of the divisor set. Knuth, algorithm D with two digits of 32 bits. */
export function divide128(hi: u64, lo: u64, divisor: u64): u64 {
  const d1 = divisor >> 32;
  const d0 = divisor & 0xffffffff;
  let q1 = hi / d1;
  let r = hi - q1 * d1;
  while (q1 >> 32 != 0 || q1 * d0 > (r << 32 | lo >> 32)) {
    q1--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  const middle = (hi << 32 | lo >> 32) - q1 * divisor;
  let q0 = middle / d1;
  r = middle - q0 * d1;
  while (q0 >> 32 != 0 || q0 * d0 > (r << 32 | (lo & 0xffffffff))) {
    q0--;
    r += d1;
    if (r >> 32 != 0) break;
  }
  divisionRemainder = (middle << 32 | (lo & 0xffffffff)) - q0 * divisor;
  return (q1 << 32) + q0;
}

// Arithmetic of `a` and `b` into `out…`

export function addOperands(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  if (aKind == INFINITE || bKind == INFINITE) {
    if (aKind == bKind && aSign != bSign) return outInvalid();
    noteDenormals();
    return outInfinity(aKind == INFINITE ? aSign : bSign);
  }
  noteDenormals();
  if (aKind == ZERO) {
    if (bKind == ZERO) return outZero(aSign == bSign ? aSign : rounding == DOWN ? 1 : 0);
    return roundOut(bSign, bExponent, bSignificand, 0);
  }
  if (bKind == ZERO) return roundOut(aSign, aExponent, aSignificand, 0);
  if (aExponent < bExponent || (aExponent == bExponent && aSignificand < bSignificand)) swapOperands();
  const distance = <u32>(aExponent - bExponent);
  let hi: u64;
  let lo: u64;
  if (distance == 0) {
    hi = bSignificand;
    lo = 0;
  } else if (distance < 64) {
    hi = bSignificand >> distance;
    lo = bSignificand << (64 - distance);
  } else if (distance < 128) {
    hi = 0;
    const rest = distance - 64;
    lo = bSignificand >> rest;
    if (lo << rest != bSignificand) lo |= 1;
  } else {
    hi = 0;
    lo = 1;
  }
  if (aSign == bSign) {
    const sum = aSignificand + hi;
    if (sum >= aSignificand) return roundOut(aSign, aExponent, sum, lo);
    return roundOut(aSign, aExponent + 1, sum >> 1 | TOP_BIT, lo >> 1 | sum << 63 | (lo & 1));
  }
  let high = aSignificand - hi - (lo != 0 ? 1 : 0);
  let low = 0 - lo;
  if ((high | low) == 0) return outZero(rounding == DOWN ? 1 : 0);
  let exponent = aExponent;
  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
  }
  const shift = clz(high);
  if (shift != 0) {
    high = high << shift | low >> (64 - shift);
    low <<= shift;
    exponent -= <i32>shift;
  }
  roundOut(aSign, exponent, high, low);
}

/** a − b. */
export function subtractOperands(): void {
  // A NaN keeps its sign.
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  negateB();
  addOperands();
}

export function multiplyOperands(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  const sign = aSign ^ bSign;
  if (aKind == INFINITE || bKind == INFINITE) {
    if (aKind == ZERO || bKind == ZERO) return outInvalid();
    noteDenormals();
    return outInfinity(sign);
  }
  noteDenormals();
  if (aKind == ZERO || bKind == ZERO) return outZero(sign);
  multiply64(aSignificand, bSignificand);
  if (<i64>productHigh < 0) roundOut(sign, aExponent + bExponent + 1, productHigh, productLow);
  else roundOut(sign, aExponent + bExponent, productHigh << 1 | productLow >> 63, productLow << 1);
}

/** a / b. */
export function divideOperands(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  const sign = aSign ^ bSign;
  if (aKind == INFINITE) {
    if (bKind == INFINITE) return outInvalid();
    noteDenormals();
    return outInfinity(sign);
  }
  if (bKind == INFINITE) {
    noteDenormals();
    return outZero(sign);
  }
  if (bKind == ZERO) {
    if (aKind == ZERO) return outInvalid();
    raiseFlags(ZE);
    return outInfinity(sign);
  }
  noteDenormals();
  if (aKind == ZERO) return outZero(sign);
  let exponent = aExponent - bExponent;
  let hi = aSignificand;
  let lo: u64 = 0;
  if (hi >= bSignificand) {
    lo = hi << 63;
    hi >>= 1;
  } else exponent--;
  const q = divide128(hi, lo, bSignificand);
  const r = divisionRemainder;
  // The bit below, and whether anything follows it.
  let below: u64 = 0;
  if (r != 0) {
    const other = bSignificand - r;
    below = r > other ? TOP_BIT | 1 : r == other ? TOP_BIT : 1;
  }
  roundOut(sign, exponent, q, below);
}

/** √a. */
export function squareRoot(): void {
  if (aKind >= QUIET) return propagateA();
  if (aKind == ZERO) return outZero(aSign);
  if (aSign) return outInvalid();
  if (aDenormal) raiseFlags(DE);
  if (aKind == INFINITE) return outInfinity(0);
  // The radicand: the root then has bit 63 set.
  const odd = (aExponent & 1) != 0;
  const hi = odd ? aSignificand : aSignificand >> 1;
  const lo: u64 = odd ? 0 : aSignificand << 63;
  const estimate = sqrt(<f64>hi) * 4294967296.0;
  let root: u64 = estimate >= 18446744073709551616.0 ? ~<u64>0 : <u64>estimate;
  multiply64(root, root);
  let restLow = lo - productLow;
  let restHigh = <i64>(hi - productHigh - (lo < productLow ? 1 : 0));
  const correction = (<f64>restHigh * 18446744073709551616.0 + <f64>restLow) / (2.0 * <f64>root);
  const corrected = root + <u64><i64>correction;
  // The estimate's error is far below the distance to an overflow of the root, save at its very end.
  root = correction > 0 && corrected < root ? ~<u64>0 : corrected;
  multiply64(root, root);
  restLow = lo - productLow;
  restHigh = <i64>(hi - productHigh - (lo < productLow ? 1 : 0));
  while (restHigh < 0) {
    root--;
    // rest += 2 root + 1
    const more = root << 1 | 1;
    const sum = restLow + more;
    restHigh += <i64>(root >> 63) + (sum < restLow ? 1 : 0);
    restLow = sum;
  }
  while (restHigh > 1 || (restHigh == 1 && restLow > root << 1) || (restHigh == 0 && <i64>root >= 0 && restLow > root << 1)) {
    const less = root << 1 | 1;
    const borrow: i64 = restLow < less ? 1 : 0;
    restLow -= less;
    restHigh -= <i64>(root >> 63) + borrow;
    root++;
  }
  const below: u64 = (restHigh | <i64>restLow) == 0 ? 0 : restHigh != 0 || restLow > root ? TOP_BIT | 1 : 1;
  roundOut(0, aExponent >> 1, root, below);
}

export const LESS: i32 = -1;
export const EQUAL: i32 = 0;
export const GREATER: i32 = 1;
export const UNORDERED: i32 = 2;

/** a against b. NaNs raise IE: all where `signalQuiet`, else signaling ones. */
export function compareOperands(signalQuiet: bool): i32 {
  if (aKind >= QUIET || bKind >= QUIET) {
    if (signalQuiet || aKind >= SIGNALING || bKind >= SIGNALING) raiseFlags(IE);
    return UNORDERED;
  }
  noteDenormals();
  if (aKind == ZERO && bKind == ZERO) return EQUAL;
  if (aKind == ZERO) return bSign ? GREATER : LESS;
  if (bKind == ZERO || aSign != bSign) return aSign ? LESS : GREATER;
  if (aKind == INFINITE || bKind == INFINITE) {
    if (aKind == bKind) return EQUAL;
    return (aKind == INFINITE) == (aSign == 0) ? GREATER : LESS;
  }
  if (aExponent == bExponent && aSignificand == bSignificand) return EQUAL;
  const larger = aExponent > bExponent || (aExponent == bExponent && aSignificand > bSignificand);
  return larger == (aSign == 0) ? GREATER : LESS;
}

/** Quotient bits of the last `remainder`, and whether it was only a partial one. */
export let remainderQuotient: u32 = 0;
export let remainderPartial: bool = false;
/** FPREM (truncating) and FPREM1 (`nearest`): the remainder of a / b. */
export function remainder(nearest: bool): void {
  remainderQuotient = 0;
  remainderPartial = false;
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  if (aKind == INFINITE || bKind == ZERO) return outInvalid();
  noteDenormals();
  if (aKind == ZERO) return outZero(aSign);
  if (bKind == INFINITE) return roundOut(aSign, aExponent, aSignificand, 0);
  let distance = aExponent - bExponent;
  if (distance < -1 || (distance < 0 && !nearest)) return roundOut(aSign, aExponent, aSignificand, 0);
  let steps = distance;
  if (distance >= 64) {
    // A step of 32 to 63 bits; the rest is the next instruction's.
    remainderPartial = true;
    steps = distance & 31 | 32;
  }
  let rest = aSignificand;
  let q: u64 = 0;
  let overflow = false;
  if (steps >= 0) {
    for (let i = 0; ; i++) {
      q <<= 1;
      if (overflow || rest >= bSignificand) {
        rest -= bSignificand;
        q |= 1;
      }
      if (i == steps) break;
      overflow = <i64>rest < 0;
      rest <<= 1;
    }
  }
  // The remainder is rest × 2^(exponent − 63).
  let exponent = remainderPartial ? aExponent - steps : bExponent;
  let sign = aSign;
  if (nearest && !remainderPartial) {
    if (steps < 0) {
      // |a| lies between b/2 and b, or below: a against b/2.
      if (rest > bSignificand) {
        // |a| − b, at the scale of a: (rest − 2b) negated.
        const difference = (bSignificand - rest) + bSignificand;
        q = 1;
        sign ^= 1;
        rest = difference;
      }
      exponent = aExponent;
    } else {
      const other = bSignificand - rest;
      if (rest > other || (rest == other && (q & 1) != 0)) {
        q++;
        sign ^= 1;
        rest = other;
      }
    }
  }
  remainderQuotient = <u32>q & 7;
  if (rest == 0) return outZero(aSign);
  const shift = clz(rest);
  roundOut(sign, exponent - <i32>shift, rest << shift, 0);
}
