import nodeModule from 'node:module';
import { join } from 'node:path';
import { cacheFolder } from './folders.mjs';

/** Node keeps the code that it compiled, for this process and those it starts: loading is most of what a short command does. */
export function keepCompiledCode() {
  process.env['NODE_COMPILE_CACHE'] ??= join(cacheFolder, 'compiled');
  // Node 22.8 and later; an older one only hands the variable on.
  nodeModule.enableCompileCache?.();
}
