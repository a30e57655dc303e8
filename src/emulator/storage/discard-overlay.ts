/**
 * Keeps what is written in memory and leaves the image below untouched: for runs whose changes are thrown away. Memory
 * is taken in chunks as they are first written.
 */
import type { DiskImage, Extent } from '../interfaces/disk-image.ts';

const CHUNK_BYTES = 65536;

/** Some sectors of 64 KiB; the others are still those of the image below. */
interface Chunk {
  readonly data: Uint8Array;
  readonly own: Uint8Array;
}

export interface DiscardOverlayOptions {
  readonly base: DiskImage;
  /** Most memory that written data may take; writes beyond it fail with code `ENOSPC`. The whole disk when left out. */
  readonly maximumBytes?: number;
}

export class DiscardOverlay implements DiskImage {
  readonly format: string;
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly = false;
  readonly #base: DiskImage;
  readonly #maximumBytes: number;
  readonly #sectorsPerChunk: number;
  /** By chunk number; `zeros` where a whole chunk was discarded. */
  readonly #chunks = new Map<number, Chunk | 'zeros'>();
  #bytesHeld = 0;

  constructor(options: DiscardOverlayOptions) {
    this.#base = options.base;
    this.format = options.base.format;
    this.sectorBytes = options.base.sectorBytes;
    this.sectorCount = options.base.sectorCount;
    this.#maximumBytes = options.maximumBytes ?? Infinity;
    this.#sectorsPerChunk = CHUNK_BYTES / this.sectorBytes;
  }

  /** Memory that written data takes. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  async read(sector: number, target: Uint8Array): Promise<void> {
    const count = this.#check(sector, target.length);
    if (!this.#isCovered(sector, count)) await this.#base.read(sector, target);
    // Only now: a write that came while the image below was being read counts.
    this.#eachPart(sector, count, (number, first, sectors, at) => { this.#overlay(this.#chunks.get(number), first, sectors, target.subarray(at)); });
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    const count = this.#check(sector, source.length);
    this.#eachPart(sector, count, (number, first, sectors, at) => {
      const chunk = this.#writable(number);
      chunk.data.set(source.subarray(at, at + sectors * this.sectorBytes), first * this.sectorBytes);
      chunk.own.fill(1, first, first + sectors);
    });
  }

  /** What is kept in memory is as stable as it gets. */
  async flush(): Promise<void> {}

  /** Discarded sectors read as zeros. */
  async discard(sector: number, sectorCount: number): Promise<void> {
    this.#check(sector, sectorCount * this.sectorBytes);
    this.#eachPart(sector, sectorCount, (number, first, sectors) => {
      if (sectors === this.#sectorsPerChunk) {
        if (this.#chunks.get(number) instanceof Object) this.#bytesHeld -= CHUNK_BYTES;
        this.#chunks.set(number, 'zeros');
        return;
      }
      if (this.#chunks.get(number) === 'zeros') return;
      const chunk = this.#writable(number);
      chunk.data.fill(0, first * this.sectorBytes, (first + sectors) * this.sectorBytes);
      chunk.own.fill(1, first, first + sectors);
    });
  }

  async writeZeroes(sector: number, sectorCount: number): Promise<void> {
    await this.discard(sector, sectorCount);
  }

  async extentAt(sector: number, maxSectors: number): Promise<Extent> {
    this.#check(sector, this.sectorBytes);
    const inChunk = this.#sectorsPerChunk - (sector % this.#sectorsPerChunk);
    const wanted = Math.min(maxSectors, this.sectorCount - sector, inChunk);
    const chunk = this.#chunks.get(Math.floor(sector / this.#sectorsPerChunk));
    if (chunk === undefined) return { ...await this.#base.extentAt(sector, wanted), own: false };
    return { sectorCount: wanted, kind: chunk === 'zeros' ? 'zeros' : 'data', own: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#chunks.clear();
    this.#bytesHeld = 0;
    await this.#base[Symbol.asyncDispose]();
  }

  #overlay(chunk: Chunk | 'zeros' | undefined, first: number, sectors: number, target: Uint8Array): void {
    if (chunk === undefined) return;
    if (chunk === 'zeros') {
      target.fill(0, 0, sectors * this.sectorBytes);
      return;
    }
    for (let index = 0; index < sectors; index++) {
      if (chunk.own[first + index] === 0) continue;
      const from = (first + index) * this.sectorBytes;
      target.set(chunk.data.subarray(from, from + this.sectorBytes), index * this.sectorBytes);
    }
  }

  #isCovered(sector: number, count: number): boolean {
    let covered = true;
    this.#eachPart(sector, count, (number, first, sectors) => {
      const chunk = this.#chunks.get(number);
      covered &&= chunk === 'zeros' || (chunk !== undefined && !chunk.own.subarray(first, first + sectors).includes(0));
    });
    return covered;
  }

  #writable(number: number): Chunk {
    const present = this.#chunks.get(number);
    if (present instanceof Object) return present;
    if (this.#bytesHeld + CHUNK_BYTES > this.#maximumBytes) {
      throw Object.assign(new Error('no memory is left for changes that will be thrown away'), { code: 'ENOSPC' });
    }
    this.#bytesHeld += CHUNK_BYTES;
    const own = new Uint8Array(this.#sectorsPerChunk);
    if (present === 'zeros') own.fill(1);
    const chunk: Chunk = { data: new Uint8Array(CHUNK_BYTES), own };
    this.#chunks.set(number, chunk);
    return chunk;
  }

  /** Splits a range at chunk boundaries; `at` is the part's place in the caller's buffer. */
  #eachPart(sector: number, count: number, part: (number: number, first: number, sectors: number, at: number) => void): void {
    for (let done = 0; done < count; ) {
      const number = Math.floor((sector + done) / this.#sectorsPerChunk);
      const first = (sector + done) % this.#sectorsPerChunk;
      const sectors = Math.min(count - done, this.#sectorsPerChunk - first);
      part(number, first, sectors, done * this.sectorBytes);
      done += sectors;
    }
  }

  #check(sector: number, bytes: number): number {
    const count = bytes / this.sectorBytes;
    if (sector < 0 || !Number.isInteger(count) || sector + count > this.sectorCount) {
      throw new RangeError(`${bytes} bytes at sector ${sector} aren't inside ${this.sectorCount} sectors`);
    }
    return count;
  }
}
