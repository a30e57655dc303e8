/** Files and folders that are never half there, not after a power cut either: written beside, synced, renamed. */
import { mkdir, open, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { randomBytes } from 'node:crypto';

/** Throws what the file system throws; then the old file is as it was. */
export async function writeFileAtomically(givenPath: string, contents: Uint8Array | string): Promise<void> {
  // A link stays a link, and a device (/dev/null, /dev/stdout) is written to, not replaced by a file.
  const path = await realpath(givenPath).catch(() => givenPath);
  const present = await stat(path).catch(() => undefined);
  if (present !== undefined && !present.isFile()) return writeFile(path, contents);
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.new`);
  try {
    const file = await open(beside, 'wx', 0o644);
    try {
      await file.writeFile(contents);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** With the folders above it that aren't there; the names of all are on stable storage afterwards. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined) return;
  for (let made = path; ; made = dirname(made)) {
    await syncFolder(dirname(made));
    if (made === first || made === dirname(made)) return;
  }
}

/** A folder that was filled beside its place, and whose files are synced, is there as a whole or not at all. */
export async function moveFolder(from: string, to: string): Promise<void> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  for (const folder of [from, ...entries.filter((entry) => entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name))]) await syncFolder(folder);
  await rename(from, to);
  await syncFolder(dirname(to));
  if (dirname(from) !== dirname(to)) await syncFolder(dirname(from));
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
