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

  describe('with a function in another page', () => {
    const CALLEE = 0x12000;
    const ELSEWHERE = 0x14000;
    const increment = [0x48, 0xff, 0xc0, 0xc3];
    const decrement = [0x48, 0xff, 0xc8, 0xc3];
    beforeEach(() => {
      // again: call CALLEE; jmp again
      rig.load(CODE, [0xe8, 0xfb, 0x1f, 0, 0, 0xeb, 0xf9]);
      rig.load(CALLEE, increment);
      rig.load(ELSEWHERE, decrement);
      rig.run(4000);
    });

    it('has it inside: calls and returns lead nowhere else', () => {
      expect(rig.register(0)).toBe(1000n);
      const before = counts()['leaps'] ?? 0;
      rig.run(4000);
      expect(rig.register(0)).toBe(2000n);
      expect((counts()['leaps'] ?? 0) - before).toBeLessThan(3);
    });

    it('notices that another page lies there now', () => {
      rig.mapPage(CALLEE, ELSEWHERE, MODE);
      rig.run(4000);
      expect(rig.register(0)).toBe(0n);
    });

    it('faults where no page lies there any more, as the call has been made', () => {
      rig.mapPage(CALLEE, undefined, MODE);
      expect(rig.run(4000)).toBe('halted');
      expect(rig.handled).toBe(14);
      const frame = Number(rig.register(4));
      expect(rig.read32(frame + 8)).toBe(CALLEE);
      expect(rig.read32(rig.read32(frame + 32))).toBe(CODE + 5);
    });

    it('is dropped with it, and made anew of what is there then', () => {
      const { translated = 0 } = counts();
      rig.load(CALLEE, decrement);
      rig.run(4000);
      expect(rig.register(0)).toBe(0n);
      expect(counts()['regionsDropped']).toBeGreaterThan(0);
      expect(counts()['translated']).toBeGreaterThan(translated);
    });

    it('returns to where the stack says, whatever called it', () => {
      // The return address becomes that of a HLT.
      rig.load(0x13000, [0xf4]);
      rig.load(CALLEE, [0x48, 0xff, 0xc0, 0x48, 0x3d, 0, 0x10, 0, 0, 0x75, 8, 0x48, 0xc7, 0x04, 0x24, 0, 0x30, 0x01, 0, 0xc3]);
      rig.setRegister(0, 0);
      expect(rig.run(0x10000)).toBe('halted');
      expect(rig.register(0)).toBe(0x1000n);
    });
  });

  it('has instructions that lie in two pages, as long as both are those', () => {
    // again: inc rax, from the last two bytes of a page on; jmp again
    rig.load(CODE + 0xffe, [0x48, 0xff, 0xc0, 0xeb, 0xfb]);
    rig.rip = CODE + 0xffe;
    rig.run(1000);
    expect(rig.register(0)).toBe(500n);
    expect(counts()['singles']).toBe(0);
    // The second half of a DEC.
    rig.load(0x15000, [0xc8, 0xeb, 0xfb]);
    rig.mapPage(CODE + 0x1000, 0x15000, MODE);
    rig.run(1000);
    expect(rig.register(0)).toBe(0n);
  });

  it('comes to have a way in where control keeps coming to its middle', () => {
    // first: inc rax; middle: inc rbx; jmp first
    rig.load(CODE, [0x48, 0xff, 0xc0, 0x48, 0xff, 0xc3, 0xeb, 0xf8]);
    // elsewhere: jmp middle
    rig.load(CODE + 0x100, [0xe9, 0xfe, 0xfe, 0xff, 0xff]);
    rig.run(300);
    expect(counts()['translated']).toBe(1);
    const enterElsewhere = (times: number): void => {
      for (let time = 0; time < times; time++) {
        rig.rip = CODE + 0x100;
        rig.run(6);
      }
    };
    enterElsewhere(40);
    const { translated } = counts();
    expect(translated).toBeGreaterThan(1);
    enterElsewhere(40);
    expect(counts()['translated']).toBe(translated);
    expect([rig.register(0), rig.register(3)]).toEqual([180n, 260n]);
  });

  it('is led to from its middle by a bridge, where it is too large to be made again', () => {
    // first: 40 times inc rax; jmp first
    rig.load(CODE, [...Array.from({ length: 40 }, () => [0x48, 0xff, 0xc0]).flat(), 0xeb, 0x86]);
    rig.run(41 * 10);
    expect(counts()['translated']).toBe(1);
    for (let time = 0; time < 20; time++) {
      rig.rip = CODE + 60;
      rig.run(62);
    }
    expect(rig.register(0)).toBe(400n + 20n * 60n);
    expect([counts()['translated'], counts()['translatedInstructions'], counts()['regionsDropped']]).toEqual([2, 62, 0]);
  });

  it('goes on where an address leads, be that an own entry at another linear address of its page', () => {
    const ALIAS = 0x30000;
    rig.mapPage(ALIAS, CODE, MODE);
    // second: inc rbx; first: lea rax, [rip]; xchg rcx, rdx; jmp rcx
    const [second, first] = [CODE, CODE + 3];
    rig.load(second, [0x48, 0xff, 0xc3, 0x48, 0x8d, 0x05, 0, 0, 0, 0, 0x48, 0x87, 0xca, 0xff, 0xe1]);
    rig.setRegister(1, first);
    rig.setRegister(2, ALIAS);
    rig.rip = first;
    // Alternately the first one here, and both there.
    rig.run(7 * 300 + 3);
    expect([rig.register(0), rig.register(3)]).toEqual([BigInt(first + 7), 300n]);
    rig.run(4);
    expect([rig.register(0), rig.register(3)]).toEqual([BigInt(ALIAS + 10), 301n]);
    // And both at the same address.
    rig.setRegister(1, first);
    rig.setRegister(2, second);
    rig.rip = first;
    const { leaps } = counts();
    rig.run(7 * 300 + 3);
    expect([rig.register(0), rig.register(3)]).toEqual([BigInt(first + 7), 601n]);
    expect((counts()['leaps'] ?? 0) - (leaps ?? 0)).toBeLessThan(3);
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
