/** How a VM process is started and spoken to, whichever runtime carries it. */
import type { VmCommand } from '../../shared/vm-protocol.ts';

export interface VmProcess {
  readonly pid: number | undefined;
  /** Silently nothing when the process is gone: its exit is reported to the listener. `ports` only where `takesPorts`. */
  post(command: VmCommand, ports?: readonly unknown[]): void;
  /** Ends the process at once. */
  kill(): void;
}

export interface VmProcessListener {
  /** Untrusted. */
  message(message: unknown): void;
  /** A line that the process wrote to its standard output or error. */
  line(line: string): void;
  /** Comes exactly once, and last. `problem` is set when the process could not be started at all. */
  exited(exit: { readonly code: number | null; readonly signal: string | null; readonly problem: string | undefined }): void;
}

export interface VmLauncher {
  /** Message ports can be transferred to the process. */
  readonly takesPorts: boolean;
  /** A process that is not told its machine yet has no name. */
  launch(machineName: string | undefined, listener: VmProcessListener): VmProcess;
}

const LINE_CHARACTERS_MAXIMUM = 2000;

/** Cuts a stream of text into lines of bounded length. */
export class LineSplitter {
  readonly #emit: (line: string) => void;
  #pending = '';

  constructor(emit: (line: string) => void) {
    this.#emit = emit;
  }

  write(text: string): void {
    const lines = (this.#pending + text).split(/\r?\n/);
    this.#pending = lines.pop() ?? '';
    for (const line of lines) this.#emit(line.slice(0, LINE_CHARACTERS_MAXIMUM));
    if (this.#pending.length > LINE_CHARACTERS_MAXIMUM) this.end();
  }

  end(): void {
    if (this.#pending !== '') this.#emit(this.#pending.slice(0, LINE_CHARACTERS_MAXIMUM));
    this.#pending = '';
  }
}
