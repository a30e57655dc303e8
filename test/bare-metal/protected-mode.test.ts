import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { removeScratchFiles, runGuest, scratchFile } from '../guest/run-guest.ts';
import { isInstalled } from '../support/installed-program.ts';
import { EXEMPT, RESUME_FLAG } from './exempt.ts';
import { COLUMNS, protectedImage, type Piece } from './protected-image.ts';
import { GENERAL_PROTECTION_PIECES, PIECES } from './protected-pieces.ts';

removeScratchFiles();
const QEMU = 'qemu-system-x86_64';

/** What QEMU's TCG prints on the debug port, one line per piece. */
async function runQemu(bios: string): Promise<string> {
  const log = scratchFile('qemu.log');
  const child = spawn(QEMU, [
    '-accel', 'tcg', '-cpu', 'max', '-m', '32', '-bios', bios, '-display', 'none', '-nodefaults', '-no-reboot', '-no-user-config',
    '-debugcon', `file:${log}`, '-global', 'isa-debugcon.iobase=0x402', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1',
  ], { stdio: 'ignore', timeout: 60_000 });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return readFileSync(log, 'latin1');
}

/** By name of the piece: what it printed, with the names of the columns. */
function linesOf(output: string): string[] {
  return output.trim().split('\n').map((line, index) => {
    const name = PIECES[index]?.name ?? 'more than was asked for';
    const values = line.trim().split(' ').flatMap((text, column) => {
      const heading = COLUMNS[column] ?? 'eax';
      const value = heading === 'eflags' ? (parseInt(text, 16) & ~RESUME_FLAG).toString(16) : text;
      return EXEMPT.get(name)?.columns.includes(heading) ? [] : [`${heading}=${value}`];
    });
    return `${index} ${PIECES[index]?.user ? 'CPL 3: ' : ''}${name}: ${values.join(' ')}`;
  });
}

async function runOurs(name: string, pieces: readonly Piece[]): Promise<{ readonly bios: string; readonly output: string }> {
  const bios = scratchFile(`${name}.rom`);
  writeFileSync(bios, protectedImage(pieces));
  const run = await runGuest(['--bios', bios, '--exit-port', '0xf4', '--debug-port', '0x402=stdio'], { timeoutSeconds: 60 });
  expect([run.status, run.errors]).toEqual([0, '']);
  return { bios, output: run.serial };
}

describe('32-bit protected and virtual-8086 mode', () => {
  test.skipIf(!isInstalled(QEMU, '--version'))(`${PIECES.length} pieces of code end in the exceptions in which they end on QEMU`, async () => {
    const { bios, output } = await runOurs('protected', PIECES);
    const expected = linesOf(await runQemu(bios));
    expect(linesOf(output)).toEqual(expected);
    expect(expected).toHaveLength(PIECES.length);
  }, 150_000);

  test('what the manual forbids and QEMU lets through is #GP(0)', async () => {
    const { output } = await runOurs('forbidden', GENERAL_PROTECTION_PIECES);
    const found = output.trim().split('\n').map((line) => line.split(' ').slice(1, 3));
    expect(found).toEqual(GENERAL_PROTECTION_PIECES.map(() => ['0000000d', '00000000']));
  }, 90_000);
});
