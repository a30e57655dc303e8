import { add, and, eq, extendS, extendU, i32, i64, load, or, select, shl, shrU, signExtend, wrap, type Expr } from '../../wasm/expression.ts';
import type { ConditionCode, Emitter } from './emitter.ts';
import { row, type InstructionRow } from './row.ts';
import { ARGUMENTS, RAX, RBX, RCX, RDX, SEGMENT_SELECTOR, SEGMENTS } from '../state-layout.ts';

const CONDITIONS = ['O', 'NO', 'B', 'AE', 'E', 'NE', 'BE', 'A', 'S', 'NS', 'P', 'NP', 'L', 'GE', 'LE', 'G'] as const;
const CONDITION_FLAGS = ['o', 'o', 'c', 'c', 'z', 'z', 'cz', 'cz', 's', 's', 'p', 'p', 'so', 'so', 'zso', 'zso'] as const;

/** The rows of an instruction family with a condition in the low four bits of its opcode. */
export function conditionalRows(make: (name: string, code: ConditionCode, nibble: string, read: string) => InstructionRow): InstructionRow[] {
  return CONDITIONS.map((name, code) => make(name, code as ConditionCode, code.toString(16).toUpperCase(), CONDITION_FLAGS[code] ?? ''));
}

const move = (e: Emitter): void => e.write(0, e.read(1));

function exchange(e: Emitter): void {
  const a = e.modify(0);
  const b = e.read(1);
  e.write(0, b);
  e.write(1, a);
}

function extend(from: 8 | 16 | 32, signed: boolean) {
  return (e: Emitter): void => {
    const source = e.read(1);
    if (!signed) e.write(0, e.type === 'i64' ? extendU(source) : source);
    else if (from === 32) e.write(0, e.type === 'i64' ? extendS(source) : source);
    else e.write(0, e.type === 'i64' ? extendS(signExtend(source, from)) : signExtend(source, from));
  };
}

function storeSelector(e: Emitter): void {
  const offset = shl(e.registerNumber(1), i32(5));
  const selector = e.body.let(and(load('i32', 'u32', add(e.stateAddress(SEGMENTS + SEGMENT_SELECTOR), offset)), i32(0xffff)));
  if (e.registerForm) {
    e.write(0, e.type === 'i64' ? extendU(selector) : selector);
    return;
  }
  // Memory takes 16 bits whatever the operand size.
  const pointer = e.pointer(0, 2, 'write');
  e.body.store(16, pointer, selector);
  e.commit(pointer);
}

/** LES, LDS, LSS, LFS, LGS: offset, then selector. */
function loadFarPointer(segment: number) {
  return (e: Emitter): void => {
    const { body } = e;
    const bytes = e.width / 8;
    const pointer = e.pointer(1, bytes + 2, 'read', { alignment: bytes });
    const offset = body.let(e.loadAt(pointer));
    const selector = body.let(load('i32', 'u16', pointer, bytes));
    // The register is written only if the segment could be loaded; the runtime does not touch general registers.
    e.setState(64, ARGUMENTS, extendU(offset));
    e.loadSegmentThen(i32(segment), selector, () => e.write(0, e.type === 'i64' ? e.state('i64', 'u64', ARGUMENTS) : wrap(e.state('i64', 'u64', ARGUMENTS))));
  };
}

/** CMPXCHG8B and CMPXCHG16B. */
function compareExchangeWide(bytes: 8 | 16) {
  return (e: Emitter): void => {
    const { body } = e;
    const pointer = e.pointer(0, bytes, 'modify', { aligned: bytes === 16 });
    if (bytes === 8) {
      const old = body.let(load('i64', 'u64', pointer));
      const expected = or(extendU(e.register(0, 32)), shl(extendU(e.register(2, 32)), i64(32n)));
      const equal = body.let(eq(old, expected));
      body.if(
        equal,
        () => body.store(64, pointer, or(extendU(e.register(3, 32)), shl(extendU(e.register(1, 32)), i64(32n)))),
        () => {
          body.store(64, pointer, old);
          e.setState(64, RAX, and(old, i64(0xffffffffn)));
          e.setState(64, RDX, shrU(old, i64(32n)));
        },
      );
      e.commit(pointer);
      e.setZero(equal);
      return;
    }
    const low = body.let(load('i64', 'u64', pointer));
    const high = body.let(load('i64', 'u64', pointer, 8));
    const equal = body.let(and(eq(low, e.state('i64', 'u64', RAX)), eq(high, e.state('i64', 'u64', RDX))));
    body.if(
      equal,
      () => {
        body.store(64, pointer, e.state('i64', 'u64', RBX));
        body.store(64, pointer, e.state('i64', 'u64', RCX), 8);
      },
      () => {
        body.store(64, pointer, low);
        body.store(64, pointer, high, 8);
        e.setState(64, RAX, low);
        e.setState(64, RDX, high);
      },
    );
    e.commit(pointer);
    e.setZero(equal);
  };
}

const SEGMENT_LOAD = { rare: true, notInUserMode: 'segment registers' } as const;

export const dataTransferRows: readonly InstructionRow[] = [
  row('MOV r/mb, rb', '88 /r', {}, move),
  row('MOV r/mv, rv', '89 /r', {}, move),
  row('MOV rb, r/mb', '8A /r', {}, move),
  row('MOV rv, r/mv', '8B /r', {}, move),
  row('MOV AL, moffs', 'A0', { widths: [8], rare: true }, move),
  row('MOV rAX, moffs', 'A1', { rare: true }, move),
  row('MOV moffs, AL', 'A2', { widths: [8], rare: true }, move),
  row('MOV moffs, rAX', 'A3', { rare: true }, move),
  row('MOV rb, imm8', 'B0+r', {}, move),
  row('MOV rv, immv', 'B8+r', {}, move),
  row('MOV r/mb, imm8', 'C6 /0', {}, move),
  row('MOV r/mv, immz', 'C7 /0', {}, move),
  row('MOVZX rv, r/mb', '0F B6 /r', {}, extend(8, false)),
  row('MOVZX rv, r/mw', '0F B7 /r', {}, extend(16, false)),
  row('MOVSX rv, r/mb', '0F BE /r', {}, extend(8, true)),
  row('MOVSX rv, r/mw', '0F BF /r', {}, extend(16, true)),
  row('MOVSXD rv, r/md', '63 /r', { modes: 'only64' }, (e) => {
    if (e.width !== 16) return extend(32, true)(e);
    // 16 bits of the source are read, and nothing is extended.
    e.write(0, e.registerForm ? e.read(1) : e.body.let(load('i32', 'u16', e.pointer(1, 2, 'read'))));
  }),
  row('MOVBE rv, m', '0F 38 F0 /r', { feature: 'MOVBE', rare: true }, (e) => e.write(0, reversed(e, e.body.let(e.loadAt(e.pointer(1, e.width / 8, 'read')))))),
  row('MOVBE m, rv', '0F 38 F1 /r', { feature: 'MOVBE', rare: true }, (e) => {
    const value = e.body.let(reversed(e, e.read(1)));
    const pointer = e.pointer(0, e.width / 8, 'write');
    e.body.store(e.width as 16 | 32 | 64, pointer, value);
    e.commit(pointer);
  }),
  row('LEA rv, m', '8D /r', {}, (e) => {
    const address = e.effectiveAddress(1);
    e.write(0, e.type === 'i64' ? address : wrap(address));
  }),
  row('XCHG r/mb, rb', '86 /r', { lock: true }, exchange),
  row('XCHG r/mv, rv', '87 /r', { lock: true }, exchange),
  row('XCHG rv, rAX', '90+r', {}, exchange),
  row('NOP', '90', {}, () => undefined),
  row('PAUSE', 'F3 90', {}, () => undefined),
  row('NOP r/mv', '0F 1F /r', { rare: true }, () => undefined),
  row('PREFETCHW m', '0F 0D /r', { rare: true }, () => undefined),
  ...['18', '19', '1A', '1B', '1C', '1D', '1E'].map((opcode) => row('NOP r/mv', `0F ${opcode} /r`, { rare: true }, () => undefined)),
  row('XLATB', 'D7', { rare: true }, (e) => e.setRegister(0, e.translateByte(), 8)),
  ...conditionalRows((name, code, nibble, read) => row(`SET${name} r/mb`, `0F 9${nibble} /r`, { flags: { read } }, (e) => e.write(0, e.condition(code)))),
  ...conditionalRows((name, code, nibble, read) =>
    row(`CMOV${name} rv, r/mv`, `0F 4${nibble} /r`, { flags: { read } }, (e) => {
      const source = e.read(1);
      // A 32-bit move that isn't made still clears the upper half.
      e.write(0, select(e.condition(code), source, e.read(0)));
    }),
  ),
  row('MOV r/mv, Sreg', '8C /r', { rare: true, notInUserMode: 'segment registers' }, storeSelector),
  row('MOV Sreg, r/mw', '8E /r', { ...SEGMENT_LOAD, ends: true }, (e) => {
    const selector = e.read(1);
    e.finish('loadSegment', [e.registerNumber(0), selector]);
  }),
  row('LES rv, m', 'C4 /r', { ...SEGMENT_LOAD, modes: 'no64', ends: true, widths: [16, 32] }, loadFarPointer(0)),
  row('LDS rv, m', 'C5 /r', { ...SEGMENT_LOAD, modes: 'no64', ends: true, widths: [16, 32] }, loadFarPointer(3)),
  row('LSS rv, m', '0F B2 /r', { ...SEGMENT_LOAD, ends: true }, loadFarPointer(2)),
  row('LFS rv, m', '0F B4 /r', { ...SEGMENT_LOAD, ends: true }, loadFarPointer(4)),
  row('LGS rv, m', '0F B5 /r', { ...SEGMENT_LOAD, ends: true }, loadFarPointer(5)),
  row('CMPXCHG8B m', '0F C7 /1', { flags: { written: 'z' }, lock: true }, compareExchangeWide(8)),
  row('CMPXCHG16B m', 'REX.W 0F C7 /1', { flags: { written: 'z' }, lock: true, modes: 'only64', feature: 'CX16' }, compareExchangeWide(16)),
  row('LAHF', '9F', { flags: { read: 'szapc' } }, (e) => {
    const flags = wrap(e.call('readFlags', []) as Expr);
    e.setState(8, RAX + 1, flags);
  }),
  row('SAHF', '9E', { flags: { written: 'szapc' } }, (e) => {
    const ah = e.state('i32', 'u8', RAX + 1);
    const at = (n: number): Expr => e.body.let(and(shrU(ah, i32(n)), i32(1)));
    e.setFlags({ cf: at(0), pf: at(2), af: at(4), zf: at(6), sf: at(7), of: e.flag('of') });
  }),
];

function reversed(e: Emitter, value: Expr): Expr {
  if (e.width === 16) return or(shl(and(value, i32(0xff)), i32(8)), shrU(value, i32(8)));
  const swap = (v: Expr): Expr =>
    or(or(shl(v, i32(24)), shl(and(v, i32(0xff00)), i32(8))), or(and(shrU(v, i32(8)), i32(0xff00)), shrU(v, i32(24))));
  if (e.width === 32) return swap(value);
  const low = e.body.let(wrap(value));
  const high = e.body.let(wrap(shrU(value, i64(32n))));
  return or(shl(extendU(swap(low)), i64(32n)), extendU(swap(high)));
}
