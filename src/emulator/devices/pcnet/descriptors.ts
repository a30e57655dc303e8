/** Descriptors and the initialization block in guest RAM, in the chip's four software styles (BCR20). */
import type { GuestMemory } from '../../interfaces/guest-memory.ts';

/** 0: LANCE, of words and 24-bit addresses. 1: ILACC. 2: PCnet-PCI. 3: the same, in another order. */
export type SoftwareStyle = 0 | 1 | 2 | 3;

export interface Descriptor {
  readonly address: number;
  readonly bytes: number;
  /** OWN and the bits below it, in the upper half of the second doubleword; a LANCE descriptor has the upper eight only. */
  readonly flags: number;
}

export interface InitializationBlock {
  readonly mode: number;
  /** Binary logarithms of the rings' lengths. */
  readonly receiveLength: number;
  readonly transmitLength: number;
  readonly physicalAddress: readonly number[];
  readonly logicalFilter: readonly number[];
  readonly receiveRing: number;
  readonly transmitRing: number;
}

const COUNT_MASK = 0xfff;

export class DescriptorFormat {
  readonly #memory: GuestMemory;
  readonly #style: SoftwareStyle;
  /** Bits 31 to 24 of every address of 24 bits. */
  readonly #upperAddress: number;

  constructor(memory: GuestMemory, style: SoftwareStyle, upperAddress: number) {
    this.#memory = memory;
    this.#style = style;
    this.#upperAddress = style === 0 ? upperAddress : 0;
  }

  read(at: number): Descriptor {
    if (this.#style === 0) {
      const first = this.#memory.read32(at);
      return { address: this.#full(first), bytes: countOf(this.#memory.read16(at + 4)), flags: (first >>> 16) & 0xff00 };
    }
    const second = this.#memory.read32(at + 4);
    return { address: this.#memory.read32(at + this.#addressAt), bytes: countOf(second), flags: second >>> 16 };
  }

  /** The length of the frame, without changing what else the descriptor has; then the flags, which give it back. */
  writeReceived(at: number, flags: number, messageBytes: number): void {
    if (this.#style === 0) this.#memory.write16(at + 6, messageBytes);
    else this.#memory.write32(at + this.#statusAt, messageBytes);
    this.#writeFlags(at, flags);
  }

  writeSent(at: number, flags: number, errors: number): void {
    if (this.#style === 0) this.#memory.write16(at + 6, errors);
    else this.#memory.write32(at + this.#statusAt, errors * 0x10000);
    this.#writeFlags(at, flags);
  }

  readInitialization(at: number): InitializationBlock {
    const words = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => this.#memory.read16(at + from + 2 * index));
    const mode = this.#memory.read16(at);
    if (this.#style === 0) {
      const [receive, transmit] = [this.#memory.read32(at + 16), this.#memory.read32(at + 20)];
      return {
        mode, receiveLength: receive >>> 29, transmitLength: transmit >>> 29, physicalAddress: words(2, 3), logicalFilter: words(8, 4),
        receiveRing: this.#full(receive & ~7), transmitRing: this.#full(transmit & ~7),
      };
    }
    const lengths = this.#memory.read16(at + 2);
    return {
      mode, receiveLength: (lengths >> 4) & 15, transmitLength: lengths >> 12, physicalAddress: words(4, 3), logicalFilter: words(12, 4),
      receiveRing: this.#memory.read32(at + 20), transmitRing: this.#memory.read32(at + 24),
    };
  }

  get #addressAt(): number {
    return this.#style === 3 ? 8 : 0;
  }

  get #statusAt(): number {
    return this.#style === 3 ? 0 : 8;
  }

  #writeFlags(at: number, flags: number): void {
    if (this.#style === 0) this.#memory.write8(at + 3, flags >> 8);
    else this.#memory.write16(at + 6, flags);
  }

  #full(address: number): number {
    return ((address & 0xff_ffff) | (this.#upperAddress << 24)) >>> 0;
  }
}

export function descriptorBytes(style: SoftwareStyle): 8 | 16 {
  return style === 0 ? 8 : 16;
}

/** Counts are negative, in twelve bits. */
function countOf(field: number): number {
  return 0x1000 - (field & COUNT_MASK);
}
