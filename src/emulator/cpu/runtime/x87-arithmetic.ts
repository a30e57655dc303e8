/**
 * x87 arithmetic, comparison and data transfer: SDM 1 chapter 8, volume 2 for each instruction. An exception that isn't
 * masked sets ES; the next waiting instruction then raises #MF. Destination and stack stay as they were after an unmasked
 * invalid operation, denormal operand or division by zero.
 */
import { RECORD_IP } from '../memory-layout.ts';
import { CS, FPU_CONTROL, FPU_CS, FPU_DP, FPU_DS, FPU_IP, FPU_OPCODE, FPU_STATUS, MODE, MODE_CODE_64, RIP_PAGE, SEGMENT_SELECTOR } from '../state-layout.ts';
import { get32, get64, set32, set64 } from './cpu-state.ts';
import {
  aDenormal, aExponent, aFromDouble, aFromExtended, aFromInteger, aFromSingle, aKind, aSign, aSignificand, bDenormal, beginX87, bExponent, bFromDouble, bFromExtended,
  bFromInteger, bFromSingle, bKind, bSign, bSignificand, clearFlag, convertOut, DE, FINITE, flags, formatDouble, formatExtended, formatSingle, IE, INFINITE, integerOf,
  integralOut, noteRoundedUp, OE, outA, outAsDouble, outAsSingle, outExponent, outExtendedHigh, outExtendedSignificand, outInfinity, outKind, outInvalid, outZero, PE, propagateA,
  propagateNan, QUIET, raiseFlags, roundedUp, roundOut, setA, setRounding, swapOperands, TRUNCATE, UE, ZE, ZERO,
} from './soft-float.ts';
import {
  addOperands, compareOperands, divideOperands, EQUAL, GREATER, LESS, multiplyOperands, remainder, remainderPartial, remainderQuotient, squareRoot, subtractOperands,
} from './soft-float-arithmetic.ts';
import { highOfDouble, operateFast, significandOfDouble, storeDoubleFast } from './x87-fast.ts';
import { FSW_B, FSW_C0, FSW_C1, FSW_C2, FSW_C3, FSW_ES, FSW_SF, isEmpty, moveTop, pop, registerAt, setEmpty, setValid } from './x87-state.ts';

const DEFAULT_NAN: u64 = 0xc000000000000000;
const DEFAULT_NAN_HIGH: u32 = 0xffff;

@inline export function begin(): void { beginX87(get32(FPU_CONTROL)); }
@inline export function loadA(i: u32): void {
  const at = registerAt(i);
  aFromExtended(load<u64>(at), load<u16>(at, 8));
}
@inline export function loadB(i: u32): void {
  const at = registerAt(i);
  bFromExtended(load<u64>(at), load<u16>(at, 8));
}
@inline export function put(i: u32, significand: u64, high: u32): void {
  const at = registerAt(i);
  store<u64>(at, significand);
  store<u16>(at, high, 8);
}
/** Stores the result in ST(i). */
@inline export function storeOut(i: u32): void {
  put(i, outExtendedSignificand(), outExtendedHigh());
  setValid(i);
}
export function push(): void {
  moveTop(7);
  setValid(0);
}

/** Enters the operation's exceptions, clearing C1 or setting it to `c1`; whether the result may be stored. */
function enter(exceptions: u32, c1: bool): bool {
  // An exception found before computing keeps those of the result away.
  if ((exceptions & ~get32(FPU_CONTROL) & (IE | DE | ZE)) != 0) {
    exceptions &= ~(OE | UE | PE);
    if (!(exceptions & FSW_SF)) c1 = false;
  }
  let status = get32(FPU_STATUS) & ~FSW_C1 | exceptions;
  if (c1) status |= FSW_C1;
  const unmasked = exceptions & ~get32(FPU_CONTROL) & 0x3f;
  if (unmasked) status |= FSW_ES | FSW_B;
  set32(FPU_STATUS, status);
  return (unmasked & (IE | DE | ZE)) == 0;
}
@inline export function settle(): bool { return enter(flags, roundedUp); }
/** A stack fault: whether it is masked, so that the default NaN takes the operand's place. */
export function stackUnderflow(): bool { return enter(IE | FSW_SF, false); }
export function stackOverflow(): bool { return enter(IE | FSW_SF, true); }
@inline function clearC1(): void { set32(FPU_STATUS, get32(FPU_STATUS) & ~FSW_C1); }
@inline export function putNan(i: u32): void {
  put(i, DEFAULT_NAN, DEFAULT_NAN_HIGH);
  setValid(i);
}
@inline export function setConditions(bits: u32): void {
  set32(FPU_STATUS, get32(FPU_STATUS) & ~(FSW_C0 | FSW_C2 | FSW_C3) | bits);
}

/** Where the last instruction left an exception pending: its address (record) and its operand's offset. */
export function x87Pointers(record: i32, opcode: i32): void {
  const rip = get64(RIP_PAGE) + load<u16>(record, RECORD_IP);
  set64(FPU_IP, (get32(MODE) & MODE_CODE_64) != 0 ? rip : rip & 0xffffffff);
  set32(FPU_CS, get32(CS + SEGMENT_SELECTOR) & 0xffff);
  set32(FPU_OPCODE, opcode & 0x7ff);
}
export function x87OperandPointer(offset: i64, selector: i32): void {
  set64(FPU_DP, offset);
  set32(FPU_DS, selector & 0xffff);
}

// Arithmetic. The operations are numbered as the encodings number them.

const ADD: i32 = 0;
const MUL: i32 = 1;
const SUB: i32 = 4;
const SUBR: i32 = 5;
const DIV: i32 = 6;

function operate(operation: i32): void {
  switch (operation) {
    case ADD: return addOperands();
    case MUL: return multiplyOperands();
    case SUB: return subtractOperands();
    case SUBR: swapOperands(); return subtractOperands();
    case DIV: return divideOperands();
    default: swapOperands(); return divideOperands();
  }
}

/** ST(0) op ST(i), into ST(0) or, `toOther`, ST(i); then pops where `popping`. */
export function x87Arithmetic(operation: i32, i: i32, toOther: i32, popping: i32): void {
  const destination: u32 = toOther ? i : 0;
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackUnderflow()) return;
    putNan(destination);
  } else {
    const a = registerAt(0);
    const b = registerAt(i);
    if (!operateFast(operation, registerAt(destination), load<u64>(a), load<u16>(a, 8), load<u64>(b), load<u16>(b, 8))) {
      begin();
      loadA(0);
      loadB(i);
      operate(operation);
      if (!settle()) return;
      storeOut(destination);
    }
  }
  if (popping) pop();
}

/** Kinds of memory operands. */
const SINGLE: i32 = 0;
const DOUBLE: i32 = 1;
const EXTENDED: i32 = 2;
const INT16: i32 = 3;
const INT32: i32 = 4;
const INT64: i32 = 5;
const BCD: i32 = 6;
/** FISTTP: the integer kinds, truncated. */
const TRUNCATED: i32 = 8;

function bFromMemory(kind: i32, pointer: i32): void {
  switch (kind) {
    case SINGLE: return bFromSingle(load<u32>(pointer));
    case DOUBLE: return bFromDouble(load<u64>(pointer));
    case INT16: return bFromInteger(load<i16>(pointer));
    default: return bFromInteger(load<i32>(pointer));
  }
}
/** ST(0) op memory. */
export function x87ArithmeticMemory(operation: i32, kind: i32, pointer: i32): void {
  if (isEmpty(0)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  if (kind == DOUBLE) {
    const at = registerAt(0);
    const value = load<u64>(pointer);
    if (operateFast(operation, at, load<u64>(at), load<u16>(at, 8), significandOfDouble(value), highOfDouble(value))) return;
  }
  begin();
  bFromMemory(kind, pointer);
  loadA(0);
  operate(operation);
  if (settle()) storeOut(0);
}

function conditionsOf(order: i32): u32 {
  if (order == LESS) return FSW_C0;
  if (order == EQUAL) return FSW_C3;
  return order == GREATER ? 0 : FSW_C0 | FSW_C2 | FSW_C3;
}
/** ST(0) against ST(i): C3 C2 C0. `pops` values are popped. */
export function x87Compare(i: i32, quiet: i32, pops: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    setConditions(FSW_C0 | FSW_C2 | FSW_C3);
    if (!stackUnderflow()) return;
  } else {
    begin();
    loadA(0);
    loadB(i);
    const order = compareOperands(quiet == 0);
    setConditions(conditionsOf(order));
    if (!settle()) return;
  }
  for (let n = 0; n < pops; n++) pop();
}
export function x87CompareMemory(kind: i32, popping: i32, pointer: i32): void {
  if (isEmpty(0)) {
    setConditions(FSW_C0 | FSW_C2 | FSW_C3);
    if (!stackUnderflow()) return;
  } else {
    begin();
    bFromMemory(kind, pointer);
    loadA(0);
    const order = compareOperands(true);
    setConditions(conditionsOf(order));
    if (!settle()) return;
  }
  if (popping) pop();
}
/** FCOMI and FUCOMI: bits 0 CF, 1 PF, 2 ZF; -1 where an unmasked exception leaves the flags alone. */
export function x87CompareFlags(i: i32, quiet: i32, popping: i32): i32 {
  let result = 7;
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackUnderflow()) return -1;
  } else {
    begin();
    loadA(0);
    loadB(i);
    const order = compareOperands(quiet == 0);
    if (!settle()) return -1;
    result = order == LESS ? 1 : order == EQUAL ? 4 : order == GREATER ? 0 : 7;
  }
  if (popping) pop();
  return result;
}

/** FTST. */
export function x87Test(): void {
  if (isEmpty(0)) {
    setConditions(FSW_C0 | FSW_C2 | FSW_C3);
    stackUnderflow();
    return;
  }
  begin();
  loadA(0);
  bFromInteger0();
  const order = compareOperands(true);
  setConditions(conditionsOf(order));
  settle();
}
function bFromInteger0(): void { bFromSingle(0); }

/** FXAM. */
export function x87Examine(): void {
  const at = registerAt(0);
  const high = load<u16>(at, 8);
  const significand = load<u64>(at);
  const exponent = high & 0x7fff;
  set32(FPU_STATUS, get32(FPU_STATUS) & ~FSW_C1 | ((high >> 15) != 0 ? FSW_C1 : 0));
  let bits: u32;
  if (isEmpty(0)) bits = FSW_C3 | FSW_C0;
  else if (exponent == 0) bits = significand == 0 ? FSW_C3 : FSW_C3 | FSW_C2;
  else if (<i64>significand >= 0) bits = 0;
  else if (exponent != 0x7fff) bits = FSW_C2;
  else bits = significand << 1 == 0 ? FSW_C2 | FSW_C0 : FSW_C0;
  setConditions(bits);
}

// Data transfer

/** FLD, FILD and FBLD from memory. */
export function x87Load(kind: i32, pointer: i32): void {
  if (!isEmpty(7)) {
    if (!stackOverflow()) return;
    push();
    return putNan(0);
  }
  if (kind == DOUBLE) {
    const value = load<u64>(pointer);
    const high = highOfDouble(value);
    if (high != 0) {
      clearC1();
      push();
      return put(0, significandOfDouble(value), high);
    }
  }
  begin();
  formatExtended();
  if (kind == EXTENDED) {
    clearC1();
    const significand = load<u64>(pointer);
    const high = load<u16>(pointer, 8);
    push();
    return put(0, significand, high);
  }
  switch (kind) {
    case SINGLE: aFromSingle(load<u32>(pointer)); break;
    case DOUBLE: aFromDouble(load<u64>(pointer)); break;
    case INT16: aFromInteger(load<i16>(pointer)); break;
    case INT32: aFromInteger(load<i32>(pointer)); break;
    case INT64: aFromInteger(load<i64>(pointer)); break;
    default: aFromDecimal(pointer);
  }
  convertOut(false);
  if (!settle()) return;
  push();
  storeOut(0);
}
function aFromDecimal(pointer: i32): void {
  let value: u64 = 0;
  for (let n = 8; n >= 0; n--) {
    const byte = load<u8>(pointer + n);
    value = value * 100 + (byte >> 4) * 10 + (byte & 15);
  }
  aFromInteger(value);
  if (load<u8>(pointer, 9) & 0x80) setA(1, aExponent, aSignificand);
}

/** FLD ST(i). */
export function x87LoadRegister(i: i32): void {
  if (isEmpty(i)) {
    if (!stackUnderflow()) return;
    push();
    return putNan(0);
  }
  if (!isEmpty(7)) {
    if (!stackOverflow()) return;
    push();
    return putNan(0);
  }
  clearC1();
  const at = registerAt(i);
  const significand = load<u64>(at);
  const high = load<u16>(at, 8);
  push();
  put(0, significand, high);
}

/** FLD1 FLDL2T FLDL2E FLDPI FLDLG2 FLDLN2 FLDZ: by the last digit of the encoding. Rounded as RC says, without PE. */
export function x87LoadConstant(which: i32): void {
  if (!isEmpty(7)) {
    if (!stackOverflow()) return;
    push();
    return putNan(0);
  }
  clearC1();
  push();
  const mode = get32(FPU_CONTROL) >> 10 & 3;
  const up: u64 = mode == 2 ? 1 : 0;
  // Those whose 65th bit is set: nearest is up too.
  const near: u64 = mode == 0 || mode == 2 ? 1 : 0;
  switch (which) {
    case 0: return put(0, 0x8000000000000000, 0x3fff);
    case 1: return put(0, 0xd49a784bcd1b8afe + up, 0x4000);
    case 2: return put(0, 0xb8aa3b295c17f0bb + near, 0x3fff);
    case 3: return put(0, 0xc90fdaa22168c234 + near, 0x4000);
    case 4: return put(0, 0x9a209a84fbcff798 + near, 0x3ffd);
    case 5: return put(0, 0xb17217f7d1cf79ab + near, 0x3ffe);
    default: return put(0, 0, 0);
  }
}

/** FST and FSTP to ST(i). */
export function x87StoreRegister(i: i32, popping: i32): void {
  // FSTP1 (D9 D8) is 2: it takes no notice of an empty source.
  if (isEmpty(0) && popping == 2) {
    clearC1();
    return pop();
  }
  if (isEmpty(0)) {
    if (!stackUnderflow()) return;
    putNan(i);
  } else {
    clearC1();
    const at = registerAt(0);
    put(i, load<u64>(at), load<u16>(at, 8));
    setValid(i);
  }
  if (popping) pop();
}

function storeDecimal(pointer: i32, magnitude: u64, negative: bool): void {
  for (let n = 0; n < 9; n++) {
    const pair = <u32>(magnitude % 100);
    magnitude /= 100;
    store<u8>(pointer + n, pair / 10 << 4 | pair % 10);
  }
  store<u8>(pointer, negative ? 0x80 : 0, 9);
}
function storeIndefinite(kind: i32, pointer: i32): void {
  switch (kind & ~TRUNCATED) {
    case SINGLE: store<u32>(pointer, 0xffc00000); break;
    case DOUBLE: store<u64>(pointer, 0xfff8000000000000); break;
    case EXTENDED: store<u64>(pointer, DEFAULT_NAN); store<u16>(pointer, DEFAULT_NAN_HIGH, 8); break;
    case INT16: store<u16>(pointer, 0x8000); break;
    case INT32: store<u32>(pointer, 0x80000000); break;
    case INT64: store<u64>(pointer, 0x8000000000000000); break;
    default: store<u64>(pointer, DEFAULT_NAN); store<u16>(pointer, 0xffff, 8);
  }
}
/** FST, FSTP, FIST, FISTP, FISTTP and FBSTP to memory; 0 where an unmasked exception keeps the memory as it is. */
export function x87Store(kind: i32, popping: i32, pointer: i32): i32 {
  if (isEmpty(0)) {
    if (!stackUnderflow()) return 0;
    storeIndefinite(kind, pointer);
  } else {
    const at = registerAt(0);
    if (kind == DOUBLE && storeDoubleFast(pointer, load<u64>(at), load<u16>(at, 8))) {
      if (popping) pop();
      return 1;
    }
    begin();
    loadA(0);
    if (kind == EXTENDED) {
      clearC1();
      store<u64>(pointer, load<u64>(at));
      store<u16>(pointer, load<u16>(at, 8), 8);
    } else if (kind == SINGLE || kind == DOUBLE) {
      if (kind == SINGLE) formatSingle();
      else formatDouble();
      convertOut(true);
      if ((flags & ~get32(FPU_CONTROL) & (OE | UE)) != 0) {
        enter(flags & ~PE, false);
        return 0;
      }
      if (!settle()) return 0;
      if (kind == SINGLE) store<u32>(pointer, outAsSingle());
      else store<u64>(pointer, outAsDouble());
    } else {
      if (kind & TRUNCATED) setRounding(TRUNCATE);
      const integer = kind & ~TRUNCATED;
      let value = integerOf(integer == INT16 ? 16 : integer == INT32 ? 32 : 64);
      if (integer == BCD && (value > 999999999999999999 || value < -999999999999999999) && !(flags & IE)) {
        clearFlag(PE);
        raiseFlags(IE);
      }
      if (!enter(flags, (flags & PE) != 0 && roundedUp)) return 0;
      if (flags & IE) storeIndefinite(kind, pointer);
      else {
        switch (integer) {
          case INT16: store<u16>(pointer, <u16>value); break;
          case INT32: store<u32>(pointer, <u32>value); break;
          case INT64: store<u64>(pointer, value); break;
          default: storeDecimal(pointer, value < 0 ? -value : value, aSign != 0);
        }
      }
    }
  }
  if (popping) pop();
  return 1;
}

/** FXCH. */
export function x87Exchange(i: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    if (!stackUnderflow()) return;
    if (isEmpty(0)) putNan(0);
    if (isEmpty(i)) putNan(i);
  } else clearC1();
  const first = registerAt(0);
  const second = registerAt(i);
  const significand = load<u64>(first);
  const high = load<u16>(first, 8);
  store<u64>(first, load<u64>(second));
  store<u16>(first, load<u16>(second, 8), 8);
  store<u64>(second, significand);
  store<u16>(second, high, 8);
}
/** FCMOVcc: moves where `condition` isn't 0. */
export function x87ConditionalMove(i: i32, condition: i32): void {
  if (isEmpty(0) || isEmpty(i)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  if (!condition) return;
  const at = registerAt(i);
  put(0, load<u64>(at), load<u16>(at, 8));
}
/** FCHS (0) and FABS (1). */
export function x87Sign(absolute: i32): void {
  if (isEmpty(0)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  clearC1();
  const at = registerAt(0);
  const high = load<u16>(at, 8);
  store<u16>(at, absolute ? high & 0x7fff : high ^ 0x8000, 8);
}
/** FFREE, and FFREEP where `popping`. */
export function x87Free(i: i32, popping: i32): void {
  setEmpty(i);
  clearC1();
  if (popping) pop();
}
/** FINCSTP (1) and FDECSTP (7). */
export function x87MoveTop(delta: i32): void {
  clearC1();
  moveTop(delta);
}

// Others of one operand or two

/** FSQRT (0), FRNDINT (1). */
export function x87Unary(operation: i32): void {
  if (isEmpty(0)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  begin();
  loadA(0);
  if (operation == 0) squareRoot();
  else integralOut();
  if (settle()) storeOut(0);
}

/** FPREM (0) and FPREM1 (1): C2 where the reduction goes on; else C0 C3 C1 are the quotient's low bits 2, 1, 0. */
export function x87Remainder(nearest: i32): void {
  set32(FPU_STATUS, get32(FPU_STATUS) & ~FSW_C2);
  if (isEmpty(0) || isEmpty(1)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  begin();
  formatExtended();
  loadA(0);
  loadB(1);
  remainder(nearest != 0);
  if (!settle()) return;
  storeOut(0);
  if (outKind == QUIET) return;
  if (remainderPartial) return setConditions(FSW_C2);
  const q = remainderQuotient;
  setConditions(((q & 4) != 0 ? FSW_C0 : 0) | ((q & 2) != 0 ? FSW_C3 : 0));
  if (q & 1) set32(FPU_STATUS, get32(FPU_STATUS) | FSW_C1);
}

/** FSCALE: ST(0) × 2^trunc(ST(1)). */
export function x87Scale(): void {
  if (isEmpty(0) || isEmpty(1)) {
    if (stackUnderflow()) putNan(0);
    return;
  }
  begin();
  formatExtended();
  loadA(0);
  loadB(1);
  scale();
  if (settle()) storeOut(0);
}
function scale(): void {
  if (aKind >= QUIET || bKind >= QUIET) return propagateNan();
  if (bKind == INFINITE) {
    if (bSign ? aKind == INFINITE : aKind == ZERO) return outInvalid();
    noteDenormal();
    if (bSign) return outZero(aSign);
    return outInfinity(aSign);
  }
  noteDenormal();
  if (aKind != FINITE) return outA();
  let distance: i32 = 0;
  if (bKind == FINITE && bExponent >= 0) {
    distance = bExponent >= 16 ? 0x10000 : <i32>(bSignificand >> (63 - bExponent));
    if (bSign) distance = -distance;
  }
  roundOut(aSign, aExponent + distance, aSignificand, 0);
  // Too far away even for the adjusted exponent of an unmasked exception: SDM volume 2, FSCALE.
  const unmasked = flags & ~get32(FPU_CONTROL);
  if ((unmasked & UE) != 0 && outExponent < -16382) {
    raiseFlags(PE);
    outZero(aSign);
  } else if ((unmasked & OE) != 0 && outExponent > 16383) {
    raiseFlags(PE);
    noteRoundedUp();
    outInfinity(aSign);
  }
}
function noteDenormal(): void {
  if (aDenormal || bDenormal) raiseFlags(DE);
}

/** FXTRACT: exponent to ST(0), then the significand is pushed. */
export function x87Extract(): void {
  if (isEmpty(0)) {
    if (!stackUnderflow()) return;
    putNan(0);
    push();
    return putNan(0);
  }
  if (!isEmpty(7)) {
    if (!stackOverflow()) return;
    putNan(0);
    push();
    return putNan(0);
  }
  begin();
  formatExtended();
  loadA(0);
  const exponent = aExponent;
  const sign = aSign;
  const significand = aSignificand;
  if (aKind >= QUIET) {
    propagateA();
    if (!settle()) return;
    storeOut(0);
    push();
    return storeOut(0);
  }
  if (aKind == ZERO) {
    raiseFlags(ZE);
    if (!settle()) return;
    outInfinity(1);
    storeOut(0);
    push();
    return put(0, 0, sign << 15);
  }
  if (aKind == INFINITE) {
    settle();
    outInfinity(0);
    storeOut(0);
    push();
    outInfinity(sign);
    return storeOut(0);
  }
  if (aDenormal) raiseFlags(DE);
  if (!settle()) return;
  aFromInteger(exponent);
  convertOut(true);
  storeOut(0);
  push();
  put(0, significand, 0x3fff | sign << 15);
}
