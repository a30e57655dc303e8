import type { CharacterChannel } from '../../src/emulator/interfaces/character-channel.ts';

/** A serial cable whose other end is the test. */
export class FakeCharacterChannel implements CharacterChannel {
  onReadable: (() => void) | undefined = undefined;
  readonly sent: number[] = [];
  #waiting: number[] = [];

  send(bytes: Uint8Array): void {
    this.sent.push(...bytes);
  }

  receive(limit: number): Uint8Array {
    return Uint8Array.from(this.#waiting.splice(0, limit));
  }

  get available(): number {
    return this.#waiting.length;
  }

  /** What the guest sent so far, as text. */
  get sentText(): string {
    return String.fromCharCode(...this.sent);
  }

  /** Bytes arrive for the guest. */
  deliver(bytes: Uint8Array | string): void {
    const values = typeof bytes === 'string' ? [...bytes].map((character) => character.charCodeAt(0)) : [...bytes];
    this.#waiting.push(...values);
    this.onReadable?.();
  }
}
