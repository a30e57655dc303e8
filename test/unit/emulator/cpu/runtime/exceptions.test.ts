import { beforeEach, describe, expect, it } from 'vitest';
import {
  CPL, CR2, CR4, CS, DS, EFLAGS_REST, ES, EXIT_REASON, EXIT_TRIPLE_FAULT, FAULT_ADDRESS, FS, GS, IDTR_LIMIT, RIP, RSP, SS, STATUS_EXIT, STATUS_FAULT, STATUS_RESUME,
} from '../../../../../src/emulator/cpu/state-layout.ts';
import { RuntimeMachine } from './runtime-machine.ts';

let m: RuntimeMachine;
beforeEach(() => { m = new RuntimeMachine(); });
const IDT = 0x2000;
const dwords = (at: number, count: number): number[] => Array.from({ length: count }, (_, i) => m.ram32(at + i * 4));
const words = (at: number, count: number): number[] => Array.from({ length: count }, (_, i) => m.ram16(at + i * 2));
const cs = (): number => m.segment(CS).selector;

describe('real-address mode', () => {
  beforeEach(() => {
    m.setSegment(CS, { selector: 0x1234, base: 0x12340, limit: 0xffff, attributes: 0x93 });
    m.setSegment(SS, { selector: 0x700, base: 0x7000, limit: 0xffff, attributes: 0x93 });
    m.set64(RSP, 0x100);
    m.set64(RIP, 0x5678);
    m.run('setMode');
    m.setRam32(0x21 * 4, 0x9abc_0042);
  });

  it('pushes FLAGS, CS and IP and goes where the vector points', () => {
    m.setFlags(0x302 | 0x41);
    expect(m.run('deliverInterrupt', 0x21)).toBe(STATUS_RESUME);
    expect(words(0x70fa, 3)).toEqual([0x5678, 0x1234, 0x343]);
    expect([m.get64(RSP), m.get64(RIP), cs(), m.segment(CS).base]).toEqual([0xfan, 0x42n, 0x9abc, 0x9abc0]);
    expect(m.flags() & 0x300).toBe(0);
  });

  it('wraps the stack pointer within its 16 bits', () => {
    m.set64(RSP, 0xabcd0002n);
    m.run('softwareInterrupt', 0x21, 0);
    expect(m.get64(RSP)).toBe(0xabcdfffcn);
    expect([m.ram16(0x7000), m.ram16(0x16ffe), m.ram16(0x16ffc)]).toEqual([2, 0x1234, 0x5678]);
  });

  it('shuts down when the table has no entry for anything', () => {
    m.set32(IDTR_LIMIT, 0);
    m.run('raise', 6, 0, 0);
    expect(m.run('deliverFault')).toBe(STATUS_EXIT);
    expect(m.get32(EXIT_REASON)).toBe(EXIT_TRIPLE_FAULT);
  });
});

describe('protected mode', () => {
  it('stays on the stack when privilege does not change, and knows trap gates and error codes', () => {
    m.enableProtectedMode(0);
    m.setFlags(0x202);
    m.setGate(IDT + 13 * 8, 0x08, 0x12345678, 0x8f);
    m.run('raise', 13, 0x50, 1);
    expect(m.run('deliverFault')).toBe(STATUS_RESUME);
    expect(dwords(0x7ff0, 4)).toEqual([0x50, 0x5000, 0x08, 0x10202]);
    expect([m.get64(RIP), m.get64(RSP), m.flags() & 0x200]).toEqual([0x12345678n, 0x7ff0n, 0x200]);
  });

  it('switches to the stack of the TSS when privilege rises, and disables interrupts behind an interrupt gate', () => {
    m.enableProtectedMode(3);
    m.setFlags(0x4302);
    m.setGate(IDT + 0x30 * 8, 0x08, 0x6000, 0x8e);
    expect(m.run('deliverInterrupt', 0x30)).toBe(STATUS_RESUME);
    expect(dwords(0x8fec, 5)).toEqual([0x5000, 0x1b, 0x4302, 0x8000, 0x23]);
    expect([cs(), m.segment(SS).selector, m.get32(CPL), m.get64(RSP)]).toEqual([0x08, 0x10, 0, 0x8fecn]);
    expect(m.flags() & 0x4300).toBe(0);
  });

  it('pushes words through a 16-bit gate', () => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 0x30 * 8, 0x08, 0x6000, 0x86);
    m.run('deliverInterrupt', 0x30);
    expect(words(0x7ffa, 3)).toEqual([0x5000, 0x08, 0x02]);
    expect(m.get64(RIP)).toBe(0x6000n);
  });

  it('lets INT n through gates of its privilege only', () => {
    m.enableProtectedMode(3);
    m.setGate(IDT + 0x30 * 8, 0x08, 0x6000, 0x8e);
    m.setGate(IDT + 0x31 * 8, 0x08, 0x6100, 0xee);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(182)');
    expect([m.get64(RIP), m.get64(RSP), m.get32(CPL)]).toEqual([0x5000n, 0x8000n, 3]);
    expect(m.run('softwareInterrupt', 0x31, 0)).toBe(STATUS_RESUME);
    expect(m.get64(RIP)).toBe(0x6100n);
  });

  it.each([
    ['absent gate', 0x0e, 0x08, '#11(182)'], ['no gate', 0x80, 0x08, '#13(182)'], ['null selector', 0x8e, 0x00, '#13(0)'], ['data selector', 0x8e, 0x10, '#13(10)'],
    ['selector past the table', 0x8e, 0x1000, '#13(1000)'], ['outer code', 0x8e, 0x18, '#13(18)'],
  ])('an %s faults', (_name, attributes, selector, expected) => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 0x30 * 8, selector, 0x6000, attributes);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe(expected);
  });

  it('marks errors of external events with EXT', () => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 0x30 * 8, 0x40, 0x6000, 0x8e);
    m.setGate(IDT + 13 * 8, 0x08, 0x7000, 0x8e);
    m.setDescriptor(0x40, 0, 0, 0);
    expect(m.run('deliverInterrupt', 0x30)).toBe(STATUS_RESUME);
    expect(m.get64(RIP)).toBe(0x7000n);
    expect(m.ram32(0x7ff0)).toBe(0x41);
  });

  it('raises #TS for a bad inner stack, and leaves everything as it was', () => {
    m.enableProtectedMode(3);
    m.setRam16(0x3008, 0x20);
    m.setGate(IDT + 0x30 * 8, 0x08, 0x6000, 0xee);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#10(20)');
    expect([cs(), m.get64(RSP), m.get32(CPL)]).toEqual([0x1b, 0x8000n, 3]);
  });

  it('turns a contributory fault during a contributory fault into a double fault, and that into shutdown', () => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 8 * 8, 0x08, 0x7000, 0x8e);
    m.run('raise', 13, 0, 1);
    expect(m.run('deliverFault')).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.ram32(0x7ff0)]).toEqual([0x7000n, 0]);
    m.setRam8(IDT + 8 * 8 + 5, 0);
    m.run('raise', 13, 0, 1);
    expect(m.run('deliverFault')).toBe(STATUS_EXIT);
  });

  it('delivers a fault in the delivery of a benign exception by itself', () => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 11 * 8, 0x08, 0x7000, 0x8e);
    m.setGate(IDT + 6 * 8, 0x08, 0x6000, 0x0e);
    m.run('raise', 6, 0, 0);
    m.run('deliverFault');
    expect([m.get64(RIP), m.ram32(0x7ff0)]).toEqual([0x7000n, 6 * 8 + 3]);
  });

  it('sets CR2 when a page fault is delivered, not when it is found', () => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 14 * 8, 0x08, 0x7000, 0x8e);
    m.set64(FAULT_ADDRESS, 0xdead000);
    m.run('raise', 14, 2, 1);
    expect(m.get64(CR2)).toBe(0n);
    m.run('deliverFault');
    expect(m.get64(CR2)).toBe(0xdead000n);
  });
});

describe('virtual-8086 mode', () => {
  beforeEach(() => {
    m.enableProtectedMode(0);
    m.setGate(IDT + 0x30 * 8, 0x08, 0x6000, 0xee);
    m.setGate(IDT + 13 * 8, 0x08, 0x7000, 0x8e);
    m.set32(EFLAGS_REST, 0x23202);
    for (const [segment, selector] of [[CS, 0x100], [SS, 0x200], [DS, 0x300], [ES, 0x400], [FS, 0x450], [GS, 0x500]] as const) {
      m.setSegment(segment, { selector, base: selector * 16, limit: 0xffff, attributes: 0xf3 });
    }
    m.set64(RIP, 0x10);
    m.set64(RSP, 0x80);
    m.run('setMode');
  });

  it('saves the data segments and empties them', () => {
    expect(m.get32(CPL)).toBe(3);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_RESUME);
    expect(dwords(0x8fdc, 9)).toEqual([0x10, 0x100, 0x23202, 0x80, 0x200, 0x400, 0x300, 0x450, 0x500]);
    expect([m.get32(CPL), m.segment(DS).selector, m.segment(DS).attributes & 0x10000, m.flags() & 0x20000]).toEqual([0, 0, 0x10000, 0]);
  });

  it('keeps INT n from programs without IOPL 3', () => {
    m.set32(EFLAGS_REST, 0x20202);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    expect(m.run('softwareInterrupt', 3, 1)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(1a)');
  });

  it('with VME leaves INT n to the program where the bitmap says so', () => {
    m.set64(CR4, 1);
    m.set32(EFLAGS_REST, 0xa0202);
    m.setRam16(0x3066, 0x88);
    m.setRam32(0x21 * 4, 0x0600_0123);
    expect(m.run('softwareInterrupt', 0x21, 0)).toBe(STATUS_RESUME);
    expect([m.segment(CS).selector, m.get64(RIP), m.get64(RSP)]).toEqual([0x600, 0x123n, 0x7an]);
    expect(words(0x207a, 3)).toEqual([0x10, 0x100, 0x3202]);
    expect(m.get32(EFLAGS_REST) & 0x80200).toBe(0x200);
    m.setRam8(0x3068 + (0x21 >> 3), 2);
    expect(m.run('softwareInterrupt', 0x21, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
  });
});

describe('long mode', () => {
  const qwords = (at: number, count: number): bigint[] => Array.from({ length: count }, (_, i) => m.ram64(at + i * 8));

  it('aligns the stack and always pushes SS:RSP', () => {
    m.enable64BitMode(0);
    m.set64(RSP, 0x8005);
    m.setGate(IDT + 13 * 16, 0x08, 0x12345678, 0x8e);
    m.run('raise', 13, 0x18, 1);
    expect(m.run('deliverFault')).toBe(STATUS_RESUME);
    expect(qwords(0x7fd0, 6)).toEqual([0x18n, 0x5000n, 0x08n, 0x10002n, 0x8005n, 0x10n]);
    expect([m.get64(RIP), m.get64(RSP), m.segment(SS).selector]).toEqual([0x12345678n, 0x7fd0n, 0x10]);
  });

  it('takes RSP0 from user mode and leaves a null SS', () => {
    m.enable64BitMode(3);
    m.setGate(IDT + 0x30 * 16, 0x08, 0x6000, 0x8e);
    expect(m.run('deliverInterrupt', 0x30)).toBe(STATUS_RESUME);
    expect(qwords(0x8fd8, 5)).toEqual([0x5000n, 0x1bn, 0x02n, 0x8000n, 0x23n]);
    expect([m.get32(CPL), m.segment(SS).selector, m.mode & 16]).toEqual([0, 0, 0]);
  });

  it('takes an IST stack even without a change of privilege', () => {
    m.enable64BitMode(0);
    m.setRam64(0x3024, 0xa000n);
    m.setGate(IDT + 2 * 16, 0x08, 0x6000, 0x8e, 1);
    m.run('deliverInterrupt', 2);
    expect(m.get64(RSP)).toBe(0xa000n - 40n);
  });

  it('refuses 32-bit handlers and 16-bit gates', () => {
    m.enable64BitMode(0);
    m.setDescriptor(0x40, 0, 0xfffff, 0xc09b);
    m.setGate(IDT + 0x30 * 16, 0x40, 0x6000, 0x8e);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(40)');
    m.setGate(IDT + 0x30 * 16, 0x08, 0x6000, 0x86);
    expect(m.run('softwareInterrupt', 0x30, 0)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(182)');
  });

  it('a page fault on the handler\'s stack is a double fault', () => {
    const { table } = m.enable64BitMode(3);
    m.setRam64(table + 8 * 8, 0n);
    m.setRam64(0x3024, 0xa000n);
    m.setGate(IDT + 14 * 16, 0x08, 0x6000, 0x8e);
    m.setGate(IDT + 8 * 16, 0x08, 0x7000, 0x8e, 1);
    m.run('slowAccess', 0x40000000n, 4, 0);
    expect(m.run('deliverFault')).toBe(STATUS_RESUME);
    expect([m.get64(RIP), m.get64(CR2)]).toEqual([0x7000n, 0x8ff8n]);
  });
});
