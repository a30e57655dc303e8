/** What would ship: electron-builder makes the application's folder, with an empty stand-in for Electron's own files, and it is looked into. */
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build, Platform } from 'electron-builder';
import { ADAPTER_MODELS } from '../../src/shared/network-config.ts';
import { appPaths } from '../../src/main/app-paths.ts';

const project = join(import.meta.dirname, '../..');
let folder: string;
let shipped: string;

function everyFile(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(root, path)).isFile());
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'guesthouse-package-'));
  const app = join(folder, 'app');
  mkdirSync(app);
  for (const part of ['dist', 'assets', 'package.json', 'LICENSE', 'electron-builder.yml']) cpSync(join(project, part), join(app, part), { recursive: true });
  // What must not ship lies where it would lie.
  symlinkSync(join(project, 'node_modules'), join(app, 'node_modules'));
  cpSync(join(project, 'src', 'shared'), join(app, 'src', 'shared'), { recursive: true });
  const electron = join(folder, 'electron');
  mkdirSync(join(electron, 'resources'), { recursive: true });
  writeFileSync(join(electron, 'electron'), '#!/bin/sh\n');
  chmodSync(join(electron, 'electron'), 0o755);
  for (const file of ['LICENSE', 'LICENSES.chromium.html', 'version']) writeFileSync(join(electron, file), '45.4.1');
  await build({ projectDir: app, targets: Platform.LINUX.createTarget('dir'), publish: null, config: { extends: join(app, 'electron-builder.yml'), electronDist: electron, electronVersion: '45.4.1' } });
  shipped = join(app, 'release', 'linux-unpacked', 'resources', 'app');
}, 300_000);

afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

describe('the application\'s folder', () => {
  it('holds everything that the app opens when it runs', () => {
    const paths = appPaths({ GUESTHOUSE_APP_FOLDER: shipped, HOME: folder });
    const opened = [paths.vmProcess, paths.mediaProcess, paths.bios, paths.vgaBios, ...ADAPTER_MODELS.flatMap((model) => paths.bootRom(model) ?? []), paths.preload, paths.commandLine, paths.trayIcon, join(paths.rendererFolder, 'index.html'), join(paths.guestFolder, 'guest.json')];
    expect(opened.filter((path) => !existsSync(path))).toEqual([]);
    for (const file of ['electron.js', 'machine-thread.js', 'compile-worker.js', 'wasm/runtime.wasm', 'wasm/interpreter.wasm']) expect(existsSync(join(shipped, 'dist', file)), file).toBe(true);
    expect((JSON.parse(readFileSync(join(shipped, 'package.json'), 'utf8')) as { main: string }).main).toBe('dist/electron.js');
  });

  it('holds no sources, no source maps and no npm packages', () => {
    expect(everyFile(shipped).filter((path) => /\.(?:ts|tsx|map)$|(?:^|\/)node_modules\/|^src\/|^test\/|^scripts\//.test(path))).toEqual([]);
  });

  it('imports nothing that does not ship', () => {
    const builtIn = /^(?:node:|electron$|koffi$|bufferutil$|utf-8-validate$|\.{0,2}\/)|^(?:fs|path|os|util|events|stream|crypto|child_process|net|http|https|url|zlib|tls|buffer|process|assert|worker_threads|string_decoder|module|tty|v8|perf_hooks|async_hooks|readline|constants)(?:\/|$)/;
    for (const file of readdirSync(join(shipped, 'dist')).filter((name) => /\.c?js$/.test(name))) {
      const text = readFileSync(join(shipped, 'dist', file), 'utf8');
      const wanted = [...text.matchAll(/^import (?:[\w*{}\s,$]+ from )?["']([^"']+)["'];?$/gm)].map(([, name]) => name ?? '');
      expect(wanted.filter((name) => !builtIn.test(name)), file).toEqual([]);
    }
  });
});
