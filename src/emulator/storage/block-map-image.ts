/**
 * What VDI, VHD, VHDX and sparse VMDK have in common: blocks of one size, a table with an entry for each, and new blocks
 * at the file's end. Formats say how entries look and what else must be true before and after they are written.
 */
import { ImageError } from './image-error.ts';
import { MappedImage, type MappedImageOptions, type Placement, type Run } from './mapped-image.ts';
import { PageCache } from './page-cache.ts';

const CACHE_BYTES = 8 << 20;
const FILE_BYTES_MAXIMUM = 2 ** 53;

export interface BlockMapOptions extends MappedImageOptions {
  /** Where the table of blocks begins, and how long a cached part of it is. */
  readonly tablePosition: number;
  readonly pageBytes: number;
  readonly entryBytes: 4 | 8;
  /** Where the next new block may begin. */
  readonly fileEnd: number;
}

/** What an entry of the table says. `position` is of the block's data. */
export type BlockEntry = { readonly kind: 'absent' | 'zeros' } | { readonly kind: 'data'; readonly position: number };

export abstract class BlockMapImage extends MappedImage {
  protected readonly table: PageCache;
  protected readonly tablePosition: number;
  readonly #pageBytes: number;
  readonly #entryBytes: number;
  /** Behind everything that is used. */
  protected fileEnd: number;
  /** Blocks that were given room, and then could not be written. */
  readonly #spare: Placement[] = [];

  constructor(options: BlockMapOptions) {
    super(options);
    this.tablePosition = options.tablePosition;
    this.fileEnd = options.fileEnd;
    this.#pageBytes = options.pageBytes;
    this.#entryBytes = options.entryBytes;
    this.table = new PageCache({ file: options.file, pageBytes: options.pageBytes, maximumPages: Math.max(16, CACHE_BYTES / options.pageBytes) });
  }

  /** Reads the entry of a block. Throws `ImageError`. */
  protected abstract decode(view: DataView, at: number, block: number): BlockEntry;
  /** Writes the entry of a block whose data is at `position`. */
  protected abstract encode(view: DataView, at: number, position: number): void;
  /** Bytes of the file for a new block: its data and what goes with it. */
  protected abstract readonly storedBytes: number;
  /** Where in these the data begins. */
  protected readonly dataOffset: number = 0;
  /** Positions of new blocks are multiples of it. */
  protected readonly alignment: number = 512;

  /** What else a new block needs, at `stored` in the file, before its entry may be written. */
  protected async prepareBlock(_block: number, _stored: number): Promise<void> {}
  /** Comes before the tables are written, behind nothing: what must be on stable storage with the data. */
  protected async beforeTables(): Promise<void> {}
  /** Comes after the tables are on stable storage. */
  protected async afterTables(): Promise<void> {}

  /** Where an entry is in the file; entries of a page lie together. */
  protected entryAt(block: number): { page: number; at: number } {
    const offset = block * this.#entryBytes;
    return { page: this.tablePosition + offset - (offset % this.#pageBytes), at: offset % this.#pageBytes };
  }

  protected override findRun(offset: number, length: number): Run | Promise<Run> {
    const block = Math.floor(offset / this.blockBytes);
    const { page } = this.entryAt(block);
    const cached = this.table.get(page);
    return cached instanceof Promise ? cached.then(({ view }) => this.#runIn(view, page, block, offset, length)) : this.#runIn(cached.view, page, block, offset, length);
  }

  #runIn(view: DataView, page: number, block: number, offset: number, length: number): Run | Promise<Run> {
    const skip = offset % this.blockBytes;
    const first = this.decode(view, this.entryAt(block).at, block);
    let runBytes = this.blockBytes - skip;
    if (first.kind === 'data') {
      const partial = this.partOf(block, first.position, skip, Math.min(length, runBytes));
      if (partial !== undefined) return partial;
    }
    // Blocks that are alike, or lie one behind the other.
    for (let next = block + 1; runBytes < length; next++) {
      const { page: nextPage, at } = this.entryAt(next);
      if (nextPage !== page) break;
      const entry = this.decode(view, at, next);
      if (entry.kind !== first.kind) break;
      if (entry.kind === 'data' && first.kind === 'data' && (entry.position !== first.position + skip + runBytes || this.isPartial(next))) break;
      runBytes += this.blockBytes;
    }
    if (first.kind === 'data') return { kind: 'data', length: runBytes, position: first.position + skip, inPlace: true };
    return { kind: first.kind, length: runBytes };
  }

  /** Where a block is only in part the image's own: what is at `skip` bytes into it. `undefined` where it is whole. */
  protected partOf(_block: number, _position: number, _skip: number, _length: number): Run | Promise<Run> | undefined {
    return undefined;
  }

  /** Whether `partOf` must be asked for a block. */
  protected isPartial(_block: number): boolean {
    return false;
  }

  protected override async allocate(_offset: number, _length: number): Promise<Placement> {
    if (this.table.isCrowded) await this.commit();
    const spare = this.#spare.pop();
    if (spare !== undefined) return { ...spare, isFresh: false };
    return this.newBlock();
  }

  /** One block at the file's end. */
  protected newBlock(): Placement {
    const stored = Math.ceil((this.fileEnd + this.dataOffset) / this.alignment) * this.alignment - this.dataOffset;
    if (stored + this.storedBytes > FILE_BYTES_MAXIMUM) throw new ImageError('image.full', 'the image can\'t become larger', 'convert it to qcow2');
    this.fileEnd = stored + this.storedBytes;
    return { position: stored + this.dataOffset, length: this.blockBytes, isFresh: true };
  }

  protected override async publish(offset: number, { position }: Placement): Promise<void> {
    const block = Math.floor(offset / this.blockBytes);
    await this.prepareBlock(block, position - this.dataOffset);
    await this.setEntry(block, (view, at) => { this.encode(view, at, position); });
  }

  protected async setEntry(block: number, set: (view: DataView, at: number) => void): Promise<void> {
    const { page, at } = this.entryAt(block);
    const cached = await this.table.get(page);
    set(cached.view, at);
    this.table.changed(cached, at, at + this.#entryBytes);
  }

  protected override async abandon(placement: Placement): Promise<void> {
    this.#spare.push(placement);
  }

  protected override async commit(): Promise<void> {
    if (await this.file.size() < this.fileEnd) await this.file.truncate(this.fileEnd);
    await this.beforeTables();
    await this.file.flush();
    if (this.table.dirtyCount > 0) {
      await this.table.writeDirty();
      await this.file.flush();
    }
    await this.afterTables();
  }
}
