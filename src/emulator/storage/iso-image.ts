/** A CD or DVD as a file of 2048-byte sectors, such as ISO 9660 images. Read-only, whatever the file allows. */
import type { ByteFile, DiskImage, Extent } from '../interfaces/disk-image.ts';

const SECTOR_BYTES = 2048;

export interface IsoImageOptions {
  readonly file: ByteFile;
  /** Size of the file, as `file.size()` told it. A last sector that isn't whole is filled with zeros. */
  readonly fileBytes: number;
}

export class IsoImage implements DiskImage {
  readonly format = 'iso';
  readonly sectorBytes = SECTOR_BYTES;
  readonly sectorCount: number;
  readonly readOnly = true;
  readonly #file: ByteFile;

  /** Throws `RangeError` for an empty file. */
  constructor(options: IsoImageOptions) {
    if (!(options.fileBytes > 0)) throw new RangeError('the image is empty');
    this.#file = options.file;
    this.sectorCount = Math.ceil(options.fileBytes / SECTOR_BYTES);
  }

  /** Takes the file over: it is closed with the image. */
  static async open(file: ByteFile): Promise<IsoImage> {
    return new IsoImage({ file, fileBytes: await file.size() });
  }

  async read(sector: number, target: Uint8Array): Promise<void> {
    if (sector < 0 || target.length % SECTOR_BYTES !== 0 || sector + target.length / SECTOR_BYTES > this.sectorCount) {
      throw new RangeError(`${target.length} bytes at sector ${sector} aren't inside ${this.sectorCount} sectors`);
    }
    await this.#file.read(sector * SECTOR_BYTES, target);
  }

  async write(): Promise<void> {
    throw new Error('a disc is read-only');
  }

  async writeZeroes(): Promise<void> {
    throw new Error('a disc is read-only');
  }

  async flush(): Promise<void> {}

  async extentAt(sector: number, maxSectors: number): Promise<Extent> {
    return { sectorCount: Math.min(maxSectors, this.sectorCount - sector), kind: 'data', own: true };
  }

  async discard(): Promise<void> {
    throw new Error('a disc is read-only');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}
