/** Machines out into one file and in again. */
import { randomFillSync } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { commandLineAt, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

const PATIENCE_MILLIS = 300_000;
const scratch = scratchFolder();
const home = scratch.file('home');
const { run } = commandLineAt(home);
const folderOf = (name: string): string => join(home, 'machines', `${name}.guestvm`);
const succeeded = (ended: Ended): string => {
  expect([ended.status, ended.err]).toEqual([0, '']);
  return ended.out;
};

afterAll(async () => { for (const name of ['traveller', 'arrived']) await run(['stop', name, '--force']); });

test('a saved machine with snapshots goes into a bundle, and out of it again as it was; no damaged, changed or reaching bundle does', async () => {
  succeeded(await run(['create', 'traveller', '--memory', '16M', '--new-disk', '3M']));
  const disk = Buffer.alloc(3 << 20);
  // What can't be compressed lies in the bundle as it is.
  randomFillSync(disk, 2 << 20);
  disk.write('luggage', 2_500_000);
  writeFileSync(join(folderOf('traveller'), 'disks/disk0.img'), disk);
  succeeded(await run(['start', 'traveller']));
  succeeded(await run(['snapshot', 'take', 'traveller', 'on the way']));
  succeeded(await run(['save', 'traveller']));
  const bundle = scratch.file('arrived.guestvmz');
  succeeded(await run(['export', 'traveller', bundle]));
  expectRefusal(await run(['export', 'traveller', bundle]), 1, /exists already/);
  expect(succeeded(await run(['import', bundle]))).toBe('arrived\n');
  expect(readFileSync(join(folderOf('arrived'), 'disks/disk0.img')).equals(disk)).toBe(true);
  expect(succeeded(await run(['snapshot', 'list', 'arrived']))).toContain('on the way');
  expect(succeeded(await run(['info', 'arrived']))).toMatch(/^state: +saved$/m);
  succeeded(await run(['start', 'arrived']));
  succeeded(await run(['stop', 'arrived', '--force']));
  expectRefusal(await run(['import', bundle]), 1, /already a machine arrived/);

  const whole = readFileSync(bundle);
  const refused = async (bytes: Uint8Array, why: RegExp): Promise<void> => {
    const path = scratch.file('bad.guestvmz', bytes);
    expectRefusal(await run(['import', path]), 1, why);
    expect(existsSync(folderOf('bad'))).toBe(false);
  };
  for (const length of [0, 1000, Math.floor(whole.length / 2), whole.length - 1]) await refused(whole.subarray(0, length), /is cut off|no bundle|empty/);
  const changed = Buffer.from(whole);
  changed[changed.indexOf('luggage')] = 0x4c;
  await refused(changed, /disk0\.img is not what its manifest says|can't be read/);
  await refused(Buffer.from('this is no zip file at all, whatever its name says'), /no bundle/);

  succeeded(await run(['create', 'reaching', '--memory', '16M', '--disk', `${scratch.file('elsewhere.img', new Uint8Array(1 << 20))}`]));
  expectRefusal(await run(['export', 'reaching', scratch.file('reaching.guestvmz')]), 1, /elsewhere\.img, which is not in its folder/);
}, PATIENCE_MILLIS);
