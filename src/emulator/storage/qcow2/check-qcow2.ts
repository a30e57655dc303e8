/**
 * Checks a qcow2 image: counts every reference to every cluster anew and compares. A repair writes the counted numbers as
 * new refcount tables behind all that is used, points the header to them, and sets the COPIED flags right. Only references
 * that nothing could follow are taken away, and only in a repair.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { ImageError } from '../image-error.ts';
import { Findings, type CheckOptions, type ImageCheck } from '../image-check.ts';
import { AUTOCLEAR_BITMAPS, COMPATIBLE_LAZY_REFCOUNTS, HEADER_AT, INCOMPATIBLE, readQcow2Header, type Qcow2Header } from './header.ts';
import { CountedReferences } from '../counted-references.ts';
import { COPIED_HIGH, decodeL2Entry, entryPosition } from './l2-entry.ts';
import { Refcounts } from './refcounts.ts';
import { rebuildRefcounts } from './rebuild-refcounts.ts';
import { readSnapshotTables } from './snapshots.ts';

/** `file` must be writable for a repair, and nobody else may use it. Throws `ImageError` where the header can't be used. */
export async function checkQcow2(file: ByteFile, options: CheckOptions): Promise<ImageCheck> {
  const header = await readQcow2Header(file);
  const check = new Check(file, header, options);
  const before = await check.run(false);
  if (!options.repair || (before.errorCount === 0 && before.leakedUnits === 0 && !header.isDirty && !header.isCorrupt)) return before;
  await check.repair();
  const after = await new Check(file, await readQcow2Header(file), options).run(false);
  const repaired = before.errorCount + before.leakedUnits - after.errorCount - after.leakedUnits;
  return { ...after, repaired: Math.max(0, repaired) };
}

class Check {
  readonly #file: ByteFile;
  readonly #header: Qcow2Header;
  readonly #options: CheckOptions;
  readonly #clusterBytes: number;
  #findings = new Findings();
  #counted = new CountedReferences();
  #allocated = 0;
  #fileClusters = 0;

  constructor(file: ByteFile, header: Qcow2Header, options: CheckOptions) {
    this.#file = file;
    this.#header = header;
    this.#options = options;
    this.#clusterBytes = 2 ** header.clusterBits;
  }

  async run(mending: boolean): Promise<ImageCheck> {
    this.#findings = new Findings();
    this.#counted = new CountedReferences();
    this.#allocated = 0;
    this.#fileClusters = Math.ceil(await this.#file.size() / this.#clusterBytes);
    const refcounts = await this.#openRefcounts();
    await this.#countReferences(refcounts, mending);
    const leaks = mending ? 0 : await this.#compare(refcounts);
    const { errors, errorCount } = this.#findings;
    return {
      errors, errorCount, leakedUnits: leaks, repaired: 0, unitBytes: this.#clusterBytes,
      allocatedUnits: this.#allocated, totalUnits: Math.ceil(this.#header.size / this.#clusterBytes),
    };
  }

  /** References first, then the counts, so that what is interrupted can be repaired again. */
  async repair(): Promise<void> {
    await this.run(true);
    await rebuildRefcounts(this.#file, this.#header, this.#counted);
    await this.#setCopiedFlags();
    if (this.#header.version === 3) {
      const field = new ByteFields(new Uint8Array(16), 'big-endian');
      field.setU32(4, this.#header.compression === 'zstd' ? INCOMPATIBLE.compressionType : 0);
      field.setU32(12, this.#header.hasLazyRefcounts ? COMPATIBLE_LAZY_REFCOUNTS : 0);
      await this.#file.write(HEADER_AT.incompatible, field.bytes);
    }
    await this.#file.flush();
  }

  #openRefcounts(): Promise<Refcounts> {
    const { refcountOrder, refcountTablePosition: tablePosition, refcountTableClusters: tableClusters } = this.#header;
    return Refcounts.open({ file: this.#file, clusterBytes: this.#clusterBytes, refcountOrder, tablePosition, tableClusters, barrier: () => this.#file.flush() });
  }

  async #countReferences(refcounts: Refcounts, mending: boolean): Promise<void> {
    const { l1Entries, l1Position, snapshotCount, bitmaps, autoclear } = this.#header;
    this.#addBytes('the header', 0, this.#clusterBytes);
    if (!mending) this.#countRefcountTables(refcounts);
    const tables = [{ position: l1Position, entries: l1Entries, name: 'the L1 table', isActive: true }];
    if (snapshotCount > 0) {
      const { bytes, l1Tables } = await readSnapshotTables(this.#file, this.#header);
      this.#addBytes('the snapshot table', this.#header.snapshotsPosition, bytes);
      for (const [index, { position, entries }] of l1Tables.entries()) tables.push({ position, entries, name: `the L1 table of snapshot ${index}`, isActive: false });
    }
    if (bitmaps !== undefined && (autoclear & AUTOCLEAR_BITMAPS) !== 0) await this.#countBitmaps(bitmaps);
    // Tables that several snapshots share are read once.
    const l2Tables = new Map<number, { references: number; isActive: boolean }>();
    for (const { position, entries, name, isActive } of tables) {
      if (entries === 0) continue;
      if (!this.#addBytes(name, position, entries * 8)) continue;
      const l1 = new ByteFields(new Uint8Array(entries * 8), 'big-endian');
      await this.#file.read(position, l1.bytes);
      const broken: number[] = [];
      for (let index = 0; index < entries; index++) {
        const at = entryPosition(l1.u32(index * 8), l1.u32(index * 8 + 4));
        if (at === 0) continue;
        if (!this.#addBytes(`entry ${index} of ${name}`, at, this.#clusterBytes)) {
          broken.push(index);
          continue;
        }
        const known = l2Tables.get(at);
        if (known !== undefined && known.isActive && isActive) {
          this.#findings.add(`two entries of ${name} point to the same L2 table`);
          broken.push(index);
        }
        l2Tables.set(at, { references: (known?.references ?? 0) + 1, isActive: isActive || (known?.isActive ?? false) });
      }
      if (mending && broken.length > 0) await this.#clearEntries(position, broken);
    }
    let done = 0;
    for (const [position, { references, isActive }] of l2Tables) {
      this.#options.progress(done++ / l2Tables.size);
      await this.#countL2(position, references, isActive, mending);
    }
  }

  #countRefcountTables(refcounts: Refcounts): void {
    const { refcountTablePosition, refcountTableClusters } = this.#header;
    this.#addBytes('the refcount table', refcountTablePosition, refcountTableClusters * this.#clusterBytes);
    for (let index = 0; index < refcounts.tableEntries; index++) {
      try {
        const position = refcounts.blockPosition(index);
        if (position !== 0) this.#addBytes(`refcount block ${index}`, position, this.#clusterBytes);
      } catch (error) {
        this.#findings.add((error as ImageError).message);
      }
    }
  }

  async #countL2(position: number, references: number, isActive: boolean, mending: boolean): Promise<void> {
    const table = new ByteFields(new Uint8Array(this.#clusterBytes), 'big-endian');
    await this.#file.read(position, table.bytes);
    const broken: number[] = [];
    for (let index = 0; index < this.#clusterBytes / 8; index++) {
      const high = table.u32(index * 8);
      const low = table.u32(index * 8 + 4);
      if (high === 0 && low === 0) continue;
      try {
        const entry = decodeL2Entry(high, low, this.#header.clusterBits, this.#header.version);
        if (entry.kind === 'absent' || entry.position === 0) continue;
        const length = entry.kind === 'compressed' ? entry.length : this.#clusterBytes;
        const name = `entry ${index} of the L2 table at ${position}`;
        // The last sector of compressed data may be cut off at the file's end.
        if (!this.#addBytes(name, entry.position, length, references, entry.kind === 'compressed' ? 511 : 0)) {
          broken.push(index);
          continue;
        }
        if (isActive) this.#allocated++;
      } catch (error) {
        this.#findings.add(error instanceof ImageError ? error.message : String(error));
        broken.push(index);
      }
    }
    if (mending && broken.length > 0) await this.#clearEntries(position, broken);
  }

  async #countBitmaps({ count, directoryBytes, directoryPosition }: NonNullable<Qcow2Header['bitmaps']>): Promise<void> {
    if (directoryBytes > 1 << 26 || count > 65535 || !this.#addBytes('the bitmap directory', directoryPosition, directoryBytes)) return;
    const directory = new ByteFields(new Uint8Array(directoryBytes), 'big-endian');
    await this.#file.read(directoryPosition, directory.bytes);
    for (let at = 0, left = count; left > 0 && at + 24 <= directoryBytes; left--) {
      const position = directory.u64OrInfinity(at);
      const entries = directory.u32(at + 8);
      if (entries <= 1 << 22 && this.#addBytes('a bitmap table', position, entries * 8)) {
        const table = new ByteFields(new Uint8Array(entries * 8), 'big-endian');
        await this.#file.read(position, table.bytes);
        for (let index = 0; index < entries; index++) {
          const cluster = entryPosition(table.u32(index * 8), table.u32(index * 8 + 4));
          if (cluster !== 0) this.#addBytes('a bitmap', cluster, this.#clusterBytes);
        }
      }
      at += Math.ceil((24 + directory.u32(at + 20) + directory.u16(at + 18)) / 8) * 8;
    }
  }

  /** False, and an error, where the bytes don't lie in the file. */
  #addBytes(name: string, position: number, bytes: number, references = 1, mayExceed = 0): boolean {
    const first = Math.floor(position / this.#clusterBytes);
    const last = Math.floor((position + Math.max(1, bytes) - 1) / this.#clusterBytes);
    if (position % 512 !== 0 && bytes === this.#clusterBytes) {
      this.#findings.add(`${name} points to ${position}, where no cluster begins`);
      return false;
    }
    if (!Number.isSafeInteger(position) || Math.floor((position + Math.max(1, bytes - mayExceed) - 1) / this.#clusterBytes) >= this.#fileClusters) {
      this.#findings.add(`${name} points to ${position}, behind the end of the file`);
      return false;
    }
    for (let cluster = first; cluster <= last; cluster++) this.#counted.add(cluster, references);
    return true;
  }

  /** Compares what is counted with what the file says. Returns clusters that are counted too high. */
  async #compare(refcounts: Refcounts): Promise<number> {
    let leaks = 0;
    const hasBlock = (cluster: number): boolean => this.#blockPosition(refcounts, Math.floor(cluster / refcounts.blockEntries)) !== 0;
    // Each block of the file once: a table that names one a million times would take for ever.
    const seen = new Set<number>();
    for (let block = 0; block < refcounts.tableEntries; block++) {
      const first = block * refcounts.blockEntries;
      const position = this.#blockPosition(refcounts, block);
      if (position === 0 || position / this.#clusterBytes >= this.#fileClusters) continue;
      if (seen.has(position)) {
        this.#findings.add(`refcount block ${block} is another one, too`);
        continue;
      }
      seen.add(position);
      for (let cluster = first; cluster < first + refcounts.blockEntries; cluster++) {
        const said = await refcounts.get(cluster);
        const found = this.#counted.get(cluster);
        if (said > found) leaks++;
        else if (said < found) this.#tooLow(cluster, found, said);
      }
    }
    for (const cluster of this.#counted.clusters()) if (!hasBlock(cluster)) this.#tooLow(cluster, this.#counted.get(cluster), 0);
    await this.#compareCopiedFlags();
    return leaks;
  }

  #blockPosition(refcounts: Refcounts, block: number): number {
    try {
      return refcounts.blockPosition(block);
    } catch {
      // Told of already.
      return 0;
    }
  }

  #tooLow(cluster: number, found: number, said: number): void {
    // A dirty image's counts are known to be wrong.
    if (!this.#header.isDirty) this.#findings.add(`cluster ${cluster} has ${found} references and a count of ${said}`);
  }

  async #compareCopiedFlags(): Promise<void> {
    if (this.#header.isDirty) return;
    await this.#eachActiveEntry(async (name, cluster, high) => {
      if (((high & COPIED_HIGH) !== 0) !== (this.#counted.get(cluster) === 1)) this.#findings.add(`${name} has a wrong COPIED flag`);
      return undefined;
    });
  }

  async #setCopiedFlags(): Promise<void> {
    await this.#eachActiveEntry(async (_name, cluster, high) => {
      const right = this.#counted.get(cluster) === 1 ? high | COPIED_HIGH : high & ~COPIED_HIGH;
      return right >>> 0 === high ? undefined : right >>> 0;
    });
  }

  /** Entries of the active L1 table and its L2 tables that may carry the COPIED flag. What is returned replaces the high half. */
  async #eachActiveEntry(visit: (name: string, cluster: number, high: number) => Promise<number | undefined>): Promise<void> {
    const { l1Entries, l1Position, clusterBits, version } = this.#header;
    const l1 = new ByteFields(new Uint8Array(l1Entries * 8), 'big-endian');
    await this.#file.read(l1Position, l1.bytes);
    const seen = new Set<number>();
    for (let index = 0; index < l1Entries; index++) {
      const position = entryPosition(l1.u32(index * 8), l1.u32(index * 8 + 4));
      if (position === 0 || position / this.#clusterBytes >= this.#fileClusters || seen.has(position)) continue;
      seen.add(position);
      const table = new ByteFields(new Uint8Array(this.#clusterBytes), 'big-endian');
      await this.#file.read(position, table.bytes);
      let isChanged = false;
      for (let entry = 0; entry < this.#clusterBytes / 8; entry++) {
        const high = table.u32(entry * 8);
        const low = table.u32(entry * 8 + 4);
        if ((high === 0 && low === 0) || (high & 0x4000_0000) !== 0) continue;
        let decoded;
        try {
          decoded = decodeL2Entry(high, low, clusterBits, version);
        } catch {
          continue;
        }
        if (decoded.kind === 'absent' || decoded.kind === 'compressed' || decoded.position === 0) continue;
        const replaced = await visit(`entry ${entry} of the L2 table at ${position}`, decoded.position / this.#clusterBytes, high);
        if (replaced === undefined) continue;
        table.setU32(entry * 8, replaced);
        isChanged = true;
      }
      if (isChanged) await this.#file.write(position, table.bytes);
      const replaced = await visit(`L1 entry ${index}`, position / this.#clusterBytes, l1.u32(index * 8));
      if (replaced === undefined) continue;
      l1.setU32(index * 8, replaced);
      await this.#file.write(l1Position + index * 8, l1.bytes.subarray(index * 8, index * 8 + 8));
    }
  }

  async #clearEntries(tablePosition: number, indexes: readonly number[]): Promise<void> {
    for (const index of indexes) await this.#file.write(tablePosition + index * 8, new Uint8Array(8));
  }
}
