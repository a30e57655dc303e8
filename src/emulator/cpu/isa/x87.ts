/** The x87 FPU: rows only; what they compute is in runtime/x87-*.ts (80-bit soft-float). */
import { and, i32, load, ne, shrU, type Expr } from '../../wasm/expression.ts';
import { CR0_EM, CR0_TS } from '../arch.ts';
import { CR0, DS, FPU_CONTROL, FPU_STATUS, MXCSR, PENDING_BYTES, SEGMENT_SELECTOR } from '../state-layout.ts';
import type { ConditionCode, Emitter } from './emitter.ts';
import { row, type InstructionRow, type RowOptions } from './row.ts';
import { requireSse } from './vector-integer.ts';
import { raiseIfX87Error } from './x87-error.ts';

const X87 = { feature: 'FPU' } as const;
const RARE = { feature: 'FPU', rare: true } as const;

/** #NM where the operating system keeps the FPU to itself. */
function requireX87(e: Emitter): void {
  e.checkOnce('x87', () => e.raiseIf(and(e.state('i32', 'u32', CR0), i32(CR0_EM | CR0_TS)), 7));
}
/** The same, and the error that an earlier instruction left pending. */
function requireX87Waiting(e: Emitter): void {
  requireX87(e);
  raiseIfX87Error(e);
}

function store16(e: Emitter, value: Expr): void {
  const pointer = e.pointer(0, 2, 'write');
  e.body.store(16, pointer, value);
  e.commit(pointer);
}

/** Environment and whole state in memory: the runtime takes the operand from the record. */
function stateRow(name: string, encoding: string, waiting: boolean, call: 'x87StoreEnvironment' | 'x87LoadEnvironment' | 'x87Save' | 'x87Restore'): InstructionRow {
  return row(`${name} m`, encoding, { ...RARE, widths: [16, 32] }, (e) => {
    if (waiting) requireX87Waiting(e);
    else requireX87(e);
    e.check(call, [e.record(), i32(e.width)]);
  });
}
function fxRow(name: string, encoding: string, call: 'fxsave' | 'fxrstor'): InstructionRow {
  return row(`${name} m`, encoding, { feature: 'FXSR', rare: true, widths: [32, 64] }, (e) => {
    requireX87(e);
    e.check(call, [e.record(), i32(e.width === 64 ? 1 : 0)]);
  });
}

function controlRows(): InstructionRow[] {
  return [
    row('FNINIT', 'DB E3', RARE, (e) => { requireX87(e); e.call('x87Initialize', []); }),
    row('FNCLEX', 'DB E2', RARE, (e) => { requireX87(e); e.call('x87ClearExceptions', []); }),
    // FNENI, FNDISI and FNSETPM of the 8087 and 80287: no operation since.
    ...['E0', 'E1', 'E4'].map((modrm) => row('FNOP', `DB ${modrm}`, RARE, requireX87)),
    row('FNOP', 'D9 D0', X87, requireX87Waiting),
    row('FLDCW m', 'D9 /5', X87, (e) => {
      requireX87Waiting(e);
      e.call('x87LoadControl', [load('i32', 'u16', e.pointer(0, 2, 'read'))]);
    }),
    row('FNSTCW m', 'D9 /7', X87, (e) => { requireX87(e); store16(e, e.state('i32', 'u32', FPU_CONTROL)); }),
    row('FNSTSW m', 'DD /7', X87, (e) => { requireX87(e); store16(e, e.call('x87StatusWord', []) as Expr); }),
    row('FNSTSW', 'DF E0', X87, (e) => { requireX87(e); e.setRegister(0, e.call('x87StatusWord', []) as Expr, 16); }),
    stateRow('FNSTENV', 'D9 /6', false, 'x87StoreEnvironment'),
    stateRow('FLDENV', 'D9 /4', true, 'x87LoadEnvironment'),
    stateRow('FNSAVE', 'DD /6', false, 'x87Save'),
    stateRow('FRSTOR', 'DD /4', true, 'x87Restore'),
    fxRow('FXSAVE', 'NP 0F AE /0', 'fxsave'),
    fxRow('FXRSTOR', 'NP 0F AE /1', 'fxrstor'),
    row('LDMXCSR m', 'NP 0F AE /2', { feature: 'SSE', rare: true }, (e) => {
      requireSse(e);
      e.callOrFault('loadMxcsr', [load('i32', 'u32', e.pointer(0, 4, 'read'))], 0);
    }),
    row('STMXCSR m', 'NP 0F AE /3', { feature: 'SSE', rare: true }, (e) => {
      requireSse(e);
      const pointer = e.pointer(0, 4, 'write');
      e.body.store(32, pointer, e.state('i32', 'u32', MXCSR));
      e.commit(pointer);
    }),
  ];
}

/** Notes where an unmasked exception came from. `opcode` is FOP: 3 bits of the first byte, 8 of ModRM as far as it is known here. */
function notePending(e: Emitter, opcode: number, memory?: Expr): void {
  e.body.if(and(e.state('i32', 'u32', FPU_STATUS), i32(0x80)), () => {
    e.call('x87Pointers', [e.record(), i32(opcode)]);
    if (memory) e.call('x87OperandPointer', [memory, e.state('i32', 'u32', DS + SEGMENT_SELECTOR)]);
  });
}
function opcodeOf(encoding: string): number {
  const [first, second] = encoding.split(' ') as [string, string];
  const modrm = second.startsWith('/') ? Number(second.slice(1)) << 3 : Number.parseInt(second, 16);
  return ((Number.parseInt(first, 16) & 7) << 8) | modrm;
}
/** A waiting instruction that works on the stack only. */
function stackRow(syntax: string, encoding: string, emit: (e: Emitter) => unknown, options: RowOptions = RARE): InstructionRow {
  return row(syntax, encoding, options, (e) => {
    requireX87Waiting(e);
    emit(e);
    notePending(e, opcodeOf(encoding));
  });
}
/** A waiting instruction that reads `bytes` bytes of memory. */
function readRow(name: string, encoding: string, bytes: number, emit: (e: Emitter, pointer: Expr) => unknown): InstructionRow {
  return row(`${name} m`, encoding, X87, (e) => {
    requireX87Waiting(e);
    emit(e, e.pointer(0, bytes, 'read'));
    notePending(e, opcodeOf(encoding), e.effectiveAddress(0));
  });
}
/** A waiting instruction that stores ST(0) unless an unmasked exception forbids it. */
function storeRow(name: string, encoding: string, bytes: number, kind: number, popping: boolean): InstructionRow {
  return row(`${name} m`, encoding, X87, (e) => {
    requireX87Waiting(e);
    const pointer = e.pointer(0, bytes, 'write');
    const stored = e.call('x87Store', [i32(kind), i32(popping ? 1 : 0), pointer]) as Expr;
    e.body.if(stored, () => e.commit(pointer), () => e.setState(32, PENDING_BYTES, i32(0)));
    notePending(e, opcodeOf(encoding), e.effectiveAddress(0));
  });
}

/** Operations by their number in encodings; 2 and 3 are the comparisons. */
const OPERATIONS = ['ADD', 'MUL', 'COM', 'COMP', 'SUB', 'SUBR', 'DIV', 'DIVR'] as const;
/** Kinds of memory operands: x87-arithmetic.ts. */
const KIND = { single: 0, double: 1, extended: 2, int16: 3, int32: 4, int64: 5, decimal: 6, truncated: 8 } as const;

function arithmeticRows(): InstructionRow[] {
  const memoryForms = [['D8', 'F', KIND.single, 4], ['DC', 'F', KIND.double, 8], ['DA', 'FI', KIND.int32, 4], ['DE', 'FI', KIND.int16, 2]] as const;
  const rows: InstructionRow[] = [];
  const hex = (value: number): string => value.toString(16).toUpperCase();
  OPERATIONS.forEach((name, digit) => {
    const compares = digit === 2 || digit === 3;
    for (const [opcode, prefix, kind, bytes] of memoryForms) {
      rows.push(readRow(prefix + name, `${opcode} /${digit}`, bytes, (e, pointer) => {
        if (compares) e.call('x87CompareMemory', [i32(kind), i32(digit - 2), pointer]);
        else e.call('x87ArithmeticMemory', [i32(digit), i32(kind), pointer]);
      }));
    }
    const modrm = hex(0xc0 + digit * 8);
    if (compares) {
      // DC /2 and /3 and DE /2 with registers are undocumented copies.
      const popping = digit - 2;
      for (const opcode of ['D8', 'DC']) rows.push(stackRow(`F${name} ST(i)`, `${opcode} ${modrm}+i`, (e) => e.call('x87Compare', [e.registerNumber(0), i32(0), i32(popping)]), X87));
      if (digit === 2) rows.push(stackRow('FCOMP ST(i)', 'DE D0+i', (e) => e.call('x87Compare', [e.registerNumber(0), i32(0), i32(1)])));
      return;
    }
    rows.push(stackRow(`F${name} ST(i)`, `D8 ${modrm}+i`, (e) => e.call('x87Arithmetic', [i32(digit), e.registerNumber(0), i32(0), i32(0)]), X87));
    // Into ST(i), the names of the reversed operations change places.
    const other = digit < 4 ? name : (OPERATIONS[digit ^ 1] as string);
    rows.push(stackRow(`F${other} ST(i)`, `DC ${modrm}+i`, (e) => e.call('x87Arithmetic', [i32(digit), e.registerNumber(0), i32(1), i32(0)]), X87));
    rows.push(stackRow(`F${other}P ST(i)`, `DE ${modrm}+i`, (e) => e.call('x87Arithmetic', [i32(digit), e.registerNumber(0), i32(1), i32(1)]), X87));
  });
  return rows;
}

function transferRows(): InstructionRow[] {
  const loads = [['FLD', 'D9 /0', 4, KIND.single], ['FLD', 'DD /0', 8, KIND.double], ['FLD', 'DB /5', 10, KIND.extended], ['FILD', 'DF /0', 2, KIND.int16], ['FILD', 'DB /0', 4, KIND.int32], ['FILD', 'DF /5', 8, KIND.int64], ['FBLD', 'DF /4', 10, KIND.decimal]] as const;
  const stores = [
    ['FST', 'D9 /2', 4, KIND.single, false], ['FSTP', 'D9 /3', 4, KIND.single, true], ['FST', 'DD /2', 8, KIND.double, false], ['FSTP', 'DD /3', 8, KIND.double, true], ['FSTP', 'DB /7', 10, KIND.extended, true],
    ['FIST', 'DF /2', 2, KIND.int16, false], ['FISTP', 'DF /3', 2, KIND.int16, true], ['FIST', 'DB /2', 4, KIND.int32, false], ['FISTP', 'DB /3', 4, KIND.int32, true], ['FISTP', 'DF /7', 8, KIND.int64, true],
    ['FISTTP', 'DF /1', 2, KIND.int16 + KIND.truncated, true], ['FISTTP', 'DB /1', 4, KIND.int32 + KIND.truncated, true], ['FISTTP', 'DD /1', 8, KIND.int64 + KIND.truncated, true], ['FBSTP', 'DF /6', 10, KIND.decimal, true],
  ] as const;
  const constants = ['FLD1', 'FLDL2T', 'FLDL2E', 'FLDPI', 'FLDLG2', 'FLDLN2', 'FLDZ'];
  return [
    ...loads.map(([name, encoding, bytes, kind]) => readRow(name, encoding, bytes, (e, pointer) => e.call('x87Load', [i32(kind), pointer]))),
    ...stores.map(([name, encoding, bytes, kind, popping]) => storeRow(name, encoding, bytes, kind, popping)),
    ...constants.map((name, n) => stackRow(name, `D9 E${(8 + n).toString(16).toUpperCase()}`, (e) => e.call('x87LoadConstant', [i32(n)]))),
    stackRow('FLD ST(i)', 'D9 C0+i', (e) => e.call('x87LoadRegister', [e.registerNumber(0)]), X87),
    stackRow('FST ST(i)', 'DD D0+i', (e) => e.call('x87StoreRegister', [e.registerNumber(0), i32(0)]), X87),
    // The last three are undocumented copies.
    ...['DD D8+i', 'D9 D8+i', 'DF D0+i', 'DF D8+i'].map((encoding) => stackRow('FSTP ST(i)', encoding, (e) => e.call('x87StoreRegister', [e.registerNumber(0), i32(encoding.startsWith('D9') ? 2 : 1)]), X87)),
    ...['D9 C8+i', 'DD C8+i', 'DF C8+i'].map((encoding) => stackRow('FXCH ST(i)', encoding, (e) => e.call('x87Exchange', [e.registerNumber(0)]), X87)),
    stackRow('FFREE ST(i)', 'DD C0+i', (e) => e.call('x87Free', [e.registerNumber(0), i32(0)])),
    stackRow('FFREEP ST(i)', 'DF C0+i', (e) => e.call('x87Free', [e.registerNumber(0), i32(1)])),
    stackRow('FINCSTP', 'D9 F7', (e) => e.call('x87MoveTop', [i32(1)])),
    stackRow('FDECSTP', 'D9 F6', (e) => e.call('x87MoveTop', [i32(7)])),
    ...(['B', 'E', 'BE', 'U'] as const).flatMap((condition, n) =>
      [false, true].map((negated) =>
        stackRow(`FCMOV${negated ? 'N' : ''}${condition} ST(i)`, `${negated ? 'DB' : 'DA'} ${['C0', 'C8', 'D0', 'D8'][n]}+i`, (e) => {
          const code = ((n === 0 ? 2 : n === 1 ? 4 : n === 2 ? 6 : 10) + (negated ? 1 : 0)) as ConditionCode;
          e.call('x87ConditionalMove', [e.registerNumber(0), e.condition(code)]);
        }, { feature: 'CMOV', flags: { read: 'zpc' } }),
      ),
    ),
  ];
}

function comparisonRows(): InstructionRow[] {
  const flagRow = (name: string, encoding: string, quiet: boolean, popping: boolean): InstructionRow =>
    stackRow(`${name} ST(i)`, encoding, (e) => {
      const result = e.call('x87CompareFlags', [e.registerNumber(0), i32(quiet ? 1 : 0), i32(popping ? 1 : 0)]) as Expr;
      e.body.if(ne(result, i32(-1)), () => {
        const bit = (n: number): Expr => and(shrU(result, i32(n)), i32(1));
        e.setFlags({ cf: bit(0), pf: bit(1), zf: bit(2), af: i32(0), sf: i32(0), of: i32(0) });
      });
    }, { feature: 'CMOV', flags: { written: 'oszapc' } });
  return [
    stackRow('FUCOM ST(i)', 'DD E0+i', (e) => e.call('x87Compare', [e.registerNumber(0), i32(1), i32(0)]), X87),
    stackRow('FUCOMP ST(i)', 'DD E8+i', (e) => e.call('x87Compare', [e.registerNumber(0), i32(1), i32(1)]), X87),
    stackRow('FUCOMPP', 'DA E9', (e) => e.call('x87Compare', [i32(1), i32(1), i32(2)]), X87),
    stackRow('FCOMPP', 'DE D9', (e) => e.call('x87Compare', [i32(1), i32(0), i32(2)]), X87),
    flagRow('FCOMI', 'DB F0+i', false, false),
    flagRow('FCOMIP', 'DF F0+i', false, true),
    flagRow('FUCOMI', 'DB E8+i', true, false),
    flagRow('FUCOMIP', 'DF E8+i', true, true),
    stackRow('FTST', 'D9 E4', (e) => e.call('x87Test', [])),
    stackRow('FXAM', 'D9 E5', (e) => e.call('x87Examine', [])),
  ];
}

function unaryRows(): InstructionRow[] {
  return [
    stackRow('FCHS', 'D9 E0', (e) => e.call('x87Sign', [i32(0)]), X87),
    stackRow('FABS', 'D9 E1', (e) => e.call('x87Sign', [i32(1)]), X87),
    stackRow('FSQRT', 'D9 FA', (e) => e.call('x87Unary', [i32(0)])),
    stackRow('FRNDINT', 'D9 FC', (e) => e.call('x87Unary', [i32(1)])),
    stackRow('FPREM', 'D9 F8', (e) => e.call('x87Remainder', [i32(0)])),
    stackRow('FPREM1', 'D9 F5', (e) => e.call('x87Remainder', [i32(1)])),
    stackRow('FSCALE', 'D9 FD', (e) => e.call('x87Scale', [])),
    stackRow('FXTRACT', 'D9 F4', (e) => e.call('x87Extract', [])),
    stackRow('F2XM1', 'D9 F0', (e) => e.call('x87Exponential', [])),
    stackRow('FYL2X', 'D9 F1', (e) => e.call('x87Logarithm', [i32(0)])),
    stackRow('FYL2XP1', 'D9 F9', (e) => e.call('x87Logarithm', [i32(1)])),
    stackRow('FPATAN', 'D9 F3', (e) => e.call('x87ArcTangent', [])),
    stackRow('FSIN', 'D9 FE', (e) => e.call('x87Trigonometric', [i32(0)])),
    stackRow('FCOS', 'D9 FF', (e) => e.call('x87Trigonometric', [i32(1)])),
    stackRow('FPTAN', 'D9 F2', (e) => e.call('x87Trigonometric', [i32(2)])),
    stackRow('FSINCOS', 'D9 FB', (e) => e.call('x87Trigonometric', [i32(3)])),
  ];
}

export const x87Rows: readonly InstructionRow[] = [...controlRows(), ...arithmeticRows(), ...transferRows(), ...comparisonRows(), ...unaryRows()];
