/**
 * Draws the adapter's picture from video memory and the register block, both of which another thread may be changing:
 * what tears is repaired by the next frame. Only what changed since the last frame is converted.
 */
import { ChangedRegion } from './changed-region.ts';
import type { Rectangle } from './changed-region.ts';
import { attributeIndices, dacColors, decodeMode, vgaMode } from './display-mode.ts';
import type { DisplayMode } from './display-mode.ts';
import { GraphicsRaster } from './graphics-raster.ts';
import { LinearRaster } from './linear-raster.ts';
import type { SameBytes } from './linear-raster.ts';
import { Crtc, CrtcMode, dispiEnabled, Reg, registerBlockBytes } from './register-block.ts';
import { textRows, TextRaster } from './text-raster.ts';
import type { BlinkPhases } from './text-raster.ts';

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA bytes in memory order, rows from top to bottom; the same array is drawn into by the next frame. */
  readonly pixels: Uint32Array;
  /** What changed since the last frame; all of it where the size did. */
  readonly changed: readonly Rectangle[];
}

export interface RasterizerOptions {
  /** A fast comparison; a plain loop without it. */
  readonly sameBytes?: SameBytes;
}

const steady: BlinkPhases = { cursorShown: true, blinkingShown: true };
/** The monitor's size before the first picture: text mode 3. */
const initialWidth = 720;
const initialHeight = 400;
const black = 0xff000000;
/** What the planes of the VGA's own modes span. */
const vgaMemoryBytes = 0x40000;

export class VgaRasterizer {
  private readonly memory: Uint8Array;
  private readonly planes: Uint32Array;
  private readonly liveBlock: Uint8Array;
  private readonly block = new Uint8Array(registerBlockBytes);
  private readonly text = new TextRaster();
  private readonly graphics = new GraphicsRaster();
  private readonly linear: LinearRaster;
  private readonly sameBytes: SameBytes;
  /** Of the 256 KiB of the VGA's own graphics modes, as last drawn. */
  private readonly vgaShadow = new Uint8Array(vgaMemoryBytes);
  private readonly drawnBlock = new Uint8Array(registerBlockBytes);
  private readonly dac = new Uint32Array(256);
  private readonly colors = new Uint32Array(16);
  private readonly drawnColors = new Uint32Array(256 + 16);
  private pixels = new Uint32Array(initialWidth * initialHeight).fill(black);
  private width = initialWidth;
  private height = initialHeight;
  private drawnMode = '';

  /** `videoMemory` is a power of two of at least 256 KiB, `registers` the register block; both aligned to 4. */
  constructor(videoMemory: Uint8Array, registers: Uint8Array, options: RasterizerOptions = {}) {
    this.memory = videoMemory;
    this.planes = new Uint32Array(videoMemory.buffer, videoMemory.byteOffset, videoMemory.length >> 2);
    this.liveBlock = registers.subarray(0, registerBlockBytes);
    this.sameBytes = options.sameBytes ?? sameBytesByLoop;
    this.linear = new LinearRaster(this.sameBytes);
  }

  /** Brings the picture up to date. `whole` reports all of it as changed. */
  draw(phases: BlinkPhases = steady, whole = false): Picture {
    this.block.set(this.liveBlock);
    const mode = decodeMode(this.block, this.memory.length);
    const key = layoutKey(mode);
    const resized = this.resize(mode);
    let everything = resized || key !== this.drawnMode;
    this.drawnMode = key;
    const region = new ChangedRegion(this.width, this.height);
    if (mode.kind === 'blank') {
      if (everything) {
        this.pixels.fill(black);
        region.add(0, 0, this.width, this.height);
      }
    } else {
      if (this.takeColors() && usesColors(mode)) everything = true;
      if (mode.kind === 'linear') this.linear.draw(mode, this.memory, this.dac, this.pixels, region, everything);
      else if (mode.kind === 'text') this.text.draw(mode, this.block, this.planes, this.colors, phases, this.pixels, region, everything);
      else if (everything || this.vgaChanged(mode.addressMask)) {
        this.graphics.draw(mode, this.planes, this.colors, this.dac, this.pixels, region, everything);
      }
    }
    this.drawnBlock.set(this.block);
    const changed = whole ? [{ x: 0, y: 0, width: this.width, height: this.height }] : region.rectangles();
    return { width: this.width, height: this.height, pixels: this.pixels, changed };
  }

  /** The rows of a text mode's screen, blanked or not; `undefined` in graphics and before the CRTC runs. */
  screenText(): string[] | undefined {
    this.block.set(this.liveBlock);
    if (dispiEnabled(this.block) || (this.block[Reg.crtc + Crtc.modeControl]! & CrtcMode.syncEnable) === 0) return undefined;
    const mode = vgaMode(this.block);
    return mode.kind === 'text' ? textRows(mode, this.planes) : undefined;
  }

  private resize(mode: DisplayMode): boolean {
    // A monitor without a signal keeps its size.
    if (mode.kind === 'blank' || (mode.width === this.width && mode.height === this.height)) return false;
    this.width = mode.width;
    this.height = mode.height;
    this.pixels = new Uint32Array(mode.width * mode.height).fill(black);
    return true;
  }

  /** Whether the colours differ from the last frame's. */
  private takeColors(): boolean {
    dacColors(this.block, this.dac);
    const indices = attributeIndices(this.block);
    for (let color = 0; color < 16; color++) this.colors[color] = this.dac[indices[color]!]!;
    let changed = false;
    for (let i = 0; i < this.drawnColors.length; i++) {
      const color = i < 256 ? this.dac[i]! : this.colors[i - 256]!;
      if (this.drawnColors[i] === color) continue;
      this.drawnColors[i] = color;
      changed = true;
    }
    return changed;
  }

  /** Whether a graphics mode must look at its lines: registers or memory moved. */
  private vgaChanged(addressMask: number): boolean {
    const moved = !this.sameBytes(this.block, 0, this.drawnBlock, 0, registerBlockBytes);
    if (addressMask * 4 >= vgaMemoryBytes) return true;
    if (this.sameBytes(this.memory, 0, this.vgaShadow, 0, vgaMemoryBytes)) return moved;
    this.vgaShadow.set(this.memory.subarray(0, vgaMemoryBytes));
    return true;
  }
}

/** What a change of makes all of the picture new. The start address isn't in it: contents are compared where they show. */
function layoutKey(mode: DisplayMode): string {
  if (mode.kind === 'blank') return 'blank';
  if (mode.kind === 'linear') return `linear ${mode.bpp} ${mode.width} ${mode.height}`;
  return JSON.stringify({ ...mode, start: 0 });
}

function usesColors(mode: DisplayMode): boolean {
  return mode.kind !== 'linear' || mode.bpp === 8;
}

function sameBytesByLoop(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[aStart + i] !== b[bStart + i]) return false;
  return true;
}
