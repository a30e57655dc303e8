import { beforeEach, describe, expect, it } from 'vitest';
import {
  CPL, CR0, CS, DS, EFLAGS_REST, ES, FS, GS, INTERRUPT_SHADOW, LDTR, NMI_BLOCKED, RAX, RBX, RCX, RIP, RSP, SS, STATUS_FAULT, STATUS_NEXT, STATUS_RESUME, TR, SHADOW_STACK_LOAD,
} from '../../../../../src/emulator/cpu/state-layout.ts';
import { RuntimeMachine } from './runtime-machine.ts';

let m: RuntimeMachine;
beforeEach(() => { m = new RuntimeMachine(); });
const dwords = (at: number, count: number): number[] => Array.from({ length: count }, (_, i) => m.ram32(at + i * 4));
const cs = (): number => m.segment(CS).selector;
const place = (): unknown[] => [cs(), m.get64(RIP), m.segment(SS).selector, m.get64(RSP), m.get32(CPL)];
const push32 = (...values: number[]): void => {
  m.set64(RSP, m.get64(RSP) - BigInt(values.length * 4));
  values.forEach((value, i) => m.setRam32(Number(m.get64(RSP)) + i * 4, value));
};

describe('real-address mode', () => {
  it('far jumps, calls and returns move CS by paragraphs', () => {
    m.setSegment(SS, { base: 0x7000, selector: 0x700, limit: 0xffff, attributes: 0x93 });
    m.set64(RSP, 0x100);
    m.set64(RIP, 0xfff5);
    expect(m.run('farJump', 0xf000, 0xe05bn, 2)).toBe(STATUS_RESUME);
    expect([m.segment(CS).base, m.get64(RIP)]).toEqual([0xf0000, 0xe05bn]);
    expect(m.run('farCall', 0x1000, 0x10n, 2)).toBe(STATUS_RESUME);
    expect([m.ram16(0x70fe), m.ram16(0x70fc)]).toEqual([0xf000, 0xe05b]);
    expect(m.run('farReturn', 2, 4)).toBe(STATUS_RESUME);
    expect([m.segment(CS).base, m.get64(RIP), m.get64(RSP)]).toEqual([0xf0000, 0xe05bn, 0x104n]);
  });

  it('keeps the limits that protected mode left (unreal mode)', () => {
    m.setSegment(DS, { limit: 0xffffffff, attributes: 0xc093 });
    m.run('loadSegment', 3, 0x1234);
    expect(m.segment(DS)).toMatchObject({ base: 0x12340, limit: 0xffffffff, selector: 0x1234 });
  });

  it('turns to protected mode with CR0.PE and a far jump', () => {
    m.enableProtectedMode();
    m.set64(CR0, 0x10);
    m.setSegment(CS, { selector: 0, base: 0, limit: 0xffff, attributes: 0x93 });
    m.run('setMode');
    expect(m.run('movToControl', 0, 0x11n)).toBe(STATUS_RESUME);
    expect(m.run('farJump', 8, 0x6000n, 4)).toBe(STATUS_RESUME);
    expect([cs(), m.get64(RIP), m.mode & 3]).toEqual([8, 0x6000n, 1]);
    expect(m.ram8(0x1000 + 8 + 5) & 1).toBe(1);
  });

  it('IRET takes all flags it may', () => {
    m.setSegment(SS, { limit: 0xffff, attributes: 0x93 });
    m.set64(RSP, 0x100);
    m.setRam16(0x100, 0x42);
    m.setRam16(0x102, 0x1000);
    m.setRam16(0x104, 0x7ed7);
    expect(m.run('iret', 2)).toBe(STATUS_RESUME);
    expect([m.flags(), m.get64(RIP), m.get64(RSP)]).toEqual([0x7ed7, 0x42n, 0x106n]);
  });
});

describe('protected mode', () => {
  beforeEach(() => { m.enableProtectedMode(0); });

  it.each([
    ['null', 0, '#13(0)'], ['data', 0x10, '#13(10)'], ['outer code', 0x18, '#13(18)'], ['past the table', 0x800, '#13(800)'], ['absent', 0x40, '#11(40)'],
    ['worse RPL', 0x0b, '#13(8)'],
  ])('a far jump to a selector that is %s faults', (_name, selector, expected) => {
    m.setDescriptor(0x40, 0, 0xfffff, 0xc01b);
    expect(m.run('farJump', selector, 0x6000n, 4)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe(expected);
    expect(place()).toEqual([8, 0x5000n, 0x10, 0x8000n, 0]);
  });

  it('a call pushes nothing that counts when its target lies past the limit', () => {
    m.setDescriptor(0x40, 0, 0xfff, 0x409b);
    expect(m.run('farCall', 0x40, 0x1000n, 4)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    expect(m.get64(RSP)).toBe(0x8000n);
  });

  it('a call gate raises privilege and copies parameters; RETF undoes it and empties inner data segments', () => {
    m.enableProtectedMode(3);
    m.setGate(0x1000 + 0x40, 0x08, 0x6000, 0xec, 2);
    push32(0x11, 0x22);
    expect(m.run('farCall', 0x40, 0n, 4)).toBe(STATUS_RESUME);
    expect(place()).toEqual([8, 0x6000n, 0x10, 0x8fe8n, 0]);
    expect(dwords(0x8fe8, 6)).toEqual([0x5000, 0x1b, 0x11, 0x22, 0x7ff8, 0x23]);
    m.run('loadSegment', 3, 0x10);
    expect(m.run('farReturn', 4, 8)).toBe(STATUS_RESUME);
    expect(place()).toEqual([0x1b, 0x5000n, 0x23, 0x8000n, 3]);
    expect([m.segment(DS).attributes & 0x10000, m.segment(ES).selector]).toEqual([0x10000, 0x23]);
  });

  it('gates of better privilege are closed', () => {
    m.enableProtectedMode(3);
    m.setGate(0x1000 + 0x40, 0x08, 0x6000, 0x8c);
    expect(m.run('farCall', 0x40, 0n, 4)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(40)');
  });

  it('IRET to user mode takes SS:ESP, keeps IF from those below IOPL', () => {
    push32(0x6000, 0x1b, 0x3246, 0xa000, 0x23);
    m.set32(NMI_BLOCKED, 1);
    expect(m.run('iret', 4)).toBe(STATUS_RESUME);
    expect(place()).toEqual([0x1b, 0x6000n, 0x23, 0xa000n, 3]);
    expect([m.flags(), m.get32(NMI_BLOCKED)]).toEqual([0x3246, 0]);
    m.setFlags(0x2);
    m.setRam32(0xa000, 0x6100);
    m.setRam32(0xa004, 0x1b);
    m.setRam32(0xa008, 0x3202);
    m.run('iret', 4);
    expect(m.flags()).toBe(0x2);
  });

  it('IRET enters virtual-8086 mode', () => {
    push32(0x10, 0x100, 0x23202, 0x80, 0x200, 0x400, 0x300, 0x450, 0x500);
    expect(m.run('iret', 4)).toBe(STATUS_RESUME);
    expect(place()).toEqual([0x100, 0x10n, 0x200, 0x80n, 3]);
    expect([ES, DS, FS, GS].map((s) => m.segment(s).base)).toEqual([0x4000, 0x3000, 0x4500, 0x5000]);
    expect([m.get32(EFLAGS_REST), m.segment(DS).limit, m.mode]).toEqual([0x23202, 0xffff, 0x30]);
  });

  it('virtual-8086 IRET needs IOPL 3', () => {
    push32(0x10, 0x100, 0x20202, 0x80, 0x200, 0, 0, 0, 0);
    m.run('iret', 4);
    expect(m.run('iret', 2)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
  });

  it('loading SS shadows interrupts; its privilege must fit', () => {
    expect(m.run('loadSegment', 2, 0x10)).toBe(STATUS_NEXT);
    expect(m.get32(INTERRUPT_SHADOW)).toBe(SHADOW_STACK_LOAD);
    expect(m.run('loadSegment', 2, 0x23)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(20)');
    expect(m.run('loadSegment', 2, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
  });

  it('a segment that is not flat changes the mode of decoding', () => {
    m.setDescriptor(0x40, 0x10000, 0xfff, 0x4093);
    expect(m.run('loadSegment', 3, 0x40)).toBe(STATUS_RESUME);
    expect(m.segment(DS)).toMatchObject({ base: 0x10000, limit: 0xfff, attributes: 0x4093 });
    expect(m.mode & 8).toBe(0);
    expect(m.run('loadSegment', 3, 0x10)).toBe(STATUS_RESUME);
    expect(m.mode & 8).toBe(8);
  });

  it('LAR, LSL, VERR and VERW see what the privilege lets them', () => {
    m.enableProtectedMode(3);
    expect([m.run64('lar', 0x23), m.run64('lsl', 0x23)]).toEqual([0xcff300n, 0xffffffffn]);
    expect([m.run64('lar', 0x10), m.run64('lar', 0), m.run64('lar', 0x1000)]).toEqual([2n ** 64n - 1n, 2n ** 64n - 1n, 2n ** 64n - 1n]);
    expect([m.run('verr', 0x1b), m.run('verw', 0x1b), m.run('verw', 0x23), m.run('verr', 0x10)]).toEqual([1, 0, 1, 0]);
  });
});

describe('segment limits', () => {
  const check = (segment: number, address: bigint, bytes: number, access: number): bigint | string => {
    // A record whose memory operand is [RBX] with a 32-bit address.
    const record = 0x2000;
    m.bytes.fill(0, record, record + 24);
    m.bytes.set([3, 16, 4, segment], record + 8);
    m.set64(RBX, address);
    const linear = m.run64('segmentedAddress', record, bytes, access);
    return linear === 2n ** 64n - 1n ? m.fault() : linear;
  };
  beforeEach(() => { m.enableProtectedMode(0); });

  it.each([
    [0xffcn, 4, 0x10ffcn], [0xffdn, 4, '#13(0)'], [0x1000n, 1, '#13(0)'], [0xfffn, 1, 0x10fffn], [0xffffffffn, 2, '#13(0)'],
  ])('expand-up: %s for %i bytes', (address, bytes, expected) => {
    m.setSegment(DS, { base: 0x10000, limit: 0xfff, attributes: 0x4093 });
    expect(check(3, address, bytes, 0)).toBe(expected);
  });

  it.each([
    [0xfffn, 1, '#13(0)'], [0x1000n, 4, 0x11000n], [0xfffffffcn, 4, 0xfffcn], [0xfffffffdn, 4, '#13(0)'],
  ])('expand-down: %s for %i bytes', (address, bytes, expected) => {
    m.setSegment(DS, { base: 0x10000, limit: 0xfff, attributes: 0x4097 });
    expect(check(3, address, bytes, 0)).toBe(expected);
  });

  it('rights and null selectors, #SS through SS', () => {
    m.setSegment(DS, { attributes: 0xc091 });
    expect([check(3, 0n, 4, 0), check(3, 0n, 4, 1)]).toEqual([0n, '#13(0)']);
    expect([check(1, 0n, 4, 0), check(1, 0n, 4, 1)]).toEqual([0n, '#13(0)']);
    m.setSegment(DS, { attributes: 0x10000 });
    expect(check(3, 0n, 4, 0)).toBe('#13(0)');
    m.setSegment(SS, { limit: 0xff, attributes: 0x4093 });
    expect(check(2, 0x100n, 4, 0)).toBe('#12(0)');
  });
});

describe('task switches', () => {
  const NEW = 0x4000;
  beforeEach(() => {
    m.enableProtectedMode(0);
    m.setDescriptor(0x40, NEW, 0x67, 0x0089);
    m.setDescriptor(0x48, 0x3800, 0x1f, 0x0082);
    m.setRam32(NEW + 0x20, 0x6000);
    m.setRam32(NEW + 0x24, 0x246);
    for (let i = 0; i < 8; i++) m.setRam32(NEW + 0x28 + i * 4, 0x1000 * (i + 1));
    [0x10, 0x08, 0x10, 0x10, 0, 0].forEach((selector, i) => m.setRam32(NEW + 0x48 + i * 4, selector));
    m.setRam32(NEW + 0x60, 0x48);
    m.set64(RAX, 0xaaaa);
  });

  it('a jump saves one task, loads the other and moves the busy bit', () => {
    m.setFlags(0x203);
    expect(m.run('farJump', 0x40, 0n, 4)).toBe(STATUS_RESUME);
    expect([m.ram32(0x3020), m.ram32(0x3024), m.ram32(0x3028), m.ram16(0x304c)]).toEqual([0x5000, 0x203, 0xaaaa, 8]);
    expect([m.get64(RIP), m.flags(), m.get64(RAX), m.get64(RCX), m.get64(RSP)]).toEqual([0x6000n, 0x246, 0x1000n, 0x2000n, 0x5000n]);
    expect([m.segment(TR).selector, m.segment(TR).base, m.segment(LDTR).base]).toEqual([0x40, NEW, 0x3800]);
    expect([m.ram8(0x1000 + 0x28 + 5), m.ram8(0x1000 + 0x40 + 5)]).toEqual([0x89, 0x8b]);
    expect(m.get64(CR0) & 8n).toBe(8n);
  });

  it('a call nests, and IRET returns', () => {
    expect(m.run('farCall', 0x40, 0n, 4)).toBe(STATUS_RESUME);
    expect([m.ram16(NEW), m.flags() & 0x4000, m.ram8(0x1000 + 0x28 + 5)]).toEqual([0x28, 0x4000, 0x8b]);
    m.set64(RIP, 0x6010);
    expect(m.run('iret', 4)).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(RAX), m.segment(TR).selector, m.flags() & 0x4000]).toEqual([0x5000n, 0xaaaan, 0x28, 0]);
    expect([m.ram8(0x1000 + 0x40 + 5), m.ram32(NEW + 0x20), m.ram32(NEW + 0x24) & 0x4000]).toEqual([0x89, 0x6010, 0]);
  });

  it('a task gate takes an exception with its error code', () => {
    m.setGate(0x2000 + 13 * 8, 0x40, 0, 0x85);
    m.run('raise', 13, 0x58, 1);
    expect(m.run('deliverFault')).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(RSP), m.ram32(0x4ffc)]).toEqual([0x6000n, 0x4ffcn, 0x58]);
  });

  it.each([
    ['busy', 0x67, 0x008b, '#13(40)'], ['absent', 0x67, 0x0009, '#11(40)'], ['too short', 0x60, 0x0089, '#10(40)'],
  ])('a TSS that is %s faults in the old task', (_name, limit, attributes, expected) => {
    m.setDescriptor(0x40, NEW, limit, attributes);
    expect(m.run('farJump', 0x40, 0n, 4)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe(expected);
    expect(m.segment(TR).selector).toBe(0x28);
  });

  it('a bad segment of the new task faults in the new task', () => {
    m.setRam32(NEW + 0x54, 0x78);
    m.setGate(0x2000 + 11 * 8, 0x08, 0x7000, 0x8e);
    m.setGate(0x2000 + 10 * 8, 0x08, 0x7100, 0x8e);
    m.setDescriptor(0x78, 0, 0, 0x0000);
    expect(m.run('farJump', 0x40, 0n, 4)).toBe(STATUS_RESUME);
    expect([m.segment(TR).selector, m.get64(RIP), m.ram32(0x4ff0), m.ram32(0x4ff4)]).toEqual([0x40, 0x7100n, 0x78, 0x6000]);
  });

  it('loads and saves a 16-bit task', () => {
    m.setDescriptor(0x40, NEW, 0x2b, 0x0081);
    m.setRam16(NEW + 0x0e, 0x6000);
    m.setRam16(NEW + 0x10, 0x202);
    m.setRam16(NEW + 0x12, 0x1234);
    m.setRam16(NEW + 0x1a, 0x5000);
    [0x10, 0x08, 0x10, 0x10].forEach((selector, i) => m.setRam16(NEW + 0x22 + i * 2, selector));
    m.setRam16(NEW + 0x2a, 0);
    expect(m.run('farCall', 0x40, 0n, 4)).toBe(STATUS_RESUME);
    expect([m.get64(RAX), m.get64(RIP), m.get64(RSP)]).toEqual([0x1234n, 0x6000n, 0x5000n]);
    m.set64(RAX, 0x4321);
    m.run('iret', 4);
    expect([m.ram16(NEW + 0x12), m.get64(RAX)]).toEqual([0x4321, 0xaaaan]);
  });
});

describe('64-bit mode', () => {
  const push64 = (...values: number[]): void => {
    m.set64(RSP, m.get64(RSP) - BigInt(values.length * 8));
    values.forEach((value, i) => m.setRam64(Number(m.get64(RSP)) + i * 8, BigInt(value)));
  };
  it('IRETQ always takes SS:RSP', () => {
    m.enable64BitMode(0);
    push64(0x6000, 8, 0x202, 0x9990, 0);
    expect(m.run('iret', 8)).toBe(STATUS_RESUME);
    expect(place()).toEqual([8, 0x6000n, 0, 0x9990n, 0]);
  });

  it('IRETQ to a 32-bit program', () => {
    m.enable64BitMode(0);
    m.setDescriptor(0x40, 0, 0xfffff, 0xc0fb);
    push64(0x6000, 0x43, 0x202, 0x9990, 0x23);
    expect(m.run('iret', 8)).toBe(STATUS_RESUME);
    expect(place()).toEqual([0x43, 0x6000n, 0x23, 0x9990n, 3]);
    expect(m.mode & 0x1f).toBe(0x15);
  });

  it('a far jump from compatibility mode into 64-bit code', () => {
    m.enable64BitMode(0);
    m.setSegment(CS, { selector: 0x40, attributes: 0xc09b });
    m.run('setMode');
    expect(m.run('farJump', 8, 0x6000n, 4)).toBe(STATUS_RESUME);
    expect(m.mode & 3).toBe(2);
  });
});
