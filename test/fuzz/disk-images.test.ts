/**
 * Images with changed headers and tables: whatever is in them, each operation works or ends with a clear error, in a bounded
 * number of file operations, and no other file is opened.
 */
import { beforeAll, describe, it } from 'vitest';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../src/emulator/interfaces/disk-image.ts';
import { checkImage } from '../../src/emulator/storage/check-image.ts';
import { createImage, type NewImage } from '../../src/emulator/storage/create-image.ts';
import { describeImage } from '../../src/emulator/storage/describe-image.ts';
import { ImageError } from '../../src/emulator/storage/image-error.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { Qcow2Image } from '../../src/emulator/storage/qcow2/qcow2-image.ts';
import { BIRTH, NO_PARTS, workOn } from '../storage/image-files.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const CASES = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 300 : 10_000;
const SEED = Number(process.env['GUESTHOUSE_FUZZ_SEED'] ?? 1);
const PATH = 'disk';
/** For a host that has other things to do: what a case may do is counted, not timed. */
const MILLIS_MAXIMUM = CASES * 3_000;
const OPERATIONS_MAXIMUM = 200_000;
const READ_SECTORS = 1024;
const DISK_BYTES = 4 << 20;

const KINDS: readonly { readonly name: string; readonly image: Omit<NewImage, 'bytes'> }[] = [
  { name: 'qcow2', image: { format: 'qcow2', blockBytes: 4096 } },
  { name: 'qcow2 version 2', image: { format: 'qcow2', blockBytes: 512, version: 2 } },
  { name: 'VDI', image: { format: 'vdi', blockBytes: 65536 } },
  { name: 'VHD', image: { format: 'vhd', blockBytes: 1 << 19 } },
  { name: 'fixed VHD', image: { format: 'vhd', subformat: 'fixed' } },
  { name: 'VHDX', image: { format: 'vhdx', blockBytes: 1 << 20 } },
  { name: 'VMDK', image: { format: 'vmdk', blockBytes: 4096 } },
  { name: 'qcow2 over a base', image: { format: 'qcow2', blockBytes: 4096, compression: 'zstd', backing: { name: 'base.img', format: 'raw' } } },
];

async function soundImage(image: Omit<NewImage, 'bytes'>): Promise<MemoryFiles> {
  const files = new MemoryFiles();
  files.add('base.img', new Uint8Array(DISK_BYTES / 2).fill(7));
  files.add('secret', new Uint8Array(4096));
  await createImage(await files.open(PATH, 'read-write'), { ...image, bytes: DISK_BYTES }, BIRTH, NO_PARTS);
  const opened = await open(files, image);
  await workOn(opened, new Uint8Array(DISK_BYTES), new SeededRandom(1), 20).catch((error: unknown) => { if (image.backing === undefined) throw error; });
  if (opened instanceof Qcow2Image) {
    const { blockBytes } = opened;
    for (let cluster = 0; cluster < 8; cluster++) {
      const bytes = new Uint8Array(blockBytes).fill(cluster);
      await opened.writePacked(cluster * 3 * blockBytes, opened.header.compression === 'zstd' ? await zlibCompression.zstdCompress(bytes) : await zlibCompression.deflateRaw(bytes));
    }
  }
  await opened[Symbol.asyncDispose]();
  return files;
}

function open(files: MemoryFiles, image: Omit<NewImage, 'bytes'>, readOnly = false): Promise<DiskImage> {
  return openImage({ path: PATH, format: image.format, readOnly, files, compression: zlibCompression });
}

/** Changes some bytes: mostly of the header, and of wherever tables may be. */
function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const mutated = bytes.slice();
  for (let changes = 1 + random.below(random.pick([1, 3, 12])); changes > 0; changes--) {
    const range = random.pick([128, 512, 4096, 65536, mutated.length]);
    // Some formats have what counts at their end.
    const at = random.below(8) === 0 ? Math.max(0, mutated.length - 1 - random.below(1024)) : random.below(Math.min(range, mutated.length));
    const length = Math.min(mutated.length - at, random.pick([1, 1, 2, 4, 8, 16, 64]));
    switch (random.below(6)) {
      case 0: mutated[at]! ^= 1 << random.below(8); break;
      case 1: mutated.fill(0xff, at, at + length); break;
      case 2: mutated.fill(0, at, at + length); break;
      case 3: mutated.copyWithin(at, random.below(mutated.length), random.below(mutated.length)); break;
      case 4: mutated[at] = random.pick([0, 1, 2, 0x10, 0x7f, 0x80, 0xff]); break;
      default: for (let index = 0; index < length; index++) mutated[at + index] = random.next32();
    }
  }
  return random.below(10) === 0 ? mutated.slice(0, random.below(mutated.length)) : mutated;
}

/** Runs, or fails as it may. */
async function mayFail(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const isSystems = error instanceof Error && ['EFBIG', 'ENOSPC'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (!isSystems && !(error instanceof ImageError)) throw error;
    if (error instanceof ImageError && !(/^[a-z]+\.[a-z-]+$/.test(error.code) && /^\P{C}{1,1000}$/u.test(error.message) && /^\P{C}{1,1000}$/u.test(error.advice))) {
      throw new Error(`not fit for people: ${JSON.stringify([error.code, error.message, error.advice])}`, { cause: error });
    }
  }
}

async function use(image: DiskImage, random: SeededRandom): Promise<void> {
  const sectors = image.sectorCount;
  const buffer = new Uint8Array(READ_SECTORS * 512);
  for (const first of [0, Math.max(0, sectors - READ_SECTORS), random.below(Math.max(1, Math.min(sectors, 2 ** 31)))]) {
    const count = Math.min(READ_SECTORS, sectors - first);
    if (count <= 0) continue;
    await mayFail(() => image.extentAt(first, count));
    await mayFail(() => image.read(first, buffer.subarray(0, count * 512)));
    if (image.readOnly) continue;
    await mayFail(() => image.write(first, buffer.subarray(0, Math.min(count, 1 + random.below(200)) * 512).fill(0x55)));
    await mayFail(() => image.discard(first, count));
    await mayFail(() => image.flush());
  }
}

describe.each(KINDS)('damaged images: $name', ({ image }) => {
  let sound: MemoryFiles;
  beforeAll(async () => {
    sound = await soundImage(image);
  });

  it(`does what can be done, or says what is wrong, in ${CASES} cases from seed ${SEED}`, async () => {
    for (let index = 0; index < CASES; index++) {
      const random = new SeededRandom(SEED * 1_000_003 + index);
      const files = sound.copy();
      files.add(PATH, mutate(files.bytesOf(PATH), random));
      files.operationsMaximum = OPERATIONS_MAXIMUM;
      try {
        const ways = [true, false];
        if (random.below(2) === 0) ways.reverse();
        for (const readOnly of ways) {
          await mayFail(async () => {
            const opened = await open(files, image, readOnly);
            try {
              await use(opened, random);
            } finally {
              await mayFail(() => Promise.resolve(opened[Symbol.asyncDispose]()));
            }
          });
          const checking = { path: PATH, format: image.format, files, compression: zlibCompression, progress: () => {} };
          await mayFail(() => describeImage({ path: PATH, format: image.format, files }));
          await mayFail(() => checkImage({ ...checking, repair: false }));
          if (!readOnly) await mayFail(() => checkImage({ ...checking, repair: true }));
        }
        if (files.opened.includes('secret')) throw new Error('another file was opened');
      } catch (error) {
        throw new Error(`case ${index} of seed ${SEED}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error });
      }
    }
  }, MILLIS_MAXIMUM);
});
