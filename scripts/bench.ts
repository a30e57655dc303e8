/** `npm run bench`: builds, then hands over to the benchmark with its arguments. `npm run bench -- --help` lists them. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { projectFolder } from './build/folders.mjs';
import { buildTargets } from './build/steps.ts';

if (!await buildTargets('tests', { quiet: true })) process.exit(1);
// By address: the layer of scripts is type-checked without that of tests.
await import(pathToFileURL(join(projectFolder, 'test/bench/main.ts')).href);
