import { constants } from 'node:fs';
import { access, mkdir, stat } from 'node:fs/promises';
import type { ApiHandlers } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { fileError } from '../machines/media-check.ts';
import type { Services } from './services.ts';

export function preferenceHandlers(services: Services): ApiHandlers['preferences'] {
  return {
    async get() {
      return ok(services.preferences.get());
    },

    async set(changes) {
      if (typeof changes.libraryFolder === 'string') {
        const usable = await checkLibraryFolder(changes.libraryFolder);
        if (!usable.ok) return usable;
      }
      const saved = services.preferences.set(changes);
      if (saved.ok) services.emit({ event: 'preferences.changed', payload: saved.value });
      return saved;
    },
  };
}

/** It is made where it is missing, so that what is chosen is there when the app starts next. Errors: `library.not-a-folder`, `media.no-permission`, … */
async function checkLibraryFolder(folder: string): Promise<Result<string>> {
  try {
    await mkdir(folder, { recursive: true });
    if (!(await stat(folder)).isDirectory()) return fail('library.not-a-folder', `${folder} is not a folder`, 'choose a folder');
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    return ok(folder);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EEXIST' ? fail('library.not-a-folder', `${folder} is not a folder`, 'choose a folder') : fileError(error, folder, 'folder');
  }
}
