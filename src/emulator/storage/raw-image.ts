/**
 * A disk as a plain file of sectors. A file that ends within a sector reads zeros to the sector's end; a write there
 * makes the file longer where it can grow.
 */
import type { ByteFile, DiskImage } from '../interfaces/disk-image.ts';

const SECTOR_BYTES = 512;

export interface RawImageOptions {
  readonly file: ByteFile;
  /** Size of the file, as `file.size()` told it. */
  readonly fileBytes: number;
}

export class RawImage implements DiskImage {
  readonly format = 'raw';
  readonly sectorBytes = SECTOR_BYTES;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly #file: ByteFile;

  /** Throws `RangeError` for an empty file. */
  constructor(options: RawImageOptions) {
    if (!(options.fileBytes > 0)) throw new RangeError('the image is empty');
    this.#file = options.file;
    this.readOnly = options.file.readOnly;
    this.sectorCount = Math.ceil(options.fileBytes / SECTOR_BYTES);
  }

  /** Takes the file over: it is closed with the image. */
  static async open(file: ByteFile): Promise<RawImage> {
    return new RawImage({ file, fileBytes: await file.size() });
  }

  async read(sector: number, target: Uint8Array): Promise<void> {
    this.#check(sector, target.length);
    await this.#file.read(sector * SECTOR_BYTES, target);
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    if (this.readOnly) throw new Error('the image is read-only');
    this.#check(sector, source.length);
    await this.#file.write(sector * SECTOR_BYTES, source);
  }

  async flush(): Promise<void> {
    await this.#file.flush();
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    if (this.readOnly) throw new Error('the image is read-only');
    this.#check(sector, sectorCount * SECTOR_BYTES);
    await this.#file.punchHole(sector * SECTOR_BYTES, sectorCount * SECTOR_BYTES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #check(sector: number, bytes: number): void {
    if (sector < 0 || bytes % SECTOR_BYTES !== 0 || sector + bytes / SECTOR_BYTES > this.sectorCount) {
      throw new RangeError(`${bytes} bytes at sector ${sector} aren't inside ${this.sectorCount} sectors`);
    }
  }
}
