/**
 * A host disk that becomes full at random moments of random work, and has room again: requests that failed are tried again,
 * as a machine that waited does. Nothing may be lost, and the image must pass its check.
 */
import { describe, expect, it } from 'vitest';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { checkImage } from '../../src/emulator/storage/check-image.ts';
import { createImage, type NewImage } from '../../src/emulator/storage/create-image.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { BIRTH, NO_PARTS } from './image-files.ts';

const RUNS = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 6 : 100;
const STEPS = 60;
const SECTORS = 6000;
const PATH = 'disk';

const KINDS: readonly { readonly name: string; readonly image: Omit<NewImage, 'bytes'> }[] = [
  { name: 'qcow2 with small clusters', image: { format: 'qcow2', blockBytes: 512 } },
  { name: 'qcow2', image: { format: 'qcow2', blockBytes: 4096 } },
  { name: 'qcow2 with lazy refcounts', image: { format: 'qcow2', blockBytes: 1024, lazyRefcounts: true } },
  { name: 'qcow2 over another', image: { format: 'qcow2', blockBytes: 4096, backing: { name: 'base.img', format: 'raw' } } },
  { name: 'VDI', image: { format: 'vdi', blockBytes: 65536 } },
  { name: 'VHD', image: { format: 'vhd', blockBytes: 1 << 19 } },
  { name: 'VHDX', image: { format: 'vhdx', blockBytes: 1 << 20 } },
  { name: 'VMDK', image: { format: 'vmdk', blockBytes: 4096 } },
];

describe('on a disk that becomes full', () => {
  it.each(KINDS)('$name loses nothing of what is tried again', async ({ image: recipe }) => {
    let failures = 0;
    for (let run = 1; run <= RUNS; run++) {
      const random = new SeededRandom(run * 6007);
      const files = new MemoryFiles();
      files.add('base.img', new Uint8Array((SECTORS / 2) * 512).fill(0x11));
      await createImage(await files.open(PATH, 'read-write'), { ...recipe, bytes: SECTORS * 512 }, BIRTH, NO_PARTS);
      files.random = random;
      const image = await openImage({ path: PATH, format: recipe.format, readOnly: false, files, compression: zlibCompression });
      const expected = new Uint8Array(SECTORS * 512);
      if (recipe.backing !== undefined) expected.fill(0x11, 0, (SECTORS / 2) * 512);
      /** All are under way at once; what fails is tried again when there is room. */
      const untilDone = async (requests: readonly (() => Promise<void>)[]): Promise<void> => {
        files.failAfterWrites = random.below(3) === 0 ? random.below(12) : Infinity;
        const outcomes = await Promise.allSettled(requests.map((request) => request()));
        files.failAfterWrites = Infinity;
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.status === 'fulfilled') continue;
          expect(outcome.reason).toMatchObject({ code: 'ENOSPC' });
          failures++;
          await requests[index]!();
        }
      };
      for (let step = 0; step < STEPS; step++) {
        const taken: [number, number][] = [];
        const requests: (() => Promise<void>)[] = [];
        for (let parallel = 1 + random.below(5); parallel > 0; parallel--) {
          const count = 1 + random.below(random.pick([1, 4, 40, 400]));
          const sector = random.below(SECTORS - count + 1);
          if (taken.some(([start, end]) => start < sector + count && sector < end)) continue;
          taken.push([sector, sector + count]);
          const byte = random.below(4) === 0 ? 0 : 1 + random.below(255);
          const data = new Uint8Array(count * 512).fill(byte);
          expected.set(data, sector * 512);
          requests.push(() => byte === 0 ? image.discard(sector, count) : image.write(sector, data));
        }
        await untilDone(requests);
        if (random.below(6) === 0) await untilDone([() => image.flush()]);
      }
      await untilDone([() => image.flush()]);
      const read = new Uint8Array(expected.length);
      await image.read(0, read);
      expect([`run ${run}`, Buffer.compare(read, expected)]).toEqual([`run ${run}`, 0]);
      await image[Symbol.asyncDispose]();
      const { errors } = await checkImage({ path: PATH, format: recipe.format, files, compression: zlibCompression, repair: false, progress: () => {} });
      expect([`run ${run}`, ...errors]).toEqual([`run ${run}`]);
      const again = await openImage({ path: PATH, format: recipe.format, readOnly: true, files, compression: zlibCompression });
      await again.read(0, read);
      expect([`run ${run} opened again`, Buffer.compare(read, expected)]).toEqual([`run ${run} opened again`, 0]);
      await again[Symbol.asyncDispose]();
    }
    expect(failures).toBeGreaterThan(RUNS);
  });
});
