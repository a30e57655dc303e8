import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HostByteFile } from '../../../../src/emulator/host/file-bytes.ts';
import { HostImageFiles } from '../../../../src/emulator/host/image-files.ts';
import { zlibCompression } from '../../../../src/emulator/host/zlib-compression.ts';
import type { DiskImage } from '../../../../src/emulator/interfaces/disk-image.ts';
import { openImage } from '../../../../src/emulator/storage/open-image.ts';
import { createQcow2 } from '../../../../src/emulator/storage/qcow2/create-qcow2.ts';
import type { DiskFormat } from '../../../../src/shared/disk-format.ts';

const MAGICS: readonly [string, (sector: Uint8Array) => void][] = [
  ['qcow2', (sector) => { sector.set([0x51, 0x46, 0x49, 0xfb]); }],
  ['VMDK', (sector) => { sector.set(new TextEncoder().encode('KDMV')); }],
  ['a VMDK descriptor', (sector) => { sector.set(new TextEncoder().encode('# Disk DescriptorFile\n')); }],
  ['VHDX', (sector) => { sector.set(new TextEncoder().encode('vhdxfile')); }],
  ['VHD', (sector) => { sector.set(new TextEncoder().encode('conectix')); }],
  ['VDI', (sector) => { sector.set([0x7f, 0x10, 0xda, 0xbe], 64); }],
];

let folder: string;
const path = (name: string): string => join(folder, name);
const open = (name: string, format?: DiskFormat, readOnly = true, allowed: readonly string[] = []): Promise<DiskImage> => (
  openImage({ path: path(name), format, readOnly, files: new HostImageFiles(allowed), compression: zlibCompression }));

async function overlay(name: string, backing: string, format: string | undefined): Promise<void> {
  writeFileSync(path(name), '');
  await using file = await HostByteFile.open(path(name), 'read-write');
  await createQcow2(file, { bytes: 1 << 20, backing: { name: backing, format: format ?? 'raw' } });
  // Without the extension that states it.
  if (format === undefined) await file.write(112, new Uint8Array(4));
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'guesthouse-'));
  mkdirSync(path('inside'));
});
afterEach(() => { rmSync(folder, { recursive: true }); });

describe('a disk that was guessed to be raw', () => {
  it.each(MAGICS)('can\'t be turned into %s by its guest, while one that is said to be raw may hold what it likes', async (_name, write) => {
    writeFileSync(path('disk'), new Uint8Array(8192));
    const sector = new Uint8Array(1024);
    write(sector);
    {
      await using guessed = await open('disk', undefined, false);
      await expect(guessed.write(0, sector)).rejects.toMatchObject({ code: 'image.would-change-format' });
      await guessed.write(1, sector);
      await guessed.write(0, new Uint8Array(512).fill(1));
    }
    await using stated = await open('disk', 'raw', false);
    await stated.write(0, sector);
  });

  it('can\'t be given the footer of a VHD', async () => {
    writeFileSync(path('disk'), new Uint8Array(8192));
    const sectors = new Uint8Array(1024);
    sectors.set(new TextEncoder().encode('conectix'), 512);
    await using guessed = await open('disk', undefined, false);
    await expect(guessed.write(14, sectors)).rejects.toMatchObject({ code: 'image.would-change-format' });
  });
});

describe('a file that an image names', () => {
  it('may lie in the image\'s folder or below, and elsewhere only where that is allowed', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'guesthouse-'));
    try {
      writeFileSync(join(elsewhere, 'base.img'), new Uint8Array(4096).fill(3));
      writeFileSync(path('inside/base.img'), new Uint8Array(4096).fill(4));
      await overlay('below', 'inside/base.img', 'raw');
      await using below = await open('below');
      const sector = new Uint8Array(512);
      await below.read(0, sector);
      expect(sector[0]).toBe(4);
      symlinkSync(join(elsewhere, 'base.img'), path('link'));
      for (const name of [join(elsewhere, 'base.img'), `../${elsewhere.split('/').at(-1) ?? ''}/base.img`, 'link']) {
        await overlay('astray', name, 'raw');
        await expect(open('astray')).rejects.toMatchObject({ code: 'image.outside-folder' });
        await using allowed = await open('astray', undefined, true, [elsewhere]);
        await allowed.read(0, sector);
        expect(sector[0]).toBe(3);
      }
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it.each(['nbd://host/disk', 'json:{"driver":"raw"}', 'file:base', 'inside', 'nothing'])('is not %s', async (name) => {
    await overlay('top', name, 'raw');
    await expect(open('top')).rejects.toMatchObject({ code: expect.stringMatching(/^image\.(foreign-file|backing-missing)$/) });
  });

  it('is not the image itself, nor one of too many', async () => {
    await overlay('a', 'b', 'qcow2');
    await overlay('b', 'a', 'qcow2');
    await expect(open('a')).rejects.toMatchObject({ code: 'image.damaged', message: expect.stringContaining('below itself') });
    writeFileSync(path('0.img'), new Uint8Array(4096));
    for (let depth = 1; depth <= 16; depth++) await overlay(String(depth), depth === 1 ? '0.img' : String(depth - 1), depth === 1 ? 'raw' : 'qcow2');
    await using deep = await open('15');
    expect(deep.sectorCount).toBe(2048);
    await expect(open('16')).rejects.toMatchObject({ code: 'image.unsupported' });
  });

  it('may not name further ones when nobody said what it is', async () => {
    writeFileSync(path('secret.img'), new Uint8Array(4096));
    await overlay('guest-wrote-this', 'secret.img', 'raw');
    await overlay('top', 'guest-wrote-this', undefined);
    await expect(open('top')).rejects.toMatchObject({ code: 'image.guessed-chain' });
    await overlay('top', 'guest-wrote-this', 'qcow2');
    await using stated = await open('top');
    expect(stated.sectorCount).toBe(2048);
  });
});

describe('a file that is no part of an image', () => {
  it('is not shown as its base: hidden ones, and raw ones that neither are called disks nor begin as one', async () => {
    mkdirSync(path('.keys'));
    for (const name of ['.keys/id.img', '.history.img', 'passwords.txt', 'id_rsa']) {
      writeFileSync(path(name), new Uint8Array(4096).fill(0x61));
      for (const format of ['raw', undefined]) {
        await overlay('top', name, format);
        await expect(open('top')).rejects.toMatchObject({ code: 'image.foreign-file' });
      }
    }
  });

  it.each([
    ['empty', []], ['a boot sector', [[510, 0x55], [511, 0xaa]]], ['LUKS', [...Buffer.from('LUKS\xba\xbe', 'latin1')].map((byte, at) => [at, byte])], ['XFS', [...Buffer.from('XFSB')].map((byte, at) => [at, byte])],
  ] as [string, [number, number][]][])('is shown as its base whatever its name where it begins as a disk: %s', async (_what, bytes) => {
    const sectors = new Uint8Array(4096);
    for (const [at, byte] of bytes) sectors[at] = byte;
    writeFileSync(path('my disk'), sectors);
    await overlay('top', 'my disk', 'raw');
    const top = await open('top');
    const read = new Uint8Array(512);
    await top.read(0, read);
    expect(read).toEqual(sectors.subarray(0, 512));
    await top[Symbol.asyncDispose]();
  });

  it.each(['passwords.txt', 'other-flat.vmdk', 'inside/disk-flat.vmdk', 'disk-flat.vmdk/../passwords.txt', 'disk-s001.vmdk.txt.vmdk'])('is not shown as an extent: %s', async (extent) => {
    for (const name of ['passwords.txt', 'other-flat.vmdk', 'inside/disk-flat.vmdk', 'disk-s001.vmdk.txt.vmdk', 'disk-flat.vmdk']) writeFileSync(path(name), new Uint8Array(4096));
    const descriptor = (name: string): string => `# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 FLAT "${name}" 0\n`;
    writeFileSync(path('disk.vmdk'), descriptor(extent));
    await expect(open('disk.vmdk')).rejects.toMatchObject({ code: 'image.foreign-file' });
    writeFileSync(path('disk.vmdk'), descriptor('disk-flat.vmdk'));
    await using own = await open('disk.vmdk');
    expect(own.sectorCount).toBe(8);
  });
});

describe('an image that is written', () => {
  it('is not read meanwhile, nor shown below another one, and one that is shown is not written', async () => {
    writeFileSync(path('base.img'), new Uint8Array(4096));
    await overlay('one', 'base.img', 'raw');
    await overlay('two', 'base.img', 'raw');
    {
      await using writing = await open('base.img', 'raw', false);
      expect(writing.readOnly).toBe(false);
      await expect(open('one')).rejects.toMatchObject({ code: 'media.in-use' });
      await expect(open('base.img', 'raw')).rejects.toMatchObject({ code: 'media.in-use' });
    }
    {
      await using one = await open('one', undefined, false);
      await using two = await open('two', undefined, false);
      expect([one.readOnly, two.readOnly]).toEqual([false, false]);
      await expect(open('base.img', 'raw', false)).rejects.toMatchObject({ code: 'media.in-use' });
    }
    await using again = await open('base.img', 'raw', false);
    expect(again.readOnly).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('.lock'))).toEqual(['base.img.lock']);
  });

  it('is not opened for writing a second time', async () => {
    await overlay('disk', 'base.img', 'raw');
    writeFileSync(path('base.img'), new Uint8Array(4096));
    await using first = await open('disk', undefined, false);
    await first.write(0, new Uint8Array(512));
    await expect(open('disk', undefined, false)).rejects.toMatchObject({ code: 'media.in-use' });
  });
});
