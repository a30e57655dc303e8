import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectFolder } from './folders.mjs';
import { writeWhole } from './stamp.ts';

/**
 * Runs the interpreter's generator, a program that writes the WebAssembly module to the file it is given, in a process of
 * its own: a fresh load of sources that may just have changed.
 */
export function generateInterpreterModule(entry: string, output: string): void {
  const temporary = join(cacheFolder, 'interpreter.wasm.part');
  mkdirSync(cacheFolder, { recursive: true });
  const result = spawnSync(process.execPath, [join(projectFolder, entry), temporary], { cwd: projectFolder, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${entry}:\n${result.stderr}`);
  const bytes = readFileSync(temporary);
  // A module the engine refuses is the generator's failure, not that of whoever loads it later.
  new WebAssembly.Module(bytes);
  writeWhole(output, bytes);
  rmSync(temporary);
}
