import type { ChangedRegion } from './changed-region.ts';
import { planeOffset, rowSegments } from './display-mode.ts';
import type { RowSegment, VgaMode } from './display-mode.ts';

/** By a byte of one plane: its bit 7 - i in nibble i, so that four planes shifted and joined give eight colours. */
const planeNibbles = Uint32Array.from({ length: 256 }, (_, byte) => {
  let nibbles = 0;
  for (let pixel = 0; pixel < 8; pixel++) if ((byte & (0x80 >> pixel)) !== 0) nibbles |= 1 << (pixel * 4);
  return nibbles >>> 0;
});

/** The VGA's own graphics modes: keeps what every fetch of every row was and draws rows that differ. */
export class GraphicsRaster {
  private fetched = new Uint32Array(0);
  private row = new Uint32Array(0);
  private dots = new Uint32Array(0);

  /**
   * Draws changed lines, or all where `everything`; `colors` are the 16 attribute colours, `dac` all 256, as RGBA
   * words. `planes` is a power of two long.
   */
  draw(
    mode: VgaMode, planes: Uint32Array, colors: Uint32Array, dac: Uint32Array, pixels: Uint32Array, region: ChangedRegion,
    everything: boolean,
  ): void {
    // One fetch more than shown: panning shifts it in.
    const fetches = mode.columns + 1;
    if (this.fetched.length < fetches * mode.height) this.fetched = new Uint32Array(fetches * mode.height);
    if (this.row.length !== fetches) {
      this.row = new Uint32Array(fetches);
      this.dots = new Uint32Array(fetches * 8 * mode.dotRepeat);
    }
    const cell = 8 * mode.dotRepeat;
    const repeat = mode.doubleScan ? 2 : 1;
    for (const segment of rowSegments(mode)) {
      for (let line = 0; line < segment.lines; line += repeat) {
        const y = segment.y + line;
        const scan = segment.firstScan + line / repeat;
        const copies = Math.min(repeat, segment.lines - line);
        const changed = this.fetch(mode, planes, segment, scan, y * fetches, everything);
        if (changed === undefined) continue;
        this.convert(mode, colors, dac);
        const shift = Math.min(segment.panning * mode.dotRepeat, cell);
        for (let copy = 0; copy < copies; copy++) pixels.set(this.dots.subarray(shift, shift + mode.width), (y + copy) * mode.width);
        region.add(changed.first * cell - shift, y, (changed.last + 1 - changed.first) * cell, copies);
      }
    }
  }

  /** Reads a line into `row`; returns the first and last fetch that differ from last time, if any. */
  private fetch(
    mode: VgaMode, planes: Uint32Array, segment: RowSegment, scan: number, shadowAt: number, everything: boolean,
  ): { first: number; last: number } | undefined {
    const { row, fetched } = this;
    const plain = mode.addressShift === 0 && mode.countShift === 0 && !mode.bit13FromScan && !mode.bit14FromScan;
    let first = -1;
    let last = -1;
    for (let i = 0; i < row.length; i++) {
      const at = plain ? (segment.counter + i) & mode.addressMask : planeOffset(mode, segment.counter + (i >> mode.countShift), scan);
      const word = planes[at]!;
      row[i] = word;
      if (fetched[shadowAt + i] === word) continue;
      fetched[shadowAt + i] = word;
      if (first < 0) first = i;
      last = i;
    }
    if (everything) return { first: 0, last: row.length - 1 };
    return first < 0 ? undefined : { first, last };
  }

  private convert(mode: VgaMode, colors: Uint32Array, dac: Uint32Array): void {
    const { row, dots } = this;
    const repeat = mode.dotRepeat;
    let at = 0;
    if (mode.kind === 'packed') {
      for (let i = 0; i < row.length; i++) {
        for (let word = row[i]!, pixel = 0; pixel < 4; pixel++, word >>>= 8) {
          const color = dac[word & 0xff]!;
          for (let dot = 0; dot < 2 * repeat; dot++) dots[at++] = color;
        }
      }
      return;
    }
    for (let i = 0; i < row.length; i++) {
      const word = row[i]!;
      let nibbles = mode.kind === 'planar'
        ? planeNibbles[word & 0xff]! | (planeNibbles[(word >>> 8) & 0xff]! << 1)
          | (planeNibbles[(word >>> 16) & 0xff]! << 2) | (planeNibbles[word >>> 24]! << 3)
        : interleavedNibbles(word);
      for (let pixel = 0; pixel < 8; pixel++, nibbles >>>= 4) {
        const color = colors[nibbles & 15]!;
        for (let dot = 0; dot < repeat; dot++) dots[at++] = color;
      }
    }
  }
}

/** CGA shifting: plane 0's four pixels of two bits, then plane 1's; planes 2 and 3 give the upper two bits. */
function interleavedNibbles(word: number): number {
  let nibbles = 0;
  for (let pixel = 0; pixel < 8; pixel++) {
    const shift = (pixel < 4 ? 6 : 14) - (pixel & 3) * 2;
    const color = ((word >>> shift) & 3) | (((word >>> (shift + 16)) & 3) << 2);
    nibbles |= color << (pixel * 4);
  }
  return nibbles;
}
