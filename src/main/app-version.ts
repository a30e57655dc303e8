import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { appRoot } from './app-paths.ts';

/** The app's version, from its `package.json`. */
export function appVersion(): string {
  const { version } = JSON.parse(readFileSync(join(appRoot(), 'package.json'), 'utf8')) as { version: string };
  return version;
}
