/**
 * Decides whether a step's inputs changed since it last succeeded. First by modification time and size; only if these
 * differ are the contents hashed, so that switching branches back and forth rebuilds nothing.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

/** Which files a step reads: files and folders (taken whole), relative to the project; `skip` are path prefixes. */
export type Inputs = { readonly paths: readonly string[]; readonly skip?: readonly string[] };

/** `times` is one line per file, `contentHash` a SHA-256 over names and contents. */
export type Stamp = { readonly times: string; readonly contentHash: string };

export type InputState = { readonly times: string; contentHash(): string };

export function inputState(root: string, inputs: Inputs): InputState {
  const files = inputs.paths.flatMap((path) => filesUnder(join(root, path)))
    .filter((file) => !inputs.skip?.some((prefix) => relative(root, file).startsWith(prefix)));
  const times = files.map((file) => {
    const { mtimeMs, size } = statSync(file);
    return `${relative(root, file)} ${mtimeMs} ${size}`;
  }).join('\n');
  return {
    times,
    contentHash() {
      const hash = createHash('sha256');
      for (const file of files) hash.update(`${relative(root, file)}\0`).update(readFileSync(file)).update('\0');
      return hash.digest('hex');
    },
  };
}

function filesUnder(path: string): string[] {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return [];
  if (!status.isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && !entry.name.endsWith('.md'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const child = join(path, entry.name);
      return entry.isDirectory() ? filesUnder(child) : [child];
    });
}

export function readStamps(file: string): Record<string, Stamp> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, Stamp>;
  } catch {
    return {};
  }
}

export function writeStamps(file: string, stamps: Record<string, Stamp>): void {
  writeWhole(file, JSON.stringify(stamps));
}

/** Writes beside and renames, so that a reader never sees half a file. */
export function writeWhole(file: string, contents: string | Uint8Array): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.${process.pid}.part`;
  writeFileSync(temporary, contents);
  renameSync(temporary, file);
}
