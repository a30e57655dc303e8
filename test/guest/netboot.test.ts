/** Guests that start from the network: iPXE off the card, a boot loader and Debian's kernel by TFTP, to a shell that computes. */
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { unpackedFolder } from '../../scripts/setup/debian-packages.mjs';
import { BOARD_MODULES, guestInitrd, guestKernel } from '../support/guest-images.ts';
import { inspectCapture } from '../support/tshark.ts';
import { BOOT_MILLIS, LONG_TESTS, longTestsReason, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();

const PXELINUX = join(unpackedFolder({ name: 'pxelinux', architecture: 'amd64' }), 'usr/lib/PXELINUX/pxelinux.0');
const LDLINUX = join(unpackedFolder({ name: 'syslinux-common', architecture: 'amd64' }), 'usr/lib/syslinux/modules/bios/ldlinux.c32');
const INIT = 'echo "booted by the network: $((6*7)) $(cat /proc/cmdline | grep -o sent=[a-z]*)"\npoweroff -f\n';

/** A folder with a kernel and its initial RAM disk, and ways to them. */
function bootFolder(name: string): string {
  const folder = scratchFile(name);
  mkdirSync(join(folder, 'pxelinux.cfg'), { recursive: true });
  copyFileSync(guestKernel('cloud-amd64').file, join(folder, 'vmlinuz'));
  copyFileSync(guestInitrd({ flavour: 'cloud-amd64', modules: BOARD_MODULES, init: INIT }), join(folder, 'initrd'));
  const commandLine = `console=ttyS0,115200 ${QUICK_BOOT}`;
  writeFileSync(join(folder, 'boot.ipxe'), `#!ipxe\nkernel vmlinuz ${commandLine} sent=script\ninitrd initrd\nboot\n`);
  writeFileSync(join(folder, 'pxelinux.cfg', 'default'), `default linux\nprompt 0\nlabel linux\n kernel vmlinuz\n append initrd=initrd ${commandLine} sent=pxelinux\n`);
  for (const file of [PXELINUX, LDLINUX]) copyFileSync(file, join(folder, file.split('/').at(-1)!));
  return folder;
}

async function boots(nic: string, file: string, sent: string): Promise<void> {
  const capture = scratchFile(`${nic}-${file}.pcapng`);
  const run = await runGuest(['--memory', '384M', '--boot', 'net', '--net', `nat,boot-folder=${bootFolder(`${nic}-${file}`)},boot-file=${file},capture=${capture}`, '--nic', nic]);
  expect(run.serial).toContain(`booted by the network: 42 sent=${sent}\n`);
  expect([run.status, run.errors]).toEqual([0, '']);
  expect(inspectCapture(capture).errors).toEqual([]);
}

const packagesMissing = [PXELINUX, LDLINUX].some((file) => !existsSync(file));

test('a virtio card\'s ROM runs a script that loads a kernel', () => boots('virtio', 'boot.ipxe', 'script'), BOOT_MILLIS);

test.skipIf(packagesMissing)('an e1000 card\'s ROM runs pxelinux, which finds its menu', () => boots('e1000', 'pxelinux.0', 'pxelinux'), BOOT_MILLIS);

describe('older cards', () => {
  test('rtl8139', () => boots('rtl8139', 'boot.ipxe', 'script'), BOOT_MILLIS);

  test.skipIf(!LONG_TESTS)(`NE2000 for PCI, which takes every byte by its ports [${longTestsReason}]`, () => boots('ne2000-pci', 'boot.ipxe', 'script'), 2 * BOOT_MILLIS);
});

test('a network that isn\'t in the order costs nothing: its card has no ROM', async () => {
  const log = scratchFile('firmware.log');
  const run = await runGuest(['--boot', 'hd', '--net', `nat,boot-folder=${bootFolder('unused')},boot-file=boot.ipxe`, '--debug-port', `0x402=file:${log}`, '--exit-on', 'No bootable device']);
  expect(run.status).toBe(0);
  expect(run.stats!.netBytesOut).toBe(0);
  expect(readFileSync(log, 'utf8')).not.toMatch(/Scan for option roms\r?\nRunning/);
}, BOOT_MILLIS);
