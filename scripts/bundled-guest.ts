/**
 * Makes "Guesthouse Linux", the guest that comes with the app, from Debian's kernel and BusyBox: assets/guest/vmlinuz,
 * initrd.gz and guest.json, which the app reads. scripts/bundled-guest/ holds the guest's own files.
 */
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { assetsFolder, projectFolder } from './build/folders.mjs';
import { cpioArchive } from './guest-image/cpio.ts';
import { ext4Template } from './guest-image/ext4-template.ts';
import { moduleEntries, openKernelPackage } from './guest-image/kernel-package.ts';
import { busyboxFile, findMke2fs } from './guest-image/tools.ts';
import { bundledGuestRecipe } from './setup/bundled-guest-recipe.mjs';
import { unpackedFolder } from './setup/debian-packages.mjs';

const MIB = 1024 * 1024;
const DISK_BYTES = 256 * MIB;

/** Drivers for the board, in the order they are loaded. */
const MODULES = [
  'virtio_pci', 'virtio_blk', 'virtio_console', 'virtio-rng', 'ata_piix', 'sr_mod', 'isofs', 'crc32c_generic', 'ext4',
  'psmouse', 'evdev', 'button',
];

const kernel = openKernelPackage(unpackedFolder({ name: 'linux-image-amd64', architecture: 'amd64' }));
const own = (name: string) => readFileSync(join(projectFolder, 'scripts/bundled-guest', name));
const disk = ext4Template(findMke2fs(), 'guesthouse-home', DISK_BYTES);

const initrd = cpioArchive([
  { kind: 'file', path: 'bin/busybox', contents: readFileSync(busyboxFile('amd64')), executable: true },
  { kind: 'link', path: 'bin/sh', target: 'busybox' },
  { kind: 'link', path: 'init', target: 'bin/busybox' },
  // The kernel opens it for init before anything is mounted.
  { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  { kind: 'file', path: 'etc/rc', contents: own('rc'), executable: true },
  { kind: 'file', path: 'etc/inittab', contents: own('inittab') },
  { kind: 'file', path: 'etc/profile', contents: own('profile') },
  { kind: 'file', path: 'etc/login-shell', contents: own('login-shell'), executable: true },
  { kind: 'file', path: 'etc/motd', contents: own('motd') },
  // BusyBox passes over a line whose password field is empty.
  { kind: 'file', path: 'etc/passwd', contents: 'root:x:0:0:root:/root:/bin/sh\n' },
  { kind: 'file', path: 'etc/group', contents: 'root:x:0:\n' },
  { kind: 'file', path: 'etc/modules', contents: `${MODULES.join('\n')}\n` },
  { kind: 'file', path: 'etc/acpi/PWRF/00000080', contents: own('power-button'), executable: true },
  { kind: 'file', path: 'etc/home-disk/bytes', contents: `${DISK_BYTES}\n` },
  { kind: 'file', path: 'etc/home-disk/runs', contents: disk.runs.map(({ first, count }) => `${first} ${count}\n`).join('') },
  { kind: 'file', path: 'etc/home-disk/data', contents: disk.data },
  ...['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'mnt', 'sbin', 'usr/bin', 'usr/sbin', 'var/log']
    .map((path) => ({ kind: 'folder', path }) as const),
  ...moduleEntries(kernel, MODULES),
]);

const folder = join(assetsFolder, 'guest');
mkdirSync(folder, { recursive: true });
copyFileSync(kernel.kernelFile, join(folder, 'vmlinuz'));
writeFileSync(join(folder, 'initrd.gz'), gzipSync(initrd, { level: 9 }));
const description = {
  name: 'Guesthouse Linux',
  architecture: 'x86_64',
  kernel: 'vmlinuz',
  initrd: 'initrd.gz',
  // The last console is the one that /dev/console means. Mitigations guard against a hardware that is not there.
  commandLine: 'console=tty0 console=ttyS0,115200 quiet loglevel=3 mitigations=off',
  memoryBytes: 256 * MIB,
  diskBytes: DISK_BYTES,
  diskBus: 'virtio',
  kernelRelease: kernel.release,
  recipe: bundledGuestRecipe(),
};
// Last, and whole: its presence says that the guest is complete.
writeFileSync(join(folder, 'guest.json.part'), `${JSON.stringify(description, null, 2)}\n`);
renameSync(join(folder, 'guest.json.part'), join(folder, 'guest.json'));
