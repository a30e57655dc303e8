/** Bundles that run where they are: opened as a machine of the library whose changes are its own, until it is kept or discarded. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { touchesOf } from '../../shared/bundle.ts';
import type { BundleFacts } from '../../shared/bundle.ts';
import { checkMachineName, MACHINE_FILE, parseMachineConfig } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { bundleDoneSchema, openedBundleSchema } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { moveFolder } from '../files/atomic-file.ts';
import { fileError } from '../machines/media-check.ts';
import { runMediaJob } from '../media/media-process.ts';
import { SnapshotFolder } from '../snapshots/snapshot-folder.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import { BUNDLE_SUFFIX, outsideOf } from './exchange.ts';
import { IN_PLACE_FILE, readInPlace, writeInPlace } from './in-place-record.ts';
import type { InPlace } from './in-place-record.ts';
import type { Library } from './library.ts';
import type { Signers } from './signers.ts';

/** Files that the tree of snapshots names, or nothing does any more. */
const OF_SNAPSHOTS = /^(?:state|snapshots)\//;

/** A bundle that somebody looks at: what is small of it in a folder that can become the machine's. */
interface Look {
  readonly path: string;
  readonly stamp: string;
  readonly folder: string;
  readonly facts: Omit<BundleFacts, 'signer' | 'openAs'>;
  readonly signer: string | undefined;
  /** The folder is a machine's, whose disks write layers on the bundle's. */
  readonly prepared: Promise<Result<unknown>>;
}

export interface BundlesInPlaceOptions {
  readonly library: Library;
  readonly snapshots: Snapshots;
  readonly signers: Signers;
  /** The media process's. */
  readonly program: string;
}

export class BundlesInPlace {
  readonly #library: Library;
  readonly #snapshots: Snapshots;
  readonly #signers: Signers;
  readonly #program: string;
  #look: Look | undefined;
  /** One look at a time. */
  #queue: Promise<unknown> = Promise.resolve();
  #looks = 0;

  constructor({ library, snapshots, signers, program }: BundlesInPlaceOptions) {
    this.#library = library;
    this.#snapshots = snapshots;
    this.#signers = signers;
    this.#program = program;
  }

  /** What a bundle holds and its machine may touch, for a look before it runs. Errors: those of the job, `bundle.outside`. */
  inspect(path: string): Promise<Result<BundleFacts>> {
    return this.#inTurn(async () => {
      const look = await this.#lookAt(path);
      if (!look.ok) return look;
      const signer = await this.#signers.describe(look.value.signer);
      if (!signer.ok) return signer;
      const openAs = await this.#openAs(look.value.facts.manifestSha256);
      return ok({ ...look.value.facts, signer: signer.value, ...(openAs !== undefined && { openAs }) });
    });
  }

  /** Resolves with the name of a machine that reads the bundle where it is. `manifestSha256` is of the bundle that was looked at. */
  open(path: string, manifestSha256: string): Promise<Result<string>> {
    return this.#inTurn(async () => {
      const look = await this.#lookAt(path);
      if (!look.ok) return look;
      if (look.value.facts.manifestSha256 !== manifestSha256) return fail('bundle.changed', `${path} has changed since it was looked at`, 'look at it again');
      if (!look.value.facts.runsInPlace) return fail('bundle.boot-files', 'a machine that boots a kernel of its bundle can\'t run in place', 'import the bundle instead');
      const { folder, prepared } = look.value;
      const openAs = await this.#openAs(manifestSha256);
      if (openAs !== undefined) {
        // Wherever the bundle is by now.
        const before = await readInPlace(this.#library.folderOf(openAs));
        if (before.ok && before.value !== undefined && before.value.bundle.path !== path) await writeInPlace(before.value.bundle.folder, { ...before.value, bundle: { ...before.value.bundle, path } });
        return before.ok ? ok(openAs) : before;
      }
      const isReady = await prepared;
      if (!isReady.ok) {
        await this.#forgetLook();
        return isReady;
      }
      const wanted = basename(path).slice(0, -BUNDLE_SUFFIX.length);
      const name = this.#library.freeName(checkMachineName(wanted).ok ? wanted : 'Machine');
      const target = this.#library.folderOf(name);
      this.#look = undefined;
      try {
        await moveFolder(folder, target);
      } catch (error) {
        await rm(folder, { recursive: true, force: true }).catch(() => {});
        return fileError(error, target, 'machine');
      }
      return ok(name);
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(() => this.#forgetLook());
  }

  /** The machine becomes one of its own: all that it needs of the bundle is copied into its folder. */
  async keep(name: string, progress: (done: number) => void, signal: AbortSignal): Promise<Result<Record<string, never>>> {
    const found = await this.#library.findWhole(name);
    if (!found.ok) return found;
    const { folder } = found.value;
    const opened = await SnapshotFolder.open(folder);
    if (!opened.ok) return opened;
    const { inPlace, tree } = opened.value;
    if (inPlace === undefined) return fail('bundle.not-in-place', `the machine ${name} runs in no bundle`, 'it is in the library already');
    const states = new Set(tree.states.map(({ path }) => path));
    const members = inPlace.members.map(({ path }) => path).filter((path) => !OF_SNAPSHOTS.test(path) || states.has(path));
    const kept = await runMediaJob({ program: this.#program, job: { kind: 'keep-bundle', bundle: inPlace.bundle, members }, answer: bundleDoneSchema, progress, signal });
    if (!kept.ok) return kept;
    try {
      await rm(join(folder, IN_PLACE_FILE));
    } catch (error) {
      return fileError(error, folder, 'machine');
    }
    this.#snapshots.machineOff(name);
    return ok({});
  }

  /** The machine and all that it changed go; the bundle stays as it is. */
  async discard(name: string): Promise<Result<Record<string, never>>> {
    const found = await this.#library.find(name);
    if (!found.ok) return found;
    const inPlace = await readInPlace(found.value.folder);
    if (inPlace.ok && inPlace.value === undefined) return fail('bundle.not-in-place', `the machine ${name} runs in no bundle`, 'delete it if it is to go');
    return this.#library.delete(name, 'for-good');
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #forgetLook(): Promise<void> {
    const look = this.#look;
    this.#look = undefined;
    if (look === undefined) return;
    await look.prepared;
    await rm(look.folder, { recursive: true, force: true }).catch(() => {});
  }

  /** As long as the file is the same, what was found in it stays at hand. */
  async #lookAt(path: string): Promise<Result<Look>> {
    let stamp: string;
    let bytes: number;
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(path);
      stamp = [dev, ino, size, mtimeMs, ctimeMs].join(' ');
      bytes = size;
    } catch (error) {
      return fileError(error, path, 'bundle');
    }
    if (this.#look?.path === path && this.#look.stamp === stamp && existsSync(this.#look.folder)) return ok(this.#look);
    await this.#forgetLook();
    const folder = join(this.#library.folder, `.look-${this.#looks++}.${process.pid}.new`);
    const looked = await this.#lookInto(path, bytes, folder);
    if (looked.ok) this.#look = { ...looked.value, path, stamp, folder };
    else await rm(folder, { recursive: true, force: true }).catch(() => {});
    return looked.ok ? ok(this.#look!) : looked;
  }

  async #lookInto(path: string, bytes: number, folder: string): Promise<Result<Pick<Look, 'facts' | 'signer' | 'prepared'>>> {
    try {
      await rm(folder, { recursive: true, force: true });
      const opened = await runMediaJob({ program: this.#program, job: { kind: 'open-bundle', path, folder }, answer: openedBundleSchema, progress: () => {}, signal: new AbortController().signal });
      if (!opened.ok) return opened;
      const config = parseMachineConfig(await readFile(join(folder, MACHINE_FILE), 'utf8'));
      if (!config.ok) return config;
      const outside = await outsideOf(folder, config.value);
      if (!outside.ok) return outside;
      const tree = await SnapshotFolder.open(folder);
      if (!tree.ok) return tree;
      const { nodes, saved } = tree.value.tree;
      const { manifestSha256, signer, unpackedBytes, members } = opened.value;
      const runsInPlace = config.value.directBoot === undefined;
      const facts: Look['facts'] = { manifestSha256, bytes, unpackedBytes, config: config.value, snapshots: nodes.length, hasSavedState: saved !== undefined, touches: touchesOf([config.value, ...nodes.map((node) => node.config)]), runsInPlace };
      const inPlace: InPlace = { bundle: { path, folder, manifestSha256 }, members };
      return ok({ facts, signer, prepared: runsInPlace ? this.#prepare(inPlace, config.value) : Promise.resolve(ok({})) });
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? fail('machine-config.missing', `the bundle ${path} holds no machine`, 'get a complete copy of it') : fileError(error, folder, 'machine');
    }
  }

  /** Makes the folder a machine's while somebody looks. */
  async #prepare(inPlace: InPlace, config: MachineConfig): Promise<Result<unknown>> {
    const { folder } = inPlace.bundle;
    try {
      await mkdir(join(folder, 'logs'), { recursive: true });
      await mkdir(join(folder, 'disks'), { recursive: true });
      await writeInPlace(folder, inPlace);
      return await this.#snapshots.freezeDisks(folder, config);
    } catch (error) {
      return fileError(error, folder, 'machine');
    }
  }

  async #openAs(manifestSha256: string): Promise<string | undefined> {
    const listed = await this.#library.list();
    for (const { name, folder } of listed.ok ? listed.value : []) {
      const inPlace = await readInPlace(folder);
      if (inPlace.ok && inPlace.value?.bundle.manifestSha256 === manifestSha256) return name;
    }
    return undefined;
  }
}
