/** A host that takes no more of a disk image: the machine waits, loses nothing and goes on by itself when there is room again. */
import { execFileSync } from 'node:child_process';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { guestInitrd, guestKernel } from '../support/guest-images.ts';
import { BOOT_MILLIS, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();

const MIB = 2 ** 20;
/** What a process may write of a file, until the test allows more: as a file system that takes no larger files. */
const LIMIT_KIB = 16 * 1024;
const WITH_LIMIT = ['bash', '-c', `ulimit -S -f ${LIMIT_KIB} && exec "$0" "$@"`];

function liftLimits(processId: number): void {
  execFileSync('prlimit', ['--pid', String(processId), '--fsize=unlimited']);
  for (const child of readFileSync(`/proc/${processId}/task/${processId}/children`, 'utf8').split(' ')) if (child !== '') liftLimits(Number(child));
}

test.skipIf(process.platform !== 'linux').each(['virtio', 'ahci'])('a machine whose %s disk finds no room waits until there is some', async (bus) => {
  const disk = scratchFile(`${bus}.img`);
  writeFileSync(disk, '');
  truncateSync(disk, 64 * MIB);
  const device = bus === 'virtio' ? 'vda' : 'sda';
  const init = `
seq 1 200000 | head -c 1048576 >/pattern
for at in 1 2 3 4 40 41 42 43; do dd if=/pattern of=/dev/${device} bs=1M seek=$at conv=fsync 2>/dev/null || echo write failed; done
echo 3 >/proc/sys/vm/drop_caches
for at in 1 2 3 4 40 41 42 43; do dd if=/dev/${device} bs=1M count=1 skip=$at 2>/dev/null | cmp - /pattern && echo $((at+100)) is whole; done
dmesg | grep -ci 'i/o error'
poweroff -f
`;
  let isLifted = false;
  const run = await runGuest([
    '--kernel', guestKernel('amd64').file, '--initrd', guestInitrd({ flavour: 'amd64', init }), '--append', `console=ttyS0,115200 ${QUICK_BOOT}`, '--disk', `${disk},bus=${bus}`,
  ], {
    within: WITH_LIMIT,
    onErrors: (errors, processId) => {
      if (isLifted || !errors.includes('the machine waits')) return;
      isLifted = true;
      liftLimits(processId);
    },
  });
  expect(run.serial.match(/^1\d\d is whole$/gm)).toEqual([1, 2, 3, 4, 40, 41, 42, 43].map((at) => `${at + 100} is whole`));
  expect(run.serial).toMatch(/^0$/m);
  expect(run.serial).not.toContain('write failed');
  expect(run.errors).toMatch(/^guesthouse: disk 1: the disk image may not become larger where it lies; the machine waits: .*\nguesthouse: disk 1 is well again: the machine goes on\n$/);
  expect(run.status).toBe(0);
}, BOOT_MILLIS);
