/** A copy of what was built, so that a build during the run doesn't change or break what is measured. */
import { copyFileSync, cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, distFolder } from '../../scripts/build/folders.mjs';

let folder: string | undefined;

/** Made when it is first asked for; gone when this process ends. */
function frozenFolder(): string {
  if (folder !== undefined) return folder;
  // In the checkout: what is built finds its packages and assets above itself.
  const made = mkdtempSync(join(cacheFolder, 'bench-'));
  process.on('exit', () => { rmSync(made, { recursive: true, force: true }); });
  for (const name of readdirSync(distFolder).filter((file) => /\.c?js$/.test(file))) copyFileSync(join(distFolder, name), join(made, name));
  cpSync(join(distFolder, 'wasm'), join(made, 'wasm'), { recursive: true });
  folder = made;
  return made;
}

export function vmProcessFile(): string {
  return join(frozenFolder(), 'vm-process.js');
}

export function commandLineFile(): string {
  return join(frozenFolder(), 'cli.js');
}
