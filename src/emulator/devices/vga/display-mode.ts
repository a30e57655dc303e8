/**
 * What the registers mean for the picture: one flat description of the mode, with every number in range whatever a
 * guest wrote. PS/2 Hardware Interface Technical Reference, "CRT Controller Registers", "Attribute Controller".
 */
import { bytesOf } from './dispi.ts';
import {
  Attr, AttrMode, attributePaletteAddressSource, Crtc, CrtcMaxScan, CrtcMode, CrtcUnderline, Dispi, DispiEnable,
  dispiEnabled, dispiMaximum, Gc, GcMisc, GcMode, readDispi, Reg, Seq, SeqClocking, verticalDisplayEnd,
} from './register-block.ts';

export interface VgaMode {
  readonly kind: 'text' | 'planar' | 'interleaved' | 'packed';
  readonly width: number;
  readonly height: number;
  /** Characters (text) or fetches of 32 bits (graphics) in a line. */
  readonly columns: number;
  /** Dots of a character: 8 or 9; 8 in graphics. */
  readonly dots: number;
  /** Pixels of a dot: 2 where the dot clock is halved. */
  readonly dotRepeat: 1 | 2;
  readonly maximumScan: number;
  readonly doubleScan: boolean;
  readonly presetRowScan: number;
  /** CRTC counter values: of the first character and from row to row. */
  readonly start: number;
  readonly rowOffset: number;
  /** The scan line after which the picture starts again at address 0. */
  readonly lineCompare: number;
  readonly panning: number;
  /** The part below the line compare doesn't pan. */
  readonly panningStops: boolean;
  readonly countShift: number;
  /** Counter to plane offset: 0 byte, 1 word, 2 doubleword mode. */
  readonly addressShift: 0 | 1 | 2;
  readonly wrapBit: number;
  readonly bit13FromScan: boolean;
  readonly bit14FromScan: boolean;
  readonly addressMask: number;
}

/** A DISPI mode of 8 and more bits a pixel. */
export interface LinearMode {
  readonly kind: 'linear';
  readonly width: number;
  readonly height: number;
  readonly bpp: 8 | 15 | 16 | 24 | 32;
  /** Bytes: from video memory's start to the first pixel, and from line to line. */
  readonly start: number;
  readonly pitch: number;
}

export type DisplayMode = VgaMode | LinearMode | { readonly kind: 'blank' };

/** The mode of a copy of the register block; `videoMemoryBytes` is a power of two. */
export function decodeMode(block: Uint8Array, videoMemoryBytes: number): DisplayMode {
  const shown = (block[Reg.attributeIndex]! & attributePaletteAddressSource) !== 0;
  if (dispiEnabled(block)) return shown ? dispiMode(block, videoMemoryBytes) : { kind: 'blank' };
  const clocking = block[Reg.sequencer + Seq.clockingMode]!;
  const running = (block[Reg.sequencer + Seq.reset]! & 3) === 3 && (block[Reg.crtc + Crtc.modeControl]! & CrtcMode.syncEnable) !== 0;
  return shown && running && (clocking & SeqClocking.screenOff) === 0 ? vgaMode(block) : { kind: 'blank' };
}

/** The mode of the VGA's own registers, shown or not. */
export function vgaMode(block: Uint8Array): VgaMode {
  const crtc = (index: number): number => block[Reg.crtc + index]!;
  const clocking = block[Reg.sequencer + Seq.clockingMode]!;
  const gcMode = block[Reg.graphics + Gc.mode]!;
  const graphics = (block[Reg.graphics + Gc.miscellaneous]! & GcMisc.graphics) !== 0;
  const attributeMode = block[Reg.attribute + Attr.modeControl]!;
  const modeControl = crtc(Crtc.modeControl);
  const underline = crtc(Crtc.underlineLocation);
  const maximumScan = crtc(Crtc.maximumScanLine);
  const dots = graphics || (clocking & SeqClocking.eightDots) !== 0 ? 8 : 9;
  const dotRepeat = (clocking & SeqClocking.halfDotClock) !== 0 ? 2 : 1;
  const columns = Math.min(crtc(Crtc.horizontalDisplayEnd) + 1, Math.floor(dispiMaximum.xres / (dots * dotRepeat)));
  const pan = block[Reg.attribute + Attr.pixelPanning]! & 15;
  const bytePan = (crtc(Crtc.presetRowScan) >> 5) & 3;
  return {
    kind: !graphics ? 'text' : (gcMode & GcMode.shift256) !== 0 ? 'packed' : (gcMode & GcMode.interleavedShift) !== 0 ? 'interleaved' : 'planar',
    width: columns * dots * dotRepeat,
    height: verticalDisplayEnd(block) + 1,
    columns,
    dots,
    dotRepeat,
    maximumScan: maximumScan & 31,
    doubleScan: (maximumScan & CrtcMaxScan.doubleScan) !== 0,
    presetRowScan: crtc(Crtc.presetRowScan) & 31,
    start: ((crtc(Crtc.startAddressHigh) << 8) | crtc(Crtc.startAddressLow)) + bytePan,
    rowOffset: crtc(Crtc.offset) * 2,
    lineCompare: crtc(Crtc.lineCompare) | ((crtc(Crtc.overflow) & 0x10) << 4) | ((maximumScan & CrtcMaxScan.lineCompare9) << 3),
    // With nine dots, 8 is no shift and 0 to 7 shift by one more.
    panning: dots === 9 ? (pan >= 8 ? 0 : pan + 1) : pan & 7,
    panningStops: (attributeMode & AttrMode.panningCompatibility) !== 0,
    countShift: (underline & CrtcUnderline.countByFour) !== 0 ? 2 : (modeControl & CrtcMode.countByTwo) !== 0 ? 1 : 0,
    addressShift: (underline & CrtcUnderline.doubleword) !== 0 ? 2 : (modeControl & CrtcMode.byteMode) !== 0 ? 0 : 1,
    wrapBit: (modeControl & CrtcMode.addressWrap) !== 0 ? 15 : 13,
    bit13FromScan: (modeControl & CrtcMode.compatibilityCga) === 0,
    bit14FromScan: (modeControl & CrtcMode.compatibilityHercules) === 0,
    addressMask: 0xffff,
  };
}

function dispiMode(block: Uint8Array, videoMemoryBytes: number): DisplayMode {
  const bpp = readDispi(block, Dispi.bpp);
  const width = Math.min(readDispi(block, Dispi.xres) & ~7, dispiMaximum.xres);
  const height = Math.min(readDispi(block, Dispi.yres), dispiMaximum.yres);
  const virtualWidth = Math.max(readDispi(block, Dispi.virtualWidth) & ~7, width);
  const x = readDispi(block, Dispi.xOffset);
  const y = readDispi(block, Dispi.yOffset);
  const pitch = bytesOf(virtualWidth, bpp);
  const start = y * pitch + (bpp === 4 ? bytesOf(x & ~7, 4) : bytesOf(x, bpp));
  // The device keeps these in range; a copy made between two of its writes may not be.
  if (width === 0 || height === 0 || start + (height - 1) * pitch + bytesOf(width, bpp) > videoMemoryBytes) return { kind: 'blank' };
  if (bpp === 8 || bpp === 15 || bpp === 16 || bpp === 24 || bpp === 32) return { kind: 'linear', width, height, bpp, start, pitch };
  return {
    kind: 'planar', width, height, columns: width / 8, dots: 8, dotRepeat: 1, maximumScan: 0, doubleScan: false,
    presetRowScan: 0, start: start / 4, rowOffset: pitch / 4, lineCompare: 0xffff, panning: x & 7, panningStops: false,
    countShift: 0, addressShift: 0, wrapBit: 15, bit13FromScan: false, bit14FromScan: false, addressMask: videoMemoryBytes / 4 - 1,
  };
}

/** What the CRTC puts on the planes' address lines for a counter value and row scan. */
export function planeOffset(mode: VgaMode, counter: number, scan: number): number {
  let offset = counter;
  if (mode.addressShift === 1) offset = (counter << 1) | ((counter >> mode.wrapBit) & 1);
  else if (mode.addressShift === 2) offset = (counter << 2) | ((counter >> 14) & 3);
  if (mode.bit13FromScan) offset = (offset & ~0x2000) | ((scan & 1) << 13);
  if (mode.bit14FromScan) offset = (offset & ~0x4000) | ((scan & 2) << 13);
  return offset & mode.addressMask;
}

/** Consecutive scan lines that show one row of characters (or of fetches), from row scan `firstScan` on. */
export interface RowSegment {
  readonly y: number;
  readonly lines: number;
  /** CRTC counter of the row's first character. */
  readonly counter: number;
  readonly firstScan: number;
  readonly panning: number;
}

/** The picture's rows from top to bottom. */
export function rowSegments(mode: VgaMode): RowSegment[] {
  const segments: RowSegment[] = [];
  const repeat = mode.doubleScan ? 2 : 1;
  let counter = mode.start;
  let scan = Math.min(mode.presetRowScan, mode.maximumScan);
  let panning = mode.panning;
  for (let y = 0; y < mode.height;) {
    let lines = Math.min((mode.maximumScan + 1 - scan) * repeat, mode.height - y);
    const splits = y <= mode.lineCompare && mode.lineCompare < y + lines;
    if (splits) lines = mode.lineCompare + 1 - y;
    segments.push({ y, lines, counter, firstScan: scan, panning });
    y += lines;
    scan = 0;
    counter = splits ? 0 : counter + mode.rowOffset;
    if (splits && mode.panningStops) panning = 0;
  }
  return segments;
}

/** The 16 colours of text and 16-colour modes as indices into the 256 of the DAC. */
export function attributeIndices(block: Uint8Array): Uint8Array {
  const mode = block[Reg.attribute + Attr.modeControl]!;
  const select = block[Reg.attribute + Attr.colorSelect]!;
  const enabled = block[Reg.attribute + Attr.colorPlaneEnable]! & 15;
  return Uint8Array.from({ length: 16 }, (_, color) => {
    const entry = block[Reg.attribute + (color & enabled)]!;
    const low = (mode & AttrMode.paletteBits54) !== 0 ? (entry & 15) | ((select & 3) << 4) : entry & 63;
    return low | ((select & 12) << 4);
  });
}

/** The DAC's 256 colours behind the pixel mask, as RGBA bytes in memory order (little-endian words). */
export function dacColors(block: Uint8Array, colors: Uint32Array): void {
  const eightBits = (readDispi(block, Dispi.enable) & DispiEnable.dac8Bit) !== 0;
  const mask = block[Reg.dacMask]!;
  for (let index = 0; index < 256; index++) {
    const at = Reg.palette + (index & mask) * 3;
    let r = block[at]!;
    let g = block[at + 1]!;
    let b = block[at + 2]!;
    if (!eightBits) {
      r = ((r & 63) << 2) | ((r >> 4) & 3);
      g = ((g & 63) << 2) | ((g >> 4) & 3);
      b = ((b & 63) << 2) | ((b >> 4) & 3);
    }
    colors[index] = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  }
}
