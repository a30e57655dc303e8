import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BootFolder } from '../../../../src/emulator/host/boot-folder.ts';

let root: string;
let folder: BootFolder;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'guesthouse-boot-'));
  const inside = join(root, 'boot');
  mkdirSync(join(inside, 'pxelinux.cfg'), { recursive: true });
  mkdirSync(join(root, 'boot-other'));
  writeFileSync(join(root, 'secret'), 'secret');
  writeFileSync(join(root, 'boot-other', 'secret'), 'secret');
  writeFileSync(join(inside, 'kernel'), 'a kernel');
  writeFileSync(join(inside, 'pxelinux.cfg', 'default'), 'menu');
  writeFileSync(join(inside, 'huge'), '');
  truncateSync(join(inside, 'huge'), 2 ** 32 + 1);
  symlinkSync('kernel', join(inside, 'latest'));
  symlinkSync('../secret', join(inside, 'out'));
  symlinkSync('..', join(inside, 'up'));
  symlinkSync('loop', join(inside, 'loop'));
  symlinkSync('../boot-other', join(inside, 'beside'));
  symlinkSync('boot', join(root, 'by-link'));
  if (process.platform !== 'win32') execFileSync('mkfifo', [join(inside, 'pipe')]);
  folder = new BootFolder(join(root, 'by-link'));
});

afterAll(() => { rmSync(root, { recursive: true, force: true }); });

describe('a boot folder', () => {
  test.each([
    ['kernel', 'a kernel'], ['/kernel', 'a kernel'], ['\\kernel', 'a kernel'], ['//./kernel', 'a kernel'], ['latest', 'a kernel'],
    ['pxelinux.cfg/default', 'menu'], ['\\pxelinux.cfg\\default', 'menu'],
  ])('gives %s', async (name, content) => {
    const file = await folder.open(name);
    if (typeof file === 'string') throw new Error(file);
    expect(file.bytes).toBe(content.length);
    expect(Buffer.from(await file.read(0, file.bytes)).toString()).toBe(content);
    expect(Buffer.from(await file.read(2, 3)).toString()).toBe(content.slice(2, 5));
    expect((await file.read(file.bytes - 1, 10)).length).toBe(1);
    file.close();
    file.close();
  });

  test.each([
    ['nothing', 'not-found'], ['kernel/below', 'not-found'], ['n'.repeat(400), 'not-found'],
    ['../secret', 'refused'], ['pxelinux.cfg/../../secret', 'refused'], ['..\\secret', 'refused'], ['pxelinux.cfg/../kernel', 'refused'],
    ['out', 'refused'], ['up/secret', 'refused'], ['up/boot/kernel/../../secret', 'refused'], ['beside/secret', 'refused'], ['loop', 'refused'],
    ['', 'refused'], ['/', 'refused'], ['.', 'refused'], ['pxelinux.cfg', 'refused'], ['pipe', 'refused'],
    ['C:\\kernel', 'refused'], ['kernel::$DATA', 'refused'], ['aux', 'refused'], ['NUL.txt', 'refused'], ['kernel.', 'refused'], [`${'a/'.repeat(40)}b`, 'refused'],
    ['huge', 'too-large'],
  ])('does not give %s', async (name, problem) => {
    expect(await folder.open(name)).toBe(problem);
  });

  test('that is gone gives nothing', async () => {
    expect(await new BootFolder(join(root, 'gone')).open('kernel')).toBe('not-found');
  });
});
