/** Light, dark and high contrast: the preference, or what the host shows. */
import type { Preferences } from '../../shared/preferences.ts';
import { Store } from './store.ts';

/** Of what has a palette of its own, such as the console. */
export type Theme = 'light' | 'dark';

export const shownTheme = new Store<Theme>('light');

const hostIsDark = window.matchMedia('(prefers-color-scheme: dark)');
const hostWantsContrast = window.matchMedia('(prefers-contrast: more)');
let preference: Preferences['theme'] = 'system';

export function applyTheme(theme: Preferences['theme']): void {
  preference = theme;
  const ofHost = hostWantsContrast.matches ? 'contrast' : hostIsDark.matches ? 'dark' : 'light';
  const shown = theme === 'system' ? ofHost : theme;
  document.documentElement.dataset['theme'] = shown;
  shownTheme.set(shown === 'light' ? 'light' : 'dark');
}

for (const query of [hostIsDark, hostWantsContrast]) query.addEventListener('change', () => { applyTheme(preference); });
