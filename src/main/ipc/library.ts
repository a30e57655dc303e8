import type { ApiHandlers, LibraryEntry } from '../../shared/api.ts';
import type { LeftOut } from '../../shared/foreign-machine.ts';
import { mediaDoneSchema } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { checkMemoryBytes } from '../../shared/sizes.ts';
import { readBundledGuest } from '../library/bundled-guests.ts';
import type { FoundMachine } from '../library/library.ts';
import { checkHostMemory } from '../machines/host-memory.ts';
import { checkMedium } from '../machines/media-check.ts';
import { runMediaJob } from '../media/media-process.ts';
import { isAbsoluteMediumPath } from '../../shared/machine-config.ts';
import { MachineSettings } from './machine-settings.ts';
import { exportBundle, importBundle } from '../library/exchange.ts';
import { mapForeignMachine } from '../library/foreign-machine.ts';
import { qemuCommand, shellLine } from '../library/qemu-command.ts';
import { startOf } from './machines.ts';
import { exportOvf } from '../library/export-ovf.ts';
import { describeForeign, importForeign } from '../library/import-foreign.ts';
import { mustHaveNoClones } from '../snapshots/clones.ts';
import type { Services } from './services.ts';

/** What a saved state has to find again. */
const HARDWARE: readonly string[] = ['memoryBytes', 'disks', 'cdroms', 'adapters'];

export function libraryHandlers(services: Services): ApiHandlers['library'] {
  const { library, supervisor, snapshots, jobs, inPlace, signers } = services;

  const settings = new MachineSettings(services);
  const entryOf = (found: FoundMachine): Promise<LibraryEntry> => settings.entryOf(found);
  const changed = async (result: Result<FoundMachine>): Promise<Result<LibraryEntry>> => {
    if (!result.ok) return result;
    services.emit({ event: 'library.changed', payload: {} });
    return ok(await entryOf(result.value));
  };
  /** A saved state fits the hardware that it was saved with. */
  const mustHaveNoState = async (name: string): Promise<Result<Record<string, never>>> => {
    const found = await library.find(name);
    return found.ok && await snapshots.hasSavedState(found.value.folder)
      ? fail('machines.has-saved-state', `the machine ${name} has a saved state, which other hardware wouldn't fit`, 'resume it and shut it down, or drop its state with "guesthouse start --cold"') : ok({});
  };
  const mustBeOff = (name: string): Result<Record<string, never>> => (supervisor.isOn(name) ? fail('machines.already-on', `the machine ${name} is on`, 'stop it first') : ok({}));
  const checkMemory = (bytes: number): Result<number> => {
    const sensible = checkMemoryBytes(bytes);
    return sensible.ok ? checkHostMemory(bytes, 0) : sensible;
  };
  const checkMedia = (disks: readonly { path: string; format?: string; readOnly?: boolean; discardChanges?: boolean }[], cdroms: readonly { path?: string | undefined }[], boot: { kernel: string; initrd?: string | undefined } | undefined): Result<unknown> => {
    for (const disk of disks) {
      const checked = isAbsoluteMediumPath(disk.path) ? checkMedium(disk.path, (disk.format ?? 'raw') === 'raw' ? 'raw disk' : 'disk', disk.readOnly !== true && disk.discardChanges !== true) : ok(0);
      if (!checked.ok) return checked;
    }
    for (const cdrom of cdroms) {
      const checked = cdrom.path !== undefined && isAbsoluteMediumPath(cdrom.path) ? checkMedium(cdrom.path, 'CD image', false) : ok(0);
      if (!checked.ok) return checked;
    }
    for (const [path, purpose] of [[boot?.kernel, 'kernel'], [boot?.initrd, 'initrd']] as const) {
      const checked = path !== undefined && isAbsoluteMediumPath(path) ? checkMedium(path, purpose, false) : ok(0);
      if (!checked.ok) return checked;
    }
    return ok(0);
  };

  const importImage = async (name: string, path: string, target: string): Promise<Result<unknown>> => {
    const source = checkMedium(path, 'disk', false);
    if (!source.ok) return source;
    return runMediaJob({
      program: services.paths.mediaProcess, answer: mediaDoneSchema, signal: new AbortController().signal,
      job: {
        kind: 'convert', compress: false, image: { path, format: undefined, backingFolders: [] },
        target: { path: target, format: 'qcow2', replace: false, subformat: undefined, blockBytes: undefined, version: undefined, compression: undefined, lazyRefcounts: false },
      },
      progress: (done) => { services.emit({ event: 'library.importing', payload: { name, done } }); },
    });
  };

  return {
    async list() {
      const found = await library.list();
      return found.ok ? ok({ folder: library.folder, entries: await Promise.all(found.value.map(entryOf)) }) : found;
    },

    async get({ name }) {
      const found = await library.find(name);
      return found.ok ? ok({ ...await entryOf(found.value), bytesOnHost: await library.bytesOnHost(found.value.folder) }) : found;
    },

    async create({ name, newDiskBytes, newDiskBus, importDisk, ...config }) {
      const memory = checkMemory(config.memoryBytes);
      if (!memory.ok) return memory;
      const media = checkMedia(config.disks, config.cdroms, config.directBoot);
      if (!media.ok) return media;
      if (importDisk !== undefined) return changed(await library.create(name, config, { bus: importDisk.bus, importTo: (target) => importImage(name, importDisk.path, target) }));
      return changed(await library.create(name, config, newDiskBytes === undefined ? undefined : { bytes: newDiskBytes, bus: newDiskBus }));
    },

    async createFromBundledGuest({ id, name }) {
      const guest = readBundledGuest(services.paths.guestFolder, id);
      if (!guest.ok) return guest;
      const { facts, diskBus } = guest.value;
      return changed(await library.create(name ?? library.freeName(facts.title),
        { architecture: facts.architecture, memoryBytes: facts.memoryBytes, bundledGuest: id },
        { bytes: facts.diskBytes, bus: diskBus }));
    },

    async importFolder({ folder }) {
      return changed(await library.importFolder(folder));
    },

    async change({ name, changes }) {
      const isHardware = Object.entries(changes).some(([key, value]) => value !== undefined && HARDWARE.includes(key));
      const free = isHardware ? await mustHaveNoState(name) : ok({});
      if (!free.ok) return free;
      if (changes.isTemplate === true) {
        const off = mustBeOff(name);
        if (!off.ok) return off;
      }
      const memory = changes.memoryBytes === undefined ? ok(0) : checkMemory(changes.memoryBytes);
      if (!memory.ok) return memory;
      const media = checkMedia(changes.disks ?? [], changes.cdroms ?? [], changes.directBoot ?? undefined);
      if (!media.ok) return media;
      return settings.change(name, changes, false);
    },

    async export({ name, path, sign, id }) {
      const off = mustBeOff(name);
      if (!off.ok) return off;
      const key = sign ? await signers.ownKey() : ok(undefined);
      return key.ok ? jobs.run(id, (progress, signal) => exportBundle(library, services.paths.mediaProcess, { name, path, signWith: key.value, progress, signal })) : key;
    },

    async import({ path, name, manifestSha256, id }) {
      const made = await jobs.run(id, (progress, signal) => importBundle(library, services.paths.mediaProcess, { path, wanted: name, manifestSha256, progress, signal }));
      return made.ok ? changed(await library.find(made.value)) : made;
    },

    exportOvf({ name, path, id }) {
      const off = mustBeOff(name);
      return off.ok ? jobs.run(id, (progress, signal) => exportOvf(library, services.paths.mediaProcess, name, path, progress, signal)) : Promise.resolve(off);
    },

    async qemuCommand({ name }) {
      const present = await snapshots.settingsNow(name);
      if (!present.ok) return present;
      const { config } = present.value;
      const start = startOf(services, name, config);
      if (!start.ok) return start;
      const command = qemuCommand(name, start.value, config);
      const saved: LeftOut[] = present.value.resumeFrom === undefined ? [] : [{ what: 'snapshots', detail: 'saved state' }];
      return ok({ line: shellLine(command), words: [command.program, ...command.arguments], leftOut: [...command.leftOut, ...saved] });
    },

    async describeForeign({ path, id }) {
      const described = await jobs.run(id, (progress, signal) => describeForeign(services.paths.mediaProcess, path, progress, signal));
      if (!described.ok) return described;
      const { source, name, memoryBytes, outside, disks } = described.value;
      return ok({ source, name, memoryBytes, outside, disks: disks.length, leftOut: [...mapForeignMachine(described.value).leftOut] });
    },

    importForeign({ path, name, allowedOutside, id }) {
      return jobs.run(id, async (progress, signal) => {
        const made = await importForeign(library, services.paths.mediaProcess, { path, name, allowedOutside, progress, signal });
        const found = made.ok ? await changed(await library.find(made.value.name)) : made;
        return made.ok && found.ok ? ok({ entry: found.value, leftOut: [...made.value.leftOut] }) : found as Extract<typeof found, { ok: false }>;
      });
    },

    async inspectBundle({ path }) {
      return inPlace.inspect(path);
    },

    async openBundle({ path, manifestSha256 }) {
      const opened = await inPlace.open(path, manifestSha256);
      return opened.ok ? changed(await library.find(opened.value)) : opened;
    },

    async keep({ name, id }) {
      const off = mustBeOff(name);
      if (!off.ok) return off;
      const kept = await jobs.run(id, (progress, signal) => inPlace.keep(name, progress, signal));
      return kept.ok ? changed(await library.find(name)) : kept;
    },

    async discard({ name }) {
      const off = mustBeOff(name);
      if (!off.ok) return off;
      const discarded = await inPlace.discard(name);
      if (!discarded.ok) return discarded;
      supervisor.forget(name);
      services.emit({ event: 'library.changed', payload: {} });
      return ok({});
    },

    async clone({ name, newName, linked, snapshot }) {
      const made = await snapshots.clone(name, newName, linked, snapshot);
      return made.ok ? changed(await library.find(made.value)) : made;
    },

    async rename({ name, newName }) {
      const off = mustBeOff(name);
      if (!off.ok) return off;
      const free = await mustHaveNoClones(library, name, undefined);
      if (!free.ok) return free;
      const renamed = await library.rename(name, newName);
      if (renamed.ok) supervisor.forget(name);
      return changed(renamed);
    },

    async delete({ name, how }) {
      const off = mustBeOff(name);
      if (!off.ok) return off;
      const free = await mustHaveNoClones(library, name, undefined);
      if (!free.ok) return free;
      const deleted = await library.delete(name, how);
      if (!deleted.ok) return deleted;
      supervisor.forget(name);
      services.emit({ event: 'library.changed', payload: {} });
      return ok({});
    },
  };
}
