import { add, and, constant, eqz, extendS, extendU, i32, i64, mul, ne, or, shrS, shrU, signExtend, sub, wrap, xor, shl, divU, remU, divS, remS, eq, gtU, type Expr } from '../../wasm/expression.ts';
import type { Emitter } from './emitter.ts';
import { row, type FlagEffects, type InstructionRow } from './row.ts';

const ALL: FlagEffects = { written: 'oszapc' };
const LOGIC: FlagEffects = { written: 'oszpc', undefined: 'a' };

type Operation = 'ADD' | 'OR' | 'ADC' | 'SBB' | 'AND' | 'SUB' | 'XOR' | 'CMP';
const GROUP_1: readonly Operation[] = ['ADD', 'OR', 'ADC', 'SBB', 'AND', 'SUB', 'XOR', 'CMP'];

/** Value of CF in the operand's type. */
function carry(e: Emitter): Expr {
  const cf = e.flag('cf');
  return e.type === 'i64' ? extendU(cf) : cf;
}

function binary(operation: Operation) {
  return (e: Emitter): void => {
    const a = operation === 'CMP' ? e.read(0) : e.modify(0);
    const b = e.read(1);
    const { body } = e;
    switch (operation) {
      case 'ADD':
      case 'ADC': {
        const result = body.let(operation === 'ADD' ? add(a, b) : add(add(a, b), carry(e)));
        e.write(0, result);
        e.flagsAdd(a, b, result);
        break;
      }
      case 'SUB':
      case 'SBB': {
        const result = body.let(operation === 'SUB' ? sub(a, b) : sub(sub(a, b), carry(e)));
        e.write(0, result);
        e.flagsSub(a, b, result);
        break;
      }
      case 'CMP':
        e.flagsSub(a, b, body.let(sub(a, b)));
        break;
      default: {
        const result = body.let(operation === 'AND' ? and(a, b) : operation === 'OR' ? or(a, b) : xor(a, b));
        e.write(0, result);
        e.flagsLogic(result);
      }
    }
  };
}

function test(e: Emitter): void {
  e.flagsLogic(e.body.let(and(e.read(0), e.read(1))));
}

function group1(): InstructionRow[] {
  return GROUP_1.flatMap((name, index) => {
    const opcode = (low: number): string => (index * 8 + low).toString(16).padStart(2, '0').toUpperCase();
    const emit = binary(name);
    const options = { flags: name === 'AND' || name === 'OR' || name === 'XOR' ? LOGIC : ALL, lock: name !== 'CMP' };
    const fixed = { flags: options.flags };
    return [
      row(`${name} r/mb, rb`, `${opcode(0)} /r`, options, emit),
      row(`${name} r/mv, rv`, `${opcode(1)} /r`, options, emit),
      row(`${name} rb, r/mb`, `${opcode(2)} /r`, fixed, emit),
      row(`${name} rv, r/mv`, `${opcode(3)} /r`, fixed, emit),
      row(`${name} AL, imm8`, opcode(4), fixed, emit),
      row(`${name} rAX, immz`, opcode(5), fixed, emit),
      row(`${name} r/mb, imm8`, `80 /${index}`, options, emit),
      row(`${name} r/mv, immz`, `81 /${index}`, options, emit),
      row(`${name} r/mb, imm8`, `82 /${index}`, { ...options, modes: 'no64', rare: true }, emit),
      row(`${name} r/mv, imm8s`, `83 /${index}`, options, emit),
    ];
  });
}

function increment(up: boolean) {
  return (e: Emitter): void => {
    const a = e.modify(0);
    const result = e.body.let(up ? add(a, e.constant(1)) : sub(a, e.constant(1)));
    e.write(0, result);
    if (up) e.flagsInc(result);
    else e.flagsDec(result);
  };
}

function negate(e: Emitter): void {
  const a = e.modify(0);
  const result = e.body.let(sub(e.constant(0), a));
  e.write(0, result);
  e.flagsSub(e.constant(0), a, result);
}

/** Sign-extends a value of the form's width to i64. */
function signed64(value: Expr, width: number): Expr {
  if (width === 64) return value;
  return extendS(width === 32 ? value : signExtend(value, width as 8 | 16));
}

function multiplyWide(signed: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const factor = e.read(0);
    const accumulator = e.register(0);
    let low: Expr;
    let high: Expr;
    if (width === 64) {
      low = body.let(mul(factor, accumulator));
      high = e.call(signed ? 'mulHighSigned' : 'mulHighUnsigned', [factor, accumulator]) as Expr;
    } else {
      const widen = signed ? (v: Expr): Expr => signed64(v, width) : extendU;
      const product = body.let(mul(widen(factor), widen(accumulator)));
      low = body.let(wrap(product));
      high = body.let(wrap(shrU(product, i64(width))));
    }
    if (width === 8) e.setRegister(0, low, 16);
    else {
      e.setRegister(0, low);
      e.setRegister(2, high);
    }
    let overflow: Expr;
    if (!signed) overflow = width === 8 || width === 16 ? ne(and(high, i32((1 << width) - 1)), i32(0)) : ne(high, e.constant(0));
    else if (width === 64) overflow = ne(high, shrS(low, i64(63n)));
    else if (width === 32) overflow = ne(high, shrS(low, i32(31)));
    else overflow = ne(signExtend(low, width as 8 | 16), signExtend(or(and(low, i32((1 << width) - 1)), shl(high, i32(width))), width === 8 ? 16 : 32));
    const flag = body.let(overflow);
    e.flagsResult(low, flag, flag);
  };
}

function multiplyInto(e: Emitter, a: Expr, b: Expr): void {
  const { body, width } = e;
  const result = body.let(mul(a, b));
  let overflow: Expr;
  if (width === 64) {
    // Two numbers of 32 bits have a product of 64 at most: only longer ones need the helper.
    const isShort = (value: Expr): Expr => eq(signExtend(value, 32), value);
    overflow = body.newLocal('i32');
    body.set(overflow, i32(0));
    body.if(eqz(and(isShort(a), isShort(b))), () => {
      const high = e.call('mulHighSigned', [a, b]) as Expr;
      body.set(overflow, ne(high, shrS(result, i64(63n))));
    });
  } else {
    const product = body.let(mul(signed64(a, width), signed64(b, width)));
    overflow = ne(product, signed64(wrap(product), width));
  }
  const flag = body.let(overflow);
  e.write(0, result);
  e.flagsResult(result, flag, flag);
}

function divide(signed: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const divisor = e.read(0);
    if (width === 64) {
      // 128 by 64 bits: the runtime's; it stores the results and returns 0 for #DE.
      e.callOrFault(signed ? 'idiv64' : 'div64', [divisor], 0);
      return;
    }
    e.raiseIf(eqz(divisor), 0);
    const low = e.register(0, width === 8 ? 16 : width);
    const mask = width === 32 ? 0xffffffffn : (1n << BigInt(width)) - 1n;
    let dividend: Expr;
    if (width === 8) dividend = signed ? extendS(signExtend(low, 16)) : extendU(low);
    else if (width === 16) {
      const joined = or(low, shl(e.register(2, 16), i32(16)));
      dividend = signed ? extendS(joined) : extendU(joined);
    } else dividend = or(extendU(low), shl(extendU(e.register(2, 32)), i64(32n)));
    const n = body.let(dividend);
    const d = body.let(signed ? signed64(divisor, width) : extendU(divisor));
    // -2^63 / -1 would trap; it overflows in any case.
    if (signed && width === 32) e.raiseIf(and(eq(n, i64(-(1n << 63n))), eq(d, i64(-1n))), 0);
    const quotient = body.let(signed ? divS(n, d) : divU(n, d));
    const remainder = body.let(signed ? remS(n, d) : remU(n, d));
    e.raiseIf(signed ? ne(signed64(wrap(quotient), width), quotient) : gtU(quotient, i64(mask)), 0);
    if (width === 8) e.setRegister(0, or(and(wrap(quotient), i32(0xff)), shl(wrap(remainder), i32(8))), 16);
    else {
      e.setRegister(0, wrap(quotient));
      e.setRegister(2, wrap(remainder));
    }
  };
}

function exchangeAdd(e: Emitter): void {
  const a = e.modify(0);
  const b = e.read(1);
  const result = e.body.let(add(a, b));
  // The destination first: a register that is both ends up with the sum.
  if (e.registerForm) {
    e.write(1, a);
    e.write(0, result);
  } else {
    e.write(0, result);
    e.write(1, a);
  }
  e.flagsAdd(a, b, result);
}

function compareExchange(e: Emitter): void {
  const { body } = e;
  const destination = e.modify(0);
  const source = e.read(1);
  const accumulator = e.register(0);
  const equal = body.let(eq(accumulator, destination));
  const result = body.let(sub(accumulator, destination));
  body.if(equal, () => e.write(0, source), () => {
    // Memory is written in both cases; a 32-bit register that isn't keeps its upper half.
    if (!e.registerForm) e.write(0, destination);
    e.setRegister(0, destination);
  });
  e.flagsSub(accumulator, destination, result);
}

// Decimal adjustments: SDM volume 2.
function decimalAdjust(subtract: boolean) {
  return (e: Emitter): void => {
    const { body } = e;
    const al = e.register(0, 8);
    const oldCarry = e.flag('cf');
    const lowNibble = body.let(or(gtU(and(al, i32(15)), i32(9)), e.flag('af')));
    const highByte = body.let(or(gtU(al, i32(0x99)), oldCarry));
    const step = body.let(add(mul(lowNibble, i32(6)), mul(highByte, i32(0x60))));
    const result = body.let(and(subtract ? sub(al, step) : add(al, step), i32(0xff)));
    e.setRegister(0, result, 8);
    const borrow = subtract ? and(lowNibble, gtU(i32(6), al)) : i32(0);
    setAdjustFlags(e, result, body.let(or(highByte, borrow)), lowNibble);
  };
}
function setAdjustFlags(e: Emitter, result: Expr, cf: Expr, af: Expr): void {
  e.flagsLogic(result, 8);
  const [pf, zf, sf] = [e.flag('pf'), e.flag('zf'), e.flag('sf')];
  e.setFlags({ cf, pf, af, zf, sf, of: i32(0) });
}
function asciiAdjust(subtract: boolean) {
  return (e: Emitter): void => {
    const { body } = e;
    const ax = e.register(0, 16);
    const adjust = body.let(or(gtU(and(ax, i32(15)), i32(9)), e.flag('af')));
    const step = mul(adjust, i32(0x106));
    const changed = body.let(subtract ? sub(ax, step) : add(ax, step));
    e.setRegister(0, and(changed, i32(0xff0f)), 16);
    setAdjustFlags(e, and(changed, i32(0xf)), adjust, adjust);
  };
}

const DECIMAL = { modes: 'no64', flags: { written: 'szapc', undefined: 'o', read: 'ac' } } as const;
const ASCII = { modes: 'no64', flags: { written: 'ac', undefined: 'oszp', read: 'a' } } as const;
const ASCII_DIVIDE = { modes: 'no64', flags: { written: 'szp', undefined: 'oac' } } as const;
const MULTIPLY: FlagEffects = { written: 'oc', undefined: 'szap' };
const DIVIDE: FlagEffects = { undefined: 'oszapc' };
const STEP: FlagEffects = { written: 'oszap' };

export const arithmeticRows: readonly InstructionRow[] = [
  ...group1(),
  row('TEST r/mb, rb', '84 /r', { flags: LOGIC }, test),
  row('TEST r/mv, rv', '85 /r', { flags: LOGIC }, test),
  row('TEST AL, imm8', 'A8', { flags: LOGIC }, test),
  row('TEST rAX, immz', 'A9', { flags: LOGIC }, test),
  row('TEST r/mb, imm8', 'F6 /0', { flags: LOGIC }, test),
  row('TEST r/mv, immz', 'F7 /0', { flags: LOGIC }, test),
  row('TEST r/mb, imm8', 'F6 /1', { flags: LOGIC, rare: true }, test),
  row('TEST r/mv, immz', 'F7 /1', { flags: LOGIC, rare: true }, test),
  row('INC rv', '40+r', { flags: STEP, modes: 'no64', widths: [16, 32] }, increment(true)),
  row('DEC rv', '48+r', { flags: STEP, modes: 'no64', widths: [16, 32] }, increment(false)),
  row('INC r/mb', 'FE /0', { flags: STEP, lock: true }, increment(true)),
  row('DEC r/mb', 'FE /1', { flags: STEP, lock: true }, increment(false)),
  row('INC r/mv', 'FF /0', { flags: STEP, lock: true }, increment(true)),
  row('DEC r/mv', 'FF /1', { flags: STEP, lock: true }, increment(false)),
  row('NOT r/mb', 'F6 /2', { lock: true }, (e) => e.write(0, xor(e.modify(0), e.constant(-1)))),
  row('NOT r/mv', 'F7 /2', { lock: true }, (e) => e.write(0, xor(e.modify(0), e.constant(-1)))),
  row('NEG r/mb', 'F6 /3', { flags: ALL, lock: true }, negate),
  row('NEG r/mv', 'F7 /3', { flags: ALL, lock: true }, negate),
  row('MUL r/mb', 'F6 /4', { flags: MULTIPLY }, multiplyWide(false)),
  row('MUL r/mv', 'F7 /4', { flags: MULTIPLY }, multiplyWide(false)),
  row('IMUL r/mb', 'F6 /5', { flags: MULTIPLY }, multiplyWide(true)),
  row('IMUL r/mv', 'F7 /5', { flags: MULTIPLY }, multiplyWide(true)),
  row('DIV r/mb', 'F6 /6', { flags: DIVIDE }, divide(false)),
  row('DIV r/mv', 'F7 /6', { flags: DIVIDE }, divide(false)),
  row('IDIV r/mb', 'F6 /7', { flags: DIVIDE }, divide(true)),
  row('IDIV r/mv', 'F7 /7', { flags: DIVIDE }, divide(true)),
  row('IMUL rv, r/mv', '0F AF /r', { flags: MULTIPLY }, (e) => multiplyInto(e, e.read(0), e.read(1))),
  row('IMUL rv, r/mv, immz', '69 /r', { flags: MULTIPLY }, (e) => multiplyInto(e, e.read(1), e.read(2))),
  row('IMUL rv, r/mv, imm8s', '6B /r', { flags: MULTIPLY }, (e) => multiplyInto(e, e.read(1), e.read(2))),
  row('XADD r/mb, rb', '0F C0 /r', { flags: ALL, lock: true }, exchangeAdd),
  row('XADD r/mv, rv', '0F C1 /r', { flags: ALL, lock: true }, exchangeAdd),
  row('CMPXCHG r/mb, rb', '0F B0 /r', { flags: ALL, lock: true }, compareExchange),
  row('CMPXCHG r/mv, rv', '0F B1 /r', { flags: ALL, lock: true }, compareExchange),
  row('DAA', '27', DECIMAL, decimalAdjust(false)),
  row('DAS', '2F', DECIMAL, decimalAdjust(true)),
  row('AAA', '37', ASCII, asciiAdjust(false)),
  row('AAS', '3F', ASCII, asciiAdjust(true)),
  row('AAM imm8', 'D4', { ...ASCII_DIVIDE, widths: [8] }, (e) => {
    const base = e.read(0);
    e.raiseIf(eqz(base), 0);
    const al = e.register(0, 8);
    const rest = e.body.let(remU(al, base));
    e.setRegister(0, or(rest, shl(divU(al, base), i32(8))), 16);
    e.flagsLogic(rest, 8);
  }),
  row('AAD imm8', 'D5', { ...ASCII_DIVIDE, widths: [8] }, (e) => {
    const result = e.body.let(and(add(e.register(0, 8), mul(shrU(e.register(0, 16), i32(8)), e.read(0))), i32(0xff)));
    e.setRegister(0, result, 16);
    e.flagsLogic(result, 8);
  }),
  // CBW, CWDE, CDQE and CWD, CDQ, CQO.
  row('CBW', '98', { widths: [16, 32, 64] }, (e) => {
    const half = e.register(0, (e.width / 2) as 8 | 16 | 32);
    e.setRegister(0, e.width === 64 ? extendS(half) : signExtend(half, (e.width / 2) as 8 | 16));
  }),
  row('CWD', '99', { widths: [16, 32, 64] }, (e) => {
    const value = e.register(0);
    const sign = e.width === 16 ? shrS(signExtend(value, 16), i32(15)) : shrS(value, constant(e.type, e.width - 1));
    e.setRegister(2, sign);
  }),
];
