/** Snapshots in the window: their tree with fake guests, and the way back of a real one, by its pixels. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { expectAnswer, settledCells, typeText, waitForPrompt } from '../support/screen-cells.ts';
import { test } from './open-window.ts';

const project = join(import.meta.dirname, '../..');
const BOOT_MILLIS = 240_000;

async function take(page: Page, name: string, notes = ''): Promise<void> {
  await page.getByRole('button', { name: 'Take a snapshot…' }).click();
  const dialog = page.getByRole('dialog', { name: /^Take a snapshot of/ });
  await dialog.getByLabel('Name').fill(name);
  if (notes !== '') await dialog.getByLabel('Notes').fill(notes);
  await dialog.getByRole('button', { name: 'Take', exact: true }).click();
  await expect(dialog).toBeHidden();
}

test('snapshots are taken, named, restored and deleted, and the tree shows where the machine is', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('option', { name: 'Debian' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await waitForPrompt(page, 30_000);
  await page.keyboard.press('ControlRight');
  await page.getByRole('tab', { name: 'Snapshots' }).click();
  await take(page, 'fresh', 'just installed');
  await take(page, 'tools');
  const lines = page.getByRole('listbox', { name: 'Snapshots of the machine' }).getByRole('option');
  await expect(lines).toHaveText([/fresh/, /tools/, /As it is now/]);
  await lines.nth(0).click();
  await expect(page.getByText('just installed')).toBeVisible();
  await expect(page.getByTestId('snapshot-picture')).toBeVisible();
  await page.getByRole('button', { name: 'Restore…', exact: true }).click();
  await page.getByRole('alertdialog', { name: 'Go back to fresh?' }).getByRole('button', { name: 'Go back' }).click();
  await expect(page.getByText('Debian is as it was at fresh')).toBeVisible();
  // The machine came from the first now, beside which the second has a branch of its own.
  await expect(lines).toHaveText([/fresh/, /tools/, /As it is now/]);
  expect(await lines.nth(1).evaluate((line) => line.style.paddingLeft)).not.toBe(await lines.nth(2).evaluate((line) => line.style.paddingLeft));
  // By keyboard: up to the second, to its actions, and away with it.
  await lines.nth(2).focus();
  await page.keyboard.press('ArrowUp');
  while (!await page.getByRole('button', { name: 'Delete…' }).evaluate((button) => button === document.activeElement)) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(lines).toHaveText([/fresh/, /As it is now/]);
});

test('one click takes a snapshot, one goes back without losing what is now, and a risky action can have one before it', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('option', { name: 'Debian' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await waitForPrompt(page, 30_000);
  await page.keyboard.press('ControlRight');
  await page.getByRole('tab', { name: 'Snapshots' }).click();
  const lines = page.getByRole('listbox', { name: 'Snapshots of the machine' }).getByRole('option');
  await page.getByRole('button', { name: 'Take one now' }).click();
  await expect(lines).toHaveText([/^Snapshot 1/, /As it is now/]);
  await expect(page.getByText('Snapshot 1 is taken')).toBeVisible();
  await lines.nth(0).click();
  await page.getByRole('button', { name: 'Restore at once' }).click();
  await expect(lines).toHaveText([/^Snapshot 1/, /Before Snapshot 1 came back/, /As it is now/]);
  await expect(page.getByText('what it was before is kept as a snapshot')).toBeVisible();
  await page.getByRole('button', { name: 'Reset…' }).click();
  const question = page.getByRole('alertdialog', { name: 'Reset Debian?' });
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await question.getByText('Take a snapshot first').click();
  await question.getByRole('button', { name: 'Reset', exact: true }).click();
  await expect(question).toBeHidden();
  await expect(lines).toHaveText([/^Snapshot 1/, /Before Snapshot 1 came back/, /Before the reset/, /As it is now/]);
});

test('a machine whose state is saved says so, and asks before it drops it', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('option', { name: 'Debian' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await waitForPrompt(page, 30_000);
  await page.keyboard.press('ControlRight');
  await page.getByRole('button', { name: 'Close…' }).click();
  await expect(page.getByRole('radio', { name: /Save its state/ })).toBeChecked();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Close', exact: true }).click();
  await expect(page.getByRole('option', { name: 'Debian' })).toContainText('Saved');
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Start without the saved state…' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Start without it' }).click();
  await expect(page.getByRole('option', { name: 'Debian' })).toContainText('Running');
});

test('a real guest comes back as it was, pixel for pixel, and goes on from there', async ({ page }) => {
  test.setTimeout(BOOT_MILLIS + 180_000);
  const home = mkdtempSync(join(tmpdir(), 'guesthouse-e2e-'));
  const shell = spawn(process.execPath, [join(project, 'dist/browser.js')], { env: { ...process.env, GUESTHOUSE_HOME: home }, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<void>((resolve) => { shell.once('exit', () => { resolve(); }); });
  try {
    const address = await new Promise<string>((resolve) => {
      createInterface({ input: shell.stdout }).on('line', (line) => {
        const found = /https?:\/\/\S+/.exec(line)?.[0];
        if (found !== undefined) resolve(found);
      });
    });
    await page.goto(address);
    await page.getByRole('button', { name: 'Try Guesthouse Linux' }).click();
    await waitForPrompt(page, BOOT_MILLIS);
    await expectAnswer(page, 'echo $((6*7)) | tee kept', '42', 30_000);
    const before = await settledCells(page, 1500, 30_000);
    await page.keyboard.press('ControlRight');
    await page.getByRole('tab', { name: 'Snapshots' }).click();
    await take(page, 'answered');

    await page.getByRole('tab', { name: 'Screen' }).click();
    await typeText(page, 'rm kept\nclear\n');
    expect(await settledCells(page, 1500, 30_000)).not.toEqual(before);

    await page.keyboard.press('ControlRight');
    await page.getByRole('tab', { name: 'Snapshots' }).click();
    await page.getByRole('option', { name: /answered/ }).click();
    await page.getByRole('button', { name: 'Restore…', exact: true }).click();
    await page.getByRole('button', { name: 'Go back', exact: true }).click();
    await expect(page.getByText('is as it was at answered')).toBeVisible({ timeout: 60_000 });
    await page.getByRole('tab', { name: 'Screen' }).click();
    await expect.poll(async () => JSON.stringify(await settledCells(page, 500, 30_000)) === JSON.stringify(before), { timeout: 60_000 }).toBe(true);
    // What it knew then it knows again.
    await expectAnswer(page, 'cat kept | tr 42 79', '79', 30_000);
  } finally {
    shell.kill('SIGTERM');
    await exited;
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
});
