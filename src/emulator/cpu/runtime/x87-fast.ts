/**
 * x87 arithmetic where nothing special comes of it: normal operands and results, all exceptions masked, rounding to nearest at 64 bits, as
 * Linux sets the control word. It does what soft-float.ts does there, in locals; for all else it says no, with nothing changed.
 */
import { FPU_CONTROL, FPU_STATUS } from '../state-layout.ts';
import { get32, set32 } from './cpu-state.ts';
import { PE, TOP_BIT } from './soft-float.ts';
import { multiply64, productHigh, productLow } from './soft-float-arithmetic.ts';
import { FSW_C1 } from './x87-state.ts';

/** Operations as the encodings number them. */
const ADD: i32 = 0;
const MUL: i32 = 1;
const SUB: i32 = 4;
const SUBR: i32 = 5;

const SIGN: u32 = 0x8000;
const EXPONENT: u32 = 0x7fff;
const BIAS: i32 = 16383;
const DOUBLE_BIAS: i32 = 1023;

/** Exception masks, precision and rounding control: SDM 1 §8.1.5. */
@inline function controlIsUsual(): bool { return (get32(FPU_CONTROL) & 0xf3f) == 0x33f; }
@inline function isNormal(significand: u64, high: u32): bool { return (high & EXPONENT) - 1 < EXPONENT - 1 && <i64>significand < 0; }

@inline function noteRounding(inexact: bool, up: bool): void {
  set32(FPU_STATUS, get32(FPU_STATUS) & ~FSW_C1 | (inexact ? PE : 0) | (up ? FSW_C1 : 0));
}

/** Rounds hi.lo, bit 63 of hi set, and stores it with a biased exponent at `at`. */
function roundTo(at: u32, sign: u32, exponent: i32, hi: u64, lo: u64): bool {
  const up = <i64>lo < 0 && (lo << 1 != 0 || (hi & 1) != 0);
  let after = exponent;
  let significand = hi + <u64>up;
  if (up && significand == 0) {
    significand = TOP_BIT;
    after++;
  }
  if (exponent < 1 || after >= <i32>EXPONENT) return false;
  noteRounding(lo != 0, up);
  store<u64>(at, significand);
  store<u16>(at, <u16>(sign | after), 8);
  return true;
}

function sumTo(at: u32, significandA: u64, highA: u32, significandB: u64, highB: u32): bool {
  if ((highA & EXPONENT) < (highB & EXPONENT) || ((highA & EXPONENT) == (highB & EXPONENT) && significandA < significandB)) {
    const significand = significandA; significandA = significandB; significandB = significand;
    const high = highA; highA = highB; highB = high;
  }
  const sign = highA & SIGN;
  let exponent: i32 = highA & EXPONENT;
  const distance = <u32>exponent - (highB & EXPONENT);
  if (distance > 63) return false;
  const hi = significandB >> distance;
  const lo = distance != 0 ? significandB << (64 - distance) : 0;
  if (sign == (highB & SIGN)) {
    const sum = significandA + hi;
    if (sum >= significandA) return roundTo(at, sign, exponent, sum, lo);
    return roundTo(at, sign, exponent + 1, sum >> 1 | TOP_BIT, sum << 63 | <u64>(lo != 0));
  }
  const high = significandA - hi - <u64>(lo != 0);
  const low = 0 - lo;
  if (high == 0) return false;
  const shift = clz(high);
  if (shift == 0) return roundTo(at, sign, exponent, high, low);
  exponent -= <i32>shift;
  return roundTo(at, sign, exponent, high << shift | low >> (64 - shift), low << shift);
}

function productTo(at: u32, significandA: u64, highA: u32, significandB: u64, highB: u32): bool {
  multiply64(significandA, significandB);
  const sign = (highA ^ highB) & SIGN;
  const exponent = <i32>(highA & EXPONENT) + <i32>(highB & EXPONENT) - BIAS;
  if (<i64>productHigh < 0) return roundTo(at, sign, exponent + 1, productHigh, productLow);
  return roundTo(at, sign, exponent, productHigh << 1 | productLow >> 63, productLow << 1);
}

/** a op b into the register at `at`. */
export function operateFast(operation: i32, at: u32, significandA: u64, highA: u32, significandB: u64, highB: u32): bool {
  if (!controlIsUsual() || !isNormal(significandA, highA) || !isNormal(significandB, highB)) return false;
  switch (operation) {
    case ADD: return sumTo(at, significandA, highA, significandB, highB);
    case MUL: return productTo(at, significandA, highA, significandB, highB);
    case SUB: return sumTo(at, significandA, highA, significandB, highB ^ SIGN);
    case SUBR: return sumTo(at, significandA, highA ^ SIGN, significandB, highB);
    default: return false;
  }
}

/** Sign and exponent of a double as an extended number has them; 0 where it is not normal. */
@inline export function highOfDouble(value: u64): u32 {
  const biased = <u32>(value >> 52) & 0x7ff;
  return biased - 1 < 0x7fe ? <u32>(value >> 48) & SIGN | biased + (BIAS - DOUBLE_BIAS) : 0;
}
@inline export function significandOfDouble(value: u64): u64 { return value << 11 | TOP_BIT; }

/** Stores an extended number as a double. */
export function storeDoubleFast(pointer: u32, significand: u64, high: u32): bool {
  if (!controlIsUsual() || <i64>significand >= 0) return false;
  const exponent = <i32>(high & EXPONENT) - (BIAS - DOUBLE_BIAS);
  if (exponent < 1 || exponent > 0x7fe) return false;
  const rest = significand & 0x7ff;
  const up = rest > 0x400 || (rest == 0x400 && (significand & 0x800) != 0);
  // A carry out of the fraction goes into the exponent.
  const magnitude = (<u64>exponent << 52) + ((significand & ~TOP_BIT) >> 11) + <u64>up;
  if (magnitude >> 52 == 0x7ff) return false;
  noteRounding(rest != 0, up);
  store<u64>(pointer, magnitude | <u64>(high & SIGN) << 48);
  return true;
}
