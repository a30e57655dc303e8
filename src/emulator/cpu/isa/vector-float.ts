/**
 * SSE floating point. The host's operation is used where its result and MXCSR cannot differ from ours: every exception
 * masked, rounding to nearest, FTZ and DAZ off, PE set already, and operands and result normal or exactly zero. The
 * rest is runtime/sse-float.ts.
 */
import { and, eq, eqz, extendS, f64, geU, i32, i64, load, ltU, mul, or, plain, select, shl, shrU, simd, sub, v128, xor, type Expr } from '../../wasm/expression.ts';
import { ARGUMENTS, FPU_TAGS, FPU_TOP, MXCSR } from '../state-layout.ts';
import type { RuntimeFunction } from '../runtime-functions.ts';
import type { Emitter } from './emitter.ts';
import { row, type InstructionRow, type OperandSpec, type RowOptions } from './row.ts';
import { SIMD } from './simd-opcodes.ts';
import { readVector, requireMmx, requireSse, writeVector } from './vector-integer.ts';

/** What differs between singles and doubles: opcodes of wasm, and limits of the formats. */
interface Precision {
  readonly double: boolean;
  readonly bits: 32 | 64;
  readonly integer: 'i32' | 'i64';
  readonly float: 'f32' | 'f64';
  readonly lanes: 2 | 4;
  readonly memory: 'u32' | 'u64';
  readonly toFloat: number;
  readonly toBits: number;
  /** Twice the smallest normal number as bits, and the bits of infinity, both shifted left once. */
  readonly smallest: Expr;
  readonly infinity: Expr;
  readonly one: Expr;
  readonly scalar: Readonly<Record<'add' | 'sub' | 'mul' | 'div' | 'sqrt' | 'lt' | 'gt' | 'eq', number>>;
  readonly packed: Readonly<Record<'add' | 'sub' | 'mul' | 'div' | 'sqrt' | 'lt' | 'gt' | 'le' | 'ge' | 'eq' | 'abs' | 'allTrue', number>>;
  readonly packedMinimum: Expr;
  readonly packedResultMinimum: Expr;
  readonly packedInfinity: Expr;
  readonly suffix: { readonly packed: 'PS' | 'PD'; readonly scalar: 'SS' | 'SD' };
  readonly prefix: { readonly packed: 'NP' | '66'; readonly scalar: 'F3' | 'F2' };
  readonly source: { readonly scalar: 'xmm/m32' | 'xmm/m64' };
  readonly feature: 'SSE' | 'SSE2';
}
const splat32 = (value: number): Expr => v128(new Uint8Array(Uint32Array.of(value, value, value, value).buffer));
const splat64 = (value: bigint): Expr => v128(new Uint8Array(BigUint64Array.of(value, value).buffer));
const ZERO = v128(new Uint8Array(16));

const SINGLE: Precision = {
  double: false, bits: 32, integer: 'i32', float: 'f32', lanes: 4, memory: 'u32', toFloat: 0xbe, toBits: 0xbc, smallest: i32(0x2000000), infinity: i32(0xff000000), one: i32(1),
  scalar: { add: 0x92, sub: 0x93, mul: 0x94, div: 0x95, sqrt: 0x91, lt: 0x5d, gt: 0x5e, eq: 0x5b },
  packed: { add: 228, sub: 229, mul: 230, div: 231, sqrt: 227, lt: 67, gt: 68, le: 69, ge: 70, eq: 65, abs: 224, allTrue: 163 },
  packedMinimum: splat32(0x800000), packedResultMinimum: splat32(0x1000000), packedInfinity: splat32(0x7f800000),
  suffix: { packed: 'PS', scalar: 'SS' }, prefix: { packed: 'NP', scalar: 'F3' }, source: { scalar: 'xmm/m32' }, feature: 'SSE',
};
const DOUBLE: Precision = {
  double: true, bits: 64, integer: 'i64', float: 'f64', lanes: 2, memory: 'u64', toFloat: 0xbf, toBits: 0xbd, smallest: i64(1n << 54n), infinity: i64(0x7ffn << 53n), one: i64(1),
  scalar: { add: 0xa0, sub: 0xa1, mul: 0xa2, div: 0xa3, sqrt: 0x9f, lt: 0x63, gt: 0x64, eq: 0x61 },
  packed: { add: 240, sub: 241, mul: 242, div: 243, sqrt: 239, lt: 73, gt: 74, le: 75, ge: 76, eq: 71, abs: 236, allTrue: 195 },
  packedMinimum: splat64(1n << 52n), packedResultMinimum: splat64(2n << 52n), packedInfinity: splat64(0x7ffn << 52n),
  suffix: { packed: 'PD', scalar: 'SD' }, prefix: { packed: '66', scalar: 'F2' }, source: { scalar: 'xmm/m64' }, feature: 'SSE2',
};
const BOTH = [SINGLE, DOUBLE] as const;
const F32_PROMOTE = 0xbb;
const F64_DEMOTE = 0xb6;
const F64_ABS = 0x99;
const F64_TRUNC = 0x9d;
const F64_NEAREST = 0x9e;

const flagOf = (value: boolean): Expr => i32(value ? 1 : 0);

/** Whether the host's arithmetic is ours: masks all set, PE set, nearest, no FTZ, no DAZ. */
function hostModes(e: Emitter): Expr {
  return eq(and(e.state('i32', 'u32', MXCSR), i32(0xffe0)), i32(0x1fa0));
}

// Scalars as bits

const scalarAt = (p: Precision, address: Expr): Expr => load(p.integer, p.memory, address);
/** The scalar in the register or memory operand `index`. */
function readScalar(e: Emitter, p: Precision, index: number): Expr {
  return e.body.let(scalarAt(p, e.registerForm ? e.vectorRegister(index) : e.pointer(index, p.bits / 8, 'read')));
}
const toFloat = (p: Precision, bits: Expr): Expr => plain(p.float, p.toFloat, bits);
const toBits = (p: Precision, value: Expr): Expr => plain(p.integer, p.toBits, value);
const withoutSign = (e: Emitter, p: Precision, bits: Expr): Expr => e.body.let(shl(bits, p.one));
/** Of a value shifted left once: neither denormal … */
const notDenormal = (p: Precision, shifted: Expr): Expr => geU(sub(shifted, p.one), sub(shrU(p.smallest, p.one), p.one));
/** … nor NaN. */
const ordered = (p: Precision, shifted: Expr): Expr => eqz(ltU(p.infinity, shifted));
/** Finite and so far from the denormals that nothing was rounded among them. */
const safeResult = (p: Precision, shifted: Expr): Expr => ltU(sub(shifted, p.smallest), sub(p.infinity, p.smallest));

/** Calls the exact function with the source operand in ARGUMENTS. */
function exactly(e: Emitter, p: Precision, source: Expr, name: RuntimeFunction, args: readonly Expr[]): void {
  e.setState(source.type === 'v128' ? 128 : p.bits, ARGUMENTS, source);
  e.callOrFault(name, args, 0);
}

type Operation = 'add' | 'sub' | 'mul' | 'div' | 'sqrt';
const OPERATIONS: readonly (readonly [Operation, string, number])[] = [['sqrt', 'SQRT', 0x51], ['add', 'ADD', 0x58], ['mul', 'MUL', 0x59], ['sub', 'SUB', 0x5c], ['div', 'DIV', 0x5e]];
const hex = (value: number): string => value.toString(16).toUpperCase();

function scalarArithmetic(p: Precision, operation: Operation, opcode: number) {
  return (e: Emitter): void => {
    requireSse(e);
    const { body } = e;
    const b = readScalar(e, p, 1);
    const destination = e.vectorRegister(0);
    const unary = operation === 'sqrt';
    const a = unary ? b : body.let(scalarAt(p, destination));
    const r = body.let(toBits(p, unary ? plain(p.float, p.scalar.sqrt, toFloat(p, b)) : plain(p.float, p.scalar[operation], toFloat(p, a), toFloat(p, b))));
    const shiftedA = withoutSign(e, p, a);
    const shiftedB = unary ? shiftedA : withoutSign(e, p, b);
    const shiftedR = withoutSign(e, p, r);
    // A zero is exact where an operand accounts for it.
    const zero = operation === 'add' || operation === 'sub' ? eqz(shiftedR) : operation === 'mul' ? and(eqz(shiftedR), or(eqz(shiftedA), eqz(shiftedB))) : and(eqz(shiftedR), eqz(shiftedA));
    const operands = unary ? notDenormal(p, shiftedA) : and(notDenormal(p, shiftedA), notDenormal(p, shiftedB));
    body.if(
      and(and(hostModes(e), operands), or(safeResult(p, shiftedR), zero)),
      () => body.store(p.bits, destination, r),
      () => exactly(e, p, b, 'sseArithmetic', [i32(opcode & 15), flagOf(p.double), i32(1), destination]),
    );
  };
}

// Packed

const lane = (p: Precision, name: keyof Precision['packed'], ...args: Expr[]): Expr => simd('v128', p.packed[name], args);
const allTrue = (p: Precision, value: Expr): Expr => simd('i32', p.packed.allTrue, [value]);
const both = (a: Expr, b: Expr): Expr => simd('v128', SIMD.and, [a, b]);
const either = (a: Expr, b: Expr): Expr => simd('v128', SIMD.or, [a, b]);
/** Lanes that are normal, infinite or zero. */
const plainLanes = (p: Precision, value: Expr, zero: Expr): Expr => either(lane(p, 'ge', lane(p, 'abs', value), p.packedMinimum), zero);

function packedArithmetic(p: Precision, operation: Operation, opcode: number) {
  return (e: Emitter): void => {
    requireSse(e);
    const { body } = e;
    const b = readVector(e, 1, 'xmm/m128');
    const destination = e.vectorRegister(0);
    const unary = operation === 'sqrt';
    const a = unary ? b : body.let(load('v128', 'v128', destination));
    const r = body.let(unary ? lane(p, 'sqrt', b) : lane(p, operation, a, b));
    const zeroA = body.let(lane(p, 'eq', a, ZERO));
    const zeroB = unary ? zeroA : body.let(lane(p, 'eq', b, ZERO));
    const zeroR = lane(p, 'eq', r, ZERO);
    const magnitude = body.let(lane(p, 'abs', r));
    const safe = both(lane(p, 'ge', magnitude, p.packedResultMinimum), lane(p, 'lt', magnitude, p.packedInfinity));
    const zero = operation === 'add' || operation === 'sub' ? zeroR : operation === 'mul' ? both(zeroR, either(zeroA, zeroB)) : both(zeroR, zeroA);
    const operands = unary ? plainLanes(p, a, zeroA) : both(plainLanes(p, a, zeroA), plainLanes(p, b, zeroB));
    body.if(
      and(hostModes(e), allTrue(p, both(operands, either(safe, zero)))),
      () => body.store(128, destination, r),
      () => exactly(e, p, b, 'sseArithmetic', [i32(opcode & 15), flagOf(p.double), i32(p.lanes), destination]),
    );
  };
}

/** MIN and MAX raise nothing, whatever MXCSR, while no operand is NaN or denormal. */
function minMaxRows(p: Precision): InstructionRow[] {
  return ([['MIN', 0x5d, 'lt'], ['MAX', 0x5f, 'gt']] as const).flatMap(([name, opcode, compare]) => [
    row(`${name}${p.suffix.packed} xmm, xmm/m128`, `${p.prefix.packed} 0F ${hex(opcode)} /r`, { feature: p.feature }, (e) => {
      requireSse(e);
      const { body } = e;
      const b = readVector(e, 1, 'xmm/m128');
      const destination = e.vectorRegister(0);
      const a = body.let(load('v128', 'v128', destination));
      const fine = both(plainLanes(p, a, lane(p, 'eq', a, ZERO)), plainLanes(p, b, lane(p, 'eq', b, ZERO)));
      body.if(
        allTrue(p, fine),
        () => body.store(128, destination, simd('v128', SIMD.bitselect, [a, b, lane(p, compare, a, b)])),
        () => exactly(e, p, b, 'sseArithmetic', [i32(opcode & 15), flagOf(p.double), i32(p.lanes), destination]),
      );
    }),
    row(`${name}${p.suffix.scalar} xmm, ${p.source.scalar}`, `${p.prefix.scalar} 0F ${hex(opcode)} /r`, { feature: p.feature }, (e) => {
      requireSse(e);
      const { body } = e;
      const b = readScalar(e, p, 1);
      const destination = e.vectorRegister(0);
      const a = body.let(scalarAt(p, destination));
      body.if(
        plainScalars(e, p, a, b),
        () => body.store(p.bits, destination, select(plain('i32', p.scalar[compare], toFloat(p, a), toFloat(p, b)), a, b)),
        () => exactly(e, p, b, 'sseArithmetic', [i32(opcode & 15), flagOf(p.double), i32(1), destination]),
      );
    }),
  ]);
}
/** Neither NaN nor denormal, both. */
function plainScalars(e: Emitter, p: Precision, a: Expr, b: Expr): Expr {
  const shiftedA = withoutSign(e, p, a);
  const shiftedB = withoutSign(e, p, b);
  return and(and(notDenormal(p, shiftedA), notDenormal(p, shiftedB)), and(ordered(p, shiftedA), ordered(p, shiftedB)));
}

function arithmeticRows(p: Precision): InstructionRow[] {
  return OPERATIONS.flatMap(([operation, name, opcode]) => [
    row(`${name}${p.suffix.packed} xmm, xmm/m128`, `${p.prefix.packed} 0F ${hex(opcode)} /r`, { feature: p.feature }, packedArithmetic(p, operation, opcode)),
    row(`${name}${p.suffix.scalar} xmm, ${p.source.scalar}`, `${p.prefix.scalar} 0F ${hex(opcode)} /r`, { feature: p.feature }, scalarArithmetic(p, operation, opcode)),
  ]);
}

// Comparisons

/** By the low bits of the immediate: equal, less, less or equal, unordered; bit 2 negates. Without NaNs none is unordered. */
function chosenByPredicate(predicate: Expr, equal: Expr, less: Expr, lessOrEqual: Expr, none: Expr): Expr {
  const kind = and(predicate, i32(3));
  return select(eqz(kind), equal, select(eq(kind, i32(1)), less, select(eq(kind, i32(2)), lessOrEqual, none)));
}
function compareRows(p: Precision): InstructionRow[] {
  const quietFlags = (name: string, opcode: string, quiet: boolean): InstructionRow =>
    row(`${name}${p.suffix.scalar} xmm, ${p.source.scalar}`, `${p.prefix.packed} 0F ${opcode} /r`, { feature: p.feature, flags: { written: 'oszapc' } }, (e) => {
      requireSse(e);
      const { body } = e;
      const b = readScalar(e, p, 1);
      const destination = e.vectorRegister(0);
      const a = body.let(scalarAt(p, destination));
      const result = body.newLocal('i32');
      body.if(
        plainScalars(e, p, a, b),
        () => body.set(result, or(plain('i32', p.scalar.lt, toFloat(p, a), toFloat(p, b)), shl(plain('i32', p.scalar.eq, toFloat(p, a), toFloat(p, b)), i32(2)))),
        () => {
          e.setState(p.bits, ARGUMENTS, b);
          body.set(result, e.callOrFault('sseCompareFlags', [flagOf(quiet), flagOf(p.double), destination], 0));
        },
      );
      const bit = (n: number): Expr => and(shrU(result, i32(n)), i32(1));
      e.setFlags({ cf: bit(0), pf: bit(1), zf: bit(2), af: i32(0), sf: i32(0), of: i32(0) });
    });
  return [
    row(`CMP${p.suffix.packed} xmm, xmm/m128, imm8`, `${p.prefix.packed} 0F C2 /r`, { feature: p.feature }, (e) => {
      requireSse(e);
      const { body } = e;
      const predicate = body.let(and(e.immediate(2), i32(7)));
      const b = readVector(e, 1, 'xmm/m128');
      const destination = e.vectorRegister(0);
      const a = body.let(load('v128', 'v128', destination));
      const equal = (x: Expr, y: Expr): Expr => lane(p, 'eq', x, y);
      body.if(
        allTrue(p, both(plainLanes(p, a, equal(a, ZERO)), plainLanes(p, b, equal(b, ZERO)))),
        () => {
          const chosen = chosenByPredicate(predicate, equal(a, b), lane(p, 'lt', a, b), lane(p, 'le', a, b), ZERO);
          const negation = simd('v128', SIMD.i32x4_splat, [sub(i32(0), shrU(predicate, i32(2)))]);
          body.store(128, destination, simd('v128', SIMD.xor, [chosen, negation]));
        },
        () => exactly(e, p, b, 'sseCompare', [predicate, flagOf(p.double), i32(p.lanes), destination]),
      );
    }),
    row(`CMP${p.suffix.scalar} xmm, ${p.source.scalar}, imm8`, `${p.prefix.scalar} 0F C2 /r`, { feature: p.feature }, (e) => {
      requireSse(e);
      const { body } = e;
      const predicate = body.let(and(e.immediate(2), i32(7)));
      const b = readScalar(e, p, 1);
      const destination = e.vectorRegister(0);
      const a = body.let(scalarAt(p, destination));
      const equal = (): Expr => plain('i32', p.scalar.eq, toFloat(p, a), toFloat(p, b));
      const less = (): Expr => plain('i32', p.scalar.lt, toFloat(p, a), toFloat(p, b));
      body.if(
        plainScalars(e, p, a, b),
        () => {
          const chosen = body.let(sub(i32(0), xor(chosenByPredicate(predicate, equal(), less(), or(less(), equal()), i32(0)), shrU(predicate, i32(2)))));
          body.store(p.bits, destination, p.double ? extendS(chosen) : chosen);
        },
        () => exactly(e, p, b, 'sseCompare', [predicate, flagOf(p.double), i32(1), destination]),
      );
    }),
    quietFlags('UCOMI', '2E', true),
    quietFlags('COMI', '2F', false),
  ];
}

// Bits and lanes

type Compute = (a: Expr, b: Expr, e: Emitter) => Expr;
function bitRow(name: string, p: Precision, opcode: string, compute: Compute, options: RowOptions = {}): InstructionRow {
  return row(`${name}${p.suffix.packed} xmm, xmm/m128`, `${p.prefix.packed} 0F ${opcode} /r`, { feature: p.feature, ...options }, (e) => {
    requireSse(e);
    const b = readVector(e, 1, 'xmm/m128');
    writeVector(e, 0, compute(readVector(e, 0, 'xmm'), b, e), false);
  });
}
const plainSimd = (opcode: number): Compute => (a, b) => simd('v128', opcode, [a, b]);
const shuffle = (mask: readonly number[]): Compute => (a, b) => simd('v128', SIMD.i8x16_shuffle, [a, b], mask);
const run = (start: number, count: number): number[] => Array.from({ length: count }, (_, n) => start + n);

function logicRows(): InstructionRow[] {
  const lanes = BOTH.flatMap((p) => [
    bitRow('AND', p, '54', plainSimd(SIMD.and)),
    bitRow('ANDN', p, '55', (a, b) => simd('v128', SIMD.andnot, [b, a])),
    bitRow('OR', p, '56', plainSimd(SIMD.or)),
    bitRow('XOR', p, '57', plainSimd(SIMD.xor)),
  ]);
  return [
    ...lanes,
    bitRow('UNPCKL', SINGLE, '14', shuffle([...run(0, 4), ...run(16, 4), ...run(4, 4), ...run(20, 4)])),
    bitRow('UNPCKH', SINGLE, '15', shuffle([...run(8, 4), ...run(24, 4), ...run(12, 4), ...run(28, 4)])),
    bitRow('UNPCKL', DOUBLE, '14', shuffle([...run(0, 8), ...run(16, 8)])),
    bitRow('UNPCKH', DOUBLE, '15', shuffle([...run(8, 8), ...run(24, 8)])),
    row('SHUFPS xmm, xmm/m128, imm8', 'NP 0F C6 /r', { feature: 'SSE' }, (e) => {
      requireSse(e);
      const b = readVector(e, 1, 'xmm/m128');
      const a = readVector(e, 0, 'xmm');
      // Index bytes of the four lanes: (selector × 4 + byte) each.
      let indices: Expr = ZERO;
      const immediate = e.immediate(2);
      for (let n = 0; n < 4; n++) {
        const selector = and(shrU(immediate, i32(n * 2)), i32(3));
        indices = simd('v128', SIMD.i32x4_replace, [indices, or(mul(selector, i32(0x04040404)), i32(0x03020100))], [n]);
      }
      const held = e.body.let(indices);
      const picked = [a, b].map((from) => simd('v128', SIMD.i8x16_swizzle, [from, held])) as [Expr, Expr];
      writeVector(e, 0, simd('v128', SIMD.i8x16_shuffle, picked, [...run(0, 8), ...run(24, 8)]), false);
    }),
    row('SHUFPD xmm, xmm/m128, imm8', '66 0F C6 /r', { feature: 'SSE2' }, (e) => {
      requireSse(e);
      const b = readVector(e, 1, 'xmm/m128');
      const a = readVector(e, 0, 'xmm');
      const immediate = e.immediate(2);
      const half = (from: Expr, bit: number): Expr => select(and(immediate, i32(bit)), simd('i64', SIMD.i64x2_extract, [from], [1]), simd('i64', SIMD.i64x2_extract, [from], [0]));
      const low = simd('v128', SIMD.i64x2_splat, [half(a, 1)]);
      writeVector(e, 0, simd('v128', SIMD.i64x2_replace, [low, half(b, 2)], [1]), false);
    }),
  ];
}

// Conversions. Kinds as runtime/sse-float.ts numbers them.

const KIND = { singleToDouble: 0, doubleToSingle: 1, integerToSingle: 2, singleToInteger: 3, singleToIntegerTruncated: 4, integerToDouble: 5, doubleToInteger: 6, doubleToIntegerTruncated: 7 } as const;

/** Packed conversions between XMM registers: always exact in the runtime, but for `host`, which says when and what wasm does. */
function convertRow(name: string, encoding: string, source: OperandSpec, kind: number, lanes: number, host?: (e: Emitter, from: Expr) => { readonly when: Expr | undefined; readonly value: Expr }): InstructionRow {
  return row(`${name} xmm, ${source}`, encoding, { feature: 'SSE2' }, (e) => {
    requireSse(e);
    const from = readVector(e, 1, source);
    const slow = (): void => {
      e.setState(128, ARGUMENTS, from);
      e.callOrFault('sseConvert', [i32(kind), i32(lanes), i32(1), e.vectorRegister(0)], 0);
    };
    if (!host) return slow();
    const { when, value } = host(e, from);
    if (when) e.body.if(when, () => writeVector(e, 0, value, false), slow);
    else writeVector(e, 0, value, false);
  });
}

/** CVTSI2SS and CVTSI2SD. */
function fromIntegerRow(p: Precision): InstructionRow {
  return row(`CVTSI2${p.suffix.scalar} xmm, r/my`, `${p.prefix.scalar} 0F 2A /r`, { feature: p.feature }, (e) => {
    requireSse(e);
    const { body } = e;
    const value = e.read(1);
    const wide = value.type === 'i64';
    const destination = e.vectorRegister(0);
    const opcode = p.double ? (wide ? 0xb9 : 0xb7) : wide ? 0xb4 : 0xb2;
    const store = (): void => body.store(p.bits, destination, toBits(p, plain(p.float, opcode, value)));
    if (p.double && !wide) return store();
    body.if(hostModes(e), store, () => e.callOrFault('sseFromInteger', [extendS(value), flagOf(p.double), destination], 0));
  });
}
/** CVTSS2SI, CVTTSD2SI and their kin. */
function toIntegerRow(p: Precision, truncated: boolean): InstructionRow {
  return row(`CVT${truncated ? 'T' : ''}${p.suffix.scalar}2SI ry, ${p.source.scalar}`, `${p.prefix.scalar} 0F ${truncated ? '2C' : '2D'} /r`, { feature: p.feature }, (e) => {
    requireSse(e);
    const { body } = e;
    const b = readScalar(e, p, 1);
    const wide = e.type === 'i64';
    const value = body.let(p.double ? toFloat(p, b) : plain('f64', F32_PROMOTE, toFloat(p, b)));
    const integral = body.let(plain('f64', truncated ? F64_TRUNC : F64_NEAREST, value));
    const limit = f64(wide ? 2 ** 63 : 2 ** 31);
    const fits = plain('i32', 0x63, plain('f64', F64_ABS, integral), limit);
    // Integers need no rounding and raise nothing; denormals aren't among them.
    const exact = plain('i32', 0x61, integral, value);
    const fast = and(fits, or(exact, hostModes(e)));
    body.if(
      fast,
      () => e.write(0, wide ? plain('i64', 0xb0, integral) : plain('i32', 0xaa, integral)),
      () => {
        e.setState(p.bits, ARGUMENTS, b);
        e.callOrFault('sseToInteger', [flagOf(p.double), flagOf(truncated), i32(wide ? 64 : 32)], 0);
        e.write(0, wide ? e.state('i64', 'u64', ARGUMENTS) : e.state('i32', 'u32', ARGUMENTS));
      },
    );
  });
}

function scalarConversions(): InstructionRow[] {
  return [
    row('CVTSS2SD xmm, xmm/m32', 'F3 0F 5A /r', { feature: 'SSE2' }, (e) => {
      requireSse(e);
      const b = readScalar(e, SINGLE, 1);
      const shifted = withoutSign(e, SINGLE, b);
      const destination = e.vectorRegister(0);
      e.body.if(
        and(notDenormal(SINGLE, shifted), ordered(SINGLE, shifted)),
        () => e.body.store(64, destination, toBits(DOUBLE, plain('f64', F32_PROMOTE, toFloat(SINGLE, b)))),
        () => exactly(e, SINGLE, b, 'sseConvert', [i32(KIND.singleToDouble), i32(1), i32(0), destination]),
      );
    }),
    row('CVTSD2SS xmm, xmm/m64', 'F2 0F 5A /r', { feature: 'SSE2' }, (e) => {
      requireSse(e);
      const b = readScalar(e, DOUBLE, 1);
      const r = e.body.let(toBits(SINGLE, plain('f32', F64_DEMOTE, toFloat(DOUBLE, b))));
      const destination = e.vectorRegister(0);
      e.body.if(
        and(hostModes(e), or(safeResult(SINGLE, withoutSign(e, SINGLE, r)), eqz(withoutSign(e, DOUBLE, b)))),
        () => e.body.store(32, destination, r),
        () => exactly(e, DOUBLE, b, 'sseConvert', [i32(KIND.doubleToSingle), i32(1), i32(0), destination]),
      );
    }),
    ...BOTH.flatMap((p) => [fromIntegerRow(p), toIntegerRow(p, false), toIntegerRow(p, true)]),
  ];
}

type HostConversion = (e: Emitter, from: Expr) => { readonly when: Expr; readonly value: Expr };
const twice = (value: Expr): Expr => simd('v128', SIMD.i8x16_shuffle, [value, value], [...run(0, 8), ...run(0, 8)]);
/** wasm's conversions to integers, on lanes that were rounded before: they saturate, so what doesn't fit goes to the runtime. */
const I32X4_TRUNC_SAT_F32X4_S = 248;
const I32X4_TRUNC_SAT_F64X2_S_ZERO = 252;
function toIntegers(p: Precision, truncated: boolean): HostConversion {
  const rounding = p.double ? (truncated ? SIMD.f64x2_trunc : SIMD.f64x2_nearest) : truncated ? SIMD.f32x4_trunc : SIMD.f32x4_nearest;
  const limit = p.double ? splat64(0x41e0000000000000n) : splat32(0x4f000000);
  return (e, from) => {
    const integral = e.body.let(simd('v128', rounding, [from]));
    const fits = allTrue(p, lane(p, 'lt', lane(p, 'abs', integral), limit));
    const exact = allTrue(p, lane(p, 'eq', integral, from));
    return { when: and(fits, or(exact, hostModes(e))), value: simd('v128', p.double ? I32X4_TRUNC_SAT_F64X2_S_ZERO : I32X4_TRUNC_SAT_F32X4_S, [integral]) };
  };
}

function packedConversions(): InstructionRow[] {
  const promote: HostConversion = (e, from) => {
    const low = e.body.let(twice(from));
    return { when: allTrue(SINGLE, plainLanes(SINGLE, low, lane(SINGLE, 'eq', low, ZERO))), value: simd('v128', SIMD.f64x2_promote_low_f32x4, [from]) };
  };
  const demote: HostConversion = (e, from) => {
    const value = e.body.let(simd('v128', SIMD.f32x4_demote_f64x2_zero, [from]));
    const magnitude = e.body.let(lane(SINGLE, 'abs', twice(value)));
    const safe = both(lane(SINGLE, 'ge', magnitude, SINGLE.packedResultMinimum), lane(SINGLE, 'lt', magnitude, SINGLE.packedInfinity));
    return { when: and(hostModes(e), allTrue(SINGLE, safe)), value };
  };
  return [
    convertRow('CVTPS2PD', 'NP 0F 5A /r', 'xmm/m64', KIND.singleToDouble, 2, promote),
    convertRow('CVTPD2PS', '66 0F 5A /r', 'xmm/m128', KIND.doubleToSingle, 2, demote),
    convertRow('CVTDQ2PS', 'NP 0F 5B /r', 'xmm/m128', KIND.integerToSingle, 4, (e, from) => ({ when: hostModes(e), value: simd('v128', SIMD.f32x4_convert_i32x4_s, [from]) })),
    convertRow('CVTPS2DQ', '66 0F 5B /r', 'xmm/m128', KIND.singleToInteger, 4, toIntegers(SINGLE, false)),
    convertRow('CVTTPS2DQ', 'F3 0F 5B /r', 'xmm/m128', KIND.singleToIntegerTruncated, 4, toIntegers(SINGLE, true)),
    convertRow('CVTDQ2PD', 'F3 0F E6 /r', 'xmm/m64', KIND.integerToDouble, 2, (_e, from) => ({ when: undefined, value: simd('v128', SIMD.f64x2_convert_low_i32x4_s, [from]) })),
    convertRow('CVTPD2DQ', 'F2 0F E6 /r', 'xmm/m128', KIND.doubleToInteger, 2, toIntegers(DOUBLE, false)),
    convertRow('CVTTPD2DQ', '66 0F E6 /r', 'xmm/m128', KIND.doubleToIntegerTruncated, 2, toIntegers(DOUBLE, true)),
  ];
}

/** The x87 stack turns into MMX registers, also where #XM follows. */
function becomeMmx(e: Emitter): void {
  e.setState(32, FPU_TOP, i32(0));
  e.setState(32, FPU_TAGS, i32(0));
}
/** Between MMX and XMM registers. */
function mmxConversions(): InstructionRow[] {
  const from = (name: string, prefix: string, kind: number): InstructionRow =>
    row(`${name} xmm, mm/m64`, `${prefix} 0F 2A /r`, { feature: 'SSE2', rare: true }, (e) => {
      requireSse(e);
      // A memory operand leaves the x87 state alone in the double form.
      const transition = prefix === 'NP' || e.registerForm;
      if (transition) requireMmx(e, false);
      e.setState(128, ARGUMENTS, readVector(e, 1, 'mm/m64'));
      if (transition) becomeMmx(e);
      e.callOrFault('sseConvert', [i32(kind), i32(2), i32(0), e.vectorRegister(0)], 0);
    });
  const to = (name: string, prefix: string, opcode: string, source: OperandSpec, kind: number): InstructionRow =>
    row(`${name} mm, ${source}`, `${prefix} 0F ${opcode} /r`, { feature: 'SSE2', rare: true }, (e) => {
      requireSse(e);
      requireMmx(e, false);
      e.setState(128, ARGUMENTS, readVector(e, 1, source));
      becomeMmx(e);
      const destination = e.vectorRegister(0);
      e.callOrFault('sseConvert', [i32(kind), i32(2), i32(0), destination], 0);
      e.body.store(16, destination, i32(0xffff), 8);
    });
  return [
    from('CVTPI2PS', 'NP', KIND.integerToSingle),
    from('CVTPI2PD', '66', KIND.integerToDouble),
    to('CVTPS2PI', 'NP', '2D', 'xmm/m64', KIND.singleToInteger),
    to('CVTTPS2PI', 'NP', '2C', 'xmm/m64', KIND.singleToIntegerTruncated),
    to('CVTPD2PI', '66', '2D', 'xmm/m128', KIND.doubleToInteger),
    to('CVTTPD2PI', '66', '2C', 'xmm/m128', KIND.doubleToIntegerTruncated),
  ];
}

// SSE3 and SSE4.1

/** A packed instruction that is always the runtime's. */
function runtimeRow(syntax: string, encoding: string, feature: string, name: RuntimeFunction, args: (e: Emitter) => readonly Expr[]): InstructionRow {
  return row(syntax, encoding, { feature, rare: true }, (e) => {
    requireSse(e);
    const spec = (syntax.split(', ')[1] ?? '') as OperandSpec;
    e.setState(128, ARGUMENTS, readVector(e, 1, spec));
    e.callOrFault(name, [...args(e), e.vectorRegister(0)], 0);
  });
}
function laterRows(): InstructionRow[] {
  const control = (e: Emitter): Expr => e.body.let(and(e.immediate(2), i32(0xff)));
  return [
    ...([[SINGLE, 'F2'], [DOUBLE, '66']] as const).flatMap(([p, prefix]) => [
      runtimeRow(`ADDSUB${p.suffix.packed} xmm, xmm/m128`, `${prefix} 0F D0 /r`, 'SSE3', 'sseArithmetic', () => [i32(0x10), flagOf(p.double), i32(p.lanes)]),
      runtimeRow(`HADD${p.suffix.packed} xmm, xmm/m128`, `${prefix} 0F 7C /r`, 'SSE3', 'sseHorizontal', () => [i32(0), flagOf(p.double)]),
      runtimeRow(`HSUB${p.suffix.packed} xmm, xmm/m128`, `${prefix} 0F 7D /r`, 'SSE3', 'sseHorizontal', () => [i32(1), flagOf(p.double)]),
    ]),
    ...BOTH.flatMap((p, n) => [
      runtimeRow(`ROUND${p.suffix.packed} xmm, xmm/m128, imm8`, `66 0F 3A 0${8 + n} /r`, 'SSE4.1', 'sseRound', (e) => [control(e), flagOf(p.double), i32(p.lanes)]),
      runtimeRow(`ROUND${p.suffix.scalar} xmm, ${p.source.scalar}, imm8`, `66 0F 3A 0${n === 0 ? 'A' : 'B'} /r`, 'SSE4.1', 'sseRound', (e) => [control(e), flagOf(p.double), i32(1)]),
      runtimeRow(`DP${p.suffix.packed} xmm, xmm/m128, imm8`, `66 0F 3A 4${n} /r`, 'SSE4.1', 'sseDotProduct', (e) => [control(e), flagOf(p.double)]),
    ]),
    ...([['RSQRT', '52', 1], ['RCP', '53', 0]] as const).flatMap(([name, opcode, root]) =>
      ([['PS', 'NP', 'xmm/m128', 4], ['SS', 'F3', 'xmm/m32', 1]] as const).map(([suffix, prefix, source, lanes]) =>
        row(`${name}${suffix} xmm, ${source}`, `${prefix} 0F ${opcode} /r`, { feature: 'SSE', rare: true }, (e) => {
          requireSse(e);
          e.setState(128, ARGUMENTS, readVector(e, 1, source));
          e.call('sseApproximate', [i32(root), i32(lanes), e.vectorRegister(0)]);
        }),
      ),
    ),
  ];
}

// The SSE4 instructions of runtime/sse-strings.ts

function stringRows(): InstructionRow[] {
  const compare = (name: string, digit: number, explicit: boolean, index: boolean): InstructionRow =>
    row(`${name} xmm, xmm/m128, imm8`, `66 0F 3A 6${digit} /r`, { feature: 'SSE4.2', rare: true, flags: { written: 'oszapc' }, ...(explicit ? { widths: [32, 64] } : {}) }, (e) => {
      requireSse(e);
      // The only SSE operand of 16 bytes, besides those of moves, that need not be aligned.
      e.setState(128, ARGUMENTS, e.body.let(load('v128', 'v128', e.registerForm ? e.vectorRegister(1) : e.pointer(1, 16, 'read'))));
      const control = e.immediate(2);
      const length = (register: number): Expr => (explicit ? extendS(e.register(register)) : i64(0));
      const result = e.call('sseStringCompare', [control, flagOf(explicit), length(0), length(2), e.vectorRegister(0)]) as Expr;
      if (index) e.setRegister(1, shrU(result, i32(24)), 32);
      else e.call('sseStringMask', [control, result]);
      const bit = (n: number): Expr => and(shrU(result, i32(n)), i32(1));
      e.setFlags({ zf: bit(16), sf: bit(17), cf: bit(18), of: bit(19), af: i32(0), pf: i32(0) });
    });
  const other = (syntax: string, encoding: string, emit: (e: Emitter) => void): InstructionRow =>
    row(syntax, encoding, { feature: 'SSE4.1', rare: true }, (e) => {
      requireSse(e);
      e.setState(128, ARGUMENTS, readVector(e, 1, 'xmm/m128'));
      emit(e);
    });
  return [
    compare('PCMPESTRM', 0, true, false),
    compare('PCMPESTRI', 1, true, true),
    compare('PCMPISTRM', 2, false, false),
    compare('PCMPISTRI', 3, false, true),
    other('MPSADBW xmm, xmm/m128, imm8', '66 0F 3A 42 /r', (e) => void e.call('sseSumsOfDifferences', [e.immediate(2), e.vectorRegister(0)])),
    other('PHMINPOSUW xmm, xmm/m128', '66 0F 38 41 /r', (e) => void e.call('sseLeastWord', [e.vectorRegister(0)])),
  ];
}

export const vectorFloatRows: readonly InstructionRow[] = [
  ...BOTH.flatMap((p) => [...arithmeticRows(p), ...minMaxRows(p), ...compareRows(p)]),
  ...logicRows(),
  ...scalarConversions(),
  ...packedConversions(),
  ...mmxConversions(),
  ...laterRows(),
  ...stringRows(),
];
