/** Replicas of machines that are off and that run; every generation is a machine again; damage is found; a killed run leaves nothing half. */
import { createHash } from 'node:crypto';
import { openSync, closeSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { tryQemuImg } from '../support/qemu-img.ts';
import { commandLineAt, eventually, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

const PATIENCE_MILLIS = 300_000;
const scratch = scratchFolder();
const home = scratch.file('home');
const { run, start } = commandLineAt(home);
const folderOf = (name: string): string => join(home, 'machines', `${name}.guestvm`);
const succeeded = (ended: Ended): string => {
  expect([ended.status, ended.err]).toEqual([0, '']);
  return ended.out;
};
interface Generation { readonly id: string; readonly newBytes: number }
const generations = async (replica: string): Promise<Generation[]> => JSON.parse(succeeded(await run(['replica', 'list', replica, '--json']))) as Generation[];
const diskOf = (name: string): string => join(folderOf(name), 'disks/disk0.img');
const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
function write(path: string, words: string, position: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, words, position);
  closeSync(file);
}

afterAll(async () => { for (const name of ['runner', 'revived']) await run(['stop', name, '--force']); });

test('of a machine that is off only what changed is copied; generations beyond the number go, and those that stay are machines', async () => {
  succeeded(await run(['create', 'keeper', '--memory', '16M', '--new-disk', '32M']));
  // Bytes that don't compress.
  const noise = Buffer.alloc(8 << 20);
  for (let at = 0; at < noise.length; at += 32) createHash('sha256').update(String(at)).digest().copy(noise, at);
  writeFileSync(diskOf('keeper'), Buffer.concat([noise, Buffer.alloc(24 << 20)]));
  const replica = scratch.file('keeper.replica');
  const sums: string[] = [];
  for (let round = 0; round < 4; round++) {
    if (round > 0) write(diskOf('keeper'), `round ${round}`, round * 1_000_000);
    sums.push(digest(diskOf('keeper')));
    succeeded(await run(['replicate', 'keeper', replica, '--keep', '3']));
  }
  const kept = await generations(replica);
  expect(kept).toHaveLength(3);
  // A change of a few bytes costs one chunk of 64 KiB, and the settings' text.
  for (const { newBytes } of kept) expect(newBytes).toBeLessThan(70_000);
  for (const [index, { id }] of kept.entries()) {
    succeeded(await run(['replica', 'verify', replica, id]));
    succeeded(await run(['replica', 'restore', replica, `round ${index}`, '--generation', id]));
    expect(digest(diskOf(`round ${index}`))).toBe(sums[index + 1]);
  }
  // Once most of the first pack is of no use, it goes.
  writeFileSync(diskOf('keeper'), Buffer.alloc(32 << 20));
  for (let round = 0; round < 4; round++) succeeded(await run(['replicate', 'keeper', replica, '--keep', '2']));
  const packs = readdirSync(join(replica, 'packs')).map((name) => statSync(join(replica, 'packs', name)).size);
  expect(packs.reduce((sum, size) => sum + size, 0)).toBeLessThan(100_000);
}, PATIENCE_MILLIS);

test('damage is found before anything is made of it', async () => {
  succeeded(await run(['create', 'victim', '--memory', '16M', '--new-disk', '4M']));
  write(diskOf('victim'), 'precious', 1_000_000);
  const replica = scratch.file('victim.replica');
  succeeded(await run(['replicate', 'victim', replica]));
  const pack = join(replica, 'packs', readdirSync(join(replica, 'packs'))[0]!);
  const whole = readFileSync(pack);
  const manifest = join(replica, 'generations', readdirSync(join(replica, 'generations'))[0]!);
  const text = readFileSync(manifest, 'utf8');
  const refused = async (): Promise<void> => {
    expectRefusal(await run(['replica', 'verify', replica]), 1, /the replica is damaged/);
    expectRefusal(await run(['replica', 'restore', replica, 'bad']), 1, /the replica is damaged/);
    expect(existsSync(folderOf('bad'))).toBe(false);
  };
  for (const at of [10, whole.length >> 1, whole.length - 5]) {
    const changed = Buffer.from(whole);
    changed[at]! ^= 0x10;
    writeFileSync(pack, changed);
    await refused();
  }
  writeFileSync(pack, whole.subarray(0, whole.length - 1));
  await refused();
  writeFileSync(pack, whole);
  for (const changed of [text.replace('disk0.img', '../../x.img'), text.slice(0, text.length >> 1), '{}\n{}\n']) {
    writeFileSync(manifest, changed);
    await refused();
  }
  writeFileSync(manifest, text);
  expect(succeeded(await run(['replica', 'verify', replica]))).toMatch(/new\n$/);
  expectRefusal(await run(['replica', 'list', scratch.file('nothing')]), 1, /holds no generation/);
}, PATIENCE_MILLIS);

test('a run that is killed leaves the generations that were there, and the next one clears up after it', async () => {
  succeeded(await run(['create', 'killed', '--memory', '16M', '--new-disk', '64M']));
  const replica = scratch.file('killed.replica');
  succeeded(await run(['replicate', 'killed', replica]));
  let known = (await generations(replica)).map(({ id }) => id);
  const packs = (): string[] => readdirSync(join(replica, 'packs'));
  // A run may be over before it is killed, and says nothing then: three must be killed in the middle.
  for (let round = 0, killed = 0; killed < 3; round++) {
    expect(round).toBeLessThan(20);
    const noise = Buffer.alloc(64 << 20);
    for (let at = 0; at < noise.length; at += 4096) createHash('sha256').update(`${round} ${at}`).digest().copy(noise, at);
    writeFileSync(diskOf('killed'), noise);
    const before = new Set(packs());
    const command = start(['replicate', 'killed', replica]);
    const enough = 65_536 * (1 + killed * 2);
    await eventually(() => packs().some((name) => !before.has(name) && statSync(join(replica, 'packs', name)).size > enough), () => 'nothing is copied');
    command.child.kill('SIGKILL');
    await command.ended;
    const found = (await generations(replica)).map(({ id }) => id);
    succeeded(await run(['replica', 'verify', replica]));
    if (found.length === known.length) {
      expect(found).toEqual(known);
      killed++;
    }
    known = found;
  }
  await eventually(async () => (await run(['replicate', 'killed', replica])).status === 0, () => 'it can\'t be replicated any more');
  expect(await generations(replica)).toHaveLength(known.length + 1);
  expect(packs()).toHaveLength(known.length + 1);
}, PATIENCE_MILLIS);

test('a machine that runs is copied with its memory at one moment, and goes on from there elsewhere; a template doesn\'t start', async () => {
  succeeded(await run(['create', 'runner', '--memory', '32M', '--new-disk', '4M']));
  write(diskOf('runner'), 'disk at that moment', 2_000_000);
  succeeded(await run(['start', 'runner']));
  const replica = scratch.file('runner.replica');
  succeeded(await run(['replicate', 'runner', replica]));
  succeeded(await run(['replicate', 'runner', replica]));
  const [first, second] = await generations(replica);
  // Memory that did not change is not copied again.
  expect(second!.newBytes).toBeLessThan(first!.newBytes);
  expect(succeeded(await run(['snapshot', 'list', 'runner']))).toBe('');
  for (const [index, { id }] of [first!, second!].entries()) {
    const name = index === 0 ? 'revived' : 'revived too';
    succeeded(await run(['replica', 'restore', replica, name, '--generation', id]));
    expect(succeeded(await run(['info', name]))).toMatch(/^state: +saved$/m);
    succeeded(await run(['start', name]));
    expect(succeeded(await run(['info', name]))).toMatch(/^state: +running/m);
    succeeded(await run(['stop', name, '--force']));
    // Layers that nothing needs are merged once the machine is off: one may go while it is looked at.
    const layers = (): string[] => readdirSync(join(folderOf(name), 'disks')).filter((file) => file.endsWith('.qcow2')).map((file) => join(folderOf(name), 'disks', file));
    await eventually(() => layers().every((layer) => tryQemuImg('check', layer).out.includes('No errors')), () => layers().map((layer) => JSON.stringify(tryQemuImg('check', layer))).join('\n'));
  }
  succeeded(await run(['replicate', 'runner', replica, '--every', '6h', '--keep', '2']));
  expect(JSON.parse(readFileSync(join(folderOf('runner'), 'machine.json'), 'utf8'))).toMatchObject({ replication: { folder: replica, everyMinutes: 360, keep: 2 } });
  expectRefusal(await run(['template', 'runner']), 1, /is on/);
  succeeded(await run(['stop', 'runner', '--force']));
  succeeded(await run(['replicate', 'runner', '--never']));
  succeeded(await run(['template', 'runner']));
  expectRefusal(await run(['start', 'runner']), 1, /is a template: make a machine of it/);
  succeeded(await run(['clone', 'runner', 'student', '--linked']));
  succeeded(await run(['clone', 'runner', 'whole']));
  for (const name of ['student', 'whole']) {
    succeeded(await run(['start', name]));
    succeeded(await run(['stop', name, '--force']));
  }
  expectRefusal(await run(['replicate', 'student', scratch.file('student.replica')]), 1, /is a linked clone/);
  succeeded(await run(['template', 'runner', '--off']));
  succeeded(await run(['start', 'runner']));
}, PATIENCE_MILLIS);
