import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inputState } from '../../../scripts/build/stamp.ts';

describe('the inputs of a build step', () => {
  let root = '';
  const inputs = { paths: ['src', 'lock.json'], skip: ['src/other'] };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'guesthouse-stamp-'));
    mkdirSync(join(root, 'src/other'), { recursive: true });
    writeFileSync(join(root, 'src/a.ts'), 'a');
  });

  afterEach(() => {
    rmSync(root, { recursive: true });
  });

  it('look changed, and are not, when only a date moved', () => {
    const before = inputState(root, inputs);
    const hash = before.contentHash();
    utimesSync(join(root, 'src/a.ts'), 1, 1);
    const after = inputState(root, inputs);
    expect(after.times).not.toBe(before.times);
    expect(after.contentHash()).toBe(hash);
  });

  it('change with contents, with a new file and with a renamed one', () => {
    const hashes = [inputState(root, inputs).contentHash()];
    writeFileSync(join(root, 'src/a.ts'), 'b');
    hashes.push(inputState(root, inputs).contentHash());
    writeFileSync(join(root, 'src/b.ts'), '');
    hashes.push(inputState(root, inputs).contentHash());
    rmSync(join(root, 'src/b.ts'));
    writeFileSync(join(root, 'src/c.ts'), '');
    hashes.push(inputState(root, inputs).contentHash());
    expect(new Set(hashes).size).toBe(4);
  });

  it('leave out what is skipped, pages of text and hidden files', () => {
    const before = inputState(root, inputs).times;
    for (const name of ['src/other/x.ts', 'src/README.md', 'src/.hidden']) writeFileSync(join(root, name), 'x');
    expect(inputState(root, inputs).times).toBe(before);
  });
});
