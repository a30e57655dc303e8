/** The machine thread's module: a worker that runs one machine and never returns to its event loop while that is on. */
import { readFileSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { instructionForms } from '../cpu/interpreter/build-module.ts';
import { Interpreter } from '../cpu/interpreter/interpreter.ts';
import type { MachineThreadStart } from './machine-post.ts';
import { TranslatedRegions } from '../cpu/translator/region-store.ts';
import { runMachine } from './machine-session.ts';
import { StartError } from './start-error.ts';

/** Executions of a block's beginning until it is translated: it must be likely to earn its price. */
const HOT_THRESHOLD = 50;
const given = workerData as MachineThreadStart;
// A build puts the modules beside this file; sources that run as they are find them in the build's folder.
const modules = new URL(import.meta.url.endsWith('.ts') ? '../../../dist/wasm/' : './wasm/', import.meta.url);

runMachine(given, (memory, board) => new Interpreter({
  memory,
  runtime: loadModule('runtime.wasm'),
  interpreter: loadModule('interpreter.wasm'),
  forms: instructionForms(),
  board,
  cpu: 0,
  longMode: given.start.architecture === 'x86_64',
  regions: given.start.accelerator === 'interpreter' ? undefined : (parts) => new TranslatedRegions(parts, { threshold: HOT_THRESHOLD, nowMillis: () => performance.now() }),
}));

function loadModule(name: string): WebAssembly.Module {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = readFileSync(new URL(name, modules));
  } catch {
    throw new StartError('engine.missing', `the CPU engine (${name}) has not been built`, 'run "npm run build"');
  }
  return new WebAssembly.Module(bytes);
}
