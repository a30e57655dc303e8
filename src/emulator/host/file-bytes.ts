/** A host file as random-access bytes. */
import { constants, readSync, writeSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { isZero } from '../storage/byte-fields.ts';
import { PromptCalls } from './prompt-calls.ts';
import { lockForReading, lockForWriting, type FileLock } from './file-lock.ts';
import { StartError } from './start-error.ts';

const ZERO_CHUNK_BYTES = 1 << 20;
/** Of a file that is written behind: this much is on its way to the disk before more comes. */
const WRITE_BEHIND_BYTES = 64 << 20;

/** `look`: for reading, whoever may be writing it. */
export type FileAccess = 'look' | 'read-only' | 'read-write';

export class HostByteFile implements ByteFile {
  readonly readOnly: boolean;
  readonly #handle: FileHandle;
  readonly #lock: FileLock;
  readonly #prompt: PromptCalls;
  readonly #writesBehind: boolean;
  #unsyncedBytes = 0;
  #behind: Promise<void> | undefined;
  /** Why nothing that was written counts as stable any more. */
  #lost: Error | undefined;

  private constructor(handle: FileHandle, readOnly: boolean, lock: FileLock, prompt: PromptCalls, writesBehind: boolean) {
    this.#handle = handle;
    this.readOnly = readOnly;
    this.#lock = lock;
    this.#prompt = prompt;
    this.#writesBehind = writesBehind;
  }

  /**
   * Held against other writers, and against readers where it is opened for writing. Throws `StartError` when the file is missing,
   * not a file, not permitted or in use. `writesBehind`: it is written from one end to the other, so that the disk should have begun
   * long before the flush.
   */
  static async open(path: string, access: FileAccess, { writesBehind = false }: { readonly writesBehind?: boolean | undefined } = {}): Promise<HostByteFile> {
    let handle: FileHandle;
    try {
      // A pipe would keep one waiting for somebody at its other end.
      handle = await open(path, (access === 'read-write' ? constants.O_RDWR : constants.O_RDONLY) | (constants.O_NONBLOCK ?? 0));
    } catch (error) {
      throw describeFileError(error, path, access);
    }
    try {
      const status = await handle.stat();
      if (!status.isFile()) throw new StartError('media.not-a-file', `${path} is ${status.isDirectory() ? 'a folder' : 'a device or a pipe'}, not a file`, 'name an image file');
      const lock = access === 'look' ? undefined : access === 'read-only' ? await lockForReading(path) : await lockForWriting(path);
      return new HostByteFile(handle, access !== 'read-write', lock, await PromptCalls.onFile(path), writesBehind);
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
      const isPrompt = this.#prompt.allows(target.length - done);
      const bytesRead = isPrompt ? this.#prompt.call(() => readSync(this.#handle.fd, target, done, target.length - done, position + done))
        : (await this.#handle.read(target, done, target.length - done, position + done)).bytesRead;
      if (bytesRead === 0) {
        target.fill(0, done);
        return;
      }
      done += bytesRead;
    }
  }

  async write(position: number, source: Uint8Array): Promise<void> {
    for (let done = 0; done < source.length; ) {
      const isPrompt = this.#prompt.allows(source.length - done);
      const bytesWritten = isPrompt ? this.#prompt.call(() => writeSync(this.#handle.fd, source, done, source.length - done, position + done))
        : (await this.#handle.write(source, done, source.length - done, position + done)).bytesWritten;
      done += bytesWritten;
    }
    if (this.#writesBehind) this.#writeBehind(source.length);
  }

  #writeBehind(bytes: number): void {
    this.#unsyncedBytes += bytes;
    if (this.#unsyncedBytes < WRITE_BEHIND_BYTES || this.#behind !== undefined) return;
    this.#unsyncedBytes = 0;
    // Where it fails, every flush after it tells.
    this.#behind = this.flush().catch(() => {}).finally(() => { this.#behind = undefined; });
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
    await this.#behind;
    await this.#handle.close();
    await this.#lock?.[Symbol.asyncDispose]();
  }
}

/** What a file takes on its disk. */
export async function hostBytes(path: string): Promise<number> {
  const { blocks, size } = await stat(path);
  // POSIX counts blocks in units of 512 bytes.
  return process.platform === 'win32' ? size : blocks * 512;
}

/** A file system error as a sentence for people. */
export function describeFileError(error: unknown, path: string, access: FileAccess): StartError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new StartError('media.missing', `${path} does not exist`, 'check the path');
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new StartError('media.no-permission', `${path} may not be ${access === 'read-write' ? 'written' : 'read'}`,
      access === 'read-write' ? 'change its permissions, or attach it read-only or with discard-changes' : 'change its permissions');
  }
  if (code === 'EISDIR') return new StartError('media.not-a-file', `${path} is a folder`, 'name a file');
  return new StartError('media.unreadable', `${path} can't be opened (${code ?? String(error)})`, 'check the file and its disk');
}
