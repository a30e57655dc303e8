/** The compile thread, as the machine thread sees it: requests go, compiled regions are taken without waiting for them. */
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { CompiledBatch, CompileRequest, RegionCompiler } from '../cpu/translator/region-compiler.ts';

/** The one message to the thread's worker: for which CPU it compiles. */
export interface CompileThreadStart {
  readonly memory: WebAssembly.Memory;
  readonly cpuBase: number;
  readonly port: MessagePort;
  /** A file that gets a listing of each region. */
  readonly listingPath: string | undefined;
}

/** What the compile thread is sent. */
export type CompileOrder =
  | { readonly kind: 'compile'; readonly request: CompileRequest }
  | { readonly kind: 'forget'; readonly ids: readonly number[] };

/** A batch's objects live as long as the batch, and not much is alive at a time: more would only be memory. */
const YOUNG_GENERATION_MEBIBYTES = 4;

/** Is started before there is a machine. */
export class CompileThread {
  readonly #worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './compile-worker.ts' : './compile-worker.js', import.meta.url), { name: 'compile', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MEBIBYTES } });

  constructor() {
    this.#worker.unref();
  }

  compilerFor(memory: WebAssembly.Memory, cpuBase: number, listingPath?: string): RegionCompiler {
    const { port1, port2 } = new MessageChannel();
    this.#worker.postMessage({ memory, cpuBase, port: port2, listingPath } satisfies CompileThreadStart, [port2]);
    return new CompilePort(port1);
  }

  /** Nothing is to be compiled. */
  end(): void {
    void this.#worker.terminate();
  }
}

class CompilePort implements RegionCompiler {
  readonly #port: MessagePort;

  constructor(port: MessagePort) {
    this.#port = port;
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
