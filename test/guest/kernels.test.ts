/** Debian's stock kernels by direct boot to a BusyBox shell, and what they find on the board. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { guestInitrd, guestKernel, SHELL_ON_CONSOLE, type KernelFlavour } from '../support/guest-images.ts';
import { colorsOf, decodePng } from '../support/png-compare.ts';
import { BOOT_MILLIS, LONG_TESTS, QUICK_BOOT, removeScratchFiles, runGuest, scratchFile } from './run-guest.ts';

removeScratchFiles();

const SERIAL_CONSOLE = 'console=tty0 console=ttyS0,115200';
const DISPLAY_CONSOLE = 'console=ttyS0,115200 console=tty0';

function directBoot(flavour: KernelFlavour, init: string, commandLine: string): string[] {
  const kernel = guestKernel(flavour);
  return [
    ...(kernel.architecture === 'i386' ? ['--arch', 'i386'] : []),
    '--kernel', kernel.file, '--initrd', guestInitrd({ flavour, init }), '--append', commandLine,
  ];
}

/** Types at the prompt on the serial console, in the order of the prompts. */
function typed(...commands: readonly string[]): string[] {
  return commands.flatMap((command) => ['--type-when', `guest# ::${command}\\n`]);
}

async function answersOnSerialConsole(flavour: KernelFlavour, commandLine: string): Promise<void> {
  const run = await runGuest([...directBoot(flavour, SHELL_ON_CONSOLE, `${SERIAL_CONSOLE} ${commandLine}`), ...typed('echo $((6*7)) $(uname -r)', 'poweroff -f')]);
  expect(run.serial).toMatch(new RegExp(`^42 ${guestKernel(flavour).release}$`, 'm'));
  expect([run.status, run.errors]).toEqual([0, '']);
}

async function answersOnDisplay(flavour: KernelFlavour, commandLine: string): Promise<void> {
  // Keys go to the keyboard because the prompt is on the screen; the answer stands alone in its line.
  const run = await runGuest([
    ...directBoot(flavour, SHELL_ON_CONSOLE, `${DISPLAY_CONSOLE} ${commandLine}`), '--type-when', 'guest# ::echo $((6*7))\\n', '--exit-on', '\n42\n',
  ], { picture: true });
  expect([run.status, run.errors]).toEqual([0, '']);
  const screen = colorsOf(decodePng(run.screenshot!));
  expect(screen.colors).toBeGreaterThan(1);
  expect(screen.commonest).toBeLessThan(0.999);
}

describe('directly booted', () => {
  test('cloud-amd64 answers on the display what is typed at its keyboard', () => answersOnDisplay('cloud-amd64', QUICK_BOOT), BOOT_MILLIS);

  test('686 answers on its serial console and powers off', () => answersOnSerialConsole('686', QUICK_BOOT), BOOT_MILLIS);

  test('machines at once find their devices and execute the same instructions in instruction time, interpreted or translated', async () => {
    const init = `
echo "sum $((6*7))"
date -u '+clock %Y-%m-%dT%H:%M'
[ -c /dev/hvc0 ] && echo "console hvc$((1-1))"
echo "random $(dd if=/dev/hwrng bs=64 count=1 2>/dev/null | md5sum | cut -c1-32)"
echo "generator $(cat /sys/class/misc/hw_random/rng_current)"
poweroff -f
`;
    const args = [
      ...directBoot('cloud-amd64', init, `${SERIAL_CONSOLE} ${QUICK_BOOT}`), '--time', 'instructions', '--seed', '5', '--rtc', '2031-02-03T04:05:00Z',
    ];
    const listing = scratchFile('regions.txt');
    const runs = await Promise.all([runGuest(args), runGuest(args), runGuest([...args, '--accel', 'translator', '--regions', listing]), runGuest([...args, '--exit-on', 'sum 42'])]);
    const [first, second, translated, ended] = runs;
    expect(first.serial).toMatch(/^sum 42\nclock 2031-02-03T04:05\nconsole hvc0\nrandom [0-9a-f]{32}\ngenerator virtio_rng\.0\n/m);
    expect(first.serial).toContain('reboot: Power down');
    expect(runs.map(({ status, errors }) => [status, errors])).toEqual([[0, ''], [0, ''], [0, ''], [0, '']]);
    expect(second.serial).toBe(first.serial);
    expect(second.stats?.instructions).toBe(first.stats?.instructions);
    expect(second.stats?.guestSeconds).toBe(first.stats?.guestSeconds);
    expect(translated.stats).toMatchObject({ accelerator: 'translator', instructions: first.stats?.instructions, guestSeconds: first.stats?.guestSeconds });
    expect(translated.serial).toBe(first.serial);
    expect(readFileSync(listing, 'utf8')).toMatch(/^region at [0-9a-f]+: \d+ blocks, \d+ instructions[^]*^ {2}[0-9a-f]{3} {2}[a-z]+ .* = /m);
    // It looks at texts and not at the machine: the way there was the same.
    expect(first.serial.startsWith(ended.serial.trimEnd())).toBe(true);
  }, BOOT_MILLIS);

  test('a guest that reboots comes up again', async () => {
    const run = await runGuest([...directBoot('cloud-amd64', SHELL_ON_CONSOLE, `${SERIAL_CONSOLE} ${QUICK_BOOT}`), ...typed('echo boot $((1+1)); reboot -f', 'echo boot $((2+2)); poweroff -f')]);
    expect(run.serial).toMatch(/^boot 2\n[^]*reboot: Restarting system[^]*^boot 4\n[^]*reboot: Power down/m);
    expect([run.status, run.errors]).toEqual([0, '']);
  }, BOOT_MILLIS);

  test('a panic that restarts by a triple fault ends the machine with --on-reset stop', async () => {
    const run = await runGuest([...directBoot('cloud-amd64', 'echo "last $((6*7))"\n', `${SERIAL_CONSOLE} ${QUICK_BOOT} panic=-1 reboot=t`), '--on-reset', 'stop']);
    expect(run.serial).toMatch(/^last 42$/m);
    expect(run.serial).toContain('Kernel panic - not syncing: Attempted to kill init!');
    expect(run.status).toBe(1);
    expect(run.errors).toMatch(/^guesthouse: .*triple fault.*\n$/);
  }, BOOT_MILLIS);
});

if (LONG_TESTS) describe('every kernel directly booted, with all it prints and tests of itself', () => {
  test.each(['amd64', 'cloud-amd64', '686', '686-pae'] as const)('%s answers on its serial console and powers off', async (flavour) => {
    await answersOnSerialConsole(flavour, '');
  }, BOOT_MILLIS);

  test.each(['amd64', 'cloud-amd64', '686', '686-pae'] as const)('%s answers on the display', async (flavour) => {
    await answersOnDisplay(flavour, 'quiet');
  }, BOOT_MILLIS);
});
