/** The CPU engine as compiled WebAssembly: made on the control thread, run on the machine thread, which share the code. */
import { readFile } from 'node:fs/promises';
import { StartError } from './start-error.ts';

export interface EngineModules {
  readonly runtime: WebAssembly.Module;
  readonly interpreter: WebAssembly.Module;
}

/** Compiles on V8's own threads. Throws `StartError` where a module isn't there. */
export async function loadEngine(folder: URL): Promise<EngineModules> {
  const [runtime, interpreter] = await Promise.all([loadModule('runtime.wasm', folder), loadModule('interpreter.wasm', folder)]);
  return { runtime, interpreter };
}

async function loadModule(name: string, folder: URL): Promise<WebAssembly.Module> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(new URL(name, folder));
  } catch {
    throw new StartError('engine.missing', `the CPU engine (${name}) has not been built`, 'run "npm run build"');
  }
  return await WebAssembly.compile(bytes);
}
