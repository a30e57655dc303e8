/** Nanoseconds of guest time since power-on: a whole number, exact up to 2^53 (104 days). */
export type Nanos = number;

/** An exact frequency in Hz, as a fraction: the PIT's is 105,000,000 / 88. */
export interface Rate {
  readonly numerator: number;
  readonly denominator: number;
}

/**
 * Guest time. It stands still while the machine is paused. In host time it follows the host's monotonic clock, in
 * deterministic time the executed instructions. Nothing in the emulator core reads any other clock.
 */
export interface Clock {
  now(): Nanos;
  /** Makes a disarmed timer. `label` names it in traces and is unique per device. */
  timer(label: string, fire: () => void): Timer;
  /** Seconds since 1970-01-01T00:00:00Z at guest time 0, for the RTC. */
  readonly epochSeconds: number;
}

export interface Timer {
  readonly label: string;
  /** When it will fire, or `undefined` while it is disarmed. */
  readonly deadline: Nanos | undefined;
  /** Arms it for `deadline`, replacing an earlier one. A deadline in the past fires at the next opportunity. */
  arm(deadline: Nanos): void;
  disarm(): void;
}
