/** Time of the control thread as a `Clock`, for networks: it stands still while the machine is paused. */
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';

/** Longer waits are made in steps. */
const WAIT_MAXIMUM_MILLIS = 0x7fff_ffff;

class HostTimer implements Timer {
  readonly label: string;
  deadline: Nanos | undefined = undefined;
  readonly #clock: HostClock;
  readonly #fire: () => void;
  #waiting: NodeJS.Timeout | undefined;

  constructor(clock: HostClock, label: string, fire: () => void) {
    this.#clock = clock;
    this.label = label;
    this.#fire = fire;
  }

  arm(deadline: Nanos): void {
    const isSooner = this.deadline === undefined || deadline < this.deadline;
    this.deadline = deadline;
    this.#clock.armed.add(this);
    // A timer that is put off wakes at its old time and looks again: it is put off with every acknowledgment.
    if (isSooner || this.#waiting === undefined) this.wait();
  }

  disarm(): void {
    this.deadline = undefined;
    this.#clock.armed.delete(this);
    this.stop();
  }

  wait(): void {
    this.stop();
    if (this.deadline === undefined || this.#clock.isPaused) return;
    const millis = Math.ceil((this.deadline - this.#clock.now()) / 1e6);
    this.#waiting = setTimeout(() => { this.#due(); }, Math.min(WAIT_MAXIMUM_MILLIS, Math.max(0, millis)));
  }

  stop(): void {
    clearTimeout(this.#waiting);
    this.#waiting = undefined;
  }

  #due(): void {
    this.#waiting = undefined;
    if (this.deadline === undefined) return;
    if (this.deadline > this.#clock.now()) {
      this.wait();
      return;
    }
    this.deadline = undefined;
    this.#clock.armed.delete(this);
    this.#fire();
  }
}

export class HostClock implements Clock {
  readonly epochSeconds = 0;
  /** @internal for its timers. */
  readonly armed = new Set<HostTimer>();
  readonly #start = performance.now();
  #pausedMillis = 0;
  #pausedSince: number | undefined;

  get isPaused(): boolean {
    return this.#pausedSince !== undefined;
  }

  now(): Nanos {
    return Math.floor(((this.#pausedSince ?? performance.now()) - this.#start - this.#pausedMillis) * 1e6);
  }

  timer(label: string, fire: () => void): Timer {
    return new HostTimer(this, label, fire);
  }

  pause(): void {
    if (this.isPaused) return;
    this.#pausedSince = performance.now();
    for (const timer of this.armed) timer.stop();
  }

  resume(): void {
    if (this.#pausedSince === undefined) return;
    this.#pausedMillis += performance.now() - this.#pausedSince;
    this.#pausedSince = undefined;
    for (const timer of this.armed) timer.wait();
  }
}
