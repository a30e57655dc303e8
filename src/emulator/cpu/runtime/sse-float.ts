/**
 * SSE floating point, exact in every mode of MXCSR: SDM 1 chapters 10–11. Generated code does the common cases itself and
 * comes here for the rest. The source operand lies in ARGUMENTS, the destination register is a pointer. The functions
 * return 0 with #XM (or #UD) pending where an exception isn't masked; then nothing but the flags has changed.
 */
import { CR4_OSXMMEXCPT, VECTOR_UD, VECTOR_XM } from '../arch.ts';
import { ARGUMENTS, CR4, MXCSR } from '../state-layout.ts';
import { cpuBase, get32, get64, raise, set32 } from './cpu-state.ts';
import {
  aFromDouble, aFromInteger, aFromSingle, aKind, beginSse, bFromDouble, bFromSingle, bKind, clearADenormal, clearFlag, convertOut, DE, flags, formatDouble, formatSingle,
  IE, integerOf, integralOut, outAsDouble, outAsSingle, PE, raiseFlags, setRounding, TRUNCATE, ZE,
} from './soft-float.ts';
import { addOperands, compareOperands, divideOperands, EQUAL, LESS, multiplyOperands, squareRoot, subtractOperands, UNORDERED } from './soft-float-arithmetic.ts';

/** Results are built here and moved when no exception forbids it. */
const RESULT: u32 = ARGUMENTS + 16;

@inline function source(): u32 { return <u32>cpuBase + ARGUMENTS; }
@inline function result(): u32 { return <u32>cpuBase + RESULT; }
@inline function begin(): void { beginSse(get32(MXCSR)); }

/** Enters the exceptions; 0 with a fault pending where one is unmasked. */
function settle(): i32 {
  if (flags == 0) return 1;
  const mxcsr = get32(MXCSR);
  const unmasked = flags & ~(mxcsr >> 7) & 0x3f;
  // An exception found before computing keeps those of the result away.
  const seen = (unmasked & (IE | DE | ZE)) != 0 ? flags & (IE | DE | ZE) : flags;
  set32(MXCSR, mxcsr | seen);
  if (!unmasked) return 1;
  raise((get64(CR4) & CR4_OSXMMEXCPT) != 0 ? VECTOR_XM : VECTOR_UD, 0, 0);
  return 0;
}

@inline function loadLaneA(double: i32, at: u32): void {
  if (double) aFromDouble(load<u64>(at));
  else aFromSingle(load<u32>(at));
}
@inline function loadLaneB(double: i32, at: u32): void {
  if (double) bFromDouble(load<u64>(at));
  else bFromSingle(load<u32>(at));
}
@inline function storeLane(double: i32, at: u32): void {
  if (double) store<u64>(at, outAsDouble());
  else store<u32>(at, outAsSingle());
}
@inline function setFormat(double: i32): void {
  if (double) formatDouble();
  else formatSingle();
}
/** `lanes` lanes of the result into the destination. */
function move(destination: u32, double: i32, lanes: i32): i32 {
  if (!settle()) return 0;
  memory.copy(destination, result(), lanes << (double ? 3 : 2));
  return 1;
}

/** Operations, by the low digit of their opcodes (0F 51 … 0F 5F). */
const SQRT: i32 = 1;
const ADD: i32 = 8;
const MUL: i32 = 9;
const SUB: i32 = 0xc;
const MIN: i32 = 0xd;
const DIV: i32 = 0xe;
const MAX: i32 = 0xf;
/** ADDSUB: lanes alternate. */
const ADDSUB: i32 = 0x10;

function operate(operation: i32): void {
  switch (operation) {
    case ADD: return addOperands();
    case MUL: return multiplyOperands();
    case SUB: return subtractOperands();
    default: return divideOperands();
  }
}
/** MIN and MAX give the source unless the destination is strictly less or greater; NaNs and denormals as they are. */
function minMax(operation: i32, double: i32, at: u32, from: u32, to: u32): void {
  const order = compareOperands(true);
  const first = operation == MIN ? order == LESS : order != LESS && order != EQUAL && order != UNORDERED;
  const chosen = first ? at : from;
  const flushed = first ? aKind == 0 : bKind == 0;
  if (double) store<u64>(to, flushed ? load<u64>(chosen) & 0x8000000000000000 : load<u64>(chosen));
  else store<u32>(to, flushed ? load<u32>(chosen) & 0x80000000 : load<u32>(chosen));
}

/** Neither huge nor tiny, so that neither the operation nor its error term leaves the normal numbers. */
@inline function moderate(x: f64): bool {
  const size = abs(x);
  return (size > 1e-120 && size < 1e120) || x == 0;
}
@inline function moderateSingle(x: f32): bool {
  const size = abs(x);
  return (size > 1e-36 && size < 1e36) || x == 0;
}
/** The error of p = a × b, exactly: Dekker. */
function productError(a: f64, b: f64, p: f64): f64 {
  const ta = 134217729.0 * a;
  const ah = ta - (ta - a);
  const al = a - ah;
  const tb = 134217729.0 * b;
  const bh = tb - (tb - b);
  const bl = b - bh;
  return ((ah * bh - p) + ah * bl + al * bh) + al * bl;
}
/** The host's arithmetic while PE is clear: what it rounds to is ours, whether it rounded takes some sums. */
function quickLane(operation: i32, double: i32, at: u32, from: u32, to: u32): bool {
  let x: f64;
  let y: f64;
  let z: f64;
  if (double) {
    x = load<f64>(at);
    y = load<f64>(from);
    if (!moderate(x) || !moderate(y)) return false;
    if (operation == ADD) z = x + y;
    else if (operation == SUB) z = x - y;
    else if (operation == MUL) z = x * y;
    else if (operation == DIV) z = x / y;
    else if (operation == SQRT) z = sqrt<f64>(y);
    else return false;
    // Of NaNs and what came from dividing by 0 too.
    if (!(abs(z) < 1e250)) return false;
  } else {
    const a = load<f32>(at);
    const b = load<f32>(from);
    if (!moderateSingle(a) || !moderateSingle(b)) return false;
    let r: f32;
    if (operation == ADD) r = a + b;
    else if (operation == SUB) r = a - b;
    else if (operation == MUL) r = a * b;
    else if (operation == DIV) r = a / b;
    else if (operation == SQRT) r = sqrt<f32>(b);
    else return false;
    if (!moderateSingle(r) || (r == 0 && operation != ADD && operation != SUB && a != 0 && b != 0)) return false;
    x = a;
    y = b;
    z = r;
  }
  let exact: bool;
  if (operation == ADD || operation == SUB) {
    if (operation == SUB) y = -y;
    const sum = x + y;
    const other = sum - x;
    exact = sum == z && (x - (sum - other)) + (y - other) == 0;
  } else if (operation == MUL) {
    const product = x * y;
    exact = product == z && productError(x, y, product) == 0;
  } else {
    const factor = operation == DIV ? y : z;
    const product = z * factor;
    exact = product == (operation == DIV ? x : y) && productError(z, factor, product) == 0;
  }
  if (!exact) raiseFlags(PE);
  if (double) store<f64>(to, z);
  else store<f32>(to, <f32>z);
  return true;
}

export function sseArithmetic(operation: i32, double: i32, lanes: i32, destination: i32): i32 {
  begin();
  setFormat(double);
  const step: u32 = double ? 8 : 4;
  const hostRounds = (get32(MXCSR) & 0xffc0) == 0x1f80;
  for (let i = 0; i < lanes; i++) {
    const offset = <u32>i * step;
    const at = <u32>destination + offset;
    const from = source() + offset;
    if (hostRounds && quickLane(operation, double, operation == SQRT ? from : at, from, result() + offset)) continue;
    if (operation == SQRT) {
      loadLaneA(double, from);
      squareRoot();
    } else {
      loadLaneA(double, at);
      loadLaneB(double, from);
      if (operation == MIN || operation == MAX) {
        minMax(operation, double, at, from, result() + offset);
        continue;
      }
      operate(operation == ADDSUB ? (i & 1) != 0 ? ADD : SUB : operation);
    }
    storeLane(double, result() + offset);
  }
  return move(destination, double, lanes);
}

/** HADD (subtract 0) and HSUB (1). */
export function sseHorizontal(subtract: i32, double: i32, destination: i32): i32 {
  begin();
  setFormat(double);
  const step: u32 = double ? 8 : 4;
  const half = double ? 1 : 2;
  for (let i = 0; i < half * 2; i++) {
    const from = i < half ? <u32>destination + <u32>i * 2 * step : source() + <u32>(i - half) * 2 * step;
    loadLaneA(double, from);
    loadLaneB(double, from + step);
    if (subtract) subtractOperands();
    else addOperands();
    storeLane(double, result() + <u32>i * step);
  }
  return move(destination, double, half * 2);
}

/** CMPPS and its kin: predicate 0–7. */
export function sseCompare(predicate: i32, double: i32, lanes: i32, destination: i32): i32 {
  begin();
  const step: u32 = double ? 8 : 4;
  const kind = predicate & 3;
  for (let i = 0; i < lanes; i++) {
    const offset = <u32>i * step;
    loadLaneA(double, <u32>destination + offset);
    loadLaneB(double, source() + offset);
    const order = compareOperands(kind == 1 || kind == 2);
    let holds: bool;
    if (kind == 0) holds = order == EQUAL;
    else if (kind == 1) holds = order == LESS;
    else if (kind == 2) holds = order == LESS || order == EQUAL;
    else holds = order == UNORDERED;
    const mask: u64 = holds != ((predicate & 4) != 0) ? ~<u64>0 : 0;
    if (double) store<u64>(result() + offset, mask);
    else store<u32>(result() + offset, <u32>mask);
  }
  return move(destination, double, lanes);
}

/** (U)COMIS: CF, PF, ZF in bits 0–2 and bit 3 set; 0 with a fault pending. */
export function sseCompareFlags(quiet: i32, double: i32, destination: i32): i32 {
  begin();
  loadLaneA(double, destination);
  loadLaneB(double, source());
  const order = compareOperands(quiet == 0);
  if (!settle()) return 0;
  return 8 | (order == LESS ? 1 : order == EQUAL ? 4 : order == UNORDERED ? 7 : 0);
}

/** Kinds of conversions of `lanes` lanes, from and to by their size in memory. */
const SINGLE_TO_DOUBLE: i32 = 0;
const DOUBLE_TO_SINGLE: i32 = 1;
const INTEGER_TO_SINGLE: i32 = 2;
const SINGLE_TO_INTEGER: i32 = 3;
const SINGLE_TO_INTEGER_TRUNCATED: i32 = 4;
const INTEGER_TO_DOUBLE: i32 = 5;
const DOUBLE_TO_INTEGER: i32 = 6;
const DOUBLE_TO_INTEGER_TRUNCATED: i32 = 7;

/** Packed conversions; what of 16 bytes the result leaves, is zeroed where `zeroUpper`. */
export function sseConvert(kind: i32, lanes: i32, zeroUpper: i32, destination: i32): i32 {
  begin();
  const fromDouble = kind == DOUBLE_TO_SINGLE || kind >= DOUBLE_TO_INTEGER;
  const toDouble = kind == SINGLE_TO_DOUBLE || kind == INTEGER_TO_DOUBLE;
  if (kind == SINGLE_TO_INTEGER_TRUNCATED || kind == DOUBLE_TO_INTEGER_TRUNCATED) setRounding(TRUNCATE);
  setFormat(toDouble ? 1 : 0);
  for (let i = 0; i < lanes; i++) {
    const from = source() + ((<u32>i) << (fromDouble ? 3 : 2));
    const to = result() + ((<u32>i) << (toDouble ? 3 : 2));
    if (kind == INTEGER_TO_SINGLE || kind == INTEGER_TO_DOUBLE) aFromInteger(load<i32>(from));
    else loadLaneA(fromDouble ? 1 : 0, from);
    if (kind <= INTEGER_TO_SINGLE || kind == INTEGER_TO_DOUBLE) {
      convertOut(false);
      storeLane(toDouble ? 1 : 0, to);
    } else store<u32>(to, <u32>integerOf(32));
  }
  if (!settle()) return 0;
  const bytes: u32 = <u32>lanes << (toDouble ? 3 : 2);
  memory.copy(destination, result(), bytes);
  if (zeroUpper && bytes < 16) memory.fill(<u32>destination + bytes, 0, 16 - bytes);
  return 1;
}

/** CVTSI2SS and CVTSI2SD: integers that don't fit exactly. */
export function sseFromInteger(value: i64, double: i32, destination: i32): i32 {
  begin();
  setFormat(double);
  aFromInteger(value);
  convertOut(false);
  storeLane(double, result());
  return move(destination, double, 1);
}
/** CVTSS2SI and its kin into ARGUMENTS, sign-extended; 0 with a fault pending. */
export function sseToInteger(double: i32, truncated: i32, bits: i32): i32 {
  begin();
  if (truncated) setRounding(TRUNCATE);
  loadLaneA(double, source());
  const value = integerOf(bits);
  if (!settle()) return 0;
  store<i64>(source(), value);
  return 1;
}

/** ROUNDPS and its kin. */
export function sseRound(control: i32, double: i32, lanes: i32, destination: i32): i32 {
  begin();
  setFormat(double);
  if (!(control & 4)) setRounding(control & 3);
  const step: u32 = double ? 8 : 4;
  for (let i = 0; i < lanes; i++) {
    loadLaneA(double, source() + <u32>i * step);
    // Denormal operands raise nothing here.
    clearADenormal();
    integralOut();
    storeLane(double, result() + <u32>i * step);
  }
  if (control & 8) clearFlag(PE);
  return move(destination, double, lanes);
}

/** DPPS and DPPD: products of the lanes in bits 4–7, added pairwise, into the lanes in bits 0–3. */
export function sseDotProduct(control: i32, double: i32, destination: i32): i32 {
  begin();
  setFormat(double);
  const step: u32 = double ? 8 : 4;
  const lanes = double ? 2 : 4;
  for (let i = 0; i < lanes; i++) {
    const offset = <u32>i * step;
    if (control >> (4 + i) & 1) {
      loadLaneA(double, <u32>destination + offset);
      loadLaneB(double, source() + offset);
      multiplyOperands();
      storeLane(double, result() + offset);
    } else if (double) store<u64>(result() + offset, 0);
    else store<u32>(result() + offset, 0);
  }
  // Exceptions of one step come before the next is computed.
  if (!settle()) return 0;
  for (let width = lanes; width > 1; width >>= 1) {
    begin();
    setFormat(double);
    for (let i = 0; i < width; i += 2) {
      loadLaneA(double, result() + <u32>i * step);
      loadLaneB(double, result() + <u32>(i + 1) * step);
      addOperands();
      storeLane(double, result() + <u32>(i >> 1) * step);
    }
    if (!settle()) return 0;
  }
  const sum = double ? load<u64>(result()) : load<u32>(result());
  for (let i = 0; i < lanes; i++) {
    const to = <u32>destination + <u32>i * step;
    const value: u64 = (control >> i & 1) != 0 ? sum : 0;
    if (double) store<u64>(to, value);
    else store<u32>(to, <u32>value);
  }
  return 1;
}

/**
 * RCP (0) and RSQRT (1) of `lanes` singles. The manual promises a relative error of 1.5 × 2^-12; processors differ below
 * that, and this is the correctly rounded value cut to 12 bits of fraction. Denormals count as zeros, tiny results are
 * flushed, and no exception is raised.
 */
export function sseApproximate(root: i32, lanes: i32, destination: i32): void {
  for (let i = 0; i < lanes; i++) {
    const bits = load<u32>(source() + <u32>i * 4);
    store<u32>(<u32>destination + <u32>i * 4, approximate(root != 0, bits));
  }
}
function approximate(root: bool, bits: u32): u32 {
  const sign = bits & 0x80000000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return bits | 0x400000;
  if (magnitude < 0x800000) return sign | 0x7f800000;
  if (root) {
    if (sign) return 0xffc00000;
    if (magnitude == 0x7f800000) return 0;
  } else if (magnitude == 0x7f800000) return sign;
  const x = <f64>reinterpret<f32>(magnitude);
  const y = reinterpret<u32>(<f32>(root ? 1.0 / sqrt(x) : 1.0 / x));
  const rounded = y + 0x400 & 0xfffff800;
  return sign | (rounded < 0x800000 ? 0 : rounded);
}
