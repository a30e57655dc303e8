/**
 * Turns the page's key events into the guest's: every key that goes down comes up again, whatever happens to the focus,
 * and the host key and what is pressed with it stay here.
 */
import type { Preferences } from '../../shared/preferences.ts';
import type { KeyChange } from '../../shared/vm-protocol.ts';

export type HostKey = Preferences['hostKey'];

/** Keys that are pressed together, by `KeyboardEvent.code`. */
export const SPECIAL_KEYS = {
  ctrlAltDelete: ['ControlLeft', 'AltLeft', 'Delete'],
  ctrlAltBackspace: ['ControlLeft', 'AltLeft', 'Backspace'],
  altTab: ['AltLeft', 'Tab'],
  altF4: ['AltLeft', 'F4'],
  escape: ['Escape'],
  printScreen: ['PrintScreen'],
  superKey: ['MetaLeft'],
  ctrlAltF1: ['ControlLeft', 'AltLeft', 'F1'],
  ctrlAltF2: ['ControlLeft', 'AltLeft', 'F2'],
  ctrlAltF3: ['ControlLeft', 'AltLeft', 'F3'],
  ctrlAltF7: ['ControlLeft', 'AltLeft', 'F7'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
export type SpecialKey = keyof typeof SPECIAL_KEYS;

/** All down in order, then all up in the opposite order. */
export function chord(codes: readonly string[]): KeyChange[] {
  return [...codes.map((code) => ({ code, down: true })), ...codes.toReversed().map((code) => ({ code, down: false }))];
}

export interface GuestKeyboardListener {
  send(events: KeyChange[]): void;
  /** The host key was pressed and let go with nothing between. */
  hostKey(): void;
  /** A key was pressed while the host key was down. */
  hostCombination(code: string): void;
}

export class GuestKeyboard {
  readonly #listener: GuestKeyboardListener;
  /** The codes that together are the host key. */
  readonly #hostCodes: readonly string[];
  /** Down in the guest, in the order of pressing. */
  readonly #down = new Set<string>();
  readonly #hostDown = new Set<string>();
  /** Pressed with the host key: their release is swallowed too. */
  readonly #swallowed = new Set<string>();
  #isHostHeld = false;
  #isHostUsed = false;

  constructor(hostKey: HostKey, listener: GuestKeyboardListener) {
    this.#hostCodes = hostKey.split('+');
    this.#listener = listener;
  }

  /** True when the key is dealt with and the page must not act on it. */
  keyDown(code: string): boolean {
    if (code === '') return false;
    if (this.#hostCodes.includes(code)) {
      this.#hostDown.add(code);
      if (this.#hostDown.size === this.#hostCodes.length) {
        if (!this.#isHostHeld) {
          this.releaseKeys();
          this.#isHostHeld = true;
          this.#isHostUsed = false;
        }
        return true;
      }
      // One of two keys that are the host key only together.
      this.#press(code);
      return true;
    }
    if (this.#isHostHeld) {
      if (!this.#swallowed.has(code)) {
        this.#swallowed.add(code);
        this.#isHostUsed = true;
        this.#listener.hostCombination(code);
      }
      return true;
    }
    this.#press(code);
    return true;
  }

  keyUp(code: string): boolean {
    if (code === '') return false;
    if (this.#hostDown.delete(code) && this.#isHostHeld) {
      if (this.#hostDown.size === 0) {
        this.#isHostHeld = false;
        if (!this.#isHostUsed) this.#listener.hostKey();
      }
      return true;
    }
    if (this.#swallowed.delete(code)) return true;
    if (this.#down.delete(code)) this.#listener.send([{ code, down: false }]);
    // QUIRK(macOS): while a Command key is down the release of others is not reported.
    if (code === 'MetaLeft' || code === 'MetaRight') this.releaseKeys();
    return true;
  }

  /** Lets go of everything: the focus went elsewhere, and so will the releases. */
  releaseAll(): void {
    this.releaseKeys();
    this.#hostDown.clear();
    this.#swallowed.clear();
    this.#isHostHeld = false;
  }

  releaseKeys(): void {
    if (this.#down.size === 0) return;
    const events = [...this.#down].toReversed().map((code) => ({ code, down: false }));
    this.#down.clear();
    this.#listener.send(events);
  }

  /** A key that repeats is pressed again: that is what a keyboard does. */
  #press(code: string): void {
    this.#down.add(code);
    this.#listener.send([{ code, down: true }]);
  }
}
