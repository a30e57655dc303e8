import { describe, expect, it } from 'vitest';
import { NO_OFFLOAD } from '../../../../src/emulator/interfaces/network.ts';
import { ImpairedLink, NO_IMPAIRMENT } from '../../../../src/emulator/network/impaired-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { testCable } from '../../../support/test-cable.ts';

const MILLI = 1_000_000;

function rig(randoms: readonly number[] = [0.5]) {
  const { adapter, network } = testCable();
  const clock = new FakeClock();
  let next = 0;
  const link = new ImpairedLink(network, clock, () => randoms[next++ % randoms.length]!);
  const fromGuest: number[] = [];
  link.onReadable = () => {
    for (let frame = link.peek(); frame !== undefined; frame = link.peek()) {
      fromGuest.push(frame.bytes[0]!);
      link.consume();
    }
  };
  const put = (end: typeof adapter | typeof link, value: number, length = 60): boolean => {
    const room = end.reserve(length);
    if (room === undefined) return false;
    room.fill(value);
    end.commit(NO_OFFLOAD);
    return true;
  };
  const toGuest = (): number[] => {
    const seen: number[] = [];
    for (let frame = adapter.peek(); frame !== undefined; frame = adapter.peek()) {
      seen.push(frame.bytes[0]!);
      adapter.consume();
    }
    return seen;
  };
  return { adapter, link, clock, fromGuest, toGuest, put };
}

describe('an impaired link', () => {
  it('passes everything at once while nothing is wrong with it', () => {
    const { adapter, link, put, fromGuest, toGuest } = rig();
    put(adapter, 1);
    put(link, 2);
    expect([fromGuest, toGuest()]).toEqual([[1], [2]]);
  });

  it('delays both ways', () => {
    const { adapter, link, clock, put, fromGuest, toGuest } = rig();
    link.impair({ ...NO_IMPAIRMENT, delayMillis: 40 });
    put(adapter, 1);
    put(link, 2);
    clock.advance(39 * MILLI);
    expect([fromGuest, toGuest()]).toEqual([[], []]);
    clock.advance(2 * MILLI);
    expect([fromGuest, toGuest()]).toEqual([[1], [2]]);
  });

  it('adds a chance to the delay, and keeps the order', () => {
    const { link, clock, put, toGuest } = rig([0.9, 0.1]);
    link.impair({ ...NO_IMPAIRMENT, delayMillis: 10, jitterMillis: 100 });
    put(link, 1);
    put(link, 2);
    clock.advance(95 * MILLI);
    expect(toGuest()).toEqual([]);
    clock.advance(10 * MILLI);
    expect(toGuest()).toEqual([1, 2]);
  });

  it('loses as many frames as it is told, and counts them', () => {
    const { adapter, link, put, fromGuest } = rig([0.05, 0.5, 0.15]);
    link.impair({ ...NO_IMPAIRMENT, lossPercent: 10 });
    for (let index = 0; index < 100; index++) put(adapter, index);
    expect(link.lost).toBe(50);
    expect(link.lost + fromGuest.length).toBe(100);
  });

  it('goes back to passing at once, after what is under way', () => {
    const { adapter, link, clock, put, fromGuest, toGuest } = rig();
    link.impair({ ...NO_IMPAIRMENT, delayMillis: 50 });
    put(adapter, 1);
    put(link, 1);
    link.impair(NO_IMPAIRMENT);
    put(adapter, 2);
    put(link, 2);
    expect([fromGuest, toGuest()]).toEqual([[], []]);
    clock.advance(51 * MILLI);
    expect([fromGuest, toGuest()]).toEqual([[1, 2], [1, 2]]);
  });

  it('holds a bounded amount, and tells when there is room again', () => {
    const { link, clock, put, toGuest } = rig();
    link.impair({ ...NO_IMPAIRMENT, delayMillis: 50 });
    let writable = 0;
    link.onWritable = () => { writable++; };
    let taken = 0;
    while (taken < 1000 && put(link, taken & 255, 60_000)) taken++;
    expect(taken).toBeLessThan(300);
    clock.advance(51 * MILLI);
    let received = 0;
    for (let part = toGuest(); part.length > 0; part = toGuest()) received += part.length;
    expect([received, writable > 0]).toEqual([taken, true]);
  });
});
