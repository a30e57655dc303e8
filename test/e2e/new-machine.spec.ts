/** The new-machine dialog: guided and on one page, by keyboard and by mouse, with images that are recognized. */
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { waitForPrompt } from '../support/screen-cells.ts';
import { test } from './open-window.ts';

const dialogOf = (page: Page) => page.getByRole('dialog', { name: 'New machine' });
const choose = (page: Page, name: string) => dialogOf(page).getByRole('radio', { name }).check({ force: true });

test('in three steps by mouse: a disc is browsed for, recognized, and decides the hardware', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  await page.getByRole('button', { name: 'New machine' }).click();
  const dialog = dialogOf(page);
  await choose(page, 'A CD or disk image');
  await dialog.getByRole('button', { name: 'Browse…' }).click();
  const files = page.getByRole('dialog', { name: 'Choose a CD or disk image' });
  await files.getByRole('option', { name: 'Downloads' }).dblclick();
  await files.getByRole('option', { name: 'debian-12.iso' }).dblclick();
  await expect(dialog.getByText('Disc with Debian GNU/Linux 12.5.0')).toBeVisible();
  await expect(dialog.getByRole('radio', { name: 'Linux, 64-bit' })).toBeChecked();
  await expect(dialog.getByRole('radio', { name: 'Windows 7 to 11' })).toBeDisabled();
  await expect(dialog.getByText('Windows 7 to 11: Needs UEFI firmware')).toBeVisible();
  await dialog.getByRole('button', { name: 'Next' }).click();
  await expect(dialog.getByRole('heading', { name: 'Step 2 of 3: Hardware' })).toBeFocused();
  await expect(dialog.getByLabel('Name')).toHaveValue('Debian GNU-Linux 12.5.0');
  await expect(dialog.getByLabel('Memory', { exact: true })).toHaveValue('2 GiB');
  await dialog.getByRole('button', { name: '8 GiB' }).click();
  await dialog.getByRole('button', { name: 'Next' }).click();
  await expect(dialog.getByRole('heading', { name: 'Step 3 of 3: Summary' })).toBeFocused();
  await expect(dialog).toContainText('debian-12.iso');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(dialog).toBeHidden();
  await expect(page.getByRole('heading', { name: 'Debian GNU-Linux 12.5.0' })).toBeVisible();
  expect(shell.callsOf('library.create')).toMatchObject([{ guestSystem: 'linux-64', memoryBytes: 2 * 2 ** 30, newDiskBytes: 8 * 2 ** 30, newDiskBus: 'virtio', adapters: [{ model: 'virtio' }], cdroms: [{ path: '/home/user/Downloads/debian-12.iso' }] }]);
});

test('in three steps by keyboard alone, to a running guest', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('button', { name: 'New machine' }).focus();
  await page.keyboard.press('Enter');
  // Past the button that closes.
  for (let tab = 0; tab < 2; tab++) await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(dialogOf(page).getByRole('radio', { name: 'Nothing yet' })).toBeChecked();
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowUp');
  await expect(dialogOf(page).getByRole('radio', { name: 'DOS' })).toBeChecked();
  await page.keyboard.press('Enter');
  await expect(dialogOf(page).getByLabel('Name')).toHaveValue('DOS');
  await expect(dialogOf(page).getByRole('checkbox', { name: /Network/ })).toBeDisabled();
  await page.keyboard.press('Tab');
  await page.keyboard.type('Old games');
  await page.keyboard.press('Enter');
  await expect(dialogOf(page).getByRole('heading', { name: 'Step 3 of 3: Summary' })).toBeVisible();
  await dialogOf(page).getByRole('button', { name: 'Create and start' }).focus();
  await page.keyboard.press('Enter');
  await waitForPrompt(page, 30_000);
});

test('an error is told in the step that has it, which can\'t be left before it is mended', async ({ page, openWindow }) => {
  await openWindow(['debian']);
  await page.getByRole('button', { name: 'New machine' }).click();
  const dialog = dialogOf(page);
  await choose(page, 'A CD or disk image');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await expect(dialog.getByLabel('Image file')).toHaveAccessibleDescription(/Choose the image/);
  await dialog.getByLabel('Image file').fill('debian.iso');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await expect(dialog.getByLabel('Image file')).toHaveAccessibleDescription(/Give the whole path/);
  await dialog.getByLabel('Image file').fill('/missing.iso');
  await expect(dialog.getByRole('alert')).toContainText('does not exist');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await expect(dialog.getByLabel('Image file')).toHaveAccessibleDescription(/cannot be used/);
  await choose(page, 'Nothing yet');
  await dialog.getByRole('button', { name: 'Next' }).click();
  await dialog.getByLabel('Name').fill('DEBIAN');
  await dialog.getByLabel('Memory', { exact: true }).fill('lots');
  await dialog.getByLabel('Size of the disk').fill('-4G');
  await dialog.getByRole('button', { name: 'Next' }).click();
  for (const [field, problem] of [['Name', 'There is a machine of this name already'], ['Memory', 'This is no size'], ['Size of the disk', 'A size cannot be negative']] as const) {
    await expect(dialog.getByLabel(field, { exact: true })).toHaveAccessibleDescription(new RegExp(problem));
  }
  await expect(dialog.getByLabel('Name')).toBeFocused();
});

test('on one page: a disk image is attached where it is with the format that its content has, and the page is kept', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.mediumFacts.set('/images/old.vdi', { kind: 'disk', format: 'vdi', bytes: 2 ** 33, startsFrom: ['bios'], partitions: [{ kind: 'fat', bytes: 2 ** 33, isActive: true }], partitionTable: 'mbr', system: 'windows-9x', architecture: 'i386' });
  await page.getByRole('button', { name: 'New machine' }).click();
  const dialog = dialogOf(page);
  await dialog.getByRole('button', { name: 'All on one page' }).click();
  await choose(page, 'A CD or disk image');
  await dialog.getByLabel('Image file').fill('/images/old.vdi');
  await expect(dialog.getByText('Disk with Windows 95/98')).toBeVisible();
  await expect(dialog.getByRole('radio', { name: 'Copy an image' })).toBeChecked();
  await dialog.getByText('Attach an image').click();
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await expect(dialog).toBeHidden();
  expect(shell.callsOf('library.create')).toMatchObject([{ guestSystem: 'windows-9x', architecture: 'i386', memoryBytes: 128 * 2 ** 20, disks: [{ path: '/images/old.vdi', format: 'vdi', bus: 'ide' }], cdroms: [] }]);
  await page.getByRole('button', { name: 'New machine' }).click();
  await expect(dialog.getByRole('button', { name: 'In steps' })).toBeVisible();
});

test('an error of the app is told in the dialog that caused it, which stays', async ({ page, openWindow }) => {
  const shell = await openWindow([]);
  await page.getByRole('button', { name: 'New machine' }).click();
  shell.failures.set('library.createFromBundledGuest', { ok: false, error: { code: 'media.no-space', message: 'there is no space left for the disk', advice: 'free some space' } });
  for (let step = 0; step < 2; step++) await dialogOf(page).getByRole('button', { name: 'Next' }).click();
  await dialogOf(page).getByRole('button', { name: 'Create', exact: true }).click();
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('There is no space left for the disk. Free some space.');
});
