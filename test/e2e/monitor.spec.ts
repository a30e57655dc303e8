/** The monitor: graphs of machines that are on, the inventory and its files, and logs by level and word. */
import { readFileSync } from 'node:fs';
import { expect } from '@playwright/test';
import { SHOWN_MACHINES } from '../support/fake-shell.ts';
import { test } from './open-window.ts';

test('graphs show what the machines that are on do now, all together or one', async ({ page, openWindow }) => {
  const shell = await openWindow(['One', 'Two']);
  await page.getByRole('button', { name: 'Monitor' }).click();
  await expect(page.getByText('No machine is on.')).toBeVisible();
  shell.turnOn('One');
  shell.turnOn('Two');
  // The fake machines use 37 % of a core each.
  await expect(page.getByRole('img', { name: /^Processor, of one core: 7[345](?:\.\d)? %$/ })).toBeVisible();
  await page.getByRole('button', { name: /All that are on/ }).click();
  await page.getByRole('option', { name: 'Two' }).last().click();
  await expect(page.getByRole('img', { name: /^Processor, of one core: 3[678](?:\.\d)? %$/ })).toBeVisible();
  const drawn = await page.locator('.graph canvas').first().evaluate((canvas: HTMLCanvasElement) => new Set(canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data).size);
  expect(drawn).toBeGreaterThan(2);
});

test('the inventory is a table, and a CSV and a JSON file', async ({ page, openWindow }) => {
  await openWindow([...SHOWN_MACHINES, { name: '=1+1', tags: ['a,b'] }]);
  await page.getByRole('button', { name: 'Monitor' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: 'Inventory' }).focus();
  await page.keyboard.press('Enter');
  await expect(page.getByRole('row')).toHaveCount(SHOWN_MACHINES.length + 2);
  const save = async (name: string): Promise<string> => {
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name }).focus();
    await page.keyboard.press('Enter');
    return readFileSync(await (await download).path(), 'utf8');
  };
  const csv = await save('Save as CSV');
  expect(csv).toContain('Debian 12,off,,linux-64,x86_64,2147483648,');
  expect(csv).toContain('\'=1+1,off,');
  expect(csv).toContain('"a,b"');
  expect(JSON.parse(await save('Save as JSON'))).toContainEqual(expect.objectContaining({ name: 'FreeDOS', group: 'Museum', tags: ['games', 'old'] }));
});

test('a log is filtered by level and by words', async ({ page, openWindow }) => {
  await openWindow(['One']);
  await page.getByRole('button', { name: 'Monitor' }).click();
  await page.getByRole('tab', { name: 'Logs' }).click();
  const log = page.locator('.monitor-log');
  await expect(log).toContainText('board: ready');
  await page.getByRole('searchbox', { name: 'Filter the lines' }).fill('power');
  await expect(log).toHaveText('2026-11-23T13:00:00Z info machine: power on');
  await page.getByText('Errors', { exact: true }).click();
  await expect(page.getByText('No line matches.')).toBeVisible();
});

test('the network shows counters and connections, and captures from there and from the machine window', async ({ page, openWindow }) => {
  const shell = await openWindow([{ name: 'One', adapters: [{}, {}] }]);
  await page.getByRole('button', { name: 'Monitor' }).click();
  await page.getByRole('tab', { name: 'Network' }).click();
  await expect(page.getByText('No machine with a network is on.')).toBeVisible();
  shell.turnOn('One');
  const second = page.getByRole('region', { name: 'Adapter 2', exact: true });
  await expect(second).toContainText('3 now, 17 by TCP so far');
  const row = second.getByRole('row', { name: /93\.184\.216\.34/ });
  await expect(row).toContainText('10.0.2.15:40112');
  await expect(row).toContainText('open');
  await expect(second.getByRole('row', { name: /forward/ })).toContainText('closing');
  // Live: the fake guest receives all the time.
  const received = second.locator('dd').first();
  const before = await received.textContent();
  await expect(received).not.toHaveText(before ?? '');

  await second.getByRole('button', { name: 'Capture', exact: true }).focus();
  await page.keyboard.press('Enter');
  await expect(second.getByRole('status')).toHaveText('Captured to /home/somebody/VMs/One/logs/network-2.pcapng (missed: 0)');
  await expect(page.getByRole('region', { name: 'Adapter 1', exact: true }).getByRole('button', { name: 'Capture', exact: true })).toBeVisible();
  await second.getByRole('button', { name: 'Stop the capture' }).click();
  await expect(second.getByRole('status')).toBeHidden();
  await page.getByRole('dialog', { name: 'Monitor' }).getByRole('button', { name: 'Close' }).last().click();

  await page.evaluate(() => { window.location.hash = '#/machine/One'; });
  const parts = page.getByRole('group', { name: 'Parts of the machine' });
  await parts.getByRole('button', { name: 'Network adapter 1', exact: true }).click();
  await page.getByRole('menuitemcheckbox', { name: 'Capture its traffic' }).or(page.getByRole('menuitem', { name: 'Capture its traffic' })).click();
  await expect(page.getByText('What passes is written to /home/somebody/VMs/One/logs/network-1.pcapng')).toBeVisible();
  await expect(parts.getByRole('button', { name: 'Network adapter 1: captured' })).toBeVisible();
});

test('a capture that can not be written says why', async ({ page, openWindow }) => {
  const shell = await openWindow([{ name: 'One', adapters: [{}] }]);
  shell.turnOn('One');
  shell.failures.set('machines.capture', { ok: false, error: { code: 'network.capture-unusable', message: 'the network capture can\'t be written', advice: 'name another file' } });
  await page.getByRole('button', { name: 'Monitor' }).click();
  await page.getByRole('tab', { name: 'Network' }).click();
  await page.getByRole('button', { name: 'Capture', exact: true }).click();
  await expect(page.getByText('The network capture can’t be written')).toBeVisible();
});
