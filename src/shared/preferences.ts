/** What the person prefers: one set for all windows, kept by main. */
import { z } from 'zod';
import { HOST_KEYS, isAbsoluteMediumPath } from './machine-config.ts';
import { DISK_BYTES_MAXIMUM, DISK_BYTES_MINIMUM, MEMORY_BYTES_MAXIMUM, MEMORY_BYTES_MINIMUM } from './sizes.ts';

export const THEMES = ['system', 'light', 'dark', 'contrast'] as const;
export const SORTS = ['own', 'name', 'state', 'memory'] as const;
/** What happens to machines that are on when the app quits. */
export const QUIT_WAYS = ['save', 'ask', 'power-off'] as const;

/** DOM `KeyboardEvent.code`. */
const keyCode = z.string().regex(/^[A-Za-z0-9]{1,32}$/);

const shape = {
  /** `system` follows the host's language. */
  language: z.enum(['system', 'en', 'de']),
  theme: z.enum(THEMES),
  /** Releases the captured mouse and keyboard. DOM `KeyboardEvent.code` values. */
  hostKey: z.enum(HOST_KEYS),
  shortcuts: z.object({ fullscreen: keyCode, pause: keyCode, ctrlAltDelete: keyCode }),
  /** `null`: where it is by default. Obeyed at the app's next start. */
  libraryFolder: z.string().max(4096).refine((path) => isAbsoluteMediumPath(path) && !path.includes('\0'), 'is not the whole path of a folder').nullable(),
  managerView: z.enum(['list', 'grid']),
  managerSort: z.enum(SORTS),
  /** Of machines for which nothing else is known. */
  newMachine: z.object({
    memoryBytes: z.number().int().min(MEMORY_BYTES_MINIMUM).max(MEMORY_BYTES_MAXIMUM),
    diskBytes: z.number().int().min(DISK_BYTES_MINIMUM).max(DISK_BYTES_MAXIMUM),
    network: z.boolean(),
    expert: z.boolean(),
  }),
  whenQuitting: z.enum(QUIT_WAYS),
  /** The desktop shell stays in the tray when its last window is closed while a machine is on. */
  stayInTray: z.boolean(),
  /** Names of machines go to the system's list of recent documents. */
  rememberRecent: z.boolean(),
};

const preferencesStrictSchema = z.object(shape);
export type Preferences = z.infer<typeof preferencesStrictSchema>;

export const PREFERENCES_DEFAULT: Preferences = {
  language: 'system',
  theme: 'system',
  hostKey: 'ControlRight',
  shortcuts: { fullscreen: 'KeyF', pause: 'KeyP', ctrlAltDelete: 'Delete' },
  libraryFolder: null,
  managerView: 'list',
  managerSort: 'own',
  newMachine: { memoryBytes: 2 ** 30, diskBytes: 8 * 2 ** 30, network: true, expert: false },
  whenQuitting: 'save',
  stayInTray: true,
  rememberRecent: true,
};

/** Fills in what is missing; what is wrong fails. */
export const preferencesSchema = z.preprocess((given) => typeof given === 'object' && given !== null ? { ...PREFERENCES_DEFAULT, ...given } : given, preferencesStrictSchema);
export const preferenceChangesSchema = preferencesStrictSchema.partial();

/** As it was kept, with the default in place of each preference that is no longer possible. */
export function readPreferences(kept: unknown): Preferences {
  const given = typeof kept === 'object' && kept !== null ? kept as Readonly<Record<string, unknown>> : {};
  return preferencesStrictSchema.parse(Object.fromEntries(Object.entries(shape).map(([name, schema]) => {
    const checked = schema.safeParse(given[name]);
    return [name, checked.success ? checked.data : PREFERENCES_DEFAULT[name as keyof Preferences]];
  })));
}
