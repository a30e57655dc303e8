/** `utilityProcess`: a forked process whose `process.parentPort` is made by `utility-child.mjs`. */
import { fork as forkNode } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { MessagePortMain } from './message-ports.ts';

type FromChild = { readonly kind: 'message'; readonly data: unknown } | { readonly kind: 'port-message'; readonly port: number; readonly data: unknown } | { readonly kind: 'port-closed'; readonly port: number };

class UtilityProcess extends EventEmitter {
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly #child: ChildProcess;
  readonly #ports = new Map<number, MessagePortMain>();
  #nextPort = 1;

  constructor(child: ChildProcess) {
    super();
    this.#child = child;
    this.stdout = child.stdout;
    this.stderr = child.stderr;
    child.on('message', (untyped) => {
      const message = untyped as FromChild;
      switch (message.kind) {
        case 'message': this.emit('message', message.data); break;
        case 'port-message': this.#ports.get(message.port)?.postMessage(message.data); break;
        case 'port-closed':
          this.#ports.get(message.port)?.close();
          this.#ports.delete(message.port);
          break;
      }
    });
    child.on('close', (code) => {
      for (const port of this.#ports.values()) port.close();
      this.#ports.clear();
      this.emit('exit', code ?? 1);
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  postMessage(data: unknown, ports: readonly MessagePortMain[] = []): void {
    const ids = ports.map((port) => {
      const id = this.#nextPort++;
      this.#ports.set(id, port);
      return { id, port };
    });
    this.#send({ kind: 'message', data, ports: ids.map(({ id }) => id) });
    for (const { id, port } of ids) {
      port.carry({
        message: (inner) => { this.#send({ kind: 'port-message', port: id, data: inner }); },
        closed: () => {
          this.#ports.delete(id);
          this.#send({ kind: 'port-closed', port: id });
        },
      });
    }
  }

  kill(): boolean {
    return this.#child.kill('SIGTERM');
  }

  #send(message: object): void {
    if (this.#child.connected) this.#child.send(message, () => {});
  }
}

export const utilityProcess = {
  fork(modulePath: string, args: readonly string[] = [], options: { readonly env?: NodeJS.ProcessEnv } = {}): UtilityProcess {
    return new UtilityProcess(forkNode(modulePath, [...args], {
      serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'], env: options.env ?? process.env,
      execArgv: ['--import', fileURLToPath(new URL('./utility-child.mjs', import.meta.url))],
    }));
  },
};
