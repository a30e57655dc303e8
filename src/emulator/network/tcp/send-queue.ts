/** Bytes for the guest from the first it hasn't acknowledged on. Chunks are kept as they came; small ones are put together. */

/** A chunk below this goes behind the last one where there is room for it. */
const SMALL_BYTES = 2048;
const GATHERED_BYTES = 16 * 1024;

export class SendQueue {
  readonly #chunks: Uint8Array[] = [];
  /** Bytes of the first chunk that are acknowledged. */
  #firstDone = 0;
  /** The last chunk's memory, while small ones may be added to it, and the bytes in use. */
  #gathering: Uint8Array | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Takes the bytes over. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length >= SMALL_BYTES) {
      this.#chunks.push(bytes);
      this.#gathering = undefined;
      return;
    }
    const last = this.#chunks.at(-1);
    if (this.#gathering === undefined || last === undefined || last.length + bytes.length > GATHERED_BYTES) {
      this.#gathering = new Uint8Array(GATHERED_BYTES);
      this.#gathering.set(bytes);
      this.#chunks.push(this.#gathering.subarray(0, bytes.length));
      return;
    }
    this.#gathering.set(bytes, last.length);
    this.#chunks[this.#chunks.length - 1] = this.#gathering.subarray(0, last.length + bytes.length);
  }

  /** Copies what lies from byte `from` on; there are `target.length` bytes. */
  copy(from: number, target: Uint8Array): void {
    let skip = from + this.#firstDone;
    let filled = 0;
    for (const chunk of this.#chunks) {
      if (skip >= chunk.length) {
        skip -= chunk.length;
        continue;
      }
      const part = chunk.subarray(skip, skip + target.length - filled);
      target.set(part, filled);
      filled += part.length;
      skip = 0;
      if (filled === target.length) return;
    }
  }

  /** The first `count` bytes are acknowledged. */
  drop(count: number): void {
    this.#length -= count;
    let left = count + this.#firstDone;
    while (this.#chunks.length > 0 && left >= this.#chunks[0]!.length) left -= this.#chunks.shift()!.length;
    this.#firstDone = left;
    if (this.#chunks.length === 0) this.#gathering = undefined;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#firstDone = 0;
    this.#gathering = undefined;
    this.#length = 0;
  }
}
