/** `npm run screenshots [-- WORD]`: a picture of every window in every theme and both languages, into `test-results/screenshots`. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { FakeShell } from '../support/fake-shell.ts';
import { TOUR } from '../support/window-tour.ts';
import { projectFolder } from '../../scripts/build/folders.mjs';
import { printLine } from '../../scripts/build/report.ts';
import { buildTargets } from '../../scripts/build/steps.ts';
import { findChromium } from '../../scripts/setup/host-tools.mjs';

const [word = '', wantedTheme, wantedLanguage] = process.argv.slice(2);
const themes = (['light', 'dark', 'contrast'] as const).filter((theme) => wantedTheme === undefined || theme === wantedTheme);
const languages = (['en', 'de'] as const).filter((language) => wantedLanguage === undefined || language === wantedLanguage);
const folder = join(projectFolder, 'test-results', 'screenshots');

if (!await buildTargets('browser', { quiet: true })) process.exit(1);
const executablePath = findChromium();
const browser = await chromium.launch({ ...(executablePath === undefined ? {} : { executablePath }), args: process.getuid?.() === 0 ? ['--no-sandbox'] : [] });
mkdirSync(folder, { recursive: true });
for (const stop of TOUR.filter(({ name }) => name.includes(word))) {
  for (const theme of themes) {
    for (const language of languages) {
      const shell = new FakeShell({ machines: stop.machines });
      shell.setPreferences({ theme, language });
      const page = await browser.newPage({ viewport: { width: 1200, height: 820 } });
      await page.goto(await shell.listen());
      await stop.go(page, shell);
      // The fake guests' first pictures come in time, not at a time.
      await page.waitForTimeout(700);
      await page.screenshot({ path: join(folder, `${stop.name}-${theme}-${language}.png`) });
      await page.close();
      await shell.close();
    }
  }
}
await browser.close();
printLine(`screenshots: ${folder}`);
