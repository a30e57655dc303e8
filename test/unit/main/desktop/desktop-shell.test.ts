import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, onTestFinished, test } from 'vitest';
import type { DesktopBridge } from '../../../../src/shared/api.ts';
import { launchDesktopShell } from '../../../support/electron-stand-in/launch.ts';
import type { DesktopShell } from '../../../support/electron-stand-in/launch.ts';
import { testHome } from '../../../support/main-fixtures.ts';

interface PageWindow { guesthouse: DesktopBridge; messages: unknown[]; port?: MessagePort }

const program = fileURLToPath(new URL('../../../../src/main/electron.ts', import.meta.url));
const preloadSource = fileURLToPath(new URL('../../../../src/main/preload.ts', import.meta.url));

async function launch(): Promise<{ shell: DesktopShell; kernel: string }> {
  const { folder, kernel, environment } = testHome();
  await build({ entryPoints: [preloadSource], outfile: join(folder, 'app', 'dist', 'preload.cjs'), bundle: true, platform: 'node', format: 'cjs', external: ['electron'] });
  const shell = await launchDesktopShell(program, environment);
  onTestFinished(async () => { await shell.quit(); });
  return { shell, kernel };
}

test('the page calls main through the preload, and sees nothing of the preload\'s world', async () => {
  const { shell } = await launch();
  const seen = await shell.page.evaluate(async () => {
    const page = globalThis as unknown as PageWindow & Record<string, unknown>;
    return {
      shell: page.guesthouse.shell,
      list: await page.guesthouse.call('library.list', {}),
      unknown: await page.guesthouse.call('library.explode', {}),
      leaks: ['require', 'process', 'ipcRenderer', '__standInElectron', '__standInBinding'].filter((name) => name in page),
    };
  });
  expect(seen).toMatchObject({ shell: 'desktop', list: { ok: true, value: { entries: [] } }, unknown: { ok: false, error: { code: 'api.unknown-method' } }, leaks: [] });
  expect(shell.records).toContainEqual({ kind: 'menu', template: null });
});

test('frames reach the page over a port that was handed to the VM process, and its end closes the port', async () => {
  const { shell, kernel } = await launch();
  const frame = await shell.page.evaluate(async (path) => {
    const page = globalThis as unknown as PageWindow;
    const { guesthouse } = page;
    await guesthouse.call('library.create', { name: 'red', memoryBytes: 64 * 1024 * 1024, directBoot: { kernel: path, commandLine: 'print=hello' } });
    const early = await guesthouse.openChannel('display', 'red');
    await guesthouse.call('machines.start', { name: 'red' });
    const arrived = new Promise<MessagePort>((resolve) => {
      window.addEventListener('message', (event) => { if (event.data.guesthouseChannel !== undefined) resolve(event.ports[0]!); });
    });
    const opened = await guesthouse.openChannel('display', 'red');
    page.port = await arrived;
    const { port } = page;
    const first = new Promise<{ frame: { screenWidth: number; rectangles: { rgba: Uint8Array }[] } }>((resolve) => { port.onmessage = (event: MessageEvent<{ frame: { screenWidth: number; rectangles: { rgba: Uint8Array }[] } }>) => { resolve(event.data); }; });
    port.postMessage({ kind: 'watch-display', watch: true });
    const { frame: { screenWidth, rectangles } } = await first;
    return { early, opened, screenWidth, pixel: Array.from(rectangles[0]!.rgba.subarray(0, 4)) };
  }, kernel);
  expect(frame).toMatchObject({ early: { ok: false, error: { code: 'machines.not-running' } }, opened: { ok: true }, screenWidth: 16, pixel: [255, 0, 0, 255] });

  const ended = await shell.page.evaluate(async () => {
    const { guesthouse, port } = globalThis as unknown as Required<PageWindow>;
    const closed = new Promise((resolve) => { port.addEventListener('close', () => { resolve('closed'); }); });
    const states: string[] = [];
    guesthouse.onEvent((event) => {
      const { event: name, payload } = event as { event: string; payload: { status: { state: string } } };
      if (name === 'machines.status') states.push(payload.status.state);
    });
    await guesthouse.call('machines.stop', { name: 'red', how: 'force' });
    return { port: await closed, states };
  });
  expect(ended).toEqual({ port: 'closed', states: ['stopping', 'off'] });
});

test('quitting asks before it ends machines, and stays when the person wants to', async () => {
  const { shell, kernel } = await launch();
  await shell.page.evaluate(async (path) => {
    const { guesthouse } = globalThis as unknown as PageWindow;
    await guesthouse.call('preferences.set', { whenQuitting: 'ask' });
    await guesthouse.call('library.create', { name: 'busy', memoryBytes: 64 * 1024 * 1024, directBoot: { kernel: path } });
    await guesthouse.call('machines.start', { name: 'busy' });
  }, kernel);
  shell.order({ kind: 'quit' });
  await expect.poll(() => shell.records.filter((entry) => entry.kind === 'message-box')).toHaveLength(1);
  const status = await shell.page.evaluate(() => (globalThis as unknown as PageWindow).guesthouse.call('machines.status', { name: 'busy' }));
  expect(status).toMatchObject({ ok: true, value: { state: 'running' } });
  // Save, power off, cancel.
  shell.order({ kind: 'answer-dialog', response: 1 });
  expect(await shell.quit()).toBe(0);
});

test('a file chosen in the native dialog comes back, and cancelling comes back as no path', async () => {
  const { shell } = await launch();
  shell.order({ kind: 'answer-dialog', filePaths: ['/images/one.iso'] });
  const pick = () => shell.page.evaluate(() => (globalThis as unknown as PageWindow).guesthouse.call('dialogs.pickFile', { title: 'Choose', purpose: 'cd-image' }));
  expect(await pick()).toEqual({ ok: true, value: { path: '/images/one.iso' } });
  expect(await pick()).toEqual({ ok: true, value: {} });
});
