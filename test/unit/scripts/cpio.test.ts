import { describe, expect, it } from 'vitest';
import { cpioArchive } from '../../../scripts/guest-image/cpio.ts';

/** Reads "newc" by its description: name → mode and contents. */
function readArchive(archive: Buffer): Map<string, { mode: number; device: string; contents: string }> {
  const found = new Map<string, { mode: number; device: string; contents: string }>();
  let at = 0;
  for (;;) {
    expect(archive.toString('latin1', at, at + 6)).toBe('070701');
    const field = (index: number) => parseInt(archive.toString('latin1', at + 6 + index * 8, at + 14 + index * 8), 16);
    const size = field(6);
    const nameStart = at + 110;
    const name = archive.toString('latin1', nameStart, nameStart + field(11) - 1);
    const dataStart = Math.ceil((nameStart + field(11)) / 4) * 4;
    if (name === 'TRAILER!!!') return found;
    found.set(name, { mode: field(1), device: `${field(9)}:${field(10)}`, contents: archive.toString('latin1', dataStart, dataStart + size) });
    at = Math.ceil((dataStart + size) / 4) * 4;
  }
}

describe('an initrd archive', () => {
  const archive = readArchive(cpioArchive([
    { kind: 'file', path: 'a/b/tool', contents: 'odd', executable: true },
    { kind: 'link', path: 'init', target: 'a/b/tool' },
    { kind: 'character-device', path: 'dev/console', major: 5, minor: 1 },
  ]));

  it('lists folders before what lies in them', () => {
    expect([...archive.keys()]).toEqual(['a', 'a/b', 'a/b/tool', 'init', 'dev', 'dev/console']);
  });

  it('keeps contents, kinds and rights', () => {
    expect(archive.get('a/b')?.mode).toBe(0o040755);
    expect(archive.get('a/b/tool')).toMatchObject({ mode: 0o100755, contents: 'odd' });
    expect(archive.get('init')).toMatchObject({ mode: 0o120777, contents: 'a/b/tool' });
    expect(archive.get('dev/console')).toMatchObject({ mode: 0o020600, device: '5:1' });
  });
});
