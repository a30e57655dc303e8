/** Debian's kernels through SeaBIOS and GRUB from disks and CDs, and what is kept on a disk. */
import { createHash } from 'node:crypto';
import { constants, copyFileSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { guestCd, guestDisk, guestInitrd, guestKernel, SHELL_ON_CONSOLE, type KernelFlavour } from '../support/guest-images.ts';
import { BOOT_MILLIS, LONG_TESTS, longTestsReason, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile, type GuestRun } from './run-guest.ts';

removeScratchFiles();

type Flavour = Extract<KernelFlavour, 'amd64' | '686'>;
type Bus = 'ide' | 'ahci' | 'virtio';

const WRITE_FILES = 'cd / && dd if=/dev/urandom of=data bs=64k count=48 2>/dev/null && md5sum data >sum && echo $((6*7)) files written';
const READ_FILES = 'cd / && md5sum -c sum && echo on $(mount | grep -o "^/dev/[a-z]*")';

function architecture(flavour: Flavour): string[] {
  return flavour === '686' ? ['--arch', 'i386'] : [];
}

function bootDisk(flavour: Flavour, disk: string, bus: Bus, command: string, settings = ''): Promise<GuestRun> {
  return runGuest([...architecture(flavour), '--disk', `${disk},bus=${bus}${settings}`, '--type-when', `guest# ::${command}; sync; poweroff -f\\n`, '--exit-on', 'no disk labelled']);
}

/** A disk of its own: what tests write must not stay in the one that is kept. */
function ownDisk(flavour: Flavour, commandLine: string): string {
  const disk = scratchFile(`${flavour}.img`);
  copyFileSync(guestDisk({ flavour, init: SHELL_ON_CONSOLE, commandLine }), disk, constants.COPYFILE_FICLONE);
  return disk;
}

function hashOf(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function expectOrderlyEnd(run: GuestRun): void {
  expect(run.serial).toContain('GRUB loads the kernel');
  expect(run.serial).toContain('reboot: Power down');
  expect([run.status, run.errors]).toEqual([0, '']);
}

/** @returns the disk */
async function writesFiles(flavour: Flavour, bus: Bus, commandLine: string): Promise<string> {
  const disk = ownDisk(flavour, commandLine);
  const written = await bootDisk(flavour, disk, bus, WRITE_FILES);
  expect(written.serial).toMatch(/^42 files written$/m);
  expectOrderlyEnd(written);
  expect(written.stats?.diskBytesWritten).toBeGreaterThan(3 * 1024 * 1024);
  return disk;
}

async function writesAndReadsBack(flavour: Flavour, buses: readonly [Bus, Bus], commandLine: string): Promise<string> {
  const disk = await writesFiles(flavour, buses[0], commandLine);
  const read = await bootDisk(flavour, disk, buses[1], READ_FILES);
  expect(read.serial).toMatch(/^data: OK$/m);
  expect(read.serial).toMatch(buses[1] === 'virtio' ? /^on \/dev\/vda/m : /^on \/dev\/sda/m);
  expectOrderlyEnd(read);
  return disk;
}

async function bootsFromCd(flavour: Flavour, commandLine: string): Promise<void> {
  const cd = guestCd({ flavour, init: SHELL_ON_CONSOLE, commandLine });
  // What the guest reads from the disc: its own kernel, which the test knows from elsewhere.
  const run = await runGuest([...architecture(flavour), '--cdrom', cd, '--type-when', 'guest# ::mount -t iso9660 /dev/sr0 /mnt; sha256sum /mnt/boot/vmlinuz; poweroff -f\\n']);
  expect(run.serial).toContain(`${hashOf(guestKernel(flavour).file)}  /mnt/boot/vmlinuz`);
  expectOrderlyEnd(run);
}

describe('through SeaBIOS and GRUB', () => {
  test('amd64 boots from an IDE disk, keeps files on it, and a second system reads them by virtio', async () => {
    const disk = await writesFiles('amd64', 'ide', QUICK_BOOT);
    const before = hashOf(disk);
    const init = `
mount -t ext4 /dev/vda1 /mnt && cd /mnt
md5sum -c sum
dd if=/dev/zero of=data bs=64k count=48 conv=notrunc 2>/dev/null
sync
echo 3 >/proc/sys/vm/drop_caches
md5sum -c sum
poweroff -f
`;
    const kernel = guestKernel('cloud-amd64');
    const read = await runGuest([
      '--kernel', kernel.file, '--initrd', guestInitrd({ flavour: 'cloud-amd64', init }), '--append', `console=ttyS0,115200 ${QUICK_BOOT}`, '--disk', `${disk},bus=virtio,discard-changes`,
    ]);
    expect(read.serial).toMatch(/^data: OK\n[^]*^data: FAILED\n/m);
    expect([read.status, read.errors]).toEqual([0, '']);
    expect(hashOf(disk)).toBe(before);
  }, 2 * BOOT_MILLIS);

  test('amd64 boots from a SATA disk, writes to it with a queue, and reads a SATA disc beside it', async () => {
    const disk = ownDisk('amd64', QUICK_BOOT);
    const cd = guestCd({ flavour: '686', init: SHELL_ON_CONSOLE, commandLine: QUICK_BOOT });
    const commands = `${WRITE_FILES}; dmesg | grep -o 'NCQ (depth [0-9]*'; mount -t iso9660 /dev/sr0 /mnt; sha256sum /mnt/boot/vmlinuz; dmesg | grep -c 'ata.*exception'; echo 3 >/proc/sys/vm/drop_caches; md5sum -c sum`;
    const run = await runGuest(['--disk', `${disk},bus=ahci`, '--cdrom', `${cd},bus=ahci`, '--type-when', `guest# ::${commands}; sync; poweroff -f\\n`]);
    expect(run.serial).toMatch(/^42 files written\nNCQ \(depth 32$/m);
    expect(run.serial).toContain(`${hashOf(guestKernel('686').file)}  /mnt/boot/vmlinuz\n0\ndata: OK\n`);
    expectOrderlyEnd(run);
  }, BOOT_MILLIS);

  test('686 boots from a CD and reads it', () => bootsFromCd('686', QUICK_BOOT), BOOT_MILLIS);
});

test('the full matrix of kernels and media', (context) => {
  context.skip(!LONG_TESTS, longTestsReason);
  expect(LONG_TESTS).toBe(true);
});

if (LONG_TESTS) describe('every kernel from every medium', () => {
  const buses: readonly (readonly [Bus, Bus])[] = [['ide', 'virtio'], ['virtio', 'ahci'], ['ahci', 'ide']];
  const cases = (['amd64', '686'] as const).flatMap((flavour) => buses.map((pair) => ({ flavour, pair })));
  test.each(cases)('$flavour writes files and reads them after a second boot, by $pair', async ({ flavour, pair }) => {
    const disk = await writesAndReadsBack(flavour, pair, '');
    const before = hashOf(disk);
    const discarded = await bootDisk(flavour, disk, pair[0], WRITE_FILES, ',discard-changes');
    expect(discarded.serial).toMatch(/^42 files written$/m);
    expectOrderlyEnd(discarded);
    expect(hashOf(disk)).toBe(before);
  }, 3 * BOOT_MILLIS);

  test.each(['amd64', '686'] as const)('%s boots from a CD and reads it', async (flavour) => {
    await bootsFromCd(flavour, '');
  }, BOOT_MILLIS);
});
