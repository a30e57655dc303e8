import { spawnSync } from 'node:child_process';
import { chmodSync, lstatSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { HALT, outByte, printOnSerial, romFile } from '../guest/rom.ts';
import { removeScratchFiles } from '../guest/run-guest.ts';
import { commandLineAt, expectRefusal, nobodyCanRun, scratchFolder } from './guesthouse-command.ts';

removeScratchFiles();
const scratch = scratchFolder();
const { run, start } = commandLineAt(scratch.file('home'));
const ending = ['--bios', romFile('ending', [...printOnSerial('x'), ...outByte(0xf4, 0), ...HALT]), '--exit-port', '0xf4'];
const staying = ['--bios', romFile('staying', [...printOnSerial('ready'), ...HALT])];

// For tests that run as somebody else.
chmodSync(dirname(ending[1]!), 0o755);

const folder = scratch.file('folder');
mkdirSync(folder);
const empty = scratch.file('empty', '');
const unaligned = scratch.file('unaligned', new Uint8Array(10_000));
const disk = scratch.file('disk.img', new Uint8Array(1024 * 1024));

/** A bzImage as far as its header goes: boot protocol 2.15, one sector of set-up, 1 MiB of kernel (`truncated` cuts that). */
function kernel(name: string, payloadBytes = 1024 * 1024): string {
  const image = Buffer.alloc(1024 + payloadBytes);
  image.writeUInt8(1, 0x1f1);
  image.writeUInt32LE(1024 * 1024 / 16, 0x1f4);
  image.writeUInt16LE(0xaa55, 0x1fe);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(0x020f, 0x206);
  image.writeUInt8(1, 0x211);
  image.writeUInt32LE(0x7fff_ffff, 0x22c);
  image.writeUInt32LE(2047, 0x238);
  image.writeBigUInt64LE(0x100_0000n, 0x258);
  image.writeUInt32LE(4 * 1024 * 1024, 0x260);
  return scratch.file(name, image);
}
const good = kernel('vmlinuz');
function sparse(name: string, bytes: number): string {
  const path = scratch.file(name, '');
  truncateSync(path, bytes);
  return path;
}

describe('media that can\'t be used', () => {
  test.concurrent.each([
    ['a missing disk', ['--disk', scratch.file('missing')], /the disk .* does not exist/],
    ['a missing CD image', ['--cdrom', scratch.file('missing')], /the CD image .* does not exist/],
    ['a missing kernel', ['--kernel', scratch.file('missing')], /the kernel .* does not exist/],
    ['a missing initrd', ['--kernel', good, '--initrd', scratch.file('missing')], /the initrd .* does not exist/],
    ['missing firmware', ['--bios', scratch.file('missing')], /the firmware .* does not exist/],
    ['a disk below a file', ['--disk', join(disk, 'x')], /part of its path is a file/],
    ['a truncated disk', ['--disk', unaligned], /truncated: its 10000 bytes/],
    ['a truncated CD image', ['--cdrom', unaligned], /truncated: its 10000 bytes/],
    ['a truncated kernel', ['--kernel', kernel('cut', 1000)], /cut off: 2024 of 1049600 bytes/],
    ['a kernel cut within its header', ['--kernel', scratch.file('header', readFileSync(good).subarray(0, 0x210))], /cut off/],
    ['firmware of no size that firmware has', ['--bios', unaligned], /10000 bytes, which no firmware image has/],
    ['a disk of zero bytes', ['--disk', empty], /the disk .* is empty/],
    ['a CD image of zero bytes', ['--cdrom', empty], /the CD image .* is empty/],
    ['a kernel of zero bytes', ['--kernel', empty], /the kernel .* is empty/],
    ['an initrd of zero bytes', ['--kernel', good, '--initrd', empty], /the initrd .* is empty/],
    ['a folder as disk', ['--disk', folder], /is not a file/],
    ['a folder as CD image', ['--cdrom', folder], /is not a file/],
    ['a folder as kernel', ['--kernel', folder], /is not a file/],
    ['a device as disk', ['--disk', '/dev/null'], /is not a file/],
    ['a kernel that is none', ['--kernel', unaligned], /not a Linux kernel/],
    ['a program as kernel', ['--kernel', process.execPath], /an ELF program/],
    ['an initrd larger than the memory', ['--memory', '64M', '--kernel', good, '--initrd', sparse('large', 65 * 1024 * 1024)], /does not fit into the machine's memory/],
    ['an initrd that leaves no room for the kernel', ['--memory', '64M', '--kernel', good, '--initrd', sparse('tight', 60 * 1024 * 1024)], /\(60 MiB\) does not fit beside the kernel in 64 MiB/],
    ['too little memory for the kernel', ['--memory', '16M', '--kernel', good], /needs \d+ MiB of memory to start, the machine has 16 MiB/],
    ['a kernel command line that is too long', ['--kernel', good, '--append', 'x'.repeat(3000)], /has 3000 bytes, this kernel takes 2047/],
    ['a machine attached as a disk', ['--disk', scratch.file('a.ova', new Uint8Array(1024))], /which this version can't read/],
    ['the same disk twice', ['--disk', disk, '--disk', disk], /attached twice/],
    ['five IDE drives', ['a', 'b', 'c', 'd', 'e'].flatMap((name) => ['--disk', scratch.file(name, new Uint8Array(512))]), /more than 4 drives don't fit on the bus ide/],
  ] as const)('%s', async (_what, args, message) => {
    expectRefusal(await run(['run', ...(args[0] === '--bios' ? [] : ending), ...args]), 1, message);
  });

  test('a machine is not made with them', async () => {
    expectRefusal(await run(['create', 'box', '--disk', scratch.file('missing')]), 1, /does not exist/);
    expectRefusal(await run(['create', 'box', '--cdrom', unaligned]), 1, /truncated/);
    expectRefusal(await run(['create', 'box', '--kernel', scratch.file('missing')]), 1, /the kernel .* does not exist/);
    expectRefusal(await run(['create', 'box', '--kernel', good, '--initrd', folder]), 1, /the initrd .* is not a file/);
  });
});

/** One like /dev/null, or that itself where its replacement isn't in our power. */
function disposableNullDevice(): string | undefined {
  if (process.getuid?.() !== 0) return process.platform === 'win32' ? undefined : '/dev/null';
  const path = scratch.file('null');
  return spawnSync('mknod', [path, 'c', '1', '3']).status === 0 ? path : undefined;
}
const nullDevice = disposableNullDevice();

describe('output files', () => {
  const beyond = scratch.file('no-such-folder/file');

  test.concurrent.each([
    ['--serial', `file:${beyond}`], ['--debug-port', `0x402=file:${beyond}`], ['--screenshot', beyond], ['--screenshot-on-exit', beyond], ['--stats', beyond],
  ])('%s into a missing folder is refused before the machine starts', async (option, value) => {
    expectRefusal(await run(['run', ...ending, option, value]), 1, /can't be made, as its folder does not exist/);
  });

  test('are not folders', async () => {
    expectRefusal(await run(['run', ...ending, '--serial', `file:${folder}`]), 1, /is a folder/);
    expectRefusal(await run(['run', ...ending, '--stats', folder]), 1, /is a folder/);
  });

  test('never go over what the machine uses, by whatever name', async () => {
    const link = scratch.file('link.img');
    symlinkSync(disk, link);
    const before = readFileSync(disk);
    expectRefusal(await run(['run', ...ending, '--disk', link, '--serial', `file:${disk}`]), 2, /also what the machine is to use/);
    expectRefusal(await run(['run', ...ending, '--disk', disk, '--screenshot-on-exit', link]), 2, /also what the machine is to use/);
    expect(readFileSync(disk).equals(before)).toBe(true);
  });

  test('may be links, which stay links to a file with new contents', async () => {
    const target = scratch.file('linked.json', 'old');
    const link = scratch.file('link.json');
    symlinkSync(target, link);
    expect(await run(['run', ...ending, '--stats', link])).toMatchObject({ status: 0, err: '' });
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    expect(JSON.parse(readFileSync(target, 'utf8'))).toHaveProperty('instructions');
  });

  test.skipIf(nullDevice === undefined)('may be devices, which stay what they are', async () => {
    expect(await run(['run', ...ending, '--stats', nullDevice!, '--screenshot-on-exit', nullDevice!])).toMatchObject({ status: 0, err: '' });
    expect(statSync(nullDevice!).isCharacterDevice()).toBe(true);
  });

  test.skipIf(!nobodyCanRun)('are refused in a folder without permission', async () => {
    const closed = scratch.file('closed');
    mkdirSync(closed, { mode: 0o555 });
    for (const option of [['--serial', `file:${join(closed, 'x')}`], ['--screenshot-on-exit', join(closed, 'x')], ['--stats', join(closed, 'x')]]) {
      expectRefusal(await run(['run', ...ending, ...option], { asNobody: true }), 1, /you may not write in its folder/);
    }
  });
});

describe.skipIf(!nobodyCanRun)('media without permission', () => {
  test('a disk that may only be read is attached read-only or not at all', async () => {
    const readable = scratch.file('readable.img', new Uint8Array(1024));
    chmodSync(readable, 0o444);
    expectRefusal(await run(['run', ...ending, '--disk', readable], { asNobody: true }), 1, /may not be written by you/);
    for (const setting of ['readonly', 'discard-changes']) expect(await run(['run', ...ending, '--disk', `${readable},${setting}`], { asNobody: true })).toMatchObject({ status: 0, err: '' });
  });

  test('what may not be read is refused', async () => {
    const secret = scratch.file('secret', new Uint8Array(4096));
    chmodSync(secret, 0);
    for (const option of ['--cdrom', '--kernel', '--bios']) expectRefusal(await run(['run', ...ending, option, secret], { asNobody: true }), 1, /may not be read by you/);
  });
});

describe('a disk that a running machine writes', () => {
  test('is refused to another machine, by whatever name, and not damaged; nor is it read while it changes', async () => {
    const used = scratch.file('used.img', new Uint8Array(4096).fill(7));
    const link = scratch.file('used-too.img');
    symlinkSync(used, link);
    const first = start(['run', ...staying, '--disk', used]);
    await first.printed('ready');
    expectRefusal(await run(['run', ...ending, '--disk', used]), 1, /is in use by process \d+/);
    expectRefusal(await run(['run', ...ending, '--disk', link]), 1, /is in use by process \d+/);
    expectRefusal(await run(['run', ...ending, '--disk', `${used},readonly`]), 1, /is in use by process \d+/);
    first.child.kill('SIGTERM');
    expect((await first.ended).status).toBe(143);
    expect(await run(['run', ...ending, '--disk', link])).toMatchObject({ status: 0, err: '' });
    expect(await run(['run', ...ending, '--disk', `${used},readonly`])).toMatchObject({ status: 0, err: '' });
    expect(readFileSync(used).equals(Buffer.alloc(4096, 7))).toBe(true);
  });
});
