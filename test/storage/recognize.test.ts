/** What images hold, told from their content: discs by xorriso, disks by hand, and both again inside what qemu-img makes of them. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { libraryPath, packageFile } from '../../scripts/guest-image/tools.ts';
import { recognizeMedium } from '../../src/emulator/host/recognize-medium.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { SeededRandom } from '../support/seeded-random.ts';

const SECTOR = 512;
let folder: string;

beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'guesthouse-recognize-')); });
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

/** An ISO of these files, made by xorriso; `boot` adds an El Torito entry for a PC's BIOS. */
function iso(name: string, volume: string, files: Readonly<Record<string, string>>, ...options: readonly string[]): string {
  const tree = join(folder, `${name}-tree`);
  for (const [path, content] of Object.entries({ 'README.TXT': 'x', 'boot.img': 'x'.repeat(2048), ...files })) {
    mkdirSync(join(tree, path, '..'), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  const path = join(folder, `${name}.iso`);
  const { status, stderr } = spawnSync(packageFile('xorriso', 'amd64', 'usr/bin/xorriso'), ['-as', 'mkisofs', '-quiet', '-V', volume, ...options, '-o', path, tree], {
    encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: libraryPath('libisoburn1', 'libisofs6', 'libburn4', 'libjte2', 'libreadline8') },
  });
  if (status !== 0) throw new Error(`xorriso: ${stderr}`);
  return path;
}

const BIOS = ['-b', 'boot.img', '-no-emul-boot', '-boot-load-size', '4'];

interface PartitionByHand { readonly type: number; readonly from: number; readonly sectors: number; readonly active?: boolean }

function mbrDisk(name: string, partitions: readonly PartitionByHand[], sectors: Readonly<Record<number, string>> = {}): string {
  const disk = Buffer.alloc(4 << 20);
  partitions.forEach(({ type, from, sectors: length, active }, index) => {
    const at = 446 + index * 16;
    disk[at] = active === true ? 0x80 : 0;
    disk[at + 4] = type;
    disk.writeUInt32LE(from, at + 8);
    disk.writeUInt32LE(length, at + 12);
  });
  disk.writeUInt16LE(0xaa55, 510);
  for (const [sector, text] of Object.entries(sectors)) {
    disk.write(text, Number(sector) * SECTOR + 3, 'latin1');
    disk.writeUInt16LE(0xaa55, Number(sector) * SECTOR + 510);
  }
  const path = join(folder, `${name}.img`);
  writeFileSync(path, disk);
  return path;
}

function gptDisk(name: string, types: readonly string[]): string {
  const disk = Buffer.alloc(4 << 20);
  disk[450] = 0xee;
  disk.writeUInt32LE(1, 454);
  disk.writeUInt32LE(8191, 458);
  disk.writeUInt16LE(0xaa55, 510);
  disk.write('EFI PART', SECTOR);
  disk.writeBigUInt64LE(2n, SECTOR + 72);
  disk.writeUInt32LE(128, SECTOR + 80);
  disk.writeUInt32LE(128, SECTOR + 84);
  types.forEach((guid, index) => {
    const at = 2 * SECTOR + index * 128;
    const [first = '', second = '', third = '', ...rest] = guid.split('-');
    disk.writeUInt32LE(parseInt(first, 16), at);
    disk.writeUInt16LE(parseInt(second, 16), at + 4);
    disk.writeUInt16LE(parseInt(third, 16), at + 6);
    Buffer.from(rest.join(''), 'hex').copy(disk, at + 8);
    disk.writeBigUInt64LE(BigInt(2048 + index * 100), at + 32);
    disk.writeBigUInt64LE(BigInt(2147 + index * 100), at + 40);
  });
  const path = join(folder, `${name}.img`);
  writeFileSync(path, disk);
  return path;
}

describe('a disc', () => {
  it.each([
    ['debian', 'Debian 12.5.0 amd64 n', { '.disk/info': 'Debian GNU/Linux 12.5.0 "Bookworm" - Official amd64 NETINST with firmware 20240210-11:27' }, { title: 'Debian GNU/Linux 12.5.0', system: 'linux-64', architecture: 'x86_64' }],
    ['debian32', 'Debian 12.5.0 i386 n', { '.disk/info': 'Debian GNU/Linux 12.5.0 "Bookworm" - Official i386 NETINST' }, { system: 'linux-32', architecture: 'i386' }],
    ['arch', 'ARCH_202405', { 'arch/x86_64/x': '' }, { system: 'linux-64' }],
    ['xp', 'GRTMPVOL_EN', { WIN51: 'x', WIN51IP: 'x', 'I386/X': 'x' }, { title: 'Windows XP', system: 'windows-xp', architecture: 'i386' }],
    ['w98', 'WIN98 SE', { 'WIN98/SETUP.EXE': 'x' }, { title: 'Windows 98', system: 'windows-9x' }],
    ['w10', 'CCCOMA_X64FRE_EN-US_DV9', { BOOTMGR: 'x', 'SOURCES/BOOT.WIM': 'x' }, { system: 'windows', architecture: 'x86_64' }],
    ['freebsd', '14_1_RELEASE_AMD64_CD', {}, { title: 'FreeBSD', system: 'bsd', architecture: 'x86_64' }],
    ['freedos', 'FD13-LIVECD', {}, { system: 'dos', architecture: 'i386' }],
  ] as const)('%s is told by its volume and its files', async (name, volume, files, expected) => {
    const facts = await recognizeMedium(iso(name, volume, files, ...BIOS));
    expect(facts).toMatchObject({ kind: 'disc', format: 'iso', volumeId: volume, startsFrom: ['bios'], ...expected });
  });

  it('without anything to start tells so, and a name that says nothing is no system', async () => {
    const facts = await recognizeMedium(iso('photos', 'HOLIDAY', {}));
    expect(facts).toMatchObject({ kind: 'disc', startsFrom: [] });
    expect(facts.system).toBeUndefined();
  });

  it('for UEFI too has both ways', async () => {
    expect(await recognizeMedium(iso('both', 'X', {}, ...BIOS, '-eltorito-alt-boot', '-e', 'boot.img', '-no-emul-boot'))).toMatchObject({ startsFrom: ['bios', 'uefi'] });
  });
});

describe('a disk', () => {
  it.each([
    ['linux', () => mbrDisk('linux', [{ type: 0x83, from: 2048, sectors: 4096, active: true }, { type: 0x82, from: 6144, sectors: 1024 }]), { system: 'linux-64', startsFrom: ['bios'], partitionTable: 'mbr', partitions: [{ kind: 'linux', bytes: 4096 * SECTOR, isActive: true }, { kind: 'swap' }] }],
    ['xp', () => mbrDisk('xp', [{ type: 7, from: 63, sectors: 4096, active: true }], { 63: 'NTFS    NTLDR is missing' }), { system: 'windows-xp' }],
    ['seven', () => mbrDisk('seven', [{ type: 7, from: 2048, sectors: 4096, active: true }], { 2048: 'NTFS    BOOTMGR is missing' }), { system: 'windows' }],
    ['w98', () => mbrDisk('w98', [{ type: 0x0c, from: 63, sectors: 4096, active: true }], { 63: 'MSWIN4.1   IO      SYSMSDOS   SYS' }), { system: 'windows-9x' }],
    ['freedos', () => mbrDisk('freedos', [{ type: 6, from: 63, sectors: 4096, active: true }], { 63: 'FRDOS5.1   KERNEL  SYS' }), { system: 'dos', title: 'FreeDOS' }],
    ['freebsd', () => mbrDisk('freebsd', [{ type: 0xa5, from: 63, sectors: 4096, active: true }]), { system: 'bsd' }],
    ['uefi', () => gptDisk('uefi', ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', '0fc63daf-8483-4772-8e79-3d69d8477de4']), { system: 'linux-64', startsFrom: ['uefi'], partitionTable: 'gpt', partitions: [{ kind: 'efi', bytes: 100 * SECTOR }, { kind: 'linux' }] }],
    ['empty', () => { const path = join(folder, 'empty.img'); writeFileSync(path, new Uint8Array(1 << 20)); return path; }, { startsFrom: [], partitions: [], partitionTable: 'none' }],
  ] as const)('with %s is told by its partitions and boot sectors, as raw, qcow2 and VDI alike', async (name, make, expected) => {
    const raw = make();
    expect(await recognizeMedium(raw)).toMatchObject({ kind: 'disk', format: 'raw', ...expected });
    for (const format of ['qcow2', 'vdi'] as const) {
      const path = join(folder, `${name}.${format}`);
      qemuImg('convert', '-O', format, raw, path);
      expect(await recognizeMedium(path)).toMatchObject({ kind: 'disk', format, ...expected });
    }
  });
});

it('damaged discs and disks are told apart or are nothing, and never an accident', async () => {
  const random = new SeededRandom(7);
  const originals = [iso('fuzz', 'Debian', { '.disk/info': 'Debian' }, ...BIOS), gptDisk('fuzz', ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b'])].map((path) => readFileSync(path));
  for (let turn = 0; turn < 150; turn++) {
    const bytes = Buffer.from(originals[turn % 2]!);
    const [from, to] = turn % 2 === 0 ? [0x8000, Math.min(bytes.length, 0xc000)] : [0, 0x1000];
    for (let change = 0; change < 40; change++) bytes[from + random.below(to - from)] = random.below(256);
    const path = join(folder, 'damaged');
    writeFileSync(path, bytes);
    await recognizeMedium(path).catch((error: unknown) => { expect(error).toHaveProperty('code'); });
  }
});
