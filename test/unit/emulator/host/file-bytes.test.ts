import { mkdtemp, open, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HostByteFile } from '../../../../src/emulator/host/file-bytes.ts';

describe('HostByteFile', () => {
  let folder: string;
  let path: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'guesthouse-'));
    path = join(folder, 'image');
    await writeFile(path, Uint8Array.of(1, 2, 3, 4));
  });

  afterEach(() => rm(folder, { recursive: true }));

  it('reads and writes at positions, into shared memory too, and zeros past the end', async () => {
    await using file = await HostByteFile.open(path, 'read-write');
    await file.write(2, Uint8Array.of(9));
    const target = new Uint8Array(new SharedArrayBuffer(16)).subarray(4, 10);
    target.fill(0xee);
    await file.read(1, target);
    expect([...target]).toEqual([2, 9, 4, 0, 0, 0]);
    expect(await file.size()).toBe(4);
  });

  it('makes a hole read as zeros, inside and at the end, without changing the size', async () => {
    await using file = await HostByteFile.open(path, 'read-write');
    await file.punchHole(1, 1);
    await file.punchHole(3, 100);
    await file.flush();
    expect([...(await readFile(path))]).toEqual([1, 0, 3, 0]);
  });

  it('makes a hole without losing what is written behind it meanwhile, nor the file\'s length', async () => {
    await using file = await HostByteFile.open(path, 'read-write');
    await file.write(0, new Uint8Array(1 << 20).fill(1));
    for (let turn = 0; turn < 20; turn++) {
      const size = await file.size();
      await Promise.all([file.punchHole(size - 4096, 4096), file.write(size, new Uint8Array(4096).fill(2))]);
    }
    const bytes = await readFile(path);
    expect(bytes.length).toBe((1 << 20) + 20 * 4096);
    expect(bytes.subarray(-4096).every((byte) => byte === 2)).toBe(true);
  });

  it('leaves a hole where there is one already', async () => {
    await using file = await HostByteFile.open(path, 'read-write');
    await file.truncate(32 << 20);
    const { blocks } = await stat(path);
    await file.punchHole(1 << 20, 32 << 20);
    await file.flush();
    expect((await stat(path)).blocks).toBe(blocks);
  });

  it('calls nothing stable any more when that has failed once', async () => {
    await using file = await HostByteFile.open(path, 'read-write');
    const probe = await open(path);
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const failing = vi.spyOn(prototype, 'datasync').mockRejectedValueOnce(Object.assign(new Error('lost'), { code: 'EIO' }));
    await expect(file.flush()).rejects.toMatchObject({ code: 'media.write-failed' });
    await expect(file.flush()).rejects.toMatchObject({ code: 'media.write-failed' });
    failing.mockRestore();
  });

  it('lets one machine write a file at a time, and others once it is closed', async () => {
    const first = await HostByteFile.open(path, 'read-write');
    await expect(HostByteFile.open(path, 'read-write')).rejects.toMatchObject({ code: 'media.in-use' });
    await expect(HostByteFile.open(path, 'read-only')).rejects.toMatchObject({ code: 'media.in-use' });
    await (await HostByteFile.open(path, 'look'))[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    expect(existsSync(`${path}.lock`)).toBe(false);
    await (await HostByteFile.open(path, 'read-write'))[Symbol.asyncDispose]();
  });

  it('takes over the lock of a process that is gone', async () => {
    await writeFile(`${path}.lock`, '999999999\n');
    await using file = await HostByteFile.open(path, 'read-write');
    expect(file.readOnly).toBe(false);
  });

  it('takes over the lock of a reader that is gone', async () => {
    await writeFile(`${path}.lock-999999999-01234567`, '999999999 1 \n');
    await using file = await HostByteFile.open(path, 'read-write');
    expect(file.readOnly).toBe(false);
    expect(existsSync(`${path}.lock-999999999-01234567`)).toBe(false);
  });

  it.each(['.lock', '.lock-1-01234567'])('leaves a lock of another computer (%s) alone, and says which one', async (ending) => {
    await writeFile(`${path}${ending}`, '1 1 elsewhere.example\n');
    await expect(HostByteFile.open(path, 'read-write')).rejects.toMatchObject({ code: 'media.in-use', message: expect.stringContaining('elsewhere.example'), advice: expect.stringContaining(`${path}${ending}`) });
    expect(existsSync(`${path}${ending}`)).toBe(true);
  });

  it.skipIf(process.platform === 'win32')('refuses pipes and devices, without waiting for anybody', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const name of [join(folder, 'pipe'), '/dev/null']) for (const access of ['read-only', 'read-write'] as const) {
      await expect(HostByteFile.open(name, access)).rejects.toMatchObject({ code: 'media.not-a-file' });
    }
  });

  it('says what is wrong with a file that can not be opened', async () => {
    await expect(HostByteFile.open(join(folder, 'none'), 'read-only')).rejects.toMatchObject({ code: 'media.missing' });
    await expect(HostByteFile.open(folder, 'read-only')).rejects.toMatchObject({ code: 'media.not-a-file' });
  });
});
