import { beforeEach, describe, expect, it } from 'vitest';
import { CPU_BLOCKS, GUEST_RAM } from '../../../../src/emulator/cpu/memory-layout.ts';
import { ATTENTION, CR2, DR6, LDTR, RIP_PAGE, SEGMENT_ATTRIBUTES, SEGMENT_BASE, SEGMENT_LIMIT, SS } from '../../../../src/emulator/cpu/state-layout.ts';
import { CpuRig, HANDLERS, type RigMode } from '../../../support/cpu-rig.ts';

const LONG: RigMode = { bits: 64, cpl: 0 };
const FLAT: RigMode = { bits: 32, cpl: 0 };
const REAL: RigMode = { bits: 16 };
const CODE = 0x10000;
const DEVICE = 0x300000;

let shared: CpuRig | undefined;
let rig: CpuRig;
beforeEach(() => {
  rig = shared ??= new CpuRig();
});

function start(mode: RigMode, code: readonly number[], at = mode.bits === 16 ? 0x7000 : CODE): void {
  rig.start(mode, at);
  rig.load(at, code);
}
const offset = (): number => Number(rig.rip) - CODE;
const NOP = 0x90;
const INC_EAX = [0xff, 0xc0];
const HLT = 0xf4;

describe('instructions are counted exactly', () => {
  it('a fault in the middle of a block does not count, nor does what follows it', () => {
    // Three increments, a write to a page that is not there, and more.
    start(LONG, [...INC_EAX, ...INC_EAX, ...INC_EAX, 0x89, 0x03, ...INC_EAX, HLT]);
    rig.setRegister(3, 0x700000);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(14);
    // Three increments and the handler's HLT.
    expect(rig.cpu.instructions).toBe(4);
    expect(rig.register(0)).toBe(3n);
  });

  it('a handler that mends the cause lets the instruction be executed once', () => {
    // The handler moves EBX to memory and returns: pop the error code, then IRETQ.
    start(LONG, [...INC_EAX, 0x89, 0x03, ...INC_EAX, HLT]);
    rig.setRegister(3, 0x700000);
    rig.load(0x12000, [0xbb, 0x00, 0x00, 0x02, 0x00, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf]);
    rig.gate(14, 0x12000, LONG);
    expect(rig.run(100)).toBe('halted');
    expect(rig.cpu.instructions).toBe(7);
    expect(rig.read32(0x20000)).toBe(1);
    expect(rig.register(0)).toBe(2n);
  });

  it('a device that asks in the middle of a block is told how many came before', () => {
    start(LONG, [...INC_EAX, ...INC_EAX, 0x89, 0x03, ...INC_EAX, HLT]);
    rig.mapPhysical(DEVICE, undefined);
    rig.setRegister(3, DEVICE);
    rig.cpu.mappingChanged();
    const counts: number[] = [];
    rig.onWrite = () => counts.push(rig.cpu.instructionsNow());
    expect(rig.run(100)).toBe('halted');
    rig.mapPhysical(DEVICE, DEVICE);
    expect(counts).toEqual([2]);
    expect(rig.cpu.instructions).toBe(5);
  });

  it('a fetch that faults waits for the next budget', () => {
    // JMP to a page that is not there.
    start(LONG, [...INC_EAX, 0xff, 0xe3]);
    rig.setRegister(3, 0x700000);
    expect(rig.run(2)).toBe('budget');
    expect(rig.rip).toBe(0x700000n);
    expect(rig.run(1)).toBe('halted');
    expect(rig.handled).toBe(14);
  });

  it('a fault that leads to itself gives the machine its turn', () => {
    // #UD whose handler is UD2.
    start(REAL, [0x0f, 0x0b]);
    rig.gate(6, 0x7000, REAL);
    // The stack wraps within a segment of its own.
    rig.setState64(SS + SEGMENT_BASE, 0x200000n);
    rig.follow();
    expect(rig.run(1_000_000, true)).toBe('attention');
    expect(rig.run(1_000_000, false)).toBe('attention');
    expect(rig.cpu.instructions).toBe(0);
  });
});

describe('code that changes', () => {
  // MOV byte [rbx], imm8
  const patch = (value: number): number[] => [0xc6, 0x03, value];

  it('is executed as it stands when the next instruction was written', () => {
    start(LONG, [...patch(HLT), NOP, NOP, 0x0f, 0x0b]);
    rig.setRegister(3, CODE + 3);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(4);
    expect(rig.cpu.instructions).toBe(2);
  });

  it('is seen after it was executed before, through the same and through another address', () => {
    for (const alias of [CODE, 0x80000]) {
      // Twice through the loop: the second time the NOP has become a HLT.
      start(LONG, [NOP, ...patch(HLT), 0xeb, 0xfa]);
      rig.mapPage(0x80000, CODE, LONG);
      rig.setRegister(3, alias);
      expect(rig.run(100)).toBe('halted');
      expect(offset()).toBe(1);
      expect(rig.cpu.instructions).toBe(4);
    }
  });

  it('is seen where the write or the instruction crosses a page', () => {
    // MOV [rbx], eax over the page's end changes the immediate of MOV ECX, imm32 that lies across it.
    const at = 0x10ffd;
    rig.start(LONG, at);
    // MOV ECX, 11223344h; MOV [RBX], EAX; DEC EDX; JNZ; HLT
    rig.load(at, [0xb9, 0x44, 0x33, 0x22, 0x11, 0x89, 0x03, 0xff, 0xca, 0x75, 0xf5, HLT]);
    rig.setRegister(3, at + 1);
    rig.setRegister(0, 0x55667788);
    rig.setRegister(2, 2);
    expect(rig.run(100)).toBe('halted');
    expect(rig.register(1)).toBe(0x55667788n);
    expect(rig.cpu.instructions).toBe(9);
  });

  it('is seen when a device writes it while the guest waits or runs', () => {
    start(LONG, [NOP, 0xeb, 0xfd]);
    expect(rig.run(1000)).toBe('budget');
    rig.load(CODE, [HLT]);
    expect(rig.run(1000)).toBe('halted');
    // A port whose device overwrites the instruction behind the OUT.
    start(LONG, [0xe6, 0x80, NOP, 0x0f, 0x0b]);
    rig.onWrite = () => rig.load(CODE + 2, [HLT]);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(3);
  });

  it('is seen when a string instruction writes it', () => {
    start(LONG, [0xf3, 0xaa, NOP, NOP, 0x0f, 0x0b]);
    rig.setRegister(7, CODE + 2);
    rig.setRegister(1, 2);
    rig.setRegister(0, HLT);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(3);
  });

  it('may jump into the middle of an instruction', () => {
    // MOV EAX, imm32 whose immediate is HLT.
    start(FLAT, [0xb8, HLT, 0, 0, 0, 0xeb, 0xfa]);
    expect(rig.run(100)).toBe('halted');
    expect(offset()).toBe(2);
  });

  it('comes from another page once the page tables say so', () => {
    start(LONG, [NOP, 0xeb, 0xfd]);
    rig.load(0x30000, [HLT]);
    expect(rig.run(100)).toBe('budget');
    rig.mapPage(CODE, 0x30000, LONG);
    expect(rig.run(100)).toBe('halted');
  });
});

describe('interrupts', () => {
  it('come in between any two instructions, exactly where they were raised', () => {
    const program = [...INC_EAX, ...INC_EAX, 0x39, 0xc3, 0x75, 0x00, ...INC_EAX, NOP, NOP, 0xeb, 0xf1];
    for (let count = 1; count < 20; count++) {
      start(LONG, program);
      rig.flags = 0x202;
      expect(rig.run(count)).toBe('budget');
      const rip = rig.rip;
      rig.interrupt(0x40);
      expect(rig.run(100)).toBe('halted');
      expect(rig.handled).toBe(0x40);
      expect(rig.cpu.instructions).toBe(count + 1);
      // RIP, CS, RFLAGS, RSP, SS of the interrupted program.
      expect(rig.read32(Number(rig.register(4)))).toBe(Number(rig.getState64(0) * 0n + rip));
    }
  });

  it.each([
    ['STI', [0xfb], 0x02],
    ['MOV SS', [0x8e, 0xd3], 0x202],
    ['POP SS', [0x17], 0x202],
  ] as const)('wait for one instruction after %s', (_name, code, flags) => {
    start(FLAT, [...code, ...INC_EAX, ...INC_EAX, HLT]);
    rig.setRegister(3, 0x10);
    rig.load(0x18000, [0x10, 0, 0, 0]);
    rig.flags = flags;
    // Raised by the time the instruction is over.
    if (flags & 0x200) expect(rig.run(1)).toBe('budget');
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(0x40);
    expect(rig.register(0)).toBe(1n);
  });

  it('wait for one instruction after STI also when a slice ends in between', () => {
    start(FLAT, [0xfb, ...INC_EAX, ...INC_EAX, ...INC_EAX, HLT]);
    expect(rig.run(1)).toBe('budget');
    expect(rig.run(1, false)).toBe('budget');
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect(rig.register(0)).toBe(1n);
  });

  it('wake HLT and return behind it; without the interrupt flag they do not', () => {
    start(LONG, [HLT, ...INC_EAX, HLT]);
    expect(rig.run(100)).toBe('halted');
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect(rig.cpu.instructions).toBe(1);
    expect(rig.handled).toBeUndefined();
    rig.flags = 0x202;
    rig.load(0x12000, [0x48, 0xcf]);
    rig.gate(0x40, 0x12000, LONG);
    expect(rig.run(100)).toBe('halted');
    expect(rig.register(0)).toBe(1n);
    expect(rig.cpu.instructions).toBe(4);
  });

  it('are let in at once by POPF and IRET, and not by a NOP after CLI', () => {
    start(FLAT, [0x9d, ...INC_EAX, HLT]);
    rig.load(0x18000, [0x02, 0x02, 0, 0]);
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect([rig.handled, rig.register(0)]).toEqual([0x40, 0n]);
    start(FLAT, [0xfa, NOP, ...INC_EAX, HLT]);
    rig.flags = 0x202;
    rig.run(1);
    rig.interrupt(0x40);
    expect(rig.run(100)).toBe('halted');
    expect([rig.handled, rig.register(0)]).toEqual([undefined, 1n]);
  });

  it('interrupt a long REP, which goes on afterwards and counts once', () => {
    start(LONG, [0xf3, 0xaa, HLT]);
    rig.flags = 0x202;
    rig.setRegister(7, 0x100000);
    rig.setRegister(1, 0x60000);
    rig.setRegister(0, 0x5a);
    rig.load(0x12000, [0xff, 0xc3, 0x48, 0xcf]);
    rig.gate(0x40, 0x12000, LONG);
    // An inexact budget comes back when the REP gives way.
    expect(rig.run(1, false)).toBe('budget');
    expect(rig.cpu.instructions).toBe(0);
    expect(rig.register(1)).toBeGreaterThan(0n);
    rig.interrupt(0x40);
    while (rig.run(10) !== 'halted');
    expect(rig.register(3)).toBe(1n);
    expect(rig.register(1)).toBe(0n);
    expect(rig.ram(0x15ffff, 2)).toEqual(Uint8Array.of(0x5a, 0));
    // REP, the handler's two, HLT.
    expect(rig.cpu.instructions).toBe(4);
    rig.load(0x100000, new Uint8Array(0x60000));
  });

  it('a REP that faults in the middle is taken up again where it was', () => {
    start(LONG, [0xf3, 0xaa, HLT]);
    rig.setRegister(7, 0x3ff000);
    rig.setRegister(1, 0x2000);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(14);
    expect(rig.register(1)).toBe(0x1000n);
    expect(rig.register(7)).toBe(0x400000n);
    expect(rig.read32(Number(rig.register(4)) + 8)).toBe(CODE);
  });

  it('an NMI comes in whatever the interrupt flag says, and not again before IRET', () => {
    start(LONG, [NOP, NOP, ...INC_EAX, HLT]);
    rig.run(1);
    rig.cpu.nmi();
    expect(rig.run(1)).toBe('halted');
    expect(rig.handled).toBe(2);
    rig.cpu.nmi();
    expect(rig.run(100)).toBe('halted');
    expect(rig.cpu.instructions).toBe(2);
  });
});

describe('single-step traps', () => {
  it('come after each instruction, and show in DR6', () => {
    start(LONG, [...INC_EAX, ...INC_EAX, HLT]);
    rig.flags = 0x102;
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(1);
    expect(rig.register(0)).toBe(1n);
    expect(rig.getState64(DR6) & 0x4000n).toBe(0x4000n);
  });

  it('begin after the instruction that follows POPF', () => {
    start(FLAT, [0x9d, ...INC_EAX, ...INC_EAX, HLT]);
    rig.load(0x18000, [0x02, 0x01, 0, 0]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(1);
    expect(rig.register(0)).toBe(1n);
  });

  it('do not come for an instruction that faults', () => {
    for (const handler of [[HLT], [0x48, 0x83, 0xc4, 0x08, HLT]]) {
      start(LONG, [0x0f, 0x0b]);
      rig.flags = 0x102;
      rig.load(HANDLERS + 6 * 16, handler);
      expect(rig.run(100)).toBe('halted');
      expect(Number(rig.rip)).toBe(HANDLERS + 6 * 16 + handler.length);
      expect(rig.getState64(DR6) & 0x4000n).toBe(0n);
    }
  });

  it('do not come for INT n, which clears the flag, but for INTO that does not trap', () => {
    start(FLAT, [0xcd, 0x40, HLT]);
    rig.flags = 0x102;
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(0x40);
    start(FLAT, [0xce, HLT]);
    rig.flags = 0x102;
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(1);
  });

  it('come between the parts of a REP', () => {
    start(LONG, [0xf3, 0xaa, HLT]);
    rig.flags = 0x102;
    rig.setRegister(7, 0x20000);
    rig.setRegister(1, 3);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(1);
    // Emulated REPs may run on, but are over or begin again behind the trap.
    const rip = rig.read32(Number(rig.register(4)));
    expect(rip).toBe(rig.register(1) === 0n ? CODE + 2 : CODE);
  });
});

describe('the ends of address spaces and pages', () => {
  it('blocks run from one page into the next', () => {
    const at = 0x10ffe;
    rig.start(LONG, at);
    rig.load(at, [...INC_EAX, ...INC_EAX, ...INC_EAX, HLT]);
    expect(rig.run(100)).toBe('halted');
    expect([rig.register(0), rig.cpu.instructions]).toEqual([3n, 4]);
  });

  it('an instruction whose second page is missing faults there, with its own address', () => {
    const at = 0x3ffffd;
    rig.start(LONG, at);
    rig.load(at, [0xb8, 1, 2]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(14);
    expect(rig.getState64(0x228)).toBe(0x400000n);
    expect(rig.read32(Number(rig.register(4)) + 8)).toBe(at);
    expect(rig.cpu.instructions).toBe(1);
  });

  it('an instruction that ends with its page runs though the next page is missing', () => {
    const at = 0x3ffffb;
    for (const budget of [1, 100]) {
      rig.start(LONG, at);
      rig.load(at, [0xb8, 1, 2, 3, 4]);
      rig.run(budget);
      expect(rig.register(0)).toBe(0x04030201n);
      if (budget === 1) expect(rig.getState64(0x228)).toBe(0n);
    }
  });

  it('execution that runs off the end of a 64-KiB segment is a general-protection fault', () => {
    for (const budget of [1, 100]) {
      start(REAL, [NOP, NOP], 0xfffe);
      while (rig.run(budget) === 'budget');
      expect(rig.handled).toBe(13);
      expect(rig.cpu.instructions).toBe(3);
    }
  });

  it('the last byte of the address space can be named but holds nothing', () => {
    // CMPSB, MOV AL, [RDI], XLATB, JMP RDI
    for (const code of [[0xa6], [0x8a, 0x07], [0xd7], [0xff, 0xe7]]) {
      start(LONG, code);
      for (const register of [3, 6, 7]) rig.setRegister(register, -1);
      expect(rig.run(100), code.join()).toBe('halted');
      expect([13, 14]).toContain(rig.handled);
    }
  });

  it('prefixes make an instruction longer than 15 bytes, which is a general-protection fault', () => {
    start(LONG, [...new Array<number>(15).fill(0x66), NOP]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(13);
  });
});

describe('the contract with the machine loop', () => {
  it('returns at the next instruction when a device asks for it', () => {
    start(LONG, [0xe6, 0x80, ...INC_EAX, HLT]);
    rig.onWrite = () => rig.cpu.attend();
    expect(rig.run(100)).toBe('attention');
    expect([rig.cpu.instructions, rig.register(0)]).toEqual([1, 0n]);
    expect(rig.run(100)).toBe('halted');
    expect(rig.getState32(ATTENTION) & 4).toBe(0);
  });

  it('goes on from a saved state as the original does', () => {
    const program = [...INC_EAX, 0x01, 0x03, 0x3d, 0x00, 0x10, 0, 0, 0x75, 0xf5, HLT];
    start(LONG, program);
    rig.setRegister(3, 0x20000);
    rig.run(77);
    const saved = rig.cpu.save();
    const memory = rig.read32(0x20000);
    rig.run(500);
    const wanted = [rig.register(0), rig.read32(0x20000), rig.rip, rig.cpu.instructions, rig.flags];
    start(REAL, [HLT]);
    rig.run(10);
    rig.load(CODE, program);
    rig.view.setUint32(GUEST_RAM + 0x20000, memory, true);
    // The tables of the long-mode machine.
    rig.start(LONG, CODE);
    rig.view.setUint32(GUEST_RAM + 0x20000, memory, true);
    rig.cpu.restore(saved);
    rig.run(500);
    expect([rig.register(0), rig.read32(0x20000), rig.rip, rig.cpu.instructions, rig.flags]).toEqual(wanted);
  });

  it('a double fault without a handler is a triple fault', () => {
    start(LONG, [0x0f, 0x0b]);
    rig.view.setUint32(0x10000 + 0x218, 0, true);
    expect(rig.run(100)).toBe('triple-fault');
  });

  it('a triple fault is reported for the last instruction of a budget too', () => {
    start(LONG, [0x0f, 0x0b]);
    rig.view.setUint32(0x10000 + 0x218, 0, true);
    expect(rig.run(1)).toBe('triple-fault');
    start(LONG, [NOP, NOP, 0xcd, 0x20, NOP]);
    rig.view.setUint32(0x10000 + 0x218, 0, true);
    expect(rig.run(2)).toBe('budget');
    expect(rig.run(1)).toBe('triple-fault');
  });

  it('a slice that is used up leaves nothing half done', () => {
    start(LONG, [...INC_EAX, ...INC_EAX, ...INC_EAX, HLT]);
    expect(rig.run(0)).toBe('budget');
    expect(rig.cpu.instructions).toBe(0);
    expect(rig.getState64(RIP_PAGE)).toBeDefined();
  });
});

describe('LAR, LSL, VERR and VERW', () => {
  it.each([['LAR', [0x0f, 0x02, 0xc1]], ['LSL', [0x0f, 0x03, 0xc1]], ['VERR', [0x0f, 0x00, 0xe1]], ['VERW', [0x0f, 0x00, 0xe9]]] as const)('%s of a descriptor in a missing page is a page fault', (_name, code) => {
    const mode = { bits: 32, cpl: 0 } as const;
    rig.start(mode, 0x10000);
    rig.load(0x10000, code);
    rig.mapPage(0x60000, undefined, mode);
    rig.setState64(LDTR + SEGMENT_BASE, 0x60000n);
    rig.view.setUint32(CPU_BLOCKS + LDTR + SEGMENT_LIMIT, 0xfff, true);
    rig.view.setUint32(CPU_BLOCKS + LDTR + SEGMENT_ATTRIBUTES, 0x82, true);
    rig.setRegister(1, 0x0c);
    expect(rig.run(10)).toBe('halted');
    expect(rig.handled).toBe(14);
    expect(rig.getState64(CR2)).toBe(0x60008n);
  });
});
