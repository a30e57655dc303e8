/** Programs of the benchmark's own, compiled by the host's compiler and kept under a name that depends on all that went in. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder } from '../../scripts/build/folders.mjs';

const programsFolder = join(cacheFolder, 'bench-kernels');

/** @returns path of the program; `included` are files beside the source that it depends on */
export function compiledProgram(source: string, flags: readonly string[], included: readonly string[] = []): string {
  const hash = createHash('sha256').update(JSON.stringify(flags));
  for (const file of [source, ...included]) hash.update(readFileSync(file));
  const target = join(programsFolder, `${basename(source, '.c')}-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(target)) return target;
  mkdirSync(programsFolder, { recursive: true });
  const made = `${target}.${process.pid}`;
  execFileSync('cc', [...flags, '-o', made, source], { stdio: ['ignore', 'ignore', 'pipe'] });
  renameSync(made, target);
  return target;
}
