/** Copies a VM folder into a replica as its next generation, verifies a generation, and makes a folder of one again. */
import { mkdir, open, rm, stat, truncate } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { GenerationFacts, ReplicaSource } from '../../../shared/media-protocol.ts';
import { isZero } from '../../storage/byte-fields.ts';
import { ImageError } from '../../storage/image-error.ts';
import { syncFolder } from '../sync-folder.ts';
import { writeAll } from '../write-all.ts';
import { CHUNK_BYTES, ChunkReader, damagedReplica, generationIds, newGenerationId, newPackName, packChunk, readGeneration, ReplicaStore, sha256, ZEROS } from './replica-store.ts';
import type { Chunk, Generation, GenerationFile } from './replica-store.ts';

/** A file that was changed just before it was read may change again without looking it: clocks of file systems are that coarse. */
const SETTLED_MILLIS = 3000;
/** Less of a pack in use than this, and what is left moves: otherwise one chunk would keep a whole disk's. */
const USED_SHARE_MINIMUM = 0.5;
const VERIFYING_SHARE = 0.1;

/** Throws `ImageError` (`replica.changed` where a file was written meanwhile), what the file system throws, and what `progress` throws. */
export async function replicate(folder: string, source: ReplicaSource, keep: number, progress: (done: number) => void): Promise<GenerationFacts> {
  await using store = await ReplicaStore.open(folder);
  const ids = await generationIds(folder);
  const before = ids.length === 0 ? undefined : await readGeneration(folder, ids.at(-1));
  await using next = await NewGeneration.begin(store, before);
  const sizes = await Promise.all(source.files.map(async (path) => (await stat(join(source.folder, ...path.split('/')))).size));
  const total = Math.max(1, sizes.reduce((sum, size) => sum + size, 0));
  let done = 0;
  for (const { path, text } of source.texts) await next.addText(path, text);
  for (const [index, path] of source.files.entries()) {
    await next.addFile(path, join(source.folder, ...path.split('/')), (bytes) => { progress((1 - VERIFYING_SHARE) * Math.min(1, (done + bytes) / total)); });
    done += sizes[index]!;
  }
  const generation = await next.finish(source.takenAt);
  await store.prune(keep);
  progress(1);
  return factsOf(generation);
}

export async function listGenerations(folder: string): Promise<{ generations: GenerationFacts[] }> {
  const ids = await generationIds(folder);
  if (ids.length === 0) await readGeneration(folder, undefined);
  return { generations: await Promise.all(ids.map(async (id) => factsOf(await readGeneration(folder, id)))) };
}

/** Every chunk of a generation is there and is what was written. */
export async function verifyGeneration(folder: string, id: string | undefined, progress: (done: number) => void): Promise<GenerationFacts> {
  const generation = await readGeneration(folder, id);
  await using reader = new ChunkReader(folder);
  for (const [index, chunk] of generation.chunks.entries()) {
    await reader.read(chunk);
    progress(index / generation.chunks.length);
  }
  return factsOf(generation);
}

/** Into a folder that is there; zeros take no storage. */
export async function restoreGeneration(folder: string, id: string | undefined, target: string, progress: (done: number) => void): Promise<GenerationFacts> {
  const generation = await readGeneration(folder, id);
  const total = Math.max(1, generation.files.reduce((sum, { chunks }) => sum + chunks.length, 0));
  await using reader = new ChunkReader(folder);
  let done = 0;
  for (const { path, bytes, chunks } of generation.files) {
    const place = join(target, ...path.split('/'));
    await mkdir(dirname(place), { recursive: true });
    const file = await open(place, 'wx');
    try {
      for (const [index, chunk] of chunks.entries()) {
        if (chunk !== ZEROS) {
          const content = await reader.read(generation.chunks[chunk]!);
          await writeAll(file, content.subarray(0, Math.min(content.length, bytes - index * CHUNK_BYTES)), index * CHUNK_BYTES);
        }
        progress(++done / total);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await truncate(place, bytes);
  }
  return factsOf(generation);
}

function factsOf({ id, takenAt, files, newBytes }: Generation): GenerationFacts {
  return { id, takenAt, newBytes, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** A generation in the making: what earlier ones have is named, the rest goes into a pack. */
class NewGeneration implements AsyncDisposable {
  readonly #store: ReplicaStore;
  readonly #packName: string;
  readonly #pack: FileHandle;
  readonly #reader: ChunkReader;
  readonly #before: Generation | undefined;
  readonly #known = new Map<string, Chunk>();
  /** Packs of which too little is in use. */
  readonly #sparse: ReadonlySet<string>;
  readonly #chunks: Chunk[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #files: GenerationFile[] = [];
  #packBytes = 0;
  #isKept = false;

  private constructor(store: ReplicaStore, before: Generation | undefined, pack: FileHandle, packName: string, sparse: ReadonlySet<string>) {
    this.#store = store;
    this.#before = before;
    this.#pack = pack;
    this.#packName = packName;
    this.#sparse = sparse;
    this.#reader = new ChunkReader(store.folder);
    for (const chunk of before?.chunks ?? []) this.#known.set(chunk.hash, chunk);
  }

  static async begin(store: ReplicaStore, before: Generation | undefined): Promise<NewGeneration> {
    const used = new Map<string, number>();
    for (const { pack, length } of before?.chunks ?? []) used.set(pack, (used.get(pack) ?? 0) + length);
    const sparse = new Set<string>();
    for (const [pack, bytes] of used) {
      const size = await stat(store.packPath(pack)).then((status) => status.size, () => { throw damagedReplica(`its pack ${pack} is missing`); });
      if (bytes < size * USED_SHARE_MINIMUM) sparse.add(pack);
    }
    const packName = newPackName();
    return new NewGeneration(store, before, await open(store.packPath(packName), 'wx+'), packName, sparse);
  }

  async addText(path: string, text: string): Promise<void> {
    const bytes = Buffer.from(text);
    const chunks: number[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(await this.#indexOf(wholeChunk(bytes.subarray(at, at + CHUNK_BYTES))));
    this.#files.push({ path, bytes: bytes.length, chunks });
  }

  async addFile(path: string, place: string, progress: (bytes: number) => void): Promise<void> {
    const file = await open(place, 'r');
    try {
      const status = await file.stat({ bigint: true });
      const stamp = stampOf(status);
      const bytes = Number(status.size);
      const earlier = this.#before?.files.find((candidate) => candidate.path === path);
      const chunks: number[] = [];
      if (earlier?.stamp === stamp && earlier.bytes === bytes) {
        for (const index of earlier.chunks) chunks.push(index === ZEROS ? ZEROS : await this.#reuse(this.#before!.chunks[index]!));
        progress(bytes);
      } else {
        const buffer = Buffer.alloc(CHUNK_BYTES);
        for (let at = 0; at < bytes; at += CHUNK_BYTES) {
          const wanted = Math.min(CHUNK_BYTES, bytes - at);
          for (let read = 0; read < wanted;) {
            const { bytesRead } = await file.read(buffer, read, wanted - read, at + read);
            if (bytesRead === 0) throw changed(path);
            read += bytesRead;
          }
          chunks.push(isZero(buffer.subarray(0, wanted)) ? ZEROS : await this.#indexOf(wholeChunk(buffer.subarray(0, wanted))));
          progress(Math.min(bytes, at + CHUNK_BYTES));
        }
      }
      if (stampOf(await file.stat({ bigint: true })) !== stamp) throw changed(path);
      const isSettled = Date.now() - Number(status.mtimeMs) > SETTLED_MILLIS && Date.now() - Number(status.ctimeMs) > SETTLED_MILLIS;
      this.#files.push({ path, bytes, chunks, ...(isSettled && { stamp }) });
    } finally {
      await file.close();
    }
  }

  async #indexOf(bytes: Uint8Array): Promise<number> {
    const hash = sha256(bytes);
    const known = this.#known.get(hash);
    if (known !== undefined) return this.#reuse(known);
    const packed = await packChunk(bytes);
    return this.#name(await this.#append(hash, packed));
  }

  async #reuse(chunk: Chunk): Promise<number> {
    const index = this.#indexes.get(chunk.hash);
    if (index !== undefined) return index;
    return this.#name(this.#sparse.has(chunk.pack) ? await this.#append(chunk.hash, await this.#reader.packed(chunk)) : chunk);
  }

  #name(chunk: Chunk): number {
    this.#known.set(chunk.hash, chunk);
    this.#indexes.set(chunk.hash, this.#chunks.length);
    return this.#chunks.push(chunk) - 1;
  }

  async #append(hash: string, packed: Uint8Array): Promise<Chunk> {
    const chunk = { hash, pack: this.#packName, offset: this.#packBytes, length: packed.length };
    await writeAll(this.#pack, packed, this.#packBytes);
    this.#packBytes += packed.length;
    return chunk;
  }

  /** Everything on stable storage, what was written read again, and then the manifest. */
  async finish(takenAt: number): Promise<Generation> {
    await this.#pack.sync();
    await syncFolder(dirname(this.#store.packPath(this.#packName)));
    {
      await using reader = new ChunkReader(this.#store.folder);
      for (const chunk of this.#chunks) if (chunk.pack === this.#packName) await reader.read(chunk);
    }
    const generation: Generation = { version: 1, id: newGenerationId(takenAt, this.#before?.id), takenAt, newBytes: this.#packBytes, files: this.#files, chunks: this.#chunks };
    await this.#store.keep(generation);
    this.#isKept = true;
    return generation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader[Symbol.asyncDispose]();
    await this.#pack.close();
    if (!this.#isKept || this.#packBytes === 0) await rm(this.#store.packPath(this.#packName), { force: true });
  }
}

function wholeChunk(bytes: Uint8Array): Uint8Array {
  if (bytes.length === CHUNK_BYTES) return bytes;
  const whole = new Uint8Array(CHUNK_BYTES);
  whole.set(bytes);
  return whole;
}

function stampOf({ size, mtimeNs, ctimeNs, ino }: { size: bigint; mtimeNs: bigint; ctimeNs: bigint; ino: bigint }): string {
  return `${size} ${mtimeNs} ${ctimeNs} ${ino}`;
}

function changed(path: string): ImageError {
  return new ImageError('replica.changed', `${path} was written while it was copied`, 'try it again');
}
