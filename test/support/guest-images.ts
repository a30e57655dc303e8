/**
 * Guests for tests, made of Debian's stock kernels and BusyBox: initrds for direct boot, and disk and CD images that boot
 * through a BIOS and GRUB. Every image is made once and kept in .cache/test-images/ under a name that depends on all that
 * went into it; do not write to it, give machines a copy or attach it with changes discarded.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync, closeSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync,
  symlinkSync, truncateSync, writeFileSync, writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cacheFolder } from '../../scripts/build/folders.mjs';
import { cpioArchive, type CpioEntry } from '../../scripts/guest-image/cpio.ts';
import { runMke2fs } from '../../scripts/guest-image/ext4-template.ts';
import { moduleEntries, openKernelPackage, type KernelPackage } from '../../scripts/guest-image/kernel-package.ts';
import { busyboxFile, findMke2fs, libraryPath, packageFile } from '../../scripts/guest-image/tools.ts';
import { unpackedFolder } from '../../scripts/setup/debian-packages.mjs';

export type KernelFlavour = 'amd64' | 'cloud-amd64' | '686' | '686-pae';

const imagesFolder = join(cacheFolder, 'test-images');

/** Raise when the way images are made changes. */
const RECIPE_VERSION = 1;

/** Drivers for the board's disks, CD drive, consoles and entropy; names that a flavour lacks are passed over. */
export const BOARD_MODULES = [
  'virtio_pci', 'virtio_blk', 'virtio_console', 'virtio-rng', 'ata_piix', 'ahci', 'sd_mod', 'sr_mod', 'isofs', 'crc32c_generic', 'ext4',
] as const;

const ROOT_LABEL = 'guest-root';

const PREPARATION = `#!/bin/busybox sh
export PATH=/sbin:/usr/sbin:/bin:/usr/bin HOME=/root
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
while read -r module; do modprobe -q "$module"; done </etc/modules
`;

/** For `init`: a shell with a prompt of its own on the console, and an orderly end when it is left. */
export const SHELL_ON_CONSOLE = `export PS1='guest# '
setsid cttyhack sh
sync
poweroff -f
`;

export type GuestKernel = {
  /** bzImage. */
  readonly file: string;
  /** As in uname -r. */
  readonly release: string;
  readonly architecture: 'x86_64' | 'i386';
};

export function guestKernel(flavour: KernelFlavour): GuestKernel {
  const { kernelFile, release } = kernelPackage(flavour);
  return { file: kernelFile, release, architecture: is32Bit(flavour) ? 'i386' : 'x86_64' };
}

export type InitrdOptions = {
  readonly flavour: KernelFlavour;
  /** Shell text that runs after proc, sys and dev are mounted and the modules loaded. Process 1: it must not end. */
  readonly init: string;
  /** Kernel modules to load at boot; what they depend on comes along. */
  readonly modules?: readonly string[];
  readonly files?: readonly CpioEntry[];
};

/** @returns path of a gzip-compressed initrd */
export function guestInitrd(options: InitrdOptions): string {
  return cached('initrd.gz', { ...options, files: options.files?.map(describeEntry) }, kernelPackage(options.flavour), (target) => {
    writeFileSync(target, gzipSync(initrdArchive(options)));
  });
}

export type BootImageOptions = {
  readonly flavour: KernelFlavour;
  /** Shell text as for an initrd; on a disk it runs from the ext4 root, on a CD from the initrd. */
  readonly init: string;
  /** Added to `console=ttyS0,115200 console=tty0`. */
  readonly commandLine?: string;
};

/**
 * A disk with an MBR, GRUB and one ext4 partition that holds kernel and root; it finds its root by label, so it boots
 * from IDE and from virtio alike.
 * @returns path of a raw image
 */
export function guestDisk(options: BootImageOptions): string {
  return cached('disk.img', options, kernelPackage(options.flavour), (target, scratch) => {
    makeGrubDisk(target, scratch, options);
  });
}

/** @returns path of an ISO 9660 image that boots by El Torito without emulation */
export function guestCd(options: BootImageOptions): string {
  return cached('cd.iso', options, kernelPackage(options.flavour), (target, scratch) => { makeGrubCd(target, scratch, options); });
}

const SECTOR_BYTES = 512;
const PARTITION_FIRST_SECTOR = 2048;
const DISK_BYTES = 128 * 1024 * 1024;

/** Offsets in GRUB's boot.img (grub-core/boot/i386/pc/boot.S, include/grub/i386/pc/boot.h). */
const BOOT_KERNEL_SECTOR = 0x5c;
const BOOT_DRIVE_CHECK = 0x66;
/** GRUB's diskboot.img ends in block lists of 12 bytes: first sector (8), count (2), segment (2). */
const DISKBOOT_LIST = 0x1f4;
const DISKBOOT_SEGMENT = 0x820;

function makeGrubDisk(target: string, scratch: string, options: BootImageOptions): void {
  const root = join(scratch, 'root');
  const kernel = kernelPackage(options.flavour);
  const switchToRoot = `
tries=0
until root=$(findfs LABEL=${ROOT_LABEL} 2>/dev/null); do
	tries=$((tries + 1))
	[ "$tries" -gt 200 ] && { echo "no disk labelled ${ROOT_LABEL}"; poweroff -f; }
	usleep 50000
done
mkdir -p /root
mount -t ext4 "$root" /root
exec switch_root /root /sbin/init
`;
  for (const entry of rootEntries(options.flavour, BOARD_MODULES, `${options.init}\n`, 'sbin/init')) writeEntry(root, entry);
  mkdirSync(join(root, 'boot/grub'), { recursive: true });
  copyFileSync(kernel.kernelFile, join(root, 'boot/vmlinuz'));
  writeFileSync(join(root, 'boot/initrd.gz'),
    gzipSync(initrdArchive({ flavour: options.flavour, init: switchToRoot, modules: BOARD_MODULES })));
  writeFileSync(join(root, 'boot/grub/grub.cfg'), grubConfiguration(options));

  const core = join(scratch, 'core.img');
  makeGrubCore(core, 'i386-pc', '(hd0,msdos1)/boot/grub', ['biosdisk', 'part_msdos', 'ext2']);
  writeFileSync(target, '');
  truncateSync(target, DISK_BYTES);
  runMke2fs(findMke2fs(), [
    '-q', '-F', '-t', 'ext4', '-b', '4096', '-L', ROOT_LABEL, '-d', root,
    // What GRUB 2.06 cannot read.
    '-O', '^metadata_csum_seed,^resize_inode',
    '-E', `offset=${PARTITION_FIRST_SECTOR * SECTOR_BYTES},root_owner=0:0,nodiscard`,
    target, String((DISK_BYTES - PARTITION_FIRST_SECTOR * SECTOR_BYTES) / 4096),
  ]);
  writeBootSectors(target, readFileSync(grubFile('boot.img')), readFileSync(core));
}

/** What grub-bios-setup does for a core image in the gap before the first partition. */
function writeBootSectors(disk: string, bootSector: Buffer, core: Buffer): void {
  const mbr = Buffer.alloc(SECTOR_BYTES);
  bootSector.copy(mbr, 0, 0, SECTOR_BYTES);
  mbr.writeBigUInt64LE(1n, BOOT_KERNEL_SECTOR);
  // Not a floppy: trust the drive number that the BIOS passes.
  mbr.fill(0x90, BOOT_DRIVE_CHECK, BOOT_DRIVE_CHECK + 2);
  mbr.fill(0, 446, 510);
  const partition = mbr.subarray(446, 462);
  partition[0] = 0x80;
  partition.fill(0xfe, 1, 4);
  partition[4] = 0x83;
  partition.fill(0xfe, 5, 8);
  partition.writeUInt32LE(PARTITION_FIRST_SECTOR, 8);
  partition.writeUInt32LE(DISK_BYTES / SECTOR_BYTES - PARTITION_FIRST_SECTOR, 12);
  mbr.writeUInt16LE(0xaa55, 510);

  const sectors = Math.ceil(core.length / SECTOR_BYTES);
  if (sectors >= PARTITION_FIRST_SECTOR) throw new Error(`GRUB's core image does not fit before the partition: ${core.length} bytes`);
  const embedded = Buffer.alloc(sectors * SECTOR_BYTES);
  core.copy(embedded);
  embedded.writeBigUInt64LE(2n, DISKBOOT_LIST);
  embedded.writeUInt16LE(sectors - 1, DISKBOOT_LIST + 8);
  embedded.writeUInt16LE(DISKBOOT_SEGMENT, DISKBOOT_LIST + 10);
  const file = openSync(disk, 'r+');
  writeSync(file, Buffer.concat([mbr, embedded]), 0, SECTOR_BYTES + embedded.length, 0);
  closeSync(file);
}

function makeGrubCd(target: string, scratch: string, options: BootImageOptions): void {
  const tree = join(scratch, 'tree');
  mkdirSync(join(tree, 'boot/grub'), { recursive: true });
  copyFileSync(kernelPackage(options.flavour).kernelFile, join(tree, 'boot/vmlinuz'));
  copyFileSync(guestInitrd({ flavour: options.flavour, init: options.init, modules: BOARD_MODULES }), join(tree, 'boot/initrd.gz'));
  writeFileSync(join(tree, 'boot/grub/grub.cfg'), grubConfiguration(options));
  makeGrubCore(join(tree, 'boot/grub/eltorito.img'), 'i386-pc-eltorito', '/boot/grub', ['biosdisk', 'iso9660']);
  runTool(packageFile('xorriso', 'amd64', 'usr/bin/xorriso'), [
    '-as', 'mkisofs', '-quiet', '-R', '-J', '-V', 'GUEST_CD',
    '-b', 'boot/grub/eltorito.img', '-no-emul-boot', '-boot-load-size', '4', '-boot-info-table', '--grub2-boot-info',
    '-o', target, tree,
  ]);
}

function makeGrubCore(target: string, format: 'i386-pc' | 'i386-pc-eltorito', prefix: string, modules: readonly string[]): void {
  runTool(packageFile('grub-common', 'amd64', 'usr/bin/grub-mkimage'), [
    '-d', dirname(grubFile('kernel.img')), '-O', format, '-p', prefix, '-o', target,
    ...modules, 'normal', 'linux', 'serial', 'terminal', 'echo', 'configfile',
  ]);
}

function grubConfiguration({ commandLine = '' }: BootImageOptions): string {
  return `serial --unit=0 --speed=115200
terminal_output console serial
echo "GRUB loads the kernel"
linux /boot/vmlinuz console=tty0 console=ttyS0,115200 ${commandLine}
initrd /boot/initrd.gz
boot
`;
}

function grubFile(name: string): string {
  return packageFile('grub-pc-bin', 'amd64', `usr/lib/grub/i386-pc/${name}`);
}

function runTool(program: string, args: readonly string[]): void {
  const libraries = libraryPath('libdevmapper1.02.1', 'libisoburn1', 'libisofs6', 'libburn4', 'libjte2', 'libreadline8');
  const result = spawnSync(program, args, { encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: libraries } });
  if (result.status !== 0) throw new Error(`${program}: ${result.stderr || String(result.error ?? '')}`);
}

function initrdArchive({ flavour, init, modules = BOARD_MODULES, files = [] }: InitrdOptions): Buffer {
  return cpioArchive([...rootEntries(flavour, modules, init, 'init'), ...files]);
}

function rootEntries(flavour: KernelFlavour, modules: readonly string[], init: string, initPath: string): CpioEntry[] {
  return [
    { kind: 'file', path: 'bin/busybox', contents: readFileSync(busyboxFile(is32Bit(flavour) ? 'i386' : 'amd64')), executable: true },
    { kind: 'link', path: 'bin/sh', target: 'busybox' },
    // The kernel opens it for init before anything is mounted.
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    ...['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'mnt', 'sbin', 'usr/bin', 'usr/sbin'].map((path) => ({ kind: 'folder', path }) as const),
    { kind: 'file', path: 'etc/passwd', contents: 'root:x:0:0:root:/root:/bin/sh\n' },
    { kind: 'file', path: 'etc/modules', contents: modules.map((name) => `${name}\n`).join('') },
    ...moduleEntries(kernelPackage(flavour), modules),
    { kind: 'file', path: initPath, contents: `${PREPARATION}${init}`, executable: true },
  ];
}

/** Device files are left out: making them takes rights, and the kernel's devtmpfs has them. */
function writeEntry(root: string, entry: CpioEntry): void {
  const path = join(root, entry.path);
  mkdirSync(entry.kind === 'folder' ? path : dirname(path), { recursive: true });
  if (entry.kind === 'link') symlinkSync(entry.target, path);
  if (entry.kind !== 'file') return;
  writeFileSync(path, entry.contents);
  if (entry.executable === true) chmodSync(path, 0o755);
}

const kernelPackages = new Map<KernelFlavour, KernelPackage>();

function kernelPackage(flavour: KernelFlavour): KernelPackage {
  const known = kernelPackages.get(flavour)
    ?? openKernelPackage(unpackedFolder({ name: `linux-image-${flavour}`, architecture: is32Bit(flavour) ? 'i386' : 'amd64' }));
  kernelPackages.set(flavour, known);
  return known;
}

function is32Bit(flavour: KernelFlavour): boolean {
  return flavour.startsWith('686');
}

function describeEntry(entry: CpioEntry): unknown {
  return entry.kind === 'file' ? { ...entry, contents: createHash('sha256').update(entry.contents).digest('hex') } : entry;
}

function cached(name: string, recipe: object, kernel: KernelPackage, make: (target: string, scratch: string) => void): string {
  const identity = JSON.stringify({ recipe, release: kernel.release, PREPARATION, version: RECIPE_VERSION, name });
  const target = join(imagesFolder, `${createHash('sha256').update(identity).digest('hex').slice(0, 20)}-${name}`);
  if (existsSync(target)) return target;
  mkdirSync(imagesFolder, { recursive: true });
  const scratch = mkdtempSync(join(imagesFolder, '.making-'));
  try {
    make(join(scratch, name), scratch);
    renameSync(join(scratch, name), target);
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return target;
}
