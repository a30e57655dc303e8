/**
 * A disk as a plain file of sectors. A file that ends within a sector reads zeros to the sector's end; a write there
 * makes the file longer where it can grow.
 */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile, DiskImage, Extent } from '../interfaces/disk-image.ts';
import { ImageError, readOnlyImage, unsupported } from './image-error.ts';
import { formatByFirstSector, formatByLastSector } from './probe.ts';

const SECTOR_BYTES = 512;

export interface RawImageOptions {
  readonly file: ByteFile;
  /** Size of the file, as `file.size()` told it. */
  readonly fileBytes: number;
  /** Whose plain data it is; `raw` when left out. */
  readonly format?: DiskFormat;
  /** That it is raw was guessed: writes that would make it look like another format are refused, or its guest could turn it into one. */
  readonly wasGuessed?: boolean;
}

export class RawImage implements DiskImage {
  readonly format: DiskFormat;
  readonly sectorBytes = SECTOR_BYTES;
  #sectorCount: number;
  readonly readOnly: boolean;
  readonly #file: ByteFile;
  readonly #wasGuessed: boolean;

  /** Throws `RangeError` for an empty file. */
  constructor(options: RawImageOptions) {
    if (!(options.fileBytes > 0)) throw new RangeError('the image is empty');
    this.format = options.format ?? 'raw';
    this.#file = options.file;
    this.readOnly = options.file.readOnly;
    this.#wasGuessed = options.wasGuessed ?? false;
    this.#sectorCount = Math.ceil(options.fileBytes / SECTOR_BYTES);
  }

  /** Takes the file over: it is closed with the image. */
  static async open(file: ByteFile): Promise<RawImage> {
    return new RawImage({ file, fileBytes: await file.size() });
  }

  get sectorCount(): number {
    return this.#sectorCount;
  }

  /** Whole sectors; what lies beyond a smaller size is lost. */
  async resize(bytes: number): Promise<void> {
    if (this.readOnly) throw readOnlyImage();
    if (this.format !== 'raw') throw unsupported(`a ${this.format} image of this kind can't get another size`, 'convert it');
    await this.#file.truncate(bytes);
    await this.#file.flush();
    this.#sectorCount = bytes / SECTOR_BYTES;
  }

  async read(sector: number, target: Uint8Array): Promise<void> {
    this.#check(sector, target.length);
    await this.#file.read(sector * SECTOR_BYTES, target);
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    if (this.readOnly) throw readOnlyImage();
    this.#check(sector, source.length);
    await this.#file.write(sector * SECTOR_BYTES, this.#wasGuessed ? this.#stillRaw(sector, source) : source);
  }

  async flush(): Promise<void> {
    await this.#file.flush();
  }

  async writeZeroes(sector: number, sectorCount: number): Promise<void> {
    await this.discard(sector, sectorCount);
  }

  async extentAt(sector: number, maxSectors: number): Promise<Extent> {
    this.#check(sector, SECTOR_BYTES);
    return { sectorCount: Math.min(maxSectors, this.sectorCount - sector), kind: 'data', own: true };
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    if (this.readOnly) throw readOnlyImage();
    this.#check(sector, sectorCount * SECTOR_BYTES);
    await this.#file.punchHole(sector * SECTOR_BYTES, sectorCount * SECTOR_BYTES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  /** What may be written; a copy where it was looked at, since a guest can change its buffer meanwhile. */
  #stillRaw(sector: number, source: Uint8Array): Uint8Array {
    const touchesLast = sector + source.length / SECTOR_BYTES === this.sectorCount;
    if (sector !== 0 && !touchesLast) return source;
    const copy = source.slice();
    if ((sector === 0 && formatByFirstSector(copy) !== 'raw') || (touchesLast && formatByLastSector(copy.subarray(copy.length - SECTOR_BYTES)) !== 'raw')) {
      throw new ImageError('image.would-change-format', 'the guest writes what would make the raw disk look like an image of another format', 'attach it with format=raw if that is meant');
    }
    return copy;
  }

  #check(sector: number, bytes: number): void {
    if (sector < 0 || bytes % SECTOR_BYTES !== 0 || sector + bytes / SECTOR_BYTES > this.sectorCount) {
      throw new RangeError(`${bytes} bytes at sector ${sector} aren't inside ${this.sectorCount} sectors`);
    }
  }
}
