/** The files that images are in, and which files an image may name. */
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { ImageError, printable } from '../storage/image-error.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { checkRawBase } from '../storage/open-image.ts';
import type { ImageFiles } from '../storage/image-files.ts';
import { MemberFile, type MountedBundle } from './bundle-members.ts';
import { describeFileError, HostByteFile, type FileAccess } from './file-bytes.ts';

/** As in `nbd://host`, `json:{…}`, `file:name`; a drive letter is none. */
const PROTOCOL = /^[a-z][a-z0-9+.-]+:/i;

const FILES_BESIDE_MAXIMUM = 1000;

export class HostImageFiles implements ImageFiles {
  readonly #allowedFolders: readonly string[];
  readonly #isLooking: boolean;
  readonly #bundle: MountedBundle | undefined;
  readonly #writesBehind: boolean | undefined;

  /**
   * `allowedFolders`: where, besides its own folder, files may lie that an image names. `isLooking`: others may write what is read.
   * `bundle` is where files may be besides. `writesBehind`: as of `HostByteFile`.
   */
  constructor(allowedFolders: readonly string[] = [], { isLooking = false, bundle, writesBehind }: { readonly isLooking?: boolean; readonly bundle?: MountedBundle | undefined; readonly writesBehind?: boolean } = {}) {
    this.#allowedFolders = allowedFolders;
    this.#isLooking = isLooking;
    this.#bundle = bundle;
    this.#writesBehind = writesBehind;
  }

  open(path: string, access: FileAccess): Promise<ByteFile> {
    const member = this.#bundle?.memberAt(path);
    if (member !== undefined) return access === 'read-write' ? Promise.reject(new ImageError('media.no-permission', `${path} is in a bundle, which nobody writes`, 'attach it read-only, or keep the machine')) : MemberFile.open(member);
    return HostByteFile.open(path, this.#isLooking && access === 'read-only' ? 'look' : access, { writesBehind: this.#writesBehind });
  }

  async resolve(from: string, name: string): Promise<string> {
    if (name.includes('\0') || PROTOCOL.test(name)) throw new ImageError('image.foreign-file', `the image ${from} names "${printable(name)}", which is no file`, 'convert it with "qemu-img convert"');
    const beside = isAbsolute(name) ? undefined : join(dirname(from), ...name.split('/'));
    if (beside !== undefined && this.#bundle?.memberAt(beside) !== undefined) return beside;
    if (this.#bundle?.memberAt(from) !== undefined) throw new ImageError('image.backing-missing', `the image ${from} names the file ${printable(name)}, which is not in its bundle`, 'get a complete copy of the bundle');
    const folder = dirname(await realpathOf(from));
    const path = isAbsolute(name) ? name : join(folder, ...name.split('/'));
    const real = await realpathOf(path, from);
    if (!(await stat(real)).isFile()) throw new ImageError('image.foreign-file', `the image ${from} names ${printable(path)}, which is no file`, 'convert it with "qemu-img convert"');
    for (const allowed of [folder, ...this.#allowedFolders]) {
      const root = await realpath(resolve(allowed)).catch(() => undefined);
      const within = root === undefined ? undefined : root.endsWith(sep) ? root : root + sep;
      if (within === undefined || !real.startsWith(within)) continue;
      // Keys, settings and histories of programs.
      if (real.slice(within.length).split(sep).some((part) => part.startsWith('.'))) throw new ImageError('image.foreign-file', `the image ${from} names the hidden file ${printable(real)}`, 'give the file and its folder names without a dot at their beginning');
      return real;
    }
    throw new ImageError('image.outside-folder', `the image ${from} names the file ${printable(real)}, which lies outside its folder`, `allow it with backing-folder=${printable(dirname(real))} if that is meant`);
  }

  async besides(path: string, ending: string): Promise<string[]> {
    if (this.#bundle?.memberAt(path) !== undefined) return this.#bundle.besides(path, ending);
    const folder = dirname(await realpathOf(path));
    const names = await readdir(folder).catch(() => []);
    return names.filter((name) => name.toLowerCase().endsWith(ending)).slice(0, FILES_BESIDE_MAXIMUM).map((name) => join(folder, name)).filter((beside) => beside !== path);
  }

  async identity(path: string): Promise<string> {
    if (this.#bundle?.memberAt(path) !== undefined) return `bundle ${path}`;
    try {
      const { dev, ino } = await stat(path, { bigint: true });
      return `${dev}:${ino}`;
    } catch (error) {
      throw describeFileError(error, path, 'read-only');
    }
  }
}

/** Throws `ImageError` where a raw file may not lie below another image, and what opening it throws. */
export async function checkRawFile(path: string, bundle?: MountedBundle): Promise<void> {
  await using file = await new HostImageFiles([], { bundle }).open(path, 'look');
  await checkRawBase(path, file);
}

async function realpathOf(path: string, namedBy?: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (namedBy === undefined || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw describeFileError(error, path, 'read-only');
    throw new ImageError('image.backing-missing', `the image ${namedBy} names the file ${printable(path)}, which does not exist`, 'put it there');
  }
}
