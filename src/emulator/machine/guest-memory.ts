/**
 * Guest-physical memory for bus masters: goes through the same page map as the CPU, so shadow RAM and the PCI hole look
 * the same to both. Chips behind the map (MMIO) are not reachable by DMA.
 */
import type { GuestMemory, MemorySegment } from '../interfaces/guest-memory.ts';
import {
  GUEST_RAM, MAP_READABLE, MAP_WRITABLE, PAGE_ABSENT, PAGE_BITS, PAGE_BYTES, PAGE_CLEAN, PAGE_FLAGS, PAGE_HAS_CODE, PHYS_MAP, PHYS_MAP_PAGES, STAGING, STAGING_BYTES,
} from '../cpu/memory-layout.ts';
import { invariant } from './invariant.ts';

/** Told of pages of the shared memory whose flags ask for it. */
export interface PageWatcher {
  /** A page with PAGE_ABSENT is touched. */
  touch(memoryOffset: number): void;
  /** A page with PAGE_CLEAN is about to change, or its I/O has completed. */
  change(memoryOffset: number): void;
}

const NOT_MAPPED = -1;
const PAGE_MASK = PAGE_BYTES - 1;

export class SharedGuestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly ramBytes: number;
  readonly #view: DataView;
  readonly #pageMap: Uint32Array;
  readonly #pageFlags: Uint8Array;
  readonly #codeChanged: (memoryOffset: number, length: number) => void;
  readonly #watcher: PageWatcher | undefined;
  #stagingNext = STAGING;

  /**
   * `shared` is the buffer of the machine's memory, guest RAM from `GUEST_RAM` on. `codeChanged` is called with offsets
   * into it, before bytes change from which the CPU has decoded instructions and again when their I/O has completed.
   */
  constructor(shared: ArrayBufferLike, ramBytes: number, codeChanged: (memoryOffset: number, length: number) => void, watcher?: PageWatcher) {
    invariant(GUEST_RAM + ramBytes <= shared.byteLength, 'guest RAM lies inside the shared memory');
    this.bytes = new Uint8Array(shared);
    this.ramBytes = ramBytes;
    this.#view = new DataView(shared);
    this.#pageMap = new Uint32Array(shared, PHYS_MAP, PHYS_MAP_PAGES);
    this.#pageFlags = new Uint8Array(shared, PAGE_FLAGS, Math.ceil(shared.byteLength / PAGE_BYTES));
    this.#codeChanged = codeChanged;
    this.#watcher = watcher;
  }

  read8(physical: number): number {
    const offset = this.#locate(physical, MAP_READABLE);
    return offset === NOT_MAPPED ? 0xff : this.bytes[offset]!;
  }

  read16(physical: number): number {
    if ((physical & PAGE_MASK) > PAGE_BYTES - 2) return this.read8(physical) | (this.read8(physical + 1) << 8);
    const offset = this.#locate(physical, MAP_READABLE);
    return offset === NOT_MAPPED ? 0xffff : this.#view.getUint16(offset, true);
  }

  read32(physical: number): number {
    if ((physical & PAGE_MASK) > PAGE_BYTES - 4) return (this.read16(physical) | (this.read16(physical + 2) << 16)) >>> 0;
    const offset = this.#locate(physical, MAP_READABLE);
    return offset === NOT_MAPPED ? 0xffff_ffff : this.#view.getUint32(offset, true);
  }

  read64(physical: number): bigint {
    return BigInt(this.read32(physical)) | (BigInt(this.read32(physical + 4)) << 32n);
  }

  write8(physical: number, value: number): void {
    const offset = this.#locate(physical, MAP_WRITABLE);
    if (offset === NOT_MAPPED) return;
    this.#changing(offset, 1);
    this.bytes[offset] = value;
  }

  write16(physical: number, value: number): void {
    if ((physical & PAGE_MASK) > PAGE_BYTES - 2) {
      this.write8(physical, value & 0xff);
      this.write8(physical + 1, value >>> 8);
      return;
    }
    const offset = this.#locate(physical, MAP_WRITABLE);
    if (offset === NOT_MAPPED) return;
    this.#changing(offset, 2);
    this.#view.setUint16(offset, value, true);
  }

  write32(physical: number, value: number): void {
    if ((physical & PAGE_MASK) > PAGE_BYTES - 4) {
      this.write16(physical, value & 0xffff);
      this.write16(physical + 2, value >>> 16);
      return;
    }
    const offset = this.#locate(physical, MAP_WRITABLE);
    if (offset === NOT_MAPPED) return;
    this.#changing(offset, 4);
    this.#view.setUint32(offset, value, true);
  }

  write64(physical: number, value: bigint): void {
    this.write32(physical, Number(value & 0xffff_ffffn));
    this.write32(physical + 4, Number((value >> 32n) & 0xffff_ffffn));
  }

  readBlock(physical: number, target: Uint8Array): void {
    for (let done = 0; done < target.length; ) {
      const length = Math.min(target.length - done, PAGE_BYTES - ((physical + done) & PAGE_MASK));
      const offset = this.#locate(physical + done, MAP_READABLE);
      if (offset === NOT_MAPPED) target.fill(0xff, done, done + length);
      else target.set(this.bytes.subarray(offset, offset + length), done);
      done += length;
    }
  }

  writeBlock(physical: number, source: Uint8Array): void {
    for (let done = 0; done < source.length; ) {
      const length = Math.min(source.length - done, PAGE_BYTES - ((physical + done) & PAGE_MASK));
      const offset = this.#locate(physical + done, MAP_WRITABLE);
      if (offset !== NOT_MAPPED) {
        this.#changing(offset, length);
        this.bytes.set(source.subarray(done, done + length), offset);
      }
      done += length;
    }
  }

  pin(physical: number, length: number, access: 'read' | 'write'): readonly MemorySegment[] | undefined {
    const needed = access === 'write' ? MAP_WRITABLE : MAP_READABLE;
    const segments: { offset: number; length: number }[] = [];
    let last: { offset: number; length: number } | undefined;
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, PAGE_BYTES - ((physical + done) & PAGE_MASK));
      const offset = this.#locate(physical + done, needed);
      if (offset === NOT_MAPPED) return undefined;
      if (last !== undefined && last.offset + last.length === offset) {
        last.length += part;
      } else {
        last = { offset, length: part };
        segments.push(last);
      }
      done += part;
    }
    if (access === 'write') this.#segmentsChanging(segments);
    return segments;
  }

  unpin(segments: readonly MemorySegment[], access: 'read' | 'write'): void {
    // The guest may have executed from the page while the I/O was under way.
    if (access === 'write') this.#segmentsChanging(segments);
  }

  allocateStaging(owner: string, length: number): MemorySegment {
    const offset = this.#stagingNext;
    this.#stagingNext = (offset + length + 63) & ~63;
    invariant(this.#stagingNext <= STAGING + STAGING_BYTES, `staging memory is left for ${owner}`);
    this.bytes.fill(0, offset, offset + length);
    return { offset, length };
  }

  #locate(physical: number, needed: number): number {
    // Division, since physical addresses may have more than 32 bits; beyond the map the entry is undefined.
    const entry = this.#pageMap[Math.floor(physical / PAGE_BYTES)];
    if (entry === undefined || (entry & needed) === 0) return NOT_MAPPED;
    if ((this.#pageFlags[entry >>> PAGE_BITS]! & PAGE_ABSENT) !== 0) this.#watcher?.touch(entry);
    return entry - (entry & PAGE_MASK) + (physical & PAGE_MASK);
  }

  /** Whoever has to know that bytes change is told. */
  #changing(offset: number, length: number): void {
    const lastPage = Math.floor((offset + length - 1) / PAGE_BYTES);
    let hasCode = false;
    for (let page = Math.floor(offset / PAGE_BYTES); page <= lastPage; page++) {
      const flags = this.#pageFlags[page]!;
      if ((flags & PAGE_CLEAN) !== 0) this.#watcher?.change(page * PAGE_BYTES);
      if ((flags & PAGE_HAS_CODE) !== 0) hasCode = true;
    }
    if (hasCode) this.#codeChanged(offset, length);
  }

  #segmentsChanging(segments: readonly MemorySegment[]): void {
    for (const segment of segments) this.#changing(segment.offset, segment.length);
  }
}
