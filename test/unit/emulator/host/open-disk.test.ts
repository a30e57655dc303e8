import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDisk } from '../../../../src/emulator/host/open-disk.ts';
import type { DiskAttachment } from '../../../../src/shared/vm-protocol.ts';

describe('openDisk', () => {
  let folder: string;
  let attachment: DiskAttachment;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guesthouse-'));
    const path = join(folder, 'image');
    await writeFile(path, new Uint8Array(8192));
    attachment = { path, format: 'raw', bus: 'ide', kind: 'disk', readOnly: false, discardChanges: false, backingFolders: [] };
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('writes to the file of a disk', async () => {
    const disk = await openDisk(attachment);
    expect([disk.sectorBytes, disk.sectorCount, disk.readOnly]).toEqual([512, 16, false]);
    await disk.write(1, new Uint8Array(512).fill(7));
    await disk[Symbol.asyncDispose]();
    expect((await readFile(attachment.path))[512]).toBe(7);
    expect(existsSync(`${attachment.path}.lock`)).toBe(false);
  });

  it('keeps discarded changes out of the file, which others may read meanwhile', async () => {
    await using disk = await openDisk({ ...attachment, discardChanges: true });
    await using other = await openDisk({ ...attachment, discardChanges: true });
    await expect(openDisk(attachment)).rejects.toMatchObject({ code: 'media.in-use' });
    await disk.write(0, new Uint8Array(512).fill(7));
    const read = new Uint8Array(512);
    await disk.read(0, read);
    expect(read[0]).toBe(7);
    await other.read(0, read);
    expect(read[0]).toBe(0);
  });

  it('shows a disc in sectors of 2048 bytes, read-only whatever is asked', async () => {
    await using disc = await openDisk({ ...attachment, kind: 'cdrom', format: 'iso' });
    expect([disc.sectorBytes, disc.sectorCount, disc.readOnly]).toEqual([2048, 4, true]);
  });

  it('refuses an empty file and leaves no lock behind', async () => {
    await writeFile(attachment.path, '');
    await expect(openDisk(attachment)).rejects.toMatchObject({ code: 'media.empty' });
    expect(existsSync(`${attachment.path}.lock`)).toBe(false);
  });
});
