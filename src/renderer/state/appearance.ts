/** Light and dark: the preference, or what the host shows. */
import type { Preferences } from '../../shared/api.ts';
import { Store } from './store.ts';

export type Theme = 'light' | 'dark';

export const shownTheme = new Store<Theme>('light');

const hostIsDark = window.matchMedia('(prefers-color-scheme: dark)');
let preference: Preferences['theme'] = 'system';

export function applyTheme(theme: Preferences['theme']): void {
  preference = theme;
  const shown: Theme = theme === 'system' ? (hostIsDark.matches ? 'dark' : 'light') : theme;
  document.documentElement.dataset['theme'] = shown;
  shownTheme.set(shown);
}

hostIsDark.addEventListener('change', () => { applyTheme(preference); });
