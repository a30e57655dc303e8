/** The machine thread's module: a worker that runs one machine and never returns to its event loop while that is on. */
import { parentPort } from 'node:worker_threads';
import { instructionForms } from '../cpu/interpreter/build-module.ts';
import { Interpreter } from '../cpu/interpreter/interpreter.ts';
import { TranslatedRegions } from '../cpu/translator/region-store.ts';
import { CompileThread } from './compile-thread.ts';
import type { MachineThreadStart } from './machine-post.ts';
import { runMachine } from './machine-session.ts';

/** Executions of a block's beginning until it is translated: enough to show that it will earn the price. */
const HOT_THRESHOLD = 1000;

// While the control thread still opens what the machine is made of.
const forms = instructionForms();

parentPort!.once('message', (given: MachineThreadStart) => {
  const translated = given.start.accelerator !== 'interpreter';
  runMachine(given, (memory, board) => new Interpreter({
    memory,
    ...given.engine,
    forms,
    board,
    cpu: 0,
    longMode: given.start.architecture === 'x86_64',
    regions: translated ? (parts) => new TranslatedRegions(parts, { threshold: HOT_THRESHOLD, compiler: new CompileThread(memory, parts.base) }) : undefined,
  }));
});
