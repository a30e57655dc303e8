import type { Clock, Nanos, Timer } from '../../src/emulator/interfaces/clock.ts';

/** Timers that fire more often than this without time passing are a device's endless loop. */
const MAXIMUM_FIRINGS_AT_ONE_INSTANT = 100_000;

class FakeTimer implements Timer {
  readonly label: string;
  readonly fire: () => void;
  deadline: Nanos | undefined = undefined;
  /** Orders timers of equal deadline by when they were armed. */
  armedAs = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock, label: string, fire: () => void) {
    this.#clock = clock;
    this.label = label;
    this.fire = fire;
  }

  arm(deadline: Nanos): void {
    if (!Number.isSafeInteger(deadline)) throw new Error(`timer ${this.label} armed for ${deadline}, which is no whole number of nanoseconds`);
    this.deadline = deadline;
    this.armedAs = this.#clock.nextArming();
  }

  disarm(): void {
    this.deadline = undefined;
  }
}

/** Guest time that moves only when a test says so. */
export class FakeClock implements Clock {
  readonly epochSeconds: number;
  #now: Nanos;
  #armings = 0;
  readonly #timers: FakeTimer[] = [];

  /** `epochSeconds` defaults to 2026-11-23T12:34:56Z. */
  constructor(options: { now?: Nanos; epochSeconds?: number } = {}) {
    this.#now = options.now ?? 0;
    this.epochSeconds = options.epochSeconds ?? Date.UTC(2026, 10, 23, 12, 34, 56) / 1000;
  }

  now(): Nanos {
    return this.#now;
  }

  timer(label: string, fire: () => void): Timer {
    const timer = new FakeTimer(this, label, fire);
    this.#timers.push(timer);
    return timer;
  }

  /**
   * Lets `nanos` pass. Timers fire in order of their deadlines, each at its own instant (an overdue one at the present
   * one), equal deadlines in the order they were armed; what they arm meanwhile fires too.
   */
  advance(nanos: Nanos): void {
    if (!Number.isSafeInteger(nanos) || nanos < 0) throw new Error(`time can't advance by ${nanos} ns`);
    const target = this.#now + nanos;
    let firingsNow = 0;
    for (let next = this.#earliest(); next?.deadline !== undefined && next.deadline <= target; next = this.#earliest()) {
      if (next.deadline > this.#now) {
        this.#now = next.deadline;
        firingsNow = 0;
      }
      if (++firingsNow > MAXIMUM_FIRINGS_AT_ONE_INSTANT) throw new Error(`timer ${next.label} fires for ever at ${this.#now} ns`);
      next.deadline = undefined;
      next.fire();
    }
    this.#now = target;
  }

  /** The earliest armed deadline, if any. */
  get nextDeadline(): Nanos | undefined {
    return this.#earliest()?.deadline;
  }

  /** Labels of the armed timers with their deadlines. */
  get armed(): ReadonlyMap<string, Nanos> {
    const armed = new Map<string, Nanos>();
    for (const timer of this.#timers) if (timer.deadline !== undefined) armed.set(timer.label, timer.deadline);
    return armed;
  }

  nextArming(): number {
    return ++this.#armings;
  }

  #earliest(): FakeTimer | undefined {
    let earliest: FakeTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.deadline === undefined) continue;
      if (earliest?.deadline === undefined || timer.deadline < earliest.deadline
        || (timer.deadline === earliest.deadline && timer.armedAs < earliest.armedAs)) earliest = timer;
    }
    return earliest;
  }
}
