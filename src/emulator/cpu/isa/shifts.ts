import { and, constant, extendU, gtU, i32, i64, or, rotl, rotr, select, shl, shrS, shrU, signExtend, sub, wrap, xor, remU, type Expr } from '../../wasm/expression.ts';
import type { Emitter } from './emitter.ts';
import { row, type FlagEffects, type InstructionRow } from './row.ts';

const SHIFT: FlagEffects = { written: 'oszpc', undefined: 'a' };
const ROTATE: FlagEffects = { written: 'oc' };
const ROTATE_THROUGH: FlagEffects = { written: 'oc', read: 'c' };

/** The count operand (index 1), masked to 5 or 6 bits, as i32. */
function maskedCount(e: Emitter, index: number): Expr {
  return e.body.let(and(wrap(e.read(index)), i32(e.width === 64 ? 63 : 31)));
}
const widen = (e: Emitter, value: Expr): Expr => (e.type === 'i64' ? extendU(value) : value);

/** Runs `change` only where the (masked) count isn't 0; memory is written back in both cases. */
function shift(compute: (e: Emitter, value: Expr, count: Expr) => { result: Expr; cf: Expr; of: Expr }, changesResultFlags: boolean) {
  return (e: Emitter): void => {
    const { body } = e;
    const value = e.modify(0);
    const count = maskedCount(e, 1);
    body.if(
      count,
      () => {
        const { result, cf, of } = compute(e, value, count);
        e.write(0, result);
        if (changesResultFlags) e.flagsResult(result, cf, of);
        else e.setCarryOverflow(cf, of);
      },
      () => e.write(0, value),
    );
  };
}

const signBit = (e: Emitter, value: Expr): Expr => and(wrap(shrU(value, constant(e.type, e.width - 1))), i32(1));
const bit = (value: Expr, index: Expr): Expr => and(wrap(shrU(value, index)), i32(1));

const shiftLeft = shift((e, value, count) => {
  const n = widen(e, count);
  const result = e.body.let(shl(value, n));
  // The last bit out: bit (width - count), 0 where count exceeds the width.
  const out = e.width < 32 ? bit(shl(value, n), i32(e.width)) : bit(value, sub(e.constant(e.width), n));
  const cf = e.body.let(out);
  return { result, cf, of: xor(cf, signBit(e, result)) };
}, true);

const shiftRight = shift((e, value, count) => {
  const n = e.body.let(widen(e, count));
  const result = e.body.let(shrU(value, n));
  const cf = e.body.let(bit(value, sub(n, e.constant(1))));
  return { result, cf, of: signBit(e, value) };
}, true);

const shiftArithmetic = shift((e, value, count) => {
  const n = e.body.let(widen(e, count));
  const extended = e.body.let(e.width < 32 ? signExtend(value, e.width as 8 | 16) : value);
  const result = e.body.let(shrS(extended, n));
  const cf = e.body.let(bit(shrS(extended, sub(n, e.constant(1))), e.constant(0)));
  return { result, cf, of: i32(0) };
}, true);

const rotateLeft = shift((e, value, count) => {
  const n = e.body.let(widen(e, count));
  let result: Expr;
  if (e.width >= 32) result = rotl(value, n);
  else {
    const within = e.body.let(and(n, i32(e.width - 1)));
    result = or(shl(value, within), shrU(value, sub(i32(e.width), within)));
  }
  const rotated = e.body.let(result);
  const cf = e.body.let(and(wrap(rotated), i32(1)));
  return { result: rotated, cf, of: xor(cf, signBit(e, rotated)) };
}, false);

const rotateRight = shift((e, value, count) => {
  const n = e.body.let(widen(e, count));
  let result: Expr;
  if (e.width >= 32) result = rotr(value, n);
  else {
    const within = e.body.let(and(n, i32(e.width - 1)));
    result = and(or(shrU(value, within), shl(value, sub(i32(e.width), within))), i32((1 << e.width) - 1));
  }
  const rotated = e.body.let(result);
  const cf = e.body.let(signBit(e, rotated));
  return { result: rotated, cf, of: xor(cf, bit(rotated, e.constant(e.width - 2))) };
}, false);

/** RCL and RCR rotate width + 1 bits; counts reduce modulo that for 8 and 16 bits. */
function rotateThroughCarry(left: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const value = e.modify(0);
    const masked = maskedCount(e, 1);
    const count = width < 32 ? body.let(remU(masked, i32(width + 1))) : masked;
    body.if(
      count,
      () => {
        const carry = e.flag('cf');
        let result: Expr;
        let cf: Expr;
        if (width < 32) {
          const joined = body.let(or(value, shl(carry, i32(width))));
          const back = sub(i32(width + 1), count);
          const wide = body.let(left ? or(shl(joined, count), shrU(joined, back)) : or(shrU(joined, count), shl(joined, back)));
          result = body.let(and(wide, i32((1 << width) - 1)));
          cf = body.let(bit(wide, i32(width)));
        } else {
          const n = body.let(widen(e, count));
          const size = e.constant(width);
          const carried = widen(e, carry);
          // The part that went round through the carry; a shift by the whole width would not shift in wasm.
          const twoSteps = body.let(sub(sub(size, n), e.constant(-1)));
          const round = select(gtU(count, i32(1)), left ? shrU(value, twoSteps) : shl(value, twoSteps), e.constant(0));
          if (left) {
            result = body.let(or(or(shl(value, n), shl(carried, sub(n, e.constant(1)))), round));
            cf = body.let(bit(value, sub(size, n)));
          } else {
            result = body.let(or(or(shrU(value, n), shl(carried, sub(size, n))), round));
            cf = body.let(bit(value, sub(n, e.constant(1))));
          }
        }
        const of = left ? xor(cf, signBit(e, result)) : xor(signBit(e, result), bit(result, e.constant(width - 2)));
        e.write(0, result);
        e.setCarryOverflow(cf, of);
      },
      () => e.write(0, value),
    );
  };
}

/** SHLD and SHRD: operand 0 filled from operand 1 by the count in operand 2. */
function doubleShift(left: boolean) {
  return (e: Emitter): void => {
    const { body, width } = e;
    const value = e.modify(0);
    const filler = e.read(1);
    const count = maskedCount(e, 2);
    body.if(
      count,
      () => {
        let result: Expr;
        let cf: Expr;
        if (width === 16) {
          // Counts above 16 are undefined; the bits of value:filler:value are what processors shift through.
          const n = extendU(count);
          const joined = left
            ? or(or(shl(extendU(value), i64(32n)), shl(extendU(filler), i64(16n))), extendU(value))
            : or(or(shl(extendU(value), i64(32n)), shl(extendU(filler), i64(16n))), extendU(value));
          const wide = body.let(joined);
          result = body.let(wrap(left ? shrU(shl(wide, n), i64(32n)) : shrU(wide, n)));
          cf = body.let(left ? bit(shl(wide, n), i64(48n)) : bit(wide, sub(n, i64(1n))));
        } else {
          const n = body.let(widen(e, count));
          const back = body.let(sub(e.constant(width), n));
          result = body.let(left ? or(shl(value, n), shrU(filler, back)) : or(shrU(value, n), shl(filler, back)));
          cf = body.let(left ? bit(value, back) : bit(value, sub(n, e.constant(1))));
        }
        e.write(0, result);
        e.flagsResult(result, cf, xor(signBit(e, result), signBit(e, value)));
      },
      () => e.write(0, value),
    );
  };
}

const GROUP_2 = [
  ['ROL', 0, rotateLeft, ROTATE], ['ROR', 1, rotateRight, ROTATE],
  ['RCL', 2, rotateThroughCarry(true), ROTATE_THROUGH], ['RCR', 3, rotateThroughCarry(false), ROTATE_THROUGH],
  ['SHL', 4, shiftLeft, SHIFT], ['SHR', 5, shiftRight, SHIFT], ['SHL', 6, shiftLeft, SHIFT], ['SAR', 7, shiftArithmetic, SHIFT],
] as const;

export const shiftRows: readonly InstructionRow[] = [
  ...GROUP_2.flatMap(([name, digit, emit, flags]): InstructionRow[] => {
    const options = { flags, rare: digit === 6 };
    return [
      row(`${name} r/mb, imm8`, `C0 /${digit}`, options, emit),
      row(`${name} r/mv, imm8`, `C1 /${digit}`, options, emit),
      row(`${name} r/mb, 1`, `D0 /${digit}`, options, emit),
      row(`${name} r/mv, 1`, `D1 /${digit}`, options, emit),
      row(`${name} r/mb, CL`, `D2 /${digit}`, options, emit),
      row(`${name} r/mv, CL`, `D3 /${digit}`, options, emit),
    ];
  }),
  row('SHLD r/mv, rv, imm8', '0F A4 /r', { flags: SHIFT }, doubleShift(true)),
  row('SHLD r/mv, rv, CL', '0F A5 /r', { flags: SHIFT }, doubleShift(true)),
  row('SHRD r/mv, rv, imm8', '0F AC /r', { flags: SHIFT }, doubleShift(false)),
  row('SHRD r/mv, rv, CL', '0F AD /r', { flags: SHIFT }, doubleShift(false)),
];
