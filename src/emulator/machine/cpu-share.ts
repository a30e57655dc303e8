/**
 * Holds the guest's processor to a share of one host core: it runs until its budget is used up and rests until there is
 * enough again. The budget grows with the host's clock and shrinks by what the machine really had of a processor, so that
 * a busy host, which lets it wait, costs it nothing twice.
 */

/** Shorter rests cost more wake-ups than they are worth. */
const REST_NANOS_MINIMUM = 4_000_000;
/** What a guest may save up that was idle, or that a busy host let wait. */
const SAVED_NANOS_MAXIMUM = 60_000_000;

export interface CpuShareClocks {
  /** Monotonic host time. */
  readonly hostNanos: () => number;
  /** Processor time that counts against the limit. */
  readonly usedNanos: () => number;
}

export class CpuShare {
  readonly #clocks: CpuShareClocks;
  #share = 1;
  /** Processor time that may be used, where positive; negative where it has been overdrawn. */
  #budgetNanos = 0;
  #seenHostNanos = 0;
  #seenUsedNanos = 0;
  #rests = false;

  constructor(clocks: CpuShareClocks, percent: number) {
    this.#clocks = clocks;
    this.limit(percent);
  }

  limit(percent: number): void {
    this.#share = Math.min(100, Math.max(1, percent)) / 100;
    this.#budgetNanos = 0;
    this.#rests = false;
    this.#seenHostNanos = this.#clocks.hostNanos();
    this.#seenUsedNanos = this.#clocks.usedNanos();
  }

  /** How long the guest has to rest before it goes on; 0 is not at all. */
  restNanos(): number {
    if (this.#share === 1) return 0;
    const { hostNanos, usedNanos } = this.#clocks;
    const [host, used] = [hostNanos(), usedNanos()];
    this.#budgetNanos = Math.min(SAVED_NANOS_MAXIMUM, this.#budgetNanos + (host - this.#seenHostNanos) * this.#share - (used - this.#seenUsedNanos));
    this.#seenHostNanos = host;
    this.#seenUsedNanos = used;
    if (this.#budgetNanos <= 0) this.#rests = true;
    // It runs on only with the budget of a whole rest, or it would take turns at every slice.
    const missing = REST_NANOS_MINIMUM * this.#share - this.#budgetNanos;
    if (missing <= 0) this.#rests = false;
    return this.#rests ? Math.ceil(missing / this.#share) : 0;
  }
}
