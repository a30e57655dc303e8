/** Bundles that run where they are. The guest prints what a sector far into its disk holds. */
import { createHash, randomFillSync } from 'node:crypto';
import { copyFileSync, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { commandLineAt, expectRefusal, scratchFolder } from './guesthouse-command.ts';
import type { Ended } from './guesthouse-command.ts';

const PATIENCE_MILLIS = 300_000;
const LUGGAGE_SECTOR = 5000;
const scratch = scratchFolder();
const home = scratch.file('home');
const { run } = commandLineAt(home);
const fileOf = (name: string, inside: string): string => join(home, 'machines', `${name}.guestvm`, inside);
const succeeded = (ended: Ended): string => {
  expect([ended.status, ended.err]).toEqual([0, '']);
  return ended.out;
};
const stateOf = async (name: string): Promise<string> => /^state: +(.*)$/m.exec(succeeded(await run(['info', name])))![1]!;
const printed = (name: string): string => existsSync(fileOf(name, 'logs/serial.log')) ? readFileSync(fileOf(name, 'logs/serial.log'), 'utf8') : '';
const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const disk = luggageDisk();

afterAll(async () => { for (const name of ['traveller', 'whole', 'changed', 'saved']) await run(['stop', name, '--force']); });

test('a bundle runs in place, keeps its changes to itself, and is kept or discarded; what was changed in it stops the machine', async () => {
  succeeded(await run(['create', 'traveller', '--memory', '16M', '--new-disk', '3M']));
  writeFileSync(fileOf('traveller', 'disks/disk0.img'), disk);
  const config = JSON.parse(readFileSync(fileOf('traveller', 'machine.json'), 'utf8')) as object;
  writeFileSync(fileOf('traveller', 'machine.json'), JSON.stringify({ ...config, serial: { logToFile: true } }));
  const whole = scratch.file('whole.guestvmz');
  succeeded(await run(['export', 'traveller', whole]));
  const before = digest(whole);

  expect(succeeded(await run(['bundle', 'info', whole]))).toContain('nobody has signed it');
  expectRefusal(await run(['run', whole]), 2, /nobody has agreed that the bundle runs \(.*reaches nothing but its own disks\): add --yes/);
  expect(succeeded(await run(['run', whole, '--yes']))).toBe('whole\n');
  await expect.poll(() => printed('whole'), { timeout: PATIENCE_MILLIS }).toContain('luggage');
  expect(existsSync(fileOf('whole', 'disks/disk0.img'))).toBe(false);
  succeeded(await run(['snapshot', 'take', 'whole', 'on the way']));
  succeeded(await run(['save', 'whole']));
  // The same bundle again is the same machine, which goes on.
  expect(succeeded(await run(['run', whole]))).toBe('whole\n');
  expectRefusal(await run(['keep', 'whole']), 1, /is on/);
  succeeded(await run(['stop', 'whole', '--force']));
  expectRefusal(await run(['export', 'whole', scratch.file('again.guestvmz')]), 1, /keep it first/);
  succeeded(await run(['keep', 'whole']));
  expect(readFileSync(fileOf('whole', 'disks/disk0.img')).equals(disk)).toBe(true);
  expect(existsSync(fileOf('whole', 'bundle.json'))).toBe(false);
  expect(succeeded(await run(['snapshot', 'list', 'whole']))).toContain('on the way');
  expectRefusal(await run(['discard', 'whole']), 1, /in no bundle/);
  expect(digest(whole)).toBe(before);

  const changed = scratch.file('changed.guestvmz');
  copyFileSync(whole, changed);
  const at = readFileSync(changed).indexOf('luggage');
  const write = (text: string): void => { writeSync(openSync(changed, 'r+'), text, at); };
  write('baggage');
  expect(succeeded(await run(['run', changed, '--yes']))).toBe('changed\n');
  await expect.poll(() => stateOf('changed'), { timeout: PATIENCE_MILLIS, interval: 500 }).toMatch(/^paused/);
  expect(succeeded(await run(['logs', 'changed']))).toMatch(/disks\/disk0\.img is not what its manifest says \(MiB 2\)/);
  expect(printed('changed')).not.toMatch(/gage/);
  write('luggage');
  succeeded(await run(['resume', 'changed']));
  await expect.poll(() => printed('changed'), { timeout: PATIENCE_MILLIS }).toContain('luggage');
  succeeded(await run(['stop', 'changed', '--force']));
  writeFileSync(changed, readFileSync(whole).subarray(0, -1));
  expectRefusal(await run(['start', 'changed']), 1, /is cut off/);
  succeeded(await run(['discard', 'changed']));
  expect(existsSync(fileOf('changed', 'machine.json'))).toBe(false);
  expectRefusal(await run(['run', changed, '--yes']), 1, /is cut off/);
}, PATIENCE_MILLIS);

test('a saved state goes on in its bundle; another bundle in its place does not', async () => {
  succeeded(await run(['start', 'traveller']));
  await expect.poll(() => printed('traveller'), { timeout: PATIENCE_MILLIS }).toContain('luggage');
  succeeded(await run(['save', 'traveller']));
  const saved = scratch.file('saved.guestvmz');
  succeeded(await run(['export', 'traveller', saved, '--sign']));
  expect(succeeded(await run(['bundle', 'info', saved]))).toMatch(/signature: +signed by this computer \(SHA256:.*network: +its machine reaches nothing but its own disks.*state: +goes on where it was saved/s);
  succeeded(await run(['bundle', 'trust', saved, 'me']));
  expect(succeeded(await run(['bundle', 'signers']))).toMatch(/^SHA256:\S{43} {2}me$/m);
  rmSync(join(home, 'preferences', 'bundle-key.pem'));
  expect(succeeded(await run(['bundle', 'info', saved]))).toMatch(/signature: +signed by me \(/);
  succeeded(await run(['bundle', 'forget', 'me']));
  expect(succeeded(await run(['bundle', 'info', saved]))).toMatch(/signature: +signed by somebody unknown \(/);
  expect(succeeded(await run(['run', saved, '--yes']))).toBe('saved\n');
  expect(await stateOf('saved')).toBe('running');
  succeeded(await run(['save', 'saved']));
  copyFileSync(scratch.file('whole.guestvmz'), saved);
  expectRefusal(await run(['start', 'saved']), 1, /another bundle/);
  succeeded(await run(['discard', 'saved']));
}, PATIENCE_MILLIS);

/** The boot sector reads a sector and sends its text to COM1. */
function luggageDisk(): Buffer {
  const made = Buffer.alloc(3 << 20);
  made.set([
    0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xc0, //       xor ax, ax; mov ds, ax; mov es, ax
    0xbe, 0x20, 0x7c, 0xb2, 0x80, 0xb4, 0x42, // mov si, packet; mov dl, 80h; mov ah, 42h
    0xcd, 0x13, 0xbe, 0x00, 0x80, //             int 13h; mov si, 8000h
    0xac, 0x84, 0xc0, 0x74, 0x06, //       next: lodsb; test al, al; jz done
    0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, //       mov dx, 3f8h; out dx, al; jmp next
    0xf4, 0xeb, 0xfd, //                   done: hlt; jmp done
  ]);
  // Disk address packet: one sector to 0000:8000.
  made.set([0x10, 0, 1, 0, 0x00, 0x80, 0, 0], 0x20);
  made.writeUInt32LE(LUGGAGE_SECTOR, 0x28);
  made.set([0x55, 0xaa], 510);
  // What can't be compressed lies in the bundle as it is.
  randomFillSync(made, 2 << 20);
  made.write('luggage\n\0', LUGGAGE_SECTOR * 512);
  return made;
}
