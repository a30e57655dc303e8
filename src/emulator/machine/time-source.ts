/**
 * Where guest time comes from: the host's monotonic clock or the executed instructions. The scheduler and the machine
 * loop see only `TimeSource`.
 */
import type { Nanos } from '../interfaces/clock.ts';

export interface TimeSource {
  readonly kind: 'host' | 'instructions';
  /** Guest time; a whole number that never goes back. */
  now(): Nanos;
  pause(): void;
  resume(): void;
  /** What `restore` needs to go on at the same guest time. */
  save(): Nanos;
  restore(saved: Nanos): void;
  /** Instructions that may run before `deadline`: at least 0; `Infinity` for `undefined`. */
  instructionsUntil(deadline: Nanos | undefined): number;
}

/** Lost time beyond this is forgotten: a host that slept must not make the guest replay hours of timer ticks. */
const MAX_LOST_NANOS = 1_000_000_000;

/** Guest time that follows the host's monotonic clock and stands still while paused. */
export class HostTimeSource implements TimeSource {
  readonly kind = 'host';
  readonly #monotonicNanos: () => number;
  #guestNanos = 0;
  #lastHostNanos: number;
  #paused = false;
  /** Measured by the machine loop; decides how many instructions fit before a deadline. */
  instructionsPerNano = 0.05;

  constructor(monotonicNanos: () => number) {
    this.#monotonicNanos = monotonicNanos;
    this.#lastHostNanos = monotonicNanos();
  }

  now(): Nanos {
    if (!this.#paused) {
      const host = this.#monotonicNanos();
      const elapsed = host - this.#lastHostNanos;
      if (elapsed > 0) {
        this.#guestNanos += elapsed > MAX_LOST_NANOS ? MAX_LOST_NANOS : elapsed;
        this.#lastHostNanos = host;
      }
    }
    return Math.floor(this.#guestNanos);
  }

  pause(): void {
    this.now();
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#lastHostNanos = this.#monotonicNanos();
  }

  save(): Nanos {
    return this.now();
  }

  /** Guest time goes on from there. */
  restore(guestNanos: Nanos): void {
    this.#guestNanos = guestNanos;
    this.#lastHostNanos = this.#monotonicNanos();
  }

  instructionsUntil(deadline: Nanos | undefined): number {
    if (deadline === undefined) return Infinity;
    return Math.max(0, Math.ceil((deadline - this.now()) * this.instructionsPerNano));
  }
}

/**
 * Guest time that follows executed instructions: deterministic. Time in which the CPU is halted is skipped at once,
 * so a guest that sleeps an hour takes no hour.
 */
export class InstructionTimeSource implements TimeSource {
  readonly kind = 'instructions';
  readonly #instructionsRetired: () => number;
  readonly #instructionsPerMicrosecond: number;
  #skippedNanos = 0;

  /** `instructionsRetired` counts exactly, also in the middle of a slice. */
  constructor(instructionsRetired: () => number, instructionsPerMicrosecond: number) {
    this.#instructionsRetired = instructionsRetired;
    this.#instructionsPerMicrosecond = instructionsPerMicrosecond;
  }

  now(): Nanos {
    return Math.floor((this.#instructionsRetired() * 1000) / this.#instructionsPerMicrosecond) + this.#skippedNanos;
  }

  /** Moves guest time to `deadline` without executing anything. */
  skipTo(deadline: Nanos): void {
    this.#skippedNanos += Math.max(0, deadline - this.now());
  }

  pause(): void {}
  resume(): void {}

  save(): Nanos {
    return this.#skippedNanos;
  }

  /** Of what `save` told; the instructions that make up the rest are the CPU's. */
  restore(skippedNanos: Nanos): void {
    this.#skippedNanos = skippedNanos;
  }

  instructionsUntil(deadline: Nanos | undefined): number {
    if (deadline === undefined) return Infinity;
    const target = Math.ceil(((deadline - this.#skippedNanos) * this.#instructionsPerMicrosecond) / 1000);
    return Math.max(0, target - this.#instructionsRetired());
  }
}
