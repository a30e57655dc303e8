/** Every machine that is on or was since the app started, by name. One supervisor owns a library. */
import { realpathSync } from 'node:fs';
import { MACHINE_OFF } from '../../shared/api.ts';
import type { MachineStatus } from '../../shared/api.ts';
import { fail } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { VmStart } from '../../shared/vm-protocol.ts';
import { checkHostMemory } from './host-memory.ts';
import type { VmLauncher } from './launcher.ts';
import { RunningMachine } from './running-machine.ts';

export interface SupervisorListener {
  status(name: string, status: MachineStatus): void;
  warning(name: string, message: string): void;
  memoryLoaded(name: string): void;
}

export class Supervisor {
  readonly launcher: VmLauncher;
  readonly #listener: SupervisorListener;
  readonly #machines = new Map<string, RunningMachine>();
  readonly #starts = new Map<string, VmStart>();

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
      });
      this.#machines.set(name, machine);
    }
    return machine;
  }

  /** Forgets what is remembered of a machine that is off (it was deleted or renamed). */
  forget(name: string): void {
    if (!this.isOn(name)) this.#machines.delete(name);
  }

  async start(name: string, start: VmStart, options: { readonly logFolder: string; readonly logSerial: boolean }): Promise<Result<MachineStatus>> {
    const machine = this.machine(name);
    if (machine.isOn) return fail('machines.already-on', `the machine ${name} is already on`, 'stop it first to start it anew');
    const others = this.running.map((other) => this.#starts.get(other.name)).filter((other) => other !== undefined);
    const memory = checkHostMemory(start.memoryBytes, others.reduce((sum, other) => sum + other.memoryBytes, 0));
    if (!memory.ok) return memory;
    const conflict = findSharedDisk(start, others);
    if (conflict !== undefined) return fail('media.in-use', `the disk ${conflict.path} is in use by the machine ${conflict.user}`, 'stop that machine, or attach the disk read-only');
    this.#starts.set(name, start);
    return machine.start(start, options);
  }

  /** Ends every machine now. */
  async close(): Promise<void> {
    await Promise.all(this.running.map((machine) => machine.forceOff()));
  }
}

/** A disk that one machine writes must be nobody else's. */
function findSharedDisk(start: VmStart, others: readonly VmStart[]): { path: string; user: string } | undefined {
  const writes = (disk: VmStart['disks'][number]): boolean => !disk.readOnly && !disk.discardChanges;
  for (const disk of start.disks) {
    for (const other of others) {
      const shared = other.disks.some((theirs) => (writes(disk) || writes(theirs)) && sameFile(disk.path, theirs.path));
      if (shared) return { path: disk.path, user: other.name };
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
