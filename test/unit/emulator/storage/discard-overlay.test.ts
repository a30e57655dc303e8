import { describe, expect, it } from 'vitest';

import { DiscardOverlay } from '../../../../src/emulator/storage/discard-overlay.ts';
import { RawImage } from '../../../../src/emulator/storage/raw-image.ts';
import { FakeByteFile } from '../../../support/fake-byte-file.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const SECTORS = 600;

async function overlay(maximumBytes?: number) {
  const file = new FakeByteFile(Uint8Array.from({ length: SECTORS * 512 }, (_, index) => (index * 11 + (index >> 9)) & 0xff), { readOnly: true });
  const base = await RawImage.open(file);
  return { file, image: new DiscardOverlay({ base, ...(maximumBytes === undefined ? {} : { maximumBytes }) }) };
}

describe('DiscardOverlay', () => {
  it('behaves like a writable disk and leaves the image below alone', async () => {
    const { file, image } = await overlay();
    const before = file.bytes.slice();
    const model = file.bytes.slice();
    const random = new SeededRandom(7);
    for (let step = 0; step < 400; step++) {
      const sector = random.below(SECTORS);
      const count = 1 + random.below(Math.min(200, SECTORS - sector));
      const action = random.below(5);
      if (action === 0) {
        await image.discard(sector, count);
        model.fill(0, sector * 512, (sector + count) * 512);
      } else if (action < 3) {
        const data = new Uint8Array(count * 512).fill(random.below(256));
        await image.write(sector, data);
        model.set(data, sector * 512);
      } else {
        const data = new Uint8Array(count * 512);
        await image.read(sector, data);
        expect(Buffer.compare(data, model.subarray(sector * 512, (sector + count) * 512)), `step ${step}`).toBe(0);
      }
    }
    expect(Buffer.compare(file.bytes, before)).toBe(0);
    expect(image.bytesHeld).toBeLessThanOrEqual(5 * 65536);
  });

  it('fails with ENOSPC when its memory is used up, and gives memory of discarded chunks back', async () => {
    const { image } = await overlay(65536);
    await image.write(0, new Uint8Array(512));
    await expect(image.write(128, new Uint8Array(512))).rejects.toMatchObject({ code: 'ENOSPC' });
    await image.discard(0, 128);
    await image.write(128, new Uint8Array(512));
    expect(image.bytesHeld).toBe(65536);
  });

  it('refuses what lies outside', async () => {
    const { image } = await overlay();
    await expect(image.read(SECTORS, new Uint8Array(512))).rejects.toThrow(RangeError);
    await expect(image.write(0, new Uint8Array(5))).rejects.toThrow(RangeError);
    await expect(image.discard(1, SECTORS)).rejects.toThrow(RangeError);
  });
});
