import { describe, expect, it } from 'vitest';
import { grouped, matches, placeMachines, sorted } from '../../../../../src/renderer/windows/manager/arrangement.ts';
import { MACHINE_OFF } from '../../../../../src/shared/api.ts';
import type { LibraryEntry } from '../../../../../src/shared/api.ts';
import { machineConfigSchema } from '../../../../../src/shared/machine-config.ts';
import type { MachineConfigInput } from '../../../../../src/shared/machine-config.ts';

const machine = (name: string, config: Omit<MachineConfigInput, 'schemaVersion'> = {}): LibraryEntry => (
  { name, folder: `/${name}`, status: MACHINE_OFF, config: machineConfigSchema.parse({ schemaVersion: 1, ...config }) });

/** The names in their own order after a move, each with its group. */
function after(entries: readonly LibraryEntry[], moved: readonly string[], target: string, side: 'before' | 'after'): string[] {
  const changes = placeMachines(sorted(entries, 'own'), new Set(moved), { target, side });
  const changed = entries.map((entry) => ({ ...entry, config: { ...entry.config!, ...changes.get(entry.name) } }));
  return grouped(sorted(changed, 'own')).flatMap(({ name, entries: members }) => members.map((entry) => `${name}/${entry.name}`));
}

describe('a machine that is moved', () => {
  const three = ['a', 'b', 'c'].map((name) => machine(name));

  it('stands where it was put, also among machines that had no place of their own', () => {
    expect(after(three, ['c'], 'a', 'before')).toEqual(['/c', '/a', '/b']);
    expect(after(three, ['a'], 'b', 'after')).toEqual(['/b', '/a', '/c']);
    expect(after(three, ['a', 'b'], 'c', 'after')).toEqual(['/c', '/a', '/b']);
  });

  it('enters the group of its new neighbour', () => {
    expect(after([machine('a', { group: 'G' }), machine('b', { group: 'G' }), machine('c')], ['c'], 'a', 'after')).toEqual(['G/a', 'G/c', 'G/b']);
  });

  it('changes nobody else while there is room between its neighbours', () => {
    const numbered = ['a', 'b', 'c'].map((name, order) => machine(name, { order }));
    expect([...placeMachines(numbered, new Set(['c']), { target: 'b', side: 'before' }).keys()]).toEqual(['c']);
    expect([...placeMachines(numbered, new Set(['c']), { target: 'a', side: 'before' }).keys()]).toEqual(['c']);
  });

  it('may be moved between the same two a thousand times', () => {
    let entries: readonly LibraryEntry[] = ['a', 'b', 'c'].map((name, order) => machine(name, { order }));
    for (let turn = 0; turn < 1000; turn++) {
      const [, second, third] = sorted(entries, 'own');
      const changes = placeMachines(sorted(entries, 'own'), new Set([third!.name]), { target: second!.name, side: 'before' });
      const expected = [sorted(entries, 'own')[0]!.name, third!.name, second!.name];
      entries = entries.map((entry) => ({ ...entry, config: { ...entry.config!, ...changes.get(entry.name) } }));
      expect(sorted(entries, 'own').map(({ name }) => name)).toEqual(expected);
    }
  });
});

describe('what is looked for', () => {
  const entry = machine('Debian 12', { tags: ['Lab', 'week 1'], notes: 'for Anna', group: 'Lessons' });

  it.each(['deb', 'anna DEBIAN', 'lessons', 'week', '#lab', '#week 1', ''])('%j finds it', (query) => { expect(matches(entry, query)).toBe(true); });
  it.each(['fedora', 'debian fedora', '#la', '#week'])('%j does not', (query) => { expect(matches(entry, query)).toBe(false); });
});

describe('the order', () => {
  it('puts what has a place before what has none, and numbers as people count', () => {
    expect(sorted([machine('m10'), machine('m9'), machine('z', { order: 5 })], 'own').map(({ name }) => name)).toEqual(['z', 'm9', 'm10']);
  });

  it('puts groups by name, and what is in none at the end', () => {
    expect(grouped([machine('a'), machine('b', { group: 'X' }), machine('c', { group: 'B' })]).map(({ name }) => name)).toEqual(['B', 'X', '']);
  });
});
