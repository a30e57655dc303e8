import type { ChangedRegion } from './changed-region.ts';
import { codePage437 } from './code-page-437.ts';
import { planeOffset, rowSegments } from './display-mode.ts';
import type { RowSegment, VgaMode } from './display-mode.ts';
import { Attr, AttrMode, Crtc, Reg, Seq } from './register-block.ts';

export interface BlinkPhases {
  readonly cursorShown: boolean;
  /** Whether characters with the blink attribute are in their visible half. */
  readonly blinkingShown: boolean;
}

const glyphRows = 32;
const fontBytes = 256 * glyphRows;
/** Font of a character map number (0 to 7) in plane 2. */
const fontStarts: readonly number[] = [0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000];
// How a cell looks: character, attribute << 8, and these.
const cursorFlag = 0x10000;
const hiddenFlag = 0x20000;
const cursorFirstShift = 18;
const cursorLastShift = 23;
const neverDrawn = 0xffffffff;

/** Text modes: keeps what every cell looked like and draws those that look different now. */
export class TextRaster {
  private cells = new Uint32Array(0);
  private style = 0;
  /** Map A (attribute bit 3 set) in the upper half, map B in the lower. */
  private readonly glyphs = new Uint8Array(2 * fontBytes);
  private readonly glyphChanged = new Uint8Array(512);

  /** Draws changed cells, or all where `everything`; `colors` are the 16 attribute colours as RGBA words. */
  draw(
    mode: VgaMode, block: Uint8Array, planes: Uint32Array, colors: Uint32Array, phases: BlinkPhases, pixels: Uint32Array,
    region: ChangedRegion, everything: boolean,
  ): void {
    const fontsChanged = this.takeFonts(block, planes);
    const segments = rowSegments(mode);
    // One column more than shown: panning shifts it in.
    const stride = mode.columns + 1;
    const attributeMode = block[Reg.attribute + Attr.modeControl]!;
    const blinks = (attributeMode & AttrMode.blink) !== 0;
    const style = attributeMode | (block[Reg.crtc + Crtc.underlineLocation]! << 8);
    if (this.cells.length !== segments.length * stride) this.cells = new Uint32Array(segments.length * stride).fill(neverDrawn);
    else if (everything || style !== this.style) this.cells.fill(neverDrawn);
    this.style = style;

    const cursor = cursorShape(block);
    const cursorLook = phases.cursorShown && cursor.shown ? cursorFlag | (cursor.firstScan << cursorFirstShift) | (cursor.lastScan << cursorLastShift) : 0;
    const cellWidth = mode.dots * mode.dotRepeat;

    for (let row = 0; row < segments.length; row++) {
      const segment = segments[row]!;
      const left = -segment.panning * mode.dotRepeat;
      const columns = segment.panning === 0 ? mode.columns : stride;
      let first = -1;
      let last = -1;
      for (let column = 0; column < columns; column++) {
        const counter = segment.counter + (column >> mode.countShift);
        const word = planes[planeOffset(mode, counter, segment.firstScan)]!;
        let look = word & 0xffff;
        if (cursorLook !== 0 && (counter & 0xffff) === cursor.location) look |= cursorLook;
        if (blinks && !phases.blinkingShown && (word & 0x8000) !== 0) look |= hiddenFlag;
        const at = row * stride + column;
        const fontChanged = fontsChanged && this.glyphChanged[(look & 0xff) | ((look & 0x800) >> 3)] !== 0;
        if (this.cells[at] === look && !fontChanged) continue;
        this.cells[at] = look;
        if (first < 0) first = column;
        last = column;
        this.drawCell(mode, block, segment, left + column * cellWidth, look, blinks, colors, pixels);
      }
      if (first >= 0) region.add(left + first * cellWidth, segment.y, (last + 1 - first) * cellWidth, segment.lines);
    }
  }

  private drawCell(
    mode: VgaMode, block: Uint8Array, segment: RowSegment, x: number, look: number, blinks: boolean, colors: Uint32Array,
    pixels: Uint32Array,
  ): void {
    const character = look & 0xff;
    const attribute = (look >> 8) & 0xff;
    const foreground = colors[attribute & 15]!;
    const background = colors[(attribute >> 4) & (blinks ? 7 : 15)]!;
    const shownForeground = (look & hiddenFlag) !== 0 ? background : foreground;
    const glyph = ((attribute & 8) !== 0 ? fontBytes : 0) + character * glyphRows;
    const lineGraphics = (character & 0xe0) === 0xc0 && (block[Reg.attribute + Attr.modeControl]! & AttrMode.lineGraphics) !== 0;
    const underline = (attribute & 7) === 1 ? block[Reg.crtc + Crtc.underlineLocation]! & 31 : -1;
    const cursorFirst = (look & cursorFlag) !== 0 ? (look >> cursorFirstShift) & 31 : 32;
    const cursorLast = (look >> cursorLastShift) & 31;
    const { dots, dotRepeat, width } = mode;
    for (let line = 0; line < segment.lines; line++) {
      const scan = segment.firstScan + (mode.doubleScan ? line >> 1 : line);
      let bits = this.glyphs[glyph + scan]! << 1;
      if (lineGraphics) bits |= (bits >> 1) & 1;
      let ink = shownForeground;
      if (scan === underline) bits = 0x1ff;
      if (scan >= cursorFirst && scan <= cursorLast) {
        bits = 0x1ff;
        ink = foreground;
      }
      let at = (segment.y + line) * width + x;
      for (let dot = 0, px = x; dot < dots; dot++) {
        const color = (bits & (0x100 >> dot)) !== 0 ? ink : background;
        for (let repeat = 0; repeat < dotRepeat; repeat++, px++, at++) if (px >= 0 && px < width) pixels[at] = color;
      }
    }
  }

  /** Copies the two selected fonts and notes which glyphs differ from before. */
  private takeFonts(block: Uint8Array, planes: Uint32Array): boolean {
    const select = block[Reg.sequencer + Seq.characterMapSelect]!;
    const mapB = fontStarts[(select & 3) | ((select >> 2) & 4)]!;
    const mapA = fontStarts[((select >> 2) & 3) | ((select >> 3) & 4)]!;
    let changed = false;
    for (let character = 0; character < 512; character++) {
      const target = character * glyphRows;
      const source = character < 256 ? mapB + target : mapA + target - fontBytes;
      let differs = 0;
      for (let row = 0; row < glyphRows; row++) {
        const bits = (planes[source + row]! >>> 16) & 0xff;
        differs |= bits ^ this.glyphs[target + row]!;
        this.glyphs[target + row] = bits;
      }
      this.glyphChanged[character] = differs;
      if (differs !== 0) changed = true;
    }
    return changed;
  }
}

interface CursorShape {
  readonly shown: boolean;
  /** CRTC counter of its cell. */
  readonly location: number;
  readonly firstScan: number;
  readonly lastScan: number;
}

function cursorShape(block: Uint8Array): CursorShape {
  const start = block[Reg.crtc + Crtc.cursorStart]!;
  return {
    shown: (start & 0x20) === 0,
    location: (block[Reg.crtc + Crtc.cursorLocationHigh]! << 8) | block[Reg.crtc + Crtc.cursorLocationLow]!,
    firstScan: start & 31,
    lastScan: block[Reg.crtc + Crtc.cursorEnd]! & 31,
  };
}

/** The rows of a text mode, one string each, without spaces at the end. */
export function textRows(mode: VgaMode, planes: Uint32Array): string[] {
  return rowSegments(mode).map((segment) => {
    let text = '';
    for (let column = 0; column < mode.columns; column++) {
      const word = planes[planeOffset(mode, segment.counter + (column >> mode.countShift), segment.firstScan)]!;
      text += codePage437[word & 0xff]!;
    }
    return text.trimEnd();
  });
}
