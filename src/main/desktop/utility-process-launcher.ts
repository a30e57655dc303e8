/** VM processes as Electron utility processes, to which windows' ports can be handed. */
import { existsSync } from 'node:fs';
import type { MessagePortMain, UtilityProcess } from 'electron';
import { LineSplitter } from '../machines/launcher.ts';
import type { VmLauncher, VmProcess, VmProcessListener } from '../machines/launcher.ts';

/** What of Electron's `utilityProcess` is used. */
export interface UtilityProcesses {
  fork(modulePath: string, args: string[], options: { serviceName: string; stdio: 'pipe'; env: NodeJS.ProcessEnv }): UtilityProcess;
}

export class UtilityProcessLauncher implements VmLauncher {
  readonly takesPorts = true;
  readonly #modulePath: string;
  readonly #utilityProcess: UtilityProcesses;

  constructor(modulePath: string, utilityProcess: UtilityProcesses) {
    this.#modulePath = modulePath;
    this.#utilityProcess = utilityProcess;
  }

  launch(machineName: string | undefined, listener: VmProcessListener): VmProcess {
    if (!existsSync(this.#modulePath)) {
      queueMicrotask(() => { listener.exited({ code: null, signal: null, problem: `the VM process's program ${this.#modulePath} is missing` }); });
      return { pid: undefined, post: () => {}, kill: () => {} };
    }
    const child = this.#utilityProcess.fork(this.#modulePath, [], { serviceName: machineName === undefined ? 'Guesthouse: a machine' : `Guesthouse: ${machineName}`, stdio: 'pipe', env: { ...process.env } });
    for (const stream of [child.stdout, child.stderr]) {
      const splitter = new LineSplitter((line) => { listener.line(line); });
      stream?.on('data', (chunk: Buffer) => { splitter.write(chunk.toString('utf8')); });
      stream?.on('end', () => { splitter.end(); });
    }
    let isOver = false;
    child.on('message', (message: unknown) => { listener.message(message); });
    child.once('exit', (code) => {
      isOver = true;
      listener.exited({ code, signal: null, problem: undefined });
    });
    return {
      get pid() {
        return child.pid;
      },
      post(command, ports = []) {
        if (!isOver) child.postMessage(command, ports as MessagePortMain[]);
      },
      kill() {
        // `kill()` asks; a process that hangs needs more.
        if (child.pid === undefined) child.kill();
        else process.kill(child.pid, 'SIGKILL');
      },
    };
  }
}
