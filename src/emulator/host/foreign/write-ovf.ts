/** A machine as an OVF package: one `.ova` file, or a `.ovf` with its manifest and disks beside it. It appears when it is whole. */
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { ExportedMachine, MediaImage } from '../../../shared/media-protocol.ts';
import { unfinishedPrefix } from '../../../shared/unfinished-image.ts';
import type { DiskImage } from '../../interfaces/disk-image.ts';
import { ImageError } from '../../storage/image-error.ts';
import { NewImageFile } from '../new-image-file.ts';
import { syncFolder } from '../sync-folder.ts';
import { fileDigest } from './file-digest.ts';
import { ovfDescriptor } from './ovf-descriptor.ts';
import type { DescribedDisk } from './ovf-descriptor.ts';

/** Of the whole: converting the disks; the rest is reading and writing what became of them. */
const CONVERTING_SHARE = 0.8;

/** `open` opens a disk for reading. Throws `ImageError`, and what `progress` throws. */
export async function writeOvf(path: string, machine: ExportedMachine, open: (image: MediaImage) => Promise<DiskImage>, progress: (done: number) => void): Promise<{ readonly bytes: number }> {
  const isArchive = /\.ova$/i.test(path);
  const stem = basename(path).replace(/\.(?:ova|ovf)$/i, '');
  const folder = join(dirname(path), `${unfinishedPrefix(basename(path), process.pid)}ovf.new`);
  await mkdir(folder);
  try {
    const disks = await writeDisks(folder, stem, machine, open, (done) => { progress(done * CONVERTING_SHARE); });
    const names = [`${stem}.ovf`, `${stem}.mf`, ...disks.map(({ href }) => href)];
    await writeFile(join(folder, names[0]!), ovfDescriptor(machine, disks), { flush: true });
    const digests: string[] = [];
    for (const name of [names[0]!, ...names.slice(2)]) digests.push(`SHA256(${name})= ${await fileDigest(join(folder, name), 'sha256', () => { progress(CONVERTING_SHARE); })}\n`);
    await writeFile(join(folder, names[1]!), digests.join(''), { flush: true });
    return isArchive ? await archive(folder, names, path, progress) : await moveInto(dirname(path), folder, names);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function writeDisks(folder: string, stem: string, machine: ExportedMachine, open: (image: MediaImage) => Promise<DiskImage>, progress: (done: number) => void): Promise<DescribedDisk[]> {
  const disks: DescribedDisk[] = [];
  for (const [index, { image, bus }] of machine.disks.entries()) {
    const href = `${stem}-disk${index + 1}.vmdk`;
    await using source = await open(image);
    await using made = await NewImageFile.make(join(folder, href), false);
    const capacityBytes = source.sectorCount * source.sectorBytes;
    await made.writeStream(source, (copied) => { progress((index + copied / capacityBytes) / machine.disks.length); });
    await made.finish();
    disks.push({ href, bus, capacityBytes, fileBytes: (await stat(join(folder, href))).size });
  }
  return disks;
}

/** POSIX ustar, the descriptor first and its manifest behind it, as the specification wants. */
async function archive(folder: string, names: readonly string[], path: string, progress: (done: number) => void): Promise<{ bytes: number }> {
  const beside = join(folder, 'package.ova');
  const sizes = await Promise.all(names.map(async (name) => (await stat(join(folder, name))).size));
  const total = sizes.reduce((sum, size) => sum + size, 1);
  const tar = pack();
  let done = 0;
  const writing = pipeline(tar, createWriteStream(beside, { flags: 'wx', flush: true }));
  const filling = (async (): Promise<void> => {
    for (const [index, name] of names.entries()) {
      const entry = tar.entry({ name, size: sizes[index]!, mode: 0o644, mtime: new Date() });
      const source = createReadStream(join(folder, name), { highWaterMark: 1 << 20 });
      source.on('data', (piece) => {
        done += piece.length;
        try {
          progress(CONVERTING_SHARE + (1 - CONVERTING_SHARE) * Math.min(1, done / total));
        } catch (error) {
          source.destroy(error as Error);
        }
      });
      await pipeline(source, entry);
    }
    tar.finalize();
  })();
  // A part that fails ends the whole.
  filling.catch((error: unknown) => { tar.destroy(error as Error); });
  await Promise.all([filling, writing]);
  if (existsSync(path)) throw existsAlready(path);
  await rename(beside, path);
  await syncFolder(dirname(path));
  return { bytes: (await stat(path)).size };
}

/** The descriptor last: without it the others are nothing. */
async function moveInto(target: string, folder: string, names: readonly string[]): Promise<{ bytes: number }> {
  const taken = names.find((name) => existsSync(join(target, name)));
  if (taken !== undefined) throw existsAlready(join(target, taken));
  let bytes = 0;
  for (const name of names.toReversed()) {
    await rename(join(folder, name), join(target, name));
    bytes += (await stat(join(target, name))).size;
  }
  await syncFolder(target);
  return { bytes };
}

function existsAlready(path: string): ImageError {
  return new ImageError('disk.exists', `${path} exists already`, 'choose another name, or remove it first');
}
