/** A new image, written beside its place and put there when it is whole; until then its place is as it was. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, link, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { DiskFormat } from '../../shared/disk-format.ts';
import { unfinishedPrefix } from '../../shared/unfinished-image.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { contentIdOf, createImage, type Birth, type NewImage } from '../storage/create-image.ts';
import { ImageError } from '../storage/image-error.ts';
import { openImage } from '../storage/open-image.ts';
import { writeStreamOptimized } from '../storage/vmdk/stream-optimized.ts';
import type { NewParts } from '../storage/vmdk/vmdk-image.ts';
import { describeFileError, HostByteFile, hostBytes } from './file-bytes.ts';
import { refuseFileInUse } from './file-lock.ts';
import { HostImageFiles } from './image-files.ts';
import { zlibCompression } from './zlib-compression.ts';

export class NewImageFile implements AsyncDisposable {
  readonly #place: string;
  readonly #beside: string;
  readonly #replace: boolean;
  readonly #partPaths: string[] = [];
  #isFinished = false;

  private constructor(place: string, beside: string, replace: boolean) {
    this.#place = place;
    this.#beside = beside;
    this.#replace = replace;
  }

  /**
   * `isLocked`: the caller has the file that is to be replaced open. Whoever could read the file that is replaced, or else the
   * one `like` which the image is to be, can read it. Throws `ImageError` and `StartError`.
   */
  static async make(path: string, replace: boolean, { isLocked = false, like }: { isLocked?: boolean; like?: string } = {}): Promise<NewImageFile> {
    // A link stays a link.
    const place = await realpath(path).catch(() => path);
    if (existsSync(place)) {
      if (!replace) throw existsAlready(path);
      if (!isLocked) await refuseFileInUse(place);
    }
    const beside = join(dirname(place), `${unfinishedPrefix(basename(place), process.pid)}${randomBytes(4).toString('hex')}.new`);
    try {
      await (await open(beside, 'wx', 0o600)).close();
      await takeRights(beside, [place, ...(like === undefined ? [] : [like])]);
    } catch (error) {
      await rm(beside, { force: true });
      throw describeFileError(error, path, 'read-write');
    }
    return new NewImageFile(place, beside, replace);
  }

  /** `uuid`: whose successor it is; one of its own where that is left out. */
  async create(image: NewImage, uuid?: Uint8Array): Promise<void> {
    await using file = await HostByteFile.open(this.#beside, 'read-write');
    const birth = newBirth();
    await createImage(file, image, uuid === undefined ? birth : { ...birth, uuid }, this.#parts());
  }

  /** Compressed, from its beginning to its end. */
  async writeStream(source: DiskImage, progress: (bytes: number) => void): Promise<void> {
    await using file = await HostByteFile.open(this.#beside, 'read-write', { writesBehind: true });
    await writeStreamOptimized({ source, file, compression: zlibCompression, name: basename(this.#place), contentId: contentIdOf(newBirth()), progress });
  }

  /** Further files of an image have their names at once: until the image is in its place nothing names them. */
  #parts(): NewParts {
    const folder = dirname(this.#place);
    return {
      stem: basename(this.#place).replace(/\.[^.]*$/, ''),
      create: async (name) => {
        const path = join(folder, name);
        try {
          await (await open(path, 'wx', 0o600)).close();
          await takeRights(path, [this.#beside]);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new ImageError('disk.exists', `${path} exists already`, 'choose another name');
          throw describeFileError(error, path, 'read-write');
        }
        this.#partPaths.push(path);
        return HostByteFile.open(path, 'read-write');
      },
    };
  }

  /** Without what is below it: only its own. */
  open(format: DiskFormat): Promise<DiskImage> {
    return openImage({ path: this.#beside, name: basename(this.#place), format, readOnly: false, files: new HostImageFiles([], { writesBehind: true }), compression: zlibCompression, withoutBacking: true });
  }

  hostBytes(): Promise<number> {
    return hostBytes(this.#beside);
  }

  /** Puts it into its place. Everything written must be flushed. */
  async finish(): Promise<void> {
    if (this.#replace) await rename(this.#beside, this.#place);
    else await moveToFreePlace(this.#beside, this.#place);
    this.#isFinished = true;
    await syncFolder(dirname(this.#place));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isFinished) for (const path of [this.#beside, ...this.#partPaths]) await rm(path, { force: true });
  }
}

function existsAlready(path: string): ImageError {
  return new ImageError('disk.exists', `${path} exists already`, 'choose another name, or give --force to replace it');
}

/** Never onto a file that has come into being meanwhile. Throws `ImageError`. */
async function moveToFreePlace(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST' || existsSync(to)) throw existsAlready(to);
    // A file system without hard links.
    await rename(from, to);
    return;
  }
  await rm(from);
}

/** The mode and, where we may give it away, the owner of the first of `models` that is there; else what is usual. */
async function takeRights(path: string, models: readonly string[]): Promise<void> {
  for (const model of models) {
    const status = await stat(model).catch(() => undefined);
    if (status?.isFile() !== true) continue;
    await chown(path, status.uid, status.gid).catch(() => {});
    // What is made by converting is written at least by its owner.
    await chmod(path, (status.mode & 0o777) | 0o600);
    return;
  }
  await chmod(path, 0o666 & ~process.umask());
}

function newBirth(): Birth {
  const uuid = new Uint8Array(randomBytes(16));
  // RFC 9562, version 4.
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return { uuid, epochSeconds: Date.now() / 1000 };
}

/** How the image at `path` is to name its backing file: from its own folder where the file is below that. */
export async function nameOfBacking(path: string, backingPath: string): Promise<string> {
  const folder = await realpath(dirname(path)).catch(() => dirname(path));
  const real = await realpath(backingPath).catch(() => backingPath);
  const name = relative(folder, real);
  return name.startsWith('..') || name === '' ? real : name.split(sep).join('/');
}

/** Makes a rename last. Where folders can't be synced the system does it by itself. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows, and some network file systems.
  }
}
