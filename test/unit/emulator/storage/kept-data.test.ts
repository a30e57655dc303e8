/** What was written stays, and nothing else shows up: where two requests, two sizes or two clusters meet. */
import { describe, expect, it } from 'vitest';
import { zlibCompression } from '../../../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../../../src/emulator/interfaces/disk-image.ts';
import { createImage, type NewImage } from '../../../../src/emulator/storage/create-image.ts';
import { MappedImage, type Placement, type Run } from '../../../../src/emulator/storage/mapped-image.ts';
import { openImage } from '../../../../src/emulator/storage/open-image.ts';
import { Qcow2Image } from '../../../../src/emulator/storage/qcow2/qcow2-image.ts';
import { BIRTH, NO_PARTS } from '../../../storage/image-files.ts';
import { FakeByteFile } from '../../../support/fake-byte-file.ts';
import { MemoryFiles } from '../../../support/memory-files.ts';

async function made(files: MemoryFiles, image: NewImage): Promise<DiskImage> {
  await createImage(await files.open('disk', 'read-write'), image, BIRTH, NO_PARTS);
  return openImage({ path: 'disk', format: image.format, readOnly: false, files, compression: zlibCompression });
}

const sectorAt = async (image: DiskImage, sector: number): Promise<number> => {
  const bytes = new Uint8Array(512);
  await image.read(sector, bytes);
  return bytes.every((byte) => byte === bytes[0]) ? bytes[0]! : -1;
};

/** Blocks of one sector, each in its own place of the file: all have it, or none. */
class OneToOne extends MappedImage {
  readonly format = 'raw';
  isPlaced = false;
  /** Comes while a run is looked for. */
  meanwhile: (() => void) | undefined;

  constructor(file: FakeByteFile, sectorCount: number) {
    super({ file, readOnly: false, sectorCount, blockBytes: 512, backing: undefined });
  }

  protected override findRun(offset: number, length: number): Run {
    const run: Run = this.isPlaced ? { kind: 'data', length, position: offset, inPlace: true } : { kind: 'absent', length };
    this.meanwhile?.();
    return run;
  }

  protected override async allocate(offset: number): Promise<Placement> {
    return { position: offset, length: 512, isFresh: true };
  }

  protected override async publish(): Promise<void> {}
  protected override async abandon(): Promise<void> {}
  protected override async commit(): Promise<void> {}

  hold<T>(start: number, end: number, work: () => Promise<T>): Promise<T> {
    return this.alone(start, end, work);
  }
}

describe('a write', () => {
  it('keeps to the range that it holds, although more has got a place while it waited', async () => {
    const file = new FakeByteFile(new Uint8Array(6 << 20));
    const image = new OneToOne(file, (6 << 20) / 512);
    const seen: number[] = [];
    const others: Promise<void>[] = [];
    image.meanwhile = () => {
      image.meanwhile = undefined;
      others.push(image.hold(0, 4 << 20, async () => { image.isPlaced = true; }));
      others.push(image.hold(5 << 20, 6 << 20, async () => {
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
        seen.push(...new Set(file.bytes.subarray(5 << 20)));
      }));
    };
    await image.write(0, new Uint8Array(6 << 20).fill(1));
    await Promise.all(others);
    expect(seen).toEqual([0]);
    expect(file.bytes.every((byte) => byte === 1)).toBe(true);
  });
});

describe('a larger size', () => {
  it.each([2, 3] as const)('of a qcow2 image of version %i does not bring up what is below its old end', async (version) => {
    const files = new MemoryFiles();
    files.add('base.img', new Uint8Array(1 << 20).fill(7));
    const bytes = (256 << 10) + 512;
    const image = await made(files, { format: 'qcow2', bytes, version, backing: { name: 'base.img', format: 'raw' } });
    if (!(image instanceof Qcow2Image)) throw new Error('no qcow2 image');
    await image.resize(2 << 20);
    await image[Symbol.asyncDispose]();
    await using again = await openImage({ path: 'disk', format: 'qcow2', readOnly: true, files, compression: zlibCompression });
    expect(await Promise.all([0, bytes / 512 - 1, bytes / 512, bytes / 512 + 1, 600, 2000, 2048, 4095].map((sector) => sectorAt(again, sector)))).toEqual([7, 7, 0, 0, 0, 0, 0, 0]);
  });
});

describe('a cluster that held compressed data', () => {
  it('takes no more of it once it may be somebody else\'s', async () => {
    const files = new MemoryFiles();
    const image = await made(files, { format: 'qcow2', bytes: 1 << 20, blockBytes: 4096 });
    if (!(image instanceof Qcow2Image)) throw new Error('no qcow2 image');
    const pack = (byte: number): Promise<Uint8Array> => zlibCompression.deflateRaw(new Uint8Array(4096).fill(byte));
    await image.writePacked(0, await pack(1));
    await image.discard(0, 8);
    await image.flush();
    await image.flush();
    await image.write(80, new Uint8Array(8 * 512).fill(9));
    await image.writePacked(8 * 4096, await pack(2));
    expect(await Promise.all([0, 64, 80, 87].map((sector) => sectorAt(image, sector)))).toEqual([0, 2, 9, 9]);
    await image[Symbol.asyncDispose]();
  });
});
