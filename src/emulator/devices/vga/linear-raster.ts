import type { ChangedRegion } from './changed-region.ts';
import type { LinearMode } from './display-mode.ts';

/** Whether two ranges of bytes are equal. The host injects its fast comparison. */
export type SameBytes = (a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number) => boolean;

/** Lines compared at a time: most of a picture stands still. */
const bandLines = 8;

/** DISPI modes of 8 to 32 bits: keeps a copy of the lines shown and converts the parts that differ. */
export class LinearRaster {
  private shadow = new Uint8Array(0);
  private words = new Uint32Array(0);
  private halves = new Uint16Array(0);
  private rowBytes = 0;
  private readonly sameBytes: SameBytes;

  constructor(sameBytes: SameBytes) {
    this.sameBytes = sameBytes;
  }

  /** Draws what changed, or everything; `dac` are the 256 colours of 8-bit modes as RGBA words. */
  draw(mode: LinearMode, memory: Uint8Array, dac: Uint32Array, pixels: Uint32Array, region: ChangedRegion, everything: boolean): void {
    // Widths are multiples of 8, so lines are whole words.
    this.rowBytes = mode.width * (mode.bpp === 15 ? 2 : mode.bpp / 8);
    const needed = this.rowBytes * mode.height;
    if (this.shadow.length !== needed) {
      this.shadow = new Uint8Array(needed);
      this.words = new Uint32Array(this.shadow.buffer);
      this.halves = new Uint16Array(this.shadow.buffer);
    }
    const contiguous = mode.pitch === this.rowBytes;
    for (let y = 0; y < mode.height; y += bandLines) {
      const lines = Math.min(bandLines, mode.height - y);
      if (!everything && contiguous && this.sameBytes(memory, mode.start + y * mode.pitch, this.shadow, y * this.rowBytes, lines * this.rowBytes)) continue;
      for (let line = y; line < y + lines; line++) this.drawLine(mode, memory, dac, pixels, region, line, everything);
    }
  }

  private drawLine(
    mode: LinearMode, memory: Uint8Array, dac: Uint32Array, pixels: Uint32Array, region: ChangedRegion, y: number, everything: boolean,
  ): void {
    const source = mode.start + y * mode.pitch;
    const target = y * this.rowBytes;
    let from = 0;
    let to = this.rowBytes;
    if (!everything) {
      if (this.sameBytes(memory, source, this.shadow, target, this.rowBytes)) return;
      while (from < to && memory[source + from] === this.shadow[target + from]) from++;
      while (to > from && memory[source + to - 1] === this.shadow[target + to - 1]) to--;
      // The guest may have made them equal again in between.
      if (from === to) return;
    }
    const bytes = mode.bpp === 15 ? 2 : mode.bpp / 8;
    const left = Math.floor(from / bytes);
    const right = Math.ceil(to / bytes);
    // The copy is what gets converted, so that both show the same even while the guest draws.
    this.shadow.set(memory.subarray(source + left * bytes, source + right * bytes), target + left * bytes);
    this.convert(mode, dac, pixels, y * mode.width + left, y * mode.width + right);
    region.add(left, y, right - left, 1);
  }

  /** Pixels have the same index in the shadow and in the picture. */
  private convert(mode: LinearMode, dac: Uint32Array, pixels: Uint32Array, from: number, to: number): void {
    const { shadow, words, halves } = this;
    switch (mode.bpp) {
      case 8:
        for (let i = from; i < to; i++) pixels[i] = dac[shadow[i]!]!;
        return;
      case 15:
        for (let i = from; i < to; i++) {
          const half = halves[i]!;
          pixels[i] = 0xff000000 | five((half >> 10) & 31) | (five((half >> 5) & 31) << 8) | (five(half & 31) << 16);
        }
        return;
      case 16:
        for (let i = from; i < to; i++) {
          const half = halves[i]!;
          const green = (half >> 5) & 63;
          pixels[i] = 0xff000000 | five(half >> 11) | (((green << 2) | (green >> 4)) << 8) | (five(half & 31) << 16);
        }
        return;
      case 24:
        for (let i = from, at = from * 3; i < to; i++, at += 3) {
          pixels[i] = 0xff000000 | shadow[at + 2]! | (shadow[at + 1]! << 8) | (shadow[at]! << 16);
        }
        return;
      case 32:
        for (let i = from; i < to; i++) {
          const word = words[i]!;
          pixels[i] = 0xff000000 | ((word >> 16) & 0xff) | (word & 0xff00) | ((word & 0xff) << 16);
        }
    }
  }
}

function five(bits: number): number {
  return (bits << 3) | (bits >> 2);
}
