/**
 * A replica of a machine: generations of its VM folder in a folder of their own. Files are kept in chunks, each once however many files and
 * generations have it; what a generation brings anew is one pack. A generation is there when its manifest is, which is written last and in one
 * piece, so that a power cut leaves those that were there, and at most a pack that the next run removes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import { ImageError, printable } from '../../storage/image-error.ts';
import { lockForWriting } from '../file-lock.ts';
import type { FileLock } from '../file-lock.ts';
import { syncFolder } from '../sync-folder.ts';

/** As a cluster of qcow2: what a guest changes is found in its units. */
export const CHUNK_BYTES = 65_536;
const MANIFEST_BYTES_MAXIMUM = 512 << 20;
const GENERATION_NAME = /^(\d{8}T\d{9}Z-[0-9a-f]{8})\.json$/;
const PACK_NAME = /^[0-9a-f]{16}\.pack$/;
/** A chunk of nothing but zeros. */
export const ZEROS = -1;

const [compress, decompress] = [promisify(zstdCompress), promisify(zstdDecompress)];

/** Where a chunk is. As long as a whole one it isn't compressed. */
export interface Chunk {
  /** SHA-256 of its bytes. */
  readonly hash: string;
  readonly pack: string;
  readonly offset: number;
  readonly length: number;
}

export interface GenerationFile {
  readonly path: string;
  readonly bytes: number;
  /** What the file system says of the file when it was read, where it may be trusted later. */
  readonly stamp?: string;
  /** Indexes into the generation's chunks, or `ZEROS`. */
  readonly chunks: readonly number[];
}

export interface Generation {
  readonly version: 1;
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly takenAt: number;
  /** Of its own pack. */
  readonly newBytes: number;
  readonly files: readonly GenerationFile[];
  readonly chunks: readonly Chunk[];
}

export class ReplicaStore implements AsyncDisposable {
  readonly folder: string;
  readonly #lock: FileLock;

  private constructor(folder: string, lock: FileLock) {
    this.folder = folder;
    this.#lock = lock;
  }

  /** For one writer at a time. Throws `ImageError`, `StartError`, and what the file system throws. */
  static async open(folder: string): Promise<ReplicaStore> {
    await mkdir(join(folder, 'packs'), { recursive: true });
    await mkdir(join(folder, 'generations'), { recursive: true });
    const marker = join(folder, 'replica.json');
    if (!existsSync(marker)) await writeFile(marker, '{ "version": 1 }\n', { flush: true });
    return new ReplicaStore(folder, await lockForWriting(marker));
  }

  packPath(pack: string): string {
    return join(this.folder, 'packs', pack);
  }

  /** When it returns the generation is on stable storage. Its pack must be. */
  async keep(generation: Generation): Promise<void> {
    const path = join(this.folder, 'generations', `${generation.id}.json`);
    const body = JSON.stringify(generation);
    await writeFile(`${path}.new`, `${JSON.stringify({ sha256: sha256(Buffer.from(body)) })}\n${body}\n`, { flush: true });
    await rename(`${path}.new`, path);
    await syncFolder(join(this.folder, 'generations'));
  }

  /** Leaves the newest generations, and the packs that they need. */
  async prune(keep: number): Promise<void> {
    const ids = await generationIds(this.folder);
    for (const id of ids.slice(0, Math.max(0, ids.length - keep))) await rm(join(this.folder, 'generations', `${id}.json`));
    for (const name of await readdir(join(this.folder, 'generations'))) if (name.endsWith('.new')) await rm(join(this.folder, 'generations', name));
    // A manifest that came back after its pack had gone would be a generation that is none.
    await syncFolder(join(this.folder, 'generations'));
    const needed = new Set<string>();
    for (const id of await generationIds(this.folder)) for (const { pack } of (await readGeneration(this.folder, id)).chunks) needed.add(pack);
    for (const name of await readdir(join(this.folder, 'packs'))) if (PACK_NAME.test(name) && !needed.has(name)) await rm(this.packPath(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.[Symbol.asyncDispose]();
  }
}

/** Names sort by time, and a new one comes last: also where the clock has gone back since the one `after` which it comes. */
export function newGenerationId(takenAt: number, after: string | undefined): string {
  if (after !== undefined) {
    const last = timeOfGeneration(after);
    if (takenAt <= last) return newGenerationId(last + 1, undefined);
  }
  return `${new Date(takenAt).toISOString().replace(/[-:.]/g, '')}-${randomBytes(4).toString('hex')}`;
}

/** Milliseconds since 1970. */
function timeOfGeneration(id: string): number {
  return Date.parse(id.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z.*$/, '$1-$2-$3T$4:$5:$6.$7Z'));
}

export function newPackName(): string {
  return `${randomBytes(8).toString('hex')}.pack`;
}

/** Oldest first. */
export async function generationIds(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, 'generations')).catch(() => []);
  return names.flatMap((name) => GENERATION_NAME.exec(name)?.[1] ?? []).sort();
}

/** The newest one where none is named. Throws `ImageError`. */
export async function readGeneration(folder: string, id: string | undefined): Promise<Generation> {
  const ids = await generationIds(folder);
  const wanted = id ?? ids.at(-1);
  if (wanted === undefined || !ids.includes(wanted)) throw new ImageError('replica.missing', id === undefined ? `${folder} holds no generation of a machine` : `there is no generation ${printable(id)}`, 'see "guesthouse replica list DIR"');
  const path = join(folder, 'generations', `${wanted}.json`);
  if ((await stat(path)).size > MANIFEST_BYTES_MAXIMUM) throw damagedReplica('a generation\'s list is far too large');
  const text = await readFile(path, 'utf8');
  const end = text.indexOf('\n');
  const body = text.slice(end + 1).replace(/\n$/, '');
  let generation: Generation;
  try {
    if ((JSON.parse(text.slice(0, end)) as { sha256?: unknown }).sha256 !== sha256(Buffer.from(body))) throw damagedReplica(`the list of the generation ${wanted} is not what was written`);
    generation = JSON.parse(body) as Generation;
  } catch (error) {
    if (error instanceof ImageError) throw error;
    throw damagedReplica(`the list of the generation ${wanted} can't be read`);
  }
  const isSound = (generation as { version: unknown }).version === 1 && Array.isArray(generation.chunks) && Array.isArray(generation.files)
    && generation.chunks.every(({ hash, pack, offset, length }: Chunk) => /^[0-9a-f]{64}$/.test(hash) && PACK_NAME.test(pack) && Number.isSafeInteger(offset) && offset >= 0 && length > 0 && length <= CHUNK_BYTES)
    && generation.files.every(({ path: inside, bytes, chunks }: GenerationFile) => isInside(inside) && Number.isSafeInteger(bytes) && Array.isArray(chunks) && chunks.length === Math.ceil(bytes / CHUNK_BYTES)
      && chunks.every((index: number) => index === ZEROS || generation.chunks[index] !== undefined));
  if (!isSound) throw damagedReplica(`the list of the generation ${wanted} makes no sense`);
  return generation;
}

/** Reads chunks, every one compared with its hash; holds the packs open. */
export class ChunkReader implements AsyncDisposable {
  readonly #folder: string;
  readonly #packs = new Map<string, FileHandle>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** As it lies there. */
  async packed({ pack, offset, length }: Chunk): Promise<Buffer> {
    let file = this.#packs.get(pack);
    if (file === undefined) {
      file = await open(join(this.#folder, 'packs', pack), 'r').catch(() => { throw damagedReplica(`its pack ${pack} is missing`); });
      this.#packs.set(pack, file);
    }
    const bytes = Buffer.alloc(length);
    const { bytesRead } = await file.read(bytes, 0, length, offset);
    if (bytesRead !== length) throw damagedReplica(`its pack ${pack} is cut off`);
    return bytes;
  }

  async read(chunk: Chunk): Promise<Uint8Array> {
    const packed = await this.packed(chunk);
    let bytes: Uint8Array = packed;
    if (packed.length < CHUNK_BYTES) bytes = await decompress(packed, { maxOutputLength: CHUNK_BYTES }).catch(() => { throw damagedReplica(`a chunk in ${chunk.pack} can't be read`); });
    if (sha256(bytes) !== chunk.hash) throw damagedReplica(`a chunk in ${chunk.pack} is not what was written`);
    return bytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.#packs.values()) await file.close();
  }
}

/** Whole chunks only; the last one of a file is filled up with zeros. */
export async function packChunk(bytes: Uint8Array): Promise<Uint8Array> {
  const packed = await compress(bytes);
  return packed.length < CHUNK_BYTES ? packed : bytes;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function damagedReplica(how: string): ImageError {
  return new ImageError('replica.damaged', `the replica is damaged: ${how}`, 'use another generation, and replicate the machine anew into an empty folder');
}

function isInside(path: unknown): boolean {
  return typeof path === 'string' && path.length <= 1024 && !/[\\:\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}
