/** What the desktop shell itself says, before or without a page: in the person's language. */
import type { Preferences } from '../../shared/preferences.ts';

const TEXTS = {
  en: {
    title: 'Guesthouse',
    message: (machines: number) => (machines === 1 ? 'A machine is still running.' : `${machines} machines are still running.`),
    detail: 'Quitting ends them as when the power fails. What a guest has not saved is lost.',
    quit: 'Quit and end them',
    cancel: 'Cancel',
    cannotStart: 'Guesthouse cannot start',
    diskImages: 'Disk images', cdImages: 'CD images', allFiles: 'All files',
  },
  de: {
    title: 'Guesthouse',
    message: (machines: number) => (machines === 1 ? 'Eine Maschine läuft noch.' : `${machines} Maschinen laufen noch.`),
    detail: 'Beim Beenden gehen sie aus wie bei einem Stromausfall. Was ein Gast nicht gespeichert hat, ist verloren.',
    quit: 'Beenden und ausschalten',
    cancel: 'Abbrechen',
    cannotStart: 'Guesthouse kann nicht starten',
    diskImages: 'Festplatten-Abbilder', cdImages: 'CD-Abbilder', allFiles: 'Alle Dateien',
  },
} as const;

export function desktopTexts(language: Preferences['language'], systemLocale: string): (typeof TEXTS)['en' | 'de'] {
  if (language !== 'system') return TEXTS[language];
  return systemLocale.toLowerCase().startsWith('de') ? TEXTS.de : TEXTS.en;
}
