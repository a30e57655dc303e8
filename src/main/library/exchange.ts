/** Machines to and from bundles. What is in a bundle is read by a media process; what its machine would touch is judged here. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { checkMachineName, isAbsoluteMediumPath, MACHINE_FILE, parseMachineConfig } from '../../shared/machine-config.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { bundleDoneSchema } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { moveFolder } from '../files/atomic-file.ts';
import { fileError } from '../machines/media-check.ts';
import { runMediaJob } from '../media/media-process.ts';
import type { JobControl } from '../media/running-jobs.ts';
import { SnapshotFolder } from '../snapshots/snapshot-folder.ts';
import { readInPlace } from './in-place-record.ts';
import type { Library } from './library.ts';

export const BUNDLE_SUFFIX = '.guestvmz';

export interface BundleExport extends JobControl {
  readonly name: string;
  readonly path: string;
  /** A private key as PEM. */
  readonly signWith: string | undefined;
}

/** A machine that is off. Errors: `bundle.outside`, `bundle.exists`, those of the job. */
export async function exportBundle(library: Library, program: string, { name, path, signWith, progress, signal }: BundleExport): Promise<Result<{ bytes: number }>> {
  const found = await library.findWhole(name);
  if (!found.ok) return found;
  const inPlace = await readInPlace(found.value.folder);
  if (!inPlace.ok || inPlace.value !== undefined) return fail('bundle.in-place', `the machine ${name} runs in its bundle`, 'keep it first: guesthouse keep NAME');
  const outside = await outsideOf(found.value.folder, found.value.config);
  if (!outside.ok) return outside;
  if (!isAbsolute(path)) return fail('bundle.no-path', 'the bundle needs a full path', 'give one');
  if (existsSync(path)) return fail('bundle.exists', `${path} exists already`, 'choose another name, or remove it first');
  return runMediaJob({ program, job: { kind: 'export-bundle', folder: resolve(found.value.folder), path, signWith }, answer: bundleDoneSchema, progress, signal });
}

export interface BundleImport extends JobControl {
  readonly path: string;
  /** What to call it. */
  readonly wanted: string | undefined;
  /** Of the bundle that somebody has looked at. */
  readonly manifestSha256: string | undefined;
}

/** Resolves with the new machine's name: the wanted one, or the bundle's. */
export async function importBundle(library: Library, program: string, { path, wanted, manifestSha256, progress, signal }: BundleImport): Promise<Result<string>> {
  const name = checkMachineName(wanted ?? basename(path).replace(new RegExp(`${BUNDLE_SUFFIX.replace('.', '\\.')}$`, 'i'), ''));
  if (!name.ok) return name;
  const target = library.folderOf(name.value);
  if (existsSync(target)) return fail('library.name-taken', `there is already a machine ${name.value}`, 'choose another name: --name NEW');
  const beside = join(library.folder, `.${name.value}.${process.pid}.new`);
  try {
    await rm(beside, { recursive: true, force: true });
    const read = await runMediaJob({ program, job: { kind: 'import-bundle', path, folder: beside, manifestSha256 }, answer: bundleDoneSchema, progress, signal });
    if (!read.ok) return read;
    const config = parseMachineConfig(await readFile(join(beside, MACHINE_FILE), 'utf8'));
    const judged = config.ok ? await outsideOf(beside, config.value) : config;
    if (!judged.ok) {
      await rm(beside, { recursive: true, force: true });
      return judged;
    }
    await mkdir(join(beside, 'logs'), { recursive: true });
    await moveFolder(beside, target);
    return ok(name.value);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {});
    return fileError(error, target, 'machine');
  }
}

/** A bundle holds all that its machine needs, and its machine reaches for nothing else on the host. */
export async function outsideOf(folder: string, config: MachineConfig): Promise<Result<Record<string, never>>> {
  const opened = await SnapshotFolder.open(folder);
  if (!opened.ok) return opened;
  for (const { disks, cdroms, directBoot, linkedTo } of [config, ...opened.value.tree.nodes.map((node) => node.config)]) {
    const paths = [...disks.map(({ path }) => path), ...cdroms.map(({ path }) => path), directBoot?.kernel, directBoot?.initrd].filter((path) => path !== undefined);
    const outside = paths.find(isAbsoluteMediumPath) ?? disks.flatMap(({ backingFolders }) => backingFolders)[0] ?? (linkedTo === undefined ? undefined : `the machine ${linkedTo.machine}`);
    if (outside !== undefined) return fail('bundle.outside', `the machine needs ${outside}, which is not in its folder`, 'move it into the machine\'s folder and attach it from there, or take it out');
  }
  return ok({});
}
