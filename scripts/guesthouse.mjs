#!/usr/bin/env node
/**
 * The command line in a checkout: sets up and builds only what is out of date, silently, then becomes the command. Plain
 * JavaScript, as it may be started by a Node that is older than ours; it goes on in ours.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keepCompiledCode } from './build/compiled-code.mjs';
import { distFolder } from './build/folders.mjs';
import { isReadyToRun, setUp } from './setup.mjs';

const verbs = process.argv.slice(2);

async function main() {
  keepCompiledCode();
  const { npmPackagesAreCurrent, projectNode } = await import('./setup/npm-packages.mjs');
  // A missing asset is the command's to report, if it needs it; without the packages nothing works.
  if (!await isReadyToRun() && !await setUp({ extent: 'run' }) && !npmPackagesAreCurrent()) {
    process.exitCode = 1;
    return;
  }
  if (Number(process.versions.node.split('.')[0]) < 26) {
    becomeChild(projectNode);
    return;
  }
  const { buildTargets } = await import('./build/steps.ts');
  const built = await buildTargets(verbs[0] === 'serve' ? 'all' : 'command-line', { quiet: true });
  const command = join(distFolder, 'cli.js');
  if (!built || !existsSync(command)) {
    process.stderr.write('guesthouse: the command line could not be built: see above, or run npm run build\n');
    process.exitCode = 1;
    return;
  }
  await import(command);
}

/** @param {string} node */
function becomeChild(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...verbs], { stdio: 'inherit' });
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}

await main();
