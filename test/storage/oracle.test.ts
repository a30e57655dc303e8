import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HostByteFile } from '../../src/emulator/host/file-bytes.ts';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { zlibCompression } from '../../src/emulator/host/zlib-compression.ts';
import { copyImage } from '../../src/emulator/storage/copy-image.ts';
import { describeImage } from '../../src/emulator/storage/describe-image.ts';
import { writeStreamOptimized } from '../../src/emulator/storage/vmdk/stream-optimized.ts';
import { qemuImg, tryQemuImg } from '../support/qemu-img.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { checkFile, diskBytes, equal, makeImage, openFile, readAll, workOn } from './image-files.ts';
import { imageFolder } from './image-fixtures.ts';
import { IMAGE_KINDS, REFCOUNT_BITS, type ImageKind } from './image-kinds.ts';

/** Not a multiple of any block but a sector. */
const DISK_BYTES = (9 << 20) + 3 * 512;
const STEPS = process.env['GUESTHOUSE_LONG_TESTS'] === undefined ? 40 : 1000;
const folder = imageFolder();

/** QEMU finds nothing wrong with an image, and reads from it what we mean. */
function expectQemuReads(path: string, kind: Pick<ImageKind, 'qemuFormat' | 'hasCheck'>, expected: Uint8Array): void {
  if (kind.hasCheck) {
    const checked = tryQemuImg('check', '-f', kind.qemuFormat, path);
    expect([checked.status, checked.out + checked.err]).toEqual([0, expect.stringContaining('No errors were found')]);
  }
  const raw = `${path}.as-raw`;
  qemuImg('convert', '-f', kind.qemuFormat, '-O', 'raw', path, raw);
  const read = readFileSync(raw);
  // Formats with a geometry round the size up.
  expect(read.length).toBeGreaterThanOrEqual(expected.length);
  expect(equal(read.subarray(0, expected.length), expected)).toBe(true);
}

async function expectClean(path: string, kind: ImageKind): Promise<void> {
  const { errors, leakedUnits } = await checkFile(path, kind.image.format);
  expect([errors, leakedUnits]).toEqual([[], 0]);
}

describe.each(IMAGE_KINDS.map((kind) => ({ ...kind, kind })))('an image of the kind $name', ({ kind }) => {
  it('that we made and wrote is clean for QEMU and holds the same', async () => {
    const random = new SeededRandom(1);
    const path = folder.file(`ours ${kind.name}`);
    await makeImage(path, { ...kind.image, bytes: DISK_BYTES });
    const expected = new Uint8Array(DISK_BYTES);
    {
      await using image = await openFile(path, kind.image.format);
      await workOn(image, expected, random, STEPS);
    }
    expectQemuReads(path, kind, expected);
    await expectClean(path, kind);
    await using again = await openFile(path, kind.image.format, true);
    expect(equal(await readAll(again), expected)).toBe(true);
  });

  it('that QEMU made and filled is clean for us, holds the same, and stays so for QEMU when we write to it', async () => {
    const random = new SeededRandom(2);
    const expected = diskBytes(random, DISK_BYTES);
    const raw = folder.file(`source ${kind.name}`);
    const path = folder.file(`theirs ${kind.name}`);
    writeFileSync(raw, expected);
    qemuImg('convert', '-f', 'raw', '-O', kind.qemuFormat, ...(kind.qemuOptions === undefined ? [] : ['-o', kind.qemuOptions]), raw, path);
    await expectClean(path, kind);
    {
      await using image = await openFile(path, kind.image.format);
      const read = await readAll(image);
      expect(equal(read.subarray(0, DISK_BYTES), expected)).toBe(true);
      await workOn(image, read, random, STEPS);
      expected.set(read.subarray(0, DISK_BYTES));
    }
    expectQemuReads(path, kind, expected);
    await expectClean(path, kind);
  });
});

describe('streamOptimized VMDK', () => {
  it('is read from QEMU and by QEMU', async () => {
    const expected = diskBytes(new SeededRandom(8), DISK_BYTES);
    const raw = folder.file('stream.img');
    const theirs = folder.file('theirs-stream.vmdk');
    const ours = folder.file('ours-stream.vmdk');
    writeFileSync(raw, expected);
    qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, theirs);
    writeFileSync(ours, '');
    {
      await using source = await openFile(theirs, 'vmdk');
      expect(source.readOnly).toBe(true);
      expect(equal((await readAll(source)).subarray(0, DISK_BYTES), expected)).toBe(true);
      await using file = await HostByteFile.open(ours, 'read-write');
      await writeStreamOptimized({ source, file, compression: zlibCompression, name: 'ours-stream.vmdk', contentId: 7, progress: () => {} });
    }
    expectQemuReads(ours, { qemuFormat: 'vmdk', hasCheck: true }, expected);
    expect((await checkFile(ours, 'vmdk')).errors).toEqual([]);
    await using again = await openFile(ours, 'vmdk');
    expect(equal((await readAll(again)).subarray(0, DISK_BYTES), expected)).toBe(true);
  });
});

describe('differencing images', () => {
  it.each(['vdi', 'vhd'] as const)('of the format %s show what is below them, and keep it as it is', async (format) => {
    const random = new SeededRandom(9);
    const base = folder.file(`parent.${format}`);
    const below = new Uint8Array(DISK_BYTES);
    await makeImage(base, { format, bytes: DISK_BYTES });
    {
      await using image = await openFile(base);
      await workOn(image, below, random, STEPS);
    }
    const { uuid } = await describeImage({ path: base, format, files: new HostImageFiles() });
    const top = folder.file(`child.${format}`);
    await makeImage(top, { format, bytes: DISK_BYTES, backing: { name: `parent.${format}`, format, uuid } });
    const expected = below.slice();
    {
      await using image = await openFile(top);
      await workOn(image, expected, random, STEPS);
    }
    expect((await checkFile(top, format)).errors).toEqual([]);
    await using again = await openFile(top, format, true);
    expect(equal(await readAll(again), expected)).toBe(true);
    await using parent = await openFile(base, format, true);
    expect(equal(await readAll(parent), below)).toBe(true);
  });

  it('of the format vhd are not shown on another image than the one that they were made on', async () => {
    const base = folder.file('first.vhd');
    await makeImage(base, { format: 'vhd', bytes: DISK_BYTES });
    const { uuid } = await describeImage({ path: base, format: 'vhd', files: new HostImageFiles() });
    await makeImage(folder.file('on-first.vhd'), { format: 'vhd', bytes: DISK_BYTES, backing: { name: 'first.vhd', format: 'vhd', uuid } });
    qemuImg('create', '-f', 'vpc', base, String(DISK_BYTES));
    await expect(openFile(folder.file('on-first.vhd'))).rejects.toMatchObject({ code: 'image.backing-missing' });
  });
});

describe('qcow2', () => {
  const kind = IMAGE_KINDS.find(({ name }) => name === 'qcow2 version 3')!;

  it.each(REFCOUNT_BITS)('with refcounts of %i bits is written as QEMU would', async (bits) => {
    const path = folder.file(`refcounts ${bits}`);
    qemuImg('create', '-f', 'qcow2', '-o', `refcount_bits=${bits},cluster_size=4k`, path, String(DISK_BYTES));
    const expected = new Uint8Array(DISK_BYTES);
    {
      await using image = await openFile(path);
      await workOn(image, expected, new SeededRandom(bits), STEPS);
    }
    expectQemuReads(path, kind, expected);
    await expectClean(path, kind);
  });

  it.each(['zlib', 'zstd'] as const)('clusters compressed with %s are read from QEMU and by QEMU, and may be overwritten', async (compression) => {
    const random = new SeededRandom(3);
    const expected = diskBytes(random, DISK_BYTES);
    const raw = folder.file(`plain ${compression}`);
    const theirs = folder.file(`theirs ${compression}`);
    const ours = folder.file(`ours ${compression}`);
    writeFileSync(raw, expected);
    qemuImg('convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o', `compression_type=${compression}`, raw, theirs);
    await makeImage(ours, { format: 'qcow2', bytes: DISK_BYTES, compression });
    {
      await using source = await openFile(theirs, 'qcow2', true);
      expect(equal(await readAll(source), expected)).toBe(true);
      await using target = await openFile(ours);
      await copyImage({ source, target, pack: { by: zlibCompression, which: 'all' }, progress: () => {} });
    }
    expectQemuReads(ours, kind, expected);
    for (const path of [ours, theirs]) {
      {
        const mine = expected.slice();
        {
          await using image = await openFile(path);
          await workOn(image, mine, random, STEPS);
        }
        expectQemuReads(path, kind, mine);
      }
      await expectClean(path, kind);
    }
  });

  it('shows what is below it where it has nothing itself, through a chain of three formats', async () => {
    const random = new SeededRandom(4);
    const expected = diskBytes(random, DISK_BYTES);
    writeFileSync(folder.file('base.img'), expected.subarray(0, 5 << 20));
    expected.fill(0, 5 << 20);
    qemuImg('create', '-f', 'qcow2', '-b', 'base.img', '-F', 'raw', folder.file('middle.qcow2'), String(DISK_BYTES));
    await makeImage(folder.file('top.qcow2'), { format: 'qcow2', bytes: DISK_BYTES, blockBytes: 4096, backing: { name: 'middle.qcow2', format: 'qcow2' } });
    for (const name of ['middle.qcow2', 'top.qcow2']) {
      {
        await using image = await openFile(folder.file(name));
        await workOn(image, expected, random, STEPS);
      }
      expectQemuReads(folder.file(name), kind, expected);
      await expectClean(folder.file(name), kind);
    }
  });

  it('keeps internal snapshots while it is written', async () => {
    const random = new SeededRandom(5);
    const before = diskBytes(random, DISK_BYTES);
    const raw = folder.file('before.img');
    const path = folder.file('snapshots.qcow2');
    writeFileSync(raw, before);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', raw, path);
    qemuImg('snapshot', '-c', 'first', path);
    const after = before.slice();
    {
      await using image = await openFile(path);
      await workOn(image, after, random, STEPS);
    }
    qemuImg('snapshot', '-c', 'second', path);
    {
      await using image = await openFile(path);
      await workOn(image, after, random, STEPS);
    }
    expectQemuReads(path, kind, after);
    await expectClean(path, kind);
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', '-l', 'first', path, `${path}.first`);
    expect(equal(readFileSync(`${path}.first`), before)).toBe(true);
    qemuImg('snapshot', '-d', 'first', path);
    await expectClean(path, kind);
  });

  it('is repaired so that QEMU finds nothing wrong with it: counts, flags, and marks', async () => {
    const random = new SeededRandom(6);
    const expected = diskBytes(random, DISK_BYTES);
    const raw = folder.file('sound.img');
    const sound = folder.file('sound.qcow2');
    writeFileSync(raw, expected);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4k', raw, sound);
    const bytes = readFileSync(sound);
    const refcountBlock = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
    const broken = folder.file('broken.qcow2');
    for (const harm of ['counts', 'leaks', 'dirty'] as const) {
      copyFileSync(sound, broken);
      const harmed = readFileSync(broken);
      if (harm === 'counts') harmed.fill(0, refcountBlock + 40, refcountBlock + 400);
      if (harm === 'leaks') for (let at = refcountBlock + 40; at < refcountBlock + 80; at += 2) harmed.writeUInt16BE(3, at);
      if (harm === 'dirty') harmed[79] = 1;
      writeFileSync(broken, harmed);
      const found = await checkFile(broken, 'qcow2');
      expect(harm === 'leaks' ? found.leakedUnits : harm === 'counts' ? found.errorCount : 1).toBeGreaterThan(0);
      const mended = await checkFile(broken, 'qcow2', true);
      expect([mended.errors, mended.leakedUnits]).toEqual([[], 0]);
      expectQemuReads(broken, kind, expected);
    }
  });

  it('grows and shrinks', async () => {
    const random = new SeededRandom(7);
    const path = folder.file('resized.qcow2');
    await makeImage(path, { format: 'qcow2', bytes: 1 << 20, blockBytes: 512 });
    let expected = new Uint8Array(1 << 20);
    for (const bytes of [12 << 20, 3 << 20, 40 << 20]) {
      {
        await using image = await openFile(path) as Awaited<ReturnType<typeof openFile>> & { resize(bytes: number): Promise<void> };
        await workOn(image, expected, random, 10);
        await image.resize(bytes);
        const resized = new Uint8Array(bytes);
        resized.set(expected.subarray(0, bytes));
        expected = resized;
        await workOn(image, expected, random, 10);
      }
      expectQemuReads(path, kind, expected);
      await expectClean(path, kind);
    }
  });
});
