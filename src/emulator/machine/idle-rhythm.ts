/**
 * How long an idle guest may sleep. A kernel with a periodic tick (Debian's 686 kernels: 250 Hz) wakes only to see that
 * there is nothing to do, and each time the host has to wake a thread and fetch its code and data anew. Where a guest has
 * done nothing else for a while, its ticks are taken together, as if the host had been late; the guest catches up by its
 * clock, or gets the ticks one behind the other where its chip counts them.
 */
import type { Nanos } from '../interfaces/clock.ts';

/** Ticks in a row after which the guest counts as idle: 64 ms at 250 Hz. A program that sleeps for less keeps its timers exact. */
const REGULAR_TICKS = 16;
/** Longest rest of an idle guest, and so the most by which one of its timers can be late. */
const LONGEST_REST_NANOS = 20_000_000;
/** Faster ticks are somebody's timing, not a kernel's. */
const SHORTEST_PERIOD_NANOS = 900_000;
/** What a tick with nothing to do may take. */
const MAX_TICK_INSTRUCTIONS = 20_000;
/** Guests set each tick anew, a little off: this part of the period. */
const TOLERANCE = 1 / 16;

export class IdleRhythm {
  #deadline: Nanos = 0;
  #instructions = 0;
  #periodNanos = 0;
  #regularTicks = 0;

  /** Something came from outside: the guest is at work again. */
  disturb(): void {
    this.#regularTicks = 0;
  }

  /**
   * The CPU has halted after `instructions` since power-on and waits for a timer due at `deadline`; the next timer of
   * another chip is due at `nextOther`. Returns until when it may sleep, at least `deadline`.
   */
  restUntil(now: Nanos, deadline: Nanos, nextOther: Nanos | undefined, instructions: number): Nanos {
    if (deadline !== this.#deadline) this.#count(deadline, instructions);
    // A deadline already past is one of those taken together.
    if (this.#regularTicks < REGULAR_TICKS || deadline <= now) return deadline;
    const moreTicks = Math.floor(LONGEST_REST_NANOS / this.#periodNanos + TOLERANCE) - 1;
    return Math.min(deadline + Math.max(0, moreTicks) * this.#periodNanos, nextOther ?? Infinity);
  }

  #count(deadline: Nanos, instructions: number): void {
    const interval = deadline - this.#deadline;
    const executed = instructions - this.#instructions;
    this.#deadline = deadline;
    this.#instructions = instructions;
    const period = this.#periodNanos;
    // Ticks that were taken together are a multiple of the period apart.
    const periods = period === 0 ? 0 : Math.max(1, Math.round(interval / period));
    if (periods === 0 || Math.abs(interval - periods * period) > period * TOLERANCE) {
      this.#periodNanos = interval;
      this.#regularTicks = 0;
    } else if (executed > MAX_TICK_INSTRUCTIONS * periods || period < SHORTEST_PERIOD_NANOS) {
      this.#regularTicks = 0;
    } else {
      this.#regularTicks += 1;
    }
  }
}
