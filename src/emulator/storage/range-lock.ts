/** Who may touch which bytes of an image: any number that share a range, or one alone. First come, first served. */
export interface RangeHold {
  readonly start: number;
  readonly end: number;
  readonly alone: boolean;
}

interface Waiter {
  readonly hold: RangeHold;
  readonly go: () => void;
}

export class RangeLock {
  readonly #held = new Set<RangeHold>();
  #waiting: Waiter[] = [];

  /** The hold, at once where nothing stands against it. */
  take(start: number, end: number, alone: boolean): RangeHold | Promise<RangeHold> {
    const hold: RangeHold = { start, end, alone };
    if (!this.#isBlocked(hold, this.#waiting)) {
      this.#held.add(hold);
      return hold;
    }
    return new Promise((resolve) => {
      this.#waiting.push({ hold, go: () => { resolve(hold); } });
    });
  }

  release(hold: RangeHold): void {
    this.#held.delete(hold);
    if (this.#waiting.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.#waiting) {
      if (this.#isBlocked(waiter.hold, still)) {
        still.push(waiter);
      } else {
        this.#held.add(waiter.hold);
        waiter.go();
      }
    }
    this.#waiting = still;
  }

  /** By those that hold, or by those that came before. */
  #isBlocked(hold: RangeHold, before: readonly Waiter[]): boolean {
    for (const other of this.#held) if (conflict(hold, other)) return true;
    for (const other of before) if (conflict(hold, other.hold)) return true;
    return false;
  }
}

function conflict(one: RangeHold, other: RangeHold): boolean {
  return (one.alone || other.alone) && one.start < other.end && other.start < one.end;
}
