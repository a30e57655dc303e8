import type { IoHandler } from '../../src/emulator/interfaces/bus.ts';
import { vgaPortBase } from '../../src/emulator/devices/vga/vga.ts';

/** Register values of a mode as the IBM VGA's BIOS sets them (PS/2 Hardware Interface Technical Reference). */
export interface VgaModeRegisters {
  readonly misc: number;
  readonly sequencer: readonly number[];
  readonly crtc: readonly number[];
  readonly graphics: readonly number[];
  readonly attribute: readonly number[];
}

const sixteenColors = [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f] as const;

/** Mode 3: 80 x 25 characters of 9 x 16 dots. */
export const textMode3: VgaModeRegisters = {
  misc: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x10, 0x0e, 0x00, 0xff],
  attribute: [...sixteenColors, 0x0c, 0x00, 0x0f, 0x08, 0x00],
};

/** Mode 4: 320 x 200 in four colours, two banks of lines as on the CGA. */
export const cgaMode4: VgaModeRegisters = {
  misc: 0x63,
  sequencer: [0x03, 0x09, 0x03, 0x00, 0x02],
  crtc: [0x2d, 0x27, 0x28, 0x90, 0x2b, 0x80, 0xbf, 0x1f, 0x00, 0xc1, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x14, 0x00, 0x96, 0xb9, 0xa2, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x30, 0x0f, 0x00, 0xff],
  attribute: [0x00, 0x13, 0x15, 0x17, 0x02, 0x04, 0x06, 0x07, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x01, 0x00, 0x03, 0x00, 0x00],
};

/** Mode 12h: 640 x 480 in 16 colours, four planes. */
export const planarMode12: VgaModeRegisters = {
  misc: 0xe3,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x06],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0b, 0x3e, 0x00, 0x40, 0, 0, 0, 0, 0, 0, 0xea, 0x8c, 0xdf, 0x28, 0x00, 0xe7, 0x04, 0xe3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x00, 0x05, 0x0f, 0xff],
  attribute: [...sixteenColors, 0x01, 0x00, 0x0f, 0x00, 0x00],
};

/** Mode 13h: 320 x 200 in 256 colours, chained. */
export const chainedMode13: VgaModeRegisters = {
  misc: 0x63,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x0e],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0xbf, 0x1f, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x40, 0x96, 0xb9, 0xa3, 0xff],
  graphics: [0, 0, 0, 0, 0, 0x40, 0x05, 0x0f, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0x41, 0x00, 0x0f, 0x00, 0x00],
};

/** "Mode X": mode 13h unchained, 320 x 240, four pages. */
export const unchainedModeX: VgaModeRegisters = {
  ...chainedMode13,
  misc: 0xe3,
  sequencer: [0x03, 0x01, 0x0f, 0x00, 0x06],
  crtc: [0x5f, 0x4f, 0x50, 0x82, 0x54, 0x80, 0x0d, 0x3e, 0x00, 0x41, 0, 0, 0, 0, 0, 0, 0xea, 0xac, 0xdf, 0x28, 0x00, 0xe7, 0x06, 0xe3, 0xff],
};

/** Ports as software sees them, over a handler claimed at 3B0h. */
export class VgaPorts {
  private readonly handler: IoHandler;

  constructor(handler: IoHandler) {
    this.handler = handler;
  }

  in(port: number): number {
    return this.handler.read(port - vgaPortBase, 1);
  }

  out(port: number, value: number): void {
    this.handler.write(port - vgaPortBase, 1, value);
  }

  /** Index and data in one word, as most software writes them. */
  outIndexed(port: number, index: number, value: number): void {
    this.handler.write(port - vgaPortBase, 2, index | (value << 8));
  }

  inIndexed(port: number, index: number): number {
    this.out(port, index);
    return this.in(port + 1);
  }

  outAttribute(index: number, value: number): void {
    this.in(0x3da);
    this.out(0x3c0, index);
    this.out(0x3c0, value);
  }

  showPicture(): void {
    this.in(0x3da);
    this.out(0x3c0, 0x20);
  }

  setMode(mode: VgaModeRegisters): void {
    this.out(0x3c2, mode.misc);
    mode.sequencer.forEach((value, index) => this.outIndexed(0x3c4, index, value));
    this.outIndexed(0x3d4, 0x11, 0);
    mode.crtc.forEach((value, index) => this.outIndexed(0x3d4, index, value));
    mode.graphics.forEach((value, index) => this.outIndexed(0x3ce, index, value));
    mode.attribute.forEach((value, index) => this.outAttribute(index, value));
    this.out(0x3c6, 0xff);
    this.showPicture();
  }

  setColor(index: number, red6: number, green6: number, blue6: number): void {
    this.out(0x3c8, index);
    for (const component of [red6, green6, blue6]) this.out(0x3c9, component);
  }

  /** The first 64 DAC entries as 2 bits a colour: bits 0-2 are two thirds of B, G, R, bits 3-5 one third. */
  setEgaPalette(): void {
    for (let color = 0; color < 64; color++) {
      const level = (strong: number, weak: number): number => ((color >> strong) & 1) * 42 + ((color >> weak) & 1) * 21;
      this.setColor(color, level(2, 5), level(1, 4), level(0, 3));
    }
  }

  /** Writes glyphs of 16 rows to font `map` in plane 2 through the window, as BIOSes do, and returns to mode 3's registers. */
  loadFont(aperture: IoHandler, map: number, firstCharacter: number, rows: Uint8Array): void {
    this.outIndexed(0x3c4, 2, 0x04);
    this.outIndexed(0x3c4, 4, 0x07);
    this.outIndexed(0x3ce, 5, 0x00);
    this.outIndexed(0x3ce, 6, 0x04);
    const base = [0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000][map]!;
    for (let i = 0; i < rows.length; i++) aperture.write(base + (firstCharacter + (i >> 4)) * 32 + (i & 15), 1, rows[i]!);
    this.outIndexed(0x3c4, 2, 0x03);
    this.outIndexed(0x3c4, 4, 0x02);
    this.outIndexed(0x3ce, 5, 0x10);
    this.outIndexed(0x3ce, 6, 0x0e);
  }
}
