/**
 * What is told to whatever draws a guest's screen, the page (noVNC) or a worker of it (ours): count frames, see a key's
 * effect.
 */
import type { BareTarget } from './bare-browser.ts';

type AnyContext = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

interface CanvasWatch {
  /** After each drawing call on a canvas that is shown. */
  drawn: ((context: AnyContext) => void) | undefined;
  /** What was drawn on last. */
  last: AnyContext | undefined;
}

declare global {
  var canvasWatch: CanvasWatch | undefined;
  var drawingCount: { frames: number; lastAt: number; readonly startedAt: number } | undefined;
  var effect: Promise<number> | undefined;
}

export function watchCanvas(painter: BareTarget): Promise<void> {
  return painter.evaluate(() => {
    const watch: CanvasWatch = { drawn: undefined, last: undefined };
    globalThis.canvasWatch = watch;
    const prototypes = [OffscreenCanvasRenderingContext2D.prototype, ...('CanvasRenderingContext2D' in globalThis ? [CanvasRenderingContext2D.prototype] : [])] as CanvasRenderingContext2D[];
    // noVNC draws on a canvas of its own first.
    const tell = (context: AnyContext): void => {
      if ('isConnected' in context.canvas && !context.canvas.isConnected) return;
      watch.last = context;
      watch.drawn?.(context);
    };
    for (const prototype of prototypes) {
      const { putImageData, drawImage } = prototype;
      prototype.putImageData = function (this: CanvasRenderingContext2D, ...given: unknown[]) {
        putImageData.apply(this, given as Parameters<typeof putImageData>);
        tell(this);
      };
      prototype.drawImage = function (this: CanvasRenderingContext2D, ...given: unknown[]) {
        drawImage.apply(this, given as never);
        tell(this);
      };
    }
  });
}

/** How many different frames the canvas held, for each second. Reads a pixel after each drawing, which costs something. */
export function framesPerSecond(painter: BareTarget, seconds: number): Promise<number> {
  return painter.evaluate((length) => new Promise<number>((resolve) => {
    const watch = globalThis.canvasWatch!;
    const seen = new Set<number>();
    const start = performance.now();
    watch.drawn = (context) => {
      const [red = 0, green = 0, blue = 0] = context.getImageData(0, 0, 1, 1).data;
      seen.add(red << 16 | green << 8 | blue);
    };
    setTimeout(() => {
      watch.drawn = undefined;
      resolve(seen.size / ((performance.now() - start) / 1000));
    }, length * 1000);
  }), seconds);
}

/** How often the canvas is drawn on, for each second, without a look at what. Resolves to what ends the count. */
export async function countDrawings(painter: BareTarget): Promise<() => Promise<number>> {
  await painter.evaluate(() => {
    const count = { frames: 0, lastAt: -1, startedAt: performance.now() };
    globalThis.drawingCount = count;
    globalThis.canvasWatch!.drawn = () => {
      // One frame may take several calls, which follow on each other at once.
      const now = performance.now();
      if (now - count.lastAt > 4) count.frames++;
      count.lastAt = now;
    };
  });
  return () => painter.evaluate(() => {
    globalThis.canvasWatch!.drawn = undefined;
    const { frames, startedAt } = globalThis.drawingCount!;
    return frames / ((performance.now() - startedAt) / 1000);
  });
}

/** From a key's event in the page to the changed pixel in the canvas, in milliseconds. The caller presses the key. */
export async function keyToPixel(page: BareTarget, painter: BareTarget, press: () => Promise<void>): Promise<number> {
  const pressed = page.evaluate(() => new Promise<number>((resolve) => {
    window.addEventListener('keydown', ({ timeStamp }) => { resolve(performance.timeOrigin + timeStamp); }, { capture: true, once: true });
  }));
  await painter.evaluate(() => {
    globalThis.effect = new Promise<number>((resolve) => {
      const watch = globalThis.canvasWatch!;
      const lowest = (context: AnyContext): string => context.getImageData(8, context.canvas.height - 8, 1, 1).data.join();
      const before = lowest(watch.last!);
      watch.drawn = (context) => {
        if (lowest(context) === before) return;
        watch.drawn = undefined;
        resolve(performance.timeOrigin + performance.now());
      };
    });
  });
  await press();
  const [pressedAt, changedAt] = await Promise.all([pressed, painter.evaluate(() => globalThis.effect!)]);
  return changedAt - pressedAt;
}
