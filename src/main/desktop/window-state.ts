/** Where the window was, for its next opening. */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { BrowserWindow, Rectangle } from 'electron';
import { z } from 'zod';
import { writeFileAtomically } from '../files/atomic-file.ts';

const windowStateSchema = z.object({
  bounds: z.object({ x: z.number().int(), y: z.number().int(), width: z.number().int().min(200).max(20_000), height: z.number().int().min(200).max(20_000) }),
  isMaximized: z.boolean(),
});
export type WindowState = z.infer<typeof windowStateSchema>;

const SETTLE_MILLIS = 400;
/** So much of a window must be on a screen that it can be taken hold of. */
const VISIBLE_PIXELS = 80;

export function readWindowState(path: string): WindowState | undefined {
  try {
    return windowStateSchema.safeParse(JSON.parse(readFileSync(path, 'utf8'))).data;
  } catch {
    return undefined;
  }
}

/** A screen that was there may be gone: a window out of sight is as good as none. */
export function isInSight({ x, y, width }: Rectangle, screens: readonly Rectangle[]): boolean {
  return screens.some((screen) => {
    const across = Math.min(x + width, screen.x + screen.width) - Math.max(x, screen.x);
    // Its top edge, where its title is.
    const isTitleOnScreen = y >= screen.y - 10 && y < screen.y + screen.height - VISIBLE_PIXELS;
    return across >= VISIBLE_PIXELS && isTitleOnScreen;
  });
}

/** Keeps the window's place whenever it has come to rest. A place that can't be kept is forgotten, no more. */
export function keepWindowState(window: BrowserWindow, path: string): void {
  let timer: NodeJS.Timeout | undefined;
  const save = (): void => {
    if (window.isDestroyed() || window.isMinimized() || window.isFullScreen()) return;
    const state: WindowState = { bounds: window.getNormalBounds(), isMaximized: window.isMaximized() };
    try {
      mkdirSync(dirname(path), { recursive: true });
    } catch {
      return;
    }
    void writeFileAtomically(path, `${JSON.stringify(state)}\n`).catch(() => {});
  };
  const soon = (): void => {
    clearTimeout(timer);
    timer = setTimeout(save, SETTLE_MILLIS);
  };
  window.on('resize', soon);
  window.on('move', soon);
  window.on('maximize', soon);
  window.on('unmaximize', soon);
  window.on('close', () => {
    clearTimeout(timer);
    save();
  });
}
