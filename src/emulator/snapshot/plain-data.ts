/**
 * Devices' saved states as bytes: a tag, then the value; lengths and counts are u32, little-endian. What can be saved is what
 * structured clone knows of plain data: `undefined`, `null`, booleans, numbers, strings, bigints of 64 bits, bytes, arrays and objects.
 */
import { damagedState } from './state-error.ts';

const TAG = { undefined: 0, null: 1, false: 2, true: 3, int32: 4, float64: 5, text: 6, bigint: 7, bytes: 8, array: 9, object: 10 } as const;
/** No device's state is nested any deeper. */
const DEPTH_MAXIMUM = 32;
const FIRST_BYTES = 4096;

class Writer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  finished(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  value(value: unknown, depth: number): void {
    if (depth > DEPTH_MAXIMUM) throw new Error('a saved state is nested too deeply');
    if (value === undefined) this.#tag(TAG.undefined);
    else if (value === null) this.#tag(TAG.null);
    else if (typeof value === 'boolean') this.#tag(value ? TAG.true : TAG.false);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(TAG.text, value);
    else if (typeof value === 'bigint') this.#bigint(value);
    else if (value instanceof Uint8Array) this.#blob(TAG.bytes, value);
    else if (Array.isArray(value)) {
      this.#tag(TAG.array);
      this.#uint32(value.length);
      for (const element of value) this.value(element, depth + 1);
    } else if (typeof value === 'object' && (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null)) {
      const members = Object.entries(value);
      this.#tag(TAG.object);
      this.#uint32(members.length);
      for (const [key, member] of members) {
        this.#text(TAG.text, key);
        this.value(member, depth + 1);
      }
    } else {
      throw new Error(`a saved state holds what can't be saved (${typeof value})`);
    }
  }

  #number(value: number): void {
    // -0 is a number of its own.
    if (Number.isInteger(value) && value >= -0x8000_0000 && value <= 0x7fff_ffff && !Object.is(value, -0)) {
      this.#tag(TAG.int32);
      const at = this.#room(4);
      this.#view.setInt32(at, value, true);
    } else {
      this.#tag(TAG.float64);
      const at = this.#room(8);
      this.#view.setFloat64(at, value, true);
    }
  }

  #bigint(value: bigint): void {
    if (value < -(1n << 63n) || value >= 1n << 64n) throw new Error('a saved number has more than 64 bits');
    this.#tag(TAG.bigint);
    const at = this.#room(9);
    this.#bytes[at] = value < 0n ? 1 : 0;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value), true);
  }

  #text(tag: number, text: string): void {
    this.#blob(tag, new TextEncoder().encode(text));
  }

  #blob(tag: number, bytes: Uint8Array): void {
    this.#tag(tag);
    this.#uint32(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  #tag(tag: number): void {
    const at = this.#room(1);
    this.#bytes[at] = tag;
  }

  #uint32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  /** Offset of `bytes` new bytes: the array may be another one afterwards. */
  #room(bytes: number): number {
    const at = this.#length;
    this.#length += bytes;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAXIMUM) throw damagedState('is nested too deeply');
    const tag = this.#bytes[this.#take(1)]!;
    switch (tag) {
      case TAG.undefined: return undefined;
      case TAG.null: return null;
      case TAG.false: return false;
      case TAG.true: return true;
      case TAG.int32: return this.#view.getInt32(this.#take(4), true);
      case TAG.float64: return this.#view.getFloat64(this.#take(8), true);
      case TAG.text: return this.#text();
      case TAG.bigint: {
        const isNegative = this.#bytes[this.#take(1)] !== 0;
        const value = this.#view.getBigUint64(this.#take(8), true);
        return isNegative ? BigInt.asIntN(64, value) : value;
      }
      // Not `slice`, which is a view where the bytes are a Buffer.
      case TAG.bytes: return new Uint8Array(this.#blob());
      case TAG.array: return Array.from({ length: this.#count() }, () => this.value(depth + 1));
      case TAG.object: {
        const members: [string, unknown][] = [];
        for (let left = this.#count(); left > 0; left--) {
          if (this.#bytes[this.#take(1)] !== TAG.text) throw damagedState('has a member without a name');
          members.push([this.#text(), this.value(depth + 1)]);
        }
        // Not an assignment: a member may be called __proto__.
        return Object.fromEntries(members);
      }
      default: throw damagedState(`holds a value of the unknown kind ${tag}`);
    }
  }

  #text(): string {
    try {
      return new TextDecoder('utf-8', { fatal: true }).decode(this.#blob());
    } catch {
      throw damagedState('holds a text that is none');
    }
  }

  #blob(): Uint8Array {
    const length = this.#view.getUint32(this.#take(4), true);
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** Of elements, each of which takes a byte at least. */
  #count(): number {
    const count = this.#view.getUint32(this.#take(4), true);
    if (count > this.#bytes.length - this.#at) throw damagedState('ends early');
    return count;
  }

  #take(bytes: number): number {
    const at = this.#at;
    if (bytes > this.#bytes.length - at) throw damagedState('ends early');
    this.#at += bytes;
    return at;
  }
}

export function encodePlain(value: unknown): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.finished();
}

/** Throws `StateError` for bytes that are no such value. */
export function decodePlain(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!reader.isAtEnd) throw damagedState('goes on after its end');
  return value;
}
