/** The numbers of an on-disk structure. 64-bit ones are refused where a JavaScript number would not hold them exactly. */
import { damaged } from './image-error.ts';

export class ByteFields {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;

  constructor(bytes: Uint8Array, order: 'big-endian' | 'little-endian') {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = order === 'little-endian';
  }

  u16(at: number): number {
    return this.#view.getUint16(at, this.#littleEndian);
  }

  u32(at: number): number {
    return this.#view.getUint32(at, this.#littleEndian);
  }

  /** Throws `ImageError` beyond 2^53 - 1; `name` says what the number is. */
  u64(at: number, name: string): number {
    const value = this.u64OrInfinity(at);
    if (value === Infinity) throw damaged(`the image's ${name} is beyond all sense`);
    return value;
  }

  u64OrInfinity(at: number): number {
    const high = this.#view.getUint32(this.#littleEndian ? at + 4 : at, this.#littleEndian);
    if (high >= 0x20_0000) return Infinity;
    return high * 0x1_0000_0000 + this.#view.getUint32(this.#littleEndian ? at : at + 4, this.#littleEndian);
  }

  setU16(at: number, value: number): void {
    this.#view.setUint16(at, value, this.#littleEndian);
  }

  setU32(at: number, value: number): void {
    this.#view.setUint32(at, value, this.#littleEndian);
  }

  setU64(at: number, value: number): void {
    this.#view.setUint32(this.#littleEndian ? at + 4 : at, Math.floor(value / 0x1_0000_0000), this.#littleEndian);
    this.#view.setUint32(this.#littleEndian ? at : at + 4, value % 0x1_0000_0000, this.#littleEndian);
  }

  /** ASCII or UTF-8 up to the first NUL. */
  text(at: number, length: number): string {
    const bytes = this.bytes.subarray(at, at + length);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes.slice() : bytes.slice(0, end));
  }

  setText(at: number, text: string): void {
    this.bytes.set(new TextEncoder().encode(text), at);
  }
}

const CHUNK = 4096;

/** Whether all bytes are zero. */
export function isZero(bytes: Uint8Array): boolean {
  if (bytes.byteOffset % 4 !== 0 || bytes.length % 4 !== 0) return bytes.every((byte) => byte === 0);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  let at = 0;
  for (const whole = words.length - (words.length % CHUNK); at < whole;) {
    let any = 0;
    for (const end = at + CHUNK; at < end; at += 8) {
      any |= words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]! | words[at + 4]! | words[at + 5]! | words[at + 6]! | words[at + 7]!;
    }
    if (any !== 0) return false;
  }
  for (; at < words.length; at++) if (words[at] !== 0) return false;
  return true;
}
