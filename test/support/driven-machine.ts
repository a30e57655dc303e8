/** The built VM process spoken to directly, as main does. */
import { join } from 'node:path';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { ForkLauncher } from '../../src/main/machines/fork-launcher.ts';
import type { VmLauncher, VmProcess, VmProcessListener } from '../../src/main/machines/launcher.ts';
import { VmConnection } from '../../src/main/machines/vm-connection.ts';
import type { VmExit } from '../../src/main/machines/vm-connection.ts';
import type { SavedState, VmEvent, VmStart } from '../../src/shared/vm-protocol.ts';

const vmProcess = join(projectFolder, 'dist/vm-process.js');
const firmware = (name: string): string => join(projectFolder, 'assets/firmware', name);

export const PLAIN_MACHINE: VmStart = {
  name: 'driven', memoryBytes: 128 << 20, architecture: 'x86_64', accelerator: 'interpreter', biosPath: firmware('bios-256k.bin'), vgaBiosPath: firmware('vgabios-stdvga.bin'),
  directBoot: undefined, disks: [], bootOrder: [], adapters: [], time: 'host', rtcEpochSeconds: undefined, seed: undefined, exitPort: undefined, debugPort: undefined, onReset: 'stop',
};

/** Has one process wait, as the app does, without waiting for a quiet moment to start it. */
export class WaitingLauncher implements VmLauncher {
  readonly takesPorts = false;
  readonly isReady: Promise<void>;
  readonly #process: VmProcess;
  #listener: VmProcessListener | undefined;

  constructor({ biosPath, vgaBiosPath }: VmStart) {
    let ready!: () => void;
    this.isReady = new Promise((resolve) => { ready = resolve; });
    this.#process = new ForkLauncher(vmProcess).launch(undefined, {
      message: (message) => {
        if ((message as VmEvent).kind === 'warmed-up') ready();
        this.#listener?.message(message);
      },
      line: (line) => { this.#listener?.line(line); },
      exited: (exit) => { this.#listener?.exited(exit); },
    });
    this.#process.post({ kind: 'warm-up', biosPath, vgaBiosPath });
  }

  get pid(): number {
    return this.#process.pid!;
  }

  launch(_machineName: string | undefined, listener: VmProcessListener): VmProcess {
    this.#listener = listener;
    return this.#process;
  }
}

export class DrivenMachine {
  readonly connection: VmConnection;
  readonly exited: Promise<VmExit>;
  readonly events: VmEvent[] = [];
  readonly startedAt = performance.now();
  serial = '';
  #exit: VmExit | undefined;
  #tell: () => void = () => {};

  constructor(start: VmStart, launcher: VmLauncher = new ForkLauncher(vmProcess)) {
    let settle!: (exit: VmExit) => void;
    this.exited = new Promise((resolve) => { settle = resolve; });
    this.connection = new VmConnection(launcher, start, {
      event: (event) => {
        if (event.kind === 'serial-output') this.serial += Buffer.from(event.bytes).toString('latin1');
        else this.events.push(event);
        this.#tell();
      },
      responsive: () => {},
      logLine: () => {},
      exited: (exit) => {
        this.#exit = exit;
        settle(exit);
        this.#tell();
      },
    });
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      if (this.#exit !== undefined) throw new Error(`the machine ended before ${what}: ${this.#exit.error?.message ?? 'in order'}; it last said ${JSON.stringify(this.serial.slice(-300))}`);
      await new Promise<void>((resolve) => { this.#tell = resolve; });
    }
  }

  printed(text: string): Promise<void> {
    return this.until(() => this.serial.includes(text), `it printed "${text}"`);
  }

  get isReady(): Promise<void> {
    return this.until(() => this.events.some(({ kind }) => kind === 'ready'), 'it was ready');
  }

  /** Saves the state and ends the machine. */
  async save(path: string): Promise<SavedState> {
    const saved = await this.connection.saveState({ path, mayCountOn: [], thenHold: true, isKept: false });
    if (!saved.ok) throw new Error(saved.error.message);
    this.connection.powerOff();
    await this.exited;
    return saved.value;
  }

  /** Saves the state of the machine, which goes on. */
  async snapshot(path: string, mayCountOn: readonly string[] = []): Promise<SavedState> {
    const saved = await this.connection.saveState({ path, mayCountOn, thenHold: false, isKept: true });
    if (!saved.ok) throw new Error(saved.error.message);
    return saved.value;
  }

  async kill(): Promise<void> {
    this.connection.kill();
    await this.exited;
  }
}
