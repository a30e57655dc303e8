/** Files that are never half-written: written beside, synced, renamed. */
import { open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
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

/** Makes a rename last. Where folders can't be synced the system does it by itself. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows, and some network file systems.
  }
}
