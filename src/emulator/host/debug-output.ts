/** Bytes that the guest writes to its debug port, collected during a slice. */

/** A guest that writes nothing else still shares the machine with its other output. */
const MAX_SLICE_BYTES = 1 << 16;

export class DebugOutput {
  readonly #post: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #buffer = new Uint8Array(MAX_SLICE_BYTES);
  #length = 0;

  constructor(post: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#post = post;
  }

  write(byte: number): void {
    if (this.#length === this.#buffer.length) this.flush();
    this.#buffer[this.#length++] = byte;
  }

  flush(): void {
    if (this.#length === 0) return;
    this.#post(this.#buffer.slice(0, this.#length));
    this.#length = 0;
  }
}
