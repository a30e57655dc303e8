/** A machine's tree of snapshots as lines: each after its parent, and the machine as it is now where it came from. */
import type { Snapshot, SnapshotTree } from '../../../shared/api.ts';

/** In place of an id: the machine as it is. No snapshot has it, as ids are hexadecimal. */
export const NOW = 'now';

export interface TreeLine {
  /** Absent: the machine as it is. */
  readonly snapshot: Snapshot | undefined;
  readonly depth: number;
}

/**
 * A snapshot that is its parent's only child stands at its parent's depth, so that a history that never branched is a
 * plain list.
 */
export function treeLines({ snapshots, current }: SnapshotTree): TreeLine[] {
  const lines: TreeLine[] = [];
  const childrenOf = (parent: string | undefined): (Snapshot | undefined)[] => [
    ...snapshots.filter((snapshot) => snapshot.parent === parent),
    ...(current === parent ? [undefined] : []),
  ];
  const place = (parent: string | undefined, depth: number): void => {
    const children = childrenOf(parent);
    for (const [index, snapshot] of children.entries()) {
      const at = depth + (index < children.length - 1 ? 1 : 0);
      lines.push({ snapshot, depth: at });
      if (snapshot !== undefined) place(snapshot.id, at);
    }
  };
  place(undefined, 0);
  return lines;
}
