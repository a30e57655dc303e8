/** Runs an image here and on QEMU, and makes lines of what it printed that can be compared. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { runGuest, scratchFile } from '../guest/run-guest.ts';
import { RESUME_FLAG, type Exemption } from './exempt.ts';

export const QEMU = 'qemu-system-x86_64';

/** What QEMU's TCG prints on the debug port, one line per piece. */
export async function runQemu(bios: string): Promise<string> {
  const log = scratchFile('qemu.log');
  const child = spawn(QEMU, [
    '-accel', 'tcg', '-cpu', 'max,vendor=GenuineIntel', '-m', '32', '-bios', bios, '-display', 'none', '-nodefaults', '-no-reboot', '-no-user-config',
    '-debugcon', `file:${log}`, '-global', 'isa-debugcon.iobase=0x402', '-device', 'isa-debug-exit,iobase=0xf4,iosize=1',
  ], { stdio: 'ignore', timeout: 60_000 });
  await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  return readFileSync(log, 'latin1');
}

export async function runOurs(bios: string): Promise<string> {
  const run = await runGuest(['--bios', bios, '--exit-port', '0xf4', '--debug-port', '0x402=stdio'], { timeoutSeconds: 60 });
  expect([run.status, run.errors]).toEqual([0, '']);
  return run.serial;
}

/** One line per piece, by its heading: what it printed, with the names of the columns, without what it is exempt from. */
export function comparableLines(output: string, columns: readonly string[], headings: readonly string[], exemptions: readonly (Exemption | undefined)[]): string[] {
  return output.trim().split('\n').map((line, index) => {
    const values = line.trim().split(' ').flatMap((text, column) => {
      const name = columns[column] ?? 'more';
      const value = /^[er]?flags$/.test(name) ? (parseInt(text, 16) & ~RESUME_FLAG).toString(16) : text;
      return exemptions[index]?.columns.includes(name) ? [] : [`${name}=${value}`];
    });
    return `${index} ${headings[index] ?? 'more than was asked for'}: ${values.join(' ')}`;
  });
}
