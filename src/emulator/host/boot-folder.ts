/** A folder whose files guests load by TFTP: what a guest names is looked for in it and nowhere else. */
import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { BootFile, BootFileProblem, BootFiles } from '../network/services/tftp-server.ts';

/** Far beyond every kernel and initial RAM disk. */
const FILE_MAXIMUM_BYTES = 2 ** 32;
const PARTS_MAXIMUM = 32;
/** Names of devices, streams and drives on Windows: nowhere, so that a folder means the same on every host. */
const NAME_OF_NO_FILE = /[<>:"|?*]|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?$|[. ]$/i;

export class BootFolder implements BootFiles {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async open(name: string): Promise<BootFile | BootFileProblem> {
    const parts = partsOf(name);
    if (parts === undefined) return 'refused';
    let handle: FileHandle | undefined;
    try {
      const folder = await realpath(this.#path);
      const path = await realpath(join(folder, ...parts));
      // A link may lead to another place in the folder, and to none outside.
      if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep)) return 'refused';
      // The path has no links now. A pipe would keep one waiting for somebody at its other end.
      handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
      const status = await handle.stat();
      if (!status.isFile()) {
        await handle.close();
        return 'refused';
      }
      if (status.size > FILE_MAXIMUM_BYTES) {
        await handle.close();
        return 'too-large';
      }
      return new OpenBootFile(handle, status.size);
    } catch (error) {
      await handle?.close().catch(() => {});
      const { code } = error as NodeJS.ErrnoException;
      return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG' ? 'not-found' : 'refused';
    }
  }
}

class OpenBootFile implements BootFile {
  readonly bytes: number;
  readonly #handle: FileHandle;
  #reading: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(handle: FileHandle, bytes: number) {
    this.#handle = handle;
    this.bytes = bytes;
  }

  read(offset: number, length: number): Promise<Uint8Array> {
    const read = this.#read(offset, length);
    this.#reading = read.catch(() => {});
    return read;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    void this.#reading.then(() => this.#handle.close()).catch(() => {});
  }

  async #read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  }
}

/** Old systems write their own separator, and many a leading one. `undefined`: a name that leads elsewhere, or to no file. */
function partsOf(name: string): string[] | undefined {
  const parts = name.replaceAll('\\', '/').split('/').filter((part) => part !== '' && part !== '.');
  return parts.length === 0 || parts.length > PARTS_MAXIMUM || parts.some((part) => part === '..' || NAME_OF_NO_FILE.test(part)) ? undefined : parts;
}
