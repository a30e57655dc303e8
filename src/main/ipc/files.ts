import { readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { ApiHandlers } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import { fileError } from '../machines/media-check.ts';

const ENTRIES_MAXIMUM = 2000;
/** By their names only; what a file is, its content says when it is chosen. */
const DISK_IMAGES = /\.(?:img|raw|bin|dd|hdd?|qcow2?|vdi|vmdk|vhdx?|vpc)$/i;
const CD_IMAGES = /\.(?:iso|cdr)$/i;
const EXTENSIONS: Readonly<Record<string, RegExp | undefined>> = {
  'disk-image': DISK_IMAGES,
  'cd-image': CD_IMAGES,
  bootable: new RegExp(`${DISK_IMAGES.source}|${CD_IMAGES.source}`, 'i'),
  bundle: /\.guestvmz$/i,
  folder: /^$/,
};

export function fileHandlers(): ApiHandlers['files'] {
  return {
    async browse({ path, purpose }) {
      const folder = resolve(path === undefined || path === '' ? homedir() : path);
      let found: { name: string; isFolder: boolean; isFile: boolean }[];
      try {
        const entries = await readdir(folder, { withFileTypes: true });
        found = await Promise.all(entries.filter((entry) => !entry.name.startsWith('.')).map(async (entry) => {
          const target = entry.isSymbolicLink() ? await stat(join(folder, entry.name)).catch(() => entry) : entry;
          return { name: entry.name, isFolder: target.isDirectory(), isFile: target.isFile() };
        }));
      } catch (error) {
        return fileError(error, folder, 'folder');
      }
      const wanted = EXTENSIONS[purpose];
      const shown = found.filter((entry) => entry.isFolder || (entry.isFile && (wanted === undefined || wanted.test(entry.name))))
        .toSorted((one, other) => Number(other.isFolder) - Number(one.isFolder) || one.name.localeCompare(other.name));
      const entries = await Promise.all(shown.slice(0, ENTRIES_MAXIMUM).map(async ({ name, isFolder }) => {
        const full = join(folder, name);
        const bytes = isFolder ? undefined : (await stat(full).catch(() => undefined))?.size;
        return { name, path: full, kind: isFolder ? 'folder' as const : 'file' as const, ...(bytes === undefined ? {} : { bytes }) };
      }));
      const parent = dirname(folder);
      return ok({ path: folder, ...(parent === folder ? {} : { parent }), entries, truncated: shown.length > ENTRIES_MAXIMUM });
    },
  };
}
