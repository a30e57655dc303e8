/** The compile thread, as the machine thread sees it: requests go, compiled regions are taken without waiting for them. */
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { CompiledBatch, CompileRequest, RegionCompiler } from '../cpu/translator/region-compiler.ts';

export interface CompileWorkerData {
  readonly memory: WebAssembly.Memory;
  readonly cpuBase: number;
  readonly port: MessagePort;
}

/** What the compile thread is sent. */
export type CompileOrder =
  | { readonly kind: 'compile'; readonly request: CompileRequest }
  | { readonly kind: 'forget'; readonly ids: readonly number[] };

export class CompileThread implements RegionCompiler {
  readonly #port: MessagePort;

  constructor(memory: WebAssembly.Memory, cpuBase: number) {
    const { port1, port2 } = new MessageChannel();
    const program = new URL(import.meta.url.endsWith('.ts') ? './compile-worker.ts' : './compile-worker.js', import.meta.url);
    const workerData: CompileWorkerData = { memory, cpuBase, port: port2 };
    new Worker(program, { workerData, transferList: [port2], name: 'compile' }).unref();
    this.#port = port1;
  }

  request(request: CompileRequest): void {
    this.#send({ kind: 'compile', request });
  }
  forget(ids: readonly number[]): void {
    this.#send({ kind: 'forget', ids });
  }
  #send(order: CompileOrder): void {
    this.#port.postMessage(order);
  }
  take(): CompiledBatch | undefined {
    return receiveMessageOnPort(this.#port)?.message as CompiledBatch | undefined;
  }
}
