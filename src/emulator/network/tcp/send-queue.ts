/**
 * Bytes on their way, in order: for the guest from the first it hasn't acknowledged on, or for a socket that is busy.
 * Large chunks are kept as they came; small ones are put together, so that single bytes don't cost their overhead each.
 */

/** A chunk below this goes behind the last one where there is room for it. */
const SMALL_BYTES = 2048;
const GATHERED_FIRST_BYTES = 256;
const GATHERED_BYTES = 16 * 1024;
/** What a chunk costs besides its bytes: an array, its buffer and its place, measured on V8. */
export const CHUNK_OVERHEAD_BYTES = 256;

export class SendQueue {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  /** Bytes of the first chunk that are acknowledged. */
  #firstDone = 0;
  /** The last chunk's memory, while small ones may be added to it. */
  #gathering: Uint8Array<ArrayBuffer> | undefined;
  #length = 0;
  #allocatedBytes = 0;

  get length(): number {
    return this.#length;
  }

  /** Memory that the bytes take. */
  get heldBytes(): number {
    return this.#allocatedBytes + CHUNK_OVERHEAD_BYTES * this.#chunks.length;
  }

  /** Takes the bytes over. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#length += bytes.length;
    if (bytes.length < SMALL_BYTES) this.#gather(bytes);
    // A small part of a large buffer must not keep all of it.
    else this.#append(bytes.buffer instanceof ArrayBuffer && bytes.buffer.byteLength <= 2 * bytes.length ? bytes as Uint8Array<ArrayBuffer> : bytes.slice());
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
    for (let first = this.#chunks[0]; first !== undefined && left >= first.length; first = this.#chunks[0]) {
      left -= first.length;
      this.#allocatedBytes -= first.buffer.byteLength;
      this.#chunks.shift();
    }
    this.#firstDone = left;
    if (this.#chunks.length === 0) this.#gathering = undefined;
  }

  /** Everything there is; the queue is empty then. */
  take(): Uint8Array[] {
    const taken = this.#chunks.slice();
    if (this.#firstDone > 0) taken[0] = taken[0]!.subarray(this.#firstDone);
    this.clear();
    return taken;
  }

  clear(): void {
    this.#chunks.length = 0;
    this.#firstDone = 0;
    this.#gathering = undefined;
    this.#length = 0;
    this.#allocatedBytes = 0;
  }

  #append(chunk: Uint8Array<ArrayBuffer>): void {
    this.#chunks.push(chunk);
    this.#allocatedBytes += chunk.buffer.byteLength;
    this.#gathering = undefined;
  }

  /** The memory of gathered bytes grows with them, up to its full size; then another piece begins. */
  #gather(bytes: Uint8Array): void {
    const last = this.#chunks.at(-1);
    const together = (last?.length ?? 0) + bytes.length;
    if (this.#gathering === undefined || last === undefined || together > GATHERED_BYTES) {
      const isMore = this.#gathering !== undefined && last !== undefined;
      const memory = new Uint8Array(isMore ? GATHERED_BYTES : roomFor(bytes.length));
      memory.set(bytes);
      this.#append(memory.subarray(0, bytes.length));
      this.#gathering = memory;
      return;
    }
    if (together > this.#gathering.length) {
      const grown = new Uint8Array(roomFor(together));
      grown.set(last);
      this.#allocatedBytes += grown.length - this.#gathering.length;
      this.#gathering = grown;
    }
    this.#gathering.set(bytes, last.length);
    this.#chunks[this.#chunks.length - 1] = this.#gathering.subarray(0, together);
  }
}

function roomFor(bytes: number): number {
  return Math.min(GATHERED_BYTES, Math.max(GATHERED_FIRST_BYTES, 2 ** Math.ceil(Math.log2(bytes))));
}
