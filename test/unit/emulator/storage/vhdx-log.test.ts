import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { zlibCompression } from '../../../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../../../src/emulator/interfaces/disk-image.ts';
import { ByteFields } from '../../../../src/emulator/storage/byte-fields.ts';
import { createImage } from '../../../../src/emulator/storage/create-image.ts';
import { openImage } from '../../../../src/emulator/storage/open-image.ts';
import { BIRTH, NO_PARTS } from '../../../storage/image-files.ts';
import { MemoryFiles } from '../../../support/memory-files.ts';
import { qemuImg } from '../../../support/qemu-img.ts';
import { leaveLog, LOG_GUID, type LogChange, type LogEntryRecipe } from '../../../support/vhdx-log.ts';

const MEGABYTE = 1 << 20;
const LOG_BYTES = MEGABYTE;
const PATH = 'disk.vhdx';

/** An image of 8 MiB whose first block holds ones. */
async function closedImage(): Promise<Uint8Array> {
  const files = new MemoryFiles();
  await createImage(await files.open(PATH, 'read-write'), { format: 'vhdx', bytes: 8 * MEGABYTE, blockBytes: MEGABYTE }, BIRTH, NO_PARTS);
  {
    await using image = await openImage({ path: PATH, format: 'vhdx', readOnly: false, files, compression: zlibCompression });
    await image.write(0, new Uint8Array(MEGABYTE).fill(1));
    await image.flush();
  }
  return files.bytesOf(PATH);
}

/** Position in the file of the block that was written. */
const blockPosition = (image: Uint8Array): number => {
  const entry = new ByteFields(image, 'little-endian').u64(3 * MEGABYTE, 'entry');
  return entry - (entry % MEGABYTE);
};

const sector = (byte: number): Uint8Array => Uint8Array.from({ length: 4096 }, (_, index) => (byte + index) & 0xff);

const open = (files: MemoryFiles, readOnly: boolean): Promise<DiskImage> => openImage({ path: PATH, format: 'vhdx', readOnly, files, compression: zlibCompression });

function fileOf(image: Uint8Array): MemoryFiles {
  const files = new MemoryFiles();
  files.add(PATH, image);
  return files;
}

/** Guest's sector 0 in each kind of opening: it must be the same. */
async function firstBytes(image: Uint8Array): Promise<number[]> {
  const read = async (files: MemoryFiles, readOnly: boolean): Promise<number[]> => {
    await using disk = await open(files, readOnly);
    const bytes = new Uint8Array(4096 * 4);
    await disk.read(0, bytes);
    return [0, 1, 2, 3].map((index) => bytes[index * 4096]!);
  };
  const looking = fileOf(image);
  const inMemory = await read(looking, true);
  expect(Buffer.compare(looking.bytesOf(PATH), image)).toBe(0);
  const writing = fileOf(image);
  expect(await read(writing, false)).toEqual(inMemory);
  // It is in the file now, and its log gone.
  expect(writing.bytesOf(PATH).subarray(65536 + 48, 65536 + 64).some((byte) => byte !== 0)).toBe(false);
  expect(writing.bytesOf(PATH).subarray(131072 + 48, 131072 + 64).some((byte) => byte !== 0)).toBe(false);
  expect(await read(writing, true)).toEqual(inMemory);
  return inMemory;
}

describe('the log of a VHDX image that was not closed', () => {
  it.each<[string, (entry: (at: number, sequence: number, tail: number, changes: readonly LogChange[]) => LogEntryRecipe, at: number) => LogEntryRecipe[], number[]]>([
    ['one entry', (entry, at) => [entry(0, 7, 0, [{ position: at, to: sector(9) }, { position: at + 4096, to: 8192 }])], [9, 0, 0, 1]],
    ['zeros, and data over them', (entry, at) => [entry(0, 7, 0, [{ position: at, to: 16384 }, { position: at + 8192, to: sector(4) }])], [0, 0, 4, 0]],
    ['data, and zeros over them', (entry, at) => [entry(0, 7, 0, [{ position: at, to: sector(4) }]), entry(8192, 8, 0, [{ position: at, to: 4096 }])], [0, 1, 1, 1]],
    ['the newest sequence, from its tail on', (entry, at) => [
      entry(0, 20, 0, [{ position: at, to: sector(20) }]), entry(8192, 21, 8192, [{ position: at + 4096, to: sector(21) }]), entry(16384, 22, 8192, [{ position: at + 8192, to: sector(22) }]),
      entry(65536, 5, 65536, [{ position: at + 12288, to: sector(5) }]),
    ], [1, 21, 22, 1]],
    ['a gap in the numbers', (entry, at) => [entry(0, 30, 0, [{ position: at, to: sector(30) }]), entry(8192, 32, 0, [{ position: at, to: sector(32) }])], [30, 1, 1, 1]],
    ['a ring that begins anew', (entry, at) => [
      entry(LOG_BYTES - 4096, 40, LOG_BYTES - 4096, [{ position: at, to: sector(40) }]), entry(4096, 41, LOG_BYTES - 4096, [{ position: at + 4096, to: sector(41) }]),
    ], [40, 41, 1, 1]],
    ['numbers beyond 32 bits', (entry, at) => [entry(0, 2 ** 40 + 5, 0, [{ position: at, to: sector(50) }])], [50, 1, 1, 1]],
  ])('is replayed: %s', async (_name, entries, expected) => {
    const image = await closedImage();
    leaveLog(image, entries((at, sequence, tail, changes) => ({ at, sequence, tail, changes, fileBytes: image.length }), blockPosition(image)));
    expect(await firstBytes(image)).toEqual(expected);
  });

  it('ends before a torn entry, and one of another log', async () => {
    const sound = await closedImage();
    const at = blockPosition(sound);
    const entries: LogEntryRecipe[] = [1, 2].map((sequence) => ({ at: (sequence - 1) * 8192, tail: 0, sequence, changes: [{ position: at + (sequence - 1) * 4096, to: sector(sequence + 60) }], fileBytes: sound.length }));
    const torn = sound.slice();
    leaveLog(torn, entries);
    torn[MEGABYTE + 8192 + 4096 + 100]! ^= 1;
    expect(await firstBytes(torn)).toEqual([61, 1, 1, 1]);
    const other = sound.slice();
    leaveLog(other, [entries[0]!, { ...entries[1]!, guid: LOG_GUID.toReversed() }]);
    expect(await firstBytes(other)).toEqual([61, 1, 1, 1]);
  });

  it.each<[string, (entry: LogEntryRecipe) => LogEntryRecipe]>([
    ['over the headers', (entry) => ({ ...entry, changes: [{ position: 65536, to: sector(1) }] })],
    ['over the log', (entry) => ({ ...entry, changes: [{ position: MEGABYTE, to: 8192 }] })],
    ['behind the end', (entry) => ({ ...entry, changes: [{ position: 2 ** 45, to: sector(1) }] })],
    ['beside a sector', (entry) => ({ ...entry, changes: [{ position: 5 * MEGABYTE + 512, to: sector(1) }] })],
    ['in a longer file', (entry) => ({ ...entry, fileBytes: 2 ** 40 })],
    ['without a tail', (entry) => ({ ...entry, tail: 4096 })],
  ])('is refused, and nothing written, where it leads %s', async (_name, change) => {
    const image = await closedImage();
    leaveLog(image, [change({ at: 0, tail: 0, sequence: 1, changes: [], fileBytes: image.length })]);
    for (const readOnly of [true, false]) {
      const files = fileOf(image);
      await expect(open(files, readOnly)).rejects.toMatchObject({ code: 'image.damaged' });
      expect(Buffer.compare(files.bytesOf(PATH), image)).toBe(0);
    }
  });

  // Where a sequence goes past the ring's end, qemu-img replays only what lies at its beginning: not what the specification says.
  it('is replayed as QEMU does', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'guesthouse-'));
    onTestFinished(() => { rmSync(folder, { recursive: true }); });
    const image = await closedImage();
    const at = blockPosition(image);
    leaveLog(image, [
      { at: 65536, tail: 65536, sequence: 3, changes: [{ position: at, to: sector(3) }], fileBytes: image.length },
      { at: 65536 + 8192, tail: 65536, sequence: 4, changes: [{ position: at + 65536, to: 131072 }, { position: at + 4096, to: sector(4) }], fileBytes: image.length },
    ]);
    const path = join(folder, PATH);
    writeFileSync(path, image);
    qemuImg('check', '-r', 'all', path);
    qemuImg('convert', '-O', 'raw', path, join(folder, 'raw'));
    await using disk = await open(fileOf(image), true);
    const bytes = new Uint8Array(8 * MEGABYTE);
    await disk.read(0, bytes);
    expect(Buffer.compare(bytes, readFileSync(join(folder, 'raw')))).toBe(0);
    expect([bytes[0], bytes[4096], bytes[8192], bytes[65536]]).toEqual([3, 4, 1, 0]);
  });
});
