import { beforeEach, describe, expect, it } from 'vitest';
import { CR0 } from '../../../../src/emulator/cpu/state-layout.ts';
import { CpuRig, type RigMode } from '../../../support/cpu-rig.ts';

const FLAT: RigMode = { bits: 32, cpl: 0 };
const CODE = 0x10000;
const HLT = 0xf4;
const NOP = 0x90;
const IRQ_13 = 0x75;
const NE = 0x20n;
/** FNINIT; PUSH 0; FLDCW [ESP], which unmasks all; FLD1; FLDZ; FDIVP: a division by zero is pending. */
const DIVIDE_BY_ZERO = [0xdb, 0xe3, 0x6a, 0x00, 0xd9, 0x2c, 0x24, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9];
const FWAIT = 0x9b;
const FLD1 = [0xd9, 0xe8];
const FNCLEX = [0xdb, 0xe2];

let rig: CpuRig;
let interpreted: CpuRig | undefined;
let translated: CpuRig | undefined;

/** `board`: IRQ 13 as a PC has it; else nobody answers. */
function start(code: readonly number[], { ne = false, board = true, interrupts = true } = {}): void {
  rig.start(FLAT, CODE);
  rig.setState64(CR0, 0x8001_0013n | (ne ? NE : 0n));
  rig.load(CODE, [...DIVIDE_BY_ZERO, ...code]);
  rig.flags = 2 | (interrupts ? 0x200 : 0);
  let error = false;
  rig.onCoprocessorError = (asserted) => {
    error = asserted;
    if (!board) return;
    if (asserted) rig.interrupt(IRQ_13);
    else rig.cpu.ignoreNumericErrors(false);
  };
  rig.onWrite = (port) => { if (port === 0xf0 && error) rig.cpu.ignoreNumericErrors(true); };
  rig.follow();
}
const offset = (): number => Number(rig.rip) - CODE - DIVIDE_BY_ZERO.length;

describe.each([false, true])('x87 errors with CR0.NE = 0, translator %s', (translator) => {
  beforeEach(() => {
    rig = translator ? (translated ??= new CpuRig({ translateAfter: 1 })) : (interpreted ??= new CpuRig());
  });

  it.each([['FWAIT', [FWAIT]], ['FLD1', FLD1], ['MOVD MM0,EAX', [0x0f, 0x6e, 0xc0]], ['FLD [RSP]', [0xd9, 0x04, 0x24]]])('%s asserts FERR#, and the interrupt comes before it', (_name, code) => {
    start([NOP, ...code, HLT]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.log).toEqual(['FERR# asserted']);
    expect(rig.handled).toBe(IRQ_13);
    expect(rig.read32(Number(rig.register(4)))).toBe(CODE + DIVIDE_BY_ZERO.length + 1);
    // The division's own instructions, NOP and the handler's HLT.
    expect(rig.cpu.instructions).toBe(8);
  });

  it('instructions that do not wait do not see it', () => {
    // FNSTSW AX; FNSTCW [ESP]; FNCLEX; FWAIT; HLT
    start([0xdf, 0xe0, 0xd9, 0x3c, 0x24, ...FNCLEX, FWAIT, HLT]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.log).toEqual([]);
    expect(offset()).toBe(9);
  });

  it('a handler that writes to port F0h may use the x87, and its FNCLEX lets the instruction go on', () => {
    start([...FLD1, HLT]);
    // OUT F0h,AL; FLDZ (which waits); FNCLEX; MOV EAX,AABBh; IRETD
    rig.load(0x12000, [0xe6, 0xf0, 0xd9, 0xee, ...FNCLEX, 0xb8, 0xbb, 0xaa, 0, 0, 0xcf]);
    rig.gate(IRQ_13, 0x12000, FLAT);
    expect(rig.run(1000)).toBe('halted');
    expect(offset()).toBe(3);
    expect(rig.register(0)).toBe(0xaabbn);
    expect(rig.log).toEqual(['FERR# asserted', 'out f0/1 0', 'FERR# released']);
  });

  it('without an answer the processor stays before the instruction, and takes other interrupts', () => {
    start([...FLD1, HLT], { board: false });
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(0);
    const { instructions } = rig.cpu;
    expect(rig.run(100)).toBe('halted');
    expect(rig.cpu.instructions).toBe(instructions);
    // The handler returns, and the processor freezes again.
    rig.load(0x12000, [0xcf]);
    rig.gate(0x40, 0x12000, FLAT);
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(0);
    expect(rig.cpu.instructions).toBe(instructions + 1);
    expect(rig.log).toEqual(['FERR# asserted']);
  });

  it('IGNNE# passes errors over', () => {
    start([...FLD1, FWAIT, HLT], { board: false });
    rig.cpu.ignoreNumericErrors(true);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(4);
    expect(rig.log).toEqual([]);
  });

  it('setting CR0.NE makes the same error #MF and takes FERR# back', () => {
    start([FWAIT, HLT], { board: false });
    expect(rig.run(100)).toBe('halted');
    // MOV EAX,CR0; OR AL,20h; MOV CR0,EAX; IRETD
    rig.load(0x12000, [0x0f, 0x20, 0xc0, 0x0c, 0x20, 0x0f, 0x22, 0xc0, 0xcf]);
    rig.gate(0x40, 0x12000, FLAT);
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(16);
    expect(rig.log).toEqual(['FERR# asserted', 'FERR# released']);
  });

  it('with CR0.NE = 1 the error is #MF, and the board hears of nothing', () => {
    start([FWAIT, HLT], { ne: true });
    expect(rig.run(100)).toBe('halted');
    expect([rig.handled, rig.log]).toEqual([16, []]);
  });

  it('the state after a number of instructions is the same whatever slices led there', () => {
    start([...FLD1, HLT]);
    for (let n = 0; n < 12; n++) rig.run(1);
    expect(rig.handled).toBe(IRQ_13);
    expect(rig.cpu.instructions).toBe(7);
  });
});
