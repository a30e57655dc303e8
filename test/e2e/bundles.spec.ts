/** A bundle from the file to the running machine and to what is kept of it, by mouse and by keyboard, in both languages. */
import AxeBuilder from '@axe-core/playwright';
import { expect } from '@playwright/test';
import type { Page } from '@playwright/test';
import { machineConfigSchema } from '../../src/shared/machine-config.ts';
import type { BundleFacts } from '../../src/shared/bundle.ts';
import { touchesOf } from '../../src/shared/bundle.ts';
import { GIB, MIB } from '../../src/shared/sizes.ts';
import { test } from './open-window.ts';

const PATH = '/home/user/Downloads/traveller.guestvmz';
const PUBLIC_KEY = 'MCowBQYDK2VwAyEA9U0xdYRIo8yrbSHrfLkzaCKkT/Z4uLHD416fia7TGWA=';
const FINGERPRINT = 'SHA256:Jf0Jmrs1D3mFZ1vOJ5dyvRBpGqGbXcOOg1UPGPr7n9w';
const config = machineConfigSchema.parse({ schemaVersion: 1, memoryBytes: 512 * MIB, disks: [{ path: 'disks/disk.qcow2', format: 'qcow2' }], adapters: [{ allow: [{ host: 'loopback', port: 8080 }], forwards: [{ protocol: 'tcp', host: { port: 2222 }, guest: { port: 22 } }, { protocol: 'udp', host: { address: '0.0.0.0', port: 53 }, guest: { port: 53 } }] }] });
const FACTS: BundleFacts = { manifestSha256: '0'.repeat(64), bytes: 300 * MIB, unpackedBytes: 2 * GIB, config, snapshots: 2, hasSavedState: true, signer: { kind: 'unknown', publicKey: PUBLIC_KEY, fingerprint: FINGERPRINT }, touches: touchesOf([config]), runsInPlace: true };

/** What React Aria has a screen reader say for a moment lies outside of what is seen. */
async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).exclude('[data-live-announcer]').analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join('; ')}`)).toEqual([]);
}

test('by mouse: the sheet says who signed it and what it touches; it runs, and its changes are kept when it has gone off', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  shell.bundles.set(PATH, FACTS);
  await page.getByRole('button', { name: 'Open a bundle…' }).click();
  const browser = page.getByRole('dialog', { name: 'Open a bundle' });
  await browser.getByText('Downloads').dblclick();
  await browser.getByText('traveller.guestvmz').click();
  await browser.getByRole('button', { name: 'Choose' }).click();

  const sheet = page.getByRole('dialog', { name: 'Run traveller.guestvmz?' });
  await expect(sheet.getByText('Signed by somebody you don’t know yet')).toBeVisible();
  await expect(sheet.getByText(FINGERPRINT)).toBeVisible();
  await expect(sheet.getByRole('listitem')).toHaveText(['The internet and your network', 'Services of this computer itself, port 8080', 'A port of this computer leads into it: TCP 127.0.0.1:2222', 'A port that is open to others leads into it: UDP 0.0.0.0:53', 'No files of yours: only its own disks']);
  await expect(sheet.getByText('300 MiB, unpacked 2 GiB')).toBeVisible();
  await expectAccessible(page);
  await page.screenshot({ path: 'test-results/bundle-sheet.png' });
  expect(shell.callsOf('library.openBundle')).toEqual([]);
  await sheet.getByLabel('Remember the signer as').fill('Ada');
  await sheet.getByRole('button', { name: 'Run', exact: true }).click();
  await expect(page).toHaveURL(/#\/machine\/traveller$/);
  expect(shell.callsOf('signers.remember')).toEqual([{ publicKey: PUBLIC_KEY, name: 'Ada' }]);
  expect(shell.callsOf('library.openBundle')).toEqual([{ path: PATH, manifestSha256: FACTS.manifestSha256 }]);

  shell.setStatus('traveller', { state: 'paused', diskTrouble: { code: 'bundle.tampered', message: 'the bundle\'s disks/disk.qcow2 is not what its manifest says (MiB 7)', advice: 'get another copy of it, and not from whoever changed it' } });
  await expect(page.getByRole('alert')).toContainText('disks/disk.qcow2 is not what its manifest says (MiB 7)');
  await expect(page.getByRole('button', { name: 'Resume' }).last()).toBeVisible();
  await page.screenshot({ path: 'test-results/bundle-tampered.png' });

  shell.setStatus('traveller', { state: 'off', diskTrouble: undefined });
  const ending = page.getByRole('alertdialog', { name: 'Keep what traveller has changed?' });
  await expect(ending.getByText(PATH)).toBeVisible();
  await expectAccessible(page);
  await page.screenshot({ path: 'test-results/bundle-ending.png' });
  await ending.getByRole('button', { name: 'Decide later' }).click();
  await expect(ending).toBeHidden();
  await page.goto(`${shell.url}#/library/traveller`);
  await page.getByRole('button', { name: 'Keep or discard…' }).click();
  await ending.getByRole('button', { name: 'Keep', exact: true }).click();
  await expect(page.getByText('traveller is a machine of your library now')).toBeVisible();
  await expect(page.getByRole('region', { name: 'Bundle' })).toHaveCount(0);
});

test('by keyboard: unsigned, the harmless answer has the focus; what it changed is discarded after a crash', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.bundles.set(PATH, { ...FACTS, signer: { kind: 'unsigned' }, touches: [], hasSavedState: false, snapshots: 0 });
  // As the desktop shell leads there on a double click.
  await page.evaluate((path) => { window.location.hash = `#/bundle/${encodeURIComponent(path)}`; }, PATH);
  const sheet = page.getByRole('dialog', { name: 'Run traveller.guestvmz?' });
  await expect(sheet.getByText('Nobody has signed it')).toBeVisible();
  await expect(sheet.getByRole('listitem')).toHaveText(['Nothing but its own disks']);
  await expect(sheet.getByRole('button', { name: 'Cancel' })).toBeFocused();
  await page.keyboard.press('Tab');
  await expect(sheet.getByRole('button', { name: 'Import' })).toBeFocused();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#\/machine\/traveller$/);
  shell.setStatus('traveller', { state: 'crashed', crash: { error: { code: 'machines.process-died', message: 'the machine\'s process died', advice: 'start it again' }, lastLogLines: [] } });
  const ending = page.getByRole('alertdialog', { name: 'Keep what traveller has changed?' });
  await expect(ending.getByText('It crashed.')).toBeVisible();
  await expect(ending.getByRole('button', { name: 'Decide later' })).toBeFocused();
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(ending).toBeHidden();
  await expect(page.getByRole('option', { name: 'traveller' })).toHaveCount(0);
  expect(shell.callsOf('library.discard')).toEqual([{ name: 'traveller' }]);
});

test('what is open goes on without a question; a saved machine asks nothing; Escape leaves the sheet', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.bundles.set(PATH, { ...FACTS, signer: { kind: 'known', name: 'Ada', publicKey: PUBLIC_KEY, fingerprint: FINGERPRINT } });
  const open = (): Promise<void> => page.evaluate((path) => { window.location.hash = `#/bundle/${encodeURIComponent(path)}`; }, PATH);
  await open();
  const sheet = page.getByRole('dialog', { name: 'Run traveller.guestvmz?' });
  await expect(sheet.getByText('Signed by Ada')).toBeVisible();
  await expect(sheet.getByRole('button', { name: 'Run', exact: true })).toBeFocused();
  await page.keyboard.press('Escape');
  await expect(sheet).toBeHidden();
  expect(shell.callsOf('library.openBundle')).toEqual([]);
  await open();
  await expect(sheet.getByRole('button', { name: 'Run', exact: true })).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/#\/machine\/traveller$/);
  shell.setStatus('traveller', { state: 'saving' });
  shell.setStatus('traveller', { state: 'off' });
  await expect(page.getByRole('heading', { name: 'traveller is off' })).toBeVisible();
  await expect(page.getByRole('alertdialog')).toHaveCount(0);
  await open();
  await expect(page).toHaveURL(/#\/machine\/traveller$/);
  expect(shell.callsOf('machines.start')).toHaveLength(2);
});

test('a file that is none is refused at once, and a bundle that has to be imported is; all of it in German', async ({ page, openWindow }) => {
  const shell = await openWindow(['Debian']);
  shell.setPreferences({ language: 'de' });
  await page.evaluate(() => { window.location.hash = '#/bundle/%2Fhome%2Fuser%2Fhalf.guestvmz'; });
  const half = page.getByRole('dialog', { name: 'half.guestvmz ausführen?' });
  await expect(half.getByRole('alert')).toContainText('Das Bündel ist beschädigt');
  await expect(half.getByRole('button', { name: 'Ausführen' })).toHaveCount(0);
  await half.getByRole('button', { name: 'Abbrechen' }).click();
  shell.bundles.set(PATH, { ...FACTS, runsInPlace: false, signer: { kind: 'own', publicKey: PUBLIC_KEY, fingerprint: FINGERPRINT } });
  await page.evaluate((path) => { window.location.hash = `#/bundle/${encodeURIComponent(path)}`; }, PATH);
  const sheet = page.getByRole('dialog', { name: 'traveller.guestvmz ausführen?' });
  await expect(sheet.getByText('Signiert von diesem Computer')).toBeVisible();
  await expect(sheet.getByText('Das Internet und dein Netzwerk')).toBeVisible();
  await sheet.getByRole('button', { name: 'Importieren' }).click();
  await expect(page.getByRole('article', { name: 'traveller' })).toBeVisible();
  expect(shell.callsOf('library.import')).toMatchObject([{ path: PATH, manifestSha256: FACTS.manifestSha256 }]);
});
