/** The machine thread's module: a worker that runs one machine and never returns to its event loop while that is on. */
import { parentPort } from 'node:worker_threads';
import { instructionForms } from '../cpu/interpreter/build-module.ts';
import { Interpreter } from '../cpu/interpreter/interpreter.ts';
import { TranslatedRegions } from '../cpu/translator/region-store.ts';
import { CompileThread } from './compile-thread.ts';
import type { MachineThreadOrder } from './machine-post.ts';
import { runMachine } from './machine-session.ts';
import { forgetRehearsal, rehearse } from './rehearsal.ts';

/** Executions of a block's beginning until it is translated: enough to show that it will earn the price. */
const HOT_THRESHOLD = 1000;

function threadMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

// While the control thread still opens what the machine is made of.
const forms = instructionForms();
const compileThread = new CompileThread();

parentPort!.on('message', (order: MachineThreadOrder) => {
  if (order.kind === 'rehearse') {
    const saved = rehearse(order, (memory, board) => new Interpreter({ memory, ...order.engine, forms, board, cpu: 0, longMode: true }));
    forgetRehearsal();
    parentPort!.postMessage(saved);
    return;
  }
  // It ends with its machine.
  parentPort!.removeAllListeners('message');
  const { start, engine } = order;
  const isTranslated = start.accelerator !== 'interpreter';
  if (!isTranslated) compileThread.end();
  runMachine(order, (memory, board) => new Interpreter({
    memory,
    ...engine,
    forms,
    board,
    cpu: 0,
    longMode: start.architecture === 'x86_64',
    regions: isTranslated ? (parts) => new TranslatedRegions(parts, { threshold: HOT_THRESHOLD, compiler: compileThread.compilerFor(memory, parts.base, start.regionListingPath), threadMicros }) : undefined,
  }));
});
