import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  ATTENTION, ATTENTION_DEVICE, ATTENTION_INTERRUPT, ATTENTION_STEP, CPL, CR0, CR4, CS, EFER, EFLAGS_REST, EXIT_ATTENTION, EXIT_HALTED, EXIT_REASON, GPR, GS, INTERRUPT_SHADOW, KERNEL_GS_BASE, RAX, RBP, RCX, RDX,
  RIP, RSP, SS, STAR, STATUS_EXIT, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP,
} from '../../../../../src/emulator/cpu/state-layout.ts';
import { RuntimeMachine } from './runtime-machine.ts';

let m: RuntimeMachine;
beforeEach(() => { m = new RuntimeMachine(); });
const MASK = (1n << 64n) - 1n;

describe('reset', () => {
  it('starts at FFFFFFF0h in real-address mode', () => {
    expect([m.get64(RIP), m.segment(CS), m.get64(CR0), m.flags(), m.mode]).toEqual([
      0xfff0n, { selector: 0xf000, base: 0xffff0000, limit: 0xffff, attributes: 0x9b }, 0x60000010n, 2, 0x20,
    ]);
  });
  it('INIT keeps MSRs', () => {
    m.set64(STAR, 0x1234);
    m.run('reset', 1);
    expect(m.get64(STAR)).toBe(0x1234n);
    m.run('reset', 0);
    expect(m.get64(STAR)).toBe(0n);
  });
});

describe('flags', () => {
  it('arithmetic flags come back as they were written', () => {
    for (const zf of [0, 0x40]) for (const sf of [0, 0x80]) for (const pf of [0, 4]) for (const cf of [0, 1]) for (const of of [0, 0x800]) for (const af of [0, 0x10]) {
      const value = zf | sf | pf | cf | of | af;
      m.run('writeArithmeticFlags', value);
      expect(m.flags() & 0x8d5).toBe(value);
    }
  });

  it.each([
    [0, 0, 2, 0x3200], [3, 0, 2, 0x0000], [3, 3, 2, 0x3200], [1, 0, 2, 0],
  ])('POPF at CPL %i and IOPL %i', (cpl, iopl, bytes, changed) => {
    m.enableProtectedMode(cpl);
    m.setFlags(iopl << 12);
    m.run('popFlags', 0x3202n, bytes);
    expect(m.flags() & 0x3200).toBe((changed & 0x200) | (cpl ? iopl << 12 : 0x3000));
  });

  it('POPF of 16 bits leaves the upper half, 32 bits take AC and ID but not VM', () => {
    m.enableProtectedMode(0);
    m.setFlags(0x240000);
    m.run('popFlags', 0x2n, 2);
    expect(m.flags()).toBe(0x240002);
    m.run('popFlags', 0x020002n, 4);
    expect(m.flags()).toBe(2);
  });

  it('TF asks for stepping at once', () => {
    m.enableProtectedMode(0);
    expect(m.run('popFlags', 0x102n, 4)).toBe(STATUS_EXIT);
    expect(m.get32(ATTENTION) & ATTENTION_STEP).toBe(ATTENTION_STEP);
    m.run('popFlags', 0x2n, 4);
    expect(m.get32(ATTENTION) & ATTENTION_STEP).toBe(0);
  });

  it('a pending interrupt is let in behind POPF, and one instruction behind STI', () => {
    m.enableProtectedMode(0);
    m.set32(ATTENTION, ATTENTION_INTERRUPT);
    expect(m.run('popFlags', 0x2n, 4)).toBe(STATUS_NEXT);
    expect(m.run('popFlags', 0x202n, 4)).toBe(STATUS_EXIT);
    expect(m.get32(EXIT_REASON)).toBe(EXIT_ATTENTION);
    m.run('cli');
    expect(m.run('sti')).toBe(STATUS_EXIT);
    expect(m.get32(INTERRUPT_SHADOW)).toBe(1);
    expect(m.run('sti')).toBe(STATUS_NEXT);
  });

  it('CLI and STI need IOPL, and act on VIF with PVI', () => {
    m.enableProtectedMode(3);
    expect(m.run('cli')).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    m.set64(CR4, 2);
    expect(m.run('sti')).toBe(STATUS_NEXT);
    expect(m.flags() & 0x80200).toBe(0x80000);
    m.run('cli');
    expect(m.flags() & 0x80200).toBe(0);
  });
});

describe('fast system calls', () => {
  it('SYSCALL and SYSRET', () => {
    m.enable64BitMode(3);
    m.setFlags(0x246);
    m.set64(STAR, 0x0013_0008_0000_0000n);
    m.set64(0x290, 0xffffffff81000000n);
    m.set64(0x2a0, 0x200);
    expect(m.run('syscall')).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(RCX), m.get64(GPR + 88), m.segment(CS).selector, m.segment(SS).selector, m.get32(CPL), m.flags()]).toEqual([0xffffffff81000000n, 0x5000n, 0x246n, 8, 0x10, 0, 0x46]);
    expect(m.run('sysret', 8)).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.segment(CS).selector, m.segment(SS).selector, m.get32(CPL), m.flags(), m.mode & 19]).toEqual([0x5000n, 0x23, 0x1b, 3, 0x246, 18]);
  });

  it('SYSCALL is undefined outside 64-bit code', () => {
    m.enableProtectedMode(3);
    m.set64(EFER, 1);
    expect(m.run('syscall')).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#6');
  });

  it('SYSENTER and SYSEXIT in 32-bit mode', () => {
    m.enableProtectedMode(3);
    expect(m.run('sysenter')).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    m.set64(SYSENTER_CS, 8);
    m.set64(SYSENTER_EIP, 0x6000);
    m.set64(SYSENTER_ESP, 0x9000);
    m.setFlags(0x202);
    expect(m.run('sysenter')).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(RSP), m.segment(CS).selector, m.segment(SS).selector, m.get32(CPL), m.flags()]).toEqual([0x6000n, 0x9000n, 8, 0x10, 0, 2]);
    m.set64(RDX, 0x7000);
    m.set64(RCX, 0xa000);
    expect(m.run('sysexit', 4)).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(RSP), m.segment(CS).selector, m.segment(SS).selector, m.get32(CPL)]).toEqual([0x7000n, 0xa000n, 0x1b, 0x23, 3]);
  });
});

describe('MSRs and control registers', () => {
  const wrmsr = (index: number, value: bigint): number => {
    m.set64(RCX, index);
    m.set64(RAX, value & 0xffffffffn);
    m.set64(RDX, value >> 32n);
    return m.run('wrmsr');
  };
  const rdmsr = (index: number): bigint => {
    m.set64(RCX, index);
    if (m.run('rdmsr') !== STATUS_NEXT) throw new Error(m.fault());
    return m.get64(RAX) | (m.get64(RDX) << 32n);
  };

  it('hold what was written', () => {
    for (const index of [0x200, 0x20f, 0x250, 0x258, 0x259, 0x268, 0x26f, 0x2ff, 0x174, 0xc0000081, 0xc0000084]) {
      expect(wrmsr(index, BigInt(index) * 3n)).toBe(STATUS_NEXT);
    }
    for (const index of [0x200, 0x20f, 0x250, 0x258, 0x259, 0x268, 0x26f, 0x2ff, 0x174, 0xc0000081, 0xc0000084]) expect(rdmsr(index)).toBe(BigInt(index) * 3n);
    expect(rdmsr(0x277)).toBe(0x0007040600070406n);
    expect(rdmsr(0xfe)).toBe(0x508n);
  });

  it('fault where there is none, where values are bad, and below CPL 0', () => {
    expect(() => rdmsr(0x12345)).toThrow('#13(0)');
    for (const [index, value] of [[0x12345, 0n], [0xc0000080, 0x1000n], [0xc0000100, 1n << 60n], [0x277, 2n], [0x1b, 1n]] as const) {
      expect(wrmsr(index, value)).toBe(STATUS_FAULT);
      expect(m.fault()).toBe('#13(0)');
    }
    m.enableProtectedMode(3);
    expect(wrmsr(0x277, 0n)).toBe(STATUS_FAULT);
  });

  it('the time-stamp counter goes on from what was written', () => {
    m.tsc = 1000n;
    wrmsr(0x10, 5n);
    m.tsc = 1100n;
    m.run('rdtsc', 0);
    expect([m.get64(RAX), rdmsr(0x3b)]).toEqual([105n, MASK - 994n]);
  });

  it('EFER.LME with CR0.PG makes long mode, and its loss ends it', () => {
    m.enableProtectedMode(0);
    m.run('movToControl', 4, 0x20n);
    wrmsr(0xc0000080, 0x100n);
    expect(m.run('movToControl', 0, 0x80000011n)).toBe(STATUS_RESUME);
    expect(rdmsr(0xc0000080)).toBe(0x500n);
    expect(wrmsr(0xc0000080, 0n)).toBe(STATUS_FAULT);
    m.fault();
    expect(m.run('movToControl', 4, 0n)).toBe(STATUS_FAULT);
    m.fault();
    expect(m.run('movToControl', 0, 0x11n)).toBe(STATUS_RESUME);
    expect(rdmsr(0xc0000080)).toBe(0x100n);
  });

  it.each([[0, 0x80000010n], [0, 0x20000011n], [4, 0x10000n], [0, 1n << 32n], [8, 16n]])('CR%i refuses %s', (register, value) => {
    m.enable64BitMode(0);
    const before = m.run64('readControl', register);
    expect(m.run('movToControl', register, value)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    expect(m.run64('readControl', register)).toBe(before);
  });

  it('LMSW sets PE but never clears it', () => {
    m.enableProtectedMode(0);
    m.run('lmsw', 0xe);
    expect(m.get64(CR0)).toBe(0x1fn);
    m.run('clts');
    expect(m.get64(CR0)).toBe(0x17n);
  });

  it('CR8 is the local APIC\'s', () => {
    m.enable64BitMode(0);
    expect(m.run64('readControl', 8)).toBe(5n);
    m.run('movToControl', 8, 9n);
    expect(m.log).toEqual(['tpr 9']);
  });

  it('SWAPGS', () => {
    m.enable64BitMode(0);
    m.set64(GS, 0x1111);
    m.set64(KERNEL_GS_BASE, 0x2222);
    m.run('swapgs');
    expect([m.get64(GS), m.get64(KERNEL_GS_BASE)]).toEqual([0x2222n, 0x1111n]);
  });
});

describe('ports', () => {
  it('merge into RAX by width', () => {
    m.set64(RAX, 0x1122334455667788n);
    m.inputs.push(0xaa, 0xbbbb, 0xcccccccc);
    m.run('portIn', 0x60, 1);
    expect(m.get64(RAX)).toBe(0x11223344556677aan);
    m.run('portIn', 0x60, 2);
    expect(m.get64(RAX)).toBe(0x112233445566bbbbn);
    m.run('portIn', 0x60, 4);
    expect(m.get64(RAX)).toBe(0xccccccccn);
  });

  it('leave the engine when the device asked for the machine loop', () => {
    expect(m.run('portOut', 0x64, 1, 0x1fe)).toBe(STATUS_NEXT);
    expect(m.log).toEqual(['out 64/1 fe']);
    m.set32(ATTENTION, ATTENTION_DEVICE);
    expect(m.run('portOut', 0x64, 1, 0xfe)).toBe(STATUS_EXIT);
  });

  it('follow the permission bitmap, also at its end', () => {
    m.enableProtectedMode(3);
    m.setRam16(0x3066, 0x68);
    m.setRam8(0x3068 + 8, 0x04);
    expect([m.run('portIn', 0x40, 2), m.run('portIn', 0x41, 2), m.run('portIn', 0x43, 1)]).toEqual([STATUS_NEXT, STATUS_FAULT, STATUS_NEXT]);
    m.setRam16(0x3066, 0x20f8);
    expect(m.run('portIn', 0x38, 1)).toBe(STATUS_FAULT);
    expect(m.run('portIn', 0x30, 1)).toBe(STATUS_NEXT);
  });
});

describe('breakpoints', () => {
  beforeEach(() => { m.enableProtectedMode(0); });

  it('stop before an instruction, unless RF is set', () => {
    m.run('movToDebug', 1, 0x5000n);
    m.run('movToDebug', 7, 0x8n);
    expect(m.get32(ATTENTION) & ATTENTION_STEP).toBe(ATTENTION_STEP);
    expect(m.run('breakpointAtRip')).toBe(1);
    expect([m.fault(), m.run64('readDebug', 6)]).toEqual(['#1', 0xffff0ff2n]);
    m.set32(EFLAGS_REST, 0x10002);
    expect(m.run('breakpointAtRip')).toBe(0);
    expect(m.run('debugTrapAfter', 0)).toBe(0);
    expect(m.run('breakpointAtRip')).toBe(1);
  });

  it.each([
    // RW and LEN of DR7 for breakpoint 0, address, bytes, access, hit
    [0x1, 0x5000, 1, 1, true], [0x1, 0x5000, 1, 0, false], [0x3, 0x5000, 1, 0, true], [0xd, 0x5003, 1, 1, true], [0xd, 0x5004, 4, 1, false], [0x1, 0x4ffe, 4, 1, true], [0xd, 0x4ffc, 4, 1, false],
  ])('watch data: control %i, access at %i of %i bytes (kind %i): %s', (control, address, bytes, access, hit) => {
    m.access(address, bytes, access);
    m.run('movToDebug', 0, 0x5000n);
    m.run('movToDebug', 7, BigInt(1 | (control << 16)));
    for (let turn = 0; turn < 2; turn++) {
      m.access(address, bytes, access);
      expect(m.hits(0x5000)).toBe(false);
      expect(m.run('debugTrapAfter', 0)).toBe(hit ? 1 : 0);
      expect(m.fault()).toBe(hit ? '#1' : 'none');
    }
  });

  it('single steps set BS', () => {
    expect(m.run('debugTrapAfter', 1)).toBe(1);
    expect(m.run64('readDebug', 6)).toBe(0xffff4ff0n);
  });
});

it('HLT is privileged and stops', () => {
  expect(m.run('hlt')).toBe(STATUS_EXIT);
  expect(m.get32(EXIT_REASON)).toBe(EXIT_HALTED);
  m.enableProtectedMode(3);
  expect(m.run('hlt')).toBe(STATUS_FAULT);
});

describe('stack instructions', () => {
  beforeEach(() => { m.enableProtectedMode(0); });
  it('PUSHA and POPA leave the registers as they were, SP ignored', () => {
    for (let i = 0; i < 8; i++) if (i !== 4) m.set64(i * 8, 0x11111111 * (i + 1));
    m.run('pusha', 4);
    expect([m.get64(RSP), m.ram32(0x7ffc), m.ram32(0x7fec), m.ram32(0x7fe0)]).toEqual([0x7fe0n, 0x11111111, 0x8000, 0x88888888]);
    for (let i = 0; i < 8; i++) if (i !== 4) m.set64(i * 8, 0);
    m.setRam32(0x7fec, 0xdead);
    m.run('popa', 4);
    expect([m.get64(RSP), m.get64(RAX), m.get64(56)]).toEqual([0x8000n, 0x11111111n, 0x88888888n]);
  });

  it('ENTER copies frame pointers', () => {
    m.set64(RBP, 0x7900);
    m.setRam32(0x78fc, 0xf1);
    expect(m.run('enter', 4, 0x10, 2)).toBe(STATUS_NEXT);
    expect([m.get64(RBP), m.get64(RSP), m.ram32(0x7ffc), m.ram32(0x7ff8), m.ram32(0x7ff4)]).toEqual([0x7ffcn, 0x7fe4n, 0x7900, 0xf1, 0x7ffc]);
    expect(m.run('leave', 4)).toBe(STATUS_NEXT);
    expect([m.get64(RBP), m.get64(RSP)]).toEqual([0x7900n, 0x8000n]);
  });
});

describe('128-bit arithmetic', () => {
  const word = fc.oneof(fc.bigInt({ min: 0n, max: MASK }), fc.constantFrom(0n, 1n, MASK, 1n << 63n, (1n << 63n) - 1n, 1n << 32n, (1n << 32n) - 1n));
  it('multiplies', () => {
    fc.assert(fc.property(word, word, (a, b) => {
      expect(m.run64('mulHighUnsigned', a, b)).toBe((a * b) >> 64n);
      expect(m.run64('mulHighSigned', a, b)).toBe(BigInt.asUintN(64, (BigInt.asIntN(64, a) * BigInt.asIntN(64, b)) >> 64n));
    }), { numRuns: 2000 });
  });

  it('divides without sign', () => {
    fc.assert(fc.property(word, word, word, (high, low, divisor) => {
      m.set64(RDX, high);
      m.set64(RAX, low);
      const good = m.run('div64', divisor);
      const dividend = (high << 64n) | low;
      if (divisor === 0n || dividend / divisor > MASK) {
        expect([good, m.fault(), m.get64(RAX)]).toEqual([0, '#0', low]);
      } else expect([good, m.get64(RAX), m.get64(RDX)]).toEqual([1, dividend / divisor, dividend % divisor]);
    }), { numRuns: 2000 });
  });

  it('divides with sign', () => {
    fc.assert(fc.property(word, word, word, fc.boolean(), (high, low, rawDivisor, small) => {
      const divisor = BigInt.asIntN(64, rawDivisor);
      const upper = small ? BigInt.asUintN(64, BigInt.asIntN(64, low) >> 63n) : high;
      m.set64(RDX, upper);
      m.set64(RAX, low);
      const good = m.run('idiv64', divisor);
      const dividend = BigInt.asIntN(128, (upper << 64n) | low);
      const quotient = divisor === 0n ? 1n << 100n : dividend / divisor;
      if (BigInt.asIntN(64, quotient) !== quotient) expect([good, m.fault()]).toEqual([0, '#0']);
      else expect([good, m.get64(RAX), m.get64(RDX)]).toEqual([1, BigInt.asUintN(64, quotient), BigInt.asUintN(64, dividend % divisor)]);
    }), { numRuns: 2000 });
  });
});
