/** VM processes as children of plain Node. */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { LineSplitter } from './launcher.ts';
import type { VmLauncher, VmProcess, VmProcessListener } from './launcher.ts';
import type { VmCommand } from '../../shared/vm-protocol.ts';

export class ForkLauncher implements VmLauncher {
  readonly takesPorts = false;
  readonly #modulePath: string;

  /** `modulePath` is the VM process's program. */
  constructor(modulePath: string) {
    this.#modulePath = modulePath;
  }

  launch(machineName: string | undefined, listener: VmProcessListener): VmProcess {
    if (!existsSync(this.#modulePath)) {
      queueMicrotask(() => { listener.exited({ code: null, signal: null, problem: `the VM process's program ${this.#modulePath} is missing` }); });
      return { pid: undefined, post: () => {}, kill: () => {} };
    }
    const child = fork(this.#modulePath, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A process group of its own: Ctrl-C in the terminal is the owner's to handle.
      detached: process.platform !== 'win32',
      execArgv: [],
    });
    let over = false;
    for (const stream of [child.stdout, child.stderr]) {
      const splitter = new LineSplitter((line) => { listener.line(line); });
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => { splitter.write(text); });
      stream?.on('end', () => { splitter.end(); });
    }
    child.on('message', (message) => { listener.message(message); });
    child.on('error', (error) => {
      if (over || child.pid !== undefined) return;
      over = true;
      listener.exited({ code: null, signal: null, problem: error.message });
    });
    // `close` and not `exit`: by then everything that the process said has been read.
    child.on('close', (code, signal) => {
      if (over) return;
      over = true;
      listener.exited({ code, signal, problem: undefined });
    });
    return {
      pid: child.pid,
      post(command: VmCommand) {
        if (child.connected) child.send(command, () => {});
      },
      kill() {
        child.kill('SIGKILL');
      },
    };
  }
}
