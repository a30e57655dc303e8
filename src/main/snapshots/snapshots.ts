/** Saved states and snapshots of machines: what the calls of the contract do, one at a time for each machine. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MachineStatus, Snapshot, SnapshotTree } from '../../shared/api.ts';
import { isAbsoluteMediumPath } from '../../shared/machine-config.ts';
import type { DiskConfig, MachineConfig } from '../../shared/machine-config.ts';
import { mediaDoneSchema } from '../../shared/media-protocol.ts';
import type { MediaImage, MediaJob } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { NewLayer, ResumeFrom, SavedState } from '../../shared/vm-protocol.ts';
import type { AppPaths } from '../app-paths.ts';
import type { Library } from '../library/library.ts';
import type { RunningMachine } from '../machines/running-machine.ts';
import type { Supervisor } from '../machines/supervisor.ts';
import type { Savable, VmConnection } from '../machines/vm-connection.ts';
import { runMediaJob, WaitingMediaProcess } from '../media/media-process.ts';
import { copyMachine, linkMachine, mustHaveNoClones } from './clones.ts';
import { newSnapshotId, SnapshotFolder } from './snapshot-folder.ts';
import { activeImage, findNode, merged, nextMerge, SNAPSHOTS_MAXIMUM, statesNeeded } from './snapshot-tree.ts';
import type { SnapshotNode, Tree } from './snapshot-tree.ts';

type Nothing = Record<string, never>;

export interface SnapshotsOptions {
  readonly library: Library;
  readonly supervisor: Supervisor;
  readonly paths: AppPaths;
  /** A machine's tree has changed. */
  readonly changed: (name: string) => void;
}

/** Starts a machine: by its settings as they are in `machine.json`, with the images that its disks write now. */
export type StartMachine = (how: { readonly config: MachineConfig; readonly configNow: MachineConfig; readonly resumeFrom: ResumeFrom | undefined }) => Promise<Result<MachineStatus>>;

/** A whole machine with its snapshots. */
interface Opened {
  readonly folder: SnapshotFolder;
  readonly config: MachineConfig;
}

export class Snapshots {
  readonly #options: SnapshotsOptions;
  /** The last operation on each machine. */
  readonly #last = new Map<string, Promise<unknown>>();
  /** Makes layers for who goes back to a snapshot, or clones one: there is one where somebody has to do with snapshots. */
  readonly #mediaProcess: WaitingMediaProcess;

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    this.#mediaProcess = new WaitingMediaProcess(options.paths.mediaProcess);
  }

  async list(name: string): Promise<Result<SnapshotTree>> {
    const opened = await this.#open(name);
    if (!opened.ok) return opened;
    const { tree } = opened.value.folder;
    if (tree.nodes.length > 0) this.#mediaProcess.expectJob();
    return ok({ snapshots: tree.nodes.map(snapshotOf), ...(tree.current !== undefined && { current: tree.current }) });
  }

  async thumbnail(name: string, snapshot: string): Promise<Result<{ png?: Uint8Array<ArrayBuffer> }>> {
    const opened = await this.#open(name);
    if (!opened.ok) return opened;
    const node = findNode(opened.value.folder.tree, snapshot);
    if (!node.ok) return node;
    const png = node.value.thumbnail === undefined ? undefined : await readFile(opened.value.folder.path(node.value.thumbnail)).catch(() => undefined);
    return ok(png === undefined ? {} : { png: new Uint8Array(png) });
  }

  /** Of a machine that is off. A damaged tree counts as none: whoever starts the machine hears of it. */
  async hasSavedState(folder: string): Promise<boolean> {
    const opened = await SnapshotFolder.open(folder);
    return opened.ok && opened.value.tree.saved !== undefined;
  }

  /** The settings with which a machine starts, and the state from which it goes on. Errors: those of its tree. */
  async settingsNow(name: string): Promise<Result<{ config: MachineConfig; resumeFrom: ResumeFrom | undefined }>> {
    const opened = await this.#open(name);
    if (!opened.ok) return opened;
    const { folder, config } = opened.value;
    const { saved } = folder.tree;
    if (saved === undefined) return ok({ config: folder.configNow(config), resumeFrom: undefined });
    const state = folder.tree.states.find(({ id }) => id === saved.state);
    if (state === undefined) return fail('state.missing', 'the machine\'s saved state is missing', 'start it without: guesthouse start NAME --cold');
    return ok({ config: folder.configNow(config), resumeFrom: { path: folder.path(state.path), others: folder.places(), isKept: isOfSnapshot(folder.tree, state.id) } });
  }

  /**
   * Starts a machine by `start`, from its saved state where it has one. The state is used up from then on: what the guest does
   * afterwards to its disks doesn't go with it any more.
   */
  start(name: string, cold: boolean, start: StartMachine): Promise<Result<MachineStatus>> {
    return this.#inTurn(name, async () => {
      if (this.#options.supervisor.isOn(name)) return fail('machines.already-on', `the machine ${name} is already on`, 'stop it first to start it anew');
      const present = await this.#open(name);
      if (present.ok && present.value.config.isTemplate === true) return fail('machines.is-template', `the machine ${name} is a template`, 'make a machine of it with "guesthouse clone", or make it an ordinary one with "guesthouse template NAME --off"');
      const settings = await this.settingsNow(name);
      // A state that isn't there is dropped as well as one that is.
      if (!settings.ok && !(cold && settings.error.code === 'state.missing')) return settings;
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder, config } = opened.value;
      const { saved } = folder.tree;
      if (saved !== undefined || folder.tree.resumed !== undefined) {
        const used = await folder.commit({ ...folder.tree, saved: undefined, resumed: cold ? undefined : saved });
        if (!used.ok) return used;
      }
      const started = await start({ config, configNow: folder.configNow(config), resumeFrom: cold || !settings.ok ? undefined : settings.value.resumeFrom });
      if (!started.ok && !cold && saved !== undefined) await folder.commit({ ...folder.tree, saved, resumed: undefined });
      return started;
    });
  }

  discardSavedState(name: string): Promise<Result<Nothing>> {
    return this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder } = opened.value;
      if (folder.tree.saved === undefined) return fail('state.none', `the machine ${name} has no saved state`, 'save it while it runs: guesthouse save NAME');
      const committed = await folder.commit({ ...folder.tree, saved: undefined });
      this.#options.changed(name);
      return committed.ok ? ok({}) : committed;
    });
  }

  /** Saves the state of a running machine, which is off afterwards. */
  save(name: string): Promise<Result<MachineStatus>> {
    return this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder, config } = opened.value;
      const problem = savableDisks(config);
      if (!problem.ok) return problem;
      const machine = this.#options.supervisor.machine(name);
      const saving = machine.beginSaving();
      if (!saving.ok) return saving;
      const result = await this.#saveAndStop(machine, saving.value, folder);
      if (!result.ok) machine.savingFailed();
      return result;
    });
  }

  async #saveAndStop(machine: RunningMachine, connection: VmConnection, folder: SnapshotFolder): Promise<Result<MachineStatus>> {
    const id = newSnapshotId();
    const state = await this.#saveState(connection, folder, await folder.newState(id, false), { thenHold: true, isKept: false });
    if (!state.ok) return state;
    const screen = await connection.screenshot();
    const thumbnail = await folder.keepThumbnail(id, false, screen.ok ? screen.value : undefined);
    const { saved, path } = state.value;
    const committed = await folder.commit({
      ...folder.tree, states: [...folder.tree.states, { path, id: saved.id, otherFiles: saved.otherFiles }], resumed: undefined,
      saved: { state: saved.id, savedAt: Date.now(), ...(thumbnail !== undefined && { thumbnail }) },
    });
    if (!committed.ok) {
      connection.post({ kind: 'release' });
      return committed;
    }
    await machine.forceOff();
    this.#options.changed(machine.name);
    return ok(machine.status);
  }

  take(name: string, snapshotName: string, notes: string): Promise<Result<Snapshot>> {
    return this.#inTurn(name, () => this.#take(name, snapshotName, notes));
  }

  async #take(name: string, snapshotName: string, notes: string): Promise<Result<Snapshot>> {
    const opened = await this.#open(name);
    if (!opened.ok) return opened;
    const { folder, config } = opened.value;
    if (folder.tree.nodes.length >= SNAPSHOTS_MAXIMUM) return fail('snapshot.too-many', `the machine ${name} has ${SNAPSHOTS_MAXIMUM} snapshots`, 'delete some first');
    const { supervisor } = this.#options;
    const before = folder.tree;
    const node: SnapshotNode = {
      id: newSnapshotId(), name: snapshotName, notes, takenAt: Date.now(), config, ...(before.current !== undefined && { parent: before.current }),
      images: config.disks.filter(isWritten).map(({ path }) => ({ disk: path, image: activeImage(before, path) })),
    };
    const result = supervisor.isOn(name) ? await this.#takeRunning(name, folder, node) : await this.#takeOff(folder, node);
    if (result.ok) {
      this.#mediaProcess.expectJob();
      this.#options.changed(name);
    }
    return result;
  }

  /** The guest goes on: its disks write new layers from the moment of the snapshot on. */
  async #takeRunning(name: string, folder: SnapshotFolder, node: SnapshotNode): Promise<Result<Snapshot>> {
    const { config } = node;
    const problem = savableDisks(config);
    if (!problem.ok) return problem;
    const machine = this.#options.supervisor.machine(name);
    const connected = machine.connected();
    if (!connected.ok) return connected;
    if (machine.status.state !== 'running' && machine.status.state !== 'paused') return fail('machines.wrong-state', `the machine ${name} is ${machine.status.state}`, 'try again in a moment');
    const connection = connected.value;
    const before = folder.tree;
    const layers = layersFor(folder, config, before);
    const made = await connection.makeLayers(layers.map(({ index, path, backingName }): NewLayer => ({ disk: index, path: folder.path(path), backingName })));
    if (!made.ok) return made;
    // An empty layer shows what is below it: the tree may name it before it is in use, and must before anything is written to it.
    const layered = await folder.commit(withLayers(before, layers));
    if (!layered.ok) {
      connection.post({ kind: 'drop-layers' });
      return layered;
    }
    const state = await this.#saveState(connection, folder, await folder.newState(node.id, true), { thenHold: false, isKept: true });
    if (!state.ok) {
      if (!state.layersInUse) {
        connection.post({ kind: 'drop-layers' });
        await folder.commit(before);
      }
      return state;
    }
    const screen = await connection.screenshot();
    const thumbnail = await folder.keepThumbnail(node.id, true, screen.ok ? screen.value : undefined);
    const { saved, path } = state.value;
    return this.#commitNode(folder, { ...node, memory: saved.id, ...(thumbnail !== undefined && { thumbnail }) },
      { ...folder.tree, states: [...folder.tree.states, { path, id: saved.id, otherFiles: saved.otherFiles }] });
  }

  /** Of a machine that is off: its disks, and the state that it was saved in. */
  async #takeOff(folder: SnapshotFolder, node: SnapshotNode): Promise<Result<Snapshot>> {
    const before = folder.tree;
    const layers = layersFor(folder, node.config, before);
    for (const layer of layers) {
      const made = await this.#makeLayer(folder, layer);
      if (!made.ok) return made;
    }
    const { saved } = before;
    return this.#commitNode(folder, { ...node, ...(saved !== undefined && { memory: saved.state }), ...(saved?.thumbnail !== undefined && { thumbnail: saved.thumbnail }) }, withLayers(before, layers));
  }

  async #commitNode(folder: SnapshotFolder, node: SnapshotNode, tree: Tree): Promise<Result<Snapshot>> {
    const committed = await folder.commit({ ...tree, nodes: [...tree.nodes, node], current: node.id });
    return committed.ok ? ok(snapshotOf(node)) : committed;
  }

  restore(name: string, snapshot: string, options: { readonly saveCurrentAs: string | undefined; readonly start: boolean }, start: StartMachine): Promise<Result<MachineStatus>> {
    const restored = this.#inTurn(name, async (): Promise<Result<boolean>> => {
      const { supervisor } = this.#options;
      const wasOn = supervisor.isOn(name);
      if (options.saveCurrentAs !== undefined) {
        const saved = await this.#take(name, options.saveCurrentAs, '');
        if (!saved.ok) return saved;
      }
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const node = findNode(opened.value.folder.tree, snapshot);
      if (!node.ok) return node;
      const put = await this.#putBack(name, opened.value.folder, node.value, async () => { if (wasOn) await supervisor.machine(name).forceOff(); });
      return put.ok ? ok(wasOn || options.start) : put;
    });
    return restored.then((result) => {
      this.#mediaProcess.expectJob();
      if (!result.ok) return result;
      return result.value ? this.start(name, false, start) : ok(this.#options.supervisor.statusOf(name));
    });
  }

  /** New layers on the snapshot's images; the settings and the memory that it had. A machine that can't have them is not ended. */
  async #putBack(name: string, folder: SnapshotFolder, node: SnapshotNode, endMachine: () => Promise<void>): Promise<Result<Nothing>> {
    const before = folder.tree;
    const layers = node.images.map(({ disk, image }, index): PlannedLayer => {
      const path = folder.newLayer(disk);
      return { index, disk, path, backing: image, backingName: backingNameOf(path, image), settings: node.config.disks.find((candidate) => candidate.path === disk)! };
    });
    for (const layer of layers) {
      const made = await this.#makeLayer(folder, layer);
      if (!made.ok) return made;
    }
    await endMachine();
    const memory = node.memory === undefined ? undefined : before.states.find(({ id }) => id === node.memory);
    const committed = await folder.commit({
      ...withLayers({ ...before, active: before.active.filter(({ disk }) => !layers.some((layer) => layer.disk === disk)) }, layers),
      current: node.id, configToRestore: node.config, resumed: undefined,
      saved: memory === undefined ? undefined : { state: memory.id, savedAt: node.takenAt, ...(node.thumbnail !== undefined && { thumbnail: node.thumbnail }) },
    });
    if (!committed.ok) return committed;
    const settled = await this.#settleConfig(name, folder);
    this.#options.changed(name);
    return settled;
  }

  /** Writes the settings that a restore has promised, which also ends one that was interrupted. */
  async #settleConfig(name: string, folder: SnapshotFolder): Promise<Result<Nothing>> {
    const { configToRestore } = folder.tree;
    if (configToRestore === undefined) return ok({});
    const written = await this.#options.library.save(name, configToRestore);
    if (!written.ok) return written;
    const committed = await folder.commit({ ...folder.tree, configToRestore: undefined });
    return committed.ok ? ok({}) : committed;
  }

  /** Resolves with the new machine's name. */
  clone(name: string, newName: string, linked: boolean, snapshot: string | undefined): Promise<Result<string>> {
    return this.#inTurn(name, async () => {
      const { library, supervisor } = this.#options;
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder, config } = opened.value;
      if (folder.inPlace !== undefined) return fail('bundle.in-place', `the machine ${name} runs in its bundle`, 'keep it first: guesthouse keep NAME');
      if (!linked) {
        if (supervisor.isOn(name)) return fail('machines.already-on', `the machine ${name} is on`, 'stop or save it first, or make a linked clone');
        if (config.linkedTo !== undefined) return fail('clone.of-linked', `the machine ${name} is a linked clone itself`, 'make a linked clone of it');
        return copyMachine(library, folder, config, newName);
      }
      if (snapshot === undefined) return fail('snapshot.not-found', 'a linked clone begins as a snapshot', 'name one, or take one first');
      const node = findNode(folder.tree, snapshot);
      if (!node.ok) return node;
      const made = await linkMachine(library, folder, name, node.value, newName, (disk, image, path) => {
        const settings = node.value.config.disks.find((candidate) => candidate.path === disk)!;
        return this.#runJob(newLayerJob(path, { path: folder.path(image), format: image === disk ? settings.format : 'qcow2', backingFolders: folder.backingFolders(settings) }));
      });
      this.#mediaProcess.expectJob();
      return made;
    });
  }

  resetOnPowerOff(name: string, snapshot: string | undefined): Promise<Result<Nothing>> {
    return this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const node = snapshot === undefined ? undefined : findNode(opened.value.folder.tree, snapshot);
      if (node?.ok === false) return node;
      const { resetToSnapshot: _, ...config } = opened.value.config;
      const saved = await this.#options.library.save(name, node === undefined ? config : { ...config, resetToSnapshot: node.value.id });
      if (!saved.ok) return saved;
      this.#options.changed(name);
      return ok({});
    });
  }

  delete(name: string, snapshot: string): Promise<Result<Nothing>> {
    return this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder } = opened.value;
      const { tree } = folder;
      const found = findNode(tree, snapshot);
      if (!found.ok) return found;
      const { id, parent } = found.value;
      const free = await mustHaveNoClones(this.#options.library, name, id);
      if (!free.ok) return free;
      if (opened.value.config.resetToSnapshot === id) return fail('snapshot.is-reset-to', `the machine ${name} becomes this snapshot whenever it goes off`, 'choose another one for that, or none');
      const nodes = tree.nodes.filter((node) => node.id !== id).map((node) => (node.parent === id ? withParent(node, parent) : node));
      const committed = await folder.commit({ ...tree, nodes, current: tree.current === id ? parent : tree.current });
      if (!committed.ok) return committed;
      const settled = this.#options.supervisor.isOn(name) ? ok({}) : await this.#mergeImages(folder);
      this.#options.changed(name);
      return settled;
    });
  }

  async change(name: string, snapshot: string, changes: { readonly newName: string | undefined; readonly notes: string | undefined }): Promise<Result<Snapshot>> {
    return this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (!opened.ok) return opened;
      const { folder } = opened.value;
      const found = findNode(folder.tree, snapshot);
      if (!found.ok) return found;
      const node = { ...found.value, name: changes.newName ?? found.value.name, notes: changes.notes ?? found.value.notes };
      const committed = await folder.commit({ ...folder.tree, nodes: folder.tree.nodes.map((other) => (other.id === node.id ? node : other)) });
      if (!committed.ok) return committed;
      this.#options.changed(name);
      return ok(snapshotOf(node));
    });
  }

  /** The state that a running machine went on from is in its memory now. */
  memoryLoaded(name: string): void {
    void this.#inTurn(name, async () => {
      const opened = await this.#open(name);
      if (opened.ok && opened.value.folder.tree.resumed !== undefined) await opened.value.folder.commit({ ...opened.value.folder.tree, resumed: undefined });
      return ok({});
    });
  }

  /** What had to wait until a machine is off. */
  machineOff(name: string): void {
    void this.#inTurn(name, async () => {
      if (this.#options.supervisor.isOn(name)) return ok({});
      const opened = await this.#open(name);
      if (!opened.ok) return ok({});
      const { folder } = opened.value;
      if (folder.tree.resumed !== undefined) await folder.commit({ ...folder.tree, resumed: undefined });
      const { resetToSnapshot } = opened.value.config;
      const node = resetToSnapshot === undefined || folder.tree.saved !== undefined ? undefined : folder.tree.nodes.find(({ id }) => id === resetToSnapshot);
      if (node !== undefined) {
        const put = await this.#putBack(name, folder, { ...node, config: { ...node.config, resetToSnapshot } }, () => Promise.resolve());
        if (!put.ok) return put;
      }
      return this.#mergeImages(folder);
    });
  }

  /** Images that are needed by one other alone become part of it. Interrupted, it goes on another time. */
  async #mergeImages(folder: SnapshotFolder): Promise<Result<Nothing>> {
    const isFixed = (image: string): boolean => folder.inPlace?.members.some(({ path }) => path === image) === true;
    for (let merge = nextMerge(folder.tree, isFixed); merge !== undefined; merge = nextMerge(folder.tree, isFixed)) {
      const { disk } = merge;
      const lower = this.#mediaImage(folder, disk, merge.lower);
      const upper = this.#mediaImage(folder, disk, merge.upper);
      const done = await this.#runJob({ kind: 'merge', lower, upper, above: merge.above.map((path) => this.#mediaImage(folder, disk, path)) });
      if (!done.ok) return done;
      const committed = await folder.commit(merged(folder.tree, merge));
      if (!committed.ok) return committed;
    }
    return ok({});
  }

  /** An image of a disk; the disk's own has the format that the settings say. */
  #mediaImage(folder: SnapshotFolder, disk: string, image: string): MediaImage {
    const settings = [...folder.tree.nodes.map(({ config }) => config), this.#configs.get(folder.folder)].flatMap((config) => config?.disks ?? []).find(({ path }) => path === disk);
    const backingFolders = settings === undefined ? [folder.folder] : folder.backingFolders(settings);
    return { path: folder.path(image), format: image === disk ? settings?.format : 'qcow2', backingFolders, bundle: folder.inPlace?.bundle };
  }

  /** The machines' settings as they were read last, by folder. */
  readonly #configs = new Map<string, MachineConfig>();

  async #makeLayer(folder: SnapshotFolder, { path, backing, settings }: PlannedLayer): Promise<Result<unknown>> {
    return this.#runJob(newLayerJob(folder.path(path), { path: folder.path(backing), format: backing === settings.path ? settings.format : 'qcow2', backingFolders: folder.backingFolders(settings), bundle: folder.inPlace?.bundle }));
  }

  /** What a machine's disks hold stays as it is: from now on they write layers. Of a folder that isn't in the library yet. */
  async freezeDisks(path: string, config: MachineConfig): Promise<Result<Nothing>> {
    const opened = await SnapshotFolder.open(path);
    if (!opened.ok) return opened;
    const folder = opened.value;
    const layers = layersFor(folder, config, folder.tree);
    for (const layer of layers) {
      const made = await this.#makeLayer(folder, layer);
      if (!made.ok) return made;
    }
    const committed = await folder.commit(withLayers(folder.tree, layers));
    return committed.ok ? ok({}) : committed;
  }

  #runJob(job: MediaJob): Promise<Result<unknown>> {
    return runMediaJob({ program: this.#options.paths.mediaProcess, waiting: this.#mediaProcess, job, answer: mediaDoneSchema, progress: () => {}, signal: new AbortController().signal });
  }

  async #saveState(connection: VmConnection, folder: SnapshotFolder, path: string, how: { readonly thenHold: boolean; readonly isKept: boolean }):
  Promise<Savable<{ readonly saved: SavedState; readonly path: string }>> {
    // Files that are there as long as their snapshots are; those of deleted snapshots would be kept for this one alone.
    const { tree } = folder;
    const mayCountOn = [...statesNeeded(tree, tree.nodes.map(({ memory }) => memory))];
    const answer = await connection.saveState({ path: folder.path(path), mayCountOn, ...how });
    if (!answer.ok) return answer;
    return { ok: true, value: { saved: answer.value, path } };
  }

  async #open(name: string): Promise<Result<Opened>> {
    const found = await this.#options.library.findWhole(name);
    if (!found.ok) return found;
    const folder = await SnapshotFolder.open(found.value.folder);
    if (!folder.ok) return folder;
    if (folder.value.tree.configToRestore !== undefined && !this.#options.supervisor.isOn(name)) {
      const { configToRestore } = folder.value.tree;
      const settled = await this.#settleConfig(name, folder.value);
      if (!settled.ok) return settled;
      this.#configs.set(found.value.folder, configToRestore);
      return ok({ folder: folder.value, config: configToRestore });
    }
    this.#configs.set(found.value.folder, found.value.config);
    return ok({ folder: folder.value, config: found.value.config });
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    while (this.#last.size > 0) await Promise.all(this.#last.values());
    this.#mediaProcess.close();
  }

  #inTurn<T>(name: string, work: () => Promise<Result<T>>): Promise<Result<T>> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const turn = before.then(work);
    const settled = turn.catch(() => {});
    this.#last.set(name, settled);
    void settled.then(() => { if (this.#last.get(name) === settled) this.#last.delete(name); });
    return turn;
  }
}

function newLayerJob(path: string, backing: MediaImage): MediaJob {
  return {
    kind: 'create', bytes: undefined, backing,
    target: { path, format: 'qcow2', replace: false, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false },
  };
}

/** A layer that is to be made for a disk. */
interface PlannedLayer {
  /** Number of the disk among the machine's. */
  readonly index: number;
  readonly disk: string;
  readonly path: string;
  readonly backing: string;
  readonly backingName: string;
  readonly settings: DiskConfig;
}

function layersFor(folder: SnapshotFolder, config: MachineConfig, tree: Tree): PlannedLayer[] {
  return config.disks.flatMap((settings, index) => {
    if (!isWritten(settings)) return [];
    const path = folder.newLayer(settings.path);
    const backing = activeImage(tree, settings.path);
    return [{ index, disk: settings.path, path, backing, backingName: backingNameOf(path, backing), settings }];
  });
}

function withLayers(tree: Tree, layers: readonly PlannedLayer[]): Tree {
  return {
    ...tree,
    layers: [...tree.layers, ...layers.map(({ path, disk, backing }) => ({ path, disk, backing }))],
    active: [...tree.active.filter(({ disk }) => !layers.some((layer) => layer.disk === disk)), ...layers.map(({ disk, path }) => ({ disk, layer: path }))],
  };
}

/** From the layer's own folder, in which an image in the VM folder is too. */
function backingNameOf(layer: string, backing: string): string {
  if (isAbsoluteMediumPath(backing)) return backing;
  const [from, to] = [layer, backing].map((path) => path.replaceAll('\\', '/').split('/'));
  return from!.slice(0, -1).join('/') === to!.slice(0, -1).join('/') ? to!.at(-1)! : join(...from!.slice(0, -1).map(() => '..'), ...to!).replaceAll('\\', '/');
}

function isWritten({ readOnly, discardChanges }: DiskConfig): boolean {
  return !readOnly && !discardChanges;
}

/** What a disk holds that forgets its changes is in memory that no state has. */
function savableDisks(config: MachineConfig): Result<Nothing> {
  const forgetful = config.disks.find(({ readOnly, discardChanges }) => discardChanges && !readOnly);
  return forgetful === undefined ? ok({}) : fail('snapshot.forgetful-disk', `the disk ${forgetful.path} forgets its changes, so the running machine can't be saved with it`, 'let it keep its changes, or stop the machine first');
}

function isOfSnapshot(tree: Tree, state: string): boolean {
  return statesNeeded(tree, tree.nodes.map(({ memory }) => memory)).has(state);
}

function withParent({ parent: _, ...node }: SnapshotNode, parent: string | undefined): SnapshotNode {
  return parent === undefined ? node : { ...node, parent };
}

function snapshotOf({ id, name, notes, parent, takenAt, memory, thumbnail }: SnapshotNode): Snapshot {
  return { id, name, notes, takenAt, hasMemory: memory !== undefined, hasThumbnail: thumbnail !== undefined, ...(parent !== undefined && { parent }) };
}
