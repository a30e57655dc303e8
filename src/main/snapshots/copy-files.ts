/** Copies of a VM folder's files, with their holes, or as further names of the same file where nobody will write it. */
import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

const PIECE_BYTES = 1 << 20;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** A file that is written by nobody any more: shares its storage where the file system can. */
export async function shareFile(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    await link(from, to);
  } catch {
    await copySparse(from, to);
  }
}

/** Of its own from the beginning. What is zeros takes no storage. */
export async function copySparse(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  try {
    // Shares blocks until they are written, on file systems that know it.
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
    return;
  } catch {
    // Then piece by piece.
  }
  const source = await open(from, 'r');
  try {
    const target = await open(to, 'w');
    try {
      const { size } = await source.stat();
      const piece = Buffer.alloc(PIECE_BYTES);
      for (let at = 0; at < size;) {
        const { bytesRead } = await source.read(piece, 0, PIECE_BYTES, at);
        if (bytesRead === 0) break;
        if (!piece.subarray(0, bytesRead).equals(ZEROS.subarray(0, bytesRead))) {
          for (let done = 0; done < bytesRead;) done += (await target.write(piece, done, bytesRead - done, at + done)).bytesWritten;
        }
        at += bytesRead;
      }
      await target.truncate(size);
      await target.sync();
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

/** All files of a folder but those that `isLeftOut` names by their path inside. */
export async function copyFolder(from: string, to: string, isLeftOut: (inside: string) => boolean, inside = ''): Promise<void> {
  await mkdir(join(to, inside), { recursive: true });
  for (const entry of await readdir(join(from, inside), { withFileTypes: true })) {
    const path = inside === '' ? entry.name : `${inside}/${entry.name}`;
    if (isLeftOut(path)) continue;
    if (entry.isDirectory()) await copyFolder(from, to, isLeftOut, path);
    else if (entry.isFile()) await copySparse(join(from, path), join(to, path));
  }
}
