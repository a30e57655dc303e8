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
    bundleMessage: (machines: string) => `Keep what has changed in ${machines}?`,
    bundleDetail: 'It runs in its bundle. Kept, it is a machine of your library, which may take a while; its changes can also stay beside the bundle until you decide.',
    keep: 'Keep', later: 'Decide later', discard: 'Discard',
    cannotKeep: (machines: string) => `These could not be kept or discarded, and stay as they are: ${machines}`,
    diskImages: 'Disk images', cdImages: 'CD images', bundles: 'Bundles', allFiles: 'All files',
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
    bundleMessage: (machines: string) => `Behalten, was sich in ${machines} geändert hat?`,
    bundleDetail: 'Die Maschine läuft in ihrem Bündel. Behalten wird sie eine Maschine deiner Bibliothek, was eine Weile dauern kann; ihre Änderungen können auch neben dem Bündel bleiben, bis du entscheidest.',
    keep: 'Behalten', later: 'Später entscheiden', discard: 'Verwerfen',
    cannotKeep: (machines: string) => `Diese ließen sich nicht behalten oder verwerfen und bleiben, wie sie sind: ${machines}`,
    diskImages: 'Festplatten-Abbilder', cdImages: 'CD-Abbilder', bundles: 'Bündel', allFiles: 'Alle Dateien',
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
