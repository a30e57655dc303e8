/**
 * Which parts of the machine's shared memory are saved, cut into chunks that are numbered through. Other parts are their devices' own
 * (video memory, staging buffers) or made anew (TLBs, decoded code).
 */
import { GUEST_RAM, PAGE_BYTES, ROM, ROM_BYTES } from '../cpu/memory-layout.ts';

export const CHUNK_BYTES = 0x10000;
export const CHUNK_PAGES = CHUNK_BYTES / PAGE_BYTES;

export interface MemoryRegion {
  readonly name: string;
  /** Offset in the shared memory. */
  readonly offset: number;
  readonly firstChunk: number;
  readonly chunks: number;
}

/**
 * RAM below this is written by chips that don't ask first (shadow memory). With ROM it is copied while the machine stands still,
 * and loaded before it runs.
 */
const GUARDED_FROM = GUEST_RAM + 0x10_0000;

export class MemoryRegions {
  readonly all: readonly MemoryRegion[];
  readonly chunks: number;
  /** Chunks from this one on are guarded: saved behind the running machine's back, and loaded when they are touched. */
  readonly firstGuarded: number;
  readonly #ram: MemoryRegion;

  constructor(ramBytes: number) {
    const regions: MemoryRegion[] = [];
    let firstChunk = 0;
    for (const [name, offset, bytes] of [['rom', ROM, ROM_BYTES], ['ram', GUEST_RAM, ramBytes]] as const) {
      const chunks = Math.ceil(bytes / CHUNK_BYTES);
      regions.push({ name, offset, firstChunk, chunks });
      firstChunk += chunks;
    }
    this.all = regions;
    this.chunks = firstChunk;
    this.#ram = regions[1]!;
    this.firstGuarded = Math.min(firstChunk, this.#ram.firstChunk + (GUARDED_FROM - GUEST_RAM) / CHUNK_BYTES);
  }

  /** Offset of a chunk in the shared memory. */
  offsetOf(chunk: number): number {
    const region = chunk < this.#ram.firstChunk ? this.all[0]! : this.#ram;
    return region.offset + (chunk - region.firstChunk) * CHUNK_BYTES;
  }

  /** The guarded chunk in which a byte of the shared memory lies. */
  guardedChunkAt(memoryOffset: number): number {
    return this.#ram.firstChunk + Math.floor((memoryOffset - GUEST_RAM) / CHUNK_BYTES);
  }
}
