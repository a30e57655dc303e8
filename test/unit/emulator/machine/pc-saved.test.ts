import { describe, expect, it } from 'vitest';
import { GUEST_RAM } from '../../../../src/emulator/cpu/memory-layout.ts';
import type { CpuBoard } from '../../../../src/emulator/interfaces/accelerator.ts';
import { Pc, type SavedPart } from '../../../../src/emulator/machine/pc.ts';
import { decodePlain, encodePlain } from '../../../../src/emulator/snapshot/plain-data.ts';
import { FakeAccelerator } from '../../../support/fake-accelerator.ts';
import { FakeCharacterChannel } from '../../../support/fake-character-channel.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLog } from '../../../support/fake-log.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const RAM_BYTES = 4 << 20;

function newPc(clock = new FakeClock()) {
  const shared = new SharedArrayBuffer(GUEST_RAM + RAM_BYTES);
  const cpu = new FakeAccelerator(() => 'go-on');
  let raised = 0;
  cpu.interruptRaised = () => { raised++; };
  let board: CpuBoard | undefined;
  const pc = new Pc({
    shared, ramBytes: RAM_BYTES, name: 'test', clock, log: new FakeLog(), firmware: new Uint8Array(0x40000).fill(0x66), videoFirmware: undefined, directBoot: undefined, isResumed: false, disks: [],
    adapters: [], bootOrder: [], serial: new FakeCharacterChannel(), virtioConsole: new FakeCharacterChannel(), entropy: { fill: (target) => target.fill(4) }, exitPort: undefined, debugPort: undefined,
    debugOutput: () => {}, requestReset: () => {}, requestEnd: () => {},
    createAccelerator: (given) => {
      board = given;
      return cpu;
    },
  });
  return { pc, board: board!, clock, shared, raised: (): number => raised };
}

type Rig = ReturnType<typeof newPc>;

/** As a state's file has it. */
function saved({ pc }: Rig): SavedPart[] {
  return decodePlain(encodePlain(pc.save())) as SavedPart[];
}

/** A board that has just been built goes on from where another one is; memory is not the board's. */
function restoredFrom(from: Rig, secondsPassed = 0): Rig {
  const twin = newPc(new FakeClock({ now: from.clock.now(), epochSeconds: from.clock.epochSeconds }));
  new Uint8Array(twin.shared, GUEST_RAM).set(new Uint8Array(from.shared, GUEST_RAM));
  const parts = saved(from);
  twin.pc.restore((id, version) => {
    const found = parts.find((part) => part.id === id && part.version === version);
    if (found === undefined) throw new Error(`there is no ${id}`);
    return found.state;
  }, secondsPassed);
  return twin;
}

/** What random accesses to ports and chips' memory read, among the passing of time. */
function traffic({ board, clock }: Rig, seed: number, count: number): number[] {
  const random = new SeededRandom(seed);
  const places = [0x00, 0x08, 0x20, 0x40, 0x60, 0x64, 0x70, 0x80, 0x92, 0xa0, 0xc0, 0xcf8, 0xcfc, 0x3c0, 0x3d4, 0x3f8, 0x510, 0x1ce, 0x1f0, 0x600, 0xc000];
  const seen: number[] = [];
  for (let step = 0; step < count; step++) {
    const port = random.pick(places) + random.below(8);
    const width = random.pick([1, 1, 2, 4] as const);
    if (random.below(2) === 0) seen.push(board.readPort(port, width));
    // Not the power button's side of ACPI, and no resets.
    else if (port !== 0x604 && port !== 0xcf9) board.writePort(port, width, width === 4 ? random.next32() : random.below(2 ** (8 * width)));
    if (random.below(4) === 0) {
      const address = random.pick([0xa0000, 0xfec00000, 0xfee00000]) + random.below(0x200);
      if (random.below(2) === 0) seen.push(board.readMmio(address, width));
      else board.writeMmio(address, width, random.below(2 ** (8 * width)));
    }
    if (random.below(20) === 0) clock.advance(random.below(1_000_000));
    if (board.interrupts.pending && random.below(10) === 0) seen.push(board.interrupts.acknowledge());
  }
  return seen;
}

describe('a board that goes on from another one\'s state', () => {
  it.each([1, 2, 3, 4, 5, 6])('has the same state, and behaves the same (seed %i)', (seed) => {
    const first = newPc();
    traffic(first, seed, 4000);
    const twin = restoredFrom(first);
    expect(saved(twin)).toEqual(saved(first));
    expect(traffic(twin, seed + 100, 3000)).toEqual(traffic(first, seed + 100, 3000));
    expect(saved(twin)).toEqual(saved(first));
  });

  it('says every part of it by a name of its own', () => {
    const ids = newPc().pc.save().map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('has a real-time clock that went on while the machine was off', () => {
    const first = newPc();
    const hour = ({ board }: Rig): number => {
      board.writePort(0x70, 1, 4);
      return board.readPort(0x71, 1);
    };
    expect([hour(first), hour(restoredFrom(first)), hour(restoredFrom(first, 3600 * 5))]).toEqual([0x12, 0x12, 0x17]);
  });

  it('types what was waiting to be typed', () => {
    const first = newPc();
    first.board.writePort(0x64, 1, 0x60);
    first.board.writePort(0x60, 1, 0x45);
    first.pc.typeText('abc');
    const twin = restoredFrom(first);
    const scanCodes: number[] = [];
    for (let step = 0; step < 30; step++) {
      while ((twin.board.readPort(0x64, 1) & 1) !== 0) scanCodes.push(twin.board.readPort(0x60, 1));
      twin.clock.advance(10_000_000);
    }
    expect(scanCodes).toEqual([0x1e, 0x9e, 0x30, 0xb0, 0x2e, 0xae]);
  });

  it('tells the CPU of an interrupt that waits', () => {
    const first = newPc();
    const { board } = first;
    for (const [base, vector, wiring] of [[0x20, 8, 4], [0xa0, 0x70, 2]] as const) for (const [offset, value] of [[0, 0x11], [1, vector], [1, wiring], [1, 1], [1, 0]] as const) board.writePort(base + offset, 1, value);
    for (const [port, value] of [[0x43, 0x34], [0x40, 0], [0x40, 1]] as const) board.writePort(port, 1, value);
    expect(restoredFrom(first).raised()).toBe(0);
    first.clock.advance(5_000_000);
    expect(board.interrupts.pending).toBe(true);
    const twin = restoredFrom(first);
    expect(twin.raised()).toBeGreaterThan(0);
    expect(twin.board.interrupts.acknowledge()).toBe(8);
  });
});
