import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodePng } from '../support/png-compare.ts';
import { bootSectorDisk, countedLoop, HALT, outByte, printOnSerial, romFile, showCharacter, tripleFault } from './rom.ts';
import { removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();
const TIMEOUT = { timeoutSeconds: 60 };
const TEST_MILLIS = 90_000;
const DONE = [...outByte(0xf4, 0)];
const GLYPH = [0x00, 0x00, 0x10, 0x38, 0x6c, 0xc6, 0xc6, 0xfe, 0xc6, 0xc6, 0xc6, 0xc6, 0x00, 0x00, 0x00, 0x00];

describe('a ROM of a few 16-bit instructions', () => {
  test('prints on the serial console and shows a character on the display', async () => {
    const bios = romFile('hello', [...showCharacter('A', GLYPH), ...printOnSerial('hello from the ROM\n'), ...HALT]);
    const run = await runGuest(['--bios', bios, '--exit-on', 'hello from the ROM'], { ...TIMEOUT, picture: true });
    expect(run.errors).toBe('');
    expect(run.status).toBe(0);
    expect(run.serial).toBe('hello from the ROM\n');
    const picture = decodePng(run.screenshot!);
    expect([picture.width, picture.height]).toEqual([720, 400]);
    const rows = GLYPH.map((_, y) => Array.from({ length: 8 }, (_bit, x) => (picture.data[(y * picture.width + x) * 4] === 0xff ? 0x80 >> x : 0)).reduce((sum, bit) => sum | bit));
    expect(rows).toEqual(GLYPH);
  }, TEST_MILLIS);

  test('is seen on the text screen', async () => {
    const bios = romFile('screen', [...showCharacter('A', GLYPH), ...HALT]);
    const run = await runGuest(['--bios', bios, '--exit-on', 'A'], TIMEOUT);
    expect([run.status, run.serial, run.errors]).toEqual([0, '', '']);
  }, TEST_MILLIS);

  test('ends the machine with the status it writes to the exit port', async () => {
    const bios = romFile('exit', [...outByte(0xf4, 37), ...HALT]);
    const run = await runGuest(['--bios', bios, '--exit-port', '0xf4'], TIMEOUT);
    expect([run.status, run.errors]).toEqual([37, '']);
  }, TEST_MILLIS);

  test('writes to the debug port, to standard output and to a file', async () => {
    const bios = romFile('debug', [...[...'log line'].flatMap((character) => outByte(0x402, character.charCodeAt(0))), ...DONE, ...HALT]);
    const log = scratchFile('debug.log');
    const [printed, filed] = await Promise.all([
      runGuest(['--bios', bios, '--exit-port', '0xf4', '--debug-port', '0x402=stdio'], TIMEOUT),
      runGuest(['--bios', bios, '--exit-port', '0xf4', '--debug-port', `0x402=file:${log}`], TIMEOUT),
    ]);
    expect([printed.status, printed.serial]).toEqual([0, 'log line']);
    expect([filed.status, filed.serial]).toEqual([0, '']);
    expect(readFileSync(log, 'utf8')).toBe('log line');
  }, TEST_MILLIS);

  test('that triple-faults ends a machine with --on-reset stop as a crash', async () => {
    const start = printOnSerial('once\n');
    const run = await runGuest(['--bios', romFile('fault', [...start, ...tripleFault(start.length)]), '--on-reset', 'stop'], TIMEOUT);
    expect(run.status).toBe(1);
    expect(run.serial).toBe('once\n');
    expect(run.errors).toMatch(/^guesthouse: .*triple fault.*\n$/);
  }, TEST_MILLIS);

  test('that triple-faults is started over and over, without disturbing another machine', async () => {
    const start = printOnSerial('again\n');
    const bios = romFile('loop', [...start, ...tripleFault(start.length)]);
    const other = romFile('other', [...countedLoop(60_000), ...printOnSerial('undisturbed\n'), ...DONE, ...HALT]);
    const [loop, beside] = await Promise.all([
      runGuest(['--bios', bios], { timeoutSeconds: 3 }),
      runGuest(['--bios', other, '--exit-port', '0xf4'], TIMEOUT),
    ]);
    expect(loop.status).toBe(124);
    expect(loop.serial.slice(0, 60)).toBe('again\n'.repeat(10));
    expect([beside.status, beside.serial]).toEqual([0, 'undisturbed\n']);
  }, TEST_MILLIS);

  test('resets through the keyboard controller, port 92h and port CF9h', async () => {
    const resets: readonly (readonly [string, readonly number[]])[] = [
      ['keyboard', outByte(0x64, 0xfe)], ['port92', outByte(0x92, 1)], ['cf9', [...outByte(0xcf9, 2), ...outByte(0xcf9, 6)]],
    ];
    const runs = await Promise.all(resets.map(([name, code]) => runGuest(['--bios', romFile(name, [...code, ...HALT]), '--on-reset', 'stop'], TIMEOUT)));
    expect(runs.map(({ status, errors }) => [status, errors])).toEqual(resets.map(() => [0, '']));
  }, TEST_MILLIS);

  test('executes the same number of instructions every time in instruction time', async () => {
    const bios = romFile('count', [...countedLoop(50_000), ...printOnSerial('x'), ...DONE, ...HALT]);
    const args = ['--bios', bios, '--exit-port', '0xf4', '--time', 'instructions'];
    const [first, second] = await Promise.all([runGuest(args, TIMEOUT), runGuest(args, TIMEOUT)]);
    expect(first.status).toBe(0);
    // The jump at the reset vector; two MOVs and the loop; OUT with its two MOVs, twice.
    expect(first.stats?.instructions).toBe(1 + 2 + 3 * 50_000 + 2 * 3);
    expect(second.stats?.instructions).toBe(first.stats?.instructions);
    expect(second.stats?.guestSeconds).toBe(first.stats?.guestSeconds);
  }, TEST_MILLIS);
});

describe('SeaBIOS', () => {
  test('comes to its messages on the text screen and finds nothing to boot from', async () => {
    const run = await runGuest(['--exit-on', 'No bootable device'], { ...TIMEOUT, picture: true });
    expect([run.status, run.errors]).toEqual([0, '']);
    expect(run.screenshot).toBeDefined();
  }, TEST_MILLIS);

  test.each(['ide', 'virtio'])('boots a sector from a disk (%s), and takes exactly the same way twice in instruction time', async (bus) => {
    const disk = bootSectorDisk(`sector-${bus}`, [...printOnSerial('from the disk\n'), ...DONE, ...HALT]);
    const logs = [1, 2].map((run) => scratchFile(`seabios-${bus}-${run}.log`));
    const runs = await Promise.all(logs.map((log) => runGuest([
      '--time', 'instructions', '--seed', '1', '--rtc', '2026-11-23T12:00:00Z', '--disk', `${disk},bus=${bus},readonly`, '--exit-port', '0xf4', '--debug-port', `0x402=file:${log}`,
    ], TIMEOUT)));
    expect(runs.map(({ status, serial, errors }) => [status, serial, errors])).toEqual([1, 2].map(() => [0, 'from the disk\n', '']));
    const [first, second] = logs.map((log) => readFileSync(log, 'latin1'));
    expect(first).toContain('Booting from Hard Disk');
    expect(second).toBe(first);
    expect(runs[0]?.stats?.instructions).toBeGreaterThan(1_000_000);
    expect(runs[1]?.stats?.instructions).toBe(runs[0]?.stats?.instructions);
    expect(runs[1]?.stats?.guestSeconds).toBe(runs[0]?.stats?.guestSeconds);
  }, TEST_MILLIS);
});
