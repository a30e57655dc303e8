import type { AccessWidth } from '../interfaces/bus.ts';

const FIRST = 0x40;
const END = 0x100;

/** One register byte of a chip's own part of configuration space (0x40 to 0xFF). */
export interface VendorRegister {
  readonly offset: number;
  readonly reset?: number;
  /** Bits a guest can change; all when left out. */
  readonly writable?: number;
}

/**
 * The vendor-specific configuration registers of a chip, byte by byte. Offsets that aren't listed read 0 and take no
 * writes. Serves `PciFunction.readConfig` and `writeConfig`.
 */
export class VendorRegisters {
  readonly bytes = new Uint8Array(END);
  readonly #reset = new Uint8Array(END);
  readonly #writable = new Uint8Array(END);
  readonly #changed: (offset: number, value: number, before: number) => void;

  /** `changed` is told of every byte that a guest's write made different. */
  constructor(registers: readonly VendorRegister[], changed: (offset: number, value: number, before: number) => void) {
    for (const { offset, reset = 0, writable = 0xff } of registers) {
      this.#reset[offset] = reset;
      this.#writable[offset] = writable;
    }
    this.#changed = changed;
    this.reset();
  }

  reset(): void {
    this.bytes.set(this.#reset);
  }

  restore(saved: Uint8Array): void {
    this.bytes.set(saved.subarray(0, END));
  }

  read(offset: number, width: AccessWidth): number | undefined {
    if (offset < FIRST || offset + width > END) return undefined;
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte--) value = (value << 8) | this.bytes[offset + byte]!;
    return value >>> 0;
  }

  write(offset: number, width: AccessWidth, value: number): boolean {
    if (offset < FIRST || offset + width > END) return false;
    const before = this.bytes.slice(offset, offset + width);
    for (let byte = 0; byte < width; byte++) {
      const mask = this.#writable[offset + byte]!;
      this.bytes[offset + byte] = (this.bytes[offset + byte]! & ~mask) | ((value >>> (8 * byte)) & mask);
    }
    // Told only when the whole access has taken effect: a base address changes all its bytes at once.
    for (let byte = 0; byte < width; byte++) {
      const now = this.bytes[offset + byte]!;
      if (now !== before[byte]) this.#changed(offset + byte, now, before[byte]!);
    }
    return true;
  }
}
