/**
 * `npm run bench -- --display`: how many frames of a moving picture reach the canvas and what that takes of the processor,
 * and how long a key takes to change a pixel, in our window and in noVNC to QEMU.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { BareBrowser } from './display/bare-browser.ts';
import { countDrawings, framesPerSecond, keyToPixel, watchCanvas } from './display/watched-canvas.ts';
import { noVncMissing, openNoVnc, openOurs } from './display/viewers.ts';
import type { Viewer } from './display/viewers.ts';
import type { BenchOptions } from './options.ts';
import { threadTimes } from './process-figures.ts';
import { median } from './report.ts';

/** Keys of display/animation.c. */
const SCENES = [
  { key: '1', title: '1024 × 768, a quarter moves at 60 Hz', width: 1024 },
  { key: '2', title: '1024 × 768, all of it moves at 30 Hz', width: 1024 },
  { key: '4', title: '1920 × 1080, a quarter moves at 60 Hz', width: 1920 },
  { key: '5', title: '1920 × 1080, all of it moves at 30 Hz', width: 1920 },
] as const;
const STILL_KEY = '0';
/** Code is compiled and caches are filled by then. */
const SETTLING_MILLIS = 3000;

/** In percent of a core, while so many frames a second were drawn. */
type Shares = { readonly drawn: number; readonly control: number; readonly page: number; readonly worker: number; readonly between: number; readonly guest: number; readonly compositor: number };
type SceneFigures = { framesPerSecond: number[]; shares: Shares[] };
type Findings = { readonly scenes: Map<string, SceneFigures>; readonly keyMillis: number[] };

const COLUMNS = [
  { name: 'ours', title: 'Guesthouse', open: openOurs },
  { name: 'tcg', title: 'noVNC to QEMU', open: openNoVnc },
] as const;

async function measureShares(browser: BareBrowser, viewer: Viewer, seconds: number): Promise<Shares> {
  const { renderers, others } = await browser.processes();
  const timesOf = (): Map<number, { id: number; name: string; seconds: number; pid: number }> => new Map(
    [viewer.machinePid, ...(viewer.betweenPid === undefined ? [] : [viewer.betweenPid]), ...renderers, ...others].flatMap((pid) => threadTimes(pid).map((thread) => [thread.id, { ...thread, pid }] as const)));
  const ended = await countDrawings(viewer.painter);
  const before = timesOf();
  const startMillis = performance.now();
  await sleep(seconds * 1000);
  const after = timesOf();
  const wallSeconds = (performance.now() - startMillis) / 1000;
  const drawn = await ended();
  const share = (belongs: (thread: { id: number; name: string; pid: number }) => boolean): number => [...after.values()].filter(belongs)
    .reduce((sum, { id, seconds: spent }) => sum + spent - (before.get(id)?.seconds ?? 0), 0) / wallSeconds * 100;
  const isWorker = ({ pid, name }: { pid: number; name: string }): boolean => renderers.includes(pid) && name.startsWith('DedicatedWorker');
  const isBrowser = (pid: number): boolean => renderers.includes(pid) || others.includes(pid);
  return {
    drawn,
    control: share((thread) => thread.pid === viewer.machinePid && !viewer.isGuestThread(thread)),
    guest: share((thread) => thread.pid === viewer.machinePid && viewer.isGuestThread(thread)),
    between: share(({ pid }) => pid === viewer.betweenPid),
    page: share(({ id, pid }) => renderers.includes(pid) && id === pid),
    worker: share((thread) => isWorker(thread)),
    compositor: share((thread) => isBrowser(thread.pid) && !(renderers.includes(thread.pid) && thread.id === thread.pid) && !isWorker(thread)),
  };
}

async function measure(browser: BareBrowser, column: (typeof COLUMNS)[number], findings: Findings, options: BenchOptions, say: (text: string) => void): Promise<void> {
  const seconds = options.size === 'full' ? 8 : 3;
  const viewer = await column.open(browser, options.timeoutSeconds);
  const { page } = viewer;
  await watchCanvas(viewer.painter);
  try {
    const pressed = async (key: string, width: number): Promise<void> => {
      await page.press(`Digit${key}`);
      await page.waitFor((wanted) => [...document.querySelectorAll('canvas')].some((canvas) => canvas.width === wanted), width, options.timeoutSeconds * 1000);
    };
    for (const { key, width, title } of SCENES) {
      say(`${column.title}: ${title}…`);
      await pressed(key, width);
      await sleep(SETTLING_MILLIS);
      const figures = findings.scenes.get(key) ?? { framesPerSecond: [], shares: [] };
      findings.scenes.set(key, figures);
      figures.framesPerSecond.push(await framesPerSecond(viewer.painter, seconds));
      figures.shares.push(await measureShares(browser, viewer, seconds));
    }
    say(`${column.title}: keys…`);
    await pressed(STILL_KEY, 1024);
    await sleep(SETTLING_MILLIS);
    for (let press = 0; press < (options.size === 'full' ? 40 : 10); press++) {
      findings.keyMillis.push(await keyToPixel(page, viewer.painter, () => page.press('KeyA')));
      // As a person types, at changing distances from whatever beats in the way.
      await sleep(150 + 37 * (press % 7));
    }
  } finally {
    await viewer.end();
  }
}

export async function benchDisplay(options: BenchOptions, say: (text: string) => void): Promise<void> {
  const columns = COLUMNS.filter(({ name }) => options.columns.includes(name) && (name !== 'tcg' || noVncMissing() === undefined));
  const findings = new Map(columns.map(({ name }) => [name, { scenes: new Map<string, SceneFigures>(), keyMillis: [] as number[] }]));
  for (let run = 0; run < options.runs; run++) {
    for (const column of run % 2 === 0 ? columns : columns.toReversed()) {
      say(`display, run ${run + 1}, ${column.title}…`);
      const browser = await BareBrowser.launch(1400, 1000);
      try {
        await measure(browser, column, findings.get(column.name)!, options, say);
      } finally {
        await browser.close();
      }
    }
  }
  for (const { key, title } of SCENES) {
    process.stdout.write(`\n${title}\n`);
    for (const column of columns) {
      const { framesPerSecond: frames, shares } = findings.get(column.name)!.scenes.get(key)!;
      const of = (part: keyof Shares): number => median(shares.map((one) => one[part])) ?? NaN;
      process.stdout.write(`  ${column.title.padEnd(14)} ${median(frames)?.toFixed(1)} frames/s; control ${of('control').toFixed(0)} % + page ${of('page').toFixed(0)} % = ${(of('control') + of('page')).toFixed(0)} % of a core at ${of('drawn').toFixed(1)} frames/s, ${((of('control') + of('page')) * 10 / of('drawn')).toFixed(1)} ms a frame`
        + `; apart: ${column.name === 'ours' ? `drawing worker ${of('worker').toFixed(0)} %, shell ${of('between').toFixed(0)} %, ` : ''}guest ${of('guest').toFixed(0)} %, compositor and the browser's other threads ${of('compositor').toFixed(0)} %\n`);
    }
  }
  process.stdout.write('\nkey to pixel\n');
  for (const column of columns) {
    const sorted = findings.get(column.name)!.keyMillis.toSorted((one, other) => one - other);
    process.stdout.write(`  ${column.title.padEnd(14)} median ${median(sorted)?.toFixed(1)} ms, 95th percentile ${sorted[Math.ceil(sorted.length * 0.95) - 1]?.toFixed(1)} ms\n`);
  }
}
