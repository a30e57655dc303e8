import { describe, expect, test } from 'vitest';
import { HALT, outByte, printOnSerial, romFile } from '../guest/rom.ts';
import { removeScratchFiles } from '../guest/run-guest.ts';
import { commandLineAt, expectRefusal, hostWithMemory, scratchFolder } from './guesthouse-command.ts';

removeScratchFiles();
const scratch = scratchFolder();
const { run } = commandLineAt(scratch.file('home'));
const GIB = 2 ** 30;
/** Would end with 0 at once if an option were let through. */
const guest = ['--bios', romFile('options', [...printOnSerial('x'), ...outByte(0xf4, 0), ...HALT]), '--exit-port', '0xf4'];

describe('sizes that are none', () => {
  test.concurrent.each([
    ['-1', /negative/], ['-5M', /negative/], ['0', /too little/], ['1', /too little/], ['1.5M', /too little/], ['2.5M', /whole number of MiB/], ['2.3M', /whole number of bytes/],
    ['NaN', /not a size/], ['Infinity', /not a size/], ['1e9', /not a size/], ['', /not a size/], ['12Q', /not a size/],
    ['3969M', /more than a machine can have.* and 3968 MiB/], ['100T', /more than/], ['99999999999999999999G', /no size/],
  ])('--memory "%s"', async (size, message) => {
    expectRefusal(await run(['run', `--memory=${size}`, ...guest]), 2, message);
  });

  test('--memory of a machine to be made', async () => {
    for (const size of ['-1', '0', 'NaN']) expectRefusal(await run(['create', 'box', `--memory=${size}`]), 2, /size|memory/);
  });

  test.concurrent.each([
    ['-5M', /negative/], ['0', /too small/], ['1000', /too small/], ['1.5', /whole number of bytes/], ['1048577', /sectors/],
    ['NaN', /not a size/], ['100T', /too large/], ['', /not a size/],
  ])('a new disk of "%s"', async (size, message) => {
    expectRefusal(await run(['create', 'box', `--new-disk=${size}`]), 2, message);
  });
});

describe('more memory than the host has', () => {
  test('is refused with both figures', async () => {
    expectRefusal(await run(['run', '--memory', '2G', ...guest], { environment: hostWithMemory(GIB) }), 1, /wants 2 GiB of memory and the host has 1 GiB/);
    expectRefusal(await run(['create', 'box', '--memory', '2G'], { environment: hostWithMemory(GIB) }), 1, /wants 2 GiB of memory and the host has 1 GiB/);
  });

  test('is refused with both figures when only the host\'s own need stands against it', async () => {
    expectRefusal(await run(['run', '--memory', '900M', ...guest], { environment: hostWithMemory(GIB) }), 1, /asks for 900 MiB of memory; this host can give 768 MiB/);
  });
});

describe('options that make no sense', () => {
  test.concurrent.each([
    ...['0', '-3', 'NaN', '1e3', 'soon', '', '99999999'].map((time) => [[`--timeout=${time}`], /--timeout/] as const),
    [['--frobnicate'], /unknown option/],
    [['a.guestvmz', 'word'], /too many arguments/],
    [['--disk'], /argument missing/],
    [['--disk='], /--disk needs a file/],
    [['--disk', 'x,frobnicate'], /no setting "frobnicate"/],
    [['--initrd', 'x'], /need a kernel/],
    [['--accel', 'magic'], /--accel "magic"/],
    [['--arch', 'arm'], /--arch "arm"/],
    [['--boot', 'tape'], /--boot "tape"/],
    [['--time', 'later'], /--time later/],
    [['--time', 'instructions:0'], /from 1 to/],
    [['--rtc', 'yesterday'], /--rtc "yesterday"/],
    [['--seed', '-1'], /--seed "-1"/],
    [['--on-reset', 'sing'], /--on-reset "sing"/],
    [['--type-when', 'x'], /--type-when "x"/],
    [['--exit-on='], /need a text/],
    [['--serial', 'pigeon'], /--serial pigeon/],
    [['--disk', 'x,bus=scsi'], /--disk bus "scsi" is not known/],
    [['--debug-port', '0x402'], /--debug-port 0x402/],
    [['--debug-port', '99999=stdio'], /not an I\/O port/],
    [['--debug-port', '0xf4=stdio'], /same port/],
    [['--cpus', '0'], /from 1 to/],
    [['--cpus', '1.5'], /from 1 to/],
  ] as const)('run %j', async (args, message) => {
    expectRefusal(await run(['run', ...guest, ...args]), 2, message);
  });

  test('verbs that there are not, and none', async () => {
    expectRefusal(await run(['frobnicate']), 2, /unknown command/);
    expect(await run([])).toMatchObject({ status: 2, err: '' });
  });

  test.concurrent.each(['0x', '-1', '70000', '1.5', 'abc', ''])('serve --port "%s"', async (port) => {
    expectRefusal(await run(['serve', `--port=${port}`]), 2, /is not a port/);
  });
});

describe('what this board can\'t serve yet is refused, not ignored', () => {
  test.concurrent.each([
    [['--share', 'here=/tmp']], [['--floppy', 'x']],
    [['--accel', 'kvm']], [['--cpus', '2']], [['--boot', 'floppy']],
  ] as const)('run %j', async (args) => {
    expectRefusal(await run(['run', ...guest, ...args]), 2, /this version/);
  });

  test('a start from the network without a card that can', async () => {
    expectRefusal(await run(['run', ...guest, '--boot', 'net']), 2, /--boot net needs a network adapter that has a boot ROM/);
  });

  test('settings beside --bundled', async () => {
    expectRefusal(await run(['create', 'box', '--bundled', '--memory', '64M']), 2, /--memory has no effect beside --bundled/);
  });
});

describe('an I/O port in use', () => {
  test.each([['--debug-port', '0x3f8=stdio'], ['--exit-port', '0x3f8']])('%s %s is COM1\'s', async (option, value) => {
    expectRefusal(await run(['run', ...guest, option, value]), 1, /I\/O port 0x3f8 belongs to the machine's com1/);
  });
});

test.concurrent.each(['list', 'info', 'create', 'delete', 'start', 'stop', 'pause', 'resume', 'reset', 'run', 'screenshot', 'type', 'key', 'console', 'logs', 'serve'])('%s --help', async (verb) => {
  const ended = await run([verb, '--help']);
  expect([ended.status, ended.err]).toEqual([0, '']);
  expect(ended.out).toMatch(new RegExp(`^Usage: guesthouse ${verb} `));
});
