/** English, one file per area. Keys are `place.what`; `{{name}}` is filled in. Errors are keyed by their code. */
import { appTexts } from './en/app.ts';
import { managerTexts } from './en/manager.ts';
import { newMachineTexts } from './en/new-machine.ts';
import { machineTexts } from './en/machine.ts';
import { preferencesTexts } from './en/preferences.ts';
import { settingsTexts } from './en/settings.ts';
import { bundleTexts } from './en/bundle.ts';
import { exchangeTexts } from './en/exchange.ts';
import { errorsTexts } from './en/errors.ts';

export const en = {
  ...appTexts,
  ...managerTexts,
  ...newMachineTexts,
  ...machineTexts,
  ...preferencesTexts,
  ...settingsTexts,
  ...exchangeTexts,
  ...bundleTexts,
  ...errorsTexts,
} as const satisfies TextTree;

interface TextTree { readonly [key: string]: string | TextTree }

/** The same keys with other texts. */
type SameKeys<T> = { readonly [K in keyof T]: T[K] extends string ? string : SameKeys<T[K]> };
export type Texts = SameKeys<typeof en>;
