import { join } from 'node:path';
import type { ApiHandlers, MachineStatus } from '../../shared/api.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { ResumeFrom, VmCommand } from '../../shared/vm-protocol.ts';
import { readBundledGuest } from '../library/bundled-guests.ts';
import { lastLines } from '../machines/machine-log.ts';
import type { RunningMachine } from '../machines/running-machine.ts';
import { vmStartOf } from '../machines/vm-start.ts';
import type { Services } from './services.ts';

/** Starts a machine of the library with the images that its disks write now, perhaps from a saved state. */
export function starterOf({ library, supervisor, paths }: Services, name: string): (config: MachineConfig, resumeFrom: ResumeFrom | undefined) => Promise<Result<MachineStatus>> {
  return async (config, resumeFrom) => {
    const folder = library.folderOf(name);
    const guest = config.bundledGuest === undefined || config.directBoot !== undefined ? undefined : readBundledGuest(paths.guestFolder, config.bundledGuest);
    if (guest?.ok === false) return guest;
    const start = vmStartOf(name, config, folder, guest?.value.directBoot, paths);
    if (!start.ok) return start;
    return supervisor.start(name, { ...start.value, resumeFrom }, { logFolder: join(folder, 'logs'), logSerial: config.serial.logToFile });
  };
}

export function machineHandlers(services: Services): ApiHandlers['machines'] {
  const { library, supervisor, snapshots, paths } = services;

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
    start: ({ name, cold }) => snapshots.start(name, cold, starterOf(services, name)),
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

    async logs({ name, lines }) {
      const found = await library.find(name);
      return found.ok ? ok({ lines: lastLines(join(found.value.folder, 'logs', 'machine.log'), lines) }) : found;
    },
  };
}
