/** Settings, media and the machine window's own controls: by mouse, and by keyboard alone. */
import { readFileSync } from 'node:fs';
import { expect } from '@playwright/test';
import type { Locator, Page } from '@playwright/test';
import { PNG } from 'pngjs';
import { waitForPrompt } from '../support/screen-cells.ts';
import { test } from './open-window.ts';

const ADAPTER = {
  model: 'virtio', mode: 'nat', network: 'default', reach: 'internet', allow: [], forwards: [], connected: true, delayMillis: 0, jitterMillis: 0, lossPercent: 0,
};

async function openSettings(page: Page, name = 'Debian'): Promise<Locator> {
  await page.getByRole('option', { name }).click();
  await page.getByRole('button', { name: 'Settings…' }).click();
  return page.getByRole('dialog', { name: `Settings of ${name}` });
}

async function start(page: Page, name = 'Debian'): Promise<void> {
  await page.getByRole('option', { name }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await waitForPrompt(page, 30_000);
}

test('settings are changed on every page with the mouse, and saved in one', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  const dialog = await openSettings(page);
  const turnTo = (name: string) => dialog.getByRole('tab', { name }).click();
  await dialog.getByLabel('Group').fill('Work');
  await dialog.getByLabel('Tags').fill('linux, server');
  await turnTo('System');
  await dialog.getByLabel('Memory').fill('768M');
  await dialog.getByLabel('Processor limit').fill('40');
  await dialog.getByRole('button', { name: 'Starts from' }).click();
  await page.getByRole('option', { name: 'CD → disk', exact: true }).click();
  await turnTo('Display');
  await dialog.getByText('Whole pixels', { exact: true }).click();
  await turnTo('Storage');
  await dialog.getByRole('button', { name: 'New disk…' }).click();
  await page.getByRole('dialog', { name: 'New disk for Debian' }).getByRole('button', { name: 'Create and attach' }).click();
  await dialog.getByRole('button', { name: 'Add a CD drive' }).click();
  await dialog.getByRole('button', { name: 'Browse…' }).click();
  await page.getByRole('option', { name: 'tiny.iso' }).dblclick();
  await turnTo('Network');
  await dialog.getByRole('button', { name: 'Add an adapter' }).click();
  await dialog.getByRole('button', { name: 'Forward a port' }).click();
  await dialog.getByLabel('Also reachable').fill('loopback:8080');
  await dialog.getByLabel('Also reachable').press('Enter');
  await turnTo('Input');
  await dialog.getByText('German', { exact: true }).click();
  await turnTo('Permissions');
  await expect(dialog.getByRole('tabpanel')).toContainText('TCP 127.0.0.1:2222 → 22');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toBeHidden();
  expect(shell.changesOf('Debian')).toEqual([{
    group: 'Work', tags: ['linux', 'server'], memoryBytes: 768 * 1024 * 1024, cpuLimitPercent: 40, bootOrder: ['cd', 'hd'],
    display: { adapter: 'stdvga', scaling: 'integer' },
    disks: [expect.objectContaining({ path: 'disks/disk.img' }), expect.objectContaining({ path: 'disks/disk1.qcow2', format: 'qcow2' })],
    cdroms: [{ path: '/home/user/tiny.iso', bus: 'ide' }],
    adapters: [{ ...ADAPTER, allow: [{ host: 'loopback', port: 8080 }], forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }] }],
    input: { keyboardLayout: 'de', captureOnClick: true },
  }]);
});

test('what is wrong stands beside its field, and nothing is saved until it is mended', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.configure('Debian', { adapters: [{ forwards: [{ protocol: 'tcp', host: { port: 80 }, guest: { port: 80 } }, { protocol: 'tcp', host: { port: 81 }, guest: { port: 80 } }] }] });
  const dialog = await openSettings(page);
  await dialog.getByRole('tab', { name: 'System' }).click();
  await dialog.getByLabel('Memory').fill('1');
  await dialog.getByLabel('Clock at power-on').fill('yesterday');
  await dialog.getByRole('tab', { name: 'Network' }).click();
  await dialog.getByLabel('MAC address').fill('01:00:5e:00:00:01');
  const rows = dialog.getByRole('row');
  await rows.nth(1).getByLabel('Address here').fill('here');
  await rows.nth(2).getByLabel('Port here').fill('99999');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByRole('alert')).toContainText('see System, Network');
  await expect(dialog.getByLabel('MAC address')).toHaveAccessibleDescription(/six pairs/);
  await expect(rows.nth(1).getByLabel('Address here')).toHaveAccessibleDescription(/no IP address/);
  await expect(rows.nth(2).getByLabel('Port here')).toHaveAccessibleDescription(/1 to 65535/);
  await rows.nth(1).getByLabel('Address here').fill('127.0.0.1');
  await rows.nth(2).getByLabel('Port here').fill('80');
  await expect(rows.nth(2).getByLabel('Port here')).toHaveAccessibleDescription(/forwarded twice/);
  await rows.nth(2).getByLabel('Port here').fill('82');
  await dialog.getByLabel('MAC address').fill('');
  await dialog.getByRole('tab', { name: 'System' }).click();
  await expect(dialog.getByLabel('Memory')).toHaveAccessibleDescription(/between 2 MiB/);
  await dialog.getByLabel('Memory').fill('64 MiB');
  await expect(dialog.getByLabel('Clock at power-on')).toHaveAccessibleDescription(/1999-12-31/);
  await dialog.getByLabel('Clock at power-on').fill('1999-12-31 23:59');
  expect(shell.changesOf('Debian')).toEqual([]);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toBeHidden();
  expect(shell.changesOf('Debian')[0]).toMatchObject({ memoryBytes: 64 * 1024 * 1024, time: { mode: 'host', rtcEpochSeconds: Date.UTC(1999, 11, 31, 23, 59) / 1000 } });
});

test('settings are changed with the keyboard alone', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  await page.getByRole('option', { name: 'Debian' }).click();
  await page.getByRole('button', { name: 'Settings…' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Settings of Debian' });
  await dialog.waitFor();
  while (!await dialog.getByRole('tab', { name: 'General' }).evaluate((tab) => tab === document.activeElement)) await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await expect(dialog.getByRole('tab', { name: 'System' })).toBeFocused();
  while (!await dialog.getByLabel('Memory').evaluate((field) => field === document.activeElement)) await page.keyboard.press('Tab');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('1 GiB');
  while (!await dialog.getByRole('button', { name: 'Accelerator' }).evaluate((field) => field === document.activeElement)) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await expect(dialog.getByRole('button', { name: 'Accelerator' })).toContainText('translator');
  while (!await dialog.getByRole('button', { name: 'Save' }).evaluate((button) => button === document.activeElement)) await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(dialog).toBeHidden();
  expect(shell.changesOf('Debian')).toEqual([{ memoryBytes: 1024 * 1024 * 1024, accelerator: 'translator' }]);
});

test('the network of an adapter is chosen and its link made worse, with reasons for what is impossible', async ({ page, openWindow }) => {
  const shell = await openWindow([{ name: 'Debian', adapters: [{ forwards: [{ protocol: 'tcp', host: { port: 2222 }, guest: { port: 22 } }] }] }]);
  const dialog = await openSettings(page);
  await dialog.getByRole('tab', { name: 'Network' }).click();
  await expect(dialog.getByLabel('Name of the network')).toBeHidden();
  const attach = async (name: string): Promise<void> => {
    await dialog.getByRole('button', { name: /Attached to/ }).click();
    await page.getByRole('option', { name }).click();
  };
  await attach('This computer only');
  await expect(dialog.getByRole('button', { name: /The guest may reach/ })).toBeHidden();
  await expect(dialog.getByRole('button', { name: 'Forward a port' })).toBeVisible();
  await attach('An internal network');
  await expect(dialog.getByRole('button', { name: 'Forward a port' })).toBeHidden();
  await attach('A shared network (NAT network)');
  await expect(dialog.getByRole('button', { name: /The guest may reach/ })).toBeVisible();
  await dialog.getByLabel('Name of the network').fill('my lab');
  await dialog.getByLabel('Delay, in milliseconds').fill('-3');
  await dialog.getByLabel('Frames lost, in percent').fill('200');
  await dialog.getByLabel('Boot folder').fill('boot');
  await dialog.getByLabel('Boot file').fill('a b');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog.getByText('Use 1 to 32 letters, digits')).toBeVisible();
  await expect(dialog.getByText('Give a number of milliseconds from 0 to 10,000.')).toBeVisible();
  await expect(dialog.getByText('Give a percentage from 0 to 100.')).toBeVisible();
  await expect(dialog.getByText('Choose a folder: give its whole path.')).toBeVisible();
  await expect(dialog.getByText('Give a name of up to 127 letters without spaces')).toBeVisible();
  await dialog.getByLabel('Boot folder').fill('/srv/boot');
  await dialog.getByLabel('Boot file').fill('pxelinux.0');
  await dialog.getByLabel('Name of the network').fill('lab');
  await dialog.getByLabel('Delay, in milliseconds').fill('80');
  await dialog.getByLabel('Jitter on top of it').fill('7.5');
  await dialog.getByLabel('Frames lost, in percent').fill('0.5');
  await dialog.getByLabel('Bandwidth limit, each way').fill('2 MiB/s');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await expect(dialog).toBeHidden();
  expect(shell.changesOf('Debian')).toEqual([{ adapters: [{
    ...ADAPTER, mode: 'nat-network', network: 'lab', delayMillis: 80, jitterMillis: 7.5, lossPercent: 0.5, bytesPerSecondMaximum: 2 * 1024 * 1024, bootFolder: '/srv/boot', bootFile: 'pxelinux.0',
    forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }],
  }] }]);
});

test('the status bar shows what is at work, and changes discs and cables of a machine that is on', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.configure('Debian', { cdroms: [{}], adapters: [{}] });
  await start(page);
  await page.keyboard.press('ControlRight');
  const parts = page.getByRole('group', { name: 'Parts of the machine' });
  await expect(parts).toContainText('37 %');
  await parts.getByRole('button', { name: 'CD drive: empty' }).click();
  await page.getByRole('menuitem', { name: 'Choose a CD image…' }).click();
  await page.getByRole('option', { name: 'tiny.iso' }).dblclick();
  await parts.getByRole('button', { name: 'CD drive: tiny.iso' }).click();
  shell.failures.set('machines.changeDisc', { ok: false, error: { code: 'media.held', message: 'the guest holds its disc', advice: 'eject it in the guest' } });
  await page.getByRole('menuitem', { name: 'Eject' }).click();
  await page.getByRole('alertdialog', { name: 'The guest holds its disc' }).getByRole('button', { name: 'Take it out by force' }).click();
  await expect(parts.getByRole('button', { name: 'CD drive: empty' })).toBeVisible();
  await parts.getByRole('button', { name: 'Network adapter 1' }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('Enter');
  await expect(parts.getByRole('button', { name: 'Network adapter 1: cable out' })).toBeVisible();
  expect(shell.changesOf('Debian').at(-1)).toEqual({ adapters: [{ ...ADAPTER, connected: false }] });
});

test('text is typed on the layout that the guest has, and the on-screen keyboard types too', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  await start(page);
  await page.getByRole('button', { name: 'Keys' }).click();
  await page.getByRole('menuitem', { name: 'Type text…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Type text into the guest' });
  await dialog.getByLabel('Text').fill('echo ä€');
  await expect(dialog.getByLabel('Text')).toHaveAccessibleDescription(/No key of this layout types ä €/);
  await dialog.getByText('German', { exact: true }).click();
  await expect(dialog.getByLabel('Text')).not.toHaveAccessibleDescription(/No key/);
  await dialog.getByLabel('Text').fill('echo $((6*9))\n');
  await dialog.getByRole('button', { name: 'Type', exact: true }).click();
  await expect.poll(() => shell.guest('Debian').rows.join('\n')).toContain('54');
  const { keysSeen } = shell.guest('Debian');
  await page.getByRole('button', { name: 'Keys' }).click();
  await page.getByRole('menuitem', { name: 'On-screen keyboard' }).click();
  const before = keysSeen.length;
  const keyboard = page.getByRole('group', { name: 'On-screen keyboard' });
  await keyboard.getByRole('button', { name: 'ShiftLeft' }).click();
  await keyboard.getByRole('button', { name: 'A', exact: true }).click();
  await keyboard.getByRole('button', { name: 'b', exact: true }).click();
  await expect.poll(() => keysSeen.slice(before).map(({ code, down }) => `${down ? '+' : '-'}${code}`)).toEqual(['+ShiftLeft', '+KeyA', '-KeyA', '-ShiftLeft', '+KeyB', '-KeyB']);
});

test('the screen is scaled as the machine\'s settings say, and the window\'s menu changes them', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  await start(page);
  const widths: Record<string, number> = {};
  for (const name of ['Fill, smooth', 'Whole pixels', 'Original size', 'Fill, crisp']) {
    await page.getByRole('button', { name: 'View' }).click();
    await page.getByRole('menuitem', { name }).click();
    await expect.poll(() => shell.changesOf('Debian').length).toBe(Object.keys(widths).length + 1);
    await expect(page.locator('.machine-resolution')).toContainText('720 × 400');
    await page.waitForFunction(() => !document.getAnimations().some(({ playState }) => playState === 'running'));
    widths[name] = (await page.getByTestId('guest-canvas').boundingBox())?.width ?? 0;
  }
  const room = await page.locator('.room').evaluate((element) => element.clientWidth);
  expect(widths['Original size']).toBe(720);
  expect(widths['Whole pixels']! % 720).toBe(0);
  expect(widths['Fill, smooth']).toBeLessThanOrEqual(room + 1);
  expect(widths['Fill, crisp']).toBe(widths['Fill, smooth']);
  await expect(page.getByTestId('guest-canvas')).toHaveAttribute('data-crisp', 'true');
  // In its original size a screen that is larger than the window is scrolled.
  await page.getByRole('button', { name: 'View' }).click();
  await page.getByRole('menuitem', { name: 'Original size' }).click();
  await page.setViewportSize({ width: 560, height: 420 });
  await expect.poll(() => page.locator('.room').evaluate((element) => element.scrollWidth - element.clientWidth)).toBeGreaterThan(100);
});

test('a machine may have its own host key, and keep the mouse free on a click', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.configure('Debian', { input: { hostKey: 'AltRight', captureOnClick: false } });
  await start(page);
  await page.mouse.click(600, 450);
  await expect(page.getByText('Keyboard goes to the guest. Right Alt gives it back.')).toBeVisible();
  expect(await page.evaluate(() => document.pointerLockElement)).toBeNull();
  await page.getByRole('button', { name: 'Keys' }).click();
  await page.getByRole('menuitem', { name: 'Capture the mouse' }).click();
  await expect.poll(() => page.evaluate(() => document.pointerLockElement !== null)).toBe(true);
  await page.keyboard.press('AltRight');
  await expect.poll(() => page.evaluate(() => document.pointerLockElement)).toBeNull();
});

test('a console is searched and saved', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await start(page);
  await page.getByRole('tab', { name: 'Serial console' }).click();
  await expect(page.locator('.xterm-accessibility')).toContainText('Welcome to Guesthouse Linux');
  await page.keyboard.press('Control+Shift+KeyF');
  await page.getByLabel('Search for').fill('no such words');
  await expect(page.getByRole('search')).toContainText('not found');
  await page.getByLabel('Search for').fill('Welcome');
  await expect(page.getByRole('search')).not.toContainText('not found');
  await page.keyboard.press('Escape');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save what it shows' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toMatch(/^Debian console .*\.log$/);
  expect(readFileSync(await saved.path(), 'utf8')).toContain('Welcome to Guesthouse Linux');
});

test('closing asks what shall become of the machine', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await start(page);
  await page.keyboard.press('ControlRight');
  await page.getByRole('button', { name: 'Close…' }).click();
  await page.getByText('Keep it running').click();
  await page.getByRole('alertdialog', { name: 'Close Debian?' }).getByRole('button', { name: 'Close', exact: true }).click();
  await expect(page.getByRole('option', { name: 'Debian' })).toContainText('Running');
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await page.getByRole('button', { name: 'Close…' }).click();
  await page.getByText('Power it off').click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Close', exact: true }).click();
  await expect(page.getByRole('option', { name: 'Debian' })).toContainText('Off');
});

test('a start that would starve the computer is refused with figures, and can be had all the same', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.failures.set('machines.start', { ok: false, error: { code: 'memory.host-low', message: 'the machine may come to use 672 MiB, and the host has 610 MiB of memory free', advice: 'start it all the same' } });
  await page.getByRole('option', { name: 'Debian' }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  const question = page.getByRole('alertdialog', { name: 'Start Debian all the same?' });
  await expect(question).toContainText('610 MiB');
  await question.getByRole('button', { name: 'Start all the same' }).click();
  await expect(page.getByRole('option', { name: 'Debian' })).toContainText('Running');
});

test('the media manager checks, compacts and cancels', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('button', { name: 'Media' }).click();
  const dialog = page.getByRole('dialog', { name: 'Media' });
  await expect(dialog.getByRole('option', { name: 'disk.img' })).toContainText('Debian');
  await dialog.getByRole('button', { name: 'Compact' }).click();
  await expect(dialog.getByRole('progressbar')).toHaveAttribute('aria-valuenow', '40');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await expect(dialog.getByRole('progressbar')).toBeHidden();
  await dialog.getByRole('button', { name: 'Check' }).click();
  await expect(dialog.getByText('The image is sound.')).toBeVisible();
  await dialog.getByRole('button', { name: 'Resize' }).click();
  const resize = page.getByRole('dialog', { name: 'Resize the disk' });
  await resize.getByLabel('Size').fill('4 GiB');
  await expect(resize.getByRole('button', { name: 'Resize' })).toBeDisabled();
  await resize.getByText('Make it smaller').click();
  await resize.getByRole('button', { name: 'Resize' }).click();
  await expect(dialog.getByRole('status')).toContainText('It took 91 MiB');
});

test('shortcuts are recorded by keyboard alone and by mouse, refused where they are taken, and work', async ({ page, openWindow }) => {
  await openWindow(['Debian']);
  await page.getByRole('button', { name: 'Preferences' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('tab', { name: 'Keyboard' }).focus();
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: 'Preferences' });
  await dialog.getByRole('button', { name: /^Fullscreen/ }).focus();
  await page.keyboard.press('Enter');
  await page.keyboard.press('KeyP');
  await expect(dialog.getByRole('status').filter({ hasText: 'Pause' })).toBeVisible();
  await page.keyboard.press('KeyG');
  await expect(dialog.getByRole('button', { name: /^Fullscreen.*G/ })).toBeVisible();
  await dialog.getByRole('button', { name: /^Pause/ }).click();
  await page.keyboard.press('KeyB');
  await expect(dialog.getByRole('button', { name: /^Pause.*B/ })).toBeVisible();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await start(page);
  await page.keyboard.press('ControlRight+KeyB');
  await expect(page.getByRole('heading', { name: 'Paused' })).toBeVisible();
});

test.describe('on a screen with two pixels for each of the page', () => {
  test.use({ deviceScaleFactor: 2 });
  test('the guest\'s pixels are whole numbers of the screen\'s, and as sharp', async ({ page, openWindow }) => {
    const shell = await openWindow(['Debian']);
    await start(page);
    const canvas = page.getByTestId('guest-canvas');
    await page.waitForFunction(() => !document.getAnimations().some(({ playState }) => playState === 'running'));
    const box = await canvas.boundingBox();
    if (box === null) throw new Error('no screen');
    const scale = (box.width * 2) / 720;
    expect(Number.isInteger(scale)).toBe(true);
    expect(scale).toBeGreaterThan(2);
    expect([box.x * 2, box.y * 2].map((at) => at % 1)).toEqual([0, 0]);
    const [shown, real] = [PNG.sync.read(await page.screenshot({ clip: box, scale: 'device' })), PNG.sync.read(Buffer.from(shell.guest('Debian').screenshot()))];
    expect([shown.width, shown.height]).toEqual([real.width * scale, real.height * scale]);
    let differing = 0;
    for (let y = 0; y < shown.height; y++) {
      for (let x = 0; x < shown.width; x++) {
        const [of, at] = [(y * shown.width + x) * 4, (Math.floor(y / scale) * real.width + Math.floor(x / scale)) * 4];
        if (shown.data[of] !== real.data[at] || shown.data[of + 1] !== real.data[at + 1]) differing++;
      }
    }
    // The cursor blinks, and the frame that shows where keys go lies over the edge.
    const [cursor, frame] = [9 * 16 * scale * scale, 2 * (shown.width + shown.height) * 4];
    expect(differing).toBeLessThanOrEqual(cursor + frame);
  });
});
