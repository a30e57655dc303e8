import { describe, expect, it } from 'vitest';
import { EMPTY_TREE, findNode, merged, nextMerge, parseTree, withoutOrphans } from '../../../../src/main/snapshots/snapshot-tree.ts';
import type { Tree } from '../../../../src/main/snapshots/snapshot-tree.ts';
import { machineConfigSchema } from '../../../../src/shared/machine-config.ts';

const DISK = 'disks/disk0.img';
const config = machineConfigSchema.parse({ schemaVersion: 1, disks: [{ path: DISK }] });
const id = (digit: string): string => digit.repeat(12);
const state = (digit: string): string => digit.repeat(32);

/** The disk, frozen as `a`; on it a layer frozen as `b`; on that what the machine writes. */
const CHAIN: Tree = {
  ...EMPTY_TREE, current: id('b'),
  nodes: [
    { id: id('a'), name: 'first', notes: '', takenAt: 1, config, images: [{ disk: DISK, image: DISK }], memory: state('a') },
    { id: id('b'), name: 'second', notes: '', parent: id('a'), takenAt: 2, config, images: [{ disk: DISK, image: 'disks/one' }], memory: state('b') },
  ],
  layers: [{ path: 'disks/one', disk: DISK, backing: DISK }, { path: 'disks/two', disk: DISK, backing: 'disks/one' }],
  active: [{ disk: DISK, layer: 'disks/two' }],
  states: [{ path: 'snapshots/a', id: state('a'), otherFiles: [] }, { path: 'snapshots/b', id: state('b'), otherFiles: [state('a')] }],
};
const without = (...names: readonly string[]): Tree => withoutOrphans({ ...CHAIN, nodes: CHAIN.nodes.filter(({ name }) => !names.includes(name)) });

describe('a tree of snapshots', () => {
  it('merges nothing that somebody needs as it is', () => {
    expect(nextMerge(CHAIN)).toBeUndefined();
    const branch: Tree = { ...CHAIN, layers: [...CHAIN.layers, { path: 'disks/three', disk: DISK, backing: DISK }] };
    expect(nextMerge({ ...branch, nodes: branch.nodes.slice(1) })).toBeUndefined();
  });

  it('merges the layer above a forgotten image into it; what lay on the layer lies on the image then', () => {
    const merge = nextMerge(without('first'))!;
    expect(merge).toEqual({ disk: DISK, lower: DISK, upper: 'disks/one', above: ['disks/two'] });
    const after = merged(without('first'), merge);
    expect([after.layers, after.active, after.nodes[0]!.images]).toEqual([
      [{ path: 'disks/two', disk: DISK, backing: DISK }], [{ disk: DISK, layer: 'disks/two' }], [{ disk: DISK, image: DISK }],
    ]);
    expect(nextMerge(after)).toBeUndefined();
  });

  it('is the disk alone again when every snapshot is forgotten', () => {
    let tree = without('first', 'second');
    for (let merge = nextMerge(tree); merge !== undefined; merge = nextMerge(tree)) tree = merged(tree, merge);
    expect([tree.layers, tree.active, tree.states]).toEqual([[], [], []]);
  });

  it('keeps the memory of a forgotten snapshot while another counts on it', () => {
    expect(without('first').states.map(({ id: kept }) => kept)).toEqual([state('a'), state('b')]);
    expect(without('second').states.map(({ id: kept }) => kept)).toEqual([state('a')]);
  });

  it('drops layers that nothing names, with what is below them', () => {
    const restored = withoutOrphans({ ...CHAIN, nodes: CHAIN.nodes.slice(0, 1), active: [] });
    expect(restored.layers).toEqual([]);
  });

  it('finds snapshots by id or by a name that is unique', () => {
    expect(findNode(CHAIN, id('a'))).toMatchObject({ ok: true, value: { name: 'first' } });
    expect(findNode(CHAIN, 'second')).toMatchObject({ ok: true, value: { id: id('b') } });
    expect(findNode(CHAIN, 'third')).toMatchObject({ ok: false, error: { code: 'snapshot.not-found' } });
    const twins = { ...CHAIN, nodes: CHAIN.nodes.map((node) => ({ ...node, name: 'twin' })) };
    expect(findNode(twins, 'twin')).toMatchObject({ ok: false, error: { code: 'snapshot.ambiguous' } });
  });

  it.each([
    ['no JSON', '{', 'snapshot.tree-damaged'],
    ['of a later version', '{"schemaVersion": 9}', 'snapshot.tree-newer'],
    ['with a layer outside the folder', JSON.stringify({ ...CHAIN, layers: [{ path: '../other/disk', disk: DISK, backing: DISK }] }), 'snapshot.tree-damaged'],
    ['with a state anywhere', JSON.stringify({ ...CHAIN, states: [{ path: '/etc/passwd', id: state('a'), otherFiles: [] }] }), 'snapshot.tree-damaged'],
  ])('that is %s is refused', (_, text, code) => {
    expect(parseTree(text)).toMatchObject({ ok: false, error: { code } });
    expect(parseTree(JSON.stringify(CHAIN))).toEqual({ ok: true, value: CHAIN });
  });
});
