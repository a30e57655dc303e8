/** The whole product in both shells, from the empty library to a command's answer on the bundled guest's screen, by its pixels. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { launchDesktopShell } from '../support/electron-stand-in/launch.ts';
import { expectAnswer, waitForPrompt } from '../support/screen-cells.ts';

const project = join(import.meta.dirname, '../..');
const pictures = join(project, 'test-results');
const BOOT_MILLIS = 240_000;

let home: string;

test.beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'guesthouse-e2e-'));
  mkdirSync(pictures, { recursive: true });
});
test.afterEach(() => { rmSync(home, { recursive: true, force: true }); });

async function bootAndAsk(page: Page, picture: string): Promise<void> {
  await page.getByRole('button', { name: 'Try Guesthouse Linux' }).click();
  await waitForPrompt(page, BOOT_MILLIS);
  await expectAnswer(page, 'echo $((6*7))', '42', 30_000);
  await page.screenshot({ path: join(pictures, picture) });
}

test('the bundled guest comes to its prompt in the browser shell and answers on its screen and its serial line', async ({ page }) => {
  test.setTimeout(BOOT_MILLIS + 120_000);
  const shell = await startBrowserShell();
  try {
    await page.goto(shell.address);
    await bootAndAsk(page, 'bundled-guest-browser-shell.png');

    await page.keyboard.press('ControlRight');
    await page.getByRole('tab', { name: 'Serial console' }).click();
    const lines = page.locator('.xterm-accessibility');
    await expect(lines).toContainText('#', { timeout: 30_000 });
    await page.keyboard.type('echo $((7*11))\n');
    await expect(lines).toContainText('77', { timeout: 30_000 });
    await page.screenshot({ path: join(pictures, 'bundled-guest-serial-console.png') });
  } finally {
    await shell.end();
  }
});

test('the bundled guest comes to its prompt in the desktop shell and answers what is typed, also from the clipboard', async () => {
  test.setTimeout(BOOT_MILLIS + 120_000);
  const shell = await launchDesktopShell(join(project, 'dist/electron.js'), { GUESTHOUSE_HOME: home });
  try {
    const { page } = shell;
    await bootAndAsk(page, 'bundled-guest-desktop-shell.png');
    await expectAnswer(page, 'echo "$((7 * 11))" | tr 7 3', '33', 30_000, async (text) => {
      await page.keyboard.press('ControlRight');
      await page.evaluate((copied) => navigator.clipboard.writeText(copied), text);
      await page.getByRole('button', { name: 'Keys' }).click();
      await page.getByRole('menuitem', { name: 'Type the clipboard’s text' }).click();
    });
  } finally {
    // Its machine is on: it asks first.
    shell.order({ kind: 'answer-dialog', response: 1 });
    await shell.quit();
  }
});

async function startBrowserShell(): Promise<{ address: string; end(): Promise<void> }> {
  const shell = spawn(process.execPath, [join(project, 'dist/browser.js')], { env: { ...process.env, GUESTHOUSE_HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => { shell.once('exit', resolve); });
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: shell.stdout }).on('line', (line) => {
      const found = /https?:\/\/\S+/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
    void exited.then((code) => { reject(new Error(`the browser shell ended with status ${String(code)}`)); });
  });
  return {
    address,
    async end() {
      shell.kill('SIGTERM');
      await exited;
    },
  };
}
