import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HostClock } from '../../../../src/emulator/host/host-clock.ts';

const SECOND = 1_000_000_000;

describe('HostClock', () => {
  beforeEach(() => { vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }); });
  afterEach(() => { vi.useRealTimers(); });

  it('fires timers at their time, put off and called off as they are', () => {
    const clock = new HostClock();
    const fired: string[] = [];
    const timers = ['kept', 'put off', 'called off', 'brought forward'].map((label) => clock.timer(label, () => { fired.push(`${label} at ${Math.round(clock.now() / SECOND)}`); }));
    for (const timer of timers) timer.arm(2 * SECOND);
    timers[1]!.arm(5 * SECOND);
    timers[2]!.disarm();
    timers[3]!.arm(SECOND);
    vi.advanceTimersByTime(10_000);
    expect(fired).toEqual(['brought forward at 1', 'kept at 2', 'put off at 5']);
    expect(timers.map(({ deadline }) => deadline)).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('stands still while it is paused, and so do its timers', () => {
    const clock = new HostClock();
    let fired = 0;
    clock.timer('late', () => { fired++; }).arm(3 * SECOND);
    vi.advanceTimersByTime(1000);
    clock.pause();
    const before = clock.now();
    vi.advanceTimersByTime(3_600_000);
    expect([clock.now(), fired]).toEqual([before, 0]);
    clock.timer('armed meanwhile', () => { fired += 10; }).arm(before + SECOND);
    clock.resume();
    vi.advanceTimersByTime(999);
    expect(fired).toBe(0);
    vi.advanceTimersByTime(1010);
    expect(fired).toBe(11);
  });
});
