/** What programs did to files, as `log-files.mjs` has logged it, and what a power cut in the middle could have left of that. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { SeededRandom } from './seeded-random.ts';

const SECTOR_BYTES = 512;

type Entry =
  | { readonly op: 'create'; readonly path: string; readonly file: number }
  | { readonly op: 'write'; readonly file: number; readonly position: number; readonly id: string }
  | { readonly op: 'truncate'; readonly file: number; readonly size: number; readonly id?: string }
  | { readonly op: 'done'; readonly id: string }
  | { readonly op: 'sync'; readonly file: number; readonly since: number }
  | { readonly op: 'sync-folder'; readonly path: string; readonly since: number }
  | { readonly op: 'rename' | 'link'; readonly from: string; readonly to: string }
  | { readonly op: 'mkdir' | 'remove'; readonly path: string }
  | { readonly op: 'mark'; readonly mark: unknown };
type LoggedChange = Exclude<Entry, { op: 'done' | 'sync' | 'sync-folder' | 'mark' }>;

/** `at` is its place in the log, which is its time; it had ended at `doneAt`, and is on stable storage from `durableAt` on. */
interface Change {
  readonly entry: LoggedChange;
  readonly bytes: Uint8Array;
  readonly at: number;
  /** The file that is written, told apart from others that had the same number before it. */
  readonly file: number;
  /** Folders whose entries change. */
  readonly folders: readonly string[];
  doneAt: number;
  durableAt: number;
}

class FileContents {
  #room = new Uint8Array(0);
  #size = 0;

  get bytes(): Uint8Array {
    return this.#room.subarray(0, this.#size);
  }

  resize(size: number): void {
    if (size > this.#room.length) {
      const grown = new Uint8Array(Math.max(size, 2 * this.#room.length));
      grown.set(this.bytes);
      this.#room = grown;
    } else {
      this.#room.fill(0, size, this.#size);
    }
    this.#size = size;
  }

  write(position: number, source: Uint8Array): void {
    if (position + source.length > this.#size) this.resize(position + source.length);
    this.#room.set(source, position);
  }
}

export class FileLog {
  readonly #root: string;
  readonly #changes: Change[] = [];
  readonly marks: { readonly at: number; readonly mark: unknown }[] = [];
  /** The last record's number. */
  end = 0;

  constructor(path: string, root: string) {
    this.#root = root;
    const log = readFileSync(path);
    /** Number in the log → file; places in the log → number of the record. */
    const files = new Map<number, number>();
    const numbers = new Map<number, number>();
    const underWay = new Map<string, Change>();
    let fileCount = 0;
    for (let offset = 0; offset < log.length;) {
      const line = log.indexOf(0x0a, offset);
      const { bytes: length, ...entry } = JSON.parse(log.toString('utf8', offset, line)) as Entry & { bytes: number };
      const at = ++this.end;
      numbers.set(offset, at);
      offset = line + 1 + length;
      numbers.set(offset, at + 1);
      if (entry.op === 'mark') {
        this.marks.push({ at, mark: entry.mark });
        continue;
      }
      if (entry.op === 'done') {
        underWay.get(entry.id)!.doneAt = at;
        underWay.delete(entry.id);
        continue;
      }
      if (entry.op === 'sync' || entry.op === 'sync-folder') {
        const before = numbers.get(entry.since)!;
        const covers = (change: Change): boolean => (entry.op === 'sync' ? change.file === files.get(entry.file) : change.folders.includes(entry.path));
        for (const change of this.#changes) if (change.doneAt < before && change.durableAt > at && covers(change)) change.durableAt = at;
        continue;
      }
      if (entry.op === 'create') files.set(entry.file, ++fileCount);
      const folders = 'path' in entry ? [dirname(entry.path)] : 'to' in entry ? [...new Set([dirname(entry.from), dirname(entry.to)])] : [];
      const id = 'id' in entry ? entry.id : undefined;
      const change: Change = { entry, at, bytes: log.subarray(line + 1, offset), file: 'file' in entry ? files.get(entry.file)! : 0, folders, doneAt: id === undefined ? at : Infinity, durableAt: Infinity };
      this.#changes.push(change);
      if (id !== undefined) underWay.set(id, change);
    }
  }

  /**
   * What may be left at a time, written into a folder: everything that is on stable storage; of other writes any sectors; of other
   * changes of folders any, or the earlier of them, as a journal keeps them.
   */
  cutAt(time: number, random: SeededRandom, target: string): void {
    const keep = random.pick([0, 10, 50, 90, 100]);
    const isJournaled = random.below(2) === 0;
    const journalEnd = random.below(time + 1);
    const contents = new Map<number, FileContents>();
    /** What lies under a name: a file, or a folder. */
    const names = new Map<string, number | 'folder'>();
    const contentsOf = (file: number): FileContents => {
      let found = contents.get(file);
      if (found === undefined) contents.set(file, found = new FileContents());
      return found;
    };
    for (const { entry, bytes, at, file, durableAt } of this.#changes) {
      if (at > time) break;
      const isDurable = durableAt <= time;
      if (entry.op === 'write') {
        for (let done = 0; done < bytes.length;) {
          const step = isDurable ? bytes.length : Math.min(bytes.length - done, SECTOR_BYTES - ((entry.position + done) % SECTOR_BYTES));
          if (isDurable || random.below(100) < keep) contentsOf(file).write(entry.position + done, bytes.subarray(done, done + step));
          done += step;
        }
        continue;
      }
      const isKept = isDurable || (isJournaled && entry.op !== 'truncate' ? at <= journalEnd : random.below(100) < keep);
      if (entry.op === 'truncate') {
        if (isKept) contentsOf(file).resize(entry.size);
        continue;
      }
      if (isKept) changeNames(names, entry, file);
    }
    for (const [path, what] of names) {
      const place = join(target, relative(this.#root, path));
      // Below a folder that isn't there nothing is.
      if (!this.#isReachable(names, path)) continue;
      if (what === 'folder') mkdirSync(place, { recursive: true });
      else {
        mkdirSync(dirname(place), { recursive: true });
        writeFileSync(place, contents.get(what)?.bytes ?? '');
      }
    }
  }

  #isReachable(names: ReadonlyMap<string, number | 'folder'>, path: string): boolean {
    for (let folder = dirname(path); folder !== this.#root && folder.startsWith(this.#root); folder = dirname(folder)) if (names.get(folder) !== 'folder') return false;
    return true;
  }
}

function changeNames(names: Map<string, number | 'folder'>, entry: Exclude<LoggedChange, { op: 'write' | 'truncate' }>, file: number): void {
  switch (entry.op) {
    case 'create':
      names.set(entry.path, file);
      break;
    case 'mkdir':
      names.set(entry.path, 'folder');
      break;
    case 'remove':
      for (const path of [...names.keys()]) if (path === entry.path || path.startsWith(`${entry.path}/`)) names.delete(path);
      break;
    case 'link': {
      const what = names.get(entry.from);
      if (what !== undefined) names.set(entry.to, what);
      break;
    }
    case 'rename':
      for (const [path, what] of [...names]) {
        if (path !== entry.from && !path.startsWith(`${entry.from}/`)) continue;
        names.delete(path);
        names.set(entry.to + path.slice(entry.from.length), what);
      }
  }
}
