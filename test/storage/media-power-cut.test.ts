/**
 * Power cuts during jobs on whole images: converting onto a file that is there, compacting, resizing and merging. The real
 * jobs run on real files, and folders are rebuilt as a power cut could have left them, directory entries included. What the
 * job was to change is as it was, or as it becomes, and passes its check.
 */
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MediaJob } from '../../src/shared/media-protocol.ts';
import { runMediaJob } from '../../src/emulator/host/media-jobs.ts';
import { FileLog } from '../support/file-log.ts';
import { logFiles, markInFileLog, stopLogging } from '../support/log-files.mjs';
import { SeededRandom } from '../support/seeded-random.ts';
import { checkFile, makeImage, openFile } from './image-files.ts';

const CUTS = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 30 : 500;
const MIB = 2 ** 20;
const BYTES = 2 * MIB;

let scratch: string;
beforeEach(() => { scratch = mkdtempSync(join(tmpdir(), 'guesthouse-')); });
afterEach(() => {
  stopLogging();
  rmSync(scratch, { recursive: true });
});

async function fill(path: string, seed: number, format: 'qcow2' | 'raw' | 'vdi' = 'qcow2'): Promise<void> {
  const random = new SeededRandom(seed);
  await using image = await openFile(path, format);
  for (let piece = 0; piece < 40; piece++) {
    const count = 1 + random.below(64);
    await image.write(random.below(image.sectorCount - count), new Uint8Array(count * 512).fill(1 + random.below(255)));
  }
  for (let piece = 0; piece < 10; piece++) await image.discard(random.below(image.sectorCount - 128), 128);
  await image.flush();
}

async function contentsOf(path: string): Promise<Buffer> {
  await using image = await openFile(path, undefined, true);
  const bytes = new Uint8Array(image.sectorCount * image.sectorBytes);
  await image.read(0, bytes);
  return Buffer.from(bytes);
}

interface Case {
  readonly name: string;
  /** Makes the files of `folder`. */
  prepare(folder: string): Promise<void>;
  job(folder: string): MediaJob;
  /** The image that is looked at; it may have the contents of before or after the job. */
  readonly seen: string;
  /** What lies beyond is lost anyway, sooner or later. */
  readonly kept?: number;
}

const image = (folder: string, name: string, format: 'qcow2' | 'vdi' = 'qcow2') => ({ path: join(folder, name), format, backingFolders: [] });
const target = (folder: string, name: string, format: 'qcow2' | 'vdi') => (
  { path: join(folder, name), format, replace: true, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false });

const CASES: readonly Case[] = [
  {
    name: 'convert, onto an image that is there', seen: 'new.vdi',
    async prepare(folder) {
      await makeImage(join(folder, 'old.qcow2'), { format: 'qcow2', bytes: BYTES });
      await fill(join(folder, 'old.qcow2'), 1);
      await makeImage(join(folder, 'new.vdi'), { format: 'vdi', bytes: BYTES });
      await fill(join(folder, 'new.vdi'), 2, 'vdi');
    },
    job: (folder) => ({ kind: 'convert', image: image(folder, 'old.qcow2'), target: target(folder, 'new.vdi', 'vdi'), compress: false }),
  },
  {
    name: 'compact', seen: 'disk.qcow2',
    async prepare(folder) {
      await makeImage(join(folder, 'disk.qcow2'), { format: 'qcow2', bytes: BYTES, blockBytes: 4096 });
      await fill(join(folder, 'disk.qcow2'), 3);
    },
    job: (folder) => ({ kind: 'compact', image: image(folder, 'disk.qcow2') }),
  },
  ...[{ name: 'grow', bytes: 8 * MIB }, { name: 'shrink', bytes: MIB }].map(({ name, bytes }): Case => ({
    name, seen: 'disk.qcow2', ...(bytes < BYTES ? { kept: bytes } : {}),
    async prepare(folder) {
      // Small clusters make many tables, which have to move.
      await makeImage(join(folder, 'disk.qcow2'), { format: 'qcow2', bytes: BYTES, blockBytes: 512 });
      await fill(join(folder, 'disk.qcow2'), 4);
    },
    job: (folder) => ({ kind: 'resize', image: image(folder, 'disk.qcow2'), bytes, shrink: true }),
  })),
  {
    name: 'merge', seen: 'top.qcow2',
    async prepare(folder) {
      await makeImage(join(folder, 'base.qcow2'), { format: 'qcow2', bytes: BYTES, blockBytes: 4096 });
      await fill(join(folder, 'base.qcow2'), 5);
      await makeImage(join(folder, 'middle.qcow2'), { format: 'qcow2', bytes: BYTES, blockBytes: 4096, backing: { name: 'base.qcow2', format: 'qcow2' } });
      await fill(join(folder, 'middle.qcow2'), 6);
      await makeImage(join(folder, 'top.qcow2'), { format: 'qcow2', bytes: BYTES, blockBytes: 4096, backing: { name: 'middle.qcow2', format: 'qcow2' } });
      await fill(join(folder, 'top.qcow2'), 7);
    },
    job: (folder) => ({ kind: 'merge', upper: image(folder, 'middle.qcow2'), lower: image(folder, 'base.qcow2'), above: [image(folder, 'top.qcow2')] }),
  },
];

describe('after a power cut', () => {
  it.each(CASES)('$name leaves what was, or what was to be', async ({ prepare, job, seen, kept }) => {
    const random = new SeededRandom(77);
    const folder = join(scratch, 'live');
    mkdirSync(folder);
    await prepare(folder);
    const before = await contentsOf(join(folder, seen));
    logFiles(folder, join(scratch, 'log'));
    markInFileLog('begin');
    await runMediaJob(job(folder), () => {});
    stopLogging();
    const files = new FileLog(join(scratch, 'log'), realpathSync(folder));
    const begin = files.marks[0]!.at;
    const { end } = files;
    expect(end - begin, 'what happened was recorded').toBeGreaterThan(6);
    const after = await contentsOf(join(folder, seen));
    const found = new Set<string>();
    for (let cut = 0; cut < CUTS; cut++) {
      // The last one is after the end: all of it must be there then.
      const time = cut === CUTS - 1 ? end : begin + random.below(end - begin + 1);
      const left = join(scratch, `cut${cut}`);
      mkdirSync(left);
      files.cutAt(time, random, left);
      const contents = await contentsOf(join(left, seen));
      const is = (other: Buffer): boolean => contents.length === other.length && contents.subarray(0, kept).equals(other.subarray(0, kept));
      const state = is(after) ? 'after' : is(before) ? 'before' : 'neither';
      found.add(state);
      expect([`cut ${cut} at ${time - begin} of ${end - begin}`, state === 'neither', time === end && state !== 'after']).toEqual([`cut ${cut} at ${time - begin} of ${end - begin}`, false, false]);
      for (const name of readdirSync(left).filter((each) => /^\w+\.(?:qcow2|vdi)$/.test(each))) expect([cut, name, ...(await checkFile(join(left, name))).errors]).toEqual([cut, name]);
      rmSync(left, { recursive: true });
    }
    expect(found.size).toBeGreaterThanOrEqual(before.equals(after) ? 1 : 2);
  });
});
