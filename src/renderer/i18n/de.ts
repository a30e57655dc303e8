/** German. „Maschine“ is the word for a machine, „Gast“ for the guest, „Rechner“ for the host. */
import { appTexts } from './de/app.ts';
import { managerTexts } from './de/manager.ts';
import { newMachineTexts } from './de/new-machine.ts';
import { machineTexts } from './de/machine.ts';
import { preferencesTexts } from './de/preferences.ts';
import { settingsTexts } from './de/settings.ts';
import { bundleTexts } from './de/bundle.ts';
import { exchangeTexts } from './de/exchange.ts';
import { errorsTexts } from './de/errors.ts';
import type { Texts } from './en.ts';

export const de: Texts = {
  ...appTexts,
  ...managerTexts,
  ...newMachineTexts,
  ...machineTexts,
  ...preferencesTexts,
  ...settingsTexts,
  ...exchangeTexts,
  ...bundleTexts,
  ...errorsTexts,
};
