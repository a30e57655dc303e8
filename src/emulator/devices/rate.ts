import type { Nanos, Rate } from '../interfaces/clock.ts';

const NANOS_PER_SECOND = 1_000_000_000;

function greatestCommonDivisor(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b];
  return a;
}

/**
 * Counts the ticks of an exact frequency since guest time 0. Both directions are exact as long as the results are
 * below 2^53; `numerator` and `denominator * 10^9` must be below 2^53 too.
 */
export class TickConverter {
  /** In lowest terms, this many ticks take exactly `#nanos` nanoseconds. */
  readonly #ticks: number;
  readonly #nanos: number;

  constructor(rate: Rate) {
    const nanos = rate.denominator * NANOS_PER_SECOND;
    const divisor = greatestCommonDivisor(rate.numerator, nanos);
    this.#ticks = rate.numerator / divisor;
    this.#nanos = nanos / divisor;
  }

  /** Whole ticks that have passed at `nanos`; rounds down, also below zero. */
  ticksAt(nanos: Nanos): number {
    const whole = Math.floor(nanos / this.#nanos);
    return whole * this.#ticks + Math.floor(((nanos - whole * this.#nanos) * this.#ticks) / this.#nanos);
  }

  /** The first nanosecond at which `ticks` ticks have passed. */
  nanosAt(ticks: number): Nanos {
    const whole = Math.floor(ticks / this.#ticks);
    return whole * this.#nanos + Math.ceil(((ticks - whole * this.#ticks) * this.#nanos) / this.#ticks);
  }
}
