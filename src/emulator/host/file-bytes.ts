/** A host file as random-access bytes. Writable files are locked by a file beside them, so that no two machines write one image. */
import { constants } from 'node:fs';
import { open, readFile, unlink, type FileHandle } from 'node:fs/promises';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { StartError } from './start-error.ts';

const ZERO_CHUNK_BYTES = 1 << 20;

export class HostByteFile implements ByteFile {
  readonly readOnly: boolean;
  readonly #handle: FileHandle;
  readonly #lockPath: string | undefined;

  private constructor(handle: FileHandle, readOnly: boolean, lockPath: string | undefined) {
    this.#handle = handle;
    this.readOnly = readOnly;
    this.#lockPath = lockPath;
  }

  /** Throws `StartError` when the file is missing, not a file, not permitted or in use by another machine. */
  static async open(path: string, access: 'read-only' | 'read-write'): Promise<HostByteFile> {
    let handle: FileHandle;
    try {
      handle = await open(path, access === 'read-only' ? constants.O_RDONLY : constants.O_RDWR);
    } catch (error) {
      throw describeFileError(error, path, access);
    }
    const lockPath = `${path}.lock`;
    try {
      const status = await handle.stat();
      if (status.isDirectory()) throw new StartError('media.not-a-file', `${path} is a folder`, 'name an image file');
      const locked = access === 'read-write' && status.isFile() && (await takeLock(path, lockPath));
      return new HostByteFile(handle, access === 'read-only', locked ? lockPath : undefined);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await this.#handle.read(target, done, target.length - done, position + done);
      if (bytesRead === 0) {
        target.fill(0, done);
        return;
      }
      done += bytesRead;
    }
  }

  async write(position: number, source: Uint8Array): Promise<void> {
    for (let done = 0; done < source.length; ) {
      const { bytesWritten } = await this.#handle.write(source, done, source.length - done, position + done);
      done += bytesWritten;
    }
  }

  async truncate(size: number): Promise<void> {
    await this.#handle.truncate(size);
  }

  async flush(): Promise<void> {
    if (!this.readOnly) await this.#handle.datasync();
  }

  async punchHole(position: number, length: number): Promise<void> {
    const size = await this.size();
    const end = Math.min(position + length, size);
    if (end <= position) return;
    if (end === size) {
      // Cutting the end off and growing the file again leaves a hole on every file system that knows holes.
      await this.#handle.truncate(position);
      await this.#handle.truncate(size);
      return;
    }
    const zeros = new Uint8Array(Math.min(ZERO_CHUNK_BYTES, end - position));
    for (let at = position; at < end; at += zeros.length) await this.write(at, zeros.subarray(0, Math.min(zeros.length, end - at)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    if (this.#lockPath !== undefined) await unlink(this.#lockPath).catch(() => {});
  }
}

/**
 * Node has no advisory locks, so a file that names the owner's process does. Returns false where the folder can't be
 * written: then nobody can lock. A lock whose process is gone is taken over.
 */
async function takeLock(path: string, lockPath: string): Promise<boolean> {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const lock = await open(lockPath, 'wx');
      await lock.writeFile(`${process.pid}\n`);
      await lock.close();
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const owner = Number.parseInt(await readFile(lockPath, 'utf8').catch(() => ''), 10);
    if (isAlive(owner)) throw new StartError('media.in-use', `${path} is in use by process ${owner}`, 'stop the machine that uses it, or attach it read-only');
    await unlink(lockPath).catch(() => {});
  }
  throw new StartError('media.in-use', `${path} is being opened by another machine`, 'stop the machine that uses it, or attach it read-only');
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** A file system error as a sentence for people. */
export function describeFileError(error: unknown, path: string, access: 'read-only' | 'read-write'): StartError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new StartError('media.missing', `${path} does not exist`, 'check the path');
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new StartError('media.no-permission', `${path} may not be ${access === 'read-only' ? 'read' : 'written'}`,
      access === 'read-only' ? 'change its permissions' : 'change its permissions, or attach it read-only or with discard-changes');
  }
  if (code === 'EISDIR') return new StartError('media.not-a-file', `${path} is a folder`, 'name a file');
  return new StartError('media.unreadable', `${path} can't be opened (${code ?? String(error)})`, 'check the file and its disk');
}
