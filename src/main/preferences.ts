/** What the person prefers, kept by `conf` (atomic writes). A damaged file is set aside, not obeyed and not fatal. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import Conf from 'conf';
import { readPreferences } from '../shared/preferences.ts';
import type { Preferences } from '../shared/preferences.ts';
import { ok } from '../shared/result.ts';
import { PREFERENCES_FILE } from './app-paths.ts';
import { fileError } from './machines/media-check.ts';
import type { PreferencesStore } from './ipc/services.ts';

export function openPreferences(folder: string): PreferencesStore {
  const path = join(folder, PREFERENCES_FILE);
  const open = (): Conf<Record<string, unknown>> => new Conf<Record<string, unknown>>({ cwd: folder, configName: 'preferences', clearInvalidConfig: false });
  let conf: Conf<Record<string, unknown>> | undefined;
  const store = (): Conf<Record<string, unknown>> => {
    if (conf !== undefined) return conf;
    mkdirSync(folder, { recursive: true });
    try {
      conf = open();
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      renameSync(path, `${path}.damaged`);
      conf = open();
    }
    return conf;
  };
  const get = (): Preferences => {
    try {
      return readPreferences(store().store);
    } catch {
      return readPreferences({});
    }
  };
  return {
    get,
    set(changes) {
      const wanted = readPreferences({ ...get(), ...Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) });
      try {
        store().store = wanted;
        return ok(wanted);
      } catch (error) {
        return fileError(error, path, 'file');
      }
    },
  };
}
