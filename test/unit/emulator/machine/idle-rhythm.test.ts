import { describe, expect, it } from 'vitest';
import { IdleRhythm } from '../../../../src/emulator/machine/idle-rhythm.ts';

const TICK = 4_000_000;
const LONGEST_REST = 20_000_000;

/** A guest that halts after each tick, its timers a few microseconds off; returns the lateness it was allowed at the last. */
function tick(rhythm: IdleRhythm, ticks: number, options: { period?: number; executed?: number; nextOther?: number } = {}) {
  const { period = TICK, executed = 3_173, nextOther } = options;
  let late = 0;
  for (let count = 0; count < ticks; count++) {
    const deadline = now + period + (count % 3) * 2_000;
    instructions += executed;
    const until = rhythm.restUntil(now, deadline, nextOther, instructions);
    late = until - deadline;
    // The guest keeps to its period, whenever it is woken.
    now += Math.max(1, Math.round((until - now) / period)) * period;
  }
  return late;
}
let now = 0;
let instructions = 0;

describe('IdleRhythm', () => {
  it('takes five ticks of 4 ms together, once there was nothing else for a while', () => {
    const rhythm = new IdleRhythm();
    expect(tick(rhythm, 10)).toBe(0);
    const late = tick(rhythm, 40);
    expect(late).toBeGreaterThan(15_900_000);
    expect(late).toBeLessThanOrEqual(LONGEST_REST);
  });

  it('is never later than one rest, whatever the period', () => {
    for (const period of [1_000_000, 2_000_000, 10_000_000, 15_625_000, 54_925_000]) {
      const late = tick(new IdleRhythm(), 60, { period });
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThanOrEqual(LONGEST_REST - period < 0 ? 0 : LONGEST_REST - period * 0.9);
    }
  });

  it('lets ticks that were taken together follow each other', () => {
    const rhythm = new IdleRhythm();
    tick(rhythm, 40);
    const deadline = now + TICK;
    expect(rhythm.restUntil(deadline + 3 * TICK, deadline, undefined, instructions)).toBe(deadline);
  });

  it('wakes in time for another chip', () => {
    const rhythm = new IdleRhythm();
    tick(rhythm, 40);
    const deadline = now + TICK;
    expect(rhythm.restUntil(now, deadline, deadline + 1_000, instructions)).toBe(deadline + 1_000);
  });

  it('keeps exact what is faster than a tick', () => {
    expect(tick(new IdleRhythm(), 60, { period: 250_000 })).toBe(0);
  });

  it('keeps a guest exact that has work to do', () => {
    expect(tick(new IdleRhythm(), 60, { executed: 30_000 })).toBe(0);
  });

  it('is exact again after a timer out of rhythm, and after something from outside', () => {
    const rhythm = new IdleRhythm();
    expect(tick(rhythm, 40)).toBeGreaterThan(0);
    now += 1_500_000;
    expect(tick(rhythm, 5)).toBe(0);
    expect(tick(rhythm, 40)).toBeGreaterThan(0);
    rhythm.disturb();
    expect(tick(rhythm, 5)).toBe(0);
  });
});
