import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { removeScratchFiles, scratchFile } from '../guest/run-guest.ts';
import { isInstalled } from '../support/installed-program.ts';
import { comparableLines, QEMU, runOurs, runQemu } from './compare.ts';
import { EXEMPT } from './exempt.ts';
import { COLUMNS, protectedImage, type Piece } from './protected-image.ts';
import { GENERAL_PROTECTION_PIECES, PIECES } from './protected-pieces.ts';

removeScratchFiles();

function imageOf(name: string, pieces: readonly Piece[]): string {
  const bios = scratchFile(`${name}.rom`);
  writeFileSync(bios, protectedImage(pieces));
  return bios;
}
const headings = PIECES.map(({ name, user }) => `${user ? 'CPL 3: ' : ''}${name}`);

describe('32-bit protected and virtual-8086 mode', () => {
  test.skipIf(!isInstalled(QEMU, '--version'))(`${PIECES.length} pieces of code end in the exceptions in which they end on QEMU`, async () => {
    const bios = imageOf('protected', PIECES);
    const lines = (output: string): string[] => comparableLines(output, COLUMNS, headings, PIECES.map(({ name }) => EXEMPT.get(name)));
    const ours = lines(await runOurs(bios));
    const expected = lines(await runQemu(bios));
    expect(ours).toEqual(expected);
    expect(expected).toHaveLength(PIECES.length);
  }, 150_000);

  test('what the manual forbids and QEMU lets through is #GP(0)', async () => {
    const output = await runOurs(imageOf('forbidden', GENERAL_PROTECTION_PIECES));
    const found = output.trim().split('\n').map((line) => line.split(' ').slice(1, 3));
    expect(found).toEqual(GENERAL_PROTECTION_PIECES.map(() => ['0000000d', '00000000']));
  }, 90_000);
});
