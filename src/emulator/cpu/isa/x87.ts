/** The x87 FPU: rows only; what they compute is in runtime/x87-*.ts (80-bit soft-float). */
import { and, i32, load, type Expr } from '../../wasm/expression.ts';
import { CR0_EM, CR0_TS } from '../arch.ts';
import { CR0, FPU_CONTROL, FPU_STATUS, MXCSR } from '../state-layout.ts';
import type { Emitter } from './emitter.ts';
import { row, type InstructionRow } from './row.ts';
import { requireSse } from './vector-integer.ts';

const X87 = { feature: 'FPU' } as const;
const RARE = { feature: 'FPU', rare: true } as const;

/** #NM where the operating system keeps the FPU to itself. */
function requireX87(e: Emitter): void {
  e.raiseIf(and(e.state('i32', 'u32', CR0), i32(CR0_EM | CR0_TS)), 7);
}
/** The same, and #MF for what an earlier instruction left pending. CR0.NE is taken as 1. */
function requireX87Waiting(e: Emitter): void {
  requireX87(e);
  e.raiseIf(and(e.state('i32', 'u32', FPU_STATUS), i32(0x80)), 16);
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

export const x87Rows: readonly InstructionRow[] = [...controlRows()];
