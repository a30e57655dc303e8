/** What all connections of a network may hold together. */

export class BufferBudget {
  readonly #comfortableBytes: number;
  readonly #maximumBytes: number;
  readonly #starved = new Set<() => void>();
  #used = 0;

  /** Above `comfortableBytes` nobody gets more room than it was promised; above `maximumBytes` nothing is taken any more. */
  constructor(comfortableBytes: number, maximumBytes: number) {
    this.#comfortableBytes = comfortableBytes;
    this.#maximumBytes = maximumBytes;
  }

  get used(): number {
    return this.#used;
  }

  get isComfortable(): boolean {
    return this.#used < this.#comfortableBytes;
  }

  get isExhausted(): boolean {
    return this.#used >= this.#maximumBytes;
  }

  change(bytes: number): void {
    this.#used += bytes;
    if (bytes >= 0 || !this.isComfortable || this.#starved.size === 0) return;
    const waiting = [...this.#starved];
    this.#starved.clear();
    for (const relieved of waiting) relieved();
  }

  /** Calls `relieved` once there is room again. */
  waitForRoom(relieved: () => void): void {
    this.#starved.add(relieved);
  }

  forget(relieved: () => void): void {
    this.#starved.delete(relieved);
  }
}
