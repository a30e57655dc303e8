/** How long an acknowledgment takes, and after what time one is missed (RFC 6298). */

const MILLI = 1_000_000;
const FIRST_NANOS = 1_000 * MILLI;
const MINIMUM_NANOS = 1_000 * MILLI;
const MAXIMUM_NANOS = 60_000 * MILLI;

export class RoundTrip {
  #smoothed: number | undefined;
  #variation = 0;
  #timeout = FIRST_NANOS;
  /** The acknowledgment that ends the measurement under way, and when it began. */
  #timed: { readonly sequence: number; readonly since: number } | undefined;

  get timeoutNanos(): number {
    return this.#timeout;
  }

  /** Something was sent for the first time that `sequence` acknowledges. */
  sent(sequence: number, now: number): void {
    this.#timed ??= { sequence, since: now };
  }

  /** What was being timed has been sent again: its time says nothing (Karn). */
  forget(): void {
    this.#timed = undefined;
  }

  /** `covers`: whether an acknowledgment that came at `now` covers a sequence. */
  acknowledged(now: number, covers: (sequence: number) => boolean): void {
    if (this.#timed === undefined || !covers(this.#timed.sequence)) return;
    const sample = now - this.#timed.since;
    this.#timed = undefined;
    if (this.#smoothed === undefined) {
      this.#smoothed = sample;
      this.#variation = sample / 2;
    } else {
      this.#variation += (Math.abs(this.#smoothed - sample) - this.#variation) / 4;
      this.#smoothed += (sample - this.#smoothed) / 8;
    }
    this.#timeout = Math.round(Math.min(MAXIMUM_NANOS, Math.max(MINIMUM_NANOS, this.#smoothed + 4 * this.#variation)));
  }

  backOff(): void {
    this.#timeout = Math.min(MAXIMUM_NANOS, 2 * this.#timeout);
  }
}
