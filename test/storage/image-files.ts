/** Making, opening and checking image files, and random work on them beside a plain array of what they must hold. */
import { writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { HostByteFile } from '../../src/emulator/host/file-bytes.ts';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../src/emulator/interfaces/disk-image.ts';
import { checkImage } from '../../src/emulator/storage/check-image.ts';
import { createImage, type NewImage } from '../../src/emulator/storage/create-image.ts';
import type { ImageCheck } from '../../src/emulator/storage/image-check.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import type { NewParts } from '../../src/emulator/storage/vmdk/vmdk-image.ts';
import type { DiskFormat } from '../../src/shared/disk-format.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

export const BIRTH = { uuid: Uint8Array.from({ length: 16 }, (_, index) => index + 1), epochSeconds: 1_700_000_000 };

export const NO_PARTS: NewParts = { stem: 'disk', create: () => Promise.reject(new Error('the image is one file')) };

export async function makeImage(path: string, image: NewImage): Promise<void> {
  writeFileSync(path, '');
  await using file = await HostByteFile.open(path, 'read-write');
  await createImage(file, image, BIRTH, {
    stem: basename(path, '.vmdk'),
    async create(name) {
      const part = join(dirname(path), name);
      writeFileSync(part, '');
      return HostByteFile.open(part, 'read-write');
    },
  });
}

export function openFile(path: string, format?: DiskFormat, readOnly = false): Promise<DiskImage> {
  return openImage({ path, format, readOnly, files: new HostImageFiles(), compression: zlibCompression });
}

export function checkFile(path: string, format?: DiskFormat, repair = false): Promise<ImageCheck> {
  return checkImage({ path, format, files: new HostImageFiles(), compression: zlibCompression, repair, progress: () => {} });
}

/** Bytes that look like a disk: text, noise and long zeros. */
export function diskBytes(random: SeededRandom, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const run = Math.min(length - at, 512 * (1 + random.below(random.pick([4, 64, 2048]))));
    const kind = random.below(3);
    if (kind === 1) bytes.fill(random.below(256), at, at + run);
    else if (kind === 2) for (let index = 0; index < run; index++) bytes[at + index] = random.next32();
    at += run;
  }
  return bytes;
}

/** Does random things to an image and the same to `expected`; several at once, as a guest does. */
export async function workOn(image: DiskImage, expected: Uint8Array, random: SeededRandom, steps: number): Promise<void> {
  const sectors = image.sectorCount;
  for (let step = 0; step < steps; step++) {
    const under: Promise<void>[] = [];
    const taken: [number, number][] = [];
    for (let parallel = 1 + random.below(6); parallel > 0; parallel--) {
      const count = 1 + random.below(Math.min(sectors, random.pick([1, 8, 300, 5000])));
      const sector = random.below(sectors - count + 1);
      // What overlaps has no order.
      if (taken.some(([start, end]) => start < sector + count && sector < end)) continue;
      taken.push([sector, sector + count]);
      const part = expected.subarray(sector * 512, (sector + count) * 512);
      const kind = random.below(10);
      if (kind < 6) {
        part.set(diskBytes(random, part.length));
        under.push(image.write(sector, part.slice()));
      } else if (kind < 8) {
        part.fill(0);
        under.push(kind === 6 ? image.discard(sector, count) : image.writeZeroes(sector, count));
      } else {
        const before = part.slice();
        const read = new Uint8Array(part.length);
        under.push(image.read(sector, read).then(() => { if (!equal(read, before)) throw new Error(`sectors ${sector} to ${sector + count} read differently`); }));
      }
    }
    await Promise.all(under);
    if (random.below(8) === 0) await image.flush();
  }
}

export async function readAll(image: DiskImage): Promise<Uint8Array> {
  const bytes = new Uint8Array(image.sectorCount * 512);
  await image.read(0, bytes);
  return bytes;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
