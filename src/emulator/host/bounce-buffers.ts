/** Memory for requests whose place in the guest is in pieces, used again by those that come after. */
const KEPT_BYTES_MAXIMUM = 8 << 20;
const UNIT_BYTES = 64 << 10;

export interface Bounce extends Disposable {
  readonly bytes: Uint8Array;
}

export class BounceBuffers {
  readonly #free: Uint8Array[] = [];
  #freeBytes = 0;

  /** What is in it is whatever was there before. */
  take(length: number): Bounce {
    const at = this.#free.findIndex((one) => one.length >= length);
    const buffer = at < 0 ? new Uint8Array(Math.ceil(length / UNIT_BYTES) * UNIT_BYTES) : this.#free.splice(at, 1)[0]!;
    if (at >= 0) this.#freeBytes -= buffer.length;
    return { bytes: buffer.subarray(0, length), [Symbol.dispose]: () => { this.#giveBack(buffer); } };
  }

  #giveBack(buffer: Uint8Array): void {
    if (this.#freeBytes + buffer.length > KEPT_BYTES_MAXIMUM) return;
    this.#free.push(buffer);
    this.#freeBytes += buffer.length;
  }
}
