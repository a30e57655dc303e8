/**
 * Bundles: a VM folder as one zip file, made by `bundle-writer.ts`. `manifest.json` holds a SHA-256 for every MiB of each member,
 * by which it is checked as it is read, and where each can be read by itself. A bundle may come from anybody.
 */
import { createHash } from 'node:crypto';
import { mkdir, open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { openPromise, type Entry, type ZipFile as OpenedZip } from 'yauzl';
import { ImageError } from '../storage/image-error.ts';
import { SIGNATURE, SIGNATURE_BYTES_MAXIMUM, signerOf } from './bundle-signature.ts';

export const MANIFEST = 'manifest.json';
export const BUNDLE_CHUNK_BYTES = 1 << 20;
export const ZERO_CHUNK = new Uint8Array(BUNDLE_CHUNK_BYTES);
export const ZERO_CHUNK_SHA256 = '30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58';
/** Without name and extra fields. */
export const LOCAL_HEADER_BYTES = 30;
const MANIFEST_BYTES_MAXIMUM = 256 << 20;
const MEMBERS_MAXIMUM = 10_000;
const DEFLATED = 8;
/** Smaller ones are taken out when a bundle is opened in place. */
export const STORED_FROM_BYTES = 1 << 16;

export interface Member {
  readonly path: string;
  readonly bytes: number;
  /** Of each MiB, in hexadecimal digits. */
  readonly sha256: readonly string[];
  /** How many bytes of the member's deflate stream each MiB takes; absent in version 1, where large members are stored. */
  readonly pieces?: readonly number[];
}

export interface Manifest {
  readonly version: 1 | 2;
  readonly chunkBytes: number;
  readonly members: readonly Member[];
}

export function damagedBundle(how: string): ImageError {
  return new ImageError('bundle.damaged', `the bundle ${how}`, 'get a complete copy of it');
}

export function tamperedMember(path: string, chunk: number): ImageError {
  return new ImageError('bundle.tampered', `the bundle's ${printable(path)} is not what its manifest says (MiB ${chunk})`, 'get another copy of it, and not from whoever changed it');
}

/** Into a new folder, every byte of it checked. Where that fails nothing is left of it. `wantedSha256` is of the manifest that somebody has looked at. */
export async function readBundle(path: string, folder: string, progress: (done: number) => void, wantedSha256?: string): Promise<void> {
  await withBundle(path, async ({ zip, members, manifestSha256 }) => {
    if (wantedSha256 !== undefined && wantedSha256 !== manifestSha256) throw new ImageError('bundle.changed', `${path} has changed since it was looked at`, 'look at it again');
    try {
      const total = Math.max(1, members.reduce((sum, { member }) => sum + member.bytes, 0));
      let done = 0;
      await mkdir(folder);
      for (const { member, entry } of members) await extractMember(zip, entry, member, join(folder, ...member.path.split('/')), (bytes) => { progress((done += bytes) / total); });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  });
}

/** A bundle whose list of members is what its manifest says; their contents are checked as they are read. */
export interface ListedBundle {
  readonly zip: OpenedZip;
  readonly manifestSha256: string;
  /** The public key that the manifest's signature fits, as in `signerOf`. */
  readonly signer: string | undefined;
  readonly members: readonly { readonly member: Member; readonly entry: Entry }[];
}

/** Throws `ImageError`, also for whatever goes wrong in reading a zip file. */
export async function withBundle<T>(path: string, work: (bundle: ListedBundle) => Promise<T>): Promise<T> {
  let zip: OpenedZip;
  try {
    zip = await openPromise(path, { lazyEntries: true, validateEntrySizes: true, strictFileNames: true, autoClose: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new ImageError('media.missing', `${path} does not exist`, 'check the path');
    throw damagedBundle('is cut off, or no bundle');
  }
  try {
    const entries = await entriesOf(zip);
    const { manifest, manifestSha256, signer } = await manifestOf(zip, entries.get(MANIFEST), entries.get(SIGNATURE));
    if (entries.size !== manifest.members.length + (signer === undefined ? 1 : 2)) throw damagedBundle('holds what its manifest doesn\'t name');
    const members = manifest.members.map((member) => {
      const entry = entries.get(member.path);
      if (entry !== undefined && member.bytes > 0 && member.pieces !== undefined && (entry.compressionMethod !== DEFLATED || entry.compressedSize !== member.pieces.reduce((sum, bytes) => sum + bytes, 0))) throw damagedBundle(`has pieces of ${printable(member.path)} that don't make a whole`);
      if (entry === undefined || entry.uncompressedSize !== member.bytes) throw damagedBundle(`lacks ${printable(member.path)}, or has another one`);
      return { member, entry };
    });
    mustNotOverlap(entries.values());
    return await work({ zip, manifestSha256, signer, members });
  } catch (error) {
    // What the file system says has its own words; zlib and yauzl say that the bundle is damaged.
    if (error instanceof ImageError || 'syscall' in (error as Error)) throw error;
    throw damagedBundle(`can't be read (${error instanceof Error ? printable(error.message) : 'unknown error'})`);
  } finally {
    zip.close();
  }
}

/** Members that share bytes let a small file pretend to be a huge one. */
function mustNotOverlap(entries: Iterable<Entry>): void {
  const ordered = [...entries].toSorted((one, other) => one.relativeOffsetOfLocalHeader - other.relativeOffsetOfLocalHeader);
  for (const [index, entry] of ordered.entries()) {
    const next = ordered[index + 1];
    const end = entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + entry.compressedSize;
    if (next !== undefined && end > next.relativeOffsetOfLocalHeader) throw damagedBundle(`has members that overlap (${printable(entry.fileName)})`);
  }
}

async function entriesOf(zip: OpenedZip): Promise<Map<string, Entry>> {
  if (zip.entryCount > MEMBERS_MAXIMUM) throw damagedBundle('has far too many members');
  const entries = new Map<string, Entry>();
  for await (const entry of zip.eachEntry()) {
    // yauzl has refused absolute names and those that lead out.
    if (entries.has(entry.fileName) || entry.fileName.endsWith('/') || entry.isEncrypted()) throw damagedBundle(`has the member ${printable(entry.fileName)} twice, or of a kind that no bundle has`);
    entries.set(entry.fileName, entry);
  }
  return entries;
}

async function manifestOf(zip: OpenedZip, entry: Entry | undefined, signature: Entry | undefined): Promise<{ manifest: Manifest; manifestSha256: string; signer: string | undefined }> {
  if (entry === undefined || entry.uncompressedSize > MANIFEST_BYTES_MAXIMUM) throw new ImageError('bundle.no-manifest', 'the file is no bundle of Guesthouse: it has no manifest', 'choose a file that "guesthouse export" has made');
  const bytes = await contentsOf(zip, entry);
  if (signature !== undefined && signature.uncompressedSize > SIGNATURE_BYTES_MAXIMUM) throw damagedBundle('has a signature that is far too large');
  // Before anything is made of what it says.
  const signer = signature === undefined ? undefined : signerOf(await contentsOf(zip, signature), bytes);
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(bytes.toString('utf8')) as Partial<Manifest>;
  } catch {
    throw damagedBundle('has a damaged manifest');
  }
  if (typeof manifest.version === 'number' && manifest.version > 2) throw new ImageError('bundle.newer', `the bundle has the version ${manifest.version}, and this Guesthouse knows version 2`, 'use a newer Guesthouse');
  const { members } = manifest;
  const isSound = (manifest.version === 1 || manifest.version === 2) && manifest.chunkBytes === BUNDLE_CHUNK_BYTES && Array.isArray(members) && members.length <= MEMBERS_MAXIMUM && members.every((member: Partial<Member> | null) => (
    typeof member?.path === 'string' && isPathInside(member.path) && Number.isSafeInteger(member.bytes) && member.bytes! >= 0 && Array.isArray(member.sha256)
    && member.sha256.length === Math.ceil(member.bytes! / BUNDLE_CHUNK_BYTES) && member.sha256.every((hash) => typeof hash === 'string') && arePieces(member.pieces, member.sha256.length, manifest.version!)));
  if (!isSound) throw damagedBundle('has a manifest that makes no sense');
  return { manifest: manifest as Manifest, manifestSha256: createHash('sha256').update(bytes).digest('hex'), signer };
}

/** A piece of incompressible bytes is longer than they are. */
const PIECE_BYTES_MAXIMUM = 2 * BUNDLE_CHUNK_BYTES;

function arePieces(pieces: unknown, chunks: number, version: number): boolean {
  if (version === 1) return pieces === undefined;
  return Array.isArray(pieces) && pieces.length === chunks && pieces.every((bytes) => Number.isSafeInteger(bytes) && bytes > 0 && bytes <= PIECE_BYTES_MAXIMUM);
}

async function contentsOf(zip: OpenedZip, entry: Entry): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of await zip.openReadStreamPromise(entry) as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function extractMember(zip: OpenedZip, entry: Entry, { path, sha256 }: Member, target: string, progress: (bytes: number) => void): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, 'wx');
  try {
    const hashes = new ChunkHashes();
    let at = 0;
    for await (const piece of await zip.openReadStreamPromise(entry) as AsyncIterable<Buffer>) {
      hashes.add(piece);
      // Zeros stay holes.
      if (piece.some((byte) => byte !== 0)) for (let done = 0; done < piece.length;) done += (await file.write(piece, done, piece.length - done, at + done)).bytesWritten;
      at += piece.length;
      progress(piece.length);
    }
    await file.truncate(at);
    await file.sync();
    const wrong = hashes.end().sha256.findIndex((hash, chunk) => hash !== sha256[chunk]);
    if (wrong >= 0) throw tamperedMember(path, wrong);
  } finally {
    await file.close();
  }
}

class ChunkHashes {
  readonly #hashes: string[] = [];
  #hash = createHash('sha256');
  #filled = 0;
  #bytes = 0;

  add(piece: Uint8Array): void {
    for (let from = 0; from < piece.length;) {
      const part = piece.subarray(from, from + BUNDLE_CHUNK_BYTES - this.#filled);
      this.#hash.update(part);
      this.#filled += part.length;
      from += part.length;
      if (this.#filled === BUNDLE_CHUNK_BYTES) this.#next();
    }
    this.#bytes += piece.length;
  }

  end(): { bytes: number; sha256: string[] } {
    if (this.#filled > 0) this.#next();
    return { bytes: this.#bytes, sha256: this.#hashes };
  }

  #next(): void {
    this.#hashes.push(this.#hash.digest('hex'));
    this.#hash = createHash('sha256');
    this.#filled = 0;
  }
}

function isPathInside(path: string): boolean {
  return path.length <= 1024 && path !== MANIFEST && path !== SIGNATURE && !/[\\:\0]/.test(path) && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

function printable(text: string): string {
  return text.slice(0, 100).replace(/\p{C}/gu, '?');
}
