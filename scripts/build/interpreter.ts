import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cacheFolder, projectFolder } from './folders.mjs';
import { writeWhole } from './stamp.ts';

/**
 * Runs the interpreter's generator in a process of its own (a fresh load of sources that may just have changed). The
 * module exports `generateInterpreter(): Uint8Array`, the bytes of a WebAssembly module.
 */
export function generateInterpreterModule(entry: string, output: string): void {
  const temporary = join(cacheFolder, 'interpreter.wasm.part');
  mkdirSync(cacheFolder, { recursive: true });
  const program = `
    import { writeFileSync } from 'node:fs';
    const { generateInterpreter } = await import(${JSON.stringify(pathToFileURL(join(projectFolder, entry)).href)});
    if (typeof generateInterpreter !== 'function') throw new Error('the generator exports no generateInterpreter()');
    writeFileSync(${JSON.stringify(temporary)}, await generateInterpreter());
  `;
  const result = spawnSync(process.execPath, ['--input-type=module', '--eval', program], { cwd: projectFolder, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${entry}:\n${result.stderr}`);
  if (statSync(temporary).size === 0) throw new Error(`${entry} produced an empty module`);
  const bytes = readFileSync(temporary);
  new WebAssembly.Module(bytes);
  writeWhole(output, bytes);
  rmSync(temporary);
}
