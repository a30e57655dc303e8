import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { colorsOf, comparePixels, decodePng, decodePpm, encodePng, expectGolden } from '../../support/png-compare.ts';
import type { PixelImage } from '../../support/png-compare.ts';

function image(width: number, height: number): PixelImage {
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) data[i * 4 + 3] = 255;
  return { width, height, data };
}

describe('comparing pictures', () => {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'guesthouse-golden-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it('counts and frames the pixels that differ beyond the tolerance', () => {
    const a = image(8, 6);
    const b = image(8, 6);
    b.data.set([9, 0, 0], (2 * 8 + 3) * 4);
    b.data.set([0, 0, 200], (4 * 8 + 5) * 4);
    expect(comparePixels(a, b, 8)).toMatchObject({ count: 2, bounds: { x: 3, y: 2, width: 3, height: 3 } });
    expect(comparePixels(a, b, 9)).toMatchObject({ count: 1, bounds: { x: 5, y: 4, width: 1, height: 1 } });
    expect(comparePixels(a, a).count).toBe(0);
    expect(comparePixels(image(4, 4), a).count).toBe(48);
  });

  it('reads what QEMU dumps', () => {
    const ppm = new Uint8Array([...'P6\n2 1\n255\n'].map((letter) => letter.charCodeAt(0)).concat([1, 2, 3, 10, 32, 9]));
    expect([...decodePpm(ppm).data]).toEqual([1, 2, 3, 255, 10, 32, 9, 255]);
    expect(() => decodePpm(ppm.subarray(0, ppm.length - 1))).toThrow('cut short');
  });

  it('holds a screenshot against its golden picture, which only BLESS makes', () => {
    const path = join(folder, 'sub', 'screen.png');
    const black = image(5, 5);
    const spotted = image(5, 5);
    spotted.data[0] = 255;
    expect(() => { expectGolden(encodePng(black), path); }).toThrow('no golden picture');
    vi.stubEnv('BLESS', '1');
    expectGolden(encodePng(black), path);
    vi.stubEnv('BLESS', '');
    expectGolden(encodePng(black), path);
    expect(() => { expectGolden(encodePng(spotted), path); }).toThrow('1 pixels differ');
    expect(decodePng(encodePng(spotted)).data[0]).toBe(255);
    expect(colorsOf(spotted)).toEqual({ colors: 2, commonest: 0.96 });
  });
});
