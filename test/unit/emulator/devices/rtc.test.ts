import { describe, expect, it } from 'vitest';

import { Rtc146818 } from '../../../../src/emulator/devices/rtc.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

const SECOND = 1_000_000_000;

interface Rig {
  rtc: Rtc146818;
  clock: FakeClock;
  line: FakeLine;
  get: (index: number) => number;
  put: (index: number, value: number) => void;
  /** Century to seconds, as hexadecimal digits. */
  time: () => string;
}

function rig(options: { epochSeconds?: number; contents?: ReadonlyMap<number, number> } = {}): Rig {
  const clock = new FakeClock(options.epochSeconds === undefined ? {} : { epochSeconds: options.epochSeconds });
  const line = new FakeLine();
  const rtc = new Rtc146818({ id: 'rtc', clock, interrupt: line, contents: options.contents ?? new Map() });
  rtc.reset('power-on');
  const get = (index: number): number => {
    rtc.ports.write(0, 1, index);
    return rtc.ports.read(1, 1);
  };
  return {
    rtc,
    clock,
    line,
    get,
    put: (index, value) => {
      rtc.ports.write(0, 1, index);
      rtc.ports.write(1, 1, value);
    },
    time: () => [0x32, 9, 8, 7, 4, 2, 0].map((index) => get(index).toString(16).padStart(2, '0')).join(' '),
  };
}

describeDeviceContract('Rtc146818', (clock) => {
  const line = new FakeLine();
  const masks: boolean[] = [];
  const rtc = new Rtc146818({ id: 'rtc', clock, interrupt: line, nmiMaskChanged: (masked) => { masks.push(masked); } });
  return {
    device: rtc,
    ranges: [{ name: 'ports', handler: rtc.ports, length: 2 }],
    observe: () => [line.high, masks.splice(0), clock.nextDeadline],
    stimulate: (random) => {
      // The clock's own registers are but a few of the 128.
      rtc.ports.write(0, 1, random.below(14));
      return rtc.ports.read(1, 1);
    },
  };
}, { longestStepNanos: 700_000_000, manyTwins: true });

describe('Rtc146818', () => {
  it('shows the time of the host at power-on, in BCD and 24 hours, and goes on', () => {
    const { clock, time } = rig();
    expect(time()).toBe('20 26 11 23 12 34 56');
    clock.advance(4 * SECOND);
    expect(time()).toBe('20 26 11 23 12 35 00');
    clock.advance(30 * 86_400 * SECOND);
    expect(time()).toBe('20 26 12 23 12 35 00');
  });

  it.each([
    [0, '19 70 01 01 00 00 00'],
    [951_782_399, '20 00 02 28 23 59 59'],
    [951_782_400, '20 00 02 29 00 00 00'],
    [4_107_542_400, '21 00 03 01 00 00 00'],
  ])('knows the calendar: %i s since 1970 is %s', (epochSeconds, expected) => {
    expect(rig({ epochSeconds }).time()).toBe(expected);
  });

  it('shows hours of twelve and binary numbers where asked to', () => {
    const { get, put, clock } = rig();
    put(0x0b, 0x00);
    expect(get(4)).toBe(0x92);
    clock.advance(12 * 3600 * SECOND);
    expect(get(4)).toBe(0x12);
    put(0x0b, 0x06);
    expect([get(0), get(2), get(4)]).toEqual([56, 34, 0]);
  });

  it('stands while SET is on and goes on from what was written', () => {
    const { put, clock, time, get } = rig();
    put(0x0b, 0x82);
    clock.advance(10 * SECOND);
    for (const [index, value] of [[0x32, 0x19], [9, 0x99], [8, 0x12], [7, 0x31], [4, 0x23], [2, 0x59], [0, 0x58], [6, 6]] as const) put(index, value);
    expect(time()).toBe('19 99 12 31 23 59 58');
    put(0x0b, 0x02);
    clock.advance(2 * SECOND);
    expect(time()).toBe('20 00 01 01 00 00 00');
    expect(get(6)).toBe(7);
  });

  it('begins half a second after the divider is released', () => {
    const { put, get, clock } = rig();
    put(0x0a, 0x70);
    clock.advance(300_000_000);
    put(0, 0x10);
    put(0x0a, 0x26);
    clock.advance(499_999_999);
    expect(get(0)).toBe(0x10);
    clock.advance(1);
    expect(get(0)).toBe(0x11);
  });

  it('shows an update in progress for the last 244 µs of a second', () => {
    const { get, clock } = rig();
    expect(get(0x0a)).toBe(0x26);
    clock.advance(SECOND - 244_000);
    expect(get(0x0a)).toBe(0xa6);
    clock.advance(244_000);
    expect(get(0x0a)).toBe(0x26);
  });

  it('interrupts 1024 times a second where the guest reads register C each time', () => {
    const { rtc, put, clock, line } = rig();
    put(0x0a, 0x26);
    put(0x0b, 0x42);
    rtc.ports.write(0, 1, 0x0c);
    let interrupts = 0;
    for (let step = 0; step < 10_000; step++) {
      clock.advance(100_000);
      if (!line.high) continue;
      expect(rtc.ports.read(1, 1)).toBeGreaterThanOrEqual(0xc0);
      expect(line.high).toBe(false);
      interrupts++;
    }
    expect(interrupts).toBe(1024);
  });

  it('sets flags without interrupts when they are not enabled, and needs no timer for that', () => {
    const { get, clock, line } = rig();
    clock.advance(SECOND);
    expect(clock.nextDeadline).toBeUndefined();
    expect(get(0x0c)).toBe(0x50);
    expect(get(0x0c)).toBe(0);
    expect(line.risingEdges).toBe(0);
  });

  it('interrupts at the end of each update', () => {
    const { get, put, clock, line } = rig();
    put(0x0b, 0x12);
    clock.advance(SECOND - 1);
    expect(line.high).toBe(false);
    clock.advance(1);
    expect(line.high).toBe(true);
    expect(get(0x0c) & 0x90).toBe(0x90);
    clock.advance(SECOND);
    expect(line.high).toBe(true);
  });

  it('raises the alarm at the set time, across midnight, and each minute where hours and minutes do not matter', () => {
    const { get, put, clock, line } = rig();
    put(1, 0x00);
    put(3, 0x30);
    put(5, 0x01);
    put(0x0b, 0x22);
    clock.advance((12 * 3600 + 55 * 60 + 3) * SECOND);
    expect(line.high).toBe(false);
    clock.advance(SECOND);
    expect(line.high).toBe(true);
    expect(get(0x0c) & 0xa0).toBe(0xa0);
    put(3, 0xff);
    put(5, 0xc0);
    for (let minute = 0; minute < 3; minute++) {
      clock.advance(60 * SECOND);
      expect(get(0x0c) & 0x20).toBe(0x20);
    }
  });

  it('keeps RAM, the board\'s contents, and the NMI mask of the index port', () => {
    const masks: boolean[] = [];
    const rtc = new Rtc146818({ id: 'rtc', clock: new FakeClock(), interrupt: new FakeLine(), nmiMaskChanged: (masked) => { masks.push(masked); }, contents: new Map([[0x34, 0xab]]) });
    rtc.ports.write(0, 1, 0xb4);
    expect(rtc.ports.read(1, 1)).toBe(0xab);
    rtc.ports.write(1, 1, 0x12);
    rtc.reset('soft');
    expect(rtc.ports.read(1, 1)).toBe(0x12);
    rtc.ports.write(0, 1, 0x0d);
    expect(rtc.ports.read(1, 1)).toBe(0x80);
    expect(masks).toEqual([true, false]);
  });
});
