import { beforeEach, describe, expect, it } from 'vitest';
import { CpuRig } from '../../../../support/cpu-rig.ts';

const MODE = { bits: 64, cpl: 0 } as const;
const CODE = 0x10000;

describe('translated code', () => {
  let rig: CpuRig;
  beforeEach(() => {
    rig = new CpuRig({ translateAfter: 2 });
    rig.start(MODE, CODE);
  });
  const counts = (): Readonly<Record<string, number>> => rig.cpu.counters().exits;

  it('is made of a loop once that is hot, and runs it to the exact instruction', () => {
    // again: inc rax; jmp again
    rig.load(CODE, [0x48, 0xff, 0xc0, 0xeb, 0xfb]);
    rig.run(1001);
    expect(rig.cpu.instructions).toBe(1001);
    expect(rig.register(0)).toBe(501n);
    expect(counts()['translated']).toBeGreaterThan(0);
  });

  it('is dropped when its bytes are overwritten from outside', () => {
    rig.load(CODE, [0x48, 0xff, 0xc0, 0xeb, 0xfb]);
    rig.run(1000);
    // inc becomes dec.
    rig.load(CODE, [0x48, 0xff, 0xc8]);
    rig.run(1000);
    expect(rig.register(0)).toBe(0n);
    expect(counts()['regionsDropped']).toBeGreaterThan(0);
  });

  it('may overwrite itself: the next instruction is already the new one', () => {
    // again: mov byte [rip+0], imm over the opcode byte of the INC or DEC behind it; jmp again
    rig.load(CODE, [0xc6, 0x05, 0x02, 0, 0, 0, 0xc0, 0x48, 0xff, 0xc8, 0xeb, 0xf4]);
    rig.run(3);
    expect(rig.register(0)).toBe(1n);
    // From now on it writes what stands there: no change, but still a write to code.
    rig.run(300);
    expect(rig.register(0)).toBe(101n);
  });

  it('follows its page to another linear address', () => {
    rig.load(CODE, [0x48, 0x8d, 0x05, 0, 0, 0, 0, 0xeb, 0xf7]);
    rig.run(1000);
    expect(rig.register(0)).toBe(BigInt(CODE + 7));
    rig.mapPage(0x30000, CODE, MODE);
    rig.rip = 0x30000;
    rig.run(1000);
    expect(rig.register(0)).toBe(0x30007n);
  });

  it('reports a page fault in the middle of a region at its instruction, with the flags before it', () => {
    rig.mapPage(0x40000, undefined, MODE);
    // again: sub rcx, 1; mov rbx, [rdx]; jmp again
    rig.load(CODE, [0x48, 0x83, 0xe9, 1, 0x48, 0x8b, 0x1a, 0xeb, 0xf7]);
    rig.setRegister(2, 0x20000);
    rig.run(299);
    rig.setRegister(2, 0x40000);
    rig.setRegister(1, 1);
    rig.rip = CODE;
    expect(rig.run(100)).toBe('halted');
    expect(rig.handled).toBe(14);
    // The frame: error code, RIP, CS, RFLAGS, from below.
    const frame = Number(rig.register(4));
    expect(rig.read32(frame + 8)).toBe(CODE + 4);
    expect(rig.read32(frame + 24) & 0x8d5).toBe(0x44);
  });

  it('lets a device be written by the interpreter, and leaves at once when that wants the machine', () => {
    rig.mapPhysical(0x50000, undefined);
    // again: inc rax; mov [rdx], eax; jmp again
    rig.load(CODE, [0x48, 0xff, 0xc0, 0x89, 0x02, 0xeb, 0xf9]);
    rig.setRegister(2, 0x20000);
    rig.run(300);
    rig.setRegister(2, 0x50000);
    rig.onWrite = () => rig.cpu.attend();
    const before = rig.cpu.instructions;
    expect(rig.run(1000)).toBe('attention');
    expect(rig.cpu.instructions - before).toBe(2);
    expect(rig.log).toEqual(['write 50000/4 65']);
    expect(counts()['singles']).toBeGreaterThan(0);
  });
});
