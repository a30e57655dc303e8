/** The compile thread's module: a worker that compiles what the machine thread asks for, as much at a time as waits. */
import { workerData } from 'node:worker_threads';
import { RegionBuilder, type CompileRequest } from '../cpu/translator/region-compiler.ts';
import type { CompileWorkerData } from './compile-thread.ts';

/** Regions in one module: a module has a fixed price, and its functions reach each other at less cost. */
const BATCH = 24;

const { memory, cpuBase, port } = workerData as CompileWorkerData;
const builder = new RegionBuilder(memory.buffer, cpuBase, () => performance.now());
let waiting: CompileRequest[] = [];

port.on('message', (request: CompileRequest) => {
  if (waiting.push(request) === 1) setImmediate(compile);
});

function compile(): void {
  const batch = waiting.slice(0, BATCH);
  waiting = waiting.slice(BATCH);
  port.postMessage(builder.build(batch));
  if (waiting.length > 0) setImmediate(compile);
}
