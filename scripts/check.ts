/** `npm run check`: types, lint without warnings, layers, dead code. Runs them all and fails if one does. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { projectFolder } from './build/folders.mjs';
import { printLine } from './build/report.ts';
import { checkLayers } from './check/layers.ts';

function tool(program: string, ...args: string[]): () => boolean {
  return () => spawnSync(process.execPath, [join(projectFolder, 'node_modules', program), ...args],
    { cwd: projectFolder, stdio: 'inherit' }).status === 0;
}

async function layersHold(): Promise<boolean> {
  const { violations, modulesSeen, unseen } = await checkLayers(projectFolder);
  for (const { rule, from, to } of violations) printLine(`layers: ${rule}: ${from} imports ${to}`);
  for (const file of unseen) printLine(`layers: ${file} was not seen by the checker`);
  return violations.length === 0 && unseen.length === 0 && modulesSeen > 0;
}

const checks: Record<string, () => boolean | Promise<boolean>> = {
  types: tool('typescript/bin/tsc', '--build'),
  lint: tool('eslint/bin/eslint.js', '--max-warnings=0', '--cache', '--cache-location', '.cache/eslint', '.'),
  layers: layersHold,
  'dead code': tool('knip/bin/knip.js', '--no-progress'),
};

const wanted = process.argv.slice(2);
const broken: string[] = [];
for (const [name, holds] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (!await holds()) broken.push(name);
}
printLine(broken.length === 0 ? 'check: all is well' : `check: failed: ${broken.join(', ')}`);
process.exitCode = broken.length === 0 ? 0 : 1;
