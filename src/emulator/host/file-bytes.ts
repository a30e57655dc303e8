/** A host file as random-access bytes. Writable files are locked by a file beside them, so that no two machines write one image. */
import { constants } from 'node:fs';
import { open, readFile, realpath, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { isZero } from '../storage/byte-fields.ts';
import { StartError } from './start-error.ts';

const ZERO_CHUNK_BYTES = 1 << 20;
const LOCK_ATTEMPTS = 20;
const LOCK_RETRY_MILLIS = 25;
const EMPTY_LOCK_MILLIS = 5_000;
const IN_USE_ADVICE = 'stop the machine that uses it, or attach it read-only';

export class HostByteFile implements ByteFile {
  readonly readOnly: boolean;
  readonly #handle: FileHandle;
  readonly #lockPath: string | undefined;
  /** Why nothing that was written counts as stable any more. */
  #lost: Error | undefined;

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
    try {
      // Of the file itself, whichever link it was named by.
      const lockPath = `${await realpath(path)}.lock`;
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
    if (this.readOnly) return;
    if (this.#lost !== undefined) throw this.#lost;
    try {
      await this.#handle.datasync();
    } catch (error) {
      // The system tells of a lost write once and then forgets it: what comes after can't be trusted to say that all is well.
      this.#lost = Object.assign(new StartError('media.write-failed', `what was written could not be brought to stable storage (${(error as NodeJS.ErrnoException).code ?? String(error)})`, 'check the disk that it lies on, and the image before it is used again'), { cause: error });
      throw this.#lost;
    }
  }

  /**
   * Node can't punch holes, and cutting the end off would take along what others are writing behind it. So this writes zeros,
   * but not where they are already: a hole stays one.
   */
  async punchHole(position: number, length: number): Promise<void> {
    const end = Math.min(position + length, await this.size());
    const chunk = new Uint8Array(Math.max(0, Math.min(ZERO_CHUNK_BYTES, end - position)));
    for (let at = position; at < end; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, end - at));
      await this.read(at, part);
      if (isZero(part)) continue;
      part.fill(0);
      await this.write(at, part);
    }
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
  for (let attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
    try {
      const lock = await open(lockPath, 'wx');
      await lock.writeFile(`${process.pid} ${(await liveProcess(process.pid)) ?? ''}\n`).finally(() => lock.close());
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return false;
    }
    const contents = await readFile(lockPath, 'utf8').catch(() => '');
    const pid = await ownerOfLock(contents);
    if (pid !== undefined) throw new StartError('media.in-use', `${path} is in use by process ${pid}`, IN_USE_ADVICE);
    // An empty lock is one that its owner is about to write, unless it died on the way.
    if (contents === '' && Date.now() - ((await stat(lockPath).catch(() => undefined))?.mtimeMs ?? 0) < EMPTY_LOCK_MILLIS) {
      await delay(LOCK_RETRY_MILLIS);
      continue;
    }
    await removeStaleLock(lockPath, contents);
  }
  throw new StartError('media.in-use', `${path} is being opened by another machine`, IN_USE_ADVICE);
}

/** Throws `StartError` when somebody has the file open for writing: what one would read of it isn't whole. */
export async function refuseFileInUse(path: string): Promise<void> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return;
  const contents = await readFile(`${real}.lock`, 'utf8').catch(() => undefined);
  const owner = contents === undefined ? undefined : await ownerOfLock(contents);
  if (owner !== undefined) throw new StartError('media.in-use', `${path} is in use by process ${owner}`, 'stop the machine that uses it');
}

/** The living process that a lock names. */
async function ownerOfLock(contents: string): Promise<number | undefined> {
  const [pidText = '', startedText = ''] = contents.trim().split(' ');
  const pid = Number.parseInt(pidText, 10);
  const started = pid > 0 ? await liveProcess(pid) : undefined;
  return started !== undefined && (startedText === '' || startedText === started) ? pid : undefined;
}

/** Only one of several that found it stale may remove it, and not the lock that another of them has put in its place. */
async function removeStaleLock(lockPath: string, contents: string): Promise<void> {
  const aside = `${lockPath}.${process.pid}`;
  try {
    await rename(lockPath, aside);
    if ((await readFile(aside, 'utf8')) === contents) await unlink(aside);
    else await rename(aside, lockPath);
  } catch {
    // Somebody was quicker.
  }
}

/**
 * What tells a living process from a later one of the same number: on Linux its start time, elsewhere nothing (an empty
 * string). `undefined` when there is none: a process that waits for its parent to notice its end is none either.
 */
async function liveProcess(processId: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const status = await readFile(`/proc/${processId}/stat`, 'latin1').catch(() => undefined);
    // proc(5): the name in parentheses may hold anything; state is field 3, starttime field 22.
    const fields = status?.slice(status.lastIndexOf(')') + 2).split(' ');
    return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
  }
  try {
    process.kill(processId, 0);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? '' : undefined;
  }
}

/** What a file takes on its disk. */
export async function hostBytes(path: string): Promise<number> {
  const { blocks, size } = await stat(path);
  // POSIX counts blocks in units of 512 bytes.
  return process.platform === 'win32' ? size : blocks * 512;
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
