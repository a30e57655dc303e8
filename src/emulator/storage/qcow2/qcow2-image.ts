/**
 * qcow2, versions 2 and 3 (QEMU, docs/interop/qcow2.txt): two levels of tables map clusters of the disk to clusters of the
 * file, each counted. Internal snapshots are kept, and what they share is copied before it is written. Refused: see
 * header.ts.
 */
import type { ByteFile, Compression, DiskImage } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, ImageError, unsupported } from '../image-error.ts';
import { MappedImage, type Placement, type Run } from '../mapped-image.ts';
import { PageCache, type Page } from '../page-cache.ts';
import { HEADER_AT, INCOMPATIBLE, type Qcow2Header } from './header.ts';
import { COPIED_HIGH, decodeL2Entry, encodeCompressed, entryPosition, ZERO_LOW, type L2Entry } from './l2-entry.ts';
import { Refcounts } from './refcounts.ts';

const L2_CACHE_BYTES = 16 << 20;
const L2_CACHE_PAGES_MINIMUM = 16;
/** Clusters unpacked last, for readers that take a cluster in small parts. */
const UNPACKED_BYTES = 1 << 20;
const SECTOR_BYTES = 512;
/** Ranges of clusters that wait for a flush to be free; more force one. */
const FREED_RANGES_MAXIMUM = 16384;

export interface Qcow2Options {
  readonly file: ByteFile;
  readonly compression: Compression;
  readonly backing?: DiskImage | undefined;
}

export class Qcow2Image extends MappedImage {
  readonly format = 'qcow2';
  readonly header: Qcow2Header;
  readonly #compression: Compression;
  readonly #clusterBytes: number;
  /** Entries of an L2 table. */
  readonly #l2Entries: number;
  readonly #l2Cache: PageCache;
  readonly #refcounts: Refcounts;
  #l1: ByteFields;
  #l1Position: number;
  readonly #dirtyL1Sectors = new Set<number>();
  /** Clusters that no table in memory refers to any more, until those on disk don't either. */
  #freed: { cluster: number; count: number }[] = [];
  /** Nothing was ever written in the file from here on. */
  #fileEnd: number;
  /** What the file has been made long enough for. */
  #fileBytes: number;
  /** Where the next compressed cluster may begin, inside one that others share. */
  #packAt = 0;
  readonly #unpacked = new Map<number, Promise<Uint8Array>>();
  #isMarkedDirty = false;

  private constructor(options: Qcow2Options, header: Qcow2Header, refcounts: Refcounts, l1: Uint8Array, fileBytes: number) {
    const clusterBytes = 2 ** header.clusterBits;
    super({
      file: options.file, readOnly: options.file.readOnly, sectorCount: Math.ceil(header.size / SECTOR_BYTES), blockBytes: clusterBytes, backing: options.backing,
    });
    this.header = header;
    this.#compression = options.compression;
    this.#clusterBytes = clusterBytes;
    this.#l2Entries = clusterBytes / 8;
    this.#l2Cache = new PageCache({ file: options.file, pageBytes: clusterBytes, maximumPages: Math.max(L2_CACHE_PAGES_MINIMUM, L2_CACHE_BYTES / clusterBytes) });
    this.#refcounts = refcounts;
    this.#l1 = new ByteFields(l1, 'big-endian');
    this.#l1Position = header.l1Position;
    this.#fileBytes = fileBytes;
    this.#fileEnd = Math.ceil(fileBytes / clusterBytes) * clusterBytes;
  }

  /**
   * Takes the file over; `header` is what `readQcow2Header` gave. Throws `ImageError`; a dirty or corrupt image can be
   * opened for reading only, unless `checkQcow2` repaired it.
   */
  static async open(options: Qcow2Options, header: Qcow2Header): Promise<Qcow2Image> {
    const { file } = options;
    if (!file.readOnly && header.isCorrupt) throw new ImageError('image.damaged', 'the qcow2 image is marked as damaged', 'attach it read-only, or run "guesthouse disk check --repair"');
    if (!file.readOnly && header.isDirty) throw new ImageError('image.dirty', 'the qcow2 image was not closed, and its refcounts have to be repaired', 'run "guesthouse disk check --repair"');
    const l1 = new Uint8Array(header.l1Entries * 8);
    await file.read(header.l1Position, l1);
    const refcounts = await Refcounts.open({
      file, clusterBytes: 2 ** header.clusterBits, refcountOrder: header.refcountOrder,
      tablePosition: header.refcountTablePosition, tableClusters: header.refcountTableClusters, barrier: () => file.flush(),
    });
    const fileBytes = await file.size();
    if (!file.readOnly) refcounts.checkBlocks(fileBytes);
    return new Qcow2Image(options, header, refcounts, l1, fileBytes);
  }

  protected override findRun(offset: number, length: number): Run | Promise<Run> {
    const l1Index = Math.floor(offset / (this.#clusterBytes * this.#l2Entries));
    const table = this.#l2Position(l1Index);
    if (table === 0) {
      const tableBytes = this.#clusterBytes * this.#l2Entries;
      return { kind: 'absent', length: tableBytes - (offset % tableBytes) };
    }
    const page = this.#l2Cache.get(table);
    return page instanceof Promise ? page.then((loaded) => this.#runIn(loaded, l1Index, offset, length)) : this.#runIn(page, l1Index, offset, length);
  }

  #runIn({ view }: Page, l1Index: number, offset: number, length: number): Run {
    const clusterBytes = this.#clusterBytes;
    const { clusterBits, version } = this.header;
    const skip = offset % clusterBytes;
    let index = Math.floor(offset / clusterBytes) % this.#l2Entries;
    const first = decodeL2Entry(view.getUint32(index * 8), view.getUint32(index * 8 + 4), clusterBits, version);
    let runBytes = clusterBytes - skip;
    if (first.kind === 'compressed') return { kind: 'packed', length: runBytes, skip, unpack: () => this.#unpack(first) };
    const l1Copied = (this.#l1.u32(l1Index * 8) & COPIED_HIGH) !== 0;
    const firstHigh = view.getUint32(index * 8);
    while (runBytes < length && ++index < this.#l2Entries) {
      const high = view.getUint32(index * 8);
      const low = view.getUint32(index * 8 + 4);
      const entry = decodeL2Entry(high, low, clusterBits, version);
      if (entry.kind !== first.kind) break;
      if (entry.kind === 'data' && first.kind === 'data' && (entry.position !== first.position + skip + runBytes || ((high ^ firstHigh) & COPIED_HIGH) !== 0)) break;
      runBytes += clusterBytes;
    }
    if (first.kind === 'data' && this.#isTable(first.position, skip + runBytes)) throw damaged(`a cluster of the disk lies on a table, at ${first.position} of the file`);
    if (first.kind === 'data') return { kind: 'data', length: runBytes, position: first.position + skip, inPlace: first.isCopied && l1Copied };
    return { kind: first.kind, length: runBytes };
  }

  protected override async allocate(offset: number, length: number): Promise<Placement> {
    if (this.#refcounts.isCrowded || this.#l2Cache.isCrowded || this.#freed.length > FREED_RANGES_MAXIMUM) await this.commit();
    await this.#writableL2(offset);
    const tableBytes = this.#clusterBytes * this.#l2Entries;
    const wanted = Math.min(length, tableBytes - (offset % tableBytes)) / this.#clusterBytes;
    return this.#placementOf(await this.#refcounts.allocate(wanted));
  }

  #placementOf({ first, count }: { first: number; count: number }): Placement {
    const position = first * this.#clusterBytes;
    const length = count * this.#clusterBytes;
    if (this.#isTable(position, length)) throw damaged('the refcounts of the qcow2 image call its tables free');
    const isFresh = position >= this.#fileEnd;
    if (position + length > this.#fileEnd) this.#fileEnd = position + length;
    return { position, length, isFresh };
  }

  protected override async publish(offset: number, placement: Placement): Promise<void> {
    const page = await this.#writableL2(offset);
    const first = Math.floor(offset / this.#clusterBytes) % this.#l2Entries;
    for (let done = 0; done < placement.length; done += this.#clusterBytes) {
      const index = first + done / this.#clusterBytes;
      this.#freeOld(page, index);
      const position = placement.position + done;
      page.view.setUint32(index * 8, (COPIED_HIGH | Math.floor(position / 0x1_0000_0000)) >>> 0);
      page.view.setUint32(index * 8 + 4, position % 0x1_0000_0000);
    }
    this.#l2Cache.changed(page, first * 8, first * 8 + (placement.length / this.#clusterBytes) * 8);
  }

  protected override async abandon(placement: Placement): Promise<void> {
    // Not at once: its first bytes may have been written.
    this.#free(placement.position / this.#clusterBytes, placement.length / this.#clusterBytes);
  }

  protected override async eraseBlocks(offset: number, length: number): Promise<boolean> {
    if (this.header.version === 2 && this.backing !== undefined) return false;
    for (let at = offset; at < offset + length;) {
      const tableBytes = this.#clusterBytes * this.#l2Entries;
      const stop = Math.min(offset + length, at - (at % tableBytes) + tableBytes);
      // What is absent without anything below reads as zeros already.
      if (this.backing !== undefined || this.#l2Position(Math.floor(at / tableBytes)) !== 0) await this.#eraseInTable(at, stop);
      at = stop;
      if (this.#freed.length > FREED_RANGES_MAXIMUM) await this.commit();
    }
    return true;
  }

  async #eraseInTable(start: number, stop: number): Promise<void> {
    const page = await this.#writableL2(start);
    const first = Math.floor(start / this.#clusterBytes) % this.#l2Entries;
    const count = Math.ceil((stop - start) / this.#clusterBytes);
    for (let index = first; index < first + count; index++) {
      this.#freeOld(page, index);
      page.view.setUint32(index * 8, 0);
      page.view.setUint32(index * 8 + 4, this.backing === undefined ? 0 : ZERO_LOW);
    }
    this.#l2Cache.changed(page, first * 8, (first + count) * 8);
  }

  /**
   * Writes one whole cluster compressed: `packed` unpacks to it. Only where the disk has nothing yet. Whoever calls it
   * gives each cluster once.
   */
  async writePacked(offset: number, packed: Uint8Array): Promise<void> {
    await this.firstChange();
    await this.alone(offset, offset + this.#clusterBytes, async () => {
      const position = await this.tables.run(async () => {
        this.touch();
        if (this.#refcounts.isCrowded || this.#l2Cache.isCrowded) await this.commit();
        await this.#writableL2(offset);
        return this.#allocatePacked(packed.length);
      });
      await this.file.write(position, packed);
      await this.tables.run(async () => {
        this.touch();
        const page = await this.#writableL2(offset);
        const index = Math.floor(offset / this.#clusterBytes) % this.#l2Entries;
        this.#freeOld(page, index);
        const { high, low } = encodeCompressed(position, packed.length, this.header.clusterBits);
        page.view.setUint32(index * 8, high);
        page.view.setUint32(index * 8 + 4, low);
        this.#l2Cache.changed(page, index * 8, index * 8 + 8);
      });
    });
  }

  /** Room for compressed data: behind the one before, also into the next cluster, where that is free. */
  async #allocatePacked(bytes: number): Promise<number> {
    const clusterBytes = this.#clusterBytes;
    const room = this.#packAt === 0 ? 0 : clusterBytes - (this.#packAt % clusterBytes);
    const shared = Math.floor(this.#packAt / clusterBytes);
    if (bytes <= room && await this.#refcounts.increase(shared)) return this.#take(bytes);
    const { first, count } = await this.#refcounts.allocate(1);
    this.#placementOf({ first, count });
    if (room === 0 || first !== shared + 1 || !await this.#refcounts.increase(shared)) this.#packAt = first * clusterBytes;
    return this.#take(bytes);
  }

  #take(bytes: number): number {
    const position = this.#packAt;
    this.#packAt += bytes;
    // At a cluster's end there is nothing to share.
    if (this.#packAt % this.#clusterBytes === 0) this.#packAt = 0;
    return position;
  }

  protected override async beforeFirstChange(): Promise<void> {
    const { autoclear, hasLazyRefcounts } = this.header;
    if (autoclear !== 0) {
      // What these features keep would no longer be true.
      await this.file.write(HEADER_AT.autoclear, new Uint8Array(8));
      await this.file.flush();
    }
    if (hasLazyRefcounts) await this.#markDirty(true);
  }

  async #markDirty(isDirty: boolean): Promise<void> {
    const bits = (isDirty ? INCOMPATIBLE.dirty : 0) | (this.header.compression === 'zstd' ? INCOMPATIBLE.compressionType : 0);
    const field = new ByteFields(new Uint8Array(8), 'big-endian');
    field.setU32(4, bits);
    await this.file.write(HEADER_AT.incompatible, field.bytes);
    await this.file.flush();
    this.#isMarkedDirty = isDirty;
  }

  protected override async commit(): Promise<void> {
    if (this.#fileEnd > this.#fileBytes) {
      // The last cluster may be written in part.
      if (await this.file.size() < this.#fileEnd) await this.file.truncate(this.#fileEnd);
      this.#fileBytes = this.#fileEnd;
    }
    const freed = this.#freed;
    this.#freed = [];
    try {
      if (!this.header.hasLazyRefcounts) await this.#writeRefcounts(freed);
      if (this.#l2Cache.dirtyCount > 0 || this.#dirtyL1Sectors.size > 0) {
        await this.file.flush();
        await this.#l2Cache.writeDirty();
        if (this.#dirtyL1Sectors.size > 0) {
          await this.file.flush();
          await this.#writeL1();
        }
      }
      await this.file.flush();
    } catch (error) {
      this.#freed = [...freed, ...this.#freed];
      throw error;
    }
    for (const { cluster, count } of freed) await this.#refcounts.decrease(cluster, count);
  }

  async #writeRefcounts(freed: { cluster: number; count: number }[]): Promise<void> {
    const oldTable = await this.#refcounts.write();
    if (oldTable !== undefined) freed.push({ ...oldTable });
  }

  async #writeL1(): Promise<void> {
    for (const sector of this.#dirtyL1Sectors) {
      await this.file.write(this.#l1Position + sector * SECTOR_BYTES, this.#l1.bytes.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    }
    this.#dirtyL1Sectors.clear();
  }

  protected override async beforeClose(): Promise<void> {
    if (this.#refcounts.isDirty) {
      const freed: { cluster: number; count: number }[] = [];
      await this.#writeRefcounts(freed);
      await this.file.flush();
      for (const { cluster, count } of freed) await this.#refcounts.decrease(cluster, count);
      if (freed.length > 0) await this.#refcounts.write();
      await this.file.flush();
    }
    if (this.#isMarkedDirty) await this.#markDirty(false);
  }

  /** Makes the disk larger, or smaller: then what lies beyond is lost. Throws `ImageError`. */
  async resize(bytes: number): Promise<void> {
    if (this.header.snapshotCount > 0 && bytes < this.sectorCount * SECTOR_BYTES) throw unsupported('a qcow2 image with snapshots can\'t become smaller', 'delete its snapshots first');
    const oldBytes = this.sectorCount * SECTOR_BYTES;
    if (bytes < oldBytes) await this.discard(bytes / SECTOR_BYTES, (oldBytes - bytes) / SECTOR_BYTES);
    await this.flush();
    await this.firstChange();
    await this.tables.run(async () => {
      this.touch();
      const entries = Math.ceil(bytes / (this.#clusterBytes * this.#l2Entries));
      if (entries * 8 > this.#l1.bytes.length) await this.#growL1(entries);
    });
    // The new end is in memory alone until it reads as zeros.
    this.setSectorCount(bytes / SECTOR_BYTES);
    try {
      const end = Math.min(bytes, this.#unclearEnd(oldBytes));
      if (end > oldBytes) await this.writeZeroes(oldBytes / SECTOR_BYTES, (end - oldBytes) / SECTOR_BYTES);
      await this.flush();
      const field = new ByteFields(new Uint8Array(8), 'big-endian');
      field.setU64(0, bytes);
      await this.file.write(HEADER_AT.size, field.bytes);
      await this.file.flush();
    } catch (error) {
      this.setSectorCount(oldBytes / SECTOR_BYTES);
      throw error;
    }
    await this.flush();
  }

  /** Up to where something may be behind the disk's end: the rest of its last cluster, and what the image below has. */
  #unclearEnd(end: number): number {
    const below = this.backing === undefined ? 0 : this.backing.sectorCount * this.backing.sectorBytes;
    return Math.max(below, Math.ceil(end / this.#clusterBytes) * this.#clusterBytes);
  }

  async #growL1(entries: number): Promise<void> {
    const clusters = Math.ceil((entries * 8) / this.#clusterBytes);
    if (clusters * this.#clusterBytes > 32 << 20) throw unsupported('the disk is too large for clusters of this size', 'convert it to an image with larger clusters');
    const oldCluster = this.#l1Position / this.#clusterBytes;
    const oldClusters = Math.ceil(this.#l1.bytes.length / this.#clusterBytes);
    const first = await this.#refcounts.allocateTogether(clusters);
    const { position } = this.#placementOf({ first, count: clusters });
    const table = new Uint8Array(clusters * this.#clusterBytes);
    table.set(this.#l1.bytes);
    await this.file.write(position, table);
    await this.commit();
    const field = new ByteFields(new Uint8Array(12), 'big-endian');
    field.setU32(0, table.length / 8);
    field.setU64(4, position);
    await this.file.write(HEADER_AT.l1Entries, field.bytes);
    await this.file.flush();
    this.#l1 = new ByteFields(table, 'big-endian');
    this.#l1Position = position;
    if (oldClusters > 0) this.#free(oldCluster, oldClusters);
  }

  /** Whether something lies on the header, the L1 table or the refcount table. */
  #isTable(position: number, length: number): boolean {
    const lies = (start: number, bytes: number): boolean => bytes > 0 && position < start + bytes && start < position + length;
    return position < this.#clusterBytes || lies(this.#l1Position, this.#l1.bytes.length) || lies(this.#refcounts.tablePosition, this.#refcounts.tableEntries * 8);
  }

  /** Position of an L2 table, 0 where there is none. */
  #l2Position(l1Index: number): number {
    const position = entryPosition(this.#l1.u32(l1Index * 8), this.#l1.u32(l1Index * 8 + 4));
    if (position % this.#clusterBytes !== 0 || position >= 2 ** 53) throw damaged(`L1 entry ${l1Index} points to ${position}, where no cluster begins`);
    if (position !== 0 && this.#isTable(position, this.#clusterBytes)) throw damaged(`L1 entry ${l1Index} points to another table`);
    return position;
  }

  /** The L2 table for a place of the disk, made or copied where it isn't the image's alone. Don't keep it over an `await`. */
  async #writableL2(offset: number): Promise<Page> {
    const l1Index = Math.floor(offset / (this.#clusterBytes * this.#l2Entries));
    const position = this.#l2Position(l1Index);
    if (position !== 0 && (this.#l1.u32(l1Index * 8) & COPIED_HIGH) !== 0) return this.#l2Cache.get(position);
    const old = position === 0 ? undefined : (await this.#l2Cache.get(position)).bytes.slice();
    const { first } = await this.#refcounts.allocate(1);
    const page = this.#l2Cache.create(this.#placementOf({ first, count: 1 }).position, old);
    if (position !== 0) this.#free(position / this.#clusterBytes, 1);
    this.#l1.setU64(l1Index * 8, page.position);
    this.#l1.setU32(l1Index * 8, (this.#l1.u32(l1Index * 8) | COPIED_HIGH) >>> 0);
    this.#dirtyL1Sectors.add(Math.floor((l1Index * 8) / SECTOR_BYTES));
    return page;
  }

  #freeOld({ view }: Page, index: number): void {
    const { clusterBits, version } = this.header;
    const old = decodeL2Entry(view.getUint32(index * 8), view.getUint32(index * 8 + 4), clusterBits, version);
    if (old.kind === 'compressed') {
      this.#unpacked.clear();
      const first = Math.floor(old.position / this.#clusterBytes);
      this.#free(first, Math.floor((old.position + old.length - 1) / this.#clusterBytes) - first + 1);
    } else if (old.kind !== 'absent' && old.position !== 0) {
      this.#free(old.position / this.#clusterBytes, 1);
    }
  }

  #free(cluster: number, count: number): void {
    // Once nothing else is in it somebody else may get it.
    const shared = Math.floor(this.#packAt / this.#clusterBytes);
    if (this.#packAt !== 0 && cluster <= shared && shared < cluster + count) this.#packAt = 0;
    const last = this.#freed.at(-1);
    if (last !== undefined && last.cluster + last.count === cluster) last.count += count;
    else this.#freed.push({ cluster, count });
  }

  async #unpack({ position, length }: L2Entry & { kind: 'compressed' }): Promise<Uint8Array> {
    const known = this.#unpacked.get(position);
    if (known !== undefined) return known;
    const unpacking = (async () => {
      const packed = new Uint8Array(length);
      await this.file.read(position, packed);
      const method = this.header.compression === 'zstd' ? this.#compression.zstdDecompress : this.#compression.inflateRaw;
      const unpacked = await method(packed, this.#clusterBytes).catch(() => undefined);
      if (unpacked?.length !== this.#clusterBytes) throw damaged(`the compressed cluster at ${position} of the file can't be unpacked`);
      return unpacked;
    })();
    const keep = Math.max(1, UNPACKED_BYTES / this.#clusterBytes);
    while (this.#unpacked.size >= keep) this.#unpacked.delete(this.#unpacked.keys().next().value!);
    this.#unpacked.set(position, unpacking);
    unpacking.catch(() => { this.#unpacked.delete(position); });
    return unpacking;
  }
}
