import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, projectFolder } from './folders.mjs';
import { writeWhole } from './stamp.ts';

/** 4 GiB: all that a 32-bit WebAssembly memory can have. The board decides how much of it is really made. */
const MAXIMUM_MEMORY_PAGES = 65536;

/** Compiles the CPU's AssemblyScript helpers. They work in the machine's one shared memory, which they import. */
export function compileRuntime(entry: string, output: string): void {
  const temporary = join(cacheFolder, 'runtime.wasm.part');
  mkdirSync(cacheFolder, { recursive: true });
  const result = spawnSync(process.execPath, [
    join(projectFolder, 'node_modules/assemblyscript/bin/asc.js'), entry,
    '--outFile', temporary,
    '--runtime', 'stub',
    '--importMemory', '--sharedMemory', '--maximumMemory', String(MAXIMUM_MEMORY_PAGES),
    '--enable', 'threads', '--enable', 'simd', '--enable', 'bulk-memory',
    '-O3', '--noAssert',
  ], { cwd: projectFolder, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`AssemblyScript:\n${result.stderr || result.stdout}`);
  writeWhole(output, readFileSync(temporary));
  rmSync(temporary);
}
