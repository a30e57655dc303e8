/**
 * One machine's frames for any number of viewers of any speed, where frames pass through main (browser shell, pipes). The
 * hub keeps the whole screen; a viewer that is still drawing gets what it missed as one frame when it has drawn.
 */
import type { DisplayFrame } from '../../shared/vm-protocol.ts';

interface Rectangle { x: number; y: number; width: number; height: number }

interface Viewer {
  readonly send: (frame: DisplayFrame) => void;
  drawing: boolean;
  /** What of the screen the viewer hasn't been sent; `whole` after a change of size or at its beginning. */
  missed: 'whole' | Rectangle[];
}

export interface DisplayViewer {
  frameDrawn(): void;
  close(): void;
}

/** More rectangles than this are sent as the one that covers them all. */
const MISSED_RECTANGLES_MAXIMUM = 32;

export class DisplayHub {
  readonly #upstream: { watch(watch: boolean): void; frameDrawn(): void };
  readonly #viewers = new Set<Viewer>();
  #screen: { width: number; height: number; rgba: Uint8Array } | undefined;
  /** A frame has come that no viewer has drawn yet. */
  #owesAcknowledgement = false;

  /** `upstream` speaks to the VM process. */
  constructor(upstream: { watch(watch: boolean): void; frameDrawn(): void }) {
    this.#upstream = upstream;
  }

  open(send: (frame: DisplayFrame) => void): DisplayViewer {
    const viewer: Viewer = { send, drawing: false, missed: 'whole' };
    this.#viewers.add(viewer);
    if (this.#viewers.size === 1) {
      this.#screen = undefined;
      this.#owesAcknowledgement = false;
      this.#upstream.watch(true);
    } else {
      this.#sendMissed(viewer);
    }
    return {
      frameDrawn: () => {
        if (!this.#viewers.has(viewer)) return;
        viewer.drawing = false;
        this.#acknowledge();
        this.#sendMissed(viewer);
      },
      close: () => {
        if (!this.#viewers.delete(viewer)) return;
        if (this.#viewers.size === 0) {
          this.#screen = undefined;
          this.#upstream.watch(false);
        } else if (![...this.#viewers].some((other) => other.drawing)) {
          this.#acknowledge();
        }
      },
    };
  }

  /** A frame from the VM process, of the right shape but not yet of the right sense. False: it made none. */
  frame(frame: DisplayFrame): boolean {
    const { screenWidth, screenHeight, rectangles } = frame;
    const sensible = rectangles.every(({ x, y, width, height, rgba }) => x + width <= screenWidth && y + height <= screenHeight && rgba.byteLength === width * height * 4);
    if (!sensible) return false;
    if (this.#viewers.size === 0) return true;
    if (this.#screen?.width !== screenWidth || this.#screen.height !== screenHeight) {
      this.#screen = { width: screenWidth, height: screenHeight, rgba: new Uint8Array(screenWidth * screenHeight * 4) };
      for (const viewer of this.#viewers) viewer.missed = 'whole';
    }
    for (const rectangle of rectangles) copyIn(this.#screen.rgba, screenWidth, rectangle);
    this.#owesAcknowledgement = true;
    for (const viewer of this.#viewers) {
      if (!viewer.drawing && viewer.missed !== 'whole' && viewer.missed.length === 0) {
        viewer.drawing = true;
        viewer.send(frame);
        continue;
      }
      if (viewer.missed !== 'whole') {
        viewer.missed.push(...rectangles.map(({ x, y, width, height }) => ({ x, y, width, height })));
        if (viewer.missed.length > MISSED_RECTANGLES_MAXIMUM) viewer.missed = [covering(viewer.missed)];
      }
      this.#sendMissed(viewer);
    }
    return true;
  }

  #sendMissed(viewer: Viewer): void {
    const screen = this.#screen;
    if (viewer.drawing || screen === undefined) return;
    const missed = viewer.missed === 'whole' ? [{ x: 0, y: 0, width: screen.width, height: screen.height }] : viewer.missed;
    if (missed.length === 0) return;
    viewer.missed = [];
    viewer.drawing = true;
    viewer.send({ screenWidth: screen.width, screenHeight: screen.height, rectangles: missed.map((rectangle) => ({ ...rectangle, rgba: copyOut(screen.rgba, screen.width, rectangle) })) });
  }

  #acknowledge(): void {
    if (!this.#owesAcknowledgement) return;
    this.#owesAcknowledgement = false;
    this.#upstream.frameDrawn();
  }
}

function copyIn(screen: Uint8Array, screenWidth: number, { x, y, width, height, rgba }: Rectangle & { rgba: Uint8Array }): void {
  for (let row = 0; row < height; row++) screen.set(rgba.subarray(row * width * 4, (row + 1) * width * 4), ((y + row) * screenWidth + x) * 4);
}

function copyOut(screen: Uint8Array, screenWidth: number, { x, y, width, height }: Rectangle): Uint8Array<ArrayBuffer> {
  const rgba = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row++) rgba.set(screen.subarray(((y + row) * screenWidth + x) * 4, ((y + row) * screenWidth + x + width) * 4), row * width * 4);
  return rgba;
}

function covering(rectangles: readonly Rectangle[]): Rectangle {
  const x = Math.min(...rectangles.map((rectangle) => rectangle.x));
  const y = Math.min(...rectangles.map((rectangle) => rectangle.y));
  return {
    x, y,
    width: Math.max(...rectangles.map((rectangle) => rectangle.x + rectangle.width)) - x,
    height: Math.max(...rectangles.map((rectangle) => rectangle.y + rectangle.height)) - y,
  };
}
