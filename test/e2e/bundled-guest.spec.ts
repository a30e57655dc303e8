/** The whole product, from the empty library to a command's answer on the bundled guest's screen, by its pixels. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from '@playwright/test';
import { expectAnswer, waitForPrompt } from '../support/screen-cells.ts';

const project = join(import.meta.dirname, '../..');
const pictures = join(project, 'test-results');
const BOOT_MILLIS = 240_000;

let home: string;
let shell: ChildProcess;
let address: string;

test.beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'guesthouse-e2e-'));
  shell = spawn(process.execPath, [join(project, 'dist/browser.js')], { env: { ...process.env, GUESTHOUSE_HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] });
  address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: shell.stdout ?? process.stdin }).on('line', (line) => {
      const found = /https?:\/\/\S+/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
    shell.once('exit', (code) => { reject(new Error(`the browser shell ended with status ${String(code)}`)); });
  });
});

test.afterEach(async () => {
  if (shell.exitCode === null) {
    const ended = new Promise((resolve) => { shell.once('exit', resolve); });
    shell.kill('SIGTERM');
    await ended;
  }
  rmSync(home, { recursive: true, force: true });
});

test('the bundled guest comes to its prompt in the browser shell and answers what is typed', async ({ page }) => {
  test.setTimeout(BOOT_MILLIS + 120_000);
  await page.goto(address);
  await page.getByRole('button', { name: 'Try Guesthouse Linux' }).click();
  await waitForPrompt(page, BOOT_MILLIS);
  await expectAnswer(page, 'echo $((6*7))', '42', 30_000);
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: join(pictures, 'bundled-guest-browser-shell.png') });

  // The same shell answers on the serial line.
  await page.keyboard.press('ControlRight');
  await page.getByRole('tab', { name: 'Serial console' }).click();
  await expect(page.locator('.console-terminal')).toContainText('#', { timeout: 30_000 });
  await page.locator('.console-terminal textarea').focus();
  await page.keyboard.type('echo $((7*11))\n');
  await expect(page.locator('.xterm-accessibility')).toContainText(/^77$|\b77\b/m, { timeout: 30_000 });
  await page.screenshot({ path: join(pictures, 'bundled-guest-serial-console.png') });
});
