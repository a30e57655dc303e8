/** What the desktop shell does as part of a desktop: files that are opened, second starts, tray, recent machines, sleep, window state, quitting. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openRequestOf, pathsInArguments } from '../../../../src/main/desktop/open-request.ts';
import { isInSight } from '../../../../src/main/desktop/window-state.ts';
import type { DesktopBridge } from '../../../../src/shared/api.ts';
import { launchDesktopShell } from '../../../support/electron-stand-in/launch.ts';
import type { DesktopShell } from '../../../support/electron-stand-in/launch.ts';
import { temporaryFolder, testHome } from '../../../support/main-fixtures.ts';

interface PageWindow { guesthouse: DesktopBridge }

const program = fileURLToPath(new URL('../../../../src/main/electron.ts', import.meta.url));
const preloadSource = fileURLToPath(new URL('../../../../src/main/preload.ts', import.meta.url));

async function home() {
  const made = testHome();
  await build({ entryPoints: [preloadSource], outfile: join(made.folder, 'app', 'dist', 'preload.cjs'), bundle: true, platform: 'node', format: 'cjs', external: ['electron'] });
  return made;
}

async function launch(environment: NodeJS.ProcessEnv): Promise<DesktopShell> {
  const shell = await launchDesktopShell(program, environment);
  onTestFinished(async () => { await shell.quit(); });
  return shell;
}

const call = (shell: DesktopShell, method: string, input: unknown): Promise<unknown> => (
  shell.page.evaluate(([name, given]) => (globalThis as unknown as PageWindow).guesthouse.call(name, given), [method, input] as const));

const kinds = (shell: DesktopShell, kind: string) => shell.records.filter((entry) => entry.kind === kind);

async function startMachine(shell: DesktopShell, name: string, kernel: string, commandLine = ''): Promise<void> {
  await call(shell, 'library.create', { name, memoryBytes: 64 * 1024 * 1024, directBoot: { kernel, commandLine } });
  expect(await call(shell, 'machines.start', { name })).toMatchObject({ ok: true });
}

describe('what is opened', () => {
  const facts = { isFolder: (path: string) => path.endsWith('.guestvm') && !path.endsWith('x.guestvm/x.guestvm'), isFile: (path: string) => path.endsWith('z') || path.endsWith('.json') || path.endsWith('x.guestvm/x.guestvm') };

  test.each([
    ['/lib/x.guestvm', { kind: 'machine', name: 'x' }],
    ['/lib/x.guestvm/x.guestvm', { kind: 'machine', name: 'x' }],
    ['/lib/x.guestvm/machine.json', { kind: 'machine', name: 'x' }],
    ['/usb/x.guestvm', { kind: 'foreign-folder', folder: '/usb/x.guestvm' }],
    ['/lib/deeper/x.guestvm', { kind: 'foreign-folder', folder: '/lib/deeper/x.guestvm' }],
    ['/lib/../usb/x.guestvm', { kind: 'foreign-folder', folder: '/usb/x.guestvm' }],
    ['/usb/x.guestvmz', { kind: 'bundle', path: '/usb/x.guestvmz' }],
    ['/etc/machine.json', undefined],
    ['/lib', undefined],
  ])('%s', (path, expected) => {
    expect(openRequestOf(path, '/lib', facts)).toEqual(expected);
  });

  test('among the words of a command line are files only', () => {
    expect(pathsInArguments(['/usr/bin/guesthouse.guestvm', '--flag', '.', '/a.guestvmz', 'b.guestvm'])).toEqual(['/a.guestvmz', 'b.guestvm']);
  });
});

test('a window is in sight where its title can be taken hold of', () => {
  const screens = [{ x: 0, y: 0, width: 1920, height: 1080 }];
  expect(isInSight({ x: 100, y: 100, width: 800, height: 600 }, screens)).toBe(true);
  expect(isInSight({ x: 1900, y: 100, width: 800, height: 600 }, screens)).toBe(false);
  expect(isInSight({ x: 100, y: 1060, width: 800, height: 600 }, screens)).toBe(false);
  expect(isInSight({ x: 2000, y: 100, width: 800, height: 600 }, [...screens, { x: 1920, y: 0, width: 1920, height: 1080 }])).toBe(true);
});

test('a machine of the library that is opened is shown; one from elsewhere is copied in after a question, without what leads out of it', async () => {
  const { environment, kernel } = await home();
  const shell = await launch(environment);
  await call(shell, 'library.create', { name: 'known', memoryBytes: 64 * 1024 * 1024, directBoot: { kernel } });
  const library = join(environment['GUESTHOUSE_HOME']!, 'machines');
  shell.order({ kind: 'second-instance', argv: [join(library, 'known.guestvm', 'known.guestvm')] });
  await expect.poll(() => shell.page.url()).toContain('#/library/known');

  const foreign = join(temporaryFolder(), 'visitor.guestvm');
  mkdirSync(join(foreign, 'disks'), { recursive: true });
  writeFileSync(join(foreign, 'disks', 'own.img'), 'the disk');
  writeFileSync(join(foreign, 'machine.json'), JSON.stringify({
    schemaVersion: 1, disks: [{ path: '/etc/passwd' }, { path: 'disks/own.img' }], cdroms: [{ path: '/etc/hostname' }],
    adapters: [{ allow: [{ host: 'loopback', port: 22 }], forwards: [{ protocol: 'tcp', host: { port: 8080 }, guest: { port: 80 } }] }],
  }));
  shell.order({ kind: 'answer-dialog', response: 0 });
  shell.order({ kind: 'open-file', path: foreign });
  await expect.poll(() => shell.page.url()).toContain('#/library/visitor');
  expect(readFileSync(join(library, 'visitor.guestvm', 'disks', 'own.img'), 'utf8')).toBe('the disk');
  expect(JSON.parse(readFileSync(join(library, 'visitor.guestvm', 'machine.json'), 'utf8'))).toMatchObject({ disks: [{ path: 'disks/own.img' }], cdroms: [{}], adapters: [{ allow: [], forwards: [] }] });

  const bundle = join(temporaryFolder(), 'a b.guestvmz');
  writeFileSync(bundle, '');
  shell.order({ kind: 'second-instance', argv: [bundle] });
  await expect.poll(() => shell.page.url()).toContain(`#/bundle/${encodeURIComponent(bundle)}`);

  shell.order({ kind: 'open-file', path: '/etc/hostname' });
  await expect.poll(() => kinds(shell, 'error-box')).toMatchObject([{ title: 'This cannot be opened' }]);

  await shell.page.evaluate(() => {
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([], 'gone.guestvmz'));
    window.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }));
  });
  await expect.poll(() => kinds(shell, 'error-box')).toMatchObject([{}, { content: '/dropped/gone.guestvmz is neither a machine nor a bundle.' }]);
});

test('the tray shows what is on and starts what was on last; recent machines are forgotten when that is preferred', async () => {
  const { environment, kernel } = await home();
  const shell = await launch(environment);
  const menu = (): readonly string[] => (kinds(shell, 'tray-menu').at(-1) as { labels: readonly string[] } | undefined)?.labels ?? [];
  await startMachine(shell, 'one', kernel);
  await expect.poll(menu).toEqual(['Show one', 'Open Guesthouse', 'Quit']);
  expect(kinds(shell, 'recent-document')).toMatchObject([{ path: expect.stringContaining('one.guestvm') }]);
  await call(shell, 'machines.stop', { name: 'one', how: 'force' });
  await expect.poll(menu).toEqual(['Start one', 'Open Guesthouse', 'Quit']);
  shell.order({ kind: 'press-tray', label: 'Start one' });
  await expect.poll(menu).toEqual(['Show one', 'Open Guesthouse', 'Quit']);
  await call(shell, 'machines.stop', { name: 'one', how: 'force' });
  await call(shell, 'preferences.set', { rememberRecent: false });
  await expect.poll(menu).toEqual(['Open Guesthouse', 'Quit']);
  expect(kinds(shell, 'recent-cleared')).toHaveLength(1);
});

test('a host that sleeps pauses what runs, and its waking resumes only that', async () => {
  const { environment, kernel } = await home();
  const shell = await launch(environment);
  for (const name of ['running', 'paused']) await startMachine(shell, name, kernel);
  await call(shell, 'machines.pause', { name: 'paused' });
  const states = async () => ((await call(shell, 'library.list', {})) as { value: { entries: { name: string; status: { state: string } }[] } }).value.entries.map(({ name, status }) => [name, status.state]);
  shell.order({ kind: 'power', event: 'suspend' });
  await expect.poll(states).toEqual([['paused', 'paused'], ['running', 'paused']]);
  shell.order({ kind: 'power', event: 'resume' });
  await expect.poll(states).toEqual([['paused', 'paused'], ['running', 'running']]);
  await call(shell, 'preferences.set', { whenQuitting: 'power-off' });
});

test('the last window closed leaves machines on in the tray; the window comes back where it was', async () => {
  const { environment, kernel } = await home();
  mkdirSync(join(environment['GUESTHOUSE_HOME']!, 'preferences'), { recursive: true });
  writeFileSync(join(environment['GUESTHOUSE_HOME']!, 'preferences', 'window.json'), JSON.stringify({ bounds: { x: 40, y: 50, width: 900, height: 700 }, isMaximized: false }));
  const shell = await launch(environment);
  expect(kinds(shell, 'window')).toMatchObject([{ bounds: [40, 50, 900, 700] }]);
  await startMachine(shell, 'stays', kernel);
  await call(shell, 'preferences.set', { whenQuitting: 'power-off' });
  shell.order({ kind: 'close-windows' });
  await expect.poll(() => shell.page.isClosed()).toBe(true);
  shell.order({ kind: 'press-tray', label: 'Show stays' });
  await expect.poll(() => kinds(shell, 'window')).toMatchObject([{}, { url: 'guesthouse://app/#/library/stays' }]);
});

test('a crash that no window shows is a notification', async () => {
  const { environment, kernel } = await home();
  const shell = await launch(environment);
  await call(shell, 'library.create', { name: 'weak', memoryBytes: 64 * 1024 * 1024, directBoot: { kernel, commandLine: 'die' } });
  await call(shell, 'machines.start', { name: 'weak' });
  await expect.poll(() => kinds(shell, 'notification')).toMatchObject([{ title: 'weak crashed' }]);
});

test('the library\'s folder is chosen in the preferences, made, and used from the next start on', async () => {
  const { environment, folder } = await home();
  const shell = await launchDesktopShell(program, environment);
  const elsewhere = join(folder, 'big disk', 'machines');
  expect(await call(shell, 'preferences.set', { libraryFolder: 'machines' })).toMatchObject({ ok: false, error: { code: 'api.bad-input' } });
  expect(await call(shell, 'preferences.set', { libraryFolder: '/dev/null/machines' })).toMatchObject({ ok: false });
  expect(await call(shell, 'preferences.set', { libraryFolder: elsewhere })).toMatchObject({ ok: true });
  expect(existsSync(elsewhere)).toBe(true);
  await shell.quit();
  const again = await launch(environment);
  expect(await call(again, 'library.list', {})).toMatchObject({ ok: true, value: { folder: elsewhere } });
});
