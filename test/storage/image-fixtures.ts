import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that goes when the tests of the file have run. */
export function imageFolder(): { file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'guesthouse-storage-'));
  afterAll(() => { rmSync(path, { recursive: true, force: true }); });
  return { file: (name) => join(path, name) };
}
