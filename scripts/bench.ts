/** `npm run bench`: builds, then hands over to the benchmark with its arguments. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFolder } from './build/folders.mjs';
import { printLine } from './build/report.ts';
import { buildTargets } from './build/steps.ts';

if (!await buildTargets('tests', { quiet: true })) process.exit(1);
const benchmark = join(projectFolder, 'test/bench/main.ts');
if (existsSync(benchmark)) {
  await import(pathToFileURL(benchmark).href);
} else {
  printLine('bench: test/bench/main.ts does not exist');
  process.exitCode = 1;
}
