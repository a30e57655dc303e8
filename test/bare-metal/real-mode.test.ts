import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { removeScratchFiles, scratchFile } from '../guest/run-guest.ts';
import { isInstalled } from '../support/installed-program.ts';
import { comparableLines, QEMU, runOurs, runQemu } from './compare.ts';
import { REAL_EXEMPT } from './exempt.ts';
import { REAL_COLUMNS, realImage, type RealPiece } from './real-image.ts';
import { REAL_MANUAL_PIECES, REAL_PIECES } from './real-pieces.ts';

removeScratchFiles();

function imageOf(name: string, pieces: readonly RealPiece[]): string {
  const bios = scratchFile(`${name}.rom`);
  writeFileSync(bios, realImage(pieces));
  return bios;
}

describe('real-address mode', () => {
  test.skipIf(!isInstalled(QEMU, '--version'))(`${REAL_PIECES.length} pieces of code end in the interrupts in which they end on QEMU`, async () => {
    const bios = imageOf('real', REAL_PIECES);
    const lines = (output: string): string[] => comparableLines(output, REAL_COLUMNS, REAL_PIECES.map(({ name }) => name), REAL_PIECES.map(({ name }) => REAL_EXEMPT.get(name)));
    const ours = lines(await runOurs(bios));
    const expected = lines(await runQemu(bios));
    expect(ours).toEqual(expected);
    expect(expected).toHaveLength(REAL_PIECES.length);
  }, 150_000);

  test('limits of 64 KiB and x87 errors as IRQ 13 are what the manual says', async () => {
    const output = await runOurs(imageOf('manual', REAL_MANUAL_PIECES));
    const found = output.trim().split('\n').map((line, index) => [REAL_MANUAL_PIECES[index]?.name, parseInt(line.split(' ')[1] ?? '', 16)]);
    expect(found).toEqual(REAL_MANUAL_PIECES.map(({ name, vector }) => [name, vector]));
  }, 90_000);
});
