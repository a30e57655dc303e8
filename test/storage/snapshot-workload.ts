/**
 * A machine's life with snapshots, as a program whose doings with files are logged: taken off and on, gone back to, deleted and merged,
 * saved and resumed. Each step is marked before and after with what must hold: `power-cuts-of-snapshots.test.ts` reads that.
 */
import { dirname, join } from 'node:path';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import { appPaths } from '../../src/main/app-paths.ts';
import { createAppServices } from '../../src/main/app-services.ts';
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import { SnapshotFolder } from '../../src/main/snapshots/snapshot-folder.ts';
import type { Result } from '../../src/shared/result.ts';

export const PLACES = 16;
export const PLACE_BYTES = 0x10000;
const MACHINE = 'lively';

/** What the machine is. A disk is written as a letter for each of its places. */
export interface Expected {
  /** Each snapshot's disk, by name. */
  readonly snapshots: Readonly<Record<string, string>>;
  readonly withMemory: readonly string[];
  readonly disk: string;
  readonly isSaved: boolean;
}
/** Marked before a step (what it leads to) and after it. */
export interface StepMark {
  readonly kind: 'begin' | 'end';
  readonly what: string;
  readonly expected: Expected;
}

declare const markInFileLog: (mark: StepMark) => void;

function value<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`${result.error.code}: ${result.error.message}`);
  return result.value;
}

async function live(): Promise<void> {
  const paths = appPaths();
  const folder = join(paths.library, `${MACHINE}.guestvm`);
  const core = value(await createAppServices({ shell: 'command-line', paths, launcher: new ForkLauncher(paths.vmProcess) }));
  const { client } = core;
  value(await client.library.create({ name: MACHINE, memoryBytes: 16 << 20, newDiskBytes: PLACES * PLACE_BYTES, newDiskBus: 'virtio' }));
  let expected: Expected = { snapshots: {}, withMemory: [], disk: '.'.repeat(PLACES), isSaved: false };
  const step = async (what: string, to: Expected, work: () => Promise<unknown>): Promise<void> => {
    markInFileLog({ kind: 'begin', what, expected: to });
    await work();
    expected = to;
    markInFileLog({ kind: 'end', what, expected });
  };
  const write = (letter: string, ...places: readonly number[]): Promise<void> =>
    step(`write ${letter}`, { ...expected, disk: [...expected.disk].map((old, place) => (places.includes(place) ? letter : old)).join('') }, async () => {
      const disk = value(await SnapshotFolder.open(folder)).diskNow({ path: 'disks/disk0.img', format: 'raw', bus: 'virtio', readOnly: false, discardChanges: false, backingFolders: [] });
      await using image = await openImage({ path: join(folder, disk.path), format: disk.format, readOnly: false, files: new HostImageFiles([folder, dirname(join(folder, disk.path))]), compression: zlibCompression });
      for (const place of places) await image.write(place * PLACE_BYTES / 512, new Uint8Array(PLACE_BYTES).fill(letter.charCodeAt(0)));
      await image.flush();
    });
  const take = (name: string): Promise<void> => {
    const isOn = isRunning;
    return step(`take ${name}`, { ...expected, snapshots: { ...expected.snapshots, [name]: expected.disk }, withMemory: isOn || expected.isSaved ? [...expected.withMemory, name] : expected.withMemory },
      async () => { value(await client.snapshots.take({ name: MACHINE, snapshotName: name })); });
  };
  const restore = (name: string): Promise<void> =>
    step(`restore ${name}`, { ...expected, disk: expected.snapshots[name]!, isSaved: expected.withMemory.includes(name) }, async () => { value(await client.snapshots.restore({ name: MACHINE, snapshot: name, start: false })); });
  const forget = (name: string): Promise<void> => {
    const { [name]: _, ...snapshots } = expected.snapshots;
    return step(`delete ${name}`, { ...expected, snapshots, withMemory: expected.withMemory.filter((other) => other !== name) }, async () => { value(await client.snapshots.delete({ name: MACHINE, snapshot: name })); });
  };
  let isRunning = false;
  const start = (cold = false): Promise<void> => step('start', { ...expected, isSaved: false }, async () => {
    value(await client.machines.start({ name: MACHINE, cold }));
    isRunning = true;
  });
  const save = (): Promise<void> => step('save', { ...expected, isSaved: true }, async () => {
    value(await client.machines.save({ name: MACHINE }));
    isRunning = false;
  });
  const stop = (): Promise<void> => step('stop', expected, async () => {
    value(await client.machines.stop({ name: MACHINE, how: 'force' }));
    isRunning = false;
  });

  await write('a', 0, 1, 2, 3);
  await take('one');
  await write('b', 2, 5);
  await take('two');
  await write('c', 3, 5, 6);
  await restore('one');
  await write('d', 0, 7);
  await take('branch');
  await write('e', 8);
  await forget('two');
  await start();
  await take('lively');
  await take('later');
  await save();
  await start();
  await stop();
  await write('f', 1, 9);
  await forget('lively');
  await restore('later');
  await start();
  await save();
  await forget('one');
  await start(true);
  await stop();
  await write('g', 10);
  await forget('branch');
  await take('last');
  await forget('later');
  await forget('last');
  await core.close();
}

if (process.argv[1] === import.meta.filename) await live();
