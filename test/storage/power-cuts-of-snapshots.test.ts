/**
 * Power cuts in the middle of taking, deleting, merging and going back to snapshots, of saving and resuming. Whatever of what was not
 * synced is left: the tree is the old one or the new one, every image of it is whole and holds what it held, every state opens,
 * and what a call has answered is there.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { StateFile } from '../../src/emulator/host/state-reader.ts';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { checkImage } from '../../src/emulator/storage/check-image.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { parseMachineConfig } from '../../src/shared/machine-config.ts';
import { SnapshotFolder } from '../../src/main/snapshots/snapshot-folder.ts';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { FileLog } from '../support/file-log.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { PLACE_BYTES, PLACES, type Expected, type StepMark } from './snapshot-workload.ts';

const isLong = process.env['GUESTHOUSE_LONG_TESTS'] !== undefined;
const CUTS = isLong ? 500 : 40;
const SECTORS = PLACES * PLACE_BYTES / 512;
const DISK = 'disks/disk0.img';

const scratch = mkdtempSync(join(tmpdir(), 'guesthouse-cuts-'));
afterAll(() => { rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }); });

/** A letter for each sector of an image and what lies below it. */
async function sectorsOf(folder: string, path: string): Promise<string> {
  const format = path === DISK ? 'raw' : 'qcow2';
  if (format === 'qcow2') {
    const { errors } = await checkImage({ path: join(folder, path), format, files: new HostImageFiles([folder]), compression: zlibCompression, repair: false, progress: () => {} });
    expect([path, ...errors]).toEqual([path]);
  }
  await using image = await openImage({ path: join(folder, path), format, readOnly: true, files: new HostImageFiles([folder]), compression: zlibCompression });
  const bytes = new Uint8Array(SECTORS * 512);
  await image.read(0, bytes);
  return Array.from({ length: SECTORS }, (_, sector) => {
    const value = bytes[sector * 512]!;
    return bytes.subarray(sector * 512, sector * 512 + 512).every((byte) => byte === value) ? String.fromCharCode(value || 0x2e) : '?';
  }).join('');
}

const inSectors = (disk: string): string => [...disk].map((letter) => letter.repeat(PLACE_BYTES / 512)).join('');

/** All that is wrong with what a power cut has left, between what was before the step that it came in and what the step leads to. */
async function wrongWith(folder: string, before: Expected, after: Expected): Promise<string[]> {
  const wrong: string[] = [];
  const parsed = parseMachineConfig(readFileSync(join(folder, 'machine.json'), 'utf8'));
  if (!parsed.ok) return [parsed.error.message];
  const config = parsed.value;
  const opened = await SnapshotFolder.open(folder);
  if (!opened.ok) return [opened.error.message];
  const { tree } = opened.value;
  const names = tree.nodes.map(({ name }) => name).toSorted().join();
  const [oldNames, newNames] = [before, after].map(({ snapshots }) => Object.keys(snapshots).toSorted().join());
  if (names !== oldNames && names !== newNames) wrong.push(`the snapshots are ${names}, not ${oldNames} or ${newNames}`);
  const isSaved = tree.saved !== undefined;
  if (isSaved !== before.isSaved && isSaved !== after.isSaved) wrong.push(`the machine is ${isSaved ? 'saved' : 'not saved'}`);
  for (const node of tree.nodes) {
    const image = node.images.find(({ disk }) => disk === DISK)!.image;
    const disk = after.snapshots[node.name] ?? before.snapshots[node.name]!;
    if (await sectorsOf(folder, image) !== inSectors(disk)) wrong.push(`the disk of ${node.name} is another one`);
    if ((node.memory !== undefined) !== (after.withMemory.includes(node.name) || before.withMemory.includes(node.name))) wrong.push(`the memory of ${node.name} is ${node.memory === undefined ? 'missing' : 'there'}`);
  }
  const now = await sectorsOf(folder, opened.value.diskNow(config.disks[0]!).path);
  const [old, next] = [inSectors(before.disk), inSectors(after.disk)];
  const at = [...now].findIndex((letter, sector) => letter !== old[sector] && letter !== next[sector]);
  if (at >= 0) wrong.push(`sector ${at} of the disk holds ${now[at]!} and should hold ${old[at]!} or ${next[at]!}`);
  for (const state of tree.states) {
    await using file = await StateFile.open(opened.value.path(state.path), opened.value.places());
    if (file.index.id !== state.id) wrong.push(`${state.path} is another state`);
    await file.sections();
    for (let chunk = 0; chunk < file.index.chunks.length; chunk++) if (!file.index.chunks.isZero(chunk)) await file.chunk(chunk);
  }
  for (const id of [tree.saved?.state, ...tree.nodes.map(({ memory }) => memory)]) if (id !== undefined && !tree.states.some((state) => state.id === id)) wrong.push(`the state ${id} is named and nowhere`);
  return wrong;
}

it('leave the old tree or the new one, with all its images and states', async () => {
  const [home, log] = [join(scratch, 'home'), join(scratch, 'log')];
  const root = join(home, 'machines');
  const ended = spawnSync(process.execPath, [join(import.meta.dirname, 'snapshot-workload.ts')], {
    encoding: 'utf8',
    env: {
      ...process.env, GUESTHOUSE_HOME: home, GUESTHOUSE_APP_FOLDER: projectFolder, GUESTHOUSE_FILE_LOG: log, GUESTHOUSE_LOGGED_FOLDER: root,
      NODE_OPTIONS: `--import=${join(projectFolder, 'test/support/log-files.mjs')}`,
    },
  });
  expect([ended.status, ended.stderr]).toEqual([0, '']);
  const files = new FileLog(log, root);
  const marks = files.marks as readonly { at: number; mark: StepMark }[];
  const first = marks[0]!.at;
  for (let cut = 0; cut < CUTS; cut++) {
    const random = new SeededRandom(cut * 31 + 7);
    // As many cuts in steps of few writes as in others.
    const index = random.below(marks.length - 1);
    const from = marks[index]!.at;
    const time = from + random.below(marks[index + 1]!.at - from);
    expect(time).toBeGreaterThanOrEqual(first);
    const next = marks[index]!.mark;
    const before = marks.slice(0, index + 1).findLast(({ mark }) => mark.kind === 'end')?.mark.expected ?? { snapshots: {}, withMemory: [], disk: '.'.repeat(PLACES), isSaved: false };
    const where = `cut ${cut} at ${time}, ${next.kind} of "${next.what}"`;
    const left = join(scratch, 'left');
    mkdirSync(left);
    files.cutAt(time, random, left);
    let wrong: string[];
    try {
      wrong = await wrongWith(join(left, 'lively.guestvm'), before, next.expected);
    } catch (error) {
      wrong = [String(error)];
    }
    expect([where, ...wrong]).toEqual([where]);
    rmSync(left, { recursive: true });
  }
}, 300_000);
