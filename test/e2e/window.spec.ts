/** The window in a real browser, with guests that are programs (test/support/fake-shell.ts) behind it. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@playwright/test';
import type { Page } from '@playwright/test';
import { PNG } from 'pngjs';
import { FakeShell } from '../support/fake-shell.ts';
import { expectAnswer, readCells, typeText, waitForPrompt } from '../support/screen-cells.ts';

let shell: FakeShell;
/** What the page should never say to its own console. */
let complaints: string[];

async function open(page: Page, machines: readonly string[], hasBundledGuest = false): Promise<void> {
  shell = new FakeShell({ machines, hasBundledGuest });
  await shell.listen();
  complaints = [];
  page.on('pageerror', (error) => { complaints.push(error.message); });
  page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
  await page.goto(shell.url);
}

async function startMachine(page: Page, name: string): Promise<void> {
  await page.getByRole('option', { name }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).click();
  await waitForPrompt(page, 30_000);
}

test.afterEach(async () => { await shell.close(); });

test('whoever never saw it comes from the first start to a running guest in three clicks at most', async ({ page }) => {
  await open(page, [], true);
  await page.evaluate(() => {
    addEventListener('click', () => { document.documentElement.dataset['clicks'] = String(Number(document.documentElement.dataset['clicks'] ?? 0) + 1); }, true);
  });
  // The one button that stands out.
  await page.locator('.button-primary').click();
  await waitForPrompt(page, 30_000);
  await expectAnswer(page, 'echo $((6*7))', '42', 10_000);
  expect(Number(await page.locator('html').getAttribute('data-clicks'))).toBeLessThanOrEqual(3);
});

test('the first run offers the bundled guest, which comes to its prompt and answers', async ({ page }) => {
  await open(page, []);
  await page.getByRole('button', { name: 'Try Guesthouse Linux' }).click();
  await waitForPrompt(page, 30_000);
  await expectAnswer(page, 'echo $((6*7))', '42', 10_000);
  expect(complaints).toEqual([]);
});

test('the first run offers the machine of the bundled guest that is there already', async ({ page }) => {
  await open(page, [], true);
  await page.getByRole('button', { name: 'Try Guesthouse Linux' }).click();
  await waitForPrompt(page, 30_000);
  await page.keyboard.press('ControlRight');
  await page.getByRole('button', { name: 'All machines' }).click();
  await expect(page.getByRole('option')).toHaveCount(1);
  await expect(page.getByRole('heading', { name: 'Guesthouse Linux' })).toBeVisible();
});

test('what the canvas holds is the guest\'s screen, pixel for pixel', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  const shown = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('[data-testid=guest-canvas]');
    if (canvas === null) throw new Error('no canvas');
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    copy.getContext('2d')!.drawImage(canvas, 0, 0);
    return { width: canvas.width, height: canvas.height, address: copy.toDataURL() };
  });
  expect([shown.width, shown.height]).toEqual([720, 400]);
  const [drawn, real] = [PNG.sync.read(Buffer.from(shown.address.split(',')[1] ?? '', 'base64')), PNG.sync.read(Buffer.from(shell.guest('Debian').screenshot()))];
  // All but the blinking cursor.
  let differing = 0;
  for (let at = 0; at < real.data.length; at++) if (real.data[at] !== drawn.data[at]) differing++;
  expect(differing).toBeLessThanOrEqual(2 * 8 * 3);
});

test('a key that is down is let go in the guest when the window loses the focus', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.keyboard.down('ShiftLeft');
  await expect.poll(() => [...shell.guest('Debian').down]).toEqual(['ShiftLeft']);
  await page.evaluate(() => { window.dispatchEvent(new Event('blur')); });
  await expect.poll(() => [...shell.guest('Debian').down]).toEqual([]);
  await page.keyboard.up('ShiftLeft');
});

test('a click captures the mouse, and the host key gives it and the keyboard back', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.mouse.click(600, 450);
  await expect(page.getByText('Press Right Ctrl to get keyboard and mouse back')).toBeAttached();
  await page.mouse.move(640, 470, { steps: 4 });
  await page.mouse.down({ button: 'right' });
  await page.mouse.up({ button: 'right' });
  const { pointerSeen } = shell.guest('Debian');
  await expect.poll(() => pointerSeen.map(({ buttons }) => buttons)).toContain(2);
  expect(pointerSeen.reduce((sum, { dx }) => sum + dx, 0)).toBeGreaterThan(0);
  await page.keyboard.press('ControlRight');
  await expect(page.getByText('Click the screen to type in the guest')).toBeVisible();
  expect(await page.evaluate(() => document.pointerLockElement)).toBeNull();
  const before = shell.guest('Debian').keysSeen.length;
  await page.keyboard.press('KeyA');
  expect(shell.guest('Debian').keysSeen.slice(before)).toEqual([]);
  expect(shell.guest('Debian').keysSeen.map(({ code }) => code)).not.toContain('ControlRight');
  await page.keyboard.press('ControlRight');
  await page.keyboard.press('KeyB');
  await expect.poll(() => shell.guest('Debian').keysSeen.slice(before)).toEqual([{ code: 'KeyB', down: true }, { code: 'KeyB', down: false }]);
});

test('Ctrl+Alt+Del comes from the menu and from the host key', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  const chord = ['ControlLeft', 'AltLeft', 'Delete', 'Delete', 'AltLeft', 'ControlLeft'];
  const before = shell.guest('Debian').keysSeen.length;
  await page.getByRole('button', { name: 'Keys' }).click();
  await page.getByRole('menuitem', { name: 'Ctrl + Alt + Del' }).click();
  await expect.poll(() => shell.guest('Debian').keysSeen.slice(before).map(({ code }) => code)).toEqual(chord);
  await page.keyboard.press('ControlRight+Delete');
  await expect.poll(() => shell.guest('Debian').keysSeen.slice(before).map(({ code }) => code)).toEqual([...chord, ...chord]);
});

test('fullscreen shows the guest alone, and the host key with F leads in and out', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.keyboard.press('ControlRight+KeyF');
  await expect(page.getByRole('tablist')).toBeHidden();
  expect(await page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
  await page.keyboard.press('ControlRight+KeyF');
  await expect(page.getByRole('tablist')).toBeVisible();
});

test('the screenshot that is saved is the guest\'s screen', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save screenshot' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toMatch(/^Debian \d{4}-\d\d-\d\d \d\d\.\d\d\.\d\d\.png$/);
  const { width, height } = PNG.sync.read(readFileSync(await saved.path()));
  expect([width, height]).toEqual([720, 400]);
});

test('the serial console replays what was said and passes on what is typed', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.getByRole('tab', { name: 'Serial console' }).click();
  const lines = page.locator('.xterm-accessibility');
  await expect(lines).toContainText('Welcome to Guesthouse Linux');
  await page.keyboard.type('echo $((7*11))\n');
  await expect(lines).toContainText('77');
  await page.keyboard.press('ControlRight');
  await expect(page.getByRole('tab', { name: 'Serial console' })).toBeFocused();
});

test('pause dims the screen, resume goes on, and power off asks first', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.getByRole('heading', { name: 'Paused' })).toBeVisible();
  await page.getByRole('button', { name: 'Resume' }).last().click();
  await expect(page.getByRole('heading', { name: 'Paused' })).toBeHidden();
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('menuitem', { name: 'Power off…' }).click();
  const question = page.getByRole('alertdialog', { name: 'Power off Debian?' });
  await expect(question.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await question.getByRole('button', { name: 'Power off' }).click();
  await expect(page.getByRole('heading', { name: 'Debian is off' })).toBeVisible();
});

test('a machine that is started again shows its new screen', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await typeText(page, 'echo 4711\n');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('menuitem', { name: 'Power off…' }).click();
  await page.getByRole('button', { name: 'Power off', exact: true }).click();
  await page.getByRole('button', { name: 'Start', exact: true }).first().click();
  await waitForPrompt(page, 30_000);
  await expectAnswer(page, 'echo $((6*7))', '42', 10_000);
});

test('a machine that crashes, hangs or resets over and over says so, and what to do', async ({ page }) => {
  await open(page, ['Debian', 'Other']);
  await startMachine(page, 'Debian');
  shell.setStatus('Debian', { resetLoop: true, resetsInLastMinute: 31 });
  await expect(page.getByRole('alert')).toContainText('reset 31 times in the last minute');
  shell.setStatus('Debian', { resetLoop: false, unresponsive: true });
  await expect(page.getByRole('alert')).toContainText('has not answered for a while');
  shell.setStatus('Debian', { unresponsive: false, haltedForever: true });
  await expect(page.getByRole('alert')).toContainText('stopped its processor for good');
  shell.setStatus('Debian', { haltedForever: false, state: 'crashed', crash: { error: { code: 'machines.process-died', message: 'the machine\'s process died (signal SIGKILL)', advice: 'see the machine\'s log and start it again' }, lastLogLines: ['error: the last line'] } });
  await expect(page.getByRole('alert')).toContainText('Debian crashed');
  await expect(page.getByRole('alert')).toContainText('SIGKILL');
  await page.getByText('Last lines of its log').click();
  await expect(page.getByText('error: the last line')).toBeVisible();
  const report = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save a report…' }).focus();
  await page.keyboard.press('Enter');
  const saved = readFileSync(await (await report).path(), 'utf8');
  expect(saved).toContain('Error: machines.process-died');
  expect(saved).toContain('board: ready');
  await page.getByRole('button', { name: 'Start again' }).click();
  await waitForPrompt(page, 30_000);
});

test('deleting asks, and moves to the trash unless told otherwise', async ({ page }) => {
  await open(page, ['Debian', 'Other']);
  await page.getByRole('option', { name: 'Other' }).click();
  await page.getByRole('button', { name: 'More actions' }).click();
  await page.getByRole('menuitem', { name: 'Delete…' }).click();
  await page.getByRole('alertdialog').getByRole('button', { name: 'Move to trash' }).click();
  await expect(page.getByRole('option')).toHaveCount(1);
});

test('a broken machine says why, and cannot be started', async ({ page }) => {
  await open(page, ['Debian']);
  shell.break('Debian', { code: 'machine-config.newer-schema', message: 'machine.json has schema 9, and this Guesthouse knows schemas up to 1', advice: 'open it with a newer Guesthouse' });
  await expect(page.getByRole('alert')).toContainText('machine.json has schema 9');
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toBeDisabled();
});

test('the library can be used with the keyboard alone', async ({ page }) => {
  await open(page, ['Alpha', 'Beta', 'Gamma']);
  await page.getByRole('option', { name: 'Alpha' }).waitFor();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the machine' })).toBeFocused();
  for (const name of ['Media', 'Monitor', 'Preferences', 'New machine', 'Import a machine…', 'Open a bundle…']) {
    await page.keyboard.press('Tab');
    await expect(page.getByRole('button', { name })).toBeFocused();
  }
  await page.keyboard.press('Tab');
  await expect(page.getByRole('searchbox', { name: 'Search' })).toBeFocused();
  for (const name of ['Sorted by Own order', 'Show as a grid']) {
    await page.keyboard.press('Tab');
    await expect(page.getByRole('button', { name })).toBeFocused();
  }
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await expect(page.getByRole('heading', { name: 'Gamma' })).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toBeFocused();
  await page.keyboard.press('Enter');
  await waitForPrompt(page, 30_000);
});

test('language and appearance change at once, and are kept', async ({ page }) => {
  await open(page, ['Debian']);
  await page.getByRole('button', { name: 'Preferences' }).click();
  await page.getByRole('radio', { name: 'Deutsch' }).check({ force: true });
  await page.getByRole('radio', { name: 'Dunkel' }).check({ force: true });
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.getByRole('button', { name: 'Neue Maschine' })).toBeVisible();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
});

test.describe('with a host in German', () => {
  test.use({ locale: 'de-AT' });
  test('the window speaks German', async ({ page }) => {
    await open(page, []);
    await expect(page.getByRole('heading', { name: 'Ein zweiter Computer in diesem' })).toBeVisible();
    await expect(page.getByText('9,3 GiB von 16 GiB frei')).toBeVisible();
  });
});

test('a connection that breaks is told, and comes back by itself with the screen', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  shell.dropConnections();
  await expect(page.getByText('No connection to Guesthouse')).toBeVisible();
  await expect(page.getByText('No connection to Guesthouse')).toBeHidden({ timeout: 10_000 });
  await waitForPrompt(page, 30_000);
});

test('the list shows a small live picture of a machine that runs', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  await page.keyboard.press('ControlRight');
  await page.getByRole('button', { name: 'All machines' }).click();
  const picture = page.getByRole('option', { name: 'Debian' }).locator('canvas');
  await expect(picture).toBeVisible();
  await expect.poll(() => picture.evaluate((canvas: HTMLCanvasElement) => {
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d')!;
    copy.drawImage(canvas, 0, 0);
    return new Set(copy.getImageData(0, 0, canvas.width, canvas.height).data).size;
  })).toBeGreaterThan(1);
});

test('a click on a machine that fills a small window moves nothing below it', async ({ page }) => {
  await open(page, ['Debian']);
  await startMachine(page, 'Debian');
  const box = await page.getByTestId('guest-canvas').boundingBox();
  shell.setStatus('Debian', { resetLoop: true, resetsInLastMinute: 20 });
  await expect(page.getByRole('alert')).toBeVisible();
  expect(await page.getByTestId('guest-canvas').boundingBox()).toEqual(box);
  expect((await readCells(page)).length).toBe(25);
});
