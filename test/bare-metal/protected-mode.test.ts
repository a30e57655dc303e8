import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { removeScratchFiles, scratchFile } from '../guest/run-guest.ts';
import { isInstalled } from '../support/installed-program.ts';
import { comparableLines, QEMU, runOurs, runQemu } from './compare.ts';
import { EXEMPT } from './exempt.ts';
import { COLUMNS, protectedImage, type Paging, type Piece } from './protected-image.ts';
import { generalProtectionPiecesFor, LIMIT_PIECES, piecesFor, POINTERS_KEPT } from './protected-pieces.ts';

removeScratchFiles();

function imageOf(name: string, pieces: readonly Piece[], paging: Paging): string {
  const bios = scratchFile(`${name}-${paging}.rom`);
  writeFileSync(bios, protectedImage(pieces, paging));
  return bios;
}
/** What each piece ended in: vector and error code. */
function endings(output: string): number[][] {
  return output.trim().split('\n').map((line) => line.split(' ').slice(1, 3).map((text) => parseInt(text, 16)));
}

describe.each(['legacy', 'pae'] as const)('32-bit protected and virtual-8086 mode, %s paging', (paging) => {
  const pieces = piecesFor(paging);

  test.skipIf(!isInstalled(QEMU, '--version'))(`${pieces.length} pieces of code end in the exceptions in which they end on QEMU`, async () => {
    const bios = imageOf('protected', pieces, paging);
    const headings = pieces.map(({ name, user }) => `${user ? 'CPL 3: ' : ''}${name}`);
    const lines = (output: string): string[] => comparableLines(output, COLUMNS, headings, pieces.map(({ name }) => EXEMPT.get(name)));
    const ours = lines(await runOurs(bios));
    const expected = lines(await runQemu(bios));
    expect(ours).toEqual(expected);
    expect(expected).toHaveLength(pieces.length);
  }, 150_000);

  test('what the manual forbids and QEMU lets through is #GP(0)', async () => {
    const forbidden = generalProtectionPiecesFor(paging);
    expect(endings(await runOurs(imageOf('forbidden', forbidden, paging)))).toEqual(forbidden.map(() => [13, 0]));
  }, 90_000);
});

test('PAE paging keeps the page-directory pointers that it loaded with CR3', async () => {
  expect(endings(await runOurs(imageOf('pointers', [POINTERS_KEPT], 'pae')))).toEqual([[0x81, 0]]);
}, 90_000);

test('accesses beyond the limit of a segment are what the manual says', async () => {
  const output = await runOurs(imageOf('limits', LIMIT_PIECES, 'legacy'));
  const found = output.trim().split('\n').map((line, index) => {
    const [, vector, error, eip] = line.split(' ').map((text) => parseInt(text, 16));
    return { name: LIMIT_PIECES[index]?.name, vector, error, eip: LIMIT_PIECES[index]?.eip === undefined ? undefined : eip };
  });
  expect(found).toEqual(LIMIT_PIECES.map(({ name, vector, eip }) => ({ name, vector, error: 0, eip })));
}, 90_000);
