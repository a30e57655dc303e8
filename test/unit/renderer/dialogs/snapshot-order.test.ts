import { expect, it } from 'vitest';
import { treeLines } from '../../../../src/renderer/dialogs/snapshots/snapshot-order.ts';
import type { Snapshot, SnapshotTree } from '../../../../src/shared/api.ts';

const node = (id: string, parent?: string): Snapshot => ({ id, name: id, notes: '', takenAt: 0, hasMemory: false, hasThumbnail: false, ...(parent !== undefined && { parent }) });
const shown = (tree: SnapshotTree): string[] => treeLines(tree).map(({ snapshot, depth }) => `${'-'.repeat(depth)}${snapshot?.id ?? 'now'}`);

it('a history that never branched is a plain list that ends now', () => {
  expect(shown({ snapshots: [node('a'), node('b', 'a')], current: 'b' })).toEqual(['a', 'b', 'now']);
  expect(shown({ snapshots: [] })).toEqual(['now']);
});

it('a branch is set in, and the present stands where it came from', () => {
  expect(shown({ snapshots: [node('a'), node('b', 'a'), node('c', 'b'), node('d', 'a')], current: 'd' })).toEqual(['a', '-b', '-c', 'd', 'now']);
  expect(shown({ snapshots: [node('a'), node('b', 'a')], current: 'a' })).toEqual(['a', '-b', 'now']);
});
