export const preferencesTexts = {
  preferences: {
    title: 'Preferences',
    language: 'Language',
    languageSystem: 'As the system',
    theme: 'Appearance',
    themeSystem: 'As the system',
    themeLight: 'Light',
    themeDark: 'Dark',
    hostKey: 'Host key',
    hostKeyHint: 'Gives keyboard and mouse back from a guest. With F: fullscreen; with Del: Ctrl + Alt + Del; with P: pause.',
    about: 'Guesthouse {{version}} on {{host}}',
    cpu: '{{model}}, {{cores}} cores',
  },
} as const;
