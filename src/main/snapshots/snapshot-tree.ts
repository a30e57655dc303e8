/**
 * `snapshots/tree.json` in a VM folder: which snapshots there are, which image each disk writes now, and which files the
 * machine's states are in. It is the one place where that is told, and written in one piece: whatever happens, a VM folder has
 * the old tree or the new one. All paths are relative to the VM folder, with forward slashes.
 */
import { z } from 'zod';
import { describeIssues, machineConfigSchema, mediumPathSchema } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';

export const TREE_SCHEMA_VERSION = 1;
export const TREE_FILE = 'snapshots/tree.json';
/** A chain of images has a bound, and so has what a person can oversee. */
export const SNAPSHOTS_MAXIMUM = 500;

const idSchema = z.string().regex(/^[0-9a-f]{12}$/);
const stateIdSchema = z.string().regex(/^[0-9a-f]{32}$/);
const insideSchema = mediumPathSchema.refine((path) => !/^(?:[\\/]|[A-Za-z]:)/.test(path), 'leaves the VM folder');

/** The file of a saved state, and the identities of those that it counts on. */
const stateFileSchema = z.object({ path: insideSchema, id: stateIdSchema, otherFiles: z.array(stateIdSchema).max(255) });
export type StateFileEntry = z.infer<typeof stateFileSchema>;

const nodeSchema = z.object({
  id: idSchema,
  name: z.string().min(1).max(200),
  notes: z.string().max(10_000),
  parent: idSchema.optional(),
  takenAt: z.number(),
  thumbnail: insideSchema.optional(),
  /** Identity of the state in `states` that has its memory. */
  memory: stateIdSchema.optional(),
  /** The machine's settings then. */
  config: machineConfigSchema,
  /** For each disk that was written, by its path in `config`: the image that was frozen. */
  images: z.array(z.object({ disk: mediumPathSchema, image: mediumPathSchema })).max(8),
});
export type SnapshotNode = z.infer<typeof nodeSchema>;

const layerSchema = z.object({ path: insideSchema, disk: mediumPathSchema, backing: mediumPathSchema });
export type Layer = z.infer<typeof layerSchema>;

const savedSchema = z.object({ state: stateIdSchema, savedAt: z.number(), thumbnail: insideSchema.optional() });

export const treeSchema = z.object({
  schemaVersion: z.literal(TREE_SCHEMA_VERSION),
  nodes: z.array(nodeSchema).max(SNAPSHOTS_MAXIMUM),
  current: idSchema.optional(),
  /** Images that were made on top of a disk or of each other. */
  layers: z.array(layerSchema).max(4096),
  /** The layer that each disk writes; where there is none, it is the disk itself. */
  active: z.array(z.object({ disk: mediumPathSchema, layer: insideSchema })).max(64),
  /** Every state's file, of snapshots, of the saved machine, and those that others count on. */
  states: z.array(stateFileSchema).max(4096),
  /** The machine is off and goes on from here. */
  saved: savedSchema.optional(),
  /** The machine went on from here the last time it was started. */
  resumed: savedSchema.optional(),
  /** Settings that `machine.json` is about to get: a restore was interrupted. */
  configToRestore: machineConfigSchema.optional(),
});
export type Tree = z.infer<typeof treeSchema>;

export const EMPTY_TREE: Tree = { schemaVersion: TREE_SCHEMA_VERSION, nodes: [], layers: [], active: [], states: [] };

/** Errors: `snapshot.tree-damaged`, `snapshot.tree-newer`. */
export function parseTree(text: string): Result<Tree> {
  const advice = 'restore snapshots/tree.json from a copy';
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return fail('snapshot.tree-damaged', 'the machine\'s tree of snapshots is damaged: it is not valid JSON', advice);
  }
  const version = typeof parsed === 'object' && parsed !== null ? (parsed as Record<string, unknown>)['schemaVersion'] : undefined;
  if (typeof version === 'number' && version > TREE_SCHEMA_VERSION) return fail('snapshot.tree-newer', `the machine's tree of snapshots has the version ${version}, and this Guesthouse knows version ${TREE_SCHEMA_VERSION}`, 'use a newer Guesthouse');
  const checked = treeSchema.safeParse(parsed);
  return checked.success ? ok(checked.data) : fail('snapshot.tree-damaged', `the machine's tree of snapshots is damaged (${describeIssues(checked.error)})`, advice);
}

/** Errors: `snapshot.not-found`, `snapshot.ambiguous`. */
export function findNode(tree: Tree, idOrName: string): Result<SnapshotNode> {
  const byId = tree.nodes.find(({ id }) => id === idOrName);
  if (byId !== undefined) return ok(byId);
  const [node, ...others] = tree.nodes.filter(({ name }) => name === idOrName);
  if (node === undefined) return fail('snapshot.not-found', `there is no snapshot "${printable(idOrName)}"`, 'see "guesthouse snapshot list NAME" for those there are');
  if (others.length > 0) return fail('snapshot.ambiguous', `${others.length + 1} snapshots are called "${printable(idOrName)}"`, 'name one by its id: see "guesthouse snapshot list NAME --json"');
  return ok(node);
}

/** The image that a disk writes now. */
export function activeImage(tree: Tree, disk: string): string {
  return tree.active.find((entry) => entry.disk === disk)?.layer ?? disk;
}

/** Files that a state needs besides its own, all the way down. */
export function statesNeeded(tree: Tree, roots: readonly (string | undefined)[]): Set<string> {
  const needed = new Set<string>();
  for (const root of roots) {
    const state = root === undefined ? undefined : tree.states.find(({ id }) => id === root);
    if (state === undefined) continue;
    needed.add(state.id);
    for (const other of state.otherFiles) needed.add(other);
  }
  return needed;
}

/** Without what nothing names any more: states, and layers that nothing lies on. */
export function withoutOrphans(tree: Tree): Tree {
  const states = statesNeeded(tree, [tree.saved?.state, tree.resumed?.state, ...tree.nodes.map(({ memory }) => memory)]);
  const needed = new Set([...tree.active.map(({ layer }) => layer), ...tree.nodes.flatMap(({ images }) => images.map(({ image }) => image))]);
  for (let before = -1; before !== needed.size;) {
    before = needed.size;
    for (const { path, backing } of tree.layers) if (needed.has(path)) needed.add(backing);
  }
  return { ...tree, states: tree.states.filter(({ id }) => states.has(id)), layers: tree.layers.filter(({ path }) => needed.has(path)) };
}

/** Two images of a disk that can become one, as nothing names the lower one and nothing but the upper one lies on it. */
export interface Merge {
  readonly disk: string;
  /** Gets what the upper one holds, and stays. */
  readonly lower: string;
  readonly upper: string;
  /** Layers that lie on the upper one, and will lie on the lower one. */
  readonly above: readonly string[];
}

/** `undefined` when every image is needed as it is. Nobody may write those that are fixed. */
export function nextMerge(tree: Tree, isFixed: (image: string) => boolean = () => false): Merge | undefined {
  const named = new Set(tree.nodes.flatMap(({ images }) => images.map(({ image }) => image)));
  for (const { path: upper, backing: lower, disk } of tree.layers) {
    if (isFixed(lower) || named.has(lower) || tree.layers.filter(({ backing }) => backing === lower).length !== 1) continue;
    return { disk, lower, upper, above: tree.layers.filter(({ backing }) => backing === upper).map(({ path }) => path) };
  }
  return undefined;
}

/** The tree once the two images are one. */
export function merged(tree: Tree, { lower, upper }: Merge): Tree {
  const isLayer = tree.layers.some(({ path }) => path === lower);
  return {
    ...tree,
    layers: tree.layers.filter(({ path }) => path !== upper).map((layer) => (layer.backing === upper ? { ...layer, backing: lower } : layer)),
    active: tree.active.flatMap((entry) => (entry.layer !== upper ? [entry] : isLayer ? [{ ...entry, layer: lower }] : [])),
    nodes: tree.nodes.map((node) => ({ ...node, images: node.images.map(({ disk, image }) => ({ disk, image: image === upper ? lower : image })) })),
  };
}

function printable(text: string): string {
  return text.slice(0, 60).replace(/\p{C}/gu, '?');
}
