/** Every machine that is on or was since the app started, by name. One supervisor owns a library. */
import { realpathSync } from 'node:fs';
import { MACHINE_OFF } from '../../shared/api.ts';
import type { MachineStatus } from '../../shared/api.ts';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { VmChange, VmStart } from '../../shared/vm-protocol.ts';
import { checkFreeMemory, checkHostMemory, freeMemory } from './host-memory.ts';
import type { VmLauncher } from './launcher.ts';
import { RunningMachine } from './running-machine.ts';

export interface SupervisorListener {
  status(name: string, status: MachineStatus): void;
  warning(name: string, message: string): void;
  memoryLoaded(name: string): void;
  /** The guest put out the disc of one of its CD drives, which are counted from 0. */
  discEjected(name: string, cdrom: number): void;
}

export interface StartOptions {
  readonly logFolder: string;
  readonly logSerial: boolean;
  /** The settings that `VmStart` was made of. */
  readonly config?: MachineConfig;
  /** Also where the host will have little memory left. */
  readonly overcommit?: boolean;
}

export class Supervisor {
  readonly launcher: VmLauncher;
  readonly #listener: SupervisorListener;
  readonly #machines = new Map<string, RunningMachine>();
  readonly #starts = new Map<string, VmStart>();
  readonly #configs = new Map<string, MachineConfig>();

  constructor(launcher: VmLauncher, listener: SupervisorListener) {
    this.launcher = launcher;
    this.#listener = listener;
  }

  statusOf(name: string): MachineStatus {
    return this.#machines.get(name)?.status ?? MACHINE_OFF;
  }

  isOn(name: string): boolean {
    return this.#machines.get(name)?.isOn ?? false;
  }

  get running(): readonly RunningMachine[] {
    return [...this.#machines.values()].filter((machine) => machine.isOn);
  }

  /** Also of a machine that was never on: its console can be opened before it starts. */
  machine(name: string): RunningMachine {
    let machine = this.#machines.get(name);
    if (machine === undefined) {
      machine = new RunningMachine(name, this.launcher, {
        status: (status) => { this.#listener.status(name, status); },
        warning: (message) => { this.#listener.warning(name, message); },
        memoryLoaded: () => { this.#listener.memoryLoaded(name); },
        discEjected: (drive) => { this.#listener.discEjected(name, drive - (this.startedConfig(name)?.disks.length ?? 0)); },
      });
      this.#machines.set(name, machine);
    }
    return machine;
  }

  /** Forgets what is remembered of a machine that is off (it was deleted or renamed). */
  forget(name: string): void {
    if (!this.isOn(name)) this.#machines.delete(name);
  }

  /** What a machine that is on was started with. */
  startedConfig(name: string): MachineConfig | undefined {
    return this.isOn(name) ? this.#configs.get(name) : undefined;
  }

  async start(name: string, start: VmStart, options: StartOptions): Promise<Result<MachineStatus>> {
    const machine = this.machine(name);
    if (machine.isOn) return fail('machines.already-on', `the machine ${name} is already on`, 'stop it first to start it anew');
    const others = this.running.map((other) => this.#starts.get(other.name)).filter((other) => other !== undefined);
    const memory = checkHostMemory(start.memoryBytes, others.reduce((sum, other) => sum + other.memoryBytes, 0));
    if (!memory.ok) return memory;
    const free = options.overcommit === true ? memory : checkFreeMemory(start.memoryBytes, this.#freeMemory());
    if (!free.ok) return free;
    const conflict = findSharedDisk(start, others);
    if (conflict !== undefined) return fail('media.in-use', `the disk ${conflict.path} is in use by the machine ${conflict.user}`, conflict.isWritten ? 'stop that machine' : 'stop that machine, or attach the disk read-only');
    this.#starts.set(name, start);
    if (options.config === undefined) this.#configs.delete(name);
    else this.#configs.set(name, options.config);
    return machine.start(start, options);
  }

  /** Changes a machine that is on: all of it, or nothing where a part can't be had. */
  async change(name: string, changes: readonly VmChange[], back: readonly VmChange[]): Promise<Result<Record<string, never>>> {
    const connection = this.machine(name).connected();
    if (!connection.ok) return connection;
    for (const change of changes) {
      const conflict = change.kind === 'disc' && change.path !== undefined ? this.#writerOf(change.path) : undefined;
      if (conflict !== undefined) return fail('media.in-use', `the image ${change.kind === 'disc' ? change.path ?? '' : ''} is in use by the machine ${conflict}`, 'stop that machine first');
    }
    for (const change of changes) {
      const made = await connection.value.change(change);
      if (made.ok) continue;
      // What was changed before it goes back as far as it can.
      for (const earlier of back) await connection.value.change(earlier);
      return made;
    }
    const start = this.#starts.get(name);
    if (start !== undefined) this.#starts.set(name, changes.reduce(changedStart, start));
    return ok({});
  }

  #writerOf(path: string): string | undefined {
    return this.running.map((machine) => this.#starts.get(machine.name)).find((start) => start?.disks.some((disk) => isWritten(disk) && disk.path !== undefined && sameFile(disk.path, path)))?.name;
  }

  #freeMemory(): ReturnType<typeof freeMemory> {
    return freeMemory(this.running.flatMap((machine) => {
      const memoryBytes = this.#starts.get(machine.name)?.memoryBytes;
      return memoryBytes === undefined ? [] : [{ memoryBytes, pid: machine.pid }];
    }));
  }

  /** Ends every machine now. */
  async close(): Promise<void> {
    await Promise.all(this.running.map((machine) => machine.forceOff()));
  }
}

/** What a machine would be started with to be as it is after a change. */
function changedStart(start: VmStart, change: VmChange): VmStart {
  return change.kind === 'disc' ? { ...start, disks: start.disks.map((disk, index) => index === change.drive ? { ...disk, path: change.path } : disk) } : start;
}

function isWritten(disk: VmStart['disks'][number]): boolean {
  return !disk.readOnly && !disk.discardChanges;
}

/** A disk that one machine writes must be nobody else's. */
function findSharedDisk(start: VmStart, others: readonly VmStart[]): { readonly path: string; readonly user: string; readonly isWritten: boolean } | undefined {
  for (const disk of start.disks) {
    for (const other of others) {
      const { path } = disk;
      const shared = path === undefined ? undefined : other.disks.find((theirs) => theirs.path !== undefined && (isWritten(disk) || isWritten(theirs)) && sameFile(path, theirs.path));
      if (path !== undefined && shared !== undefined) return { path, user: other.name, isWritten: isWritten(shared) };
    }
  }
  return undefined;
}

function sameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return one === other;
  }
}
