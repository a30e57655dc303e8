import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { assetsFolder, projectFolder } from '../build/folders.mjs';
import { aptIsHere } from './debian-packages.mjs';

/** Identifies what the bundled guest is made with: its own files and the scripts that pack them. */
export function bundledGuestRecipe() {
  const scripts = join(projectFolder, 'scripts');
  const files = [
    'bundled-guest.ts',
    ...readdirSync(join(scripts, 'bundled-guest')).map((name) => `bundled-guest/${name}`),
    ...readdirSync(join(scripts, 'guest-image')).map((name) => `guest-image/${name}`),
  ].filter((name) => !name.endsWith('.md')).sort();
  const hash = createHash('sha256');
  for (const name of files) hash.update(name).update(readFileSync(join(scripts, name)));
  return hash.digest('hex').slice(0, 16);
}

/** Whether the guest is there and, where it can be made, made as the scripts say now. */
export function bundledGuestIsCurrent() {
  const description = join(assetsFolder, 'guest', 'guest.json');
  if (!existsSync(description)) return false;
  if (!aptIsHere()) return true;
  return JSON.parse(readFileSync(description, 'utf8')).recipe === bundledGuestRecipe();
}
