import { describe, expect, it } from 'vitest';

import { Pit8254 } from '../../../../src/emulator/devices/pit.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

/** 21 ticks take exactly this long. */
const NANOS_PER_21_TICKS = 17_600;

function rig(): { pit: Pit8254; clock: FakeClock; line: FakeLine; ticks: (count: number) => void } {
  const clock = new FakeClock();
  const line = new FakeLine();
  const pit = new Pit8254({ id: 'pit', clock, outputs: [line] });
  pit.reset('power-on');
  let passed = 0;
  return {
    pit,
    clock,
    line,
    ticks: (count) => {
      passed += count;
      clock.advance(Math.ceil((passed * NANOS_PER_21_TICKS) / 21) - clock.now());
    },
  };
}

function program(pit: Pit8254, counter: number, mode: number, count: number, bcd = 0): void {
  pit.ports.write(3, 1, counter << 6 | 0x30 | mode << 1 | bcd);
  pit.ports.write(counter, 1, count & 0xff);
  pit.ports.write(counter, 1, count >> 8);
}

function count(pit: Pit8254, counter: number): number {
  pit.ports.write(3, 1, counter << 6);
  return pit.ports.read(counter, 1) | pit.ports.read(counter, 1) << 8;
}

function status(pit: Pit8254, counter: number): number {
  pit.ports.write(3, 1, 0xe0 | 2 << counter);
  return pit.ports.read(counter, 1);
}

describeDeviceContract('Pit8254', (clock) => {
  const lines = [new FakeLine(), undefined, new FakeLine()];
  const pit = new Pit8254({ id: 'pit', clock, outputs: lines });
  return {
    device: pit,
    ranges: [{ name: 'ports', handler: pit.ports, length: 4 }],
    observe: () => [lines.map((line) => line?.high), pit.output(0), pit.output(1), pit.output(2), pit.toneHertz, clock.nextDeadline],
    stimulate: (random) => { pit.setGate(2, random.below(2) === 0); },
  };
}, { manyTwins: true });

describe('Pit8254', () => {
  it('interrupts 1000 times in the first second when it counts 1193 ticks', () => {
    const { pit, clock, line } = rig();
    program(pit, 0, 2, 1193);
    clock.advance(1_000_000_000);
    // 105,000,000 / 88 / 1193 is 1000.15 per second.
    expect(line.risingEdges - 1).toBe(1000);
  });

  it('keeps the exact rate over a day', () => {
    const { pit, clock, line } = rig();
    program(pit, 0, 3, 0);
    const before = line.risingEdges;
    clock.advance(86_400_000_000_000);
    // 86400 * 105,000,000 / 88 / 65536 = 1573042.6…
    expect(line.risingEdges - before).toBe(1_573_042);
  });

  it('mode 0 raises its output after the count and goes on counting', () => {
    const { pit, line, ticks } = rig();
    program(pit, 0, 0, 100);
    expect(line.high).toBe(false);
    ticks(100);
    expect(line.high).toBe(false);
    expect(count(pit, 0)).toBe(1);
    ticks(1);
    expect(line.high).toBe(true);
    ticks(1);
    expect(count(pit, 0)).toBe(0xffff);
    pit.ports.write(0, 1, 5);
    expect(line.high).toBe(false);
    pit.ports.write(0, 1, 0);
    ticks(6);
    expect(line.high).toBe(true);
  });

  it('mode 0 stands still while the gate is low', () => {
    const { pit, ticks } = rig();
    pit.setGate(2, true);
    program(pit, 2, 0, 1000);
    ticks(101);
    pit.setGate(2, false);
    ticks(500);
    expect(count(pit, 2)).toBe(900);
    pit.setGate(2, true);
    ticks(899);
    expect(pit.output(2)).toBe(false);
    ticks(1);
    expect(pit.output(2)).toBe(true);
  });

  it('mode 1 is a one-shot that the gate triggers again', () => {
    const { pit, ticks } = rig();
    program(pit, 2, 1, 50);
    expect(pit.output(2)).toBe(true);
    pit.setGate(2, true);
    ticks(1);
    expect(pit.output(2)).toBe(false);
    ticks(30);
    pit.setGate(2, false);
    pit.setGate(2, true);
    ticks(50);
    expect(pit.output(2)).toBe(false);
    ticks(1);
    expect(pit.output(2)).toBe(true);
  });

  it('mode 2 is low for the last tick of each period and takes a new count over at its end', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 10);
    ticks(1);
    expect(count(pit, 0)).toBe(10);
    ticks(9);
    expect([count(pit, 0), pit.output(0)]).toEqual([1, false]);
    ticks(1);
    expect([count(pit, 0), pit.output(0)]).toEqual([10, true]);
    ticks(3);
    pit.ports.write(0, 1, 20);
    pit.ports.write(0, 1, 0);
    expect(status(pit, 0) & 0x40).toBe(0x40);
    ticks(6);
    expect(count(pit, 0)).toBe(1);
    ticks(1);
    expect(count(pit, 0)).toBe(20);
    expect(status(pit, 0) & 0x40).toBe(0);
  });

  it('mode 3 splits odd counts into a longer high and a shorter low half, counting by two', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 3, 5);
    const seen: [number, boolean][] = [];
    for (let tick = 0; tick < 6; tick++) {
      ticks(1);
      seen.push([count(pit, 0), pit.output(0)]);
    }
    expect(seen).toEqual([[4, true], [2, true], [0, true], [4, false], [2, false], [4, true]]);
  });

  it('mode 3 takes a new count over at the end of the half', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 3, 20);
    ticks(4);
    pit.ports.write(0, 1, 40);
    pit.ports.write(0, 1, 0);
    ticks(6);
    expect(pit.output(0)).toBe(true);
    ticks(1);
    expect(pit.output(0)).toBe(false);
    ticks(19);
    expect(pit.output(0)).toBe(false);
    ticks(1);
    expect(pit.output(0)).toBe(true);
  });

  it('modes 2 and 3 are high while the gate is low and start over when it rises', () => {
    const { pit, ticks } = rig();
    pit.setGate(2, true);
    program(pit, 2, 3, 20);
    ticks(15);
    expect(pit.output(2)).toBe(false);
    pit.setGate(2, false);
    expect(pit.output(2)).toBe(true);
    expect(pit.toneHertz).toBeUndefined();
    pit.setGate(2, true);
    expect(pit.toneHertz).toBeCloseTo(59_659.09, 1);
    ticks(10);
    expect(pit.output(2)).toBe(true);
    ticks(1);
    expect(pit.output(2)).toBe(false);
  });

  it('mode 4 strobes low for one tick', () => {
    const { pit, line, ticks } = rig();
    program(pit, 0, 4, 10);
    const edges = line.risingEdges;
    ticks(11);
    expect(pit.output(0)).toBe(false);
    ticks(1);
    expect(pit.output(0)).toBe(true);
    expect(line.risingEdges).toBe(edges + 1);
    ticks(200_000);
    expect(line.risingEdges).toBe(edges + 1);
  });

  it('mode 5 strobes after a gate edge only', () => {
    const { pit, ticks } = rig();
    program(pit, 2, 5, 10);
    ticks(100);
    expect(pit.output(2)).toBe(true);
    pit.setGate(2, true);
    ticks(11);
    expect(pit.output(2)).toBe(false);
    ticks(1);
    expect(pit.output(2)).toBe(true);
  });

  it('still shows an edge that was due when the guest programs the counter anew before the clock ran it', () => {
    const { pit, ticks, clock } = rig();
    program(pit, 0, 2, 1000);
    ticks(10);
    const late = new FakeClock({ now: clock.now() + 1_000_000 });
    const line = new FakeLine();
    const twin = new Pit8254({ id: 'pit', clock: late, outputs: [line] });
    twin.restore(pit.save());
    const before = line.risingEdges;
    twin.ports.write(0, 1, 0);
    expect(line.risingEdges).toBe(before + 1);
  });

  it('counts in BCD', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 0x1000, 1);
    ticks(2);
    expect(count(pit, 0)).toBe(0x0999);
  });

  it('keeps a latched count until both bytes are read, and latches but once', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 0x1234);
    ticks(5);
    pit.ports.write(3, 1, 0x00);
    ticks(100);
    pit.ports.write(3, 1, 0x00);
    expect([pit.ports.read(0, 1), pit.ports.read(0, 1)]).toEqual([0x30, 0x12]);
    expect(count(pit, 0)).toBe(0x1234 - 104);
  });

  it('reads back status before count', () => {
    const { pit, ticks } = rig();
    program(pit, 0, 2, 100);
    ticks(11);
    pit.ports.write(3, 1, 0xc2);
    expect(pit.ports.read(0, 1)).toBe(0x80 | 0x34);
    expect([pit.ports.read(0, 1), pit.ports.read(0, 1)]).toEqual([90, 0]);
  });
});
