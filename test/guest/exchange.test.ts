/** Machines that leave: QEMU boots the command line that we print, and a machine boots from the package that we made of it. */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { commandLineAt } from '../cli/guesthouse-command.ts';
import { guestDisk } from '../support/guest-images.ts';
import { BOOT_MILLIS, QUICK_BOOT } from './run-guest.ts';

const INIT = 'echo "answer $((6*7)) on $(findfs LABEL=guest-root)"\npoweroff -f\n';
const ANSWER = /answer 42 on \/dev\/sda1/;
// A space, a comma and an apostrophe, each of which means something to a shell or to QEMU.
const folder = mkdtempSync(join(tmpdir(), 'guesthouse, it\'s me-'));
const { run } = commandLineAt(folder);
afterAll(() => { rmSync(folder, { recursive: true, force: true, maxRetries: 20 }); });

function serialOf(shellLine: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-c', `exec ${shellLine} -display none`], { stdio: ['ignore', 'pipe', 'inherit'] });
    let serial = '';
    const patience = setTimeout(() => { child.kill(); }, BOOT_MILLIS);
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      serial += text;
      if (ANSWER.test(serial)) child.kill();
    });
    child.on('close', () => {
      clearTimeout(patience);
      resolve(serial);
    });
  });
}

test('QEMU starts a machine by the command line that is printed for it, with its snapshot\'s layers, and the machine starts from its OVA package', async () => {
  const disk = guestDisk({ flavour: 'cloud-amd64', init: INIT, commandLine: QUICK_BOOT });
  expect(await run(['create', 'original', '--memory', '128M', '--new-disk', '128M', '--net', 'nat'])).toMatchObject({ status: 0, err: '' });
  copyFileSync(disk, join(folder, 'machines/original.guestvm/disks/disk0.img'));
  // From now on the disk is a layer on that image.
  expect(await run(['snapshot', 'take', 'original', 'before'])).toMatchObject({ status: 0, err: '' });
  const printed = await run(['export', 'original', '--qemu']);
  expect(printed).toMatchObject({ status: 0, err: '' });
  expect(printed.out).toMatch(/format=qcow2/);
  expect(await serialOf(printed.out.trim())).toMatch(ANSWER);

  const ova = join(folder, 'package.ova');
  expect(await run(['export', 'original', ova])).toMatchObject({ status: 0, err: '' });
  expect(await run(['import', ova, '--name', 'copy'])).toMatchObject({ status: 0, err: '' });
  const copy = join(tmpdir(), `guesthouse-copy-${process.pid}.qcow2`);
  symlinkSync(join(folder, 'machines/copy.guestvm/disks/disk0.qcow2'), copy);
  onTestFinished(() => { rmSync(copy, { force: true }); });
  const booted = await run(['run', '--memory', '128M', '--disk', `${copy},format=qcow2`, '--serial', 'stdio', '--exit-on', 'answer 42 on /dev/sda1', '--timeout', String(BOOT_MILLIS / 1000)]);
  expect([booted.status, booted.err]).toEqual([0, '']);
}, 3 * BOOT_MILLIS);
