import { add, and, eqz, extendU, i32, i64, load, ne, wrap, type Expr } from '../../wasm/expression.ts';
import { conditionalRows } from './data-transfer.ts';
import type { Emitter } from './emitter.ts';
import { row, type InstructionRow } from './row.ts';
import { RBP, RSP } from '../state-layout.ts';

const BRANCH = { ends: true, in64: 'f64' } as const;
const STACK = { in64: 'd64' } as const;

/** A near target read from a register or memory, as RIP. */
const target = (value: Expr): Expr => extendU(value);

function loop(kind: 'LOOP' | 'LOOPE' | 'LOOPNE' | 'JCXZ') {
  return (e: Emitter): void => {
    const { body } = e;
    const count = e.addressSizedCounter(kind === 'JCXZ' ? 0 : -1);
    if (kind === 'JCXZ') return e.jumpIf(eqz(count), 0);
    const undo = (): void => void e.addressSizedCounter(1);
    const more = ne(count, i64(0n));
    if (kind === 'LOOP') return e.jumpIf(body.let(more), 0, undo);
    const zf = e.flag('zf');
    e.jumpIf(body.let(and(more, kind === 'LOOPE' ? zf : eqz(zf))), 0, undo);
  };
}

export const controlFlowRows: readonly InstructionRow[] = [
  ...conditionalRows((name, code, nibble, read) => row(`J${name} rel8`, `7${nibble}`, { ...BRANCH, flags: { read }, widths: [16, 32, 64] }, (e) => e.jumpIf(e.condition(code), 0))),
  ...conditionalRows((name, code, nibble, read) => row(`J${name} relz`, `0F 8${nibble}`, { ...BRANCH, flags: { read } }, (e) => e.jumpIf(e.condition(code), 0))),
  row('JMP rel8', 'EB', { ...BRANCH, widths: [16, 32, 64] }, (e) => e.jump(0)),
  row('JMP relz', 'E9', BRANCH, (e) => e.jump(0)),
  row('JMP r/mv', 'FF /4', BRANCH, (e) => {
    const to = e.body.let(target(e.read(0)));
    e.checkTarget(to);
    e.jumpTo(to);
  }),
  row('CALL relz', 'E8', BRANCH, (e) => {
    const next = e.nextRip();
    e.checkBranch();
    e.push(e.type === 'i64' ? next : wrap(next));
    e.jump(0);
  }),
  row('CALL r/mv', 'FF /2', BRANCH, (e) => {
    const to = e.body.let(target(e.read(0)));
    const next = e.nextRip();
    e.checkTarget(to);
    e.push(e.type === 'i64' ? next : wrap(next));
    e.jumpTo(to);
  }),
  row('RET', 'C3', { ...BRANCH, widths: [16, 32, 64] }, (e) => {
    const to = e.body.let(target(e.pop()));
    e.checkTarget(to);
    e.commitPop();
    e.jumpTo(to);
  }),
  row('RET imm16', 'C2', { ...BRANCH, widths: [16, 32, 64] }, (e) => {
    const to = e.body.let(target(e.pop()));
    e.checkTarget(to);
    e.commitPop(e.width, and(e.immediate(0), i32(0xffff)));
    e.jumpTo(to);
  }),
  row('LOOPNE rel8', 'E0', { ...BRANCH, flags: { read: 'z' }, widths: [16, 32, 64] }, loop('LOOPNE')),
  row('LOOPE rel8', 'E1', { ...BRANCH, flags: { read: 'z' }, widths: [16, 32, 64] }, loop('LOOPE')),
  row('LOOP rel8', 'E2', { ...BRANCH, widths: [16, 32, 64] }, loop('LOOP')),
  row('JCXZ rel8', 'E3', { ...BRANCH, widths: [16, 32, 64] }, loop('JCXZ')),

  row('PUSH rv', '50+r', STACK, (e) => e.push(e.read(0))),
  row('POP rv', '58+r', STACK, (e) => {
    const value = e.pop();
    e.commitPop();
    e.write(0, value);
  }),
  row('PUSH r/mv', 'FF /6', STACK, (e) => e.push(e.read(0))),
  row('POP r/mv', '8F /0', { ...STACK, rare: true }, (e) => {
    const value = e.pop();
    // The address of a destination by way of RSP counts with RSP already moved; a fault moves it back.
    const before = e.state('i64', 'u64', RSP);
    e.commitPop();
    e.writeOrRestore(0, value, () => e.setState(64, RSP, before));
  }),
  row('PUSH immz', '68', STACK, (e) => e.push(e.read(0))),
  row('PUSH imm8s', '6A', { ...STACK, widths: [16, 32, 64] }, (e) => e.push(e.read(0))),
  row('LEAVE', 'C9', { ...STACK, widths: [16, 32, 64] }, (e) => {
    if (e.width !== 64) return e.finish('leave', [i32(e.width / 8)]);
    const frame = e.state('i64', 'u64', RBP);
    const saved = e.body.let(load('i64', 'u64', e.pointerAt(frame, 8, 'read', { stack: true })));
    e.setState(64, RSP, add(frame, i64(8n)));
    e.setState(64, RBP, saved);
  }),
];
