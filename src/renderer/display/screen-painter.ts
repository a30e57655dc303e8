/** Draws a machine's display frames on a worker's canvas, in step with the browser's own frames, and says when each is drawn. */
import type { DisplayFrame } from '../../shared/vm-protocol.ts';

export interface ScreenPainterListener {
  /** The first frame, or another size of the guest's screen. */
  resized(width: number, height: number): void;
  /** A frame is on the canvas; the next may come. */
  drawn(): void;
}

export class ScreenPainter {
  readonly #canvas: OffscreenCanvas;
  readonly #context: OffscreenCanvasRenderingContext2D;
  readonly #listener: ScreenPainterListener;
  #frames: DisplayFrame[] = [];
  #isShown = false;
  #request: number | undefined;
  #isEnded = false;

  constructor(canvas: OffscreenCanvas, listener: ScreenPainterListener) {
    const context = canvas.getContext('2d', { alpha: false });
    if (context === null) throw new Error('this browser draws on no canvas');
    this.#canvas = canvas;
    this.#context = context;
    this.#listener = listener;
  }

  /** A frame whose rectangles lie inside its screen. */
  show(frame: DisplayFrame): void {
    if (this.#isEnded) return;
    this.#frames.push(frame);
    this.#request ??= requestAnimationFrame(() => { this.#draw(); });
  }

  end(): void {
    this.#isEnded = true;
    this.#frames = [];
    if (this.#request !== undefined) cancelAnimationFrame(this.#request);
  }

  #draw(): void {
    this.#request = undefined;
    const frames = this.#frames;
    this.#frames = [];
    for (const { screenWidth, screenHeight, rectangles } of frames) {
      if (!this.#isShown || this.#canvas.width !== screenWidth || this.#canvas.height !== screenHeight) {
        this.#isShown = true;
        this.#canvas.width = screenWidth;
        this.#canvas.height = screenHeight;
        this.#listener.resized(screenWidth, screenHeight);
      }
      for (const { x, y, width, height, rgba } of rectangles) {
        // A view: the frame's bytes are copied once, into the canvas.
        const pixels = new Uint8ClampedArray(rgba.buffer, rgba.byteOffset, rgba.byteLength);
        this.#context.putImageData(new ImageData(pixels, width, height), x, y);
      }
      this.#listener.drawn();
    }
  }
}
