/** Keeps a guest from filling the log: each topic may speak a few times in a row, then a few times a second. */
import type { DeviceLog, LogLevel } from '../interfaces/log.ts';

const BURST_LINES = 20;
const LINES_PER_SECOND = 2;

interface Topic {
  credit: number;
  lastSeconds: number;
  suppressed: number;
}

export class RateLimitedLog implements DeviceLog {
  readonly #sink: (level: LogLevel, topic: string, message: string) => void;
  readonly #seconds: () => number;
  readonly #topics = new Map<string, Topic>();

  /** `seconds` is any clock that goes forward: the limit holds against whatever it measures. */
  constructor(sink: (level: LogLevel, topic: string, message: string) => void, seconds: () => number) {
    this.#sink = sink;
    this.#seconds = seconds;
  }

  log(level: LogLevel, topic: string, message: string): void {
    const now = this.#seconds();
    let state = this.#topics.get(topic);
    if (state === undefined) {
      state = { credit: BURST_LINES, lastSeconds: now, suppressed: 0 };
      this.#topics.set(topic, state);
    }
    state.credit = Math.min(BURST_LINES, state.credit + (now - state.lastSeconds) * LINES_PER_SECOND);
    state.lastSeconds = now;
    if (state.credit < 1) {
      state.suppressed++;
      return;
    }
    state.credit -= 1;
    const note = state.suppressed > 0 ? ` (${state.suppressed} more like this were left out)` : '';
    state.suppressed = 0;
    this.#sink(level, topic, message + note);
  }
}
