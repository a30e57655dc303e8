/** Reads the files of saved states: opens and checks them, and gives sections and chunks of memory. Everything in them is hostile. */
import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { crc32, zstdDecompress, zstdDecompressSync } from 'node:zlib';
import type { StateFilePlace } from '../../shared/vm-protocol.ts';
import { CHUNK_BYTES } from '../snapshot/memory-regions.ts';
import { decodePlain, encodePlain } from '../snapshot/plain-data.ts';
import { damagedState, StateError } from '../snapshot/state-error.ts';
import { CHUNK_ENCODING, decodeHeader, decodeIndex, encodeIndex, HEADER_BYTES, type ChunkPlace, type ChunkTable, type StateHeader, type StateIndex } from '../snapshot/state-format.ts';
import { MemberFile, SynchronousMember, type MemberPlace, type MountedBundle } from './bundle-members.ts';
import { describeFileError } from './file-bytes.ts';

const zstdDecompressAsync = promisify(zstdDecompress);

/** A saved state with the files that it counts on, open. */
export class StateFile implements AsyncDisposable {
  readonly path: string;
  readonly index: StateIndex;
  readonly header: StateHeader;
  readonly #handles: readonly StateBytes[];
  readonly #places: readonly (string | MemberPlace)[];

  private constructor(path: string, header: StateHeader, index: StateIndex, handles: readonly StateBytes[], places: readonly (string | MemberPlace)[]) {
    this.path = path;
    this.header = header;
    this.index = index;
    this.#handles = handles;
    this.#places = places;
  }

  /** `others`: where files may be that this one counts on. Throws `StateError`, and `StartError` of files that can't be opened. */
  static async open(path: string, others: readonly StateFilePlace[], bundle?: MountedBundle): Promise<StateFile> {
    const handles: StateBytes[] = [];
    try {
      const { header, index } = await openChecked(path, bundle, handles);
      const places = [bundle?.memberAt(path) ?? path];
      for (const { id, bytes } of index.otherFiles) {
        const place = others.find((other) => other.id === id);
        if (place === undefined) throw new StateError('state.incomplete', 'the saved state counts on an earlier snapshot that is not there', 'put its files back into the VM folder\'s snapshots, or start the machine without the state: guesthouse start NAME --cold');
        const other = await openChecked(place.path, bundle, handles);
        if (other.index.id !== id || other.header.fileBytes !== bytes) throw damagedState('counts on an earlier snapshot whose file is another one now');
        places.push(bundle?.memberAt(place.path) ?? place.path);
      }
      return new StateFile(path, header, index, handles, places);
    } catch (error) {
      for (const handle of handles) await handle.close();
      throw error;
    }
  }

  /** This file and then the others: where chunks are by their `file`. */
  get places(): readonly (string | MemberPlace)[] {
    return this.#places;
  }

  /** The state of a section. Throws `StateError` for a damaged one. */
  async section(id: string): Promise<unknown> {
    const place = this.index.sections.find((section) => section.id === id);
    return place === undefined ? undefined : decodePlain(await this.#sectionBytes(place));
  }

  /** All sections, with their contents. */
  async sections(): Promise<StateSection[]> {
    return Promise.all(this.index.sections.map(async (place) => ({ id: place.id, version: place.version, state: decodePlain(await this.#sectionBytes(place)) })));
  }

  /** Contents of a chunk. Throws `StateError` for a damaged one. */
  async chunk(chunk: number): Promise<Uint8Array> {
    const place = this.index.chunks.get(chunk);
    const stored = await this.storedChunk(place);
    return checked(place, place.encoding === CHUNK_ENCODING.plain ? stored : await zstdDecompressAsync(stored, { maxOutputLength: CHUNK_BYTES }).catch(() => undefined));
  }

  /** A chunk as it lies in its file. */
  async storedChunk({ file, offset, bytes }: ChunkPlace): Promise<Uint8Array<ArrayBuffer>> {
    const stored = new Uint8Array(bytes);
    await readWhole(this.#handles[file]!, offset, stored);
    return stored;
  }

  async #sectionBytes({ id, offset, bytes, plainBytes, checksum }: StateIndex['sections'][number]): Promise<Uint8Array> {
    const contents = new Uint8Array(bytes);
    await readWhole(this.#handles[0]!, offset, contents);
    const plain = crc32(contents) === checksum ? await zstdDecompressAsync(contents, { maxOutputLength: Math.max(1, plainBytes) }).catch(() => undefined) : undefined;
    if (plain?.length !== plainBytes) throw damagedState(`is damaged where the state of "${printable(id)}" is`);
    return plain;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#handles) await handle.close();
  }
}

/** A file of a state, or a bundle's member that is one. */
interface StateBytes {
  /** How many bytes it read: none at its end. */
  read(target: Uint8Array, done: number, length: number, position: number): Promise<{ readonly bytesRead: number }>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface StateSection {
  readonly id: string;
  readonly version: number;
  readonly state: unknown;
}

/** The same chunks for a thread that can't wait for promises. */
export class SynchronousChunks {
  readonly #files: readonly (number | SynchronousMember)[];

  constructor(places: readonly (string | MemberPlace)[]) {
    this.#files = places.map((place) => (typeof place === 'string' ? openSync(place, 'r') : new SynchronousMember(place)));
  }

  /** Throws `StateError` for a damaged chunk, and what the file system throws. */
  load(place: ChunkPlace, target: Uint8Array): void {
    const stored = new Uint8Array(place.bytes);
    for (let done = 0; done < stored.length;) {
      const file = this.#files[place.file]!;
      const bytesRead = typeof file === 'number' ? readSync(file, stored, done, stored.length - done, place.offset + done) : file.read(stored, done, stored.length - done, place.offset + done);
      if (bytesRead === 0) throw damagedState('is cut off');
      done += bytesRead;
    }
    let contents: Uint8Array | undefined = stored;
    if (place.encoding !== CHUNK_ENCODING.plain) {
      try {
        contents = zstdDecompressSync(stored, { maxOutputLength: CHUNK_BYTES });
      } catch {
        contents = undefined;
      }
    }
    target.set(checked(place, contents));
  }

  close(): void {
    for (const file of this.#files) {
      if (typeof file === 'number') closeSync(file);
      else file.close();
    }
  }
}

/** Has V8 compile what reading a state takes, with one that another thread has rehearsed with. */
export function rehearseReading(sections: readonly StateSection[], chunks: ChunkTable): void {
  for (const { state } of sections) decodePlain(encodePlain(state));
  for (let chunk = 0; chunk < chunks.length; chunk++) chunks.set(chunk, { encoding: CHUNK_ENCODING.plain, file: 0, offset: HEADER_BYTES, bytes: CHUNK_BYTES, checksum: 0 });
  const bytes = encodeIndex({ id: '0'.repeat(32), board: {}, sections: [], otherFiles: [], regions: [{ name: 'ram', chunks: chunks.length }], chunks });
  decodeIndex(bytes, { indexOffset: HEADER_BYTES, indexBytes: bytes.length, indexChecksum: crc32(bytes), fileBytes: HEADER_BYTES + CHUNK_BYTES }, crc32);
}

function checked({ checksum }: ChunkPlace, contents: Uint8Array | undefined): Uint8Array {
  if (contents?.length !== CHUNK_BYTES || crc32(contents) !== checksum) throw damagedState('is damaged where the contents of the machine\'s memory are');
  return contents;
}

async function openChecked(path: string, bundle: MountedBundle | undefined, handles: StateBytes[]): Promise<{ header: StateHeader; index: StateIndex }> {
  let handle: StateBytes;
  try {
    handle = await openBytes(path, bundle);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT' ? new StateError('state.missing', `the file ${path} of the saved state is missing`, 'put it back, or start the machine without the state: guesthouse start NAME --cold') : describeFileError(error, path, 'read-only');
  }
  handles.push(handle);
  const size = await handle.size();
  const head = new Uint8Array(Math.min(size, HEADER_BYTES));
  await readWhole(handle, 0, head);
  const header = decodeHeader(head, size, crc32);
  const index = new Uint8Array(header.indexBytes);
  await readWhole(handle, header.indexOffset, index);
  return { header, index: decodeIndex(index, header, crc32) };
}

async function openBytes(path: string, bundle: MountedBundle | undefined): Promise<StateBytes> {
  const place = bundle?.memberAt(path);
  if (place === undefined) {
    const file = await open(path, 'r');
    return { read: (target, done, length, position) => file.read(target, done, length, position), size: async () => (await file.stat()).size, close: () => file.close() };
  }
  const member = await MemberFile.open(place);
  return {
    async read(target, done, length, position) {
      const bytesRead = Math.min(length, Math.max(0, place.bytes - position));
      await member.read(position, target.subarray(done, done + bytesRead));
      return { bytesRead };
    },
    size: () => member.size(),
    close: () => member[Symbol.asyncDispose](),
  };
}

async function readWhole(handle: StateBytes, position: number, target: Uint8Array): Promise<void> {
  for (let done = 0; done < target.length;) {
    const { bytesRead } = await handle.read(target, done, target.length - done, position + done);
    if (bytesRead === 0) throw damagedState('is cut off');
    done += bytesRead;
  }
}

function printable(text: string): string {
  return text.slice(0, 60).replace(/\p{C}/gu, '?');
}
