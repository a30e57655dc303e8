/** Grows as tables are written into it. Little-endian, as all firmware tables are; values are unsigned. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  /** A whole number below 2^53. */
  u64(value: number): this {
    return this.#integer(value, 8);
  }

  raw(bytes: Iterable<number>): this {
    for (const byte of bytes) this.#bytes.push(byte & 0xff);
    return this;
  }

  /** ASCII; cut or padded with `fill` to `length` bytes where given. */
  ascii(text: string, length = text.length, fill = 0): this {
    for (let index = 0; index < length; index++) this.#bytes.push(index < text.length ? text.charCodeAt(index) & 0x7f : fill);
    return this;
  }

  zeros(length: number): this {
    for (let index = 0; index < length; index++) this.#bytes.push(0);
    return this;
  }

  alignTo(alignment: number): this {
    return this.zeros((alignment - (this.#bytes.length % alignment)) % alignment);
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #integer(value: number, length: number): this {
    for (let index = 0, rest = value; index < length; index++, rest = Math.floor(rest / 256)) this.#bytes.push(rest % 256);
    return this;
  }
}

/** What to put into a byte that is still 0 so that all bytes add up to 0 modulo 256. */
export function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}
