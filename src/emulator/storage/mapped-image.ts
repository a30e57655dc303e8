/**
 * What all formats have in common that map blocks of a disk to places in a file: requests are split where the mapping
 * changes, blocks that aren't the image's own yet are given a place and completed from below, and the tables that say so
 * reach the file only behind a barrier. Formats supply the mapping; the rules are in README.md.
 */
import type { ByteFile, DiskImage, Extent } from '../interfaces/disk-image.ts';
import { readOnlyImage } from './image-error.ts';
import { Mutex } from './mutex.ts';
import { RangeLock } from './range-lock.ts';

const SECTOR_BYTES = 512;
/** Most of one request that changes the mapping in one step: bounds the time for which others wait. */
const STEP_BYTES = 4 << 20;

/** What is at a place of the disk, for `length` bytes at least that are all alike. Positions are in the file. */
export type Run =
  /** `inPlace`: may be overwritten where it is. */
  | { readonly kind: 'data'; readonly length: number; readonly position: number; readonly inPlace: boolean }
  | { readonly kind: 'zeros'; readonly length: number }
  /** Whatever the image below has; zeros where there is none. */
  | { readonly kind: 'absent'; readonly length: number }
  /** The place is `skip` bytes into what unpacking gives. */
  | { readonly kind: 'packed'; readonly length: number; readonly skip: number; readonly unpack: () => Promise<Uint8Array> };

/** New room in the file for some blocks. */
export interface Placement {
  readonly position: number;
  readonly length: number;
  /** Was never written: reads as zeros. */
  readonly isFresh: boolean;
}

export interface MappedImageOptions {
  readonly file: ByteFile;
  readonly readOnly: boolean;
  readonly sectorCount: number;
  /** Bytes that get a place together. */
  readonly blockBytes: number;
  /** What absent blocks are read from; closed with this image. May be shorter. */
  readonly backing: DiskImage | undefined;
}

export abstract class MappedImage implements DiskImage {
  abstract readonly format: string;
  readonly sectorBytes = SECTOR_BYTES;
  readonly readOnly: boolean;
  readonly backing: DiskImage | undefined;
  readonly blockBytes: number;
  protected readonly file: ByteFile;
  /** Held by whoever changes the mapping or its tables. */
  protected readonly tables = new Mutex();
  readonly #ranges = new RangeLock();
  #sectorCount: number;
  /** Something was written since the last flush. */
  #isTouched = false;

  constructor(options: MappedImageOptions) {
    this.file = options.file;
    this.readOnly = options.readOnly;
    this.blockBytes = options.blockBytes;
    this.backing = options.backing;
    this.#sectorCount = options.sectorCount;
  }

  get sectorCount(): number {
    return this.#sectorCount;
  }

  /** What is at byte `offset` of the disk, for at most `length` bytes that are wanted. The caller holds the range. */
  protected abstract findRun(offset: number, length: number): Run | Promise<Run>;
  /** Room for whole blocks at `offset`; may be for fewer than asked. The caller holds `tables`. */
  protected abstract allocate(offset: number, length: number): Promise<Placement>;
  /** The blocks at `offset` are now at `placement`, written: enters that into the tables in memory. The caller holds `tables`. */
  protected abstract publish(offset: number, placement: Placement): Promise<void>;
  /** The placement could not be written. The caller holds `tables`. */
  protected abstract abandon(placement: Placement): Promise<void>;
  /** Brings data and tables to stable storage in their order. The caller holds `tables`. */
  protected abstract commit(): Promise<void>;

  /** Makes whole blocks zero by the tables alone. False where the format can't: then zeros are written. The caller holds `tables`. */
  protected async eraseBlocks(_offset: number, _length: number): Promise<boolean> {
    return false;
  }

  /** Comes once before the first change, holding `tables`: for marks that say that the image is in use. */
  protected async beforeFirstChange(): Promise<void> {}

  /** Comes last, after everything is flushed: for marks that say that the image is whole. */
  protected async beforeClose(): Promise<void> {}

  async read(sector: number, target: Uint8Array): Promise<void> {
    const offset = this.#check(sector, target.length);
    const taken = this.#ranges.take(offset, offset + target.length, false);
    const hold = taken instanceof Promise ? await taken : taken;
    try {
      await this.#readHeld(offset, target);
    } finally {
      this.#ranges.release(hold);
    }
  }

  async write(sector: number, source: Uint8Array): Promise<void> {
    const offset = this.#checkChange(sector, source.length);
    await this.#firstChange();
    for (let done = 0; done < source.length;) done += await this.#writePart(offset + done, source.subarray(done));
  }

  async writeZeroes(sector: number, sectorCount: number): Promise<void> {
    const offset = this.#checkChange(sector, sectorCount * SECTOR_BYTES);
    await this.#firstChange();
    const end = offset + sectorCount * SECTOR_BYTES;
    for (let at = offset; at < end;) {
      const stop = Math.min(end, at - (at % this.blockBytes) + Math.max(this.blockBytes, STEP_BYTES - (STEP_BYTES % this.blockBytes)));
      await this.#zeroPart(at, stop);
      at = stop;
    }
  }

  async discard(sector: number, sectorCount: number): Promise<void> {
    await this.writeZeroes(sector, sectorCount);
  }

  async flush(): Promise<void> {
    if (this.readOnly) return;
    await this.tables.run(async () => {
      if (!this.#isTouched) return;
      this.#isTouched = false;
      try {
        await this.commit();
      } catch (error) {
        this.#isTouched = true;
        throw error;
      }
    });
  }

  async extentAt(sector: number, maxSectors: number): Promise<Extent> {
    const offset = this.#check(sector, SECTOR_BYTES);
    const wanted = Math.min(maxSectors, this.#sectorCount - sector) * SECTOR_BYTES;
    const run = await this.#findHeld(offset, wanted);
    // Formats may map in units that aren't sectors only where the disk ends.
    const sectorCount = Math.max(1, Math.floor(Math.min(run.length, wanted) / SECTOR_BYTES));
    if (run.kind === 'data' || run.kind === 'packed') return { sectorCount, kind: 'data', own: true, isPacked: run.kind === 'packed' };
    if (run.kind === 'zeros') return { sectorCount, kind: 'zeros', own: true };
    const below = this.backing;
    if (below === undefined || sector >= below.sectorCount) return { sectorCount, kind: 'zeros', own: false };
    const { kind, sectorCount: count } = await below.extentAt(sector, Math.min(sectorCount, below.sectorCount - sector));
    return { kind, sectorCount: count, own: false };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (!this.readOnly) {
        await this.flush();
        await this.beforeClose();
      }
    } finally {
      try {
        await this.file[Symbol.asyncDispose]();
      } finally {
        await this.backing?.[Symbol.asyncDispose]();
      }
    }
  }

  /** Something was written that only a flush makes last. */
  protected touch(): void {
    this.#isTouched = true;
  }

  protected setSectorCount(sectorCount: number): void {
    this.#sectorCount = sectorCount;
  }

  /** Runs `work` while nobody else touches the range. */
  protected async alone<T>(start: number, end: number, work: () => Promise<T>): Promise<T> {
    const taken = this.#ranges.take(start, end, true);
    const hold = taken instanceof Promise ? await taken : taken;
    try {
      return await work();
    } finally {
      this.#ranges.release(hold);
    }
  }

  #isMarked = false;
  protected async firstChange(): Promise<void> {
    await this.tables.run(async () => {
      if (this.#isMarked) return;
      await this.beforeFirstChange();
      this.#isMarked = true;
    });
  }

  #firstChange(): Promise<void> | undefined {
    return this.#isMarked ? undefined : this.firstChange();
  }

  async #findHeld(offset: number, length: number): Promise<Run> {
    const hold = await this.#ranges.take(offset, offset + length, false);
    try {
      return await this.findRun(offset, length);
    } finally {
      this.#ranges.release(hold);
    }
  }

  async #readHeld(offset: number, target: Uint8Array): Promise<void> {
    const parts: Promise<void>[] = [];
    try {
      await this.#startReads(offset, target, parts);
    } catch (error) {
      await Promise.allSettled(parts);
      throw error;
    }
    if (parts.length === 1) await parts[0];
    else if (parts.length > 1) await all(parts);
  }

  async #startReads(offset: number, target: Uint8Array, parts: Promise<void>[]): Promise<void> {
    for (let done = 0; done < target.length;) {
      const found = this.findRun(offset + done, target.length - done);
      const run = found instanceof Promise ? await found : found;
      const part = target.subarray(done, done + Math.min(run.length, target.length - done));
      switch (run.kind) {
        case 'data':
          begin(parts, this.file.read(run.position, part));
          break;
        case 'packed':
          begin(parts, run.unpack().then((unpacked) => { part.set(unpacked.subarray(run.skip, run.skip + part.length)); }));
          break;
        case 'zeros':
          part.fill(0);
          break;
        case 'absent':
          if (this.backing === undefined) part.fill(0);
          else begin(parts, readBelow(this.backing, offset + done, part));
          break;
      }
      done += part.length;
    }
  }

  /** Writes the beginning of `source` and returns how much. */
  async #writePart(offset: number, source: Uint8Array): Promise<number> {
    const shared = this.#ranges.take(offset, offset + source.length, false);
    const hold = shared instanceof Promise ? await shared : shared;
    try {
      const found = this.findRun(offset, source.length);
      const run = found instanceof Promise ? await found : found;
      if (run.kind === 'data' && run.inPlace) return await this.#overwrite(run, source);
    } finally {
      this.#ranges.release(hold);
    }
    const { blockBytes } = this;
    const start = offset - (offset % blockBytes);
    const end = Math.min(Math.ceil((offset + source.length) / blockBytes) * blockBytes, start + Math.max(blockBytes, STEP_BYTES - (STEP_BYTES % blockBytes)));
    // Not beyond what is held, whatever has got a place meanwhile.
    const held = source.subarray(0, end - offset);
    return this.alone(start, end, () => this.#writeAlone(offset, held, start, end));
  }

  async #writeAlone(offset: number, source: Uint8Array, start: number, end: number): Promise<number> {
    // Somebody else may have given it a place while this waited.
    const first = await this.findRun(offset, source.length);
    if (first.kind === 'data' && first.inPlace) return this.#overwrite(first, source);
    let stop = start + this.blockBytes;
    while (stop < end) {
      const run = await this.findRun(stop, end - stop);
      if (run.kind === 'data' && run.inPlace) break;
      stop = Math.min(end, stop + Math.max(this.blockBytes, run.length - (run.length % this.blockBytes)));
    }
    const placement = await this.tables.run(() => {
      this.#isTouched = true;
      return this.allocate(start, stop - start);
    });
    const written = Math.min(source.length, start + placement.length - offset);
    try {
      const before = offset - start;
      const after = placement.length - before - written;
      const parts = [this.file.write(placement.position + before, source.subarray(0, written))];
      if (before > 0) parts.push(this.#complete(start, before, placement.position, placement.isFresh));
      if (after > 0) parts.push(this.#complete(offset + written, after, placement.position + before + written, placement.isFresh));
      if (parts.length === 1) await parts[0];
      else await all(parts);
    } catch (error) {
      await this.tables.run(() => this.abandon(placement));
      throw error;
    }
    await this.tables.run(() => {
      this.#isTouched = true;
      return this.publish(start, placement);
    });
    return written;
  }

  async #overwrite(run: Run & { kind: 'data' }, source: Uint8Array): Promise<number> {
    const length = Math.min(run.length, source.length);
    this.#isTouched = true;
    await this.file.write(run.position, length === source.length ? source : source.subarray(0, length));
    // A flush that ran meanwhile may have missed it.
    this.#isTouched = true;
    return length;
  }

  /** Puts what a new block must keep of its old contents into its place. */
  async #complete(offset: number, length: number, position: number, isFresh: boolean): Promise<void> {
    if (isFresh && await this.#isKnownZero(offset, length)) return;
    const old = new Uint8Array(length);
    const inside = Math.max(0, Math.min(length, this.#sectorCount * SECTOR_BYTES - offset));
    await this.#readHeld(offset, old.subarray(0, inside));
    await this.file.write(position, old);
  }

  async #isKnownZero(offset: number, length: number): Promise<boolean> {
    const end = Math.min(offset + length, this.#sectorCount * SECTOR_BYTES);
    for (let at = offset; at < end;) {
      const run = await this.findRun(at, end - at);
      if (run.kind !== 'zeros' && (run.kind !== 'absent' || this.backing !== undefined)) return false;
      at += run.length;
    }
    return true;
  }

  /** `stop` is within one step of `start`. */
  async #zeroPart(start: number, stop: number): Promise<void> {
    const { blockBytes } = this;
    const from = start - (start % blockBytes);
    const to = Math.ceil(stop / blockBytes) * blockBytes;
    await this.alone(from, to, async () => {
      const isLast = stop === this.#sectorCount * SECTOR_BYTES;
      const firstWhole = start === from ? from : from + blockBytes;
      const afterWhole = stop === to || isLast ? to : to - blockBytes;
      const erased = firstWhole < afterWhole && await this.tables.run(() => {
        this.#isTouched = true;
        return this.eraseBlocks(firstWhole, afterWhole - firstWhole);
      });
      if (!erased) {
        await this.#writeZeros(start, stop);
        return;
      }
      if (start < firstWhole) await this.#writeZeros(start, Math.min(firstWhole, stop));
      if (afterWhole < stop) await this.#writeZeros(afterWhole, stop);
    });
  }

  /** The caller holds the whole blocks of the range alone. */
  async #writeZeros(start: number, stop: number): Promise<void> {
    for (let at = start; at < stop;) {
      const run = await this.findRun(at, stop - at);
      const length = Math.min(run.length, stop - at);
      if (run.kind === 'zeros' || (run.kind === 'absent' && this.backing === undefined)) {
        at += length;
      } else if (run.kind === 'data' && run.inPlace) {
        this.#isTouched = true;
        await this.file.punchHole(run.position, length);
        this.#isTouched = true;
        at += length;
      } else {
        const blockStart = at - (at % this.blockBytes);
        const blockEnd = blockStart + this.blockBytes;
        at += await this.#writeAlone(at, new Uint8Array(Math.min(stop, blockEnd) - at), blockStart, blockEnd);
      }
    }
  }

  #checkChange(sector: number, bytes: number): number {
    if (this.readOnly) throw readOnlyImage();
    return this.#check(sector, bytes);
  }

  #check(sector: number, bytes: number): number {
    const count = bytes / SECTOR_BYTES;
    if (!(sector >= 0) || !Number.isInteger(count) || sector + count > this.#sectorCount) {
      throw new RangeError(`${bytes} bytes at sector ${sector} aren't inside ${this.#sectorCount} sectors`);
    }
    return sector * SECTOR_BYTES;
  }
}

/** Bytes of an image below, which may end earlier: zeros from there. */
async function readBelow(backing: DiskImage, offset: number, target: Uint8Array): Promise<void> {
  const inside = Math.max(0, Math.min(target.length, backing.sectorCount * backing.sectorBytes - offset));
  if (inside > 0) await backing.read(offset / SECTOR_BYTES, target.subarray(0, inside));
  if (inside < target.length) target.fill(0, inside);
}

/** A part that fails while others are still being found must not count as unhandled: `all` will tell. */
function begin(parts: Promise<void>[], part: Promise<void>): void {
  part.catch(() => {});
  parts.push(part);
}

/** Waits for all, whatever becomes of some: no part may still be under way when the caller lets go of its buffer. */
async function all(parts: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(parts)) if (result.status === 'rejected') throw result.reason;
}

