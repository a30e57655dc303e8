/** Several images one behind the other as one disk: the extents of a VMDK image. */
import type { DiskImage, Extent } from '../interfaces/disk-image.ts';
import type { DiskFormat } from '../../shared/disk-format.ts';

const SECTOR_BYTES = 512;

/** An image that is used for its first sectors only. */
export interface Part {
  readonly image: DiskImage;
  readonly sectorCount: number;
}

export class ConcatenatedImage implements DiskImage {
  readonly format: DiskFormat;
  readonly sectorBytes = SECTOR_BYTES;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly #parts: readonly (Part & { readonly first: number })[];

  constructor(format: DiskFormat, parts: readonly Part[]) {
    this.format = format;
    let first = 0;
    this.#parts = parts.map((part) => {
      const placed = { ...part, first };
      first += part.sectorCount;
      return placed;
    });
    this.sectorCount = first;
    this.readOnly = parts.some(({ image }) => image.readOnly);
  }

  async read(sector: number, target: Uint8Array): Promise<void> {
    await this.#each(sector, target.length / SECTOR_BYTES, (image, at, count, done) => image.read(at, target.subarray(done * SECTOR_BYTES, (done + count) * SECTOR_BYTES)));
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    await this.#each(sector, source.length / SECTOR_BYTES, (image, at, count, done) => image.write(at, source.subarray(done * SECTOR_BYTES, (done + count) * SECTOR_BYTES)));
  }

  async writeZeroes(sector: number, sectorCount: number): Promise<void> {
    await this.#each(sector, sectorCount, (image, at, count) => image.writeZeroes(at, count));
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    await this.#each(sector, sectorCount, (image, at, count) => image.discard(at, count));
  }

  async flush(): Promise<void> {
    for (const { image } of this.#parts) await image.flush();
  }

  async extentAt(sector: number, maxSectors: number): Promise<Extent> {
    const part = this.#parts.find(({ first, sectorCount }) => sector >= first && sector < first + sectorCount);
    if (part === undefined) throw new RangeError(`sector ${sector} isn't inside ${this.sectorCount} sectors`);
    const at = sector - part.first;
    return part.image.extentAt(at, Math.min(maxSectors, part.sectorCount - at));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = await Promise.allSettled(this.#parts.map(({ image }) => image[Symbol.asyncDispose]()));
    for (const result of ended) if (result.status === 'rejected') throw result.reason;
  }

  /** Calls `work` for each image that the range lies in; `done` sectors lie in those before. */
  async #each(sector: number, sectorCount: number, work: (image: DiskImage, at: number, count: number, done: number) => Promise<void>): Promise<void> {
    if (!(sector >= 0) || !Number.isInteger(sectorCount) || sector + sectorCount > this.sectorCount) {
      throw new RangeError(`${sectorCount} sectors at ${sector} aren't inside ${this.sectorCount} sectors`);
    }
    for (const { image, first, sectorCount: sectors } of this.#parts) {
      const start = Math.max(sector, first);
      const end = Math.min(sector + sectorCount, first + sectors);
      if (start < end) await work(image, start - first, end - start, start - sector);
    }
  }
}
