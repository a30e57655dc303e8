/**
 * Writes a VM folder as a bundle. Every member is one deflate stream (RFC 1951) of which each MiB begins anew at a whole byte, so
 * that any zip program unpacks it and a MiB can be read by itself; the manifest says how long the pieces are. In one pass: a
 * member's sizes are put into its header afterwards, and the manifest comes behind the members.
 */
import { createHash, randomBytes } from 'node:crypto';
import { open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { constants, crc32, deflateRaw, deflateRawSync } from 'node:zlib';
import { unfinishedPrefix } from '../../shared/unfinished-image.ts';
import { ImageError } from '../storage/image-error.ts';
import { BUNDLE_CHUNK_BYTES, MANIFEST, ZERO_CHUNK, ZERO_CHUNK_SHA256, type Manifest, type Member } from './bundle.ts';
import { SIGNATURE, signManifest } from './bundle-signature.ts';
import { syncFolder } from './sync-folder.ts';
import { writeAll } from './write-all.ts';

/** Not part of what a machine is. */
const LEFT_OUT = /^logs\/|\.(?:lock|part|new)$/;
/** How many MiB are compressed at once, by threads of the pool. */
const AT_ONCE = 4;
const deflate = promisify(deflateRaw) as (bytes: Uint8Array, options: { level: number; finishFlush: number }) => Promise<Buffer>;

/** Of a machine that is off. The file appears when it is whole. It is signed where a private key (PKCS #8, PEM) is given. */
export async function writeBundle(folder: string, path: string, progress: (done: number) => void, signWith?: string): Promise<{ readonly bytes: number }> {
  const paths = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll('\\', '/')).filter((inside) => !LEFT_OUT.test(inside)).sort();
  const sizes = await Promise.all(paths.map(async (inside) => (await stat(join(folder, inside))).size));
  const total = Math.max(1, sizes.reduce((sum, bytes) => sum + bytes, 0));
  let done = 0;
  const beside = join(dirname(path), `${unfinishedPrefix(basename(path), process.pid)}${randomBytes(4).toString('hex')}.part`);
  try {
    const file = await open(beside, 'wx');
    try {
      const zip = new ZipWriter(file);
      const members: Member[] = [];
      for (const inside of paths) members.push(await addFile(zip, folder, inside, (bytes) => { progress(Math.min(1, (done += bytes) / total)); }));
      const manifest = Buffer.from(JSON.stringify({ version: 2, chunkBytes: BUNDLE_CHUNK_BYTES, members } satisfies Manifest));
      await zip.addBytes(MANIFEST, manifest);
      if (signWith !== undefined) await zip.addBytes(SIGNATURE, Buffer.from(signManifest(manifest, signWith)));
      await zip.end();
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
    await syncFolder(dirname(path));
    return { bytes: (await stat(path)).size };
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function addFile(zip: ZipWriter, folder: string, inside: string, progress: (bytes: number) => void): Promise<Member> {
  const source = await open(join(folder, inside), 'r');
  try {
    const { size, mtimeMs } = await source.stat();
    const sha256: string[] = [];
    const pieces: number[] = [];
    await zip.begin(inside, size);
    for (let at = 0; at < size;) {
      const chunks: Promise<Chunk>[] = [];
      for (; chunks.length < AT_ONCE && at < size; at += BUNDLE_CHUNK_BYTES) chunks.push(packed(await readWhole(source, at, Math.min(BUNDLE_CHUNK_BYTES, size - at), inside), at + BUNDLE_CHUNK_BYTES >= size));
      for (const { contents, hash, piece } of await Promise.all(chunks)) {
        sha256.push(hash);
        pieces.push(piece.length);
        await zip.write(contents, piece);
        progress(contents.length);
      }
    }
    await zip.finish();
    const now = await source.stat();
    if (now.size !== size || now.mtimeMs !== mtimeMs) throw changed(inside);
    return { path: inside, bytes: size, sha256, pieces };
  } finally {
    await source.close();
  }
}

interface Chunk { readonly contents: Buffer; readonly hash: string; readonly piece: Buffer }

let zerosPiece: Buffer | undefined;

/** What a MiB becomes: nearly nothing where it is zeros, itself where compression gains little. */
async function packed(contents: Buffer, isLast: boolean): Promise<Chunk> {
  const finishFlush = isLast ? constants.Z_FINISH : constants.Z_FULL_FLUSH;
  if (!isLast && contents.equals(ZERO_CHUNK)) return { contents, hash: ZERO_CHUNK_SHA256, piece: zerosPiece ??= deflateRawSync(ZERO_CHUNK, { level: 9, finishFlush }) };
  const small = await deflate(contents, { level: 3, finishFlush });
  const piece = small.length < contents.length * 15 / 16 ? small : await deflate(contents, { level: 0, finishFlush });
  return { contents, hash: createHash('sha256').update(contents).digest('hex'), piece };
}

async function readWhole(source: FileHandle, position: number, bytes: number, inside: string): Promise<Buffer> {
  const contents = Buffer.allocUnsafe(bytes);
  for (let done = 0; done < bytes;) {
    const { bytesRead } = await source.read(contents, done, bytes - done, position + done);
    if (bytesRead === 0) throw changed(inside);
    done += bytesRead;
  }
  return contents;
}

function changed(inside: string): ImageError {
  return new ImageError('bundle.source-changed', `the machine's ${inside} has changed while it was exported`, 'leave the machine off, and export it again');
}

// APPNOTE.TXT 4.3: all names are UTF-8, all members deflated.
const LOCAL_HEADER = 0x0403_4b50;
const CENTRAL_HEADER = 0x0201_4b50;
const ZIP64_END = 0x0606_4b50;
const ZIP64_LOCATOR = 0x0706_4b50;
const END = 0x0605_4b50;
const UTF8_NAMES = 0x0800;
const DEFLATED = 8;
const VERSION_ZIP64 = 45;
const MADE_BY_UNIX = 3 << 8;
const REGULAR_FILE = (0o100644 << 16) >>> 0;
const ZIP64_EXTRA = 1;
const MAXIMUM_32 = 0xffff_ffff;
const MAXIMUM_16 = 0xffff;
/** 1980-01-01: a bundle doesn't tell when it was made. */
const DOS_DATE = 0x21;

interface Written { readonly name: Buffer; readonly offset: number; bytes: number; packedBytes: number; crc: number }

/** yazl compresses what it is given and knows no stream that begins anew in its middle; the three records that it takes are here. */
class ZipWriter {
  readonly #file: FileHandle;
  readonly #members: Written[] = [];
  #position = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async addBytes(name: string, contents: Buffer): Promise<void> {
    await this.begin(name, contents.length);
    await this.write(contents, deflateRawSync(contents));
    await this.finish();
  }

  async begin(name: string, bytes: number): Promise<void> {
    const member: Written = { name: Buffer.from(name), offset: this.#position, bytes, packedBytes: 0, crc: 0 };
    this.#members.push(member);
    await this.#append(localHeader(member));
  }

  /** `piece` is what `contents` became. */
  async write(contents: Uint8Array, piece: Uint8Array): Promise<void> {
    const member = this.#members.at(-1)!;
    member.crc = crc32(contents, member.crc);
    member.packedBytes += piece.length;
    await this.#append(piece);
  }

  async finish(): Promise<void> {
    const member = this.#members.at(-1)!;
    if (member.bytes === 0) await this.write(new Uint8Array(), deflateRawSync(new Uint8Array()));
    await writeAll(this.#file, localHeader(member), member.offset);
  }

  async end(): Promise<void> {
    const start = this.#position;
    for (const member of this.#members) await this.#append(centralHeader(member));
    const bytes = this.#position - start;
    const count = this.#members.length;
    if (count >= MAXIMUM_16 || start >= MAXIMUM_32 || bytes >= MAXIMUM_32) {
      const zip64 = record(56, (field) => { field(4, ZIP64_END); field(8, 44); field(2, MADE_BY_UNIX | VERSION_ZIP64); field(2, VERSION_ZIP64); field(4, 0); field(4, 0); field(8, count); field(8, count); field(8, bytes); field(8, start); });
      const locator = record(20, (field) => { field(4, ZIP64_LOCATOR); field(4, 0); field(8, this.#position); field(4, 1); });
      await this.#append(zip64);
      await this.#append(locator);
    }
    const small = (value: number, maximum: number): number => Math.min(value, maximum);
    await this.#append(record(22, (field) => { field(4, END); field(4, 0); field(2, small(count, MAXIMUM_16)); field(2, small(count, MAXIMUM_16)); field(4, small(bytes, MAXIMUM_32)); field(4, small(start, MAXIMUM_32)); field(2, 0); }));
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await writeAll(this.#file, bytes, this.#position);
    this.#position += bytes.length;
  }
}

/** Of the same length before and after its member is known. */
function localHeader({ name, bytes, packedBytes, crc }: Written): Buffer {
  // What doesn't compress becomes a little longer.
  const isLong = bytes >= 0xff00_0000;
  const extra = isLong ? 20 : 0;
  return record(30 + name.length + extra, (field, text) => {
    field(4, LOCAL_HEADER); field(2, VERSION_ZIP64); field(2, UTF8_NAMES); field(2, DEFLATED); field(2, 0); field(2, DOS_DATE);
    field(4, crc); field(4, isLong ? MAXIMUM_32 : packedBytes); field(4, isLong ? MAXIMUM_32 : bytes); field(2, name.length); field(2, extra);
    text(name);
    if (isLong) { field(2, ZIP64_EXTRA); field(2, 16); field(8, bytes); field(8, packedBytes); }
  });
}

function centralHeader({ name, offset, bytes, packedBytes, crc }: Written): Buffer {
  const long = [bytes, packedBytes, offset].filter((value) => value >= MAXIMUM_32);
  const extra = long.length === 0 ? 0 : 4 + 8 * long.length;
  const short = (value: number): number => Math.min(value, MAXIMUM_32);
  return record(46 + name.length + extra, (field, text) => {
    field(4, CENTRAL_HEADER); field(2, MADE_BY_UNIX | VERSION_ZIP64); field(2, VERSION_ZIP64); field(2, UTF8_NAMES); field(2, DEFLATED); field(2, 0); field(2, DOS_DATE);
    field(4, crc); field(4, short(packedBytes)); field(4, short(bytes)); field(2, name.length); field(2, extra); field(2, 0); field(2, 0); field(2, 0);
    field(4, REGULAR_FILE); field(4, short(offset));
    text(name);
    if (long.length > 0) { field(2, ZIP64_EXTRA); field(2, 8 * long.length); for (const value of long) field(8, value); }
  });
}

/** Fields one after the other, by their widths in bytes. */
function record(bytes: number, fill: (field: (width: 2 | 4 | 8, value: number) => void, text: (bytes: Buffer) => void) => void): Buffer {
  const made = Buffer.alloc(bytes);
  let at = 0;
  fill((width, value) => {
    if (width === 2) made.writeUInt16LE(value, at);
    else if (width === 4) made.writeUInt32LE(value, at);
    else made.writeBigUInt64LE(BigInt(value), at);
    at += width;
  }, (text) => { at += text.copy(made, at); });
  return made;
}
