/** axe-core over every window, dialog and condition of the tour: all its rules, and those of colours in every theme. */
import AxeBuilder from '@axe-core/playwright';
import { expect } from '@playwright/test';
import { TOUR } from '../support/window-tour.ts';
import { test } from './open-window.ts';

const THEMES = ['light', 'dark', 'contrast'] as const;

for (const stop of TOUR) {
  test(`axe finds nothing to object to in: ${stop.name}`, async ({ page, openWindow }) => {
    const shell = await openWindow(stop.machines);
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await stop.go(page, shell);
    for (const theme of THEMES) {
      shell.setPreferences({ theme });
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme);
      const axe = new AxeBuilder({ page });
      const { violations } = await (theme === 'light' ? axe : axe.withRules(['color-contrast'])).analyze();
      expect(violations.map(({ id, nodes }) => `${theme}: ${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary ?? ''}`).join('; ')}`)).toEqual([]);
    }
  });
}
