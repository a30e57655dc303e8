/**
 * Who uses an image: one writer, or any number of readers. Node has no advisory locks, so files beside the image do: `IMAGE.lock`
 * names the writer, `IMAGE.lock-…` a reader each. Both write their own name first and look for others then, so of two that come
 * together at least one sees the other. Where the folder can't be written nobody can lock.
 */
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile, realpath, rename, rm, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StartError } from './start-error.ts';

const ATTEMPTS = 20;
const RETRY_MILLIS = 25;
const EMPTY_LOCK_MILLIS = 5_000;

/** A process that uses an image: of this host, unless `host` says another one. */
interface Owner {
  readonly pid: number;
  readonly host: string | undefined;
}

/** What the other one does with the file: beside a reader there is room for readers. */
type Use = 'reads' | 'writes';

/** Of an open file; `undefined` where its folder can't be written. */
export type FileLock = AsyncDisposable | undefined;

/** Throws `StartError` where others use the file. */
export async function lockForWriting(path: string): Promise<FileLock> {
  const lockPath = await lockOf(path);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      await writeLock(lockPath);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') return undefined;
      await refuseOwner(path, lockPath);
      continue;
    }
    try {
      await refuseReaders(path, lockPath);
    } catch (error) {
      await rm(lockPath, { force: true });
      throw error;
    }
    return released(lockPath);
  }
  throw new StartError('media.in-use', `${path} is being opened by another machine`, adviceFor(undefined, lockPath, 'writes'));
}

/** Throws `StartError` where somebody writes the file. */
export async function lockForReading(path: string): Promise<FileLock> {
  const lockPath = await lockOf(path);
  const own = `${lockPath}-${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await writeLock(own);
  } catch {
    await refuseWriter(path, lockPath);
    return undefined;
  }
  try {
    await refuseWriter(path, lockPath);
  } catch (error) {
    await rm(own, { force: true });
    throw error;
  }
  return released(own);
}

/** Throws `StartError` where another process uses a file that is to be replaced. */
export async function refuseFileInUse(path: string): Promise<void> {
  const lockPath = await lockOf(path).catch(() => undefined);
  if (lockPath === undefined) return;
  await refuseWriter(path, lockPath);
  await refuseReaders(path, lockPath, process.pid);
}

/** Beside the file itself, whichever link it was named by. */
async function lockOf(path: string): Promise<string> {
  return `${await realpath(path)}.lock`;
}

async function writeLock(lockPath: string): Promise<void> {
  const lock = await open(lockPath, 'wx');
  await lock.writeFile(`${process.pid} ${(await liveProcess(process.pid)) ?? ''} ${hostname()}\n`).finally(() => lock.close());
}

function released(lockPath: string): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => unlink(lockPath).catch(() => {}) };
}

async function refuseWriter(path: string, lockPath: string): Promise<void> {
  const contents = await readFile(lockPath, 'utf8').catch(() => undefined);
  const owner = contents === undefined ? undefined : await ownerOf(contents);
  if (owner !== undefined) throw inUse(path, owner, lockPath, 'writes');
}

async function refuseReaders(path: string, lockPath: string, except?: number): Promise<void> {
  const folder = dirname(lockPath);
  const prefix = `${basename(lockPath)}-`;
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.startsWith(prefix)) continue;
    const readerPath = join(folder, name);
    const contents = await readFile(readerPath, 'utf8').catch(() => undefined);
    if (contents === undefined) continue;
    const owner = await ownerOf(contents);
    if (owner !== undefined && owner.pid !== except) throw inUse(path, owner, readerPath, 'reads');
    // Names of readers are used once: nobody else can have put a new one there.
    if (owner === undefined && contents !== '') await rm(readerPath, { force: true });
  }
}

/** Throws where the lock's owner lives; otherwise the lock is gone, or its owner is about to write it. */
async function refuseOwner(path: string, lockPath: string): Promise<void> {
  const contents = await readFile(lockPath, 'utf8').catch(() => '');
  const owner = await ownerOf(contents);
  if (owner !== undefined) throw inUse(path, owner, lockPath, 'writes');
  // An empty lock is one that its owner is about to write, unless it died on the way. One from the future was written before the clock went back.
  if (contents === '' && Math.abs(Date.now() - ((await stat(lockPath).catch(() => undefined))?.mtimeMs ?? 0)) < EMPTY_LOCK_MILLIS) await delay(RETRY_MILLIS);
  else await removeStaleLock(lockPath, contents);
}

function inUse(path: string, owner: Owner, lockPath: string, use: Use): StartError {
  return new StartError('media.in-use', `${path} is in use by process ${owner.pid}${owner.host === undefined ? '' : ` on the computer ${owner.host}`}`, adviceFor(owner, lockPath, use));
}

function adviceFor(owner: Owner | undefined, lockPath: string, use: Use): string {
  // Nobody here can know whether that process lives.
  if (owner?.host !== undefined) return `stop the machine there; if it runs no more, remove ${lockPath}`;
  return use === 'reads' ? 'stop the machine that uses it, or attach it read-only' : 'stop the machine that uses it';
}

/** The process that a lock names, unless it is one of this host that is gone. */
async function ownerOf(contents: string): Promise<Owner | undefined> {
  const [pidText = '', startedText = '', host = ''] = contents.trimEnd().split(' ');
  const pid = Number.parseInt(pidText, 10);
  if (!(pid > 0)) return undefined;
  if (host !== '' && host !== hostname()) return { pid, host: host.replace(/[^\w.-]/g, '?').slice(0, 64) };
  const started = await liveProcess(pid);
  return started !== undefined && (startedText === '' || startedText === started) ? { pid, host: undefined } : undefined;
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
