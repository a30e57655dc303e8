/** What a page is told to do with the canvas that shows a guest: count frames, see a key's effect. Ours and noVNC's alike. */
import type { Page } from 'playwright-core';

interface CanvasWatch {
  /** After each drawing call on a canvas that is in the page. */
  drawn: ((context: CanvasRenderingContext2D) => void) | undefined;
}

declare global {
  interface Window { canvasWatch?: CanvasWatch; drawingCount?: { frames: number; lastAt: number; readonly startedAt: number } }
}

/** To be called before the page is loaded. */
export async function watchCanvas(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const watch: CanvasWatch = { drawn: undefined };
    window.canvasWatch = watch;
    const { prototype } = CanvasRenderingContext2D;
    const { putImageData, drawImage } = prototype;
    const tell = (context: CanvasRenderingContext2D): void => { if (context.canvas.isConnected) watch.drawn?.(context); };
    prototype.putImageData = function (this: CanvasRenderingContext2D, ...given: unknown[]) {
      putImageData.apply(this, given as Parameters<typeof putImageData>);
      tell(this);
    };
    prototype.drawImage = function (this: CanvasRenderingContext2D, ...given: unknown[]) {
      drawImage.apply(this, given as never);
      tell(this);
    };
  });
}

/** How many different frames the canvas held, for each second. Reads a pixel after each drawing, which costs something. */
export function framesPerSecond(page: Page, seconds: number): Promise<number> {
  return page.evaluate((length) => new Promise<number>((resolve) => {
    const watch = window.canvasWatch!;
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
export async function countDrawings(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const count = { frames: 0, lastAt: -1, startedAt: performance.now() };
    window.drawingCount = count;
    window.canvasWatch!.drawn = () => {
      // One frame of the browser's may take several calls.
      const now = Number(document.timeline.currentTime);
      if (now !== count.lastAt) count.frames++;
      count.lastAt = now;
    };
  });
  return () => page.evaluate(() => {
    window.canvasWatch!.drawn = undefined;
    const { frames, startedAt } = window.drawingCount!;
    return frames / ((performance.now() - startedAt) / 1000);
  });
}

/** From a key's event in the page to the changed pixel in the canvas, in milliseconds. The caller presses the key. */
export async function keyToPixel(page: Page, press: () => Promise<void>): Promise<number> {
  const answer = page.evaluate(() => new Promise<number>((resolve) => {
    const watch = window.canvasWatch!;
    const lowest = (context: CanvasRenderingContext2D): string => context.getImageData(8, context.canvas.height - 8, 1, 1).data.join();
    let pressedAt: number | undefined;
    // The page's largest canvas is the guest's.
    const canvas = [...document.querySelectorAll('canvas')].sort((one, other) => other.width * other.height - one.width * one.height)[0]!;
    const before = lowest(canvas.getContext('2d')!);
    window.addEventListener('keydown', ({ timeStamp }) => { pressedAt = timeStamp; }, { capture: true, once: true });
    watch.drawn = (context) => {
      if (pressedAt === undefined || lowest(context) === before) return;
      watch.drawn = undefined;
      resolve(performance.now() - pressedAt);
    };
  }));
  // The listener has to be there first.
  await page.evaluate(() => undefined);
  await press();
  return answer;
}
