/** Logs of VHDX images with sound checksums and contents that make no sense: replayed alike in memory and in the file, or refused. */
import { beforeAll, expect, it } from 'vitest';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { createImage } from '../../src/emulator/storage/create-image.ts';
import { ImageError } from '../../src/emulator/storage/image-error.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { BIRTH, NO_PARTS } from '../storage/image-files.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { leaveLog, type LogChange, type LogEntryRecipe } from '../support/vhdx-log.ts';

const CASES = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 150 : 10_000;
const SEED = Number(process.env['GUESTHOUSE_FUZZ_SEED'] ?? 1);
const PATH = 'disk';
const MEGABYTE = 1 << 20;
const SECTOR = 4096;
const OPERATIONS_MAXIMUM = 100_000;
const READ_BYTES = 65536;
const MILLIS_MAXIMUM = CASES * 3_000;

let sound: Uint8Array;

beforeAll(async () => {
  const files = new MemoryFiles();
  await createImage(await files.open(PATH, 'read-write'), { format: 'vhdx', bytes: 4 * MEGABYTE, blockBytes: MEGABYTE }, BIRTH, NO_PARTS);
  await using image = await openImage({ path: PATH, format: 'vhdx', readOnly: false, files, compression: zlibCompression });
  await image.write(0, new Uint8Array(MEGABYTE).fill(1));
  await image.flush();
  sound = files.bytesOf(PATH);
});

function randomLog(random: SeededRandom): LogEntryRecipe[] {
  const entries: LogEntryRecipe[] = [];
  const first = random.pick([1, 1, 2 ** 32 - 1, 2 ** 53 - 3]);
  let at = random.pick([0, 0, SECTOR, MEGABYTE - SECTOR, MEGABYTE - 3 * SECTOR]);
  for (let index = 0; index < 1 + random.below(4); index++) {
    const changes = Array.from({ length: random.below(5) }, (): LogChange => ({
      // Mostly where blocks and the table lie.
      position: random.below(8) === 0 ? random.pick([0, 65536, MEGABYTE, 2 ** 40, 2 ** 52, 512]) : 2 * MEGABYTE + SECTOR * random.below(3 * 256),
      to: random.below(2) === 0 ? new Uint8Array(SECTOR).fill(random.below(256)) : random.pick([SECTOR, 2 * SECTOR, MEGABYTE, 2 ** 50]),
    }));
    const isHarmed = random.below(4) === 0;
    const length = SECTOR * (1 + changes.filter(({ to }) => typeof to !== 'number').length);
    entries.push({
      at, changes, sequence: first + index, tail: random.below(6) === 0 ? random.pick([0, SECTOR, 2 ** 31]) : entries[0]?.at ?? at,
      fileBytes: random.below(10) === 0 ? random.pick([0, 2 ** 46, 2 ** 53]) : sound.length,
      ...(isHarmed ? { harm: (entry: Uint8Array) => { entry[random.below(random.pick([64, 256, entry.length]))] = random.pick([0, 1, 0x7f, 0xff]); } } : {}),
    });
    at = (at + length) % MEGABYTE;
  }
  return entries;
}

/** What the image shows; `undefined` where it is refused. */
async function shown(files: MemoryFiles, readOnly: boolean): Promise<Uint8Array | undefined> {
  try {
    await using image = await openImage({ path: PATH, format: 'vhdx', readOnly, files, compression: zlibCompression });
    const bytes = new Uint8Array(READ_BYTES);
    await image.read(0, bytes);
    return bytes;
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

it(`replays or refuses ${CASES} logs from seed ${SEED}`, async () => {
  let replayed = 0;
  for (let index = 0; index < CASES; index++) {
    const random = new SeededRandom(SEED * 1_000_003 + index);
    const image = sound.slice();
    leaveLog(image, randomLog(random));
    const files = new MemoryFiles();
    files.add(PATH, image);
    files.operationsMaximum = OPERATIONS_MAXIMUM;
    const looked = await shown(files, true);
    expect(Buffer.compare(files.bytesOf(PATH), image), `case ${index}`).toBe(0);
    const written = await shown(files, false);
    expect(written?.join(), `case ${index}`).toBe(looked?.join());
    if (written !== undefined) replayed++;
  }
  // Otherwise it is refusals alone that are tested.
  expect(replayed).toBeGreaterThan(CASES / 10);
}, MILLIS_MAXIMUM);
