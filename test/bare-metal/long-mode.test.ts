import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { removeScratchFiles, scratchFile } from '../guest/run-guest.ts';
import { isInstalled } from '../support/installed-program.ts';
import { comparableLines, QEMU, runOurs, runQemu } from './compare.ts';
import { LONG_EXEMPT } from './exempt.ts';
import { LONG_COLUMNS, longImage, type LongPiece } from './long-image.ts';
import { LONG_PIECES, MANUAL_PIECES } from './long-pieces.ts';

removeScratchFiles();

function imageOf(name: string, pieces: readonly LongPiece[]): string {
  const bios = scratchFile(`${name}.rom`);
  writeFileSync(bios, longImage(pieces));
  return bios;
}
const headings = LONG_PIECES.map(({ name, user, bits }) => `${bits ?? 64}-bit code at CPL ${user ? 3 : 0}, ${name}`);

describe('long mode', () => {
  test.skipIf(!isInstalled(QEMU, '--version'))(`${LONG_PIECES.length} pieces of code end in the exceptions in which they end on QEMU`, async () => {
    const bios = imageOf('long', LONG_PIECES);
    const lines = (output: string): string[] => comparableLines(output, LONG_COLUMNS, headings, LONG_PIECES.map(({ name }) => LONG_EXEMPT.get(name)));
    const ours = lines(await runOurs(bios));
    const expected = lines(await runQemu(bios));
    expect(ours).toEqual(expected);
    expect(expected).toHaveLength(LONG_PIECES.length);
  }, 150_000);

  test('what QEMU passes over is the exception that the manual names', async () => {
    const output = await runOurs(imageOf('manual', MANUAL_PIECES));
    const found = output.trim().split('\n').map((line, index) => [MANUAL_PIECES[index]?.name, ...line.split(' ').slice(1, 3).map((text) => parseInt(text, 16))]);
    expect(found).toEqual(MANUAL_PIECES.map(({ name, vector, error }) => [name, vector, error]));
  }, 90_000);
});
