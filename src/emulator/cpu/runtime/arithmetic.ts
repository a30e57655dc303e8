/** 128-bit products and quotients. */
import { VECTOR_DE } from '../arch.ts';
import { RAX, RDX } from '../state-layout.ts';
import { get64, raise, set64 } from './cpu-state.ts';

/** Upper 64 bits of the unsigned product. */
export function mulHighUnsigned(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const cross = aHigh * bLow + (aLow * bLow >> 32);
  const middle = aLow * bHigh + (cross & 0xffffffff);
  return aHigh * bHigh + (cross >> 32) + (middle >> 32);
}

export function mulHighSigned(a: i64, b: i64): i64 {
  return <i64>mulHighUnsigned(a, b) - (a >> 63 & b) - (b >> 63 & a);
}

function divideError(): i32 {
  raise(VECTOR_DE, 0, 0);
  return 0;
}

let remainder: u64 = 0;
/** high:low / divisor, where high < divisor; sets `remainder`. Knuth, TAOCP 2 §4.3.1, algorithm D with 32-bit digits. */
function divideWide(high: u64, low: u64, divisor: u64): u64 {
  if (high == 0) {
    remainder = low % divisor;
    return low / divisor;
  }
  const shift = clz<u64>(divisor);
  const d = divisor << shift;
  const dHigh = d >> 32;
  const dLow = d & 0xffffffff;
  let n = shift ? high << shift | low >> (64 - shift) : high;
  const rest = low << shift;
  let quotient: u64 = 0;
  for (let digit: i32 = 0; digit < 2; digit++) {
    const next = digit ? rest & 0xffffffff : rest >> 32;
    let q = n / dHigh;
    let r = n % dHigh;
    while (q >> 32 != 0 || q * dLow > (r << 32 | next)) {
      q--;
      r += dHigh;
      if (r >> 32) break;
    }
    n = (n << 32 | next) - q * d;
    quotient = quotient << 32 | q & 0xffffffff;
  }
  remainder = n >> shift;
  return quotient;
}

/** DIV r/m64: RDX:RAX by `divisor`; 0 with #DE pending. */
export function div64(divisor: u64): i32 {
  const high = get64(RDX);
  // Also catches division by zero.
  if (high >= divisor) return divideError();
  const quotient = divideWide(high, get64(RAX), divisor);
  set64(RAX, quotient);
  set64(RDX, remainder);
  return 1;
}

/** IDIV r/m64 */
export function idiv64(divisor: i64): i32 {
  let high = get64(RDX);
  let low = get64(RAX);
  const negative = <i64>high < 0;
  if (negative) {
    low = 0 - low;
    high = ~high + (low == 0 ? 1 : 0);
  }
  const magnitude: u64 = divisor < 0 ? 0 - <u64>divisor : <u64>divisor;
  if (high >= magnitude) return divideError();
  const quotient = divideWide(high, low, magnitude);
  const quotientNegative = negative != divisor < 0;
  if (quotient > (quotientNegative ? <u64>0x8000000000000000 : <u64>0x7fffffffffffffff)) return divideError();
  set64(RAX, quotientNegative ? 0 - quotient : quotient);
  set64(RDX, negative ? 0 - remainder : remainder);
  return 1;
}
