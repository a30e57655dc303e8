import { join } from 'node:path';
import type { ApiHandlers } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import type { VmCommand, VmStart } from '../../shared/vm-protocol.ts';
import { readBundledGuest } from '../library/bundled-guests.ts';
import { readInPlace, type InPlace } from '../library/in-place-record.ts';
import { lastLines } from '../machines/machine-log.ts';
import type { RunningMachine } from '../machines/running-machine.ts';
import { vmStartOf } from '../machines/vm-start.ts';
import type { StartMachine } from '../snapshots/snapshots.ts';
import { MachineSettings } from './machine-settings.ts';
import type { Services } from './services.ts';

/** What a machine of the library is started with, by its settings with the images that its disks write now. */
export function startOf({ library, paths }: Services, name: string, config: MachineConfig, inPlace?: InPlace): Result<VmStart> {
  const guest = config.bundledGuest === undefined || config.directBoot !== undefined ? undefined : readBundledGuest(paths.guestFolder, config.bundledGuest);
  if (guest?.ok === false) return guest;
  return vmStartOf(name, config, library.folderOf(name), guest?.value.directBoot, paths, inPlace);
}

/** Starts a machine of the library with the images that its disks write now, perhaps from a saved state. */
export function starterOf(services: Services, name: string, overcommit: boolean): StartMachine {
  const { library, supervisor } = services;
  return async ({ config, configNow, resumeFrom }) => {
    const inPlace = await readInPlace(library.folderOf(name));
    if (!inPlace.ok) return inPlace;
    const start = startOf(services, name, configNow, inPlace.value);
    if (!start.ok) return start;
    return supervisor.start(name, { ...start.value, resumeFrom }, { logFolder: join(library.folderOf(name), 'logs'), logSerial: config.serial.logToFile, config, overcommit });
  };
}

export function machineHandlers(services: Services): ApiHandlers['machines'] {
  const { library, supervisor, snapshots } = services;
  const settings = new MachineSettings(services);

  /** Of a machine that exists. */
  const machine = async (name: string): Promise<Result<RunningMachine>> => {
    if (supervisor.isOn(name)) return ok(supervisor.machine(name));
    const found = await library.find(name);
    return found.ok ? ok(supervisor.machine(name)) : found;
  };
  const send = async (name: string, command: VmCommand): Promise<Result<Record<string, never>>> => {
    const found = await machine(name);
    return found.ok ? found.value.send(command) : found;
  };

  return {
    start: ({ name, cold, overcommit }) => snapshots.start(name, cold, starterOf(services, name, overcommit)),
    save: ({ name }) => snapshots.save(name),
    discardSavedState: ({ name }) => snapshots.discardSavedState(name),

    async pause({ name }) {
      const found = await machine(name);
      return found.ok ? found.value.pause() : found;
    },

    async resume({ name }) {
      const found = await machine(name);
      return found.ok ? found.value.resume() : found;
    },

    async stop({ name, how }) {
      const found = await machine(name);
      if (!found.ok) return found;
      return how === 'acpi' ? found.value.pressPowerButton() : found.value.forceOff();
    },

    async changeDisc({ name, drive, path, force }) {
      const found = await library.findWhole(name);
      if (!found.ok) return found;
      const { cdroms } = found.value.config;
      if (cdroms[drive] === undefined) return fail('machines.no-such-part', `the machine ${name} has no CD drive ${drive + 1}`, 'add one in its settings');
      return settings.change(name, { cdroms: cdroms.map((cdrom, index) => index !== drive ? cdrom : { ...cdrom, path }) }, force);
    },

    async reset({ name }) {
      return send(name, { kind: 'reset' });
    },

    async status({ name }) {
      const found = await machine(name);
      return found.ok ? ok(found.value.status) : found;
    },

    async sendKeys({ name, events }) {
      return send(name, { kind: 'keys', events });
    },

    async typeText({ name, text }) {
      return send(name, { kind: 'type-text', text });
    },

    async pointer({ name, dx, dy, wheel, buttons }) {
      return send(name, { kind: 'pointer', dx, dy, wheel, buttons });
    },

    async serialInput({ name, bytes }) {
      return send(name, { kind: 'serial-input', bytes });
    },

    async screenshot({ name }) {
      const found = await machine(name);
      if (!found.ok) return found;
      const connection = found.value.connected();
      if (!connection.ok) return connection;
      const png = await connection.value.screenshot();
      return png.ok ? ok({ png: png.value as Uint8Array<ArrayBuffer> }) : png;
    },

    async screenText({ name }) {
      const found = await machine(name);
      if (!found.ok) return found;
      const connection = found.value.connected();
      if (!connection.ok) return connection;
      const rows = await connection.value.screenText();
      if (!rows.ok) return rows;
      return ok(rows.value === undefined ? {} : { rows: [...rows.value] });
    },

    async stats({ name }) {
      const found = await machine(name);
      if (!found.ok) return found;
      const connection = found.value.connected();
      return connection.ok ? connection.value.stats() : connection;
    },

    async network({ name }) {
      const found = await machine(name);
      if (!found.ok) return found;
      const connection = found.value.connected();
      if (!connection.ok) return connection;
      const adapters = await connection.value.networkState();
      return adapters.ok ? ok({ adapters: adapters.value }) : adapters;
    },

    async capture({ name, adapter, isOn }) {
      const found = await library.find(name);
      if (!found.ok) return found;
      const connection = supervisor.machine(name).connected();
      if (!connection.ok) return connection;
      const adapters = await connection.value.networkState();
      if (!adapters.ok) return adapters;
      if (adapters.value[adapter] === undefined) return fail('machines.no-such-part', `the machine ${name} has no network adapter ${adapter + 1}`, 'add one in its settings');
      const path = isOn ? join(found.value.folder, 'logs', `network-${adapter + 1}-${new Date().toISOString().replace(/[:.]/g, '-')}.pcapng`) : undefined;
      const changed = await connection.value.change({ kind: 'capture', adapter, path });
      return changed.ok ? ok(path === undefined ? {} : { path }) : changed;
    },

    async logs({ name, lines }) {
      const found = await library.find(name);
      return found.ok ? ok({ lines: lastLines(join(found.value.folder, 'logs', 'machine.log'), lines) }) : found;
    },
  };
}
