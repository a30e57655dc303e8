/** A new image, written beside its place and put there when it is whole; until then its place is as it was. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { createImage, type NewImage } from '../storage/create-image.ts';
import { ImageError } from '../storage/image-error.ts';
import { openImage } from '../storage/open-image.ts';
import { describeFileError, HostByteFile, refuseFileInUse } from './file-bytes.ts';
import { HostImageFiles } from './image-files.ts';
import { zlibCompression } from './zlib-compression.ts';

export class NewImageFile implements AsyncDisposable {
  readonly #place: string;
  readonly #beside: string;
  #isFinished = false;

  private constructor(place: string, beside: string) {
    this.#place = place;
    this.#beside = beside;
  }

  /** `isLocked`: the caller has the file that is to be replaced open. Throws `ImageError` and `StartError`. */
  static async make(path: string, replace: boolean, { isLocked = false } = {}): Promise<NewImageFile> {
    // A link stays a link.
    const place = await realpath(path).catch(() => path);
    if (existsSync(place)) {
      if (!replace) throw new ImageError('disk.exists', `${path} exists already`, 'choose another name, or give --force to replace it');
      if (!isLocked) await refuseFileInUse(place);
    }
    const beside = join(dirname(place), `.${basename(place)}.${randomBytes(4).toString('hex')}.new`);
    try {
      await (await open(beside, 'wx', 0o644)).close();
    } catch (error) {
      throw describeFileError(error, path, 'read-write');
    }
    return new NewImageFile(place, beside);
  }

  async create(image: NewImage): Promise<void> {
    await using file = await HostByteFile.open(this.#beside, 'read-write');
    await createImage(file, image);
  }

  /** Without what is below it: only its own. */
  open(format: DiskFormat): Promise<DiskImage> {
    return openImage({ path: this.#beside, format, readOnly: false, files: new HostImageFiles(), compression: zlibCompression, withoutBacking: true });
  }

  /** Puts it into its place. Everything written must be flushed. */
  async finish(): Promise<void> {
    await rename(this.#beside, this.#place);
    this.#isFinished = true;
    await syncFolder(dirname(this.#place));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isFinished) await rm(this.#beside, { force: true });
  }
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
