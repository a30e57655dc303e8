/**
 * The machine thread's end of a serial line. Output is collected during a slice and leaves at its end; what is under
 * way is bounded, and the machine loop holds the guest while the receiver is behind.
 */
import type { CharacterChannel } from '../interfaces/character-channel.ts';

const FIRST_BUFFER_BYTES = 4096;
/** Output that may be under way to its receiver before the guest has to wait. */
const MAX_UNDER_WAY_BYTES = 1 << 20;
/** Input that may wait for the guest; a guest that never reads loses what is typed beyond it. */
const MAX_WAITING_BYTES = 16 << 20;

export class SerialChannel implements CharacterChannel {
  onReadable: (() => void) | undefined = undefined;
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  #output = new Uint8Array(FIRST_BUFFER_BYTES);
  #outputLength = 0;
  #underWay = 0;
  #input: Uint8Array[] = [];
  #firstInputTaken = 0;
  #available = 0;

  /** `post` takes a chunk to the control thread and owns it. */
  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  get available(): number {
    return this.#available;
  }

  get congested(): boolean {
    return this.#underWay > MAX_UNDER_WAY_BYTES;
  }

  send(bytes: Uint8Array): void {
    const needed = this.#outputLength + bytes.length;
    if (needed > this.#output.length) {
      const grown = new Uint8Array(Math.max(needed, this.#output.length * 2));
      grown.set(this.#output.subarray(0, this.#outputLength));
      this.#output = grown;
    }
    this.#output.set(bytes, this.#outputLength);
    this.#outputLength = needed;
  }

  receive(limit: number): Uint8Array {
    const taken = new Uint8Array(Math.min(limit, this.#available));
    for (let filled = 0; filled < taken.length; ) {
      const first = this.#input[0]!;
      const part = first.subarray(this.#firstInputTaken, this.#firstInputTaken + taken.length - filled);
      taken.set(part, filled);
      filled += part.length;
      this.#firstInputTaken += part.length;
      if (this.#firstInputTaken === first.length) {
        this.#input.shift();
        this.#firstInputTaken = 0;
      }
    }
    this.#available -= taken.length;
    return taken;
  }

  /** Input that the guest has not taken. Output leaves before a state is saved. */
  save(): Uint8Array {
    const waiting = new Uint8Array(this.#available);
    let at = 0;
    for (const [index, bytes] of this.#input.entries()) {
      const rest = index === 0 ? bytes.subarray(this.#firstInputTaken) : bytes;
      waiting.set(rest, at);
      at += rest.length;
    }
    return waiting;
  }

  /** Before its device is restored, which looks for input by itself. */
  restore(waiting: Uint8Array): void {
    this.#input = waiting.length === 0 ? [] : [waiting];
    this.#firstInputTaken = 0;
    this.#available = waiting.length;
  }

  /** Bytes arrive for the guest. */
  deliver(bytes: Uint8Array): void {
    const accepted = bytes.subarray(0, Math.max(0, MAX_WAITING_BYTES - this.#available));
    if (accepted.length === 0) return;
    this.#input.push(accepted);
    this.#available += accepted.length;
    this.onReadable?.();
  }

  flush(): void {
    if (this.#outputLength === 0) return;
    this.#underWay += this.#outputLength;
    this.#post(this.#output.slice(0, this.#outputLength));
    this.#outputLength = 0;
  }

  /** The receiver has taken `bytes` of what is under way. */
  drained(bytes: number): void {
    this.#underWay = Math.max(0, this.#underWay - bytes);
  }
}
