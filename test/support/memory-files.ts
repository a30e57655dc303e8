/** Files in memory for images, sparse, with what a power cut would leave of them. */
import type { ByteFile } from '../../src/emulator/interfaces/disk-image.ts';
import { ImageError } from '../../src/emulator/storage/image-error.ts';
import type { ImageFiles } from '../../src/emulator/storage/image-files.ts';
import type { SeededRandom } from './seeded-random.ts';

const PAGE_BYTES = 4096;
const SECTOR_BYTES = 512;
/** As on ext4. */
const FILE_BYTES_MAXIMUM = 16 * 2 ** 40;

/** Bytes at any position; only what was written takes memory. */
class SparseBytes {
  readonly #pages: Map<number, Uint8Array>;
  size: number;

  constructor(pages = new Map<number, Uint8Array>(), size = 0) {
    this.#pages = pages;
    this.size = size;
  }

  copy(): SparseBytes {
    return new SparseBytes(new Map([...this.#pages].map(([key, page]) => [key, page.slice()])), this.size);
  }

  read(position: number, target: Uint8Array): void {
    target.fill(0);
    this.#each(position, Math.min(target.length, Math.max(0, this.size - position)), (key, start, end, at) => {
      const page = this.#pages.get(key);
      if (page !== undefined) target.set(page.subarray(start, end), at);
    });
  }

  write(position: number, source: Uint8Array): void {
    this.#each(position, source.length, (key, start, end, at) => {
      let page = this.#pages.get(key);
      if (page === undefined) this.#pages.set(key, page = new Uint8Array(PAGE_BYTES));
      page.set(source.subarray(at, at + end - start), start);
    });
    this.size = Math.max(this.size, position + source.length);
  }

  zero(position: number, length: number): void {
    this.#each(position, length, (key, start, end) => this.#pages.get(key)?.fill(0, start, end));
  }

  truncate(size: number): void {
    if (size < this.size) {
      for (const key of this.#pages.keys()) {
        if (key * PAGE_BYTES >= size) this.#pages.delete(key);
        else if ((key + 1) * PAGE_BYTES > size) this.#pages.get(key)!.fill(0, size - key * PAGE_BYTES);
      }
    }
    this.size = size;
  }

  #each(position: number, length: number, part: (key: number, start: number, end: number, at: number) => void): void {
    for (let at = 0; at < length;) {
      const key = Math.floor((position + at) / PAGE_BYTES);
      const start = (position + at) % PAGE_BYTES;
      const end = Math.min(PAGE_BYTES, start + length - at);
      part(key, start, end, at);
      at += end - start;
    }
  }
}

/** One change of a file. Times are counted in steps of all files together. */
interface Change {
  readonly path: string;
  readonly issuedAt: number;
  completedAt: number;
  /** When a barrier that came after it had ended. */
  durableAt: number;
  readonly kind: 'write' | 'zero' | 'truncate';
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

export class MemoryFiles implements ImageFiles {
  readonly #contents = new Map<string, SparseBytes>();
  readonly #start = new Map<string, SparseBytes>();
  readonly opened: string[] = [];
  /** Reads, writes and barriers so far; beyond the limit everything fails. */
  operations = 0;
  operationsMaximum = Infinity;
  #changes: Change[] | undefined;
  now = 0;
  /** Lets every operation take a random while. */
  random: SeededRandom | undefined;
  /** Writes that a file may still take before it fails. */
  failAfterWrites = Infinity;

  add(path: string, bytes: Uint8Array): void {
    const contents = new SparseBytes();
    contents.write(0, bytes);
    this.#contents.set(path, contents);
  }

  bytesOf(path: string): Uint8Array {
    const contents = this.#contents.get(path)!;
    const bytes = new Uint8Array(contents.size);
    contents.read(0, bytes);
    return bytes;
  }

  get paths(): string[] {
    return [...this.#contents.keys()];
  }

  copy(): MemoryFiles {
    const copy = new MemoryFiles();
    for (const [path, contents] of this.#contents) copy.#contents.set(path, contents.copy());
    return copy;
  }

  /** From now on every change is remembered; what is there now is on stable storage. */
  record(): void {
    this.#changes = [];
    this.#start.clear();
    for (const [path, contents] of this.#contents) this.#start.set(path, contents.copy());
  }

  /** What may be left when the power goes at a time: of what no barrier covered, any sectors. */
  cutAt(time: number, random: SeededRandom): MemoryFiles {
    const left = new MemoryFiles();
    for (const [path, contents] of this.#start) left.#contents.set(path, contents.copy());
    /** How much of the uncovered is kept in this cut. */
    const keep = random.pick([0, 10, 50, 90, 100]);
    for (const change of this.#changes ?? []) {
      if (change.issuedAt > time) continue;
      const contents = left.#contents.get(change.path)!;
      const isDurable = change.durableAt <= time;
      const isKept = (): boolean => isDurable || random.below(100) < keep;
      if (change.kind === 'truncate') {
        if (isKept()) contents.truncate(change.position);
        continue;
      }
      for (let at = 0; at < change.length;) {
        const step = Math.min(change.length - at, SECTOR_BYTES - ((change.position + at) % SECTOR_BYTES));
        if (isKept()) {
          if (change.kind === 'zero') contents.zero(change.position + at, step);
          else contents.write(change.position + at, change.bytes.subarray(at, at + step));
        }
        at += step;
      }
    }
    return left;
  }

  async open(path: string, access: 'look' | 'read-only' | 'read-write'): Promise<ByteFile> {
    this.opened.push(path);
    let contents = this.#contents.get(path);
    if (contents === undefined) {
      if (access !== 'read-write') throw new ImageError('media.missing', `${path} does not exist`, 'check the path');
      this.#contents.set(path, contents = new SparseBytes());
      this.#start.set(path, new SparseBytes());
    }
    return this.#handle(path, contents, access !== 'read-write');
  }

  async resolve(_from: string, name: string): Promise<string> {
    if (!this.#contents.has(name)) throw new ImageError('image.backing-missing', `the file ${name} does not exist`.replace(/\p{C}/gu, '?'), 'put it there');
    return name;
  }

  async besides(path: string, ending: string): Promise<string[]> {
    return this.paths.filter((other) => other !== path && other.endsWith(ending));
  }

  async identity(path: string): Promise<string> {
    return path;
  }

  #handle(path: string, contents: SparseBytes, readOnly: boolean): ByteFile {
    const change = async (kind: Change['kind'], position: number, bytes: Uint8Array, length: number, apply: () => void): Promise<void> => {
      if (readOnly) throw new Error(`${path} is open for reading`);
      if (!Number.isSafeInteger(position) || position < 0) throw new Error(`a write at ${position}`);
      if (position + length > FILE_BYTES_MAXIMUM) throw Object.assign(new Error('too large'), { code: 'EFBIG' });
      if (this.failAfterWrites-- <= 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      const record: Change = { path, kind, position, bytes: this.#changes === undefined ? bytes : bytes.slice(), length, issuedAt: ++this.now, completedAt: Infinity, durableAt: Infinity };
      this.#changes?.push(record);
      apply();
      await this.#while();
      record.completedAt = ++this.now;
    };
    return {
      readOnly,
      size: async () => contents.size,
      read: async (position, target) => {
        await this.#while();
        contents.read(position, target);
      },
      write: (position, source) => change('write', position, source, source.length, () => { contents.write(position, source); }),
      truncate: (size) => change('truncate', size, new Uint8Array(0), 0, () => { contents.truncate(size); }),
      punchHole: (position, length) => change('zero', position, new Uint8Array(0), length, () => { contents.zero(position, length); }),
      flush: async () => {
        const begun = ++this.now;
        await this.#while();
        const ended = ++this.now;
        for (const done of this.#changes ?? []) if (done.path === path && done.completedAt < begun && done.durableAt > ended) done.durableAt = ended;
      },
      [Symbol.asyncDispose]: async () => {},
    };
  }

  async #while(): Promise<void> {
    if (++this.operations > this.operationsMaximum) throw new Error(`more than ${this.operationsMaximum} operations on files`);
    for (let turns = this.random?.below(6) ?? 0; turns > 0; turns--) await Promise.resolve();
  }
}
