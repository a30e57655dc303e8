/**
 * `npm run bench -- --bundles`: how soon a bundle with a saved state runs, from the call with which a double click begins to the
 * machine's first instruction and to what its guest prints next: with the app open, and from nothing by the command line.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { distFolder } from '../../scripts/build/folders.mjs';
import type { BenchOptions } from './options.ts';
import { OurApp, value } from './saved-states.ts';

const MEBIBYTE = 2 ** 20;
const MEMORY_MEBIBYTES = [256, 1024];
const COMMAND = (mebibytes: number): string => `dd if=/dev/urandom of=/tmp/ballast bs=1M count=${Math.floor(mebibytes / 4)} 2>/dev/null; while true; do echo ti''ck; sleep 0.02; done\n`;

interface Column { readonly looked: number[]; readonly runs: number[]; readonly prints: number[]; readonly cold: number[]; bytes: number; exportMillis: number }

async function measure(mebibytes: number, turns: number): Promise<Column> {
  const column: Column = { looked: [], runs: [], prints: [], cold: [], bytes: 0, exportMillis: 0 };
  const folder = mkdtempSync(join(tmpdir(), 'guesthouse-bench-'));
  const path = join(folder, 'traveller.guestvmz');
  const app = new OurApp();
  try {
    const { client } = await app.core;
    value(await client.library.createFromBundledGuest({ id: 'guesthouse-linux', name: 'base' }));
    value(await client.library.change({ name: 'base', changes: { memoryBytes: mebibytes * MEBIBYTE } }));
    value(await client.machines.start({ name: 'base', overcommit: true }));
    await app.prints('base', '#');
    value(await client.machines.serialInput({ name: 'base', bytes: new TextEncoder().encode(COMMAND(mebibytes)) }));
    await app.ticks('base');
    value(await client.machines.save({ name: 'base' }));
    const at = performance.now();
    value(await client.library.export({ name: 'base', path, sign: true }));
    column.exportMillis = performance.now() - at;
    column.bytes = statSync(path).size;
    for (let turn = 0; turn < turns; turn++) {
      await app.quiet();
      const begun = performance.now();
      const { manifestSha256 } = value(await client.library.inspectBundle({ path }));
      column.looked.push(performance.now() - begun);
      const { name } = value(await client.library.openBundle({ path, manifestSha256 }));
      value(await client.machines.start({ name, overcommit: true }));
      column.runs.push(performance.now() - begun);
      await app.ticks(name);
      column.prints.push(performance.now() - begun);
      value(await client.machines.stop({ name, how: 'force' }));
      value(await client.library.discard({ name }));
    }
  } finally {
    await app.close();
  }
  const run = (home: string, ...words: string[]): void => {
    const { status, stderr } = spawnSync(process.execPath, [join(distFolder, 'cli.js'), ...words], { env: { ...process.env, GUESTHOUSE_HOME: home }, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  for (let turn = 0; turn < turns; turn++) {
    const home = join(folder, `home${turn}`);
    await delay(1000);
    const begun = performance.now();
    run(home, 'run', path, '--yes');
    column.cold.push(performance.now() - begun);
    run(home, 'stop', 'traveller', '--force');
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  return column;
}

function median(values: readonly number[]): string {
  return `${[...values].sort((one, other) => one - other)[values.length >> 1]!.toFixed(0)} ms`;
}

export async function benchBundles(options: BenchOptions, say: (line: string) => void): Promise<void> {
  const sizes = options.size === 'quick' ? MEMORY_MEBIBYTES.slice(0, 1) : MEMORY_MEBIBYTES;
  const turns = Math.max(2, Math.min(5, options.runs));
  const columns: Column[] = [];
  for (const mebibytes of sizes) {
    say(`measuring ${mebibytes} MiB…`);
    columns.push(await measure(mebibytes, turns));
  }
  const row = (what: string, of: (column: Column) => string): void => { say(`| ${what} | ${columns.map(of).join(' | ')} |`); };
  say(`\n| median of ${turns} | ${sizes.map((mebibytes) => `${mebibytes} MiB`).join(' | ')} |`);
  say(`|---|${columns.map(() => '---:|').join('')}`);
  row('app open → sheet', ({ looked }) => median(looked));
  row('app open → runs', ({ runs }) => median(runs));
  row('app open → prints', ({ prints }) => median(prints));
  row('nothing → runs (command line)', ({ cold }) => median(cold));
  row('exporting', ({ exportMillis }) => `${exportMillis.toFixed(0)} ms`);
  row('the bundle', ({ bytes }) => `${(bytes / MEBIBYTE).toFixed(0)} MiB`);
}
