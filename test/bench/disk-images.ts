/**
 * Disk images against qemu-img: converting between raw and qcow2, compressed and not; and requests on a qcow2 image. Prints
 * medians and ratios (above 1: we are faster). qemu-img is told to write through to the disk (-t none is not to be had on
 * every file system, so writeback with a flush at its end), as we always do.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { diskBytes, makeImage, openFile } from '../storage/image-files.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const MEBIBYTES = 512;
const RUNS = 3;

const folder = mkdtempSync(join(tmpdir(), 'guesthouse-bench-'));
const file = (name: string): string => join(folder, name);
const line = (text: string): void => { process.stdout.write(`${text}\n`); };

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)]!;
}

function timed(work: () => void): number {
  const begun = performance.now();
  work();
  return performance.now() - begun;
}

function ours(...args: readonly string[]): void {
  const ended = spawnSync(process.execPath, [join(projectFolder, 'dist/cli.js'), 'disk', 'convert', '--force', ...args], { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(ended.stderr);
}

/** With the flush that we do. */
function theirs(target: string, ...args: readonly string[]): void {
  qemuImg('convert', '-t', 'writeback', ...args, target);
  const written = openSync(target, 'r+');
  fsyncSync(written);
  closeSync(written);
}

function compare(name: string, us: () => void, them: () => void): void {
  const times: { us: number[]; them: number[] } = { us: [], them: [] };
  for (let run = 0; run < RUNS; run++) {
    if (run % 2 === 0) times.us.push(timed(us));
    times.them.push(timed(them));
    if (run % 2 === 1) times.us.push(timed(us));
  }
  const [us1, them1] = [median(times.us), median(times.them)];
  line(`${name.padEnd(34)}${us1.toFixed(0).padStart(8)} ms${them1.toFixed(0).padStart(8)} ms   ${(them1 / us1).toFixed(2)}`);
}

async function requests(name: string, sectors: number, count: number, at: (index: number) => number, kind: 'read' | 'write'): Promise<void> {
  await using image = await openFile(file('requests.qcow2'));
  const buffers = Array.from({ length: 8 }, (_, index) => new Uint8Array(sectors * 512).fill(index + 1));
  const begun = performance.now();
  let next = 0;
  await Promise.all(buffers.map(async (buffer) => {
    while (next < count) {
      const sector = at(next++);
      if (kind === 'read') await image.read(sector, buffer);
      else await image.write(sector, buffer);
    }
  }));
  await image.flush();
  const seconds = (performance.now() - begun) / 1000;
  line(`${name.padEnd(34)}${((count * sectors) / 2048 / seconds).toFixed(0).padStart(8)} MiB/s${(count / seconds).toFixed(0).padStart(9)} requests/s`);
}

try {
  const random = new SeededRandom(1);
  writeFileSync(file('raw.img'), diskBytes(random, MEBIBYTES << 20));
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', file('raw.img'), file('plain.qcow2'));
  qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', file('raw.img'), file('packed.qcow2'));
  line(`${'convert'.padEnd(34)}${'ours'.padStart(11)}${'qemu-img'.padStart(11)}   ratio`);
  compare('raw to qcow2', () => { ours(file('raw.img'), file('to.qcow2')); }, () => { theirs(file('to2.qcow2'), '-f', 'raw', '-O', 'qcow2', file('raw.img')); });
  compare('qcow2 to raw', () => { ours(file('plain.qcow2'), file('to.img')); }, () => { theirs(file('to2.img'), '-O', 'raw', file('plain.qcow2')); });
  compare('raw to compressed qcow2', () => { ours('--compress', file('raw.img'), file('to.qcow2')); }, () => { theirs(file('to2.qcow2'), '-c', '-f', 'raw', '-O', 'qcow2', file('raw.img')); });
  compare('compressed qcow2 to raw', () => { ours(file('packed.qcow2'), file('to.img')); }, () => { theirs(file('to2.img'), '-O', 'raw', file('packed.qcow2')); });
  await makeImage(file('requests.qcow2'), { format: 'qcow2', bytes: 1 << 30 });
  line('qcow2, eight requests at once');
  await requests('write 64 KiB one after another', 128, 8192, (index) => index * 128, 'write');
  await requests('read 64 KiB one after another', 128, 8192, (index) => index * 128, 'read');
  await requests('write 4 KiB anywhere', 8, 20_000, () => random.below(1 << 18) * 8, 'write');
  await requests('read 4 KiB anywhere', 8, 20_000, () => random.below(1 << 18) * 8, 'read');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
