import type { Texts } from '../en.ts';

export const preferencesTexts: Pick<Texts, 'preferences'> = {
  preferences: {
    title: 'Einstellungen',
    language: 'Sprache',
    languageSystem: 'Wie das System',
    theme: 'Erscheinungsbild',
    themeSystem: 'Wie das System',
    themeLight: 'Hell',
    themeDark: 'Dunkel',
    hostKey: 'Host-Taste',
    hostKeyHint: 'Holt Tastatur und Maus vom Gast zurück. Mit F: Vollbild; mit Entf: Strg + Alt + Entf; mit P: anhalten.',
    about: 'Guesthouse {{version}} auf {{host}}',
    cpu: '{{model}}, {{cores}} Kerne',
  },
};
