/**
 * Writes the file of a saved state while its machine may be running: chunks are copied one by one from the shared memory,
 * unless the machine thread was about to change one and sent its copy. The file appears at its place when it is whole.
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { constants, crc32, zstdCompress } from 'node:zlib';
import { COPYING, NOT_WANTED, WANTED, type GuardWords } from '../snapshot/memory-guard.ts';
import { CHUNK_BYTES, type MemoryRegions } from '../snapshot/memory-regions.ts';
import { CHUNK_ENCODING, ChunkTable, encodeHeader, encodeIndex, HEADER_BYTES, OTHER_FILES_MAXIMUM, type ChunkPlace, type OtherFile, type SectionPlace, type StateIndex } from '../snapshot/state-format.ts';
import { encodePlain } from '../snapshot/plain-data.ts';
import type { StateFile, StateSection } from './state-reader.ts';
import { syncFolder } from './sync-folder.ts';

const zstdCompressAsync = promisify(zstdCompress);
/** Level 1: memory compresses to a third, at the speed of a fast disk. */
const ZSTD_OPTIONS = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** Chunks that are being compressed at a time. */
const AT_ONCE = 4;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

export interface StateContents {
  readonly sections: readonly StateSection[];
  readonly board: Readonly<Record<string, unknown>>;
  readonly shared: SharedArrayBuffer;
  readonly regions: MemoryRegions;
  readonly words: GuardWords;
  /** Contents of chunks that are not guarded; those that aren't named are zeros. */
  readonly unguarded: readonly { readonly chunk: number; readonly bytes: Uint8Array }[];
  /** 1 for chunks that are as `last` has them. */
  readonly unchanged: Uint8Array;
  readonly last: StateFile | undefined;
  /** Whether chunks of a file may stay there. */
  readonly mayCountOn: (id: string) => boolean;
}

/** A chunk that the machine thread has copied. */
interface SentChunk {
  readonly chunk: number;
  readonly bytes: Uint8Array;
}

export class StateWriter {
  readonly #path: string;
  readonly #beside: string;
  readonly #contents: StateContents;
  readonly #otherFiles: OtherFile[] = [];
  readonly #table: ChunkTable;
  readonly #sent: SentChunk[] = [];
  #file!: FileHandle;
  #end = HEADER_BYTES;
  #next: number;
  #failure: Error | undefined;

  constructor(path: string, contents: StateContents) {
    this.#path = path;
    this.#beside = `${path}.part`;
    this.#contents = contents;
    this.#table = ChunkTable.ofZeros(contents.regions.chunks);
    this.#next = contents.regions.firstGuarded;
  }

  /** The machine thread's copy of a chunk: it comes before the machine thread goes on. */
  take(sent: SentChunk): void {
    this.#sent.push(sent);
  }

  /** Resolves with the identity when the file is on stable storage. When it rejects, nothing is left of it, and no chunk is wanted any more. */
  async write(): Promise<string> {
    try {
      this.#file = await open(this.#beside, 'w');
      const sections: SectionPlace[] = [];
      for (const { id, version, state } of this.#contents.sections) {
        const plain = encodePlain(state);
        const bytes = await zstdCompressAsync(plain, ZSTD_OPTIONS);
        sections.push({ id, version, offset: await this.#append(bytes), bytes: bytes.length, plainBytes: plain.length, checksum: crc32(bytes) });
      }
      for (const { chunk, bytes } of this.#contents.unguarded) await this.#store(chunk, bytes);
      await Promise.all(Array.from({ length: AT_ONCE }, () => this.#work()));
      if (this.#failure !== undefined) throw this.#failure;
      return await this.#finish(sections);
    } catch (error) {
      this.#giveUp();
      await this.#file?.close().catch(() => {});
      await rm(this.#beside, { force: true }).catch(() => {});
      throw error;
    }
  }

  async #finish(sections: readonly SectionPlace[]): Promise<string> {
    const id = randomBytes(16).toString('hex');
    const index: StateIndex = {
      id, board: this.#contents.board, sections, otherFiles: this.#otherFiles, chunks: this.#table,
      regions: this.#contents.regions.all.map(({ name, chunks }) => ({ name, chunks })),
    };
    const bytes = encodeIndex(index);
    const indexOffset = await this.#append(bytes);
    const header = encodeHeader({ indexOffset, indexBytes: bytes.length, indexChecksum: crc32(bytes), fileBytes: this.#end }, crc32);
    await this.#file.write(header, 0, header.length, 0);
    await this.#file.datasync();
    await this.#file.close();
    await rename(this.#beside, this.#path);
    await syncFolder(dirname(this.#path));
    return id;
  }

  async #work(): Promise<void> {
    try {
      for (;;) {
        if (this.#failure !== undefined) return;
        const sent = this.#sent.shift();
        if (sent !== undefined) {
          await this.#store(sent.chunk, sent.bytes);
          this.#copyIsDone();
          continue;
        }
        const { regions, words } = this.#contents;
        if (this.#next < regions.chunks) {
          await this.#chunk(this.#next++);
          continue;
        }
        // Copies are counted before they are sent, and until they are in the file.
        if (Atomics.load(words.copies, 0) === 0) return;
        await nextTurn();
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new Error(String(error));
    }
  }

  async #chunk(chunk: number): Promise<void> {
    const { unchanged, last, words, shared, regions } = this.#contents;
    if (unchanged[chunk] === 1) {
      await this.#takeOver(chunk, last!);
      return;
    }
    // Otherwise the machine thread copies it or has done so: it is on its way here.
    if (Atomics.compareExchange(words.saving, chunk, WANTED, COPYING) !== WANTED) return;
    const contents = Buffer.from(shared, regions.offsetOf(chunk), CHUNK_BYTES);
    const copy = contents.equals(ZEROS) ? undefined : Uint8Array.from(contents);
    Atomics.store(words.saving, chunk, NOT_WANTED);
    Atomics.notify(words.saving, chunk);
    if (copy !== undefined) await this.#store(chunk, copy);
  }

  async #takeOver(chunk: number, last: StateFile): Promise<void> {
    if (last.index.chunks.isZero(chunk)) return;
    const place = last.index.chunks.get(chunk);
    const origin = place.file === 0 ? { id: last.index.id, bytes: last.header.fileBytes } : last.index.otherFiles[place.file - 1]!;
    const file = this.#contents.mayCountOn(origin.id) ? this.#numberOf(origin) : undefined;
    if (file !== undefined) {
      this.#table.set(chunk, { ...place, file });
      return;
    }
    const stored = await last.storedChunk(place);
    this.#table.set(chunk, { ...place, file: 0, offset: await this.#append(stored) });
  }

  /** `undefined` where there are too many already. */
  #numberOf(origin: OtherFile): number | undefined {
    const at = this.#otherFiles.findIndex(({ id }) => id === origin.id);
    if (at >= 0) return at + 1;
    return this.#otherFiles.length === OTHER_FILES_MAXIMUM ? undefined : this.#otherFiles.push(origin);
  }

  async #store(chunk: number, bytes: Uint8Array): Promise<void> {
    if (Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).equals(ZEROS)) return;
    const packed = await zstdCompressAsync(bytes, ZSTD_OPTIONS);
    const isSmaller = packed.length < CHUNK_BYTES;
    const stored = isSmaller ? packed : bytes;
    const place: ChunkPlace = { encoding: isSmaller ? CHUNK_ENCODING.zstd : CHUNK_ENCODING.plain, file: 0, offset: await this.#append(stored), bytes: stored.length, checksum: crc32(bytes) };
    this.#table.set(chunk, place);
  }

  /** Where the bytes are in the file. */
  async #append(bytes: Uint8Array): Promise<number> {
    const offset = this.#end;
    this.#end += bytes.length;
    for (let done = 0; done < bytes.length;) done += (await this.#file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    return offset;
  }

  #copyIsDone(): void {
    const { copies } = this.#contents.words;
    Atomics.sub(copies, 0, 1);
    Atomics.notify(copies, 0);
  }

  /** Nobody waits for chunks any more; the machine thread may. */
  #giveUp(): void {
    const { words, regions } = this.#contents;
    for (let chunk = regions.firstGuarded; chunk < regions.chunks; chunk++) Atomics.compareExchange(words.saving, chunk, WANTED, NOT_WANTED);
    for (let left = this.#sent.splice(0).length; left > 0; left--) this.#copyIsDone();
  }

  get otherFiles(): readonly string[] {
    return this.#otherFiles.map(({ id }) => id);
  }

  get bytes(): number {
    return this.#end;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => { setImmediate(resolve); });
}
