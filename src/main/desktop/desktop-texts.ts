/** What the desktop shell itself says, before or without a page: in the person's language. */
import type { Preferences } from '../../shared/preferences.ts';

const TEXTS = {
  en: {
    title: 'Guesthouse',
    message: (machines: number) => (machines === 1 ? 'A machine is still on.' : `${machines} machines are still on.`),
    detail: 'Powering off ends them as when the power fails. What a guest has not saved is lost.',
    save: 'Save and quit',
    powerOff: 'Power off and quit',
    cancel: 'Cancel',
    cannotSave: (machines: string) => `These could not be saved: ${machines}`,
    cannotStart: 'Guesthouse cannot start',
    diskImages: 'Disk images', cdImages: 'CD images', allFiles: 'All files',
    showMachine: (name: string) => `Show ${name}`,
    startMachine: (name: string) => `Start ${name}`,
    openWindow: 'Open Guesthouse',
    quitApp: 'Quit',
    crashed: (name: string) => `${name} crashed`,
    crashedText: 'Open Guesthouse to see why.',
    foreignFolder: (name: string) => `${name} is not in your library.`,
    foreignDetail: 'It can be copied into the library. The original stays where it is, as it is.',
    copy: 'Copy into the library',
    cannotOpen: 'This cannot be opened',
    notAMachine: (path: string) => `${path} is neither a machine nor a bundle.`,
  },
  de: {
    title: 'Guesthouse',
    message: (machines: number) => (machines === 1 ? 'Eine Maschine ist noch an.' : `${machines} Maschinen sind noch an.`),
    detail: 'Ausschalten beendet sie wie ein Stromausfall. Was ein Gast nicht gespeichert hat, ist verloren.',
    save: 'Sichern und beenden',
    powerOff: 'Ausschalten und beenden',
    cancel: 'Abbrechen',
    cannotSave: (machines: string) => `Diese ließen sich nicht sichern: ${machines}`,
    cannotStart: 'Guesthouse kann nicht starten',
    diskImages: 'Festplatten-Abbilder', cdImages: 'CD-Abbilder', allFiles: 'Alle Dateien',
    showMachine: (name: string) => `${name} anzeigen`,
    startMachine: (name: string) => `${name} starten`,
    openWindow: 'Guesthouse öffnen',
    quitApp: 'Beenden',
    crashed: (name: string) => `${name} ist abgestürzt`,
    crashedText: 'Öffne Guesthouse, um zu sehen, warum.',
    foreignFolder: (name: string) => `${name} ist nicht in deiner Bibliothek.`,
    foreignDetail: 'Die Maschine lässt sich in die Bibliothek kopieren. Das Original bleibt, wo und wie es ist.',
    copy: 'In die Bibliothek kopieren',
    cannotOpen: 'Das lässt sich nicht öffnen',
    notAMachine: (path: string) => `${path} ist weder eine Maschine noch ein Bündel.`,
  },
} as const;

export function desktopTexts(language: Preferences['language'], systemLocale: string): (typeof TEXTS)['en' | 'de'] {
  if (language !== 'system') return TEXTS[language];
  return systemLocale.toLowerCase().startsWith('de') ? TEXTS.de : TEXTS.en;
}
