/** Bundles that run where they are: opened as a machine of the library whose changes are its own, until it is kept or discarded. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { checkMachineName, MACHINE_FILE, parseMachineConfig } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { bundleDoneSchema, openedBundleSchema } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { fileError } from '../machines/media-check.ts';
import { runMediaJob } from '../media/media-process.ts';
import { SnapshotFolder } from '../snapshots/snapshot-folder.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';
import { BUNDLE_SUFFIX, outsideOf } from './exchange.ts';
import { IN_PLACE_FILE, readInPlace, writeInPlace } from './in-place-record.ts';
import type { Library } from './library.ts';

/** Files that the tree of snapshots names, or nothing does any more. */
const OF_SNAPSHOTS = /^(?:state|snapshots)\//;

export interface BundleFacts {
  readonly manifestSha256: string;
  readonly config: MachineConfig;
  readonly hasSavedState: boolean;
  /** The machine as which it is open already. */
  readonly openAs?: string;
}

export class BundlesInPlace {
  readonly #library: Library;
  readonly #snapshots: Snapshots;
  readonly #program: string;

  /** `program` is the media process's. */
  constructor(library: Library, snapshots: Snapshots, program: string) {
    this.#library = library;
    this.#snapshots = snapshots;
    this.#program = program;
  }

  /** What a bundle holds and its machine may touch, for a look before it runs. Errors: those of the job, `bundle.outside`. */
  inspect(path: string): Promise<Result<BundleFacts>> {
    return this.#take(path, '.inspect', async (_folder, facts) => ok(facts));
  }

  /** Resolves with the name of a machine that reads the bundle where it is. `manifestSha256` is of the bundle that was looked at. */
  async open(path: string, manifestSha256: string): Promise<Result<string>> {
    const wanted = basename(path).slice(0, -BUNDLE_SUFFIX.length);
    const name = this.#library.freeName(checkMachineName(wanted).ok ? wanted : 'Machine');
    const target = this.#library.folderOf(name);
    return this.#take(path, `.${name}`, async (beside, facts, members) => {
      if (facts.manifestSha256 !== manifestSha256) return fail('bundle.changed', `${path} has changed since it was looked at`, 'look at it again');
      if (facts.openAs !== undefined) {
        // Wherever the bundle is by now.
        await writeInPlace(this.#library.folderOf(facts.openAs), { bundle: { path, folder: this.#library.folderOf(facts.openAs), manifestSha256 }, members });
        return ok(facts.openAs);
      }
      await mkdir(join(beside, 'logs'), { recursive: true });
      await mkdir(join(beside, 'disks'), { recursive: true });
      await writeInPlace(beside, { bundle: { path, folder: beside, manifestSha256 }, members });
      const frozen = await this.#snapshots.freezeDisks(beside, facts.config);
      if (!frozen.ok) return frozen;
      await rename(beside, target);
      return ok(name);
    });
  }

  /** The machine becomes one of its own: all that it needs of the bundle is copied into its folder. */
  async keep(name: string): Promise<Result<Record<string, never>>> {
    const found = await this.#library.findWhole(name);
    if (!found.ok) return found;
    const { folder } = found.value;
    const opened = await SnapshotFolder.open(folder);
    if (!opened.ok) return opened;
    const { inPlace, tree } = opened.value;
    if (inPlace === undefined) return fail('bundle.not-in-place', `the machine ${name} runs in no bundle`, 'it is in the library already');
    const states = new Set(tree.states.map(({ path }) => path));
    const members = inPlace.members.map(({ path }) => path).filter((path) => !OF_SNAPSHOTS.test(path) || states.has(path));
    const kept = await runMediaJob({ program: this.#program, job: { kind: 'keep-bundle', bundle: inPlace.bundle, members }, answer: bundleDoneSchema, progress: () => {}, signal: new AbortController().signal });
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

  /** What is small of the bundle in a folder beside the machines, which is gone afterwards unless `use` has moved it. */
  async #take<T>(path: string, stem: string, use: (folder: string, facts: BundleFacts, members: { path: string; bytes: number }[]) => Promise<Result<T>>): Promise<Result<T>> {
    const beside = join(this.#library.folder, `${stem}.${process.pid}.new`);
    try {
      await rm(beside, { recursive: true, force: true });
      const opened = await runMediaJob({ program: this.#program, job: { kind: 'open-bundle', path, folder: beside }, answer: openedBundleSchema, progress: () => {}, signal: new AbortController().signal });
      if (!opened.ok) return opened;
      const config = parseMachineConfig(await readFile(join(beside, MACHINE_FILE), 'utf8'));
      if (!config.ok) return config;
      const outside = await outsideOf(beside, config.value);
      if (!outside.ok) return outside;
      if (config.value.directBoot !== undefined) return fail('bundle.boot-files', 'a machine that boots a kernel of its bundle can\'t run in place', 'import the bundle instead');
      const { manifestSha256, members } = opened.value;
      const openAs = await this.#openAs(manifestSha256);
      return await use(beside, { manifestSha256, config: config.value, hasSavedState: await this.#snapshots.hasSavedState(beside), ...(openAs !== undefined && { openAs }) }, members);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? fail('machine-config.missing', `the bundle ${path} holds no machine`, 'get a complete copy of it') : fileError(error, beside, 'machine');
    } finally {
      if (existsSync(beside)) await rm(beside, { recursive: true, force: true }).catch(() => {});
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
