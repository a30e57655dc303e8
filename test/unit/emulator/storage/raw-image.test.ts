import { describe, expect, it } from 'vitest';

import { IsoImage } from '../../../../src/emulator/storage/iso-image.ts';
import { RawImage } from '../../../../src/emulator/storage/raw-image.ts';
import { FakeByteFile } from '../../../support/fake-byte-file.ts';

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7) & 0xff);

describe('RawImage', () => {
  it('reads and writes sectors of its file', async () => {
    const file = new FakeByteFile(pattern(4096));
    const image = await RawImage.open(file);
    expect([image.sectorCount, image.readOnly]).toEqual([8, false]);
    const sectors = new Uint8Array(1024);
    await image.read(2, sectors);
    expect(sectors).toEqual(pattern(4096).subarray(1024, 2048));
    await image.write(7, new Uint8Array(512).fill(9));
    expect(file.bytes.subarray(3584).every((byte) => byte === 9)).toBe(true);
    await image.discard(0, 1);
    expect(file.bytes[1]).toBe(0);
    await image.flush();
    expect(file.flushes).toBe(1);
    await image[Symbol.asyncDispose]();
    expect(file.isClosed).toBe(true);
  });

  it('fills a last sector that is not whole with zeros, and makes it whole when it is written', async () => {
    const file = new FakeByteFile(pattern(700));
    const image = await RawImage.open(file);
    expect(image.sectorCount).toBe(2);
    const sector = new Uint8Array(512).fill(1);
    await image.read(1, sector);
    expect([...sector.subarray(187, 190)]).toEqual([pattern(700)[699], 0, 0]);
    await image.write(1, sector);
    expect(file.bytes.length).toBe(1024);
  });

  it('refuses what lies outside, read-only images and empty files', async () => {
    const image = await RawImage.open(new FakeByteFile(pattern(1024), { readOnly: true }));
    await expect(image.read(1, new Uint8Array(1024))).rejects.toThrow(RangeError);
    await expect(image.read(-1, new Uint8Array(512))).rejects.toThrow(RangeError);
    await expect(image.read(0, new Uint8Array(100))).rejects.toThrow(RangeError);
    await expect(image.write(0, new Uint8Array(512))).rejects.toThrow('read-only');
    await expect(image.discard(0, 1)).rejects.toThrow('read-only');
    await expect(RawImage.open(new FakeByteFile(new Uint8Array(0)))).rejects.toThrow('empty');
  });
});

describe('IsoImage', () => {
  it('reads 2048-byte sectors, the last filled with zeros, and takes no writes', async () => {
    const image = await IsoImage.open(new FakeByteFile(pattern(5000)));
    expect([image.sectorCount, image.sectorBytes, image.readOnly]).toEqual([3, 2048, true]);
    const sector = new Uint8Array(2048).fill(1);
    await image.read(2, sector);
    expect([sector[0], sector[903], sector[904]]).toEqual([pattern(5000)[4096], pattern(5000)[4999], 0]);
    await expect(image.read(3, sector)).rejects.toThrow(RangeError);
    await expect(image.write()).rejects.toThrow('read-only');
    await expect(IsoImage.open(new FakeByteFile(new Uint8Array(0)))).rejects.toThrow('empty');
  });
});
