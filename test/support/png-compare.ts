/** Looking at a guest's pixels: PNGs of the screen compared with each other and with expectations. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { PNG } from 'pngjs';

/** RGBA bytes, rows from top to bottom. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export function decodePng(bytes: Uint8Array): PixelImage {
  const { width, height, data } = PNG.sync.read(Buffer.from(bytes));
  return { width, height, data };
}

export function encodePng(image: PixelImage): Uint8Array {
  const png = new PNG({ width: image.width, height: image.height });
  png.data = Buffer.from(image.data);
  return PNG.sync.write(png);
}

/** Reads a binary portable pixmap (P6, 8 bits), which is what QEMU's `screendump` writes. */
export function decodePpm(bytes: Uint8Array): PixelImage {
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 256));
  const found = /^P6\s+(?:#[^\n]*\s+)*(\d+)\s+(\d+)\s+255\s/.exec(head);
  if (!found) throw new Error('not a binary 8-bit portable pixmap');
  const width = Number(found[1]);
  const height = Number(found[2]);
  const pixels = bytes.subarray(found[0].length);
  if (pixels.length < width * height * 3) throw new Error('the pixmap is cut short');
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    data.set(pixels.subarray(i * 3, i * 3 + 3), i * 4);
    data[i * 4 + 3] = 255;
  }
  return { width, height, data };
}

export interface PixelDifference {
  /** Pixels that differ by more than the tolerance; all of them where the sizes differ. */
  readonly count: number;
  /** The smallest rectangle around them. */
  readonly bounds: { readonly x: number; readonly y: number; readonly width: number; readonly height: number } | undefined;
  /** The second image dimmed, with what differs in red. */
  readonly picture: PixelImage;
}

/** Compares colours; `tolerance` is how far each of R, G, B may be apart. */
export function comparePixels(a: PixelImage, b: PixelImage, tolerance = 0): PixelDifference {
  const data = new Uint8Array(b.width * b.height * 4);
  const sameSize = a.width === b.width && a.height === b.height;
  let [left, top, right, bottom, count] = [b.width, b.height, -1, -1, 0];
  for (let y = 0; y < b.height; y++) {
    for (let x = 0; x < b.width; x++) {
      const at = (y * b.width + x) * 4;
      let differs = !sameSize;
      for (let part = 0; part < 3 && !differs; part++) differs = Math.abs(a.data[at + part]! - b.data[at + part]!) > tolerance;
      for (let part = 0; part < 3; part++) data[at + part] = differs ? (part === 0 ? 255 : 0) : b.data[at + part]! >> 2;
      data[at + 3] = 255;
      if (!differs) continue;
      count++;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  return {
    count,
    bounds: count === 0 ? undefined : { x: left, y: top, width: right + 1 - left, height: bottom + 1 - top },
    picture: { width: b.width, height: b.height, data },
  };
}

/** How many different colours a picture has, and the share of its most frequent one: an empty screen has 1 and 1. */
export function colorsOf(image: PixelImage): { readonly colors: number; readonly commonest: number } {
  const words = new Uint32Array(image.data.slice().buffer);
  const counts = new Map<number, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return { colors: counts.size, commonest: Math.max(0, ...counts.values()) / Math.max(1, words.length) };
}

/**
 * Compares a screenshot with the golden PNG at `path` and throws on a difference, leaving `…actual.png` and
 * `…difference.png` beside it. With BLESS=1 in the environment the screenshot becomes the golden one: look at it.
 */
export function expectGolden(actual: Uint8Array, path: string, options: { readonly tolerance?: number } = {}): void {
  if (process.env['BLESS'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
    return;
  }
  if (!existsSync(path)) throw new Error(`there is no golden picture ${path}: make it with BLESS=1 and look at it`);
  const expected = decodePng(readFileSync(path));
  const shown = decodePng(actual);
  const difference = comparePixels(expected, shown, options.tolerance);
  if (difference.count === 0) return;
  const beside = path.replace(/\.png$/, '');
  writeFileSync(`${beside}.actual.png`, actual);
  writeFileSync(`${beside}.difference.png`, encodePng(difference.picture));
  throw new Error(`${difference.count} pixels differ from ${path} (${shown.width}x${shown.height}, expected ${expected.width}x${expected.height}), `
    + `within ${JSON.stringify(difference.bounds)}; see ${beside}.difference.png`);
}
