/**
 * Logs what a program does to the files below one folder, as `file-log.ts` reads it: loaded before a program (`node --import`) the
 * files below GUESTHOUSE_LOGGED_FOLDER, also of the processes that it starts; imported, from `logFiles` on. A record is a line of
 * JSON, and then its bytes where it has some. Locks are left out: they name a process, and after a power cut there is none.
 */
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, join } from 'node:path';

let root = process.env.GUESTHOUSE_LOGGED_FOLDER;
let log = root === undefined ? undefined : fs.openSync(process.env.GUESTHOUSE_FILE_LOG, 'a+');
let count = 0;
/** Files by their descriptors, for those who write without waiting. */
const descriptors = new Map();
const { open, rename, rm, unlink, link, mkdir, rmdir } = fsPromises;
const { writeSync } = fs;
const isLogged = (path) => root !== undefined && typeof path === 'string' && path.startsWith(root) && !/\.lock(?:-|$|\.)/.test(basename(path));
const now = () => fs.fstatSync(log).size;
const record = (entry, bytes) => {
  if (log === undefined) return;
  const line = Buffer.from(`${JSON.stringify({ ...entry, bytes: bytes?.length ?? 0 })}\n`);
  writeSync(log, bytes === undefined ? line : Buffer.concat([line, bytes]));
};
const bytesOf = (data) => (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength));

/** A change that is under way for a while; what it does is on the disk in part from its beginning on. Returns what is to be called at its end. */
const begin = (entry, bytes) => {
  const id = `${process.pid}.${++count}`;
  record({ ...entry, id }, bytes);
  return () => { record({ op: 'done', id }); };
};

fs.writeSync = (descriptor, buffer, offset, length, position) => {
  const file = descriptors.get(descriptor);
  if (file === undefined) return writeSync(descriptor, buffer, offset, length, position);
  const done = begin({ op: 'write', file, position }, bytesOf(buffer).subarray(offset, offset + length));
  const written = writeSync(descriptor, buffer, offset, length, position);
  done();
  return written;
};
fsPromises.open = async (path, flags, mode) => {
  if (!isLogged(path) && path !== root) return open(path, flags, mode);
  const existed = fs.existsSync(path);
  const handle = await open(path, flags, mode);
  const status = fs.fstatSync(handle.fd);
  if (status.isDirectory()) {
    const sync = handle.sync.bind(handle);
    handle.sync = async () => {
      const since = now();
      await sync();
      record({ op: 'sync-folder', path, since });
    };
    return handle;
  }
  const file = status.ino;
  if (!existed) record({ op: 'create', path, file });
  else if (typeof flags === 'string' && flags.startsWith('w')) record({ op: 'truncate', file, size: 0 });
  const { write, writeFile, truncate, sync, datasync, close } = Object.fromEntries(['write', 'writeFile', 'truncate', 'sync', 'datasync', 'close'].map((name) => [name, handle[name].bind(handle)]));
  const descriptor = handle.fd;
  descriptors.set(descriptor, file);
  handle.close = () => {
    descriptors.delete(descriptor);
    return close();
  };
  const during = async (entry, bytes, work) => {
    const done = begin(entry, bytes);
    const result = await work();
    done();
    return result;
  };
  handle.write = (buffer, offset, length, position) => during({ op: 'write', file, position }, bytesOf(buffer).subarray(offset, offset + length), () => write(buffer, offset, length, position));
  handle.writeFile = (data) => during({ op: 'write', file, position: 0 }, bytesOf(data), () => writeFile(data));
  handle.truncate = (size = 0) => during({ op: 'truncate', file, size }, undefined, () => truncate(size));
  for (const [name, original] of [['sync', sync], ['datasync', datasync]]) {
    handle[name] = async () => {
      const since = now();
      await original();
      record({ op: 'sync', file, since });
    };
  }
  return handle;
};
fsPromises.rename = async (from, to) => {
  await rename(from, to);
  if (isLogged(to)) record({ op: 'rename', from, to });
};
fsPromises.link = async (from, to) => {
  await link(from, to);
  if (isLogged(to)) record({ op: 'link', from, to });
};
fsPromises.mkdir = async (path, options) => {
  const missing = [];
  for (let folder = path; isLogged(folder) && !fs.existsSync(folder); folder = folder.slice(0, folder.lastIndexOf('/'))) missing.unshift(folder);
  const made = await mkdir(path, options);
  for (const folder of missing) record({ op: 'mkdir', path: folder });
  return made;
};
fsPromises.rm = async (path, options) => {
  const existed = isLogged(path) && fs.existsSync(path);
  await rm(path, options);
  if (existed) record({ op: 'remove', path });
};
fsPromises.unlink = async (path) => {
  await unlink(path);
  if (isLogged(path)) record({ op: 'remove', path });
};
fsPromises.rmdir = async (path) => {
  await rmdir(path);
  if (isLogged(path)) record({ op: 'remove', path });
};
syncBuiltinESMExports();

/** A moment of the program's own. */
export const markInFileLog = (mark) => { record({ op: 'mark', mark }); };
globalThis.markInFileLog = markInFileLog;

/** From now on the files of `folder`, which has no folders in it, are logged into the new file `logFile`: as they are they are on stable storage. */
export function logFiles(folder, logFile) {
  root = fs.realpathSync(folder);
  log = fs.openSync(logFile, 'a+');
  for (const name of fs.readdirSync(root)) {
    const path = join(root, name);
    if (!isLogged(path)) continue;
    const file = fs.statSync(path).ino;
    record({ op: 'create', path, file });
    begin({ op: 'write', file, position: 0 }, fs.readFileSync(path))();
    record({ op: 'sync', file, since: now() });
  }
  record({ op: 'sync-folder', path: root, since: now() });
}

export function stopLogging() {
  root = undefined;
  if (log !== undefined) fs.closeSync(log);
  log = undefined;
}
