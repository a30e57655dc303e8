/** Copies what an image shows into a new image. Zeros are found and left out. */
import type { Compression, DiskImage, Extent } from '../interfaces/disk-image.ts';
import { isZero } from './byte-fields.ts';
import { MappedImage } from './mapped-image.ts';
import { Qcow2Image } from './qcow2/qcow2-image.ts';

const CHUNK_BYTES = 2 << 20;
/** Chunks that are copied at the same time. */
const CHUNKS_UNDER_WAY = 4;
const PACKED_UNDER_WAY = 8;
/** Zeros are looked for in units of this. */
const GRANULE_BYTES = 65536;
const GRANULE_MINIMUM = 4096;

export interface CopyOptions {
  /** Sectors of 512 bytes. */
  readonly source: DiskImage;
  /** As large at least, and reading as zeros everywhere, or as what is below both. */
  readonly target: DiskImage;
  /** Compresses clusters of a qcow2 target: all, or those that are compressed in the source. */
  readonly pack?: { readonly by: Compression; readonly which: 'all' | 'packed' } | undefined;
  /** Leaves out what isn't the source's own: the target has the same image below it. */
  readonly ownOnly?: boolean;
  /** Bytes of the disk that are done. Throws to stop the copy. */
  readonly progress: (bytes: number) => void;
}

/** When it returns everything is written, but not flushed. */
export async function copyImage(options: CopyOptions): Promise<void> {
  const { target, pack } = options;
  const copier = pack === undefined || !(target instanceof Qcow2Image) ? new Copier(options, CHUNK_BYTES) : new PackingCopier(options, target, pack);
  await copier.run();
}

interface Chunk {
  readonly sector: number;
  readonly sectorCount: number;
}

class Copier {
  protected readonly options: CopyOptions;
  readonly #chunkSectors: number;
  readonly #granule: number;
  #next = 0;
  #done = 0;
  #failure: Error | undefined;
  protected workers = CHUNKS_UNDER_WAY;

  constructor(options: CopyOptions, chunkBytes: number) {
    this.options = options;
    const { target } = options;
    this.#granule = target instanceof MappedImage ? Math.min(GRANULE_BYTES, Math.max(GRANULE_MINIMUM, target.blockBytes)) : GRANULE_BYTES;
    this.#chunkSectors = chunkBytes / 512;
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.workers }, () => this.#work()));
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #work(): Promise<void> {
    try {
      const buffer = new Uint8Array(this.#chunkSectors * 512);
      for (;;) {
        // What another worker ran into ends this one, too.
        const chunk = this.#failure === undefined ? this.#takeChunk() : undefined;
        if (chunk === undefined) return;
        await this.#copyChunk(chunk, buffer);
        this.#done += chunk.sectorCount * 512;
        this.options.progress(this.#done);
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  #takeChunk(): Chunk | undefined {
    const sector = this.#next;
    const sectorCount = Math.min(this.#chunkSectors, this.options.source.sectorCount - sector);
    if (sectorCount <= 0) return undefined;
    this.#next += sectorCount;
    return { sector, sectorCount };
  }

  async #copyChunk({ sector, sectorCount }: Chunk, buffer: Uint8Array): Promise<void> {
    const { source, target, ownOnly = false } = this.options;
    for (let done = 0; done < sectorCount;) {
      const extent = await source.extentAt(sector + done, sectorCount - done);
      const at = sector + done;
      const count = Math.min(extent.sectorCount, sectorCount - done);
      done += count;
      if (ownOnly && !extent.own) continue;
      if (extent.kind === 'zeros') {
        if (ownOnly) await target.writeZeroes(at, count);
        continue;
      }
      const bytes = buffer.subarray(0, count * 512);
      await source.read(at, bytes);
      await this.copyBytes(at, bytes, ownOnly, extent);
    }
  }

  /** Writes what isn't zero. */
  protected async copyBytes(sector: number, bytes: Uint8Array, zerosToo: boolean, _extent: Extent): Promise<void> {
    const { target } = this.options;
    const granule = this.#granule;
    for (let start = 0; start < bytes.length;) {
      const zero = isZero(bytes.subarray(start, Math.min(start + granule, bytes.length)));
      let end = Math.min(start + granule, bytes.length);
      while (end < bytes.length && isZero(bytes.subarray(end, Math.min(end + granule, bytes.length))) === zero) end = Math.min(end + granule, bytes.length);
      if (!zero) await target.write(sector + start / 512, bytes.subarray(start, end));
      else if (zerosToo) await target.writeZeroes(sector + start / 512, (end - start) / 512);
      start = end;
    }
  }
}

/** One cluster at a time, compressed where that makes it smaller. */
class PackingCopier extends Copier {
  readonly #image: Qcow2Image;
  readonly #compression: Compression;
  readonly #packsAll: boolean;

  constructor(options: CopyOptions, image: Qcow2Image, { by, which }: NonNullable<CopyOptions['pack']>) {
    super(options, image.blockBytes);
    this.#image = image;
    this.#compression = by;
    this.#packsAll = which === 'all';
    this.workers = PACKED_UNDER_WAY;
  }

  protected override async copyBytes(sector: number, bytes: Uint8Array, zerosToo: boolean, extent: Extent): Promise<void> {
    if (!this.#packsAll && extent.isPacked !== true) {
      await super.copyBytes(sector, bytes, zerosToo, extent);
      return;
    }
    if (isZero(bytes)) {
      if (zerosToo) await this.#image.writeZeroes(sector, bytes.length / 512);
      return;
    }
    const { blockBytes } = this.#image;
    const isWhole = (sector * 512) % blockBytes === 0 && (bytes.length === blockBytes || sector + bytes.length / 512 === this.#image.sectorCount);
    if (!isWhole) {
      await this.#image.write(sector, bytes);
      return;
    }
    // The disk may end inside its last cluster.
    let cluster = bytes;
    if (bytes.length < blockBytes) {
      cluster = new Uint8Array(blockBytes);
      cluster.set(bytes);
    }
    const packed = this.#image.header.compression === 'zstd' ? await this.#compression.zstdCompress(cluster) : await this.#compression.deflateRaw(cluster);
    if (packed.length < blockBytes) await this.#image.writePacked(sector * 512, packed);
    else await this.#image.write(sector, bytes);
  }
}
