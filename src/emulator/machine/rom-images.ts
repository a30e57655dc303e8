/** Firmware images in the shared memory, padded as the chips that hold them need it. */
import { PAGE_BYTES, ROM, ROM_BYTES } from '../cpu/memory-layout.ts';
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import { invariant } from './invariant.ts';

/** An empty flash cell. */
const ERASED = 0xff;

export class RomImages {
  readonly #shared: Uint8Array;
  #next = ROM;

  /** `shared` is the whole shared memory. */
  constructor(shared: Uint8Array) {
    this.#shared = shared;
  }

  /** Whole pages that end with the image, as firmware ends where its address space does. */
  placeAtEnd(image: Uint8Array): MemorySegment {
    const segment = this.#allocate(Math.ceil(image.length / PAGE_BYTES) * PAGE_BYTES);
    this.#shared.set(image, segment.offset + segment.length - image.length);
    return segment;
  }

  /** A power of two that begins with the image, as a PCI expansion ROM. */
  placeAsExpansionRom(image: Uint8Array): MemorySegment {
    let length = PAGE_BYTES;
    while (length < image.length) length *= 2;
    const segment = this.#allocate(length);
    this.#shared.set(image, segment.offset);
    return segment;
  }

  #allocate(length: number): MemorySegment {
    const offset = this.#next;
    this.#next += length;
    invariant(this.#next <= ROM + ROM_BYTES, 'firmware images fit the ROM area');
    this.#shared.fill(ERASED, offset, offset + length);
    return { offset, length };
  }
}
