/** Presses keys at a pace that guests follow: text typed at once would overrun a firmware's or boot loader's 16 keys of buffer. */
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';

export interface KeyChange {
  /** DOM `KeyboardEvent.code`. */
  readonly code: string;
  readonly down: boolean;
}

export interface TypedKeyboard {
  key(code: string, down: boolean): boolean;
  /** Bytes that the guest hasn't taken yet. */
  readonly queuedBytes: number;
}

/** Some 60 keystrokes a second. */
const CHANGE_NANOS: Nanos = 8_000_000;
/** More than this waiting in the keyboard, and the guest isn't looking. */
const QUEUED_BYTES_LIMIT = 8;
/** A book's chapter; what is beyond it is dropped. */
const MAX_WAITING_CHANGES = 200_000;

export class KeyTypist {
  readonly #clock: Clock;
  readonly #keyboard: TypedKeyboard;
  readonly #timer: Timer;
  #waiting: KeyChange[] = [];
  #next = 0;

  constructor(clock: Clock, keyboard: TypedKeyboard) {
    this.#clock = clock;
    this.#keyboard = keyboard;
    this.#timer = clock.timer('typist', () => this.#step());
  }

  /** A person's keys: at once, but after what is being typed; and later where the guest isn't looking, so that none is lost. */
  press(changes: readonly KeyChange[]): void {
    for (const [index, { code, down }] of changes.entries()) {
      if (this.#timer.deadline !== undefined || this.#keyboard.queuedBytes > QUEUED_BYTES_LIMIT) {
        this.type(changes.slice(index));
        return;
      }
      this.#keyboard.key(code, down);
    }
  }

  /** Text as key changes. */
  type(changes: readonly KeyChange[]): void {
    const room = MAX_WAITING_CHANGES - (this.#waiting.length - this.#next);
    for (const change of changes.slice(0, Math.max(0, room))) this.#waiting.push(change);
    if (this.#timer.deadline === undefined) this.#step();
  }

  /** What waits to be typed. */
  save(): readonly KeyChange[] {
    return this.#waiting.slice(this.#next).map(({ code, down }) => ({ code, down }));
  }

  /** The scheduler knows when the next key is due. */
  restore(waiting: readonly KeyChange[]): void {
    this.stop();
    if (waiting.length === 0) return;
    this.#waiting = [...waiting];
    this.#timer.arm(this.#clock.now() + CHANGE_NANOS);
  }

  /** Forgets what has not been typed yet. */
  stop(): void {
    this.#waiting = [];
    this.#next = 0;
    this.#timer.disarm();
  }

  #step(): void {
    if (this.#keyboard.queuedBytes <= QUEUED_BYTES_LIMIT) {
      const change = this.#waiting[this.#next++];
      if (change === undefined) {
        this.stop();
        return;
      }
      this.#keyboard.key(change.code, change.down);
    }
    this.#timer.arm(this.#clock.now() + CHANGE_NANOS);
  }
}
