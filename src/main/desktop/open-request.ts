/** What a path that was double-clicked, dropped or given on the command line asks the app to open. */
import { basename, dirname, extname, resolve } from 'node:path';
import { MACHINE_FILE, MACHINE_FOLDER_SUFFIX } from '../../shared/machine-config.ts';

export type OpenRequest =
  /** A machine of the library. */
  | { readonly kind: 'machine'; readonly name: string }
  /** A VM folder elsewhere. */
  | { readonly kind: 'foreign-folder'; readonly folder: string }
  | { readonly kind: 'bundle'; readonly path: string };

export const BUNDLE_SUFFIX = '.guestvmz';

export interface PathFacts { isFolder(path: string): boolean; isFile(path: string): boolean }

/** A VM folder is opened by itself (macOS shows it as one), by the file of its name inside it, or by its `machine.json`. */
export function openRequestOf(path: string, libraryFolder: string, { isFolder, isFile }: PathFacts): OpenRequest | undefined {
  const whole = resolve(path);
  if (extname(whole) === BUNDLE_SUFFIX) return isFile(whole) ? { kind: 'bundle', path: whole } : undefined;
  const isInside = isFile(whole) && (basename(whole) === MACHINE_FILE || extname(whole) === MACHINE_FOLDER_SUFFIX);
  const folder = isInside ? dirname(whole) : whole;
  if (!folder.endsWith(MACHINE_FOLDER_SUFFIX) || !isFolder(folder)) return undefined;
  return dirname(folder) === resolve(libraryFolder) ? { kind: 'machine', name: basename(folder, MACHINE_FOLDER_SUFFIX) } : { kind: 'foreign-folder', folder };
}

/** The files among a command line's words; the program itself, options and the app's folder in a checkout are none. */
export function pathsInArguments(argv: readonly string[]): string[] {
  return argv.slice(1).filter((word) => !word.startsWith('-') && (word.endsWith(MACHINE_FOLDER_SUFFIX) || word.endsWith(BUNDLE_SUFFIX) || basename(word) === MACHINE_FILE));
}
