/**
 * Guards the guest's RAM, chunk by chunk, on the machine thread: a chunk that is still in a file is loaded when it is touched
 * first, and one that a live snapshot wants is copied before it changes. Pages say by their flags whether anybody has to ask
 * here; only the machine thread changes flags. What the control thread does to chunks meanwhile is told by the words of `GuardWords`.
 */
import { PAGE_ABSENT, PAGE_CLEAN, PAGE_FLAGS, PAGE_BYTES } from '../cpu/memory-layout.ts';
import { CHUNK_BYTES, CHUNK_PAGES, type MemoryRegions } from './memory-regions.ts';

/** One of `loading` for each chunk: where its contents are. */
export const LOADED = 0;
export const ABSENT = 1;
/** A thread is loading it. */
export const LOADING = 2;

/** One of `saving` for each chunk. */
export const NOT_WANTED = 0;
export const WANTED = 1;
/** A thread is copying it: it may not change. */
export const COPYING = 2;

const FLAGS_OF_WORD = 4;
/** Copies that may be on their way to the file before the guest has to wait: 32 MiB. */
const COPIES_MAXIMUM = 512;

export interface GuardWords {
  readonly loading: Int32Array<SharedArrayBuffer>;
  readonly saving: Int32Array<SharedArrayBuffer>;
  /** One word: copies handed over that are not in the file yet. */
  readonly copies: Int32Array<SharedArrayBuffer>;
}

export function makeGuardWords(chunks: number): GuardWords {
  const words = (count: number): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(4 * count));
  return { loading: words(chunks), saving: words(chunks), copies: words(1) };
}

/** Fills a chunk of memory with its saved contents, before it returns. */
export type LoadChunk = (chunk: number, target: Uint8Array) => void;
/** Takes the contents of a chunk that is about to change. */
export type KeepChunk = (chunk: number, contents: Uint8Array<ArrayBuffer>) => void;

export class MemoryGuard {
  readonly #regions: MemoryRegions;
  readonly #words: GuardWords;
  readonly #bytes: Uint8Array;
  readonly #flags: Uint8Array;
  /** The same flags, of four pages each. */
  readonly #flagWords: Int32Array;
  readonly #load: LoadChunk;
  readonly #keep: KeepChunk;

  constructor(shared: ArrayBufferLike, regions: MemoryRegions, words: GuardWords, load: LoadChunk, keep: KeepChunk) {
    this.#regions = regions;
    this.#words = words;
    this.#bytes = new Uint8Array(shared);
    this.#flags = new Uint8Array(shared, PAGE_FLAGS, Math.ceil(shared.byteLength / PAGE_BYTES));
    this.#flagWords = new Int32Array(shared, PAGE_FLAGS, this.#flags.length / FLAGS_OF_WORD);
    this.#load = load;
    this.#keep = keep;
  }

  /** Before the machine runs: chunks that `loading` calls absent are in a file, and all that are guarded are as they were saved. */
  begin(): void {
    const { firstGuarded, chunks } = this.#regions;
    const { loading } = this.#words;
    // A machine that has not run has no other flags; runs of chunks have theirs at once.
    for (let chunk = firstGuarded; chunk < chunks;) {
      const isLoaded = Atomics.load(loading, chunk) === LOADED;
      let end = chunk + 1;
      while (end < chunks && (Atomics.load(loading, end) === LOADED) === isLoaded) end++;
      this.#flags.fill(isLoaded ? PAGE_CLEAN : PAGE_CLEAN | PAGE_ABSENT, this.#firstPage(chunk), this.#firstPage(end - 1) + CHUNK_PAGES);
      chunk = end;
    }
  }

  /** A page whose flags say PAGE_ABSENT is touched. */
  touch(memoryOffset: number): void {
    const chunk = this.#regions.guardedChunkAt(memoryOffset);
    const { loading } = this.#words;
    for (;;) {
      const before = Atomics.compareExchange(loading, chunk, ABSENT, LOADING);
      if (before === LOADED) break;
      if (before === LOADING) {
        Atomics.wait(loading, chunk, LOADING);
        continue;
      }
      this.#load(chunk, this.#contents(chunk));
      Atomics.store(loading, chunk, LOADED);
      Atomics.notify(loading, chunk);
      break;
    }
    this.#clearFlags(chunk, PAGE_ABSENT);
  }

  /** Bytes of a page whose flags say PAGE_CLEAN are about to change, or have been changed by I/O. */
  change(memoryOffset: number): void {
    const chunk = this.#regions.guardedChunkAt(memoryOffset);
    const { saving, copies } = this.#words;
    for (;;) {
      const before = Atomics.compareExchange(saving, chunk, WANTED, COPYING);
      if (before === NOT_WANTED) break;
      if (before === COPYING) {
        Atomics.wait(saving, chunk, COPYING);
        continue;
      }
      for (let waiting = Atomics.load(copies, 0); waiting >= COPIES_MAXIMUM; waiting = Atomics.load(copies, 0)) Atomics.wait(copies, 0, waiting);
      Atomics.add(copies, 0, 1);
      this.#keep(chunk, Uint8Array.from(this.#contents(chunk)));
      Atomics.store(saving, chunk, NOT_WANTED);
      Atomics.notify(saving, chunk);
      break;
    }
    this.#clearFlags(chunk, PAGE_CLEAN);
  }

  /**
   * The machine stands still and its state is being saved: from now on the guarded chunks are wanted by the file, except those
   * that have not changed since the last one (1 in the answer, by chunk), where there is a last one that has them: it hasn't
   * those that are 1 in `lost`. The caller has the CPU forget where it may write.
   */
  protect(hasLast: boolean, lost: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
    const { chunks, firstGuarded } = this.#regions;
    const unchanged = new Uint8Array(chunks);
    if (!hasLast) {
      // The guest stands still for this: all at once.
      this.#words.saving.fill(WANTED, firstGuarded, chunks);
      const first = this.#firstPage(firstGuarded) / FLAGS_OF_WORD;
      const end = (this.#firstPage(chunks - 1) + CHUNK_PAGES) / FLAGS_OF_WORD;
      for (let word = first; word < end; word++) this.#flagWords[word]! |= PAGE_CLEAN * 0x0101_0101;
      return unchanged;
    }
    for (let chunk = firstGuarded; chunk < chunks; chunk++) {
      if (hasLast && lost?.[chunk] !== 1 && (this.#flags[this.#firstPage(chunk)]! & PAGE_CLEAN) !== 0) {
        unchanged[chunk] = 1;
        continue;
      }
      Atomics.store(this.#words.saving, chunk, WANTED);
      this.#setFlags(chunk, PAGE_CLEAN);
    }
    return unchanged;
  }

  #contents(chunk: number): Uint8Array {
    const offset = this.#regions.offsetOf(chunk);
    return this.#bytes.subarray(offset, offset + CHUNK_BYTES);
  }

  #firstPage(chunk: number): number {
    return this.#regions.offsetOf(chunk) / PAGE_BYTES;
  }

  #setFlags(chunk: number, flags: number): void {
    const first = this.#firstPage(chunk);
    for (let page = first; page < first + CHUNK_PAGES; page++) this.#flags[page]! |= flags;
  }

  #clearFlags(chunk: number, flags: number): void {
    const first = this.#firstPage(chunk);
    for (let page = first; page < first + CHUNK_PAGES; page++) this.#flags[page]! &= ~flags;
  }
}
