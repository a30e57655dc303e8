import { describe, expect, it } from 'vitest';
import { NO_OFFLOAD } from '../../../../src/emulator/interfaces/network.ts';
import { ByteRate } from '../../../../src/emulator/network/byte-rate.ts';
import { ShapedLink } from '../../../../src/emulator/network/shaped-link.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { testCable } from '../../../support/test-cable.ts';

const SECOND = 1_000_000_000;

function rig() {
  const clock = new FakeClock();
  const { adapter, network } = testCable();
  const link = new ShapedLink(network, clock);
  const send = (bytes: number): boolean => {
    if (link.reserve(bytes) === undefined) return false;
    link.commit(NO_OFFLOAD);
    return true;
  };
  const arrive = (bytes: number): void => {
    if (adapter.reserve(bytes) === undefined) throw new Error('the ring is full');
    adapter.commit(NO_OFFLOAD);
  };
  const received = (): number => {
    let count = 0;
    for (let frame = adapter.peek(); frame !== undefined; frame = adapter.peek()) {
      count += frame.bytes.length;
      adapter.consume();
    }
    return count;
  };
  return { clock, link, send, arrive, received };
}

describe('a cable that is pulled out', () => {
  it('carries nothing either way, loses what comes meanwhile, and goes on when it is plugged in', () => {
    const { link, send, arrive } = rig();
    let woken = 0;
    link.onReadable = () => { woken++; };
    link.connect(false);
    arrive(100);
    expect([link.peek(), send(100)]).toEqual([undefined, false]);
    woken = 0;
    link.connect(true);
    expect([woken, link.peek()]).toEqual([1, undefined]);
    arrive(64);
    expect([link.peek()?.bytes.length, send(100)]).toEqual([64, true]);
  });
});

describe('a limited cable', () => {
  it('lets no more through in a second than it may, and says when it goes on', () => {
    const { clock, link, send, received } = rig();
    link.limit(100_000);
    let sent = 0;
    const fill = (): void => { while (send(1000)) sent += 1000; };
    link.onWritable = fill;
    fill();
    for (let step = 0; step < 200; step++) {
      clock.advance(SECOND / 100);
      received();
    }
    expect(sent).toBeGreaterThan(195_000);
    expect(sent).toBeLessThan(210_000);
  });

  it('holds back what comes from the guest as well', () => {
    const { clock, link, arrive } = rig();
    link.limit(10_000);
    for (let frame = 0; frame < 5; frame++) arrive(1000);
    let taken = 0;
    const take = (): void => {
      while (link.peek() !== undefined) {
        link.consume();
        taken++;
      }
    };
    link.onReadable = take;
    take();
    const atOnce = taken;
    clock.advance(SECOND);
    expect([atOnce < 5, taken]).toEqual([true, 5]);
  });
});

describe('a rate', () => {
  it('saves up no more than a moment, and forgets its debts with the limit', () => {
    let now = 0;
    const rate = new ByteRate(() => now, 1000);
    now = 100 * SECOND;
    rate.take(100);
    expect(rate.waitNanos).toBeGreaterThan(0.04 * SECOND);
    rate.take(1_000_000);
    rate.limit(undefined);
    expect(rate.waitNanos).toBe(0);
  });
});
