/** MMX and the integer side of SSE to SSE4.2. Floating point is in vector-float.ts. */
import { add, and, eqz, extendU, gtU, i32, i64, load, ltU, mul, or, select, shl, shrU, simd, sub, v128, wrap, type Expr } from '../../wasm/expression.ts';
import { CR0_EM, CR0_TS, CR4_OSFXSR } from '../arch.ts';
import { CR0, CR4, FPU_TAGS, FPU_TOP, XMM } from '../state-layout.ts';
import type { Emitter } from './emitter.ts';
import { raiseIfX87Error } from './x87-error.ts';
import { row, type InstructionRow, type OperandSpec, type RowOptions } from './row.ts';
import { SIMD } from './simd-opcodes.ts';

/** #UD or #NM where the operating system has not opened the SSE registers. */
export function requireSse(e: Emitter): void {
  e.checkOnce('SSE', () => {
    const cr0 = e.state('i32', 'u32', CR0);
    e.raiseIf(or(and(cr0, i32(CR0_EM)), eqz(and(e.state('i32', 'u32', CR4), i32(CR4_OSFXSR)))), 6);
    e.raiseIf(and(cr0, i32(CR0_TS)), 7);
  });
}

/** #UD, #NM or a pending error of the x87; then the x87 stack turns into MMX registers: all valid, TOP 0. */
export function requireMmx(e: Emitter, changesState = true): void {
  e.checkOnce('MMX', () => {
    const cr0 = e.state('i32', 'u32', CR0);
    e.raiseIf(and(cr0, i32(CR0_EM)), 6);
    e.raiseIf(and(cr0, i32(CR0_TS)), 7);
  });
  raiseIfX87Error(e);
  if (changesState) {
    e.beforeEnd(() => {
      e.setState(32, FPU_TOP, i32(0));
      e.setState(32, FPU_TAGS, i32(0));
    });
  }
}

const ZERO = v128(new Uint8Array(16));
const lanes64 = (value: Expr): Expr => simd('v128', SIMD.i64x2_splat, [value]);

/** Source operand `index` as a vector; MMX operands fill the low half. */
export function readVector(e: Emitter, index: number, spec: OperandSpec): Expr {
  const memory = !e.registerForm && spec.includes('/');
  const bytes = spec.endsWith('m128') || spec === 'xmm' || spec === 'Xmm' ? 16 : spec.endsWith('m32') ? 4 : spec.endsWith('m16') ? 2 : 8;
  if (/^(mm|Mm)/.test(spec)) {
    const at = memory ? e.pointer(index, spec === 'mm/m32' ? 4 : 8, 'read') : e.vectorRegister(index);
    const low = spec === 'mm/m32' ? load('i64', 'u32', at) : load('i64', 'u64', at);
    return e.body.let(simd('v128', SIMD.i64x2_replace, [ZERO, low], [0]));
  }
  if (!memory) return e.body.let(load('v128', 'v128', e.vectorRegister(index)));
  if (bytes === 16) return e.body.let(load('v128', 'v128', e.pointer(index, 16, 'read', { aligned: true })));
  const at = e.pointer(index, bytes, 'read');
  return e.body.let(simd('v128', SIMD.i64x2_replace, [ZERO, load('i64', bytes === 8 ? 'u64' : bytes === 4 ? 'u32' : 'u16', at)], [0]));
}

/** Stores a vector into the XMM or MMX register operand `index`; MMX keeps the low half and sets the exponent to ones. */
export function writeVector(e: Emitter, index: number, value: Expr, mmx: boolean): void {
  const at = e.vectorRegister(index);
  if (!mmx) {
    e.body.store(128, at, value);
    return;
  }
  e.body.store(64, at, simd('i64', SIMD.i64x2_extract, [value], [0]));
  e.body.store(16, at, i32(0xffff), 8);
}

type Compute = (a: Expr, b: Expr, e: Emitter, mmx: boolean) => Expr;

/** Rows `name mm, mm/m64` and `name xmm, xmm/m128` of one operation. */
function both(name: string, opcode: string, compute: Compute, options: RowOptions = {}): InstructionRow[] {
  return [mmxRow(name, opcode, compute, options), sseRow(name, opcode, compute, options)];
}
function mmxRow(name: string, opcode: string, compute: Compute, options: RowOptions = {}): InstructionRow {
  // Only the low half of these is used, and read.
  const source = name.startsWith('PUNPCKL') ? 'mm/m32' : 'mm/m64';
  return row(`${name} mm, ${source}`, `NP 0F ${opcode} /r`, { feature: 'MMX', rare: true, ...options }, (e) => {
    requireMmx(e);
    const b = readVector(e, 1, source);
    const a = readVector(e, 0, 'mm');
    writeVector(e, 0, compute(a, b, e, true), true);
  });
}
function sseRow(name: string, opcode: string, compute: Compute, options: RowOptions = {}): InstructionRow {
  return row(`${name} xmm, xmm/m128`, `66 0F ${opcode} /r`, { feature: 'SSE2', ...options }, (e) => {
    requireSse(e);
    const b = readVector(e, 1, 'xmm/m128');
    const a = readVector(e, 0, 'xmm');
    writeVector(e, 0, compute(a, b, e, false), false);
  });
}
const plain = (opcode: number): Compute => (a, b) => simd('v128', opcode, [a, b]);
const shuffle = (mask: readonly number[]): Compute => (a, b) => simd('v128', SIMD.i8x16_shuffle, [a, b], mask);
/** For MMX: what comes to lie in the two middle quarters moves together into the low half. */
const joinLow = (mmx: boolean, whole: Expr): Expr => (mmx ? simd('v128', SIMD.i8x16_shuffle, [whole, ZERO], [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23]) : whole);

const interleave = (size: number, high: boolean, mmx: boolean): number[] => {
  const count = (mmx ? 8 : 16) / size / 2;
  const first = high ? count : 0;
  const mask: number[] = [];
  for (let i = first; i < first + count; i++) {
    for (let j = 0; j < size; j++) mask.push(i * size + j);
    for (let j = 0; j < size; j++) mask.push(16 + i * size + j);
  }
  while (mask.length < 16) mask.push(0);
  return mask;
};
const unpack = (size: number, high: boolean): Compute => (a, b, _e, mmx) => shuffle(interleave(size, high, mmx))(a, b, _e, mmx);

/** Shift by a count that may exceed the lane: then zeros (or, arithmetic, the sign). */
function laneShift(bits: 16 | 32 | 64, opcode: number, arithmetic: boolean): (a: Expr, count: Expr, e: Emitter) => Expr {
  return (a, count, e) => {
    const tooFar = e.body.let(gtU(count, i64(bits - 1)));
    const within = e.body.let(wrap(count));
    if (arithmetic) return simd('v128', opcode, [a, select(tooFar, i32(bits - 1), within)]);
    return select(tooFar, ZERO, simd('v128', opcode, [a, within]));
  };
}
const SHIFTS = [
  ['PSRLW', 'D1', '71', 2, laneShift(16, SIMD.i16x8_shr_u, false)], ['PSRAW', 'E1', '71', 4, laneShift(16, SIMD.i16x8_shr_s, true)], ['PSLLW', 'F1', '71', 6, laneShift(16, SIMD.i16x8_shl, false)],
  ['PSRLD', 'D2', '72', 2, laneShift(32, SIMD.i32x4_shr_u, false)], ['PSRAD', 'E2', '72', 4, laneShift(32, SIMD.i32x4_shr_s, true)], ['PSLLD', 'F2', '72', 6, laneShift(32, SIMD.i32x4_shl, false)],
  ['PSRLQ', 'D3', '73', 2, laneShift(64, SIMD.i64x2_shr_u, false)], ['PSLLQ', 'F3', '73', 6, laneShift(64, SIMD.i64x2_shl, false)],
] as const;

function shiftRows(): InstructionRow[] {
  return SHIFTS.flatMap(([name, opcode, group, digit, compute]) => [
    ...both(name, opcode, (a, b, e) => compute(a, e.body.let(simd('i64', SIMD.i64x2_extract, [b], [0])), e)),
    row(`${name} Mm, imm8`, `NP 0F ${group} /${digit}`, { feature: 'MMX', rare: true }, (e) => {
      requireMmx(e);
      writeVector(e, 0, compute(readVector(e, 0, 'Mm'), e.body.let(extendU(and(e.immediate(1), i32(0xff)))), e), true);
    }),
    row(`${name} Xmm, imm8`, `66 0F ${group} /${digit}`, { feature: 'SSE2' }, (e) => {
      requireSse(e);
      writeVector(e, 0, compute(readVector(e, 0, 'Xmm'), e.body.let(extendU(and(e.immediate(1), i32(0xff)))), e), false);
    }),
  ]);
}

const sequence = (start: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (start + i) & 0xff);
/** Bytes of `a`:`b`… moved by a byte count (i32) up (left) or down; counts above 15 leave zeros. */
function byteShift(a: Expr, count: Expr, left: boolean): Expr {
  const bounded = select(gtU(count, i32(15)), i32(16), count);
  const offsets = simd('v128', SIMD.i8x16_splat, [bounded]);
  // Swizzle gives 0 for indices of 16 and more, also for those that wrapped below 0.
  const indices = simd('v128', left ? SIMD.i8x16_sub : SIMD.i8x16_add, [v128(sequence(0)), offsets]);
  return simd('v128', SIMD.i8x16_swizzle, [a, indices]);
}

const byteShiftRow = (name: string, digit: number, left: boolean): InstructionRow =>
  row(`${name} Xmm, imm8`, `66 0F 73 /${digit}`, { feature: 'SSE2' }, (e) => {
    requireSse(e);
    writeVector(e, 0, byteShift(readVector(e, 0, 'Xmm'), e.body.let(and(e.immediate(1), i32(0xff))), left), false);
  });

/** PALIGNR: bytes from `count` on of destination:source. */
function align(e: Emitter, a: Expr, b: Expr, count: Expr, bytes: 8 | 16): Expr {
  const n = e.body.let(count);
  const joined = bytes === 8 ? simd('v128', SIMD.i8x16_shuffle, [b, a], [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]) : b;
  if (bytes === 8) return byteShift(joined, n, false);
  const low = byteShift(b, n, false);
  const high = select(ltU(n, i32(16)), byteShift(a, sub(i32(16), n), true), byteShift(a, sub(n, i32(16)), false));
  return simd('v128', SIMD.or, [low, high]);
}

/** PSHUFD and its kin: lanes picked by an immediate, at run time, through a table-free swizzle. */
function shuffleByImmediate(e: Emitter, source: Expr, immediate: Expr, laneBytes: 2 | 4, firstByte: number): Expr {
  const { body } = e;
  // Index bytes of the four lanes: (selector * laneBytes + firstByte + byte) each.
  let indices: Expr = v128(sequence(0));
  for (let lane = 0; lane < 4; lane++) {
    const selector = and(shrU(immediate, i32(lane * 2)), i32(3));
    if (laneBytes === 4) {
      const bytes = add(mul(selector, i32(0x04040404)), i32(0x03020100));
      indices = simd('v128', SIMD.i32x4_replace, [indices, bytes], [lane]);
    } else {
      const bytes = add(mul(selector, i32(0x0202)), i32((firstByte + 1) * 256 + firstByte));
      indices = simd('v128', SIMD.i16x8_replace, [indices, bytes], [firstByte / 2 + lane]);
    }
  }
  return simd('v128', SIMD.i8x16_swizzle, [source, body.let(indices)]);
}
const shuffleRow = (name: string, prefix: string, laneBytes: 2 | 4, firstByte: number): InstructionRow =>
  row(`${name} xmm, xmm/m128, imm8`, `${prefix} 0F 70 /r`, { feature: 'SSE2' }, (e) => {
    requireSse(e);
    const source = readVector(e, 1, 'xmm/m128');
    writeVector(e, 0, shuffleByImmediate(e, source, e.immediate(2), laneBytes, firstByte), false);
  });

/** Moves between memory or XMM registers, 16 bytes. */
function moveRows(): InstructionRow[] {
  const forms = [['MOVAPS', 'NP', '28', '29', true], ['MOVAPD', '66', '28', '29', true], ['MOVUPS', 'NP', '10', '11', false], ['MOVUPD', '66', '10', '11', false], ['MOVDQA', '66', '6F', '7F', true], ['MOVDQU', 'F3', '6F', '7F', false]] as const;
  const load16 = (e: Emitter, index: number, aligned: boolean): Expr =>
    e.registerForm ? load('v128', 'v128', e.vectorRegister(index)) : load('v128', 'v128', e.pointer(index, 16, 'read', { aligned }));
  return forms.flatMap(([name, prefix, from, to, aligned]) => [
    row(`${name} xmm, xmm/m128`, `${prefix} 0F ${from} /r`, { feature: 'SSE2' }, (e) => {
      requireSse(e);
      writeVector(e, 0, e.body.let(load16(e, 1, aligned)), false);
    }),
    row(`${name} xmm/m128, xmm`, `${prefix} 0F ${to} /r`, { feature: 'SSE2' }, (e) => {
      requireSse(e);
      storeVector(e, 0, load('v128', 'v128', e.vectorRegister(1)), aligned);
    }),
  ]);
}
function storeVector(e: Emitter, index: number, value: Expr, aligned: boolean): void {
  if (e.registerForm) {
    e.body.store(128, e.vectorRegister(index), value);
    return;
  }
  const pointer = e.pointer(index, 16, 'write', { aligned });
  e.body.store(128, pointer, value);
  e.commit(pointer);
}
function store64(e: Emitter, index: number, value: Expr): void {
  const pointer = e.pointer(index, 8, 'write');
  e.body.store(64, pointer, value);
  e.commit(pointer);
}

const low64 = (e: Emitter, index: number, offset = 0): Expr => load('i64', 'u64', e.vectorRegister(index), offset);

/** Moves of halves and scalars: what they carry is bits, whatever the mnemonic says of it. */
function partialMoves(): InstructionRow[] {
  const sse = (name: string, encoding: string, emit: (e: Emitter) => void): InstructionRow => row(name, encoding, { feature: 'SSE2' }, (e) => { requireSse(e); emit(e); });
  const scalar = (name: string, prefix: string, bits: 32 | 64): InstructionRow[] => [
    sse(`${name} xmm, xmm/m${bits}`, `${prefix} 0F 10 /r`, (e) => {
      if (e.registerForm) {
        if (bits === 32) e.body.store(32, e.vectorRegister(0), load('i32', 'u32', e.vectorRegister(1)));
        else e.body.store(64, e.vectorRegister(0), low64(e, 1));
      } else writeVector(e, 0, readVector(e, 1, `xmm/m${bits}`), false);
    }),
    sse(`${name} xmm/m${bits}, xmm`, `${prefix} 0F 11 /r`, (e) => {
      if (bits === 64) {
        if (e.registerForm) e.body.store(64, e.vectorRegister(0), low64(e, 1));
        else store64(e, 0, low64(e, 1));
        return;
      }
      const value = e.body.let(load('i32', 'u32', e.vectorRegister(1)));
      if (e.registerForm) e.body.store(32, e.vectorRegister(0), value);
      else {
        const pointer = e.pointer(0, 4, 'write');
        e.body.store(32, pointer, value);
        e.commit(pointer);
      }
    }),
  ];
  return [
    ...scalar('MOVSS', 'F3', 32),
    ...scalar('MOVSD', 'F2', 64),
    ...(['NP', '66'] as const).flatMap((prefix, pd) => [
      row(`${pd ? 'MOVLPD' : 'MOVLPS'} xmm, m`, `${prefix} 0F 12 /r`, { feature: 'SSE2', widths: [64] }, (e) => {
        requireSse(e);
        e.body.store(64, e.vectorRegister(0), e.body.let(load('i64', 'u64', e.pointer(1, 8, 'read'))));
      }),
      row(`${pd ? 'MOVLPD' : 'MOVLPS'} m, xmm`, `${prefix} 0F 13 /r`, { feature: 'SSE2', widths: [64] }, (e) => { requireSse(e); store64(e, 0, low64(e, 1)); }),
      row(`${pd ? 'MOVHPD' : 'MOVHPS'} xmm, m`, `${prefix} 0F 16 /r`, { feature: 'SSE2', widths: [64] }, (e) => {
        requireSse(e);
        e.body.store(64, e.vectorRegister(0), e.body.let(load('i64', 'u64', e.pointer(1, 8, 'read'))), 8);
      }),
      row(`${pd ? 'MOVHPD' : 'MOVHPS'} m, xmm`, `${prefix} 0F 17 /r`, { feature: 'SSE2', widths: [64] }, (e) => { requireSse(e); store64(e, 0, low64(e, 1, 8)); }),
    ]),
    sse('MOVHLPS xmm, Xmm', 'NP 0F 12 /r', (e) => e.body.store(64, e.vectorRegister(0), low64(e, 1, 8))),
    sse('MOVLHPS xmm, Xmm', 'NP 0F 16 /r', (e) => e.body.store(64, e.vectorRegister(0), low64(e, 1), 8)),
    sse('MOVSLDUP xmm, xmm/m128', 'F3 0F 12 /r', (e) => { const v = readVector(e, 1, 'xmm/m128'); writeVector(e, 0, shuffle([0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11])(v, v, e, false), false); }),
    sse('MOVSHDUP xmm, xmm/m128', 'F3 0F 16 /r', (e) => { const v = readVector(e, 1, 'xmm/m128'); writeVector(e, 0, shuffle([4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15])(v, v, e, false), false); }),
    sse('MOVDDUP xmm, xmm/m64', 'F2 0F 12 /r', (e) => { const v = readVector(e, 1, 'xmm/m64'); writeVector(e, 0, shuffle([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7])(v, v, e, false), false); }),
    sse('MOVQ xmm, xmm/m64', 'F3 0F 7E /r', (e) => writeVector(e, 0, zeroUpper(readVector(e, 1, 'xmm/m64')), false)),
    sse('MOVQ xmm/m64, xmm', '66 0F D6 /r', (e) => {
      if (e.registerForm) e.body.store(128, e.vectorRegister(0), zeroUpper(load('v128', 'v128', e.vectorRegister(1))));
      else store64(e, 0, low64(e, 1));
    }),
    sse('MOVD xmm, r/my', '66 0F 6E /r', (e) => writeVector(e, 0, simd('v128', SIMD.i64x2_replace, [ZERO, extendU(e.read(1))], [0]), false)),
    sse('MOVD r/my, xmm', '66 0F 7E /r', (e) => e.write(0, e.width === 64 ? low64(e, 1) : load('i32', 'u32', e.vectorRegister(1)))),
    row('MOVD mm, r/my', 'NP 0F 6E /r', { feature: 'MMX', rare: true }, (e) => { requireMmx(e); writeVector(e, 0, simd('v128', SIMD.i64x2_replace, [ZERO, extendU(e.read(1))], [0]), true); }),
    row('MOVD r/my, mm', 'NP 0F 7E /r', { feature: 'MMX', rare: true }, (e) => { requireMmx(e); e.write(0, e.width === 64 ? low64(e, 1) : load('i32', 'u32', e.vectorRegister(1))); }),
    row('MOVQ mm, mm/m64', 'NP 0F 6F /r', { feature: 'MMX', rare: true }, (e) => { requireMmx(e); writeVector(e, 0, readVector(e, 1, 'mm/m64'), true); }),
    row('MOVQ mm/m64, mm', 'NP 0F 7F /r', { feature: 'MMX', rare: true }, (e) => {
      requireMmx(e);
      if (e.registerForm) writeVector(e, 0, readVector(e, 1, 'mm'), true);
      else store64(e, 0, low64(e, 1));
    }),
    row('MOVDQ2Q mm, Xmm', 'F2 0F D6 /r', { feature: 'SSE2', rare: true }, (e) => { requireMmx(e); e.body.store(64, e.vectorRegister(0), low64(e, 1)); e.body.store(16, e.vectorRegister(0), i32(0xffff), 8); }),
    row('MOVQ2DQ xmm, Mm', 'F3 0F D6 /r', { feature: 'SSE2', rare: true }, (e) => { requireMmx(e); writeVector(e, 0, simd('v128', SIMD.i64x2_replace, [ZERO, low64(e, 1)], [0]), false); }),
    row('MOVNTPS m, xmm', 'NP 0F 2B /r', { feature: 'SSE' }, (e) => { requireSse(e); nonTemporal(e); }),
    row('MOVNTPD m, xmm', '66 0F 2B /r', { feature: 'SSE2' }, (e) => { requireSse(e); nonTemporal(e); }),
    row('MOVNTDQ m, xmm', '66 0F E7 /r', { feature: 'SSE2' }, (e) => { requireSse(e); nonTemporal(e); }),
    row('MOVNTQ m, mm', 'NP 0F E7 /r', { feature: 'SSE', rare: true }, (e) => { requireMmx(e); store64(e, 0, low64(e, 1)); }),
    row('MOVNTI m, ry', 'NP 0F C3 /r', { feature: 'SSE2' }, (e) => {
      const value = e.read(1);
      const pointer = e.pointer(0, e.width / 8, 'write');
      e.body.store(e.width as 32 | 64, pointer, value);
      e.commit(pointer);
    }),
    sse('MOVNTDQA xmm, m', '66 0F 38 2A /r', (e) => writeVector(e, 0, e.body.let(load('v128', 'v128', e.pointer(1, 16, 'read', { aligned: true }))), false)),
    sse('LDDQU xmm, m', 'F2 0F F0 /r', (e) => writeVector(e, 0, e.body.let(load('v128', 'v128', e.pointer(1, 16, 'read'))), false)),
    sse('MOVMSKPS ry, Xmm', 'NP 0F 50 /r', (e) => mask(e, SIMD.i32x4_bitmask)),
    sse('MOVMSKPD ry, Xmm', '66 0F 50 /r', (e) => mask(e, SIMD.i64x2_bitmask)),
    sse('PMOVMSKB ry, Xmm', '66 0F D7 /r', (e) => mask(e, SIMD.i8x16_bitmask)),
    row('PMOVMSKB ry, Mm', 'NP 0F D7 /r', { feature: 'SSE', rare: true }, (e) => { requireMmx(e); const m = and(simd('i32', SIMD.i8x16_bitmask, [readVector(e, 1, 'Mm')]), i32(0xff)); e.write(0, e.type === 'i64' ? extendU(m) : m); }),
  ];
}
const zeroUpper = (value: Expr): Expr => simd('v128', SIMD.i64x2_replace, [value, i64(0n)], [1]);
function mask(e: Emitter, opcode: number): void {
  const bits = simd('i32', opcode, [load('v128', 'v128', e.vectorRegister(1))]);
  e.write(0, e.type === 'i64' ? extendU(bits) : bits);
}
function nonTemporal(e: Emitter): void {
  const pointer = e.pointer(0, 16, 'write', { aligned: true });
  e.body.store(128, pointer, load('v128', 'v128', e.vectorRegister(1)));
  e.commit(pointer);
}

// Arithmetic that wasm has no single operation for.
const multiplyHigh = (signed: boolean): Compute => (a, b) => {
  const low = simd('v128', signed ? SIMD.i32x4_extmul_low_i16x8_s : SIMD.i32x4_extmul_low_i16x8_u, [a, b]);
  const high = simd('v128', signed ? SIMD.i32x4_extmul_high_i16x8_s : SIMD.i32x4_extmul_high_i16x8_u, [a, b]);
  return simd('v128', SIMD.i8x16_shuffle, [low, high], [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31]);
};
const evenDwords = (v: Expr, e: Emitter): Expr => shuffle([0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11])(v, v, e, false);
const sumOfDifferences: Compute = (a, b, e) => {
  const difference = e.body.let(simd('v128', SIMD.or, [simd('v128', SIMD.i8x16_sub_sat_u, [a, b]), simd('v128', SIMD.i8x16_sub_sat_u, [b, a])]));
  const words = simd('v128', SIMD.i16x8_extadd_pairwise_i8x16_u, [difference]);
  const dwords = e.body.let(simd('v128', SIMD.i32x4_extadd_pairwise_i16x8_u, [words]));
  const odd = simd('v128', SIMD.i64x2_shr_u, [dwords, i32(32)]);
  return simd('v128', SIMD.and, [simd('v128', SIMD.i32x4_add, [dwords, odd]), lanes64(i64(0xffffffffn))]);
};
/** Packs: destination's lanes, then the source's. In MMX both halves are packed together. */
const pack = (opcode: number): Compute => (a, b, _e, mmx) => joinLow(mmx, simd('v128', opcode, [a, b]));
const sign = (lane: 8 | 16 | 32): Compute => (a, b, e) => {
  const names = { 8: ['i8x16_neg', 'i8x16_gt_s', 'i8x16_eq'], 16: ['i16x8_neg', 'i16x8_gt_s', 'i16x8_eq'], 32: ['i32x4_neg', 'i32x4_gt_s', 'i32x4_eq'] } as const;
  const [negate, greater, equal] = names[lane];
  const negative = simd('v128', SIMD[greater], [ZERO, b]);
  const zero = simd('v128', SIMD[equal], [b, ZERO]);
  const chosen = e.body.let(simd('v128', SIMD.bitselect, [simd('v128', SIMD[negate], [a]), a, negative]));
  return simd('v128', SIMD.andnot, [chosen, zero]);
};
/** Horizontal operations: neighbours of destination:source combined. */
const horizontal = (laneBytes: 2 | 4, opcode: number): Compute => (a, b, e, mmx) => {
  const pick = (offset: number): number[] => {
    const result: number[] = [];
    for (const start of [0, 16]) {
      for (let at = start + offset * laneBytes; at < start + (mmx ? 8 : 16); at += laneBytes * 2) for (let i = 0; i < laneBytes; i++) result.push(at + i);
    }
    while (result.length < 16) result.push(0);
    return result;
  };
  return simd('v128', opcode, [shuffle(pick(0))(a, b, e, mmx), shuffle(pick(1))(a, b, e, mmx)]);
};
const byteShuffle: Compute = (a, b, _e, mmx) => {
  const control = simd('v128', SIMD.and, [b, simd('v128', SIMD.i8x16_splat, [i32(mmx ? 0x87 : 0x8f)])]);
  return simd('v128', SIMD.i8x16_swizzle, [a, control]);
};
const roundedHigh: Compute = (a, b, e) => {
  // PMULHRSW: unlike q15mulr, -1 * -1 gives -1.
  const product = e.body.let(simd('v128', SIMD.i16x8_q15mulr_sat_s, [a, b]));
  const smallest = simd('v128', SIMD.i16x8_splat, [i32(0x8000)]);
  const bothSmallest = simd('v128', SIMD.and, [simd('v128', SIMD.i16x8_eq, [a, smallest]), simd('v128', SIMD.i16x8_eq, [b, smallest])]);
  return simd('v128', SIMD.xor, [product, bothSmallest]);
};
/** PMADDUBSW: unsigned bytes of the destination by signed bytes of the source, pairs added with saturation. */
const multiplyAddBytes: Compute = (a, b, e) => {
  const even = (v: Expr, signed: boolean): Expr => {
    const up = simd('v128', SIMD.i16x8_shl, [v, i32(8)]);
    return simd('v128', signed ? SIMD.i16x8_shr_s : SIMD.i16x8_shr_u, [up, i32(8)]);
  };
  const odd = (v: Expr, signed: boolean): Expr => simd('v128', signed ? SIMD.i16x8_shr_s : SIMD.i16x8_shr_u, [v, i32(8)]);
  const first = simd('v128', SIMD.i16x8_mul, [even(a, false), even(b, true)]);
  const second = simd('v128', SIMD.i16x8_mul, [odd(a, false), odd(b, true)]);
  return simd('v128', SIMD.i16x8_add_sat_s, [e.body.let(first), second]);
};

const SIMPLE: readonly (readonly [name: string, opcode: string, compute: Compute])[] = [
  ['PADDB', 'FC', plain(SIMD.i8x16_add)], ['PADDW', 'FD', plain(SIMD.i16x8_add)], ['PADDD', 'FE', plain(SIMD.i32x4_add)], ['PADDQ', 'D4', plain(SIMD.i64x2_add)],
  ['PSUBB', 'F8', plain(SIMD.i8x16_sub)], ['PSUBW', 'F9', plain(SIMD.i16x8_sub)], ['PSUBD', 'FA', plain(SIMD.i32x4_sub)], ['PSUBQ', 'FB', plain(SIMD.i64x2_sub)],
  ['PADDSB', 'EC', plain(SIMD.i8x16_add_sat_s)], ['PADDSW', 'ED', plain(SIMD.i16x8_add_sat_s)], ['PADDUSB', 'DC', plain(SIMD.i8x16_add_sat_u)], ['PADDUSW', 'DD', plain(SIMD.i16x8_add_sat_u)],
  ['PSUBSB', 'E8', plain(SIMD.i8x16_sub_sat_s)], ['PSUBSW', 'E9', plain(SIMD.i16x8_sub_sat_s)], ['PSUBUSB', 'D8', plain(SIMD.i8x16_sub_sat_u)], ['PSUBUSW', 'D9', plain(SIMD.i16x8_sub_sat_u)],
  ['PMULLW', 'D5', plain(SIMD.i16x8_mul)], ['PMULHW', 'E5', multiplyHigh(true)], ['PMULHUW', 'E4', multiplyHigh(false)], ['PMADDWD', 'F5', plain(SIMD.i32x4_dot_i16x8_s)],
  ['PMULUDQ', 'F4', (a, b, e) => simd('v128', SIMD.i64x2_extmul_low_i32x4_u, [evenDwords(a, e), evenDwords(b, e)])],
  ['PCMPEQB', '74', plain(SIMD.i8x16_eq)], ['PCMPEQW', '75', plain(SIMD.i16x8_eq)], ['PCMPEQD', '76', plain(SIMD.i32x4_eq)],
  ['PCMPGTB', '64', plain(SIMD.i8x16_gt_s)], ['PCMPGTW', '65', plain(SIMD.i16x8_gt_s)], ['PCMPGTD', '66', plain(SIMD.i32x4_gt_s)],
  ['PMINUB', 'DA', plain(SIMD.i8x16_min_u)], ['PMAXUB', 'DE', plain(SIMD.i8x16_max_u)], ['PMINSW', 'EA', plain(SIMD.i16x8_min_s)], ['PMAXSW', 'EE', plain(SIMD.i16x8_max_s)],
  ['PAVGB', 'E0', plain(SIMD.i8x16_avgr_u)], ['PAVGW', 'E3', plain(SIMD.i16x8_avgr_u)], ['PSADBW', 'F6', sumOfDifferences],
  ['PAND', 'DB', plain(SIMD.and)], ['PANDN', 'DF', (a, b) => simd('v128', SIMD.andnot, [b, a])], ['POR', 'EB', plain(SIMD.or)], ['PXOR', 'EF', plain(SIMD.xor)],
  ['PUNPCKLBW', '60', unpack(1, false)], ['PUNPCKLWD', '61', unpack(2, false)], ['PUNPCKLDQ', '62', unpack(4, false)],
  ['PUNPCKHBW', '68', unpack(1, true)], ['PUNPCKHWD', '69', unpack(2, true)], ['PUNPCKHDQ', '6A', unpack(4, true)],
  ['PACKSSWB', '63', pack(SIMD.i8x16_narrow_i16x8_s)], ['PACKUSWB', '67', pack(SIMD.i8x16_narrow_i16x8_u)], ['PACKSSDW', '6B', pack(SIMD.i16x8_narrow_i32x4_s)],
];
const SSSE3: typeof SIMPLE = [
  ['PSHUFB', '38 00', byteShuffle], ['PHADDW', '38 01', horizontal(2, SIMD.i16x8_add)], ['PHADDD', '38 02', horizontal(4, SIMD.i32x4_add)], ['PHADDSW', '38 03', horizontal(2, SIMD.i16x8_add_sat_s)],
  ['PMADDUBSW', '38 04', multiplyAddBytes], ['PHSUBW', '38 05', horizontal(2, SIMD.i16x8_sub)], ['PHSUBD', '38 06', horizontal(4, SIMD.i32x4_sub)], ['PHSUBSW', '38 07', horizontal(2, SIMD.i16x8_sub_sat_s)],
  ['PSIGNB', '38 08', sign(8)], ['PSIGNW', '38 09', sign(16)], ['PSIGND', '38 0A', sign(32)], ['PMULHRSW', '38 0B', roundedHigh],
  ['PABSB', '38 1C', (_a, b) => simd('v128', SIMD.i8x16_abs, [b])], ['PABSW', '38 1D', (_a, b) => simd('v128', SIMD.i16x8_abs, [b])], ['PABSD', '38 1E', (_a, b) => simd('v128', SIMD.i32x4_abs, [b])],
];
const blend = (laneBytes: 1 | 4 | 8): Compute => (a, b, e) => {
  const control = e.state('v128', 'v128', XMM);
  const whole = laneBytes === 1 ? simd('v128', SIMD.i8x16_gt_s, [ZERO, control]) : laneBytes === 4 ? simd('v128', SIMD.i32x4_shr_s, [control, i32(31)]) : simd('v128', SIMD.i64x2_shr_s, [control, i32(63)]);
  return simd('v128', SIMD.bitselect, [b, a, whole]);
};
const SSE4: typeof SIMPLE = [
  ['PBLENDVB', '38 10', blend(1)], ['BLENDVPS', '38 14', blend(4)], ['BLENDVPD', '38 15', blend(8)],
  ['PMULDQ', '38 28', (a, b, e) => simd('v128', SIMD.i64x2_extmul_low_i32x4_s, [evenDwords(a, e), evenDwords(b, e)])], ['PCMPEQQ', '38 29', plain(SIMD.i64x2_eq)],
  ['PACKUSDW', '38 2B', plain(SIMD.i16x8_narrow_i32x4_u)], ['PCMPGTQ', '38 37', plain(SIMD.i64x2_gt_s)],
  ['PMINSB', '38 38', plain(SIMD.i8x16_min_s)], ['PMINSD', '38 39', plain(SIMD.i32x4_min_s)], ['PMINUW', '38 3A', plain(SIMD.i16x8_min_u)], ['PMINUD', '38 3B', plain(SIMD.i32x4_min_u)],
  ['PMAXSB', '38 3C', plain(SIMD.i8x16_max_s)], ['PMAXSD', '38 3D', plain(SIMD.i32x4_max_s)], ['PMAXUW', '38 3E', plain(SIMD.i16x8_max_u)], ['PMAXUD', '38 3F', plain(SIMD.i32x4_max_u)],
  ['PMULLD', '38 40', plain(SIMD.i32x4_mul)],
];

/** PMOVSX and PMOVZX: low lanes of the source, widened. */
function widenRows(): InstructionRow[] {
  const step = (signed: boolean): Record<string, number> => signed
    ? { bw: SIMD.i16x8_extend_low_i8x16_s, wd: SIMD.i32x4_extend_low_i16x8_s, dq: SIMD.i64x2_extend_low_i32x4_s }
    : { bw: SIMD.i16x8_extend_low_i8x16_u, wd: SIMD.i32x4_extend_low_i16x8_u, dq: SIMD.i64x2_extend_low_i32x4_u };
  const forms = [['BW', 0, 'm64', ['bw']], ['BD', 1, 'm32', ['bw', 'wd']], ['BQ', 2, 'm16', ['bw', 'wd', 'dq']], ['WD', 3, 'm64', ['wd']], ['WQ', 4, 'm32', ['wd', 'dq']], ['DQ', 5, 'm64', ['dq']]] as const;
  return [true, false].flatMap((signed) =>
    forms.map(([suffix, digit, memory, steps]) =>
      row(`PMOV${signed ? 'SX' : 'ZX'}${suffix} xmm, xmm/${memory}`, `66 0F 38 ${signed ? 2 : 3}${digit} /r`, { feature: 'SSE4.1', rare: true }, (e) => {
        requireSse(e);
        let value = readVector(e, 1, `xmm/${memory}`);
        for (const name of steps) value = simd('v128', step(signed)[name] as number, [value]);
        writeVector(e, 0, value, false);
      }),
    ),
  );
}

/** PINSR and PEXTR with a lane known only at run time: through memory. */
function insertExtractRows(): InstructionRow[] {
  const lane = (e: Emitter, index: number, laneMask: number, shift: number): Expr => e.body.let(shl(and(e.immediate(index), i32(laneMask)), i32(shift)));
  const rare = { rare: true } as const;
  return [
    row('PINSRW xmm, r/md, imm8', '66 0F C4 /r', { feature: 'SSE2', rare: true }, (e) => {
      requireSse(e);
      const value = e.registerForm ? e.read(1) : e.body.let(load('i32', 'u16', e.pointer(1, 2, 'read')));
      e.body.store(16, add(e.vectorRegister(0), lane(e, 2, 7, 1)), value);
    }),
    row('PINSRW mm, r/md, imm8', 'NP 0F C4 /r', { feature: 'SSE', rare: true }, (e) => {
      requireMmx(e);
      const value = e.registerForm ? e.read(1) : e.body.let(load('i32', 'u16', e.pointer(1, 2, 'read')));
      e.body.store(16, add(e.vectorRegister(0), lane(e, 2, 3, 1)), value);
      e.body.store(16, e.vectorRegister(0), i32(0xffff), 8);
    }),
    row('PEXTRW ry, Xmm, imm8', '66 0F C5 /r', { feature: 'SSE2', rare: true }, (e) => { requireSse(e); const v = load('i32', 'u16', add(e.vectorRegister(1), lane(e, 2, 7, 1))); e.write(0, e.type === 'i64' ? extendU(v) : v); }),
    row('PEXTRW ry, Mm, imm8', 'NP 0F C5 /r', { feature: 'SSE', rare: true }, (e) => { requireMmx(e); const v = load('i32', 'u16', add(e.vectorRegister(1), lane(e, 2, 3, 1))); e.write(0, e.type === 'i64' ? extendU(v) : v); }),
    row('PINSRB xmm, r/md, imm8', '66 0F 3A 20 /r', { feature: 'SSE4.1', ...rare }, (e) => {
      requireSse(e);
      const value = e.registerForm ? e.read(1) : e.body.let(load('i32', 'u8', e.pointer(1, 1, 'read')));
      e.body.store(8, add(e.vectorRegister(0), lane(e, 2, 15, 0)), value);
    }),
    row('PINSRD xmm, r/my, imm8', '66 0F 3A 22 /r', { feature: 'SSE4.1', ...rare }, (e) => {
      requireSse(e);
      const value = e.read(1);
      const wide = e.width === 64;
      e.body.store(wide ? 64 : 32, add(e.vectorRegister(0), lane(e, 2, wide ? 1 : 3, wide ? 3 : 2)), value);
    }),
    row('PEXTRB r/md, xmm, imm8', '66 0F 3A 14 /r', { feature: 'SSE4.1', ...rare }, (e) => extract(e, 8, lane(e, 2, 15, 0))),
    row('PEXTRW r/md, xmm, imm8', '66 0F 3A 15 /r', { feature: 'SSE4.1', ...rare }, (e) => extract(e, 16, lane(e, 2, 7, 1))),
    row('PEXTRD r/my, xmm, imm8', '66 0F 3A 16 /r', { feature: 'SSE4.1', ...rare }, (e) => {
      requireSse(e);
      const wide = e.width === 64;
      const at = add(e.vectorRegister(1), lane(e, 2, wide ? 1 : 3, wide ? 3 : 2));
      e.write(0, e.body.let(wide ? load('i64', 'u64', at) : load('i32', 'u32', at)));
    }),
    row('EXTRACTPS r/md, xmm, imm8', '66 0F 3A 17 /r', { feature: 'SSE4.1', ...rare }, (e) => {
      requireSse(e);
      e.write(0, e.body.let(load('i32', 'u32', add(e.vectorRegister(1), lane(e, 2, 3, 2)))));
    }),
    row('INSERTPS xmm, xmm/m32, imm8', '66 0F 3A 21 /r', { feature: 'SSE4.1', ...rare }, (e) => {
      requireSse(e);
      const { body } = e;
      const immediate = e.immediate(2);
      const from = e.registerForm ? add(e.vectorRegister(1), shl(and(shrU(immediate, i32(6)), i32(3)), i32(2))) : e.pointer(1, 4, 'read');
      const value = body.let(load('i32', 'u32', from));
      const to = e.vectorRegister(0);
      body.store(32, add(to, shl(and(shrU(immediate, i32(4)), i32(3)), i32(2))), value);
      for (let i = 0; i < 4; i++) body.if(and(immediate, i32(1 << i)), () => body.store(32, to, i32(0), i * 4));
    }),
  ];
}
function extract(e: Emitter, bits: 8 | 16, offset: Expr): void {
  requireSse(e);
  const value = e.body.let(load('i32', bits === 8 ? 'u8' : 'u16', add(e.vectorRegister(1), offset)));
  if (e.registerForm) return e.write(0, value);
  const pointer = e.pointer(0, bits / 8, 'write');
  e.body.store(bits, pointer, value);
  e.commit(pointer);
}

const sse4Row = (name: string, opcode: string, emit: (e: Emitter, a: Expr, b: Expr) => void, flags = ''): InstructionRow =>
  row(name, `66 0F ${opcode} /r`, { feature: 'SSE4.1', rare: true, flags: { written: flags } }, (e) => {
    requireSse(e);
    const b = readVector(e, 1, 'xmm/m128');
    emit(e, readVector(e, 0, 'xmm'), b);
  });
/** A v128 mask whose lanes are ones where the immediate's bits are. */
function immediateMask(e: Emitter, immediate: Expr, laneBytes: 2 | 4 | 8): Expr {
  const splat = laneBytes === 2 ? SIMD.i16x8_splat : laneBytes === 4 ? SIMD.i32x4_splat : SIMD.i64x2_splat;
  const equal = laneBytes === 2 ? SIMD.i16x8_eq : laneBytes === 4 ? SIMD.i32x4_eq : SIMD.i64x2_eq;
  const bits = new Uint8Array(16);
  for (let i = 0; i < 16 / laneBytes; i++) bits[i * laneBytes] = 1 << i;
  const value = simd('v128', splat, [laneBytes === 8 ? extendU(immediate) : immediate]);
  return simd('v128', equal, [simd('v128', SIMD.and, [value, v128(bits)]), v128(bits)]);
}
const blendRow = (name: string, opcode: string, laneBytes: 2 | 4 | 8): InstructionRow =>
  sse4Row(`${name} xmm, xmm/m128, imm8`, `3A ${opcode}`, (e, a, b) => writeVector(e, 0, simd('v128', SIMD.bitselect, [b, a, immediateMask(e, e.immediate(2), laneBytes)]), false));

export const vectorIntegerRows: readonly InstructionRow[] = [
  ...moveRows(),
  ...partialMoves(),
  ...SIMPLE.flatMap(([name, opcode, compute]) => both(name, opcode, compute)),
  ...SSSE3.flatMap(([name, opcode, compute]) => both(name, opcode, compute, { feature: 'SSSE3', rare: true })),
  ...SSE4.map(([name, opcode, compute]) => sseRow(name, opcode, compute, { feature: 'SSE4.1', rare: true })),
  sseRow('PUNPCKLQDQ', '6C', shuffle([0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23])),
  sseRow('PUNPCKHQDQ', '6D', shuffle([8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31])),
  ...shiftRows(),
  byteShiftRow('PSRLDQ', 3, false),
  byteShiftRow('PSLLDQ', 7, true),
  shuffleRow('PSHUFD', '66', 4, 0),
  shuffleRow('PSHUFLW', 'F2', 2, 0),
  shuffleRow('PSHUFHW', 'F3', 2, 8),
  row('PSHUFW mm, mm/m64, imm8', 'NP 0F 70 /r', { feature: 'SSE', rare: true }, (e) => {
    requireMmx(e);
    const source = readVector(e, 1, 'mm/m64');
    writeVector(e, 0, shuffleByImmediate(e, source, e.immediate(2), 2, 0), true);
  }),
  row('PALIGNR xmm, xmm/m128, imm8', '66 0F 3A 0F /r', { feature: 'SSSE3', rare: true }, (e) => {
    requireSse(e);
    const b = readVector(e, 1, 'xmm/m128');
    writeVector(e, 0, align(e, readVector(e, 0, 'xmm'), b, and(e.immediate(2), i32(0xff)), 16), false);
  }),
  row('PALIGNR mm, mm/m64, imm8', 'NP 0F 3A 0F /r', { feature: 'SSSE3', rare: true }, (e) => {
    requireMmx(e);
    const b = readVector(e, 1, 'mm/m64');
    writeVector(e, 0, align(e, readVector(e, 0, 'mm'), b, and(e.immediate(2), i32(0xff)), 8), true);
  }),
  ...widenRows(),
  ...insertExtractRows(),
  blendRow('PBLENDW', '0E', 2),
  blendRow('BLENDPS', '0C', 4),
  blendRow('BLENDPD', '0D', 8),
  sse4Row('PTEST xmm, xmm/m128', '38 17', (e, a, b) => {
    const zf = e.body.let(eqz(simd('i32', SIMD.any_true, [simd('v128', SIMD.and, [a, b])])));
    const cf = e.body.let(eqz(simd('i32', SIMD.any_true, [simd('v128', SIMD.andnot, [b, a])])));
    e.setFlags({ cf, pf: i32(0), af: i32(0), zf, sf: i32(0), of: i32(0) });
  }, 'oszapc'),
  row('EMMS', 'NP 0F 77', { feature: 'MMX', rare: true }, (e) => {
    requireMmx(e, false);
    e.setState(32, FPU_TOP, i32(0));
    e.setState(32, FPU_TAGS, i32(0xff));
  }),
  // Fences order nothing: one processor executes everything in order.
  row('LFENCE', 'NP 0F AE E8+i', { feature: 'SSE2', rare: true }, () => undefined),
  row('MFENCE', 'NP 0F AE F0+i', { feature: 'SSE2', rare: true }, () => undefined),
  row('SFENCE', 'NP 0F AE F8+i', { feature: 'SSE', rare: true }, () => undefined),
  row('CLFLUSH m', 'NP 0F AE /7', { feature: 'CLFSH', rare: true }, (e) => void e.pointer(0, 1, 'read')),
  row('MASKMOVDQU xmm, Xmm', '66 0F F7 /r', { feature: 'SSE2', rare: true }, (e) => {
    requireSse(e);
    const { body } = e;
    const selected = body.let(load('v128', 'v128', e.vectorRegister(1)));
    const pointer = e.pointerAt(e.implicitAddress(7), 16, 'modify', { alignment: 8 });
    const control = simd('v128', SIMD.i8x16_gt_s, [ZERO, selected]);
    body.store(128, pointer, simd('v128', SIMD.bitselect, [load('v128', 'v128', e.vectorRegister(0)), load('v128', 'v128', pointer), control]));
    e.commit(pointer);
  }),
];
