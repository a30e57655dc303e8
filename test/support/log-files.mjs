/**
 * Loaded before a program (`node --import`): logs what it does to the files below GUESTHOUSE_LOGGED_FOLDER, as `file-log.ts` reads it.
 * A record is a line of JSON, and then its bytes where it has some. Processes that are started do the same, into the same log.
 */
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const root = process.env.GUESTHOUSE_LOGGED_FOLDER;
const log = fs.openSync(process.env.GUESTHOUSE_FILE_LOG, 'a+');
const { open, rename, rm, unlink, link, mkdir, rmdir } = fsPromises;
const isLogged = (path) => typeof path === 'string' && path.startsWith(root);
const now = () => fs.fstatSync(log).size;
const record = (entry, bytes) => {
  const line = Buffer.from(`${JSON.stringify({ ...entry, bytes: bytes?.length ?? 0 })}\n`);
  fs.writeSync(log, bytes === undefined ? line : Buffer.concat([line, bytes]));
};
const bytesOf = (data) => (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data.buffer, data.byteOffset, data.byteLength));

fsPromises.open = async (path, flags, mode) => {
  if (!isLogged(path)) return open(path, flags, mode);
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
  const { write, writeFile, truncate, sync, datasync } = Object.fromEntries(['write', 'writeFile', 'truncate', 'sync', 'datasync'].map((name) => [name, handle[name].bind(handle)]));
  handle.write = async (buffer, offset, length, position) => {
    const done = await write(buffer, offset, length, position);
    record({ op: 'write', file, position }, bytesOf(buffer).subarray(offset, offset + done.bytesWritten));
    return done;
  };
  handle.writeFile = async (data) => {
    await writeFile(data);
    record({ op: 'write', file, position: 0 }, bytesOf(data));
  };
  handle.truncate = async (size = 0) => {
    await truncate(size);
    record({ op: 'truncate', file, size });
  };
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

/** For the program itself: a moment of its own. */
globalThis.markInFileLog = (mark) => { record({ op: 'mark', mark }); };
