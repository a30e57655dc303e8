/** How fast bytes may go: a limit that holds over any tenth of a second and longer. */
import type { Nanos } from '../interfaces/clock.ts';

/** What was not used is kept for so long. */
const BURST_NANOS = 50_000_000;

export class ByteRate {
  readonly #now: () => Nanos;
  #bytesPerNano: number | undefined;
  /** When all that has gone is paid for. */
  #paidAt = 0;

  /** `now` never goes back. */
  constructor(now: () => Nanos, bytesPerSecondMaximum?: number) {
    this.#now = now;
    this.limit(bytesPerSecondMaximum);
  }

  /** `undefined` is no limit. */
  limit(bytesPerSecondMaximum: number | undefined): void {
    this.#bytesPerNano = bytesPerSecondMaximum === undefined ? undefined : bytesPerSecondMaximum / 1e9;
    this.#paidAt = 0;
  }

  /** Until the next bytes may go; 0 is now. */
  get waitNanos(): Nanos {
    return this.#bytesPerNano === undefined ? 0 : Math.max(0, Math.ceil(this.#paidAt - this.#now()));
  }

  /** Bytes go, however many. */
  take(bytes: number): void {
    if (this.#bytesPerNano === undefined) return;
    this.#paidAt = Math.max(this.#paidAt, this.#now() - BURST_NANOS) + bytes / this.#bytesPerNano;
  }
}
