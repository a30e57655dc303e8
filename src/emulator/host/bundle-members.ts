/**
 * Members of a bundle as files that are read where they lie, every MiB checked by the manifest before any of it is given away.
 * The small ones, which are compressed, are taken out when a bundle is opened.
 */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { promisify } from 'node:util';
import { constants, inflateRaw, inflateRawSync } from 'node:zlib';
import type { BundlePlace } from '../../shared/vm-protocol.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { ImageError, readOnlyImage } from '../storage/image-error.ts';
import { BUNDLE_CHUNK_BYTES, ZERO_CHUNK, ZERO_CHUNK_SHA256, damagedBundle, extractMember, LOCAL_HEADER_BYTES, STORED_FROM_BYTES, tamperedMember, withBundle, type ListedBundle, type Member } from './bundle.ts';

/** Checked MiB that a reader keeps: disks and states are read in smaller pieces. */
const CHUNKS_KEPT = 8;
/** "PK\3\4", APPNOTE.TXT 4.3.7. */
const LOCAL_HEADER_SIGNATURE = 0x0403_4b50;
const NAME_LENGTH = 26;
const EXTRA_LENGTH = 28;
const STORED = 0;
const inflate = promisify(inflateRaw) as (bytes: Uint8Array, options: { finishFlush: number; maxOutputLength: number }) => Promise<Uint8Array>;
const TAKEN_OUT_MAXIMUM = 64 << 20;

/** Where a member's bytes are. It can be sent to another thread. */
export interface MemberPlace {
  readonly bundle: string;
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly sha256: readonly string[];
  /** As in `Member`. */
  readonly pieces?: readonly number[];
}

/** A VM folder below which a bundle lies: what isn't in the folder itself is in the bundle. */
export class MountedBundle {
  readonly #folder: string;
  readonly #members: ReadonlyMap<string, MemberPlace>;

  private constructor(folder: string, members: ReadonlyMap<string, MemberPlace>) {
    this.#folder = folder;
    this.#members = members;
  }

  /** Throws `ImageError`, also where the file isn't the bundle any more that it was. */
  static async open({ path, folder, manifestSha256 }: BundlePlace): Promise<MountedBundle> {
    const listed = await listMembers(path);
    if (listed.manifestSha256 !== manifestSha256) throw otherBundle(path);
    return new MountedBundle(folder, listed.places);
  }

  /** `undefined` for what is no member, or lies in the folder itself. */
  memberAt(path: string): MemberPlace | undefined {
    if (!path.startsWith(this.#folder + sep)) return undefined;
    const member = this.#members.get(path.slice(this.#folder.length + 1).split(sep).join('/'));
    return member === undefined || existsSync(path) ? undefined : member;
  }

  /** Members in the same folder whose names end so. */
  besides(path: string, ending: string): string[] {
    return [...this.#members.keys()].map((member) => join(this.#folder, ...member.split('/'))).filter((beside) => beside !== path && dirname(beside) === dirname(path) && beside.toLowerCase().endsWith(ending));
  }
}

export interface OpenedBundle {
  readonly manifestSha256: string;
  /** The public key that its signature fits. */
  readonly signer?: string;
  readonly unpackedBytes: number;
  readonly members: readonly { readonly path: string; readonly bytes: number }[];
}

/** Copies members into the VM folder below which their bundle lies; each appears when it is whole. Throws `ImageError`. */
export async function keepMembers({ path, folder, manifestSha256 }: BundlePlace, wanted: readonly string[], progress: (done: number) => void): Promise<{ readonly bytes: number }> {
  return withBundle(path, async (bundle) => {
    if (bundle.manifestSha256 !== manifestSha256) throw otherBundle(path);
    const copied = bundle.members.filter(({ member }) => wanted.includes(member.path) && !existsSync(join(folder, ...member.path.split('/'))));
    const total = Math.max(1, copied.reduce((sum, { member }) => sum + member.bytes, 0));
    let done = 0;
    for (const { member, entry } of copied) {
      const target = join(folder, ...member.path.split('/'));
      const beside = `${target}.${process.pid}.part`;
      try {
        await extractMember(bundle.zip, entry, member, beside, (bytes) => { progress((done += bytes) / total); });
        await rename(beside, target);
      } catch (error) {
        await rm(beside, { force: true });
        throw error;
      }
    }
    return { bytes: done };
  });
}

function otherBundle(path: string): ImageError {
  return new ImageError('bundle.other', `${path} is another bundle than the one that the machine was opened from`, 'put that one back, or discard the machine');
}

/** Takes the small members out into a new folder; answers with the others, which stay where they are. Throws `ImageError`. */
export async function openBundle(path: string, folder: string): Promise<OpenedBundle> {
  const { manifestSha256, signer, unpackedBytes, places } = await withBundle(path, async (bundle) => {
    await mkdir(folder);
    for (const { member, entry } of bundle.members) if (isTakenOut(member)) await extractMember(bundle.zip, entry, member, join(folder, ...member.path.split('/')), () => {});
    return { ...await placesOf(path, bundle), signer: bundle.signer, unpackedBytes: bundle.members.reduce((sum, { member }) => sum + member.bytes, 0) };
  });
  return { manifestSha256, ...(signer !== undefined && { signer }), unpackedBytes, members: [...places.values()].map((place) => ({ path: place.path, bytes: place.bytes })) };
}

/** Main reads these, and people look at them. */
function isTakenOut({ path, bytes }: Member): boolean {
  return bytes < STORED_FROM_BYTES || (bytes <= TAKEN_OUT_MAXIMUM && /^(?:machine|snapshots\/tree)\.json$|\.png$/.test(path));
}

function listMembers(path: string): Promise<{ manifestSha256: string; places: Map<string, MemberPlace> }> {
  return withBundle(path, (bundle) => placesOf(path, bundle));
}

async function placesOf(path: string, { manifestSha256, members }: ListedBundle): Promise<{ manifestSha256: string; places: Map<string, MemberPlace> }> {
  const places = new Map<string, MemberPlace>();
  const handle = await open(path, 'r');
  try {
    const { size } = await handle.stat();
    for (const { member, entry } of members) {
      if (isTakenOut(member)) continue;
      if (member.pieces === undefined && entry.compressionMethod !== STORED) throw new ImageError('bundle.packed', `the bundle's ${member.path} is compressed, so it can't be read in place`, 'import the bundle instead');
      const header = Buffer.alloc(LOCAL_HEADER_BYTES);
      await handle.read(header, 0, LOCAL_HEADER_BYTES, entry.relativeOffsetOfLocalHeader);
      const offset = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + header.readUInt16LE(NAME_LENGTH) + header.readUInt16LE(EXTRA_LENGTH);
      if (header.readUInt32LE(0) !== LOCAL_HEADER_SIGNATURE || offset + entry.compressedSize > size) throw damagedBundle(`is cut off, or damaged where ${member.path} is`);
      places.set(member.path, { bundle: path, path: member.path, offset, bytes: member.bytes, sha256: member.sha256, ...(member.pieces !== undefined && { pieces: member.pieces }) });
    }
  } finally {
    await handle.close();
  }
  return { manifestSha256, places };
}

/** The MiB that were checked last, oldest first. */
class CheckedChunks {
  readonly #place: MemberPlace;
  readonly #chunks = new Map<number, Uint8Array>();
  /** Where the pieces begin in the member. */
  readonly #starts: Float64Array | undefined;

  constructor(place: MemberPlace) {
    this.#place = place;
    if (place.pieces === undefined) return;
    const starts = this.#starts = new Float64Array(place.pieces.length);
    for (const [chunk, bytes] of place.pieces.slice(0, -1).entries()) starts[chunk + 1] = starts[chunk]! + bytes;
  }

  /** Where in the file a chunk lies; `undefined` of one that is known without being read. */
  extent(chunk: number): { readonly position: number; readonly bytes: number } | undefined {
    const { sha256, offset, pieces } = this.#place;
    if (sha256[chunk] === ZERO_CHUNK_SHA256 && this.bytesOf(chunk) === BUNDLE_CHUNK_BYTES) return undefined;
    return pieces === undefined ? { position: offset + chunk * BUNDLE_CHUNK_BYTES, bytes: this.bytesOf(chunk) } : { position: offset + this.#starts![chunk]!, bytes: pieces[chunk]! };
  }

  get isPacked(): boolean {
    return this.#starts !== undefined;
  }

  /** Of what an inflated piece may become. */
  inflateOptions(chunk: number): { readonly finishFlush: number; readonly maxOutputLength: number } {
    return { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: this.bytesOf(chunk) };
  }

  tampered(chunk: number): ImageError {
    return tamperedMember(this.#place.path, chunk);
  }

  bytesOf(chunk: number): number {
    return Math.min(BUNDLE_CHUNK_BYTES, this.#place.bytes - chunk * BUNDLE_CHUNK_BYTES);
  }

  get(chunk: number): Uint8Array | undefined {
    const found = this.#chunks.get(chunk);
    if (found === undefined) return undefined;
    this.#chunks.delete(chunk);
    this.#chunks.set(chunk, found);
    return found;
  }

  /** Throws `ImageError` where they are not what the manifest says. */
  check(chunk: number, contents: Uint8Array): Uint8Array {
    if (contents !== ZERO_CHUNK && (contents.length !== this.bytesOf(chunk) || createHash('sha256').update(contents).digest('hex') !== this.#place.sha256[chunk])) throw this.tampered(chunk);
    this.#chunks.set(chunk, contents);
    if (this.#chunks.size > CHUNKS_KEPT) this.#chunks.delete(this.#chunks.keys().next().value!);
    return contents;
  }
}

/** A member as the file of a disk image, a saved state, a kernel. */
export class MemberFile implements ByteFile {
  readonly readOnly = true;
  readonly #place: MemberPlace;
  readonly #handle: FileHandle;
  readonly #checked: CheckedChunks;
  /** Being read: nobody reads a MiB twice at once. */
  readonly #underWay = new Map<number, Promise<Uint8Array>>();

  private constructor(place: MemberPlace, handle: FileHandle) {
    this.#place = place;
    this.#handle = handle;
    this.#checked = new CheckedChunks(place);
  }

  static async open(place: MemberPlace): Promise<MemberFile> {
    return new MemberFile(place, await open(place.bundle, 'r'));
  }

  size(): Promise<number> {
    return Promise.resolve(this.#place.bytes);
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    const end = Math.min(target.length, Math.max(0, this.#place.bytes - position));
    for (let done = 0; done < end;) {
      const chunk = Math.floor((position + done) / BUNDLE_CHUNK_BYTES);
      const contents = this.#checked.get(chunk) ?? await this.#load(chunk);
      const within = position + done - chunk * BUNDLE_CHUNK_BYTES;
      const part = contents.subarray(within, within + end - done);
      target.set(part, done);
      done += part.length;
    }
    target.fill(0, end);
  }

  #load(chunk: number): Promise<Uint8Array> {
    const before = this.#underWay.get(chunk);
    if (before !== undefined) return before;
    const loading = this.#read(chunk).finally(() => this.#underWay.delete(chunk));
    this.#underWay.set(chunk, loading);
    return loading;
  }

  async #read(chunk: number): Promise<Uint8Array> {
    const extent = this.#checked.extent(chunk);
    if (extent === undefined) return this.#checked.check(chunk, ZERO_CHUNK);
    const read = new Uint8Array(extent.bytes);
    for (let done = 0; done < read.length;) {
      const { bytesRead } = await this.#handle.read(read, done, read.length - done, extent.position + done);
      if (bytesRead === 0) throw this.#checked.tampered(chunk);
      done += bytesRead;
    }
    const contents = this.#checked.isPacked ? await inflate(read, this.#checked.inflateOptions(chunk)).catch(() => { throw this.#checked.tampered(chunk); }) : read;
    return this.#checked.check(chunk, contents);
  }

  write(): Promise<void> {
    return Promise.reject(readOnlyImage());
  }

  truncate(): Promise<void> {
    return Promise.reject(readOnlyImage());
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  punchHole(): Promise<void> {
    return Promise.reject(readOnlyImage());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }
}

/** The same for a thread that can't wait for promises. */
export class SynchronousMember {
  readonly #place: MemberPlace;
  readonly #file: number;
  readonly #checked: CheckedChunks;

  constructor(place: MemberPlace) {
    this.#place = place;
    this.#file = openSync(place.bundle, 'r');
    this.#checked = new CheckedChunks(place);
  }

  /** As `readSync`: how many bytes were read, none behind the end. Throws `ImageError`. */
  read(target: Uint8Array, done: number, length: number, position: number): number {
    if (position >= this.#place.bytes) return 0;
    const chunk = Math.floor(position / BUNDLE_CHUNK_BYTES);
    const contents = this.#checked.get(chunk) ?? this.#load(chunk);
    const within = position - chunk * BUNDLE_CHUNK_BYTES;
    const part = contents.subarray(within, within + length);
    target.set(part, done);
    return part.length;
  }

  #load(chunk: number): Uint8Array {
    const extent = this.#checked.extent(chunk);
    if (extent === undefined) return this.#checked.check(chunk, ZERO_CHUNK);
    const read = new Uint8Array(extent.bytes);
    for (let done = 0; done < read.length;) {
      const bytesRead = readSync(this.#file, read, done, read.length - done, extent.position + done);
      if (bytesRead === 0) throw this.#checked.tampered(chunk);
      done += bytesRead;
    }
    return this.#checked.check(chunk, this.#checked.isPacked ? this.#inflate(chunk, read) : read);
  }

  #inflate(chunk: number, piece: Uint8Array): Uint8Array {
    try {
      return inflateRawSync(piece, this.#checked.inflateOptions(chunk));
    } catch {
      throw this.#checked.tampered(chunk);
    }
  }

  close(): void {
    closeSync(this.#file);
  }
}
