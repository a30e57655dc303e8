import { describe, expect, it } from 'vitest';
import { GUEST_RAM } from '../../../../src/emulator/cpu/memory-layout.ts';
import type { CpuBoard } from '../../../../src/emulator/interfaces/accelerator.ts';
import { Pc, type PcOptions } from '../../../../src/emulator/machine/pc.ts';
import { FakeAccelerator } from '../../../support/fake-accelerator.ts';
import { FakeCharacterChannel } from '../../../support/fake-character-channel.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLog } from '../../../support/fake-log.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const RAM_BYTES = 4 << 20;
const FIRMWARE_BYTES = 0x40000;
// One memory for all boards of this file: each test's board begins with what the last one left, as after a warm start.
const shared = new SharedArrayBuffer(GUEST_RAM + RAM_BYTES);

function newPc(changes: Partial<PcOptions> = {}) {
  const clock = new FakeClock();
  const serial = new FakeCharacterChannel();
  const log = new FakeLog();
  const cpu = new FakeAccelerator(() => 'go-on');
  const told = { resets: 0, ends: [] as unknown[], debug: '' };
  const firmware = new Uint8Array(FIRMWARE_BYTES);
  for (let index = 0; index < FIRMWARE_BYTES; index += 0x1000) firmware[index] = index >> 12;
  let board: CpuBoard | undefined;
  const pc = new Pc({
    shared, ramBytes: RAM_BYTES, name: 'test', clock, log, firmware, videoFirmware: undefined, directBoot: undefined, isResumed: false, disks: [],
    adapters: [], bootOrder: [], serial, virtioConsole: new FakeCharacterChannel(), entropy: { fill: (target) => target.fill(4) }, exitPort: undefined, debugPort: undefined,
    debugOutput: (byte) => (told.debug += String.fromCharCode(byte)),
    createAccelerator: (given) => {
      board = given;
      return cpu;
    },
    requestReset: () => told.resets++,
    requestEnd: (end) => told.ends.push(end),
    ...changes,
  });
  return { pc, board: board!, clock, serial, log, cpu, told };
}

type Board = ReturnType<typeof newPc>['board'];

/** Configuration space by mechanism #1. */
function writeConfig(board: Board, slot: number, register: number, value: number): void {
  board.writePort(0xcf8, 4, (0x8000_0000 | (slot << 11) | (register & 0xfc)) >>> 0);
  board.writePort(0xcfc + (register & 3), 1, value);
}

function readConfig32(board: Board, slot: number, functionNumber: number, register: number): number {
  board.writePort(0xcf8, 4, (0x8000_0000 | (slot << 11) | (functionNumber << 8) | register) >>> 0);
  return board.readPort(0xcfc, 4);
}

/** The usual initialization of the two controllers, all inputs open. */
function initializePics(board: Board): void {
  for (const [base, vector, wiring] of [[0x20, 8, 4], [0xa0, 0x70, 2]] as const) {
    board.writePort(base, 1, 0x11);
    board.writePort(base + 1, 1, vector);
    board.writePort(base + 1, 1, wiring);
    board.writePort(base + 1, 1, 1);
    board.writePort(base + 1, 1, 0);
  }
}

describe('Pc', () => {
  it('shows RAM, the firmware below 4 GiB and its end below 1 MiB', () => {
    const { pc } = newPc();
    pc.memory.write32(0x1000, 0x12345678);
    pc.memory.write32(RAM_BYTES - 4, 0x9abcdef0);
    expect(pc.memory.read32(0x1000)).toBe(0x12345678);
    expect(pc.memory.read32(RAM_BYTES - 4)).toBe(0x9abcdef0);
    expect(pc.memory.read32(RAM_BYTES)).toBe(0xffff_ffff);
    expect(pc.memory.read8(0xfffff000)).toBe(0x3f);
    expect(pc.memory.read8(0xfffc1000)).toBe(1);
    expect(pc.memory.read8(0xff000)).toBe(0x3f);
    expect(pc.memory.read8(0xe0000)).toBe(0x20);
  });

  it('shadows the firmware with RAM as the host bridge is told, and shows it again after a reset', () => {
    const { pc, board } = newPc();
    // Reads from ROM, writes to RAM.
    writeConfig(board, 0, 0x59, 0x20);
    board.writeMmio(0xf0000, 4, 0x11223344);
    expect(pc.memory.read8(0xf0000)).toBe(0x30);
    // Both from RAM.
    writeConfig(board, 0, 0x59, 0x30);
    expect(pc.memory.read32(0xf0000)).toBe(0x11223344);
    pc.memory.write8(0xf0000, 0x55);
    // Read only.
    writeConfig(board, 0, 0x59, 0x10);
    pc.memory.write8(0xf0000, 0x66);
    board.writeMmio(0xf0000, 1, 0x66);
    expect(pc.memory.read8(0xf0000)).toBe(0x55);
    pc.reset('soft');
    expect(pc.memory.read8(0xf0000)).toBe(0x30);
    expect(pc.memory.read8(0xc0000)).toBe(0xff);
  });

  it('brings timer, clock and serial interrupts to the CPU by the PICs', () => {
    const { board, clock, serial } = newPc();
    initializePics(board);
    board.writePort(0x43, 1, 0x34);
    board.writePort(0x40, 1, 0xe8);
    board.writePort(0x40, 1, 0x03);
    expect(board.interrupts.pending).toBe(false);
    clock.advance(2_000_000);
    expect(board.interrupts.pending).toBe(true);
    expect(board.interrupts.acknowledge()).toBe(8);
    board.writePort(0x20, 1, 0x20);
    board.writePort(0x21, 1, 0x01);
    board.writePort(0x3fc, 1, 0x08);
    board.writePort(0x3f9, 1, 0x01);
    serial.deliver('x');
    clock.advance(1_000_000);
    expect(board.interrupts.acknowledge()).toBe(12);
    expect(board.readPort(0x3f8, 1)).toBe(0x78);
    board.writePort(0x20, 1, 0x20);
    board.writePort(0x70, 1, 0x0b);
    board.writePort(0x71, 1, 0x12);
    clock.advance(1_100_000_000);
    expect(board.interrupts.acknowledge()).toBe(0x70);
  });

  it('has a local APIC that can be moved and is back after a reset, and an I/O APIC', () => {
    const { pc, board } = newPc();
    expect(board.readMmio(0xfee00030, 4) & 0xff).toBeGreaterThanOrEqual(0x10);
    board.localApic.setBaseMsr(0xd000_0000n | 0x900n);
    expect(board.readMmio(0xfee00030, 4)).toBe(0xffff_ffff);
    expect(board.readMmio(0xd0000030, 4) & 0xff).toBeGreaterThanOrEqual(0x10);
    // On top of the I/O APIC there is no place for it.
    board.localApic.setBaseMsr(0xfec0_0000n | 0x900n);
    pc.reset('soft');
    expect(board.readMmio(0xfee00030, 4) & 0xff).toBeGreaterThanOrEqual(0x10);
    board.writeMmio(0xfec00000, 4, 1);
    expect((board.readMmio(0xfec00010, 4) >>> 16) & 0xff).toBe(23);
  });

  it('brings the timer to pin 2 of the I/O APIC and from there to the CPU', () => {
    const { board, clock } = newPc();
    initializePics(board);
    board.writePort(0x21, 1, 0xff);
    board.writeMmio(0xfee000f0, 4, 0x1ff);
    board.writeMmio(0xfec00000, 4, 0x10 + 2 * 2);
    board.writeMmio(0xfec00010, 4, 0x31);
    board.writePort(0x43, 1, 0x34);
    board.writePort(0x40, 1, 0xe8);
    board.writePort(0x40, 1, 0x03);
    clock.advance(2_000_000);
    expect(board.interrupts.acknowledge()).toBe(0x31);
  });

  it('switches itself off by ACPI, and presses the power button for the user', () => {
    const { pc, board, told } = newPc();
    const slot = 1 << 11 | 3 << 8;
    const config = (register: number, value: number): void => {
      board.writePort(0xcf8, 4, (0x8000_0000 | slot | register) >>> 0);
      board.writePort(0xcfc, 4, value);
    };
    config(0x40, 0x601);
    config(0x80, 0x01);
    board.writePort(0x602, 2, 0x0100);
    pc.pressPowerButton();
    expect(board.readPort(0x600, 2) & 0x100).toBe(0x100);
    board.writePort(0x604, 2, 0x2000);
    expect(told.ends).toEqual([{ reason: 'guest-power-off' }]);
  });

  it('lets A20 through when the keyboard controller or port 0x92 does', () => {
    const { board, cpu } = newPc();
    expect(cpu.a20).toBe(true);
    board.writePort(0x64, 1, 0xd1);
    board.writePort(0x60, 1, 0xdd);
    expect(cpu.a20).toBe(false);
    board.writePort(0x92, 1, 0x02);
    expect(cpu.a20).toBe(true);
    board.writePort(0x92, 1, 0x00);
    expect(cpu.a20).toBe(false);
    board.writePort(0x64, 1, 0xdf);
    expect(cpu.a20).toBe(true);
  });

  it('asks for a reset by the keyboard controller, port 0x92 and port 0xCF9', () => {
    const { board, told } = newPc();
    board.writePort(0x64, 1, 0xfe);
    expect(told.resets).toBe(1);
    board.writePort(0x92, 1, 0x01);
    expect(told.resets).toBe(2);
    board.writePort(0xcf9, 1, 0x02);
    board.writePort(0xcf9, 1, 0x06);
    expect(told.resets).toBe(3);
  });

  it('has its PCI functions where guests expect them', () => {
    const { board } = newPc();
    expect(readConfig32(board, 0, 0, 0)).toBe(0x12378086);
    expect(readConfig32(board, 1, 0, 0)).toBe(0x70008086);
    expect(readConfig32(board, 1, 1, 0)).toBe(0x70108086);
    expect(readConfig32(board, 1, 3, 0)).toBe(0x71138086);
    expect(readConfig32(board, 2, 0, 0)).toBe(0x11111234);
    expect(readConfig32(board, 31, 0, 0)).toBe(0xffff_ffff);
  });

  it('counts instructions across resets', () => {
    const { pc, cpu } = newPc();
    cpu.instructions = 1_000;
    cpu.reset = () => (cpu.instructions = 0);
    pc.reset('soft');
    expect(pc.instructions).toBe(1_000);
    cpu.instructions = 5;
    expect(pc.instructions).toBe(1_005);
  });

  it('ends the machine by the exit port and logs by the debug port', () => {
    const { board, told } = newPc({ exitPort: 0xf4, debugPort: 0x402 });
    expect(board.readPort(0x402, 1)).toBe(0xe9);
    for (const character of 'hi') board.writePort(0x402, 1, character.charCodeAt(0));
    board.writePort(0xf4, 1, 7);
    expect(told.debug).toBe('hi');
    expect(told.ends).toEqual([{ reason: 'exit-port', exitStatus: 7 }]);
  });

  it('types text as keys', () => {
    const { pc, board, clock, log } = newPc();
    board.writePort(0x64, 1, 0x60);
    board.writePort(0x60, 1, 0x45);
    pc.typeText('aé');
    expect(log.lines.some((line) => line.topic === 'typing')).toBe(true);
    const scanCodes: number[] = [];
    for (let step = 0; step < 10; step++) {
      while ((board.readPort(0x64, 1) & 1) !== 0) scanCodes.push(board.readPort(0x60, 1));
      clock.advance(10_000_000);
    }
    expect(scanCodes).toEqual([0x1e, 0x9e]);
  });

  it('withstands random accesses to all ports and to the memory of all chips', () => {
    const { pc, board, clock, told } = newPc();
    const random = new SeededRandom(20261123);
    const interesting = [0x20, 0x40, 0x60, 0x64, 0x70, 0xa0, 0xcf8, 0xcfc, 0x3c0, 0x3f8, 0x510, 0x1ce, 0x1f0, 0x600, 0xc000];
    for (let step = 0; step < 60_000; step++) {
      const port = random.below(3) === 0 ? random.below(0x10000) : random.pick(interesting) + random.below(16);
      const width = random.pick([1, 2, 4] as const);
      if (random.below(2) === 0) board.readPort(port, width);
      else board.writePort(port, width, width === 4 ? random.next32() : random.below(2 ** (8 * width)));
      if (random.below(4) === 0) {
        const address = random.pick([0xa0000, 0xc0000, 0xfec00000, 0xfee00000, 0xe0000000]) + random.below(0x2000);
        if (random.below(2) === 0) board.readMmio(address, width);
        else board.writeMmio(address, width, random.below(2 ** (8 * width)));
      }
      if (random.below(50) === 0) clock.advance(random.below(1_000_000));
      if (board.interrupts.pending && random.below(10) === 0) board.interrupts.acknowledge();
    }
    pc.reset('soft');
    expect(pc.memory.read8(0xfffff000)).toBe(0x3f);
    expect(told.resets).toBeGreaterThan(0);
  });
});
