/** Machines in and out in the window: looked at before they are taken, with what there is no place for, in both languages. */
import { expect } from '@playwright/test';
import { test } from './open-window.ts';

test('a machine of another program is looked at, its files outside are asked for, and it comes into the library', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('button', { name: 'Import a machine…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Import a machine' });
  await dialog.getByLabel('File').fill('/home/user/outside.vbox');
  await dialog.getByRole('button', { name: 'Look at it' }).click();
  await expect(dialog.getByText('A machine of VirtualBox with 512 MiB of memory; disks: 1')).toBeVisible();
  await expect(dialog.getByRole('listitem')).toHaveText('Processors 4');
  await expect(dialog.getByRole('button', { name: 'Import', exact: true })).toBeDisabled();
  await dialog.getByText('Take these files, too').click();
  await dialog.getByLabel('Name').fill('Old machine');
  await dialog.getByRole('button', { name: 'Import', exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('article', { name: 'Old machine' })).toBeVisible();
});

test('a machine is exported, shown as a command line, replicated, and made a template', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('option', { name: 'Debian' }).click();
  const more = async (entry: string): Promise<void> => {
    await page.getByRole('button', { name: 'More actions' }).click();
    await page.getByRole('menuitem', { name: entry }).click();
  };
  await more('Export…');
  const exporting = page.getByRole('dialog', { name: 'Export Debian' });
  await expect(exporting.getByLabel('File')).toHaveValue(/Debian\.ova$/);
  await exporting.getByRole('button', { name: 'Export', exact: true }).click();
  await expect(page.getByText(/Debian was exported to .*Debian\.ova/)).toBeVisible();
  await more('Export…');
  await exporting.getByRole('button', { name: /For whom/ }).click();
  await page.getByRole('option', { name: 'QEMU (command line)' }).click();
  await exporting.getByRole('button', { name: 'Show the command line' }).click();
  await expect(exporting.getByText('qemu-system-x86_64 -name Debian')).toBeVisible();
  await exporting.getByRole('button', { name: 'Cancel' }).click();
  await more('Replicate…');
  const replicating = page.getByRole('dialog', { name: 'Replicate Debian' });
  await replicating.getByLabel('Folder of the replica').fill('/backup/debian');
  await replicating.getByRole('button', { name: 'Replicate now' }).click();
  await expect(page.getByText('Debian was replicated: 1 MiB new')).toBeVisible();
  await more('Replicate…');
  await replicating.getByLabel('Folder of the replica').fill('/backup/debian');
  await expect(replicating.getByRole('listitem')).toHaveText(/Jan 1, 1970, .*, 1 MiB new/);
  await replicating.getByRole('button', { name: 'Make a machine of it' }).click();
  await expect(replicating).toBeHidden();
  await expect(page.getByRole('article', { name: 'Debian 1970-01-01 00.00' })).toBeVisible();
  await page.getByRole('option', { name: /^Debian (?!1970)/ }).click();
  await more('Make it a template');
  await expect(page.getByText('There to be cloned')).toBeVisible();
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toBeDisabled();
});

test('all of it is there in German', async ({ page, openWindow }) => {
  (await openWindow(['Debian'])).setPreferences({ language: 'de' });
  await page.getByRole('button', { name: 'Maschine importieren …' }).click();
  const dialog = page.getByRole('dialog', { name: 'Maschine importieren' });
  await dialog.getByLabel('Datei').fill('/home/user/alt.vbox');
  await dialog.getByRole('button', { name: 'Ansehen' }).click();
  await expect(dialog.getByRole('listitem')).toHaveText('Prozessoren 4');
});
