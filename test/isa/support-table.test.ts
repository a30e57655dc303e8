import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { supportTable, supportTableFile } from './support-table.ts';

it('the list of instructions is what `node test/isa/support-table.ts` would write now', () => {
  expect(readFileSync(supportTableFile, 'utf8') === supportTable(), 'run `node test/isa/support-table.ts`').toBe(true);
});
