/** Saved states and snapshots by the command line: what it says, and what is in the files afterwards, by qemu-img's word. */
import { existsSync, readFileSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { openImage } from '../../src/emulator/storage/open-image.ts';
import type { Tree } from '../../src/main/snapshots/snapshot-tree.ts';
import type { SnapshotTree } from '../../src/shared/api.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { commandLineAt, eventually, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

/** Some twenty commands, each of which starts processes. */
const PATIENCE_MILLIS = 300_000;

const scratch = scratchFolder();
const home = scratch.file('home');
const { run } = commandLineAt(home);
const folderOf = (name: string): string => join(home, 'machines', `${name}.guestvm`);
const treeOf = (name: string): Tree => JSON.parse(readFileSync(join(folderOf(name), 'snapshots/tree.json'), 'utf8')) as Tree;
const succeeded = (ended: Ended): string => {
  expect([ended.status, ended.err]).toEqual([0, '']);
  return ended.out;
};
const listed = async (name: string): Promise<SnapshotTree> => JSON.parse(succeeded(await run(['snapshot', 'list', name, '--json']))) as SnapshotTree;
const stateOf = async (name: string): Promise<string | undefined> => /^state: +(.*)$/m.exec(succeeded(await run(['info', name])))?.[1];

afterAll(async () => { for (const name of ['lively', 'layered']) await run(['stop', name, '--force']); });

async function made(name: string): Promise<void> {
  succeeded(await run(['create', name, '--memory', '16M', '--new-disk', '4M']));
}

describe('the disks of a machine that is off', () => {
  const disk = join(folderOf('layered'), 'disks/disk0.img');
  const active = (): string => join(folderOf('layered'), (existsSync(join(folderOf('layered'), 'snapshots/tree.json')) ? treeOf('layered').active[0]?.layer : undefined) ?? 'disks/disk0.img');
  /** Fills 64 KiB at each place with the letter. */
  async function write(letter: string, ...places: readonly number[]): Promise<void> {
    await using image = await openImage({ path: active(), format: active() === disk ? 'raw' : 'qcow2', readOnly: false, files: new HostImageFiles([dirname(disk)]), compression: zlibCompression });
    for (const place of places) await image.write(place * 128, new Uint8Array(65_536).fill(letter.charCodeAt(0)));
    await image.flush();
  }
  /** What qemu-img sees, a letter for each 64 KiB. */
  function seen(): string {
    const raw = scratch.file('seen.raw');
    qemuImg('convert', '-O', 'raw', '-f', active() === disk ? 'raw' : 'qcow2', active(), raw);
    const bytes = readFileSync(raw);
    return Array.from({ length: 8 }, (_, place) => String.fromCharCode(bytes[place * 65_536 + 100]! || 0x2e)).join('');
  }

  test('are frozen in layers, come back, branch, and are merged when snapshots are forgotten', async () => {
    await made('layered');
    await write('a', 0, 1, 2, 3);
    succeeded(await run(['snapshot', 'take', 'layered', 'one', '--notes', 'all a']));
    await write('b', 1, 2);
    succeeded(await run(['snapshot', 'take', 'layered', 'two']));
    await write('c', 2, 4);
    expect(seen()).toBe('abcac...');
    const { snapshots, current } = await listed('layered');
    expect(snapshots.map(({ name, notes, hasMemory }) => [name, notes, hasMemory])).toEqual([['one', 'all a', false], ['two', '', false]]);
    expect([snapshots[1]!.parent, current]).toEqual([snapshots[0]!.id, snapshots[1]!.id]);
    expect(succeeded(await run(['snapshot', 'list', 'layered']))).toMatch(/^- one {2}\(.*\n {2}\* two {2}\(/);

    succeeded(await run(['snapshot', 'restore', 'layered', 'one', '--save-current', 'three']));
    expect(seen()).toBe('aaaa....');
    await write('d', 5);
    succeeded(await run(['snapshot', 'restore', 'layered', 'three', '--yes']));
    expect(seen()).toBe('abcac...');
    await write('e', 6);

    succeeded(await run(['snapshot', 'delete', 'layered', 'one', '--yes']));
    expect(seen()).toBe('abcac.e.');
    succeeded(await run(['snapshot', 'restore', 'layered', 'two', '--yes']));
    expect(seen()).toBe('abba....');
    succeeded(await run(['snapshot', 'delete', 'layered', 'three', '--yes']));
    succeeded(await run(['snapshot', 'delete', 'layered', 'two', '--yes']));
    expect(treeOf('layered')).toMatchObject({ nodes: [], layers: [], active: [], states: [] });
    expect(readdirSync(dirname(disk))).toEqual(['disk0.img']);
    expect(seen()).toBe('abba....');
  }, PATIENCE_MILLIS);

  test('that can\'t be found, confirmed or understood are refused', async () => {
    expectRefusal(await run(['snapshot', 'restore', 'layered', 'nowhere', '--yes']), 1, /there is no snapshot "nowhere"/);
    expectRefusal(await run(['snapshot', 'delete', 'layered', 'one']), 2, /can't be undone, and there is nobody to ask/);
    expectRefusal(await run(['save', 'layered']), 1, /is not on/);
    await made('broken');
    succeeded(await run(['snapshot', 'take', 'broken', 'one']));
    writeFileSync(join(folderOf('broken'), 'snapshots/tree.json'), '{');
    for (const verb of [['start', 'broken'], ['snapshot', 'list', 'broken'], ['snapshot', 'take', 'broken', 'two']]) expectRefusal(await run(verb), 1, /tree of snapshots is damaged/);
  });
});

describe('a machine that is on', () => {
  test('is saved and goes on, keeps snapshots of what runs, and a damaged state is refused and kept', async () => {
    await made('lively');
    succeeded(await run(['start', 'lively']));
    succeeded(await run(['snapshot', 'take', 'lively', 'running']));
    expect((await listed('lively')).snapshots[0]).toMatchObject({ name: 'running', hasMemory: true, hasThumbnail: true });
    succeeded(await run(['save', 'lively']));
    expect(await stateOf('lively')).toBe('saved');
    succeeded(await run(['resume', 'lively']));
    expect(await stateOf('lively')).toBe('running');
    await eventually(() => treeOf('lively').resumed === undefined, () => 'the memory was not loaded');

    succeeded(await run(['suspend', 'lively']));
    const path = join(folderOf('lively'), treeOf('lively').states.find(({ id }) => id === treeOf('lively').saved!.state)!.path);
    const whole = readFileSync(path);
    truncateSync(path, whole.length - 1);
    expectRefusal(await run(['start', 'lively']), 1, /the saved state is cut off: .*--cold/);
    writeFileSync(path, whole);
    expect(await stateOf('lively')).toBe('saved');
    expectRefusal(await run(['start', 'lively', '--cold']), 2, /nobody to ask/);
    succeeded(await run(['snapshot', 'restore', 'lively', 'running', '--yes', '--start']));
    expect(existsSync(path)).toBe(false);
    expect(await stateOf('lively')).toBe('running');
    succeeded(await run(['save', 'lively']));
    succeeded(await run(['start', 'lively', '--cold', '--yes']));
    expect(treeOf('lively').saved).toBeUndefined();
    succeeded(await run(['stop', 'lively', '--force']));
  }, PATIENCE_MILLIS);
});

describe('clones', () => {
  test('are copies, or share a snapshot that can\'t go before them; some forget what was done to them', async () => {
    await made('origin');
    const diskOf = (name: string): string => join(folderOf(name), 'disks/disk0.img');
    const mark = Buffer.alloc(4 << 20);
    mark.write('marked', 70_000);
    writeFileSync(diskOf('origin'), mark);
    succeeded(await run(['start', 'origin']));
    succeeded(await run(['snapshot', 'take', 'origin', 'running']));
    succeeded(await run(['clone', 'origin', 'fork 1', 'fork 2', '--linked', '--snapshot', 'running', '--start']));
    for (const name of ['origin', 'fork 1', 'fork 2']) expect(await stateOf(name)).toBe('running');
    for (const name of ['origin', 'fork 1', 'fork 2']) succeeded(await run(['stop', name, '--force']));
    const raw = scratch.file('fork.raw');
    qemuImg('convert', '-O', 'raw', join(folderOf('fork 1'), 'disks/disk0.qcow2'), raw);
    expect(readFileSync(raw).equals(mark)).toBe(true);
    for (const refused of [['delete', 'origin', '--for-good', '--yes'], ['snapshot', 'delete', 'origin', 'running', '--yes']]) {
      expectRefusal(await run(refused), 1, /linked clones of it: fork 1, fork 2: delete them first/);
    }

    succeeded(await run(['clone', 'origin', 'copy']));
    succeeded(await run(['start', 'copy']));
    succeeded(await run(['stop', 'copy', '--force']));
    expect((await listed('copy')).snapshots).toHaveLength(1);
    expectRefusal(await run(['clone', 'origin', 'copy']), 1, /already a machine copy/);

    succeeded(await run(['snapshot', 'reset-on-power-off', 'copy', 'running']));
    const before = treeOf('copy').active[0]!.layer;
    succeeded(await run(['start', 'copy']));
    succeeded(await run(['stop', 'copy', '--force']));
    await eventually(() => treeOf('copy').active[0]!.layer !== before && treeOf('copy').saved !== undefined, () => 'it was not reset');
    expect(await stateOf('copy')).toBe('saved');
    for (const name of ['fork 1', 'fork 2']) succeeded(await run(['delete', name, '--for-good', '--yes']));
    succeeded(await run(['snapshot', 'delete', 'origin', 'running', '--yes']));
    expect(readFileSync(diskOf('origin')).equals(mark)).toBe(true);
  }, PATIENCE_MILLIS);
});
