/**
 * Turns the guest's display into `DisplayFrame`s for whoever watches, and into screenshots. Runs on the control thread
 * and only looks at the shared memory: the machine thread knows nothing of it.
 */
import { Buffer } from 'node:buffer';
import { PNG } from 'pngjs';

import { VgaRasterizer } from '../devices/vga/rasterizer.ts';
import type { Picture } from '../devices/vga/rasterizer.ts';
import type { Rectangle } from '../devices/vga/changed-region.ts';
import type { DisplaySource } from '../interfaces/display.ts';
import type { DisplayFrame } from '../../shared/vm-protocol.ts';

const busyIntervalMillis = 1000 / 60;
const idleIntervalMillis = 1000 / 15;
/** How long the picture must stand still before it is looked at less often. */
const idleAfterMillis = 1000;
/** The VGA's cursor and blinking characters, 16 and 32 frames of 70 Hz for each half. */
const cursorHalfMillis = 16_000 / 70;
const blinkHalfMillis = 32_000 / 70;

export interface DisplayEncoderOptions {
  readonly sharedMemory: ArrayBufferLike;
  readonly source: DisplaySource;
  /** Takes a frame; the buffers of its rectangles are its own and may be transferred. `frameDrawn` asks for the next. */
  send(frame: DisplayFrame): void;
}

export class DisplayEncoder {
  private readonly videoMemory: Uint8Array;
  private readonly registers: Uint8Array;
  private readonly send: (frame: DisplayFrame) => void;
  /** Lives while somebody watches. */
  private rasterizer: VgaRasterizer | undefined;
  private textReader: VgaRasterizer | undefined;
  private timer: NodeJS.Timeout | undefined;
  private inFlight = false;
  private wholeNext = false;
  private lastTick = 0;
  private lastChange = 0;
  private lastPhases = '';

  constructor(options: DisplayEncoderOptions) {
    const { source, sharedMemory } = options;
    this.videoMemory = Buffer.from(sharedMemory, source.videoMemory.offset, source.videoMemory.length);
    this.registers = new Uint8Array(sharedMemory, source.registers.offset, source.registers.length);
    this.send = options.send;
  }

  /** Starts or stops frames. Starting again begins again with a whole frame, and forgets one that is in flight. */
  watch(watching: boolean): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.inFlight = false;
    if (!watching) {
      this.rasterizer = undefined;
      return;
    }
    this.rasterizer ??= this.newRasterizer();
    this.wholeNext = true;
    this.lastChange = performance.now();
    this.tick(performance.now());
  }

  /** The receiver has drawn the last frame. */
  frameDrawn(): void {
    if (!this.inFlight) return;
    this.inFlight = false;
    this.schedule();
  }

  /** Something happened that the guest will likely show, such as a key: look at full rate from now on. */
  expectChange(): void {
    this.lastChange = performance.now();
    this.schedule();
  }

  /** The screen as it is, with the cursor and blinking characters in their visible half. */
  screenshotPng(): Uint8Array {
    const { width, height, pixels } = this.newRasterizer().draw();
    const png = new PNG({ width, height });
    png.data = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength);
    return new Uint8Array(PNG.sync.write(png, { colorType: 2, inputHasAlpha: true, filterType: 0, deflateLevel: 3, deflateStrategy: 0 }));
  }

  /** The rows of a text mode, without spaces at their ends; `undefined` in graphics. */
  screenText(): string[] | undefined {
    // Scripts ask several times a second; a new rasterizer would be a picture's memory each time.
    return (this.rasterizer ?? (this.textReader ??= this.newRasterizer())).screenText();
  }

  dispose(): void {
    this.watch(false);
  }

  private newRasterizer(): VgaRasterizer {
    return new VgaRasterizer(this.videoMemory, this.registers, { sameBytes });
  }

  private schedule(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.rasterizer === undefined || this.inFlight) return;
    const now = performance.now();
    const interval = now - this.lastChange < idleAfterMillis ? busyIntervalMillis : idleIntervalMillis;
    const due = Math.max(now, this.lastTick + interval);
    this.timer = setTimeout(() => this.tick(due), due - now);
    this.timer.unref?.();
  }

  /** Intervals are counted from when it was due, in `performance.now()`: a timer that is late each time makes no fewer looks. */
  private tick(due: number): void {
    const now = performance.now();
    this.lastTick = Math.max(due, now - busyIntervalMillis);
    const cursorShown = Math.floor(now / cursorHalfMillis) % 2 === 0;
    const blinkingShown = Math.floor(now / blinkHalfMillis) % 2 === 0;
    const picture = this.rasterizer?.draw({ cursorShown, blinkingShown }, this.wholeNext);
    if (picture === undefined) return;
    this.wholeNext = false;
    // Blinking alone is no reason to look more often.
    const phases = `${cursorShown} ${blinkingShown}`;
    if (picture.changed.length > 0 && phases === this.lastPhases) this.lastChange = now;
    this.lastPhases = phases;
    if (picture.changed.length > 0) {
      this.inFlight = true;
      this.send(frameOf(picture));
    }
    this.schedule();
  }
}

function frameOf(picture: Picture): DisplayFrame {
  return {
    screenWidth: picture.width,
    screenHeight: picture.height,
    rectangles: picture.changed.map((rectangle) => ({
      x: rectangle.x, y: rectangle.y, width: rectangle.width, height: rectangle.height, rgba: copyOf(picture, rectangle),
    })),
  };
}

function copyOf(picture: Picture, { x, y, width, height }: Rectangle): Uint8Array<ArrayBuffer> {
  const copy = new Uint32Array(width * height);
  if (width === picture.width) copy.set(picture.pixels.subarray(y * width, (y + height) * width));
  else {
    for (let row = 0; row < height; row++) {
      const start = (y + row) * picture.width + x;
      copy.set(picture.pixels.subarray(start, start + width), row * width);
    }
  }
  return new Uint8Array(copy.buffer);
}

const bufferMethods = Buffer.prototype as Buffer;

function sameBytes(a: Uint8Array, aStart: number, b: Uint8Array, bStart: number, length: number): boolean {
  return bufferMethods.compare.call(a, b, bStart, bStart + length, aStart, aStart + length) === 0;
}
