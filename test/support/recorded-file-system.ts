/**
 * What a program does to the files of one folder, and what a power cut could leave of it. A test puts `recorded` in place of
 * `node:fs/promises` (`vi.mock`), so that real code on real files is recorded: writes, barriers, and directory entries that
 * come, go and are renamed. Of what no barrier covered any subset is kept, writes torn at sectors; a change of entries is kept
 * whole or not at all. Barriers on a file say nothing of its entry: that takes one on its folder.
 */
import type * as FileSystem from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { SeededRandom } from './seeded-random.ts';

const SECTOR_BYTES = 512;

/** `bytes` may be longer than the file: the rest is zeros. */
interface Contents { bytes: Uint8Array; size: number }

interface Change {
  readonly issuedAt: number;
  completedAt: number;
  /** When a barrier that came after it had ended. */
  durableAt: number;
  /** What a barrier has to be on: a file, or the folder by its path. */
  readonly of: object | string;
  /** Kept in part: each call of `isKept` decides on one sector. */
  apply(state: Map<string, object>, contents: Map<object, Contents>, isKept: () => boolean): void;
}

export class FileRecorder {
  now = 0;
  #folder: string | undefined;
  /** Contents and entries when the recording began. */
  #start = new Map<string, Uint8Array>();
  #origin = new Map<string, object>();
  #files = new Map<string, object>();
  #changes: Change[] = [];

  /** From now on what happens in `folder` is recorded; what is there is on stable storage. */
  record(folder: string): void {
    this.#folder = realpathSync(folder);
    this.#changes = [];
    this.#files = new Map(namesIn(folder).map((name) => [name, {}]));
    this.#start = new Map(namesIn(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]));
    this.#origin = new Map(this.#files);
  }

  stop(): void {
    this.#folder = undefined;
  }

  /** Makes a folder with what may be left when the power goes at `time`. */
  cutAt(time: number, random: SeededRandom, into: string): void {
    const entries = new Map(this.#origin);
    const contents = new Map<object, Contents>([...this.#origin].map(([name, file]) => [file, { bytes: this.#start.get(name)!.slice(), size: this.#start.get(name)!.length }]));
    const keep = random.pick([0, 10, 50, 90, 100]);
    for (const change of this.#changes) {
      if (change.issuedAt > time) continue;
      const isDurable = change.durableAt <= time;
      change.apply(entries, contents, () => isDurable || random.below(100) < keep);
    }
    mkdirSync(into);
    for (const [name, file] of entries) {
      const { bytes, size } = contents.get(file) ?? { bytes: new Uint8Array(0), size: 0 };
      writeFileSync(join(into, name), bytes.subarray(0, size));
    }
  }

  wrap(actual: typeof FileSystem): typeof FileSystem {
    const entry = async (work: () => Promise<void>, apply: (state: Map<string, object>) => void): Promise<void> => {
      const change: Change = { issuedAt: ++this.now, completedAt: Infinity, durableAt: Infinity, of: this.#folder ?? '', apply: (state, _contents, isKept) => { if (isKept()) apply(state); } };
      this.#changes.push(change);
      await work();
      change.completedAt = ++this.now;
      apply(this.#files);
    };
    return {
      ...actual,
      open: async (path, flags, mode) => {
        const name = this.#nameOf(path);
        const isNew = name !== undefined && typeof flags === 'string' && flags.startsWith('w') && !this.#files.has(name);
        const file = name === undefined ? undefined : this.#files.get(name) ?? {};
        let handle: FileHandle | undefined;
        if (isNew && file !== undefined) await entry(async () => { handle = await actual.open(path, flags, mode); }, (state) => state.set(name, file));
        handle ??= await actual.open(path, flags, mode);
        if (file !== undefined) return this.#handle(handle, file);
        return this.#folder !== undefined && typeof path === 'string' && resolved(path) === this.#folder ? this.#handle(handle, this.#folder) : handle;
      },
      rename: (from, to) => this.#inFolder(from, to, () => actual.rename(from, to), entry, (state, one, other) => {
        const file = this.#files.get(one) ?? state.get(one);
        state.delete(one);
        if (file !== undefined) state.set(other, file);
      }),
      link: (from, to) => this.#inFolder(from, to, () => actual.link(from, to), entry, (state, one, other) => {
        const file = this.#files.get(one) ?? state.get(one);
        if (file !== undefined) state.set(other, file);
      }),
      unlink: (path) => this.#inFolder(path, path, () => actual.unlink(path), entry, (state, name) => { state.delete(name); }),
      rm: (path, options) => this.#inFolder(path, path, () => actual.rm(path, options), entry, (state, name) => { state.delete(name); }),
    };
  }

  #inFolder(from: unknown, to: unknown, work: () => Promise<void>, entry: (work: () => Promise<void>, apply: (state: Map<string, object>) => void) => Promise<void>,
    apply: (state: Map<string, object>, from: string, to: string) => void): Promise<void> {
    const one = this.#nameOf(from);
    const other = this.#nameOf(to);
    if (one === undefined || other === undefined) return work();
    // The file that is meant is the one that has the name now, whatever of that is kept.
    const file = this.#files.get(one);
    return entry(work, (state) => {
      if (file !== undefined && !state.has(one)) state.set(one, file);
      apply(state, one, other);
    });
  }

  #handle(handle: FileHandle, of: object | string): FileHandle {
    const during = async <T>(apply: Change['apply'], work: () => Promise<T>): Promise<T> => {
      const change: Change = { issuedAt: ++this.now, completedAt: Infinity, durableAt: Infinity, of, apply };
      this.#changes.push(change);
      const done = await work();
      change.completedAt = ++this.now;
      return done;
    };
    const barrier = async (work: () => Promise<void>): Promise<void> => {
      const begun = ++this.now;
      await work();
      const ended = ++this.now;
      for (const change of this.#changes) if (change.of === of && change.completedAt < begun && change.durableAt > ended) change.durableAt = ended;
    };
    const write = (position: number, bytes: Uint8Array): Change['apply'] => (_state, contents, isKept) => {
      for (let at = 0; at < bytes.length;) {
        const step = Math.min(bytes.length - at, SECTOR_BYTES - ((position + at) % SECTOR_BYTES));
        if (isKept()) {
          const file = grown(contents, of as object, position + at + step);
          file.bytes.set(bytes.subarray(at, at + step), position + at);
        }
        at += step;
      }
    };
    return new Proxy(handle, {
      get: (target, property) => {
        switch (property) {
          case 'write': return (buffer: Uint8Array, offset: number, length: number, position: number) => (
            during(write(position, buffer.slice(offset, offset + length)), () => target.write(buffer, offset, length, position)));
          case 'writeFile': return (data: string | Uint8Array) => during(write(0, Uint8Array.from(Buffer.from(data as string))), () => target.writeFile(data));
          case 'truncate': return (size: number) => during((_state, contents, isKept) => {
            if (!isKept()) return;
            const file = grown(contents, of as object, size);
            file.bytes.fill(0, size);
            file.size = size;
          }, () => target.truncate(size));
          case 'sync': return () => barrier(() => target.sync());
          case 'datasync': return () => barrier(() => target.datasync());
          default: {
            const value: unknown = Reflect.get(target, property, target);
            return typeof value === 'function' ? value.bind(target) as unknown : value;
          }
        }
      },
    });
  }

  #nameOf(path: unknown): string | undefined {
    if (this.#folder === undefined || typeof path !== 'string' || resolved(dirname(path)) !== this.#folder || isLock(path)) return undefined;
    return basename(path);
  }
}

function grown(contents: Map<object, Contents>, of: object, size: number): Contents {
  let file = contents.get(of);
  if (file === undefined) contents.set(of, file = { bytes: new Uint8Array(0), size: 0 });
  if (file.bytes.length < size) {
    const bytes = new Uint8Array(Math.max(size, 2 * file.bytes.length));
    bytes.set(file.bytes);
    file.bytes = bytes;
  }
  file.size = Math.max(file.size, size);
  return file;
}

/** Locks name a process: after a power cut there is none. */
function isLock(path: string): boolean {
  return /\.lock(?:-|$|\.)/.test(basename(path));
}

function namesIn(folder: string): string[] {
  return readdirSync(folder).filter((name) => !isLock(name));
}

function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
