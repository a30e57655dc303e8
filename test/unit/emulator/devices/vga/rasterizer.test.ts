import { describe, expect, it } from 'vitest';

import { codePage437 } from '../../../../../src/emulator/devices/vga/code-page-437.ts';
import { cgaMode4, chainedMode13, planarMode12, textMode3, unchainedModeX } from '../../../../support/vga-modes.ts';
import type { VgaModeRegisters } from '../../../../support/vga-modes.ts';
import { buildVga, mebibyte, pixelArt, pixelAt } from './vga-rig.ts';
import type { VgaRig } from './vga-rig.ts';

/** An 'L' of the full eight dots, and a line-drawing glyph whose last dot is set. */
const glyphL = Uint8Array.from({ length: 16 }, (_, row) => (row === 15 ? 0xff : row === 0 ? 0x81 : 0x80));
const glyphLine = Uint8Array.from({ length: 16 }, (_, row) => (row === 8 ? 0xff : 0));

function textRig(mode: VgaModeRegisters = textMode3): VgaRig {
  const rig = buildVga();
  rig.ports.setEgaPalette();
  rig.ports.setMode(mode);
  rig.ports.loadFont(rig.aperture, 0, 0x4c, glyphL);
  rig.ports.loadFont(rig.aperture, 0, 0xc4, glyphLine);
  for (let cell = 0; cell < 2000; cell++) rig.poke(0xb8000 + cell * 2, 0x0720, 2);
  // Away from the corner that the tests look at.
  rig.ports.outIndexed(0x3d4, 0x0f, 100);
  return rig;
}

describe('text modes', () => {
  it('show characters of nine dots with the guest’s own font and colours', () => {
    const { rasterizer, poke } = textRig();
    poke(0xb8000, 0x1e4c, 2);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([720, 400]);
    expect(pixelArt(picture, 0, 0, 10, 16, '0000aa')).toEqual([
      '#......#.#', ...Array.from({ length: 14 }, () => '#........#'), '########.#',
    ]);
    expect(pixelAt(picture, 0, 0)).toBe('ffff55');
    expect(pixelAt(picture, 9, 0)).toBe('000000');
  });

  it('continue line-drawing characters into the ninth dot, and only when told to', () => {
    const { rasterizer, poke, ports } = textRig();
    poke(0xb8000, 0x07c4, 2);
    expect(pixelArt(rasterizer.draw(), 0, 8, 9, 1, '000000')).toEqual(['#########']);
    ports.outAttribute(0x10, 0x08);
    ports.showPicture();
    expect(pixelArt(rasterizer.draw(), 0, 8, 9, 1, '000000')).toEqual(['########.']);
  });

  it('have eight dots when the clocking mode says so', () => {
    const { rasterizer, ports } = textRig();
    ports.outIndexed(0x3c4, 1, 0x01);
    expect(rasterizer.draw().width).toBe(640);
  });

  it('take 512 characters from two fonts', () => {
    const { rasterizer, poke, ports, aperture } = textRig();
    ports.loadFont(aperture, 2, 0x4c, glyphLine);
    poke(0xb8000, 0x0f4c, 2);
    ports.outIndexed(0x3c4, 3, 0x08);
    expect(pixelArt(rasterizer.draw(), 0, 7, 9, 2, '000000')).toEqual(['.........', '########.']);
    poke(0xb8001, 0x07);
    expect(pixelArt(rasterizer.draw(), 0, 7, 9, 2, '000000')).toEqual(['#........', '#........']);
  });

  it('draw cursor, underline and blinking in their phases', () => {
    const { rasterizer, poke, ports } = textRig();
    ports.outIndexed(0x3d4, 0x0f, 0);
    const cell = (phases: { cursorShown: boolean; blinkingShown: boolean }): string[] => pixelArt(rasterizer.draw(phases), 0, 12, 9, 4, '000000');
    const empty = '.........';
    const full = '#########';
    expect(cell({ cursorShown: true, blinkingShown: true })).toEqual([empty, full, full, empty]);
    expect(cell({ cursorShown: false, blinkingShown: true })).toEqual([empty, empty, empty, empty]);
    ports.outIndexed(0x3d4, 0x0a, 0x0e);
    ports.outIndexed(0x3d4, 0x0b, 0x0f);
    expect(cell({ cursorShown: true, blinkingShown: true })).toEqual([empty, empty, full, full]);
    ports.outIndexed(0x3d4, 0x0a, 0x2e);
    ports.outIndexed(0x3d4, 0x14, 0x0c);
    poke(0xb8000, 0x0120, 2);
    expect(cell({ cursorShown: true, blinkingShown: true })).toEqual([full, empty, empty, empty]);
    poke(0xb8000, 0x874c, 2);
    expect(cell({ cursorShown: true, blinkingShown: true })[3]).toBe('########.');
    expect(cell({ cursorShown: true, blinkingShown: false })[3]).toBe(empty);
  });

  it('read as text, from the display start on and in Unicode', () => {
    const { rasterizer, poke, ports } = textRig();
    [...'Straße: 42 '].forEach((letter, column) => poke(0xb8000 + (80 + column) * 2, Math.max(0, codePage437.indexOf(letter))));
    expect(rasterizer.screenText()?.length).toBe(25);
    expect(rasterizer.screenText()?.[1]).toBe('Straße: 42');
    ports.outIndexed(0x3d4, 0x0d, 80);
    expect(rasterizer.screenText()?.[0]).toBe('Straße: 42');
    ports.setMode(planarMode12);
    expect(rasterizer.screenText()).toBeUndefined();
  });

  it('know every code of code page 437 as one character', () => {
    expect(codePage437.length).toBe(256);
    expect([0x00, 0x20, 0x41, 0x7e, 0x80, 0xb0, 0xc4, 0xdb, 0xe1, 0xff].map((code) => codePage437[code]).join('')).toBe('  A~Ç░─█ß ');
  });

  it('redraw only cells that changed', () => {
    const { rasterizer, poke } = textRig();
    expect(rasterizer.draw().changed).toEqual([{ x: 0, y: 0, width: 720, height: 400 }]);
    expect(rasterizer.draw().changed).toEqual([]);
    poke(0xb8000 + (3 * 80 + 5) * 2, 0x4c);
    expect(rasterizer.draw().changed).toEqual([{ x: 45, y: 48, width: 9, height: 16 }]);
  });

  it('redraw what shows a glyph that changed', () => {
    const { rasterizer, poke, ports, aperture } = textRig();
    poke(0xb8000 + 2 * 2, 0x4c);
    rasterizer.draw();
    ports.loadFont(aperture, 0, 0x4c, glyphLine);
    expect(rasterizer.draw().changed).toEqual([{ x: 18, y: 0, width: 9, height: 16 }]);
  });

  it('scroll by dots with pixel panning and preset row scan', () => {
    const { rasterizer, poke, ports } = textRig();
    poke(0xb8000, 0x074c, 2);
    poke(0xb8000 + 80 * 2, 0x074c, 2);
    ports.outAttribute(0x13, 2);
    ports.showPicture();
    ports.outIndexed(0x3d4, 0x08, 15);
    const picture = rasterizer.draw();
    // Shifted left by three dots, up by fifteen lines: the L's foot, then the next row's first line.
    expect(pixelArt(picture, 0, 0, 9, 2, '000000')).toEqual(['#####....', '....#....']);
    expect(rasterizer.draw().changed).toEqual([]);
  });

  it('split the screen at the line compare', () => {
    const { rasterizer, poke, ports } = textRig();
    poke(0xb8000, 0x074c, 2);
    ports.outIndexed(0x3d4, 0x0d, 160);
    ports.outIndexed(0x3d4, 0x11, 0x0e);
    ports.outIndexed(0x3d4, 0x07, 0x0f);
    ports.outIndexed(0x3d4, 0x09, 0x0f);
    ports.outIndexed(0x3d4, 0x18, 99);
    const picture = rasterizer.draw();
    expect(pixelArt(picture, 0, 99, 9, 2, '000000')).toEqual(['.........', '#......#.']);
  });
});

describe('graphics modes', () => {
  it('mode 13h: a byte a pixel, two dots wide and two lines high', () => {
    const { rasterizer, poke, ports } = buildVga();
    ports.setMode(chainedMode13);
    ports.setColor(0xd5, 63, 32, 0);
    poke(0xa0000 + 319, 0xd5);
    poke(0xa0000 + 199 * 320, 0xd5);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([640, 400]);
    expect(pixelArt(picture, 636, 0, 4, 3, '000000')).toEqual(['..##', '..##', '....']);
    expect(pixelArt(picture, 0, 397, 4, 3, '000000')).toEqual(['....', '##..', '##..']);
    expect(pixelAt(picture, 639, 1)).toBe('ff8200');
  });

  it('mode X: planes and pages, 320 x 240', () => {
    const { rasterizer, poke, ports } = buildVga();
    ports.setMode(unchainedModeX);
    ports.setColor(9, 0, 63, 0);
    const page = 80 * 240;
    ports.outIndexed(0x3c4, 2, 0x04);
    poke(0xa0000 + page + 80, 9);
    expect(rasterizer.draw().pixels.every((pixel) => pixel === 0xff000000)).toBe(true);
    ports.outIndexed(0x3d4, 0x0c, page >> 8);
    ports.outIndexed(0x3d4, 0x0d, page & 255);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([640, 480]);
    expect(pixelArt(picture, 2, 1, 6, 4, '000000')).toEqual(['......', '..##..', '..##..', '......']);
  });

  it('mode 12h: four planes make sixteen colours of the attribute palette', () => {
    const { rasterizer, poke, ports } = buildVga();
    ports.setEgaPalette();
    ports.setMode(planarMode12);
    ports.outIndexed(0x3c4, 2, 0x0c);
    poke(0xa0000 + 479 * 80 + 79, 0x03);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([640, 480]);
    expect(pixelArt(picture, 632, 479, 8, 1, '000000')).toEqual(['......##']);
    expect(pixelAt(picture, 639, 479)).toBe('ff5555');
    ports.outAttribute(0x12, 0x07);
    ports.showPicture();
    expect(pixelAt(rasterizer.draw(), 639, 479)).toBe('aa0000');
  });

  it('mode 4: two bits a pixel in two banks of lines', () => {
    const { rasterizer, poke, ports } = buildVga();
    ports.setMode(cgaMode4);
    // The BIOS's colours for the attribute registers of this mode.
    ports.setColor(0x13, 0x15, 0x3f, 0x3f);
    ports.setColor(0x15, 0x3f, 0x15, 0x3f);
    ports.setColor(0x17, 0x3f, 0x3f, 0x3f);
    poke(0xb8000, 0x1b);
    poke(0xb8001, 0xc0);
    poke(0xba000, 0xff);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([640, 400]);
    expect([0, 2, 4, 6, 8, 10].map((x) => pixelAt(picture, x, 0))).toEqual(['000000', '55ffff', 'ff55ff', 'ffffff', 'ffffff', '000000']);
    expect(pixelArt(picture, 0, 1, 10, 3, '000000')).toEqual(['..########', '########..', '########..']);
  });

  it('redraw only lines that changed', () => {
    const { rasterizer, poke, ports } = buildVga();
    ports.setMode(chainedMode13);
    ports.setColor(1, 63, 63, 63);
    rasterizer.draw();
    expect(rasterizer.draw().changed).toEqual([]);
    poke(0xa0000 + 100 * 320 + 41, 1);
    expect(rasterizer.draw().changed).toEqual([{ x: 80, y: 200, width: 8, height: 2 }]);
    ports.setColor(1, 63, 0, 0);
    expect(pixelAt(rasterizer.draw(), 82, 201)).toBe('ff0000');
  });
});

describe('DISPI modes', () => {
  function linearRig(bpp: number, enable = 0x41): VgaRig {
    const rig = buildVga({ videoMemoryBytes: 4 * mebibyte });
    rig.ports.showPicture();
    rig.dispi(1, 640);
    rig.dispi(2, 480);
    rig.dispi(3, bpp);
    rig.dispi(4, enable);
    return rig;
  }

  it.each([
    [32, [0x33, 0x22, 0x11, 0x00], '112233'],
    [24, [0x33, 0x22, 0x11], '112233'],
    [16, [0x1f, 0xf8], 'ff00ff'],
    [15, [0xe0, 0x03], '00ff00'],
  ] as const)('show %i bits a pixel', (bpp, bytes, expected) => {
    const { rasterizer, videoMemory } = linearRig(bpp);
    videoMemory.set(bytes, (100 * 640 + 13) * bytes.length);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([640, 480]);
    expect(pixelAt(picture, 13, 100)).toBe(expected);
    expect(pixelAt(picture, 12, 100)).toBe('000000');
    expect(pixelAt(picture, 14, 100)).toBe('000000');
  });

  it('show 8 bits through a DAC of 6 or 8 bits', () => {
    const { rasterizer, videoMemory, ports, dispi } = linearRig(8);
    videoMemory[5] = 0xfe;
    ports.setColor(0xfe, 0x21, 0, 0x3f);
    expect(pixelAt(rasterizer.draw(), 5, 0)).toBe('8600ff');
    dispi(4, 0xe1);
    ports.setColor(0xfe, 0x81, 0x42, 0xc3);
    expect(pixelAt(rasterizer.draw(), 5, 0)).toBe('8142c3');
  });

  it('show four bits from four planes, beyond the VGA’s 64 KiB', () => {
    const { rasterizer, ports, poke, dispi } = linearRig(4);
    ports.setEgaPalette();
    ports.out(0x3c2, 0xe3);
    planarMode12.attribute.forEach((value, index) => ports.outAttribute(index, value));
    ports.showPicture();
    ports.outIndexed(0x3c4, 4, 0x06);
    ports.outIndexed(0x3c4, 2, 0x04);
    ports.outIndexed(0x3ce, 8, 0xff);
    dispi(1, 1024);
    dispi(2, 768);
    const at = 767 * 128 + 127;
    dispi(5, at >> 16);
    poke(0xa0000 + (at & 0xffff), 0x01);
    const picture = rasterizer.draw();
    expect([picture.width, picture.height]).toEqual([1024, 768]);
    expect(pixelArt(picture, 1020, 767, 4, 1, '000000')).toEqual(['...#']);
    expect(pixelAt(picture, 1023, 767)).toBe('aa0000');
  });

  it('pan over a larger virtual screen', () => {
    const { rasterizer, videoMemory, dispi } = linearRig(32);
    dispi(6, 800);
    videoMemory.set([0xff, 0xff, 0xff], (20 * 800 + 17) * 4);
    expect(pixelAt(rasterizer.draw(), 17, 20)).toBe('ffffff');
    dispi(8, 16);
    dispi(9, 19);
    expect(pixelAt(rasterizer.draw(), 1, 1)).toBe('ffffff');
    expect(pixelAt(rasterizer.draw(), 17, 20)).toBe('000000');
  });

  it('report the rectangle that changed', () => {
    const { rasterizer, videoMemory } = linearRig(32);
    expect(rasterizer.draw().changed).toEqual([{ x: 0, y: 0, width: 640, height: 480 }]);
    expect(rasterizer.draw().changed).toEqual([]);
    for (let y = 50; y < 66; y++) videoMemory.fill(0xff, (y * 640 + 40) * 4, (y * 640 + 48) * 4);
    expect(rasterizer.draw().changed).toEqual([{ x: 40, y: 50, width: 8, height: 16 }]);
  });

  it('are black while the attribute controller blanks', () => {
    const { rasterizer, videoMemory, ports } = linearRig(32);
    videoMemory.fill(0xff, 0, 640 * 480 * 4);
    expect(pixelAt(rasterizer.draw(), 0, 0)).toBe('ffffff');
    ports.out(0x3c2, 1);
    ports.in(0x3da);
    ports.out(0x3c0, 0x00);
    const blank = rasterizer.draw();
    expect([blank.width, blank.height, pixelAt(blank, 0, 0)]).toEqual([640, 480, '000000']);
    ports.showPicture();
    expect(pixelAt(rasterizer.draw(), 0, 0)).toBe('ffffff');
  });
});

describe('what changed', () => {
  it('covers every pixel that differs, whatever the registers and memory do', async () => {
    const { SeededRandom } = await import('../../../../support/seeded-random.ts');
    const random = new SeededRandom(20261123);
    const { rasterizer, ports, aperture, videoMemory, dispi } = buildVga();
    const shown = { width: 0, height: 0, pixels: new Uint32Array(0) };
    const modes = [textMode3, cgaMode4, planarMode12, chainedMode13, unchainedModeX];
    ports.setEgaPalette();
    for (let step = 0; step < 150; step++) {
      const action = random.below(10);
      if (action === 0) {
        dispi(4, 0);
        ports.setMode(random.pick(modes));
      } else if (action === 1) {
        dispi(1, 320 + random.below(100));
        dispi(2, 200);
        dispi(3, random.pick([4, 8, 15, 16, 24, 32]));
        dispi(4, random.pick([0x41, 0xc1]));
      } else if (action === 2) ports.setColor(random.below(16), random.below(64), random.below(64), random.below(64));
      else if (action === 3) ports.outIndexed(0x3d4, random.pick([0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x13, 0x14, 0x17, 0x18]), random.below(256));
      else if (action === 4) {
        ports.outAttribute(random.below(0x15), random.below(256));
        ports.showPicture();
      } else if (action === 5) dispi(random.pick([6, 8, 9]), random.below(600));
      else for (let i = 0; i < 40; i++) {
        aperture.write(random.below(0x20000), 1, random.below(256));
        videoMemory[random.below(0x20000)] = random.below(256);
      }
      const picture = rasterizer.draw({ cursorShown: random.below(2) === 0, blinkingShown: random.below(2) === 0 });
      if (picture.width !== shown.width || picture.height !== shown.height) {
        Object.assign(shown, { width: picture.width, height: picture.height, pixels: new Uint32Array(picture.pixels.length).fill(0x12345678) });
      }
      for (const { x, y, width, height } of picture.changed) {
        for (let row = y; row < y + height; row++) {
          shown.pixels.set(picture.pixels.subarray(row * picture.width + x, row * picture.width + x + width), row * picture.width + x);
        }
      }
      expect(Buffer.compare(bytesOf(shown.pixels), bytesOf(picture.pixels)), `step ${step}`).toBe(0);
    }
  });
});

function bytesOf(pixels: Uint32Array): Uint8Array {
  return new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
}
