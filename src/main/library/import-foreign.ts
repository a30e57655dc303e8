/** Machines of other programs into the library: their settings as far as there is a place for them, and their disks as qcow2 images. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { foreignMachineSchema } from '../../shared/foreign-machine.ts';
import type { ForeignDisk, ForeignMachine, LeftOut } from '../../shared/foreign-machine.ts';
import { checkMachineName } from '../../shared/machine-config.ts';
import type { MachineConfigInput } from '../../shared/machine-config.ts';
import { mediaDoneSchema } from '../../shared/media-protocol.ts';
import type { MediaJob, MediaTarget } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { runMediaJob } from '../media/media-process.ts';
import { mapForeignMachine } from './foreign-machine.ts';
import type { Library } from './library.ts';

/** Of the whole import: reading and comparing a package, before its disks are converted. */
const DESCRIBING_SHARE = 0.1;

export interface ForeignImport {
  readonly path: string;
  /** The configuration's own name where it isn't given. */
  readonly name: string | undefined;
  /** Files outside the configuration's folder that it may take. */
  readonly allowedOutside: readonly string[];
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

export function describeForeign(program: string, path: string, progress: (done: number) => void, signal: AbortSignal): Promise<Result<ForeignMachine>> {
  return runMediaJob({ program, job: { kind: 'describe-foreign', path }, answer: foreignMachineSchema, progress, signal });
}

/** Errors: those of the jobs, `foreign.outside`, `library.name-taken`, and of the schema. */
export async function importForeign(library: Library, program: string, options: ForeignImport): Promise<Result<{ name: string; leftOut: readonly LeftOut[] }>> {
  const { progress, signal } = options;
  const described = await describeForeign(program, options.path, (done) => { progress(done * DESCRIBING_SHARE); }, signal);
  if (!described.ok) return described;
  const machine = described.value;
  const foreign = machine.outside.filter((path) => !options.allowedOutside.includes(path));
  if (foreign.length > 0) return fail('foreign.outside', `the configuration names files outside its folder: ${foreign.join(', ')}`, 'allow each with --allow-file FILE, or with the window\'s question, if they are this machine\'s');
  const { config, disks, leftOut } = mapForeignMachine(machine);
  const total = Math.max(1, machine.disks.reduce((sum, { bytes }) => sum + bytes, 0));
  let before = 0;
  const made = await library.build(options.name ?? library.freeName(nameFor(machine)), async (folder) => {
    await mkdir(join(folder, 'disks'), { recursive: true });
    const own: MachineConfigInput['disks'] & {} = [];
    for (const [index, disk] of machine.disks.entries()) {
      const place = disks[index];
      if (place === undefined) continue;
      const path = `disks/disk${own.length}.qcow2`;
      const converted = await runMediaJob({
        program, job: jobOf(disk, join(folder, path), machine), answer: mediaDoneSchema, signal,
        progress: (done) => { progress(DESCRIBING_SHARE + (1 - DESCRIBING_SHARE) * (before + done * disk.bytes) / total); },
      });
      if (!converted.ok) return converted;
      before += disk.bytes;
      own.push({ path, format: 'qcow2' as const, ...place });
    }
    return ok({ ...config, disks: own });
  });
  return made.ok ? ok({ name: made.value.name, leftOut }) : made;
}

function jobOf(disk: ForeignDisk, path: string, { folder }: ForeignMachine): MediaJob {
  const target: MediaTarget = { path, format: 'qcow2', replace: false, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false };
  return disk.file === undefined
    ? { kind: 'create', target, bytes: disk.bytes, backing: undefined }
    : { kind: 'convert', target, compress: false, image: { path: disk.file.path, format: disk.format, backingFolders: [folder], within: disk.file.within } };
}

/** As near to the configuration's as a file may be called. */
function nameFor({ name }: ForeignMachine): string {
  // eslint-disable-next-line no-control-regex -- no file may have them
  const plain = name.replace(/[\u0000-\u001f\u007f<>:"/\\|?*\s]+/g, ' ').replace(/^[\s.-]+|[\s.]+$/g, '').slice(0, 60).trim();
  return checkMachineName(plain).ok ? plain : 'Machine';
}
