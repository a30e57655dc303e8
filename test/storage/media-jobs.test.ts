/** What jobs on images leave behind: identities, rights, compression, other files. */
import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { expect, it, vi } from 'vitest';
import { HostByteFile } from '../../src/emulator/host/file-bytes.ts';
import { HostImageFiles } from '../../src/emulator/host/image-files.ts';
import { runMediaJob } from '../../src/emulator/host/media-jobs.ts';
import { NewImageFile } from '../../src/emulator/host/new-image-file.ts';
import { describeImage } from '../../src/emulator/storage/describe-image.ts';
import type { DiskFormat } from '../../src/shared/disk-format.ts';
import type { MediaImage, MediaTarget } from '../../src/shared/media-protocol.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { makeImage, openFile } from './image-files.ts';
import { imageFolder } from './image-fixtures.ts';

const folder = imageFolder();
const imageAt = (path: string, format?: DiskFormat): MediaImage => ({ path, format, backingFolders: [] });
const targetAt = (path: string, format: DiskFormat, replace = false): MediaTarget => (
  { path, format, replace, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false });

/** Bytes that can be compressed, but not to nothing. */
function text(bytes: number): Uint8Array {
  const random = new SeededRandom(1);
  return Uint8Array.from({ length: bytes }, () => 97 + random.below(4));
}

it.each(['vdi', 'vhd', 'vhdx'] as const)('a compacted %s image keeps the name that others know it by, and its rights', async (format) => {
  const path = folder.file(`known.${format}`);
  await makeImage(path, { format, bytes: 8 << 20 });
  {
    await using image = await openFile(path, format);
    await image.write(0, text(4 << 20));
    await image.write(0, new Uint8Array(4 << 20));
  }
  chmodSync(path, 0o640);
  const before = await describeImage({ path, format, files: new HostImageFiles() });
  const { ino } = statSync(path);
  await runMediaJob({ kind: 'compact', image: imageAt(path) }, () => {});
  const after = await describeImage({ path, format, files: new HostImageFiles() });
  expect(before.uuid).toBeDefined();
  expect(after.uuid).toEqual(before.uuid);
  expect(statSync(path).ino).not.toBe(ino);
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

it('a compacted image with compressed clusters does not become larger', async () => {
  const raw = folder.file('text.img');
  writeFileSync(raw, text(4 << 20));
  const path = folder.file('text.qcow2');
  qemuImg('convert', '-c', '-O', 'qcow2', raw, path);
  const { size } = statSync(path);
  await runMediaJob({ kind: 'compact', image: imageAt(path) }, () => {});
  expect(statSync(path).size).toBeLessThan(size * 1.2);
  qemuImg('compare', raw, path);
});

it('a converted image is readable by those only who could read its source', async () => {
  const source = folder.file('private.img');
  writeFileSync(source, text(1 << 20));
  chmodSync(source, 0o600);
  const path = folder.file('private.qcow2');
  await runMediaJob({ kind: 'convert', image: imageAt(source), target: targetAt(path, 'qcow2'), compress: false }, () => {});
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

it.each(['raw', 'qcow2'] as const)('a conversion to %s is on stable storage before it has its name', async (format) => {
  const source = folder.file(`stable-source-${format}.img`);
  writeFileSync(source, text(1 << 20));
  const path = folder.file(`stable.${format}`);
  const spies = [vi.spyOn(HostByteFile.prototype, 'write'), vi.spyOn(HostByteFile.prototype, 'flush'), vi.spyOn(NewImageFile.prototype, 'finish')] as const;
  await runMediaJob({ kind: 'convert', image: imageAt(source), target: targetAt(path, format), compress: false }, () => {});
  const last = (index: 0 | 1 | 2): number => Math.max(...spies[index].mock.invocationCallOrder);
  expect(last(0)).toBeLessThan(last(1));
  expect(last(1)).toBeLessThan(last(2));
  for (const spy of spies) spy.mockRestore();
});

it('a file that has come into being meanwhile is not replaced', async () => {
  const path = folder.file('meanwhile.qcow2');
  {
    await using made = await NewImageFile.make(path, false);
    await made.create({ format: 'qcow2', bytes: 1 << 20 });
    writeFileSync(path, 'precious');
    await expect(made.finish()).rejects.toMatchObject({ code: 'disk.exists' });
  }
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(readdirSync(dirname(path)).filter((name) => name.startsWith(`.${basename(path)}`))).toEqual([]);
  expect(existsSync(`${path}.lock`)).toBe(false);
});
