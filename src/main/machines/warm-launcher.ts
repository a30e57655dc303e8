/**
 * Keeps one VM process waiting for a machine, all its code ready, so that a machine that goes on from a saved state runs at once.
 * It has been told of no machine; whoever gets it is its first and only one.
 */
import type { VmStart } from '../../shared/vm-protocol.ts';
import { MIB } from '../../shared/sizes.ts';
import type { VmLauncher, VmProcess, VmProcessListener } from './launcher.ts';

/** A machine that starts should have the host's processors to itself. */
export const SPARE_DELAY_MILLIS = 2000;
/** With less than this to spare the host has better uses for a process's memory. */
const FREE_MEMORY_NEEDED_BYTES = 512 * MIB;
const LINES_KEPT = 20;

interface Spare {
  readonly process: VmProcess;
  /** Everything from now on is for this listener. */
  handTo(listener: VmProcessListener): void;
}

export class WarmLauncher implements VmLauncher {
  readonly takesPorts: boolean;
  readonly #launcher: VmLauncher;
  readonly #firmware: Pick<VmStart, 'biosPath' | 'vgaBiosPath'>;
  readonly #availableBytes: () => number;
  #spare: Spare | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(launcher: VmLauncher, firmware: Pick<VmStart, 'biosPath' | 'vgaBiosPath'>, availableBytes = (): number => process.availableMemory()) {
    this.takesPorts = launcher.takesPorts;
    this.#launcher = launcher;
    this.#firmware = firmware;
    this.#availableBytes = availableBytes;
    this.#prepareSoon();
  }

  launch(machineName: string, listener: VmProcessListener): VmProcess {
    const spare = this.#spare;
    this.#spare = undefined;
    this.#prepareSoon();
    if (spare === undefined) return this.#launcher.launch(machineName, listener);
    spare.handTo(listener);
    return spare.process;
  }

  /** Ends the process that waits. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#spare?.process.kill();
    this.#spare = undefined;
  }

  #prepareSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (!this.#isClosed && this.#spare === undefined && this.#availableBytes() >= FREE_MEMORY_NEEDED_BYTES) this.#spare = this.#prepare();
    }, SPARE_DELAY_MILLIS);
    this.#timer.unref();
  }

  #prepare(): Spare {
    let owner: VmProcessListener | undefined;
    let lines: string[] = [];
    const process = this.#launcher.launch(undefined, {
      message: (message) => { owner?.message(message); },
      line: (line) => {
        if (owner === undefined) lines = [...lines, line].slice(-LINES_KEPT);
        else owner.line(line);
      },
      exited: (exit) => {
        // The next start tries again: one that can't live must not be started over and over.
        if (this.#spare?.process === process) this.#spare = undefined;
        owner?.exited(exit);
      },
    });
    process.post({ kind: 'warm-up', ...this.#firmware });
    return {
      process,
      handTo(listener) {
        owner = listener;
        for (const line of lines) listener.line(line);
      },
    };
  }
}
