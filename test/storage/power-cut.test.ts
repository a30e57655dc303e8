/**
 * Power cuts at random moments of random work: of what no barrier covered any subset of sectors is kept. The image must open,
 * pass its check (lost space aside) and hold, sector by sector, what was flushed or something written later.
 */
import { describe, expect, it } from 'vitest';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../src/emulator/interfaces/disk-image.ts';
import { checkImage } from '../../src/emulator/storage/check-image.ts';
import { createImage, type NewImage } from '../../src/emulator/storage/create-image.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { BIRTH, NO_PARTS } from './image-files.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const isLong = process.env['GUESTHOUSE_LONG_TESTS'] !== undefined;
const RUNS = isLong ? 60 : 4;
const CUTS = isLong ? 40 : 12;
const STEPS = 60;
const SECTORS = 6000;
const PATH = 'disk';

const KINDS: readonly { readonly name: string; readonly image: Omit<NewImage, 'bytes'>; readonly backing?: true }[] = [
  { name: 'qcow2 with small clusters', image: { format: 'qcow2', blockBytes: 512 } },
  { name: 'qcow2', image: { format: 'qcow2', blockBytes: 4096 } },
  { name: 'qcow2 with large clusters', image: { format: 'qcow2' } },
  { name: 'qcow2 with lazy refcounts', image: { format: 'qcow2', blockBytes: 1024, lazyRefcounts: true } },
  { name: 'VDI', image: { format: 'vdi', blockBytes: 65536 } },
  { name: 'VHD', image: { format: 'vhd', blockBytes: 1 << 19 } },
  { name: 'VHDX', image: { format: 'vhdx', blockBytes: 1 << 20 } },
  { name: 'VMDK', image: { format: 'vmdk', blockBytes: 4096 } },
  { name: 'qcow2 over another', image: { format: 'qcow2', blockBytes: 4096, backing: { name: 'base.img', format: 'raw' } }, backing: true },
];

/** What was written to a sector: the write's number fills it; 0 is zeros. */
interface Written {
  readonly number: number;
  readonly startedAt: number;
  endedAt: number;
}

class Workload {
  readonly files = new MemoryFiles();
  readonly #random: SeededRandom;
  readonly #history: Written[][] = Array.from({ length: SECTORS }, () => [{ number: 0, startedAt: 0, endedAt: 0 }]);
  readonly #flushes: { readonly begunAt: number; readonly endedAt: number }[] = [{ begunAt: 0, endedAt: 0 }];
  #number = 1_000_000;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  async run(image: DiskImage): Promise<void> {
    const random = this.#random;
    for (let step = 0; step < STEPS; step++) {
      const under: Promise<void>[] = [];
      const taken: [number, number][] = [];
      for (let parallel = 1 + random.below(5); parallel > 0; parallel--) {
        const count = 1 + random.below(random.pick([1, 4, 40, 400]));
        const sector = random.below(SECTORS - count + 1);
        if (taken.some(([start, end]) => start < sector + count && sector < end)) continue;
        taken.push([sector, sector + count]);
        under.push(this.#change(image, sector, count));
      }
      await Promise.all(under);
      if (random.below(6) === 0) {
        const begunAt = ++this.files.now;
        await image.flush();
        this.#flushes.push({ begunAt, endedAt: ++this.files.now });
      }
    }
  }

  async #change(image: DiskImage, sector: number, count: number): Promise<void> {
    const isZero = this.#random.below(4) === 0;
    const number = isZero ? 0 : this.#number++;
    const written: Written = { number, startedAt: ++this.files.now, endedAt: Infinity };
    for (let index = sector; index < sector + count; index++) this.#history[index]!.push(written);
    if (isZero) await image.discard(sector, count);
    else await image.write(sector, new Uint8Array(new Uint32Array(count * 128).fill(number).buffer));
    written.endedAt = ++this.files.now;
  }

  /** Sectors that hold what they can't hold after a power cut at `time`. */
  async wrongSectors(image: DiskImage, time: number): Promise<string[]> {
    const flushed = this.#flushes.findLast(({ endedAt }) => endedAt <= time)!.begunAt;
    const wrong: string[] = [];
    const all = new Uint8Array(SECTORS * 512);
    await image.read(0, all);
    const words = new Uint32Array(all.buffer);
    for (let sector = 0; sector < SECTORS; sector++) {
      const value = words[sector * 128]!;
      const isWhole = words.subarray(sector * 128, sector * 128 + 128).every((word) => word === value);
      const history = this.#history[sector]!;
      const last = history.findLast(({ endedAt }) => endedAt <= flushed)!;
      const isAllowed = value === last.number || history.some(({ number, startedAt, endedAt }) => number === value && endedAt > flushed && startedAt <= time);
      if (!isWhole || !isAllowed) wrong.push(`sector ${sector} holds ${value}${isWhole ? '' : ' in part'} and should hold ${last.number}`);
    }
    return wrong;
  }
}

const open = (files: MemoryFiles, image: Omit<NewImage, 'bytes'>, readOnly = false): Promise<DiskImage> => openImage({ path: PATH, format: image.format, readOnly, files, compression: zlibCompression });

async function checked(files: MemoryFiles, image: Omit<NewImage, 'bytes'>): Promise<readonly string[]> {
  return (await checkImage({ path: PATH, format: image.format, files, compression: zlibCompression, repair: false, progress: () => {} })).errors;
}

describe('after a power cut', () => {
  it.each(KINDS)('$name opens, passes its check and holds what was flushed', async ({ image: recipe, backing }) => {
    for (let run = 1; run <= RUNS; run++) {
      const random = new SeededRandom(run * 7919);
      const work = new Workload(random);
      if (backing === true) work.files.add('base.img', new Uint8Array((SECTORS / 2) * 512));
      await createImage(await work.files.open(PATH, 'read-write'), { ...recipe, bytes: SECTORS * 512 }, BIRTH, NO_PARTS);
      work.files.record();
      work.files.random = random;
      const image = await open(work.files, recipe);
      await work.run(image);
      await image[Symbol.asyncDispose]();
      for (let cut = 0; cut < CUTS; cut++) {
        const time = random.below(work.files.now + 1);
        const left = work.files.cutAt(time, random);
        const where = `run ${run}, cut ${cut} at ${time}`;
        {
          const opened = await open(left, recipe);
          expect([where, ...(await work.wrongSectors(opened, time)).slice(0, 5)]).toEqual([where]);
          await opened[Symbol.asyncDispose]();
        }
        expect([where, ...await checked(left, recipe)]).toEqual([where]);
        // What is written now must not come into the way of what was there.
        {
          const again = await open(left, recipe);
          await again.write(SECTORS - 16, new Uint8Array(16 * 512).fill(0xee));
          await again.write(8, new Uint8Array(512).fill(0xdd));
          await again[Symbol.asyncDispose]();
        }
        expect([where, ...await checked(left, recipe)]).toEqual([where]);
        const reopened = await open(left, recipe, true);
        const changed = (await work.wrongSectors(reopened, time)).filter((wrong) => !/^sector (?:8|5984|598[5-9]|599\d) /.test(wrong));
        expect([where, ...changed.slice(0, 5)]).toEqual([where]);
        await reopened[Symbol.asyncDispose]();
      }
    }
  });
});
