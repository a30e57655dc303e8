import { beforeEach, describe, expect, it } from 'vitest';
import { CR0, GDTR_BASE, IDTR_BASE, SEGMENT_BASE, TR } from '../../../../src/emulator/cpu/state-layout.ts';
import { CpuRig, DATA_3, GDT, IDT, KERNEL_STACK, type RigMode } from '../../../support/cpu-rig.ts';

const USER_64: RigMode = { bits: 64, cpl: 3 };
const USER_32: RigMode = { bits: 32, cpl: 3 };
const CODE = 0x10000;
const DATA = 0x20000;
const AM = 0x4_0000n;
const AC = 0x4_0000;
const SYSCALL_GATE = 0x80;
/** MOV EAX,[RSI]; INT 80h */
const LOAD = [0x8b, 0x06, 0xcd, SYSCALL_GATE];

let rig: CpuRig;
let interpreted: CpuRig | undefined;
let translated: CpuRig | undefined;

function start(mode: RigMode, code: readonly number[], { am = true, ac = true } = {}): void {
  rig.start(mode, CODE);
  rig.setState64(CR0, 0x8001_0033n | (am ? AM : 0n));
  rig.load(CODE, code);
  rig.flags = 2 | (ac ? AC : 0);
  rig.setRegister(6, DATA + 1);
  rig.follow();
}
/** The handler that the code ends in, with the words of its frame. */
function outcome(wordBytes = 8): { readonly vector: number | undefined; readonly frame: readonly number[] } {
  expect(rig.run(10_000)).toBe('halted');
  const stack = Number(rig.register(4));
  return { vector: rig.handled, frame: [0, 1].map((word) => rig.read32(stack + word * wordBytes)) };
}

describe.each([false, true])('alignment checks, translator %s', (translator) => {
  beforeEach(() => {
    rig = translator ? (translated ??= new CpuRig({ translateAfter: 1 })) : (interpreted ??= new CpuRig());
  });

  it('need CPL 3, CR0.AM and EFLAGS.AC', () => {
    for (const [cpl, am, ac] of [[3, true, true], [3, true, false], [3, false, true], [0, true, true]] as const) {
      start({ bits: 64, cpl }, LOAD, { am, ac });
      const { vector, frame } = outcome();
      const checked = cpl === 3 && am && ac;
      expect([vector, frame[0]], `CPL ${cpl}, AM ${am}, AC ${ac}`).toEqual(checked ? [17, 0] : [SYSCALL_GATE, CODE + LOAD.length]);
      if (checked) expect(frame[1]).toBe(CODE);
    }
  });

  it('hold in 32-bit code, and spare what is aligned', () => {
    start(USER_32, LOAD);
    expect(outcome(4)).toEqual({ vector: 17, frame: [0, CODE] });
    start(USER_32, LOAD);
    rig.setRegister(6, DATA + 4);
    expect(outcome(4).vector).toBe(SYSCALL_GATE);
  });

  it('hold in virtual-8086 mode', () => {
    // At CPL 0 an IRETD there: MOV EAX,[2001h]; the stack pointer 8000h.
    rig.start({ bits: 32, cpl: 0 }, CODE);
    rig.setState64(CR0, 0x8001_0033n | AM);
    const frame = [0, 0, 0, 0, 0, 0x8000, 0x2_3002 | AC, 0x1000, 0x100];
    rig.load(CODE, [...frame.flatMap((value) => [0x68, value & 255, (value >> 8) & 255, (value >> 16) & 255, 0]), 0xcf]);
    rig.load(0x10100, [0x66, 0xa1, 0x01, 0x20, 0xf4]);
    rig.follow();
    expect(outcome(4)).toEqual({ vector: 17, frame: [0, 0x100] });
  });

  it('change nothing: the stack pointer stays', () => {
    for (const code of [[0x50], [0x58], [0xe8, 0, 0, 0, 0], [0xc3], [0xc9], [0xc8, 0, 0, 0]]) {
      start(USER_64, code);
      rig.setRegister(4, DATA + 0x104);
      rig.setRegister(5, DATA + 0x204);
      const { vector } = outcome();
      expect([vector, rig.read32(Number(rig.register(4)) + 8), rig.read32(Number(rig.register(4)) + 32), rig.register(5)]).toEqual([17, CODE, DATA + 0x104, BigInt(DATA + 0x204)]);
    }
  });

  it('come after the address was found good, and before its page is looked for', () => {
    start(USER_64, LOAD);
    rig.setRegister(6, 0x8000_0000_0001n);
    expect(outcome().vector).toBe(13);
    start(USER_64, LOAD);
    rig.setRegister(6, 0x70_0001);
    expect(outcome().vector).toBe(17);
    start(USER_64, LOAD);
    rig.setRegister(6, 0x70_0004);
    expect(outcome().vector).toBe(14);
  });

  it('are not made of what the processor reads and writes by itself', () => {
    // MOV DS,AX; INT 80h with its tables, its TSS and the stack of CPL 0 at odd addresses.
    start(USER_32, [0x8e, 0xd8, 0xcd, SYSCALL_GATE]);
    rig.setRegister(0, DATA_3);
    const move = (from: number, to: number, bytes: number): void => rig.load(to, rig.ram(from, bytes));
    move(GDT, 0x30001, 0x100);
    move(IDT, 0x31003, 0x800);
    move(Number(rig.getState64(TR + SEGMENT_BASE)), 0x32001, 0x68);
    rig.load(0x32001 + 4, [1, KERNEL_STACK >> 8]);
    rig.setState64(GDTR_BASE, 0x30001n);
    rig.setState64(IDTR_BASE, 0x31003n);
    rig.setState64(TR + SEGMENT_BASE, 0x32001n);
    rig.follow();
    expect(outcome(4).vector).toBe(SYSCALL_GATE);
  });

  it('begin behind POPF, in the middle of hot code too, and end with it', () => {
    // Twenty turns of MOV EAX,[RSI]; PUSH flags; POPF; DEC ECX; JNZ; then INT 80h. The flags in RDX get AC in the last but one turn.
    const loop = [0x8b, 0x06, 0x52, 0x9d, 0xff, 0xc9, 0x83, 0xf9, 0x02, 0x48, 0x0f, 0x44, 0xd3, 0x85, 0xc9, 0x75, 0xef];
    start(USER_64, [...loop, 0xcd, SYSCALL_GATE], { ac: false });
    rig.setRegister(1, 20);
    rig.setRegister(2, 2);
    rig.setRegister(3, 2 | AC);
    const { vector, frame } = outcome();
    expect([vector, frame[1], rig.register(1)]).toEqual([17, CODE, 1n]);
    // With AC from the start, and a handler that clears it in the frame.
    start(USER_64, [...LOAD]);
    rig.load(0x12000, [0x48, 0x83, 0xc4, 0x08, 0x81, 0x64, 0x24, 0x10, 0xff, 0xff, 0xfb, 0xff, 0x48, 0xcf]);
    rig.gate(17, 0x12000, USER_64);
    expect(outcome().vector).toBe(SYSCALL_GATE);
  });

  it('are made of the first part that is reached of a string, whose elements before stay moved', () => {
    // REP MOVSD from an aligned source to a target that is not.
    start(USER_64, [0xf3, 0xa5, 0xcd, SYSCALL_GATE]);
    rig.setRegister(6, DATA);
    rig.setRegister(7, DATA + 0x102);
    rig.setRegister(1, 3);
    expect(outcome()).toEqual({ vector: 17, frame: [0, CODE] });
    expect(rig.register(1)).toBe(3n);
  });
});

describe.each([false, true])('addresses of the stack that are not canonical, translator %s', (translator) => {
  beforeEach(() => {
    rig = translator ? (translated ??= new CpuRig({ translateAfter: 1 })) : (interpreted ??= new CpuRig());
  });

  it.each([
    ['PUSH RAX', [0x50], 12], ['POP RAX', [0x58], 12], ['CALL', [0xe8, 0, 0, 0, 0], 12], ['RET', [0xc3], 12], ['LEAVE', [0xc9], 12], ['MOV EAX,[RBP]', [0x8b, 0x45, 0], 12],
    ['BT [RSP],EAX', [0x0f, 0xa3, 0x04, 0x24], 12], ['MOV EAX,[RSI]', [0x8b, 0x06], 13], ['MOV EAX,[R13]', [0x41, 0x8b, 0x45, 0], 13], ['PUSH [RSI]', [0xff, 0x36], 13], ['FLD [RBP]', [0xd9, 0x45, 0], 12],
  ] as const)('%s', (_name, code, vector) => {
    start(USER_64, code, { ac: false });
    for (const register of [4, 5, 6, 13]) rig.setRegister(register, 0x8000_0000_1000n);
    if (_name === 'PUSH [RSI]') rig.setRegister(4, DATA);
    expect(outcome()).toEqual({ vector, frame: [0, CODE] });
  });
});
