/** Replicas of machines: what of a VM folder is the machine at one moment, whether it is on or off, and machines of replicas again. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LibraryEntry } from '../../shared/api.ts';
import { isAbsoluteMediumPath, MACHINE_FILE, parseMachineConfig } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { generationSchema, generationsSchema } from '../../shared/media-protocol.ts';
import type { GenerationFacts, MediaJob, ReplicaSource } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { Library } from '../library/library.ts';
import type { Supervisor } from '../machines/supervisor.ts';
import { runMediaJob } from '../media/media-process.ts';
import type { JobControl } from '../media/running-jobs.ts';
import { isLayerName, SnapshotFolder } from '../snapshots/snapshot-folder.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import { TREE_FILE, withoutOrphans } from '../snapshots/snapshot-tree.ts';
import type { SnapshotNode, Tree } from '../snapshots/snapshot-tree.ts';

/** Not part of what a machine is. */
const LEFT_OUT = /^logs\/|\.guestvm$|(?:^|\/)\.|\.(?:lock(?:-\d+-\w+)?|part|new)$/;

export interface ReplicationOptions {
  readonly library: Library;
  readonly supervisor: Supervisor;
  readonly snapshots: Snapshots;
  /** The media process's program. */
  readonly program: string;
}

export class Replication {
  readonly #options: ReplicationOptions;

  constructor(options: ReplicationOptions) {
    this.#options = options;
  }

  /** Errors: `replica.outside-disk`, `replica.linked`, those of snapshots and of the job. */
  async make(name: string, folder: string, keep: number, control: JobControl): Promise<Result<GenerationFacts>> {
    const found = await this.#options.library.findWhole(name);
    if (!found.ok) return found;
    const { config } = found.value;
    if (config.linkedTo !== undefined) return fail('replica.linked', `the machine ${name} is a linked clone, and part of its disks is the machine ${config.linkedTo.machine}'s`, 'replicate that machine');
    const outside = config.disks.find(({ path, readOnly, discardChanges }) => isAbsoluteMediumPath(path) && !readOnly && !discardChanges);
    if (outside !== undefined) return fail('replica.outside-disk', `the disk ${outside.path} is not in the machine's folder`, 'move it there and attach it from there');
    if (this.#options.supervisor.isOn(name)) return this.#ofRunning(name, folder, keep, control);
    const copied = await this.#ofOff(name, found.value.folder, config, folder, keep, control);
    // It was started meanwhile.
    return !copied.ok && copied.error.code === 'replica.changed' && this.#options.supervisor.isOn(name) ? this.#ofRunning(name, folder, keep, control) : copied;
  }

  async #ofOff(name: string, vmFolder: string, config: MachineConfig, folder: string, keep: number, control: JobControl): Promise<Result<GenerationFacts>> {
    const opened = await SnapshotFolder.open(vmFolder);
    if (!opened.ok) return opened;
    const copied = await this.#copy(vmFolder, config, opened.value.tree, Date.now(), folder, keep, control);
    if (!copied.ok || !this.#options.supervisor.isOn(name)) return copied;
    // Files that were copied one after the other show one moment only if nobody wrote any of them.
    return this.#ofRunning(name, folder, keep, control);
  }

  /** A snapshot freezes the moment; the guest goes on in new layers while the frozen files are copied. */
  async #ofRunning(name: string, folder: string, keep: number, control: JobControl): Promise<Result<GenerationFacts>> {
    const { snapshots, library } = this.#options;
    const taken = await snapshots.take(name, `Replica ${new Date().toISOString()}`, '');
    if (!taken.ok) return taken;
    try {
      const found = await library.findWhole(name);
      if (!found.ok) return found;
      const opened = await SnapshotFolder.open(found.value.folder);
      if (!opened.ok) return opened;
      const node = opened.value.tree.nodes.find(({ id }) => id === taken.value.id);
      if (node === undefined) return fail('replica.changed', 'the snapshot to be copied was deleted', 'try it again');
      return await this.#copy(found.value.folder, node.config, frozenTree(opened.value.tree, node), node.takenAt, folder, keep, control);
    } finally {
      await snapshots.delete(name, taken.value.id);
    }
  }

  async #copy(vmFolder: string, config: MachineConfig, tree: Tree, takenAt: number, folder: string, keep: number, { progress, signal }: JobControl): Promise<Result<GenerationFacts>> {
    const source: ReplicaSource = {
      folder: vmFolder, takenAt, files: await filesOf(vmFolder, tree),
      texts: [{ path: MACHINE_FILE, text: `${JSON.stringify(config, null, 2)}\n` }, { path: TREE_FILE, text: `${JSON.stringify(tree, null, 1)}\n` }],
    };
    return runMediaJob({ program: this.#options.program, job: { kind: 'replicate', folder, source, keep }, answer: generationSchema, progress, signal });
  }

  list(folder: string): Promise<Result<{ generations: GenerationFacts[] }>> {
    return runMediaJob({ program: this.#options.program, job: { kind: 'list-generations', folder }, answer: generationsSchema, progress: () => {}, signal: new AbortController().signal });
  }

  verify(folder: string, id: string | undefined, control: JobControl): Promise<Result<GenerationFacts>> {
    return this.#run({ kind: 'verify-generation', folder, id }, control);
  }

  /** It appears in the library when it is whole, and is replicated nowhere by itself. Resolves with its name. */
  async restore(folder: string, id: string | undefined, name: string, control: JobControl): Promise<Result<LibraryEntry['name']>> {
    const built = await this.#options.library.build(name, async (target) => {
      const restored = await this.#run({ kind: 'restore-generation', folder, id, target }, control);
      if (!restored.ok) return restored;
      const config = parseMachineConfig(await readFile(join(target, MACHINE_FILE), 'utf8'));
      if (!config.ok) return config;
      const { replication: _, ...kept } = config.value;
      return ok(kept);
    });
    return built.ok ? ok(built.value.name) : built;
  }

  #run(job: MediaJob, { progress, signal }: JobControl): Promise<Result<GenerationFacts>> {
    return runMediaJob({ program: this.#options.program, job, answer: generationSchema, progress, signal });
  }
}

/** The machine as it was at a snapshot: it writes the images that the snapshot froze, and goes on from its memory. */
function frozenTree(tree: Tree, node: SnapshotNode): Tree {
  const { current: _, saved: _saved, resumed: _resumed, configToRestore: _config, ...rest } = tree;
  return withoutOrphans({
    ...rest, nodes: tree.nodes.filter(({ id }) => id !== node.id),
    active: node.images.flatMap(({ disk, image }) => (image === disk ? [] : [{ disk, layer: image }])),
    ...(node.parent !== undefined && { current: node.parent }),
    ...(node.memory !== undefined && { saved: { state: node.memory, savedAt: node.takenAt, ...(node.thumbnail !== undefined && { thumbnail: node.thumbnail }) } }),
  });
}

/** What of the folder the tree names, and all that no tree names. */
async function filesOf(folder: string, tree: Tree): Promise<string[]> {
  const named = new Set([...tree.layers.map(({ path }) => path), ...tree.states.map(({ path }) => path), ...[tree.saved?.thumbnail, ...tree.nodes.map(({ thumbnail }) => thumbnail)].filter((path) => path !== undefined)]);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1).replaceAll('\\', '/'))
    .filter((path) => !LEFT_OUT.test(path) && path !== MACHINE_FILE && path !== TREE_FILE)
    .filter((path) => named.has(path) || !(isLayerName(path) || /^(?:state|snapshots)\//.test(path))).sort();
}
