/** Every window, dialog and condition of the user interface that a person can come to, for pictures and for checks of all of them. */
import type { Page } from 'playwright-core';
import type { FakeMachineOptions, FakeShell } from './fake-shell.ts';
import { PREFERENCES_DEFAULT } from '../../src/shared/preferences.ts';
import { SHOWN_MACHINES } from './fake-shell.ts';

export interface TourStop {
  readonly name: string;
  readonly machines: readonly FakeMachineOptions[];
  /** Leads there from the freshly opened page. Finds things by their places, so that it works in either language. */
  go(page: Page, shell: FakeShell): Promise<void>;
}

const stop = (name: string, go: TourStop['go'], machines: readonly FakeMachineOptions[] = SHOWN_MACHINES): TourStop => ({ name, machines, go });
const option = (page: Page, name: string) => page.getByRole('option', { name });
const press = (page: Page, ...keys: string[]): Promise<void> => keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());

/** Of everything something. */
const FURNISHED = {
  disks: [{ path: 'disks/disk0.qcow2', format: 'qcow2', bus: 'virtio' }, { path: '/home/user/images/data.img', readOnly: true }],
  cdroms: [{ path: '/home/user/Downloads/debian-12.iso' }, {}],
  adapters: [{
    allow: [{ host: 'loopback', port: 8080 }, { host: '192.168.1.0/24' }],
    forwards: [{ protocol: 'tcp', host: { port: 2222 }, guest: { port: 22 } }, { protocol: 'udp', host: { address: '0.0.0.0', port: 5353 }, guest: { address: '10.0.2.15', port: 53 } }],
  }],
};
const SETTINGS_PAGES = ['general', 'system', 'display', 'storage', 'network', 'serial', 'input', 'permissions'] as const;

async function openSettings(page: Page, shell: FakeShell, index: number): Promise<void> {
  shell.configure('Debian 12', FURNISHED);
  await option(page, 'Debian 12').click();
  // Before the last two, of snapshots and of all else.
  await page.locator('.details .controls > button').nth(-3).click();
  await page.locator('.settings-tab').nth(index).click();
}

async function openMachine(page: Page, shell: FakeShell): Promise<void> {
  shell.configure('Debian 12', FURNISHED);
  shell.turnOn('Debian 12');
  await page.evaluate(() => { window.location.hash = '#/machine/Debian%2012'; });
  await page.locator('.status-cpu').waitFor();
}

export const TOUR: readonly TourStop[] = [
  stop('first-run', async (page) => { await page.locator('.first-run').waitFor(); }, []),
  stop('manager-list', async (page, shell) => {
    shell.turnOn('Debian 12');
    shell.setStatus('FreeDOS', { state: 'paused' });
    await option(page, 'Debian 12').click();
  }),
  stop('manager-grid', async (page, shell) => {
    shell.turnOn('Debian 12');
    await page.locator('.list-toolbar button').last().click();
    await option(page, 'FreeDOS').click();
  }),
  stop('manager-several', async (page) => {
    await option(page, 'Lesson 1').click();
    await press(page, 'Shift+ArrowDown', 'Shift+ArrowDown');
    await page.locator('.several-list').waitFor();
  }),
  stop('manager-nothing-found', async (page) => { await page.locator('.search-input').fill('zebra'); await page.locator('.list-empty').waitFor(); }),
  stop('manager-crashed', async (page, shell) => {
    shell.setStatus('Router test', { state: 'crashed', crash: { error: { code: 'machines.process-died', message: 'the machine\'s process died (signal SIGKILL)', advice: 'see the machine\'s log and start it again' }, lastLogLines: ['error: the last line'] } });
    await option(page, 'Router test').click();
  }),
  ...SETTINGS_PAGES.map((page, index) => stop(`settings-${page}`, (window, shell) => openSettings(window, shell, index))),
  stop('settings-running', async (page, shell) => {
    shell.turnOn('Debian 12');
    await openSettings(page, shell, 4);
  }),
  stop('settings-problems', async (page, shell) => {
    shell.configure('Debian 12', { time: { mode: { instructionsPerMicrosecond: 100 } } });
    await openSettings(page, shell, 1);
    await page.locator('.settings-page input').first().fill('lots');
    await page.locator('.dialog-footer .button-primary').click();
    await page.locator('.field-error').first().waitFor();
  }),
  stop('new-disk', async (page, shell) => {
    await openSettings(page, shell, 3);
    await page.locator('.storage-tree .storage-actions button').first().click();
    await page.getByRole('dialog').nth(1).waitFor();
  }),
  stop('media', async (page, shell) => {
    shell.configure('Debian 12', FURNISHED);
    await page.locator('.brand button').first().click();
    await page.locator('.medium-detail .fact').nth(3).waitFor();
  }),
  stop('machine', async (page, shell) => { await openMachine(page, shell); }),
  stop('machine-keyboard', async (page, shell) => {
    await openMachine(page, shell);
    await page.locator('.machine-tools button').first().click();
    await page.locator('.menu-entry').nth(13).click();
    await page.locator('.keyboard').waitFor();
  }),
  stop('machine-type-text', async (page, shell) => {
    await openMachine(page, shell);
    await page.locator('.machine-tools button').first().click();
    await page.locator('.menu-entry').nth(12).click();
    await page.locator('.dialog textarea').fill('echo "Grüße"');
  }),
  stop('machine-cd-menu', async (page, shell) => {
    await openMachine(page, shell);
    await page.locator('.status-parts button').nth(1).click();
    await page.locator('.menu').waitFor();
  }),
  stop('machine-console', async (page, shell) => {
    await openMachine(page, shell);
    await page.getByRole('tab').nth(1).click();
    await page.locator('.machine-tools button').first().click();
    await page.locator('.console-search input').fill('Linux');
  }),
  stop('snapshots', async (page, shell) => {
    await openMachine(page, shell);
    await page.getByRole('tab').nth(3).click();
    for (let taken = 1; taken <= 2; taken++) {
      await page.locator('.snapshot-take .button:last-child').click();
      await page.locator('.dialog .button-primary').click();
      await page.locator('.snapshot-item').nth(taken).waitFor();
    }
    await page.locator('.snapshot-item').first().click();
    await page.locator('.snapshot-detail .button-primary').waitFor();
    // What is announced of a busy button outlives its dialog for some seconds.
    await page.waitForFunction(() => document.querySelector('[data-live-announcer] [role=img]') === null);
  }),
  stop('snapshots-none', async (page) => {
    await option(page, 'FreeDOS').click();
    await page.locator('.details .controls > button').nth(-2).click();
    await page.locator('.snapshot-now').waitFor();
  }),
  stop('snapshot-take', async (page, shell) => {
    await openMachine(page, shell);
    await page.getByRole('tab').nth(3).click();
    await page.locator('.snapshot-take .button:last-child').click();
    await page.getByRole('dialog').waitFor();
  }),
  stop('machine-paused', async (page, shell) => {
    await openMachine(page, shell);
    shell.setStatus('Debian 12', { state: 'paused' });
    await page.locator('.overlay-card').waitFor();
  }),
  stop('machine-close', async (page, shell) => {
    await openMachine(page, shell);
    await page.locator('.machine-bar > button').last().click();
    await page.getByRole('alertdialog').waitFor();
  }),
  stop('low-memory', async (page, shell) => {
    await option(page, 'FreeDOS').click();
    shell.failures.set('machines.start', { ok: false, error: { code: 'memory.host-low', message: 'the machine may come to use 672 MiB, and the host has 610 MiB of memory free; 256 MiB should be left to it', advice: 'end other programs or machines, give it less memory, or start it all the same' } });
    await page.locator('.details .controls .button-primary').click();
    await page.getByRole('alertdialog').waitFor();
  }),
  stop('description', async (page) => {
    await option(page, 'Debian 12').click();
    await page.locator('.details .controls button').last().click();
    await page.getByRole('menuitem').nth(1).click();
    await page.getByRole('dialog').waitFor();
  }),
  stop('new-machine-first-step', async (page) => {
    await page.locator('.sidebar > .button').first().click();
    await page.getByRole('dialog').waitFor();
  }),
  stop('new-machine-image', async (page) => {
    await page.locator('.sidebar > .button').first().click();
    await page.locator('.card').nth(1).click();
    await page.locator('.dialog .field-line input').fill('/home/user/Downloads/debian-12.iso');
    await page.locator('.medium-found').waitFor();
  }),
  stop('new-machine-hardware', async (page) => {
    await page.locator('.sidebar > .button').first().click();
    await page.locator('.card').nth(2).click();
    await press(page, 'Enter');
    await page.locator('.presets').first().waitFor();
  }),
  stop('new-machine-summary', async (page) => {
    await page.locator('.sidebar > .button').first().click();
    await page.locator('.card').nth(2).click();
    await press(page, 'Enter');
    await page.locator('.presets').first().waitFor();
    await page.locator('.dialog [type=submit]').click();
    await page.locator('.dialog .facts').waitFor();
  }),
  stop('new-machine-expert', async (page, shell) => {
    shell.setPreferences({ newMachine: { ...PREFERENCES_DEFAULT.newMachine, expert: true } });
    await page.locator('.sidebar > .button').first().click();
    await page.locator('.card').nth(2).click();
    await page.locator('.dialog [type=submit]').waitFor();
  }),
  stop('file-browser', async (page) => {
    await page.locator('.sidebar > .button').first().click();
    await page.locator('.card').nth(1).click();
    await page.locator('.dialog .field-line button').click();
    await page.locator('.file-item').first().waitFor();
  }),
  ...[0, 1, 2, 3, 4].map((page) => stop(`preferences-${page + 1}`, async (view) => {
    await view.locator('.brand button').last().click();
    await view.getByRole('tab').nth(page).click();
    await view.locator('.settings-page').last().waitFor();
  })),
  ...[0, 1, 2, 3].map((page) => stop(`monitor-${page + 1}`, async (view, shell) => {
    shell.configure('Debian 12', FURNISHED);
    shell.turnOn('Debian 12');
    shell.turnOn('FreeDOS');
    await view.locator('.brand button').nth(-2).click();
    await view.getByRole('tab').nth(page).click();
    await view.locator('.graph, .network-counters, .inventory, .monitor-log').first().waitFor();
    // A second reading, without which there is nothing to draw.
    if (page === 0) await view.waitForTimeout(2500);
  })),
];
