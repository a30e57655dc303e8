import { beforeEach, describe, expect, it } from 'vitest';
import { CS, DS, EFLAGS_REST, ES, RAX, RCX, RDI, RDX, RSI, STATUS_AGAIN, STATUS_FAULT, STATUS_NEXT } from '../../../../../src/emulator/cpu/state-layout.ts';
import { RECORD_SEGMENT } from '../../../../../src/emulator/cpu/memory-layout.ts';
import { RuntimeMachine } from './runtime-machine.ts';

const MOVS = 0;
const STOS = 1;
const LODS = 2;
const CMPS = 3;
const SCAS = 4;
const INS = 5;
const OUTS = 6;
const REPE = 1;
const REPNE = 2;

let m: RuntimeMachine;
/** A record with DS as the source segment, in the unused low memory. */
const record = 0x2000;
beforeEach(() => {
  m = new RuntimeMachine();
  m.enableProtectedMode(0);
  m.view.setUint8(record + RECORD_SEGMENT, 3);
});
const setup = (rsi: number, rdi: number, rcx: number): void => { m.set64(RSI, rsi); m.set64(RDI, rdi); m.set64(RCX, rcx); };
const registers = (): bigint[] => [m.get64(RSI), m.get64(RDI), m.get64(RCX)];
const run = (kind: number, bytes: number, repeat = 0, addressBytes = 4): number => m.run('stringOperation', record, kind, bytes, addressBytes, repeat);
const text = (at: number, value: string): void => { for (let i = 0; i < value.length; i++) m.setRam8(at + i, value.charCodeAt(i)); };
const read = (at: number, length: number): string => String.fromCharCode(...Array.from({ length }, (_, i) => m.ram8(at + i)));

describe('MOVS', () => {
  it('moves one element', () => {
    text(0x5000, 'abcd');
    setup(0x5000, 0x6000, 9);
    expect(run(MOVS, 4)).toBe(STATUS_NEXT);
    expect([read(0x6000, 4), ...registers()]).toEqual(['abcd', 0x5004n, 0x6004n, 9n]);
  });

  it('copies over pages that lie elsewhere, at any alignment', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 6 * 8, 0x9007n);
    for (let i = 0; i < 0x2000; i++) m.setRam8(i < 0x1000 ? 0x5000 + i : 0x9000 + (i - 0x1000), (i * 7) & 255);
    setup(0x5003, 0x20001, 0x1f00);
    expect(run(MOVS, 1, REPE, 8)).toBe(STATUS_NEXT);
    for (let i = 0; i < 0x1f00; i++) if (m.ram8(0x20001 + i) !== (((i + 3) * 7) & 255)) throw new Error(`byte ${i}`);
    expect(registers()).toEqual([0x6f03n, 0x21f01n, 0n]);
  });

  it.each([1, 2, 4])('repeats what it copied where the target overlaps upwards (%i bytes)', (bytes) => {
    text(0x5000, '12345678');
    setup(0x5000, 0x5000 + bytes, 16 / bytes);
    run(MOVS, bytes, REPE);
    expect(read(0x5000, 16)).toBe('12345678'.slice(0, bytes).repeat(16 / bytes));
  });

  it('copies downwards with DF', () => {
    text(0x5000, '12345678');
    m.set32(EFLAGS_REST, 0x402);
    setup(0x5007, 0x5009, 8);
    run(MOVS, 1, REPE);
    expect([read(0x5000, 10), ...registers()]).toEqual(['1212345678', 0x4fffn, 0x5001n, 0n]);
  });

  it('stops at the element that faults, with the registers at it', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 0x21 * 8, 0n);
    setup(0x5000, 0x20ff0, 0x100);
    expect(run(MOVS, 4, REPE, 8)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#14(2) at 21000');
    expect(registers()).toEqual([0x5010n, 0x21000n, 0xfcn]);
  });

  it('wraps 16-bit addresses and keeps the upper halves', () => {
    text(0xfffe, 'ab');
    text(0, 'cd');
    setup(0x7777fffe, 0x66661000, 0x55550004);
    run(MOVS, 1, REPE, 2);
    expect([read(0x1000, 4), ...registers()]).toEqual(['abcd', 0x77770002n, 0x66661004n, 0x55550000n]);
  });

  it('respects segment limits in the middle', () => {
    m.setSegment(ES, { base: 0x6000, limit: 7, attributes: 0x4093 });
    m.run('setMode');
    setup(0x5000, 0, 16);
    expect(run(MOVS, 1, REPE)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    expect(registers()).toEqual([0x5008n, 8n, 8n]);
  });

  it('does nothing with a count of 0', () => {
    setup(0x5000, 0x6000, 0);
    expect(run(MOVS, 1, REPE)).toBe(STATUS_NEXT);
    expect(registers()).toEqual([0x5000n, 0x6000n, 0n]);
  });

  it('yields after 64 KiB and goes on', () => {
    setup(0x10000, 0x100000, 0x18000);
    expect(run(MOVS, 1, REPE)).toBe(STATUS_AGAIN);
    expect(m.get64(RCX)).toBe(0x8000n);
    expect(run(MOVS, 1, REPE)).toBe(STATUS_NEXT);
    expect(registers()).toEqual([0x28000n, 0x118000n, 0n]);
  });

  it('drops decoded code that it overwrites', () => {
    const code = m.run('fetch', 0x6800n);
    setup(0x5000, 0x6000, 0x1000);
    run(MOVS, 1, REPE);
    expect(m.view.getUint16(code, true)).toBe(1);
  });

  it('copies to a device element by element', () => {
    m.mapPage(0xa0000, undefined);
    text(0x5000, 'abcd');
    setup(0x5000, 0xa0000, 2);
    run(MOVS, 2, REPE);
    expect(m.log).toEqual(['write a0000/2 6261', 'write a0002/2 6463']);
  });

  it('copies from a device to RAM element by element', () => {
    m.mapPage(0xa0000, undefined);
    m.inputs.push(0x11, 0x22, 0x33);
    setup(0xa0000, 0x5000, 3);
    run(MOVS, 1, REPE);
    expect([m.ram32(0x5000), m.log.length]).toEqual([0x332211, 3]);
  });

  it('copies from a device to a device', () => {
    m.mapPage(0xa0000, undefined);
    m.inputs.push(0x11, 0x22);
    setup(0xa0000, 0xa0100, 2);
    run(MOVS, 1, REPE);
    expect(m.log).toEqual(['read a0000/1', 'write a0100/1 11', 'read a0001/1', 'write a0101/1 22']);
  });
});

describe('STOS and LODS', () => {
  it.each([[1, '**'.repeat(4)], [2, '*+'.repeat(4)], [4, '*+,-'.repeat(2)]])('fills with %i bytes', (bytes, expected) => {
    m.set64(RAX, 0x2d2c2b2a);
    setup(0, 0x5ffe - 2, 8 / bytes);
    run(STOS, bytes, REPE);
    expect(read(0x5ffc, 8)).toBe(expected);
    expect(m.get64(RDI)).toBe(0x6004n);
  });

  it('loads into as much of RAX as it names', () => {
    text(0x5000, 'abcdefgh');
    m.set64(RAX, 0x1122334455667788n);
    setup(0x5000, 0, 0);
    run(LODS, 1);
    expect(m.get64(RAX)).toBe(0x1122334455667761n);
    run(LODS, 2);
    expect(m.get64(RAX)).toBe(0x1122334455666362n);
    run(LODS, 4);
    expect(m.get64(RAX)).toBe(0x67666564n);
  });
});

describe('CMPS and SCAS', () => {
  it('REPE CMPS stops behind the first difference with its flags', () => {
    text(0x5000, 'abcdefgh');
    text(0x6000, 'abcdXfgh');
    setup(0x5000, 0x6000, 8);
    expect(run(CMPS, 1, REPE)).toBe(STATUS_NEXT);
    expect(registers()).toEqual([0x5005n, 0x6005n, 3n]);
    // 65h - 58h
    expect(m.flags() & 0x8d5).toBe(0x10);
  });

  it('REPE CMPS of equal strings ends with ZF', () => {
    text(0x5000, 'abcdefgh');
    text(0x6000, 'abcdefgh');
    setup(0x5000, 0x6000, 2);
    run(CMPS, 4, REPE);
    expect([...registers(), m.flags() & 0x8d5]).toEqual([0x5008n, 0x6008n, 0n, 0x44]);
  });

  it('REPNE SCAS finds a byte over a page boundary', () => {
    m.set64(RAX, 0xffff41);
    m.setRam8(0x6010, 0x41);
    setup(0, 0x5000, 0xffffffff);
    expect(run(SCAS, 1, REPNE)).toBe(STATUS_NEXT);
    expect([m.get64(RDI), m.get64(RCX)]).toEqual([0x6011n, 0xffffffffn - 0x1011n]);
  });

  it.each([[1, 0x80n, 0x01], [2, 0x8000n, 0x0001], [4, 0x80000000n, 0x00000001]])('computes overflow, sign and carry for %i bytes', (bytes, a, b) => {
    m.set64(RAX, a);
    m.setRam32(0x5000, b);
    setup(0, 0x5000, 1);
    run(SCAS, bytes);
    expect(m.flags() & 0x8c1).toBe(0x800);
    m.set64(RAX, 1n);
    m.setRam32(0x5000, Number(a));
    setup(0, 0x5000, 1);
    run(SCAS, bytes);
    expect(m.flags() & 0x8c1).toBe(0x881);
  });
});

describe('INS and OUTS', () => {
  it('read and write ports one by one', () => {
    m.set64(RDX, 0x1f0);
    m.inputs.push(0x2211, 0x4433);
    setup(0, 0x5000, 2);
    run(INS, 2, REPE);
    expect([m.ram32(0x5000), ...registers()]).toEqual([0x44332211, 0n, 0x5004n, 0n]);
    setup(0x5000, 0, 2);
    run(OUTS, 2, REPE);
    expect(m.log).toEqual(['in 1f0/2', 'in 1f0/2', 'out 1f0/2 2211', 'out 1f0/2 4433']);
  });

  it('take blocks where the port has them', () => {
    m.set64(RDX, 0x1f0);
    m.blockBytes = 512;
    m.inputs.push(0x99);
    setup(0, 0x5f00, 257);
    run(INS, 2, REPE);
    expect(m.log).toEqual(['in-block 1f0/2 256', 'in-block 1f0/2 256', 'in 1f0/2']);
    expect([m.ram8(0x5f00), m.ram8(0x60ff), m.ram16(0x6100), m.get64(RDI)]).toEqual([0xb5, 0xb5, 0x99, 0x6102n]);
  });

  it('do not touch the port when the target faults', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 0x21 * 8, 0n);
    m.set64(RDX, 0x1f0);
    setup(0, 0x21000, 1);
    expect(run(INS, 2, REPE, 8)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#14(2) at 21000');
    expect(m.log).toEqual([]);
  });

  it('need the right to the port', () => {
    m.enableProtectedMode(3);
    m.setRam16(0x3066, 0x68);
    m.setRam8(0x3068 + (0x60 >> 3), 1);
    m.set64(RDX, 0x60);
    setup(0, 0x5000, 1);
    expect(run(INS, 1)).toBe(STATUS_FAULT);
    expect(m.fault()).toBe('#13(0)');
    m.set64(RDX, 0x61);
    expect(run(INS, 1)).toBe(STATUS_NEXT);
  });
});

it('source segment override', () => {
  m.setSegment(DS, { base: 0x1000 });
  m.setSegment(CS, { selector: 8, base: 0x2000, attributes: 0xc09b });
  m.view.setUint8(record + RECORD_SEGMENT, 1);
  text(0x5000, 'x');
  setup(0x3000, 0x6000, 1);
  run(MOVS, 1);
  expect(read(0x6000, 1)).toBe('x');
});
