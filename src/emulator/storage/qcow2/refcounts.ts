/**
 * How many tables refer to each cluster of a qcow2 image: a table of blocks of counts, 1 to 64 bits each. Gives out free
 * clusters. Everything here is called by whoever holds the image's tables.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, ImageError, unsupported } from '../image-error.ts';
import { PageCache, type Page } from '../page-cache.ts';
import { HEADER_AT } from './header.ts';

const CACHE_BYTES = 4 << 20;
const CACHE_PAGES_MINIMUM = 16;
const TABLE_BYTES_MAXIMUM = 8 << 20;
const SECTOR_BYTES = 512;
/** Positions in tables have 56 bits, and JavaScript numbers 53. */
const FILE_BYTES_MAXIMUM = 2 ** 53;

export interface RefcountsOptions {
  readonly file: ByteFile;
  readonly clusterBytes: number;
  readonly refcountOrder: number;
  readonly tablePosition: number;
  readonly tableClusters: number;
  /** Everything written so far is on stable storage when it returns. */
  readonly barrier: () => Promise<void>;
}

export class Refcounts {
  readonly #file: ByteFile;
  readonly #clusterBytes: number;
  readonly #order: number;
  readonly #barrier: () => Promise<void>;
  readonly #cache: PageCache;
  /** Counts in a block. */
  readonly #blockEntries: number;
  readonly #maximum: number;
  #table: ByteFields;
  #tablePosition: number;
  #dirtyTableEntries = new Set<number>();
  /** Clusters of the table that the file's header still points to. */
  #oldTable: { readonly cluster: number; readonly count: number } | undefined;
  /** No cluster before it is free. */
  #hint = 0;

  private constructor(options: RefcountsOptions, table: Uint8Array) {
    this.#file = options.file;
    this.#clusterBytes = options.clusterBytes;
    this.#order = options.refcountOrder;
    this.#barrier = options.barrier;
    this.#tablePosition = options.tablePosition;
    this.#table = new ByteFields(table, 'big-endian');
    this.#blockEntries = (options.clusterBytes * 8) / 2 ** options.refcountOrder;
    this.#maximum = options.refcountOrder === 6 ? Number.MAX_SAFE_INTEGER : 2 ** 2 ** options.refcountOrder - 1;
    this.#cache = new PageCache({ file: options.file, pageBytes: options.clusterBytes, maximumPages: Math.max(CACHE_PAGES_MINIMUM, CACHE_BYTES / options.clusterBytes) });
  }

  static async open(options: RefcountsOptions): Promise<Refcounts> {
    const table = new Uint8Array(options.tableClusters * options.clusterBytes);
    await options.file.read(options.tablePosition, table);
    return new Refcounts(options, table);
  }

  /** For writing: every block must be one of its own, in the file. Throws `ImageError`. */
  checkBlocks(fileBytes: number): void {
    const seen = new Set<number>();
    for (let index = 0; index < this.tableEntries; index++) {
      const position = this.blockPosition(index);
      if (position === 0) continue;
      if (position >= fileBytes) throw damaged(`refcount block ${index} lies behind the end of the file`);
      if (seen.has(position)) throw damaged(`refcount block ${index} is another one, too`);
      seen.add(position);
    }
  }

  get maximum(): number {
    return this.#maximum;
  }

  get isDirty(): boolean {
    return this.#cache.dirtyCount > 0 || this.#dirtyTableEntries.size > 0;
  }

  get isCrowded(): boolean {
    return this.#cache.isCrowded;
  }

  get tablePosition(): number {
    return this.#tablePosition;
  }

  get tableEntries(): number {
    return this.#table.bytes.length / 8;
  }

  /** Position of a refcount block, 0 where there is none. Throws `ImageError`. */
  blockPosition(index: number): number {
    if (index >= this.tableEntries) return 0;
    const position = this.#table.u64(index * 8, 'refcount block');
    if (position % this.#clusterBytes !== 0) throw damaged(`refcount block ${index} doesn't begin at a cluster`);
    return position;
  }

  get blockEntries(): number {
    return this.#blockEntries;
  }

  async get(cluster: number): Promise<number> {
    const position = this.blockPosition(Math.floor(cluster / this.#blockEntries));
    if (position === 0) return 0;
    return readCount(await this.#cache.get(position), cluster % this.#blockEntries, this.#order);
  }

  /** Sets a count whatever it was: for repairs. */
  async set(cluster: number, count: number): Promise<void> {
    const page = await this.#blockFor(cluster);
    const index = cluster % this.#blockEntries;
    writeCount(page, index, this.#order, Math.min(count, this.#maximum));
    this.#changed(page, index, 1);
    if (count === 0 && cluster < this.#hint) this.#hint = cluster;
  }

  /** Counts one more reference to a cluster that has some. False when the count can't grow. */
  async increase(cluster: number): Promise<boolean> {
    const page = await this.#blockFor(cluster);
    const index = cluster % this.#blockEntries;
    const count = readCount(page, index, this.#order);
    if (count >= this.#maximum) return false;
    writeCount(page, index, this.#order, count + 1);
    this.#changed(page, index, 1);
    return true;
  }

  /** Takes one reference away from each of some clusters; those that have none left are free. */
  async decrease(first: number, count: number): Promise<void> {
    for (let cluster = first; cluster < first + count; cluster++) {
      const position = this.blockPosition(Math.floor(cluster / this.#blockEntries));
      if (position === 0) continue;
      const page = await this.#cache.get(position);
      const index = cluster % this.#blockEntries;
      const old = readCount(page, index, this.#order);
      // A count that was too low is a damage that a check reports; it must not wrap around.
      if (old === 0) continue;
      writeCount(page, index, this.#order, old - 1);
      this.#changed(page, index, 1);
      if (old === 1 && cluster < this.#hint) this.#hint = cluster;
    }
  }

  /** Gives out up to `want` free clusters that lie side by side, each with a count of 1. */
  async allocate(want: number): Promise<{ readonly first: number; readonly count: number }> {
    const entries = this.#blockEntries;
    for (let cluster = this.#hint; ;) {
      if (cluster * this.#clusterBytes >= FILE_BYTES_MAXIMUM) throw noSpace();
      const page = await this.#blockFor(cluster);
      const blockFirst = cluster - (cluster % entries);
      let index = cluster % entries;
      while (index < entries && readCount(page, index, this.#order) !== 0) index++;
      if (index === entries) {
        cluster = blockFirst + entries;
        this.#hint = cluster;
        continue;
      }
      const first = index;
      while (index < entries && index - first < want && readCount(page, index, this.#order) === 0) writeCount(page, index++, this.#order, 1);
      this.#changed(page, first, index - first);
      this.#hint = blockFirst + index;
      return { first: blockFirst + first, count: index - first };
    }
  }

  /** Exactly `count` clusters side by side: for tables. */
  async allocateTogether(count: number): Promise<number> {
    for (;;) {
      const got = await this.allocate(count);
      if (got.count === count) return got.first;
      // Too small a gap. The run may go on in the next block.
      let have = got.count;
      while (have < count) {
        const more = await this.allocate(count - have);
        if (more.first !== got.first + have) {
          await this.decrease(got.first, have);
          await this.decrease(more.first, more.count);
          this.#hint = more.first;
          break;
        }
        have += more.count;
      }
      if (have >= count) return got.first;
    }
  }

  /**
   * Writes all counts, each behind a barrier before what points to it. Returns clusters that are free once the caller's own
   * barrier is behind.
   */
  async write(): Promise<{ readonly cluster: number; readonly count: number } | undefined> {
    await this.#cache.writeDirty();
    if (this.#dirtyTableEntries.size === 0) return undefined;
    await this.#barrier();
    const old = this.#oldTable;
    if (old !== undefined) {
      await this.#file.write(this.#tablePosition, this.#table.bytes);
      await this.#barrier();
      const head = new ByteFields(new Uint8Array(12), 'big-endian');
      head.setU64(0, this.#tablePosition);
      head.setU32(8, this.#table.bytes.length / this.#clusterBytes);
      await this.#file.write(HEADER_AT.refcountTablePosition, head.bytes);
      this.#oldTable = undefined;
    } else {
      const sectors = new Set([...this.#dirtyTableEntries].map((index) => Math.floor((index * 8) / SECTOR_BYTES)));
      for (const sector of sectors) {
        await this.#file.write(this.#tablePosition + sector * SECTOR_BYTES, this.#table.bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
      }
    }
    this.#dirtyTableEntries.clear();
    await this.#barrier();
    return old;
  }

  #changed(page: Page, index: number, count: number): void {
    const bits = 2 ** this.#order;
    this.#cache.changed(page, Math.floor((index * bits) / 8), Math.ceil(((index + count) * bits) / 8));
  }

  /** The block that has a cluster's count, made where there is none; a new one lies at that very cluster. */
  async #blockFor(cluster: number): Promise<Page> {
    const index = Math.floor(cluster / this.#blockEntries);
    if (index >= this.tableEntries) await this.#growTable(index);
    const position = this.blockPosition(index);
    if (position !== 0) return this.#cache.get(position);
    const page = this.#cache.create(cluster * this.#clusterBytes);
    writeCount(page, cluster % this.#blockEntries, this.#order, 1);
    this.#setBlock(index, page.position);
    return page;
  }

  #setBlock(index: number, position: number): void {
    this.#table.setU64(index * 8, position);
    this.#dirtyTableEntries.add(index);
  }

  /** A longer table, at the beginning of what block `index` counts, behind the blocks that count it. */
  async #growTable(index: number): Promise<void> {
    const { tableEntries } = this;
    const entriesPerCluster = this.#clusterBytes / 8;
    const clusters = Math.ceil(Math.max(index + 64, tableEntries * 1.5) / entriesPerCluster);
    if (clusters * this.#clusterBytes > TABLE_BYTES_MAXIMUM) throw unsupported('the qcow2 image can\'t grow further with so small clusters', 'convert it to one with larger clusters');
    let blocks = 1;
    while (blocks * this.#blockEntries < clusters + blocks) blocks++;
    const table = new Uint8Array(clusters * this.#clusterBytes);
    if (index + blocks > table.length / 8) throw unsupported('the qcow2 image can\'t grow further with so small clusters', 'convert it to one with larger clusters');
    table.set(this.#table.bytes);
    // One that the header has never pointed to is free at once.
    if (this.#oldTable !== undefined) await this.decrease(this.#tablePosition / this.#clusterBytes, tableEntries / entriesPerCluster);
    this.#oldTable ??= { cluster: this.#tablePosition / this.#clusterBytes, count: this.#table.bytes.length / this.#clusterBytes };
    this.#table = new ByteFields(table, 'big-endian');
    const first = index * this.#blockEntries;
    for (let block = 0; block < blocks; block++) {
      const page = this.#cache.create((first + block) * this.#clusterBytes);
      const taken = Math.min(this.#blockEntries, blocks + clusters - block * this.#blockEntries);
      for (let entry = 0; entry < taken; entry++) writeCount(page, entry, this.#order, 1);
      this.#setBlock(index + block, page.position);
    }
    this.#tablePosition = (first + blocks) * this.#clusterBytes;
  }
}

function noSpace(): ImageError {
  return new ImageError('image.full', 'the image can\'t become larger', 'convert it to one with larger clusters');
}

/** Counts below a byte's width begin with the least significant bit (qcow2.txt, "Refcount blocks"). */
export function readCount({ bytes, view }: Pick<Page, 'bytes' | 'view'>, index: number, order: number): number {
  switch (order) {
    case 3: return bytes[index]!;
    case 4: return view.getUint16(index * 2);
    case 5: return view.getUint32(index * 4);
    case 6: return Math.min(Number.MAX_SAFE_INTEGER, view.getUint32(index * 8) * 0x1_0000_0000 + view.getUint32(index * 8 + 4));
    default: {
      const bits = 1 << order;
      const bit = index * bits;
      return (bytes[bit >> 3]! >> (bit & 7)) & ((1 << bits) - 1);
    }
  }
}

function writeCount({ bytes, view }: Page, index: number, order: number, count: number): void {
  switch (order) {
    case 3:
      bytes[index] = count;
      break;
    case 4:
      view.setUint16(index * 2, count);
      break;
    case 5:
      view.setUint32(index * 4, count);
      break;
    case 6:
      view.setUint32(index * 8, Math.floor(count / 0x1_0000_0000));
      view.setUint32(index * 8 + 4, count % 0x1_0000_0000);
      break;
    default: {
      const bits = 1 << order;
      const bit = index * bits;
      const mask = ((1 << bits) - 1) << (bit & 7);
      bytes[bit >> 3] = (bytes[bit >> 3]! & ~mask) | ((count << (bit & 7)) & mask);
    }
  }
}
