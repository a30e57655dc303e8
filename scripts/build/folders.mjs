import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

/** The checkout's root folder. */
export const projectFolder = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');
export const cacheFolder = join(projectFolder, '.cache');
export const assetsFolder = join(projectFolder, 'assets');
export const distFolder = join(projectFolder, 'dist');
