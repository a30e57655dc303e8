/** The compile thread's module: a worker that compiles what the machine thread asks for, as much at a time as waits. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { parentPort } from 'node:worker_threads';
import { RegionBuilder, type CompiledBatch, type CompileRequest } from '../cpu/translator/region-compiler.ts';
import { listRegion } from '../cpu/translator/region-listing.ts';
import type { CompileOrder, CompileThreadStart } from './compile-thread.ts';
import { compileBehindTheGuest } from './thread-priority.ts';

/** Regions in one module: a module has a fixed price, and its functions reach each other at less cost. */
const BATCH = 24;
/** Code that became hot together is compiled together: its regions become one before they are compiled, and not after. */
const GATHER_MILLIS = 10;

parentPort!.once('message', (given: CompileThreadStart) => {
  // V8 would compile each function when it is first called, on the machine thread. What is asked for here will be called. The
  // flag is the whole process's: by now the engine has been compiled, of which much is never called.
  setFlagsFromString('--no-wasm-lazy-compilation');
  compileBehindTheGuest();
  compileFor(given);
});

function compileFor({ memory, cpuBase, port, listingPath }: CompileThreadStart): void {
  const newBuilder = (): RegionBuilder => {
    const made = new RegionBuilder(memory.buffer, cpuBase, () => performance.now());
    if (listingPath !== undefined) made.onRegion = (code, rip) => { appendFileSync(listingPath, `region at ${rip.toString(16)}: ${listRegion(code, cpuBase, 'inside')}\n`); };
    return made;
  };
  if (listingPath !== undefined) writeFileSync(listingPath, '');
  let builder = newBuilder();
  let waiting: CompileRequest[] = [];

  port.on('message', (order: CompileOrder) => {
    if (order.kind === 'forget') builder.forget(order.ids);
    else if (waiting.push(order.request) === 1) setTimeout(compile, GATHER_MILLIS);
  });

  /**
   * Code that can't be compiled stays interpreted; `--stats` counts such batches. It is a mistake of ours, or the code arena was emptied
   * while it was read. What the builder knows of regions is half of the batch then, and is forgotten: some code is compiled once more.
   */
  function compiled(batch: readonly CompileRequest[]): CompiledBatch {
    try {
      const { used_heap_size: used, malloced_memory: malloced } = getHeapStatistics();
      return { ...builder.build(batch), heapBytes: used + malloced };
    } catch (error) {
      process.stderr.write(`compile thread: ${String(error)}\n`);
      builder = newBuilder();
      return { regions: [], cold: batch.map(({ id }) => id), taken: [], millis: 0, failed: true };
    }
  }

  function compile(): void {
    const batch = waiting.slice(0, BATCH);
    waiting = waiting.slice(BATCH);
    port.postMessage(compiled(batch));
    if (waiting.length > 0) setImmediate(compile);
  }
}
