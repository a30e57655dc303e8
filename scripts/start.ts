/**
 * Opens the app: Electron's where its binary is present, else the browser shell in a browser window, else (no display)
 * the browser shell's address.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { keepCompiledCode } from './build/compiled-code.mjs';
import { distFolder, projectFolder } from './build/folders.mjs';
import { printLine } from './build/report.ts';
import { buildTargets } from './build/steps.ts';
import { findChromium, findCommand } from './setup/host-tools.mjs';

keepCompiledCode();

const ELECTRON_BINARIES: Partial<Record<NodeJS.Platform, string>> = {
  linux: 'electron',
  win32: 'electron.exe',
  darwin: 'Electron.app/Contents/MacOS/Electron',
};

const isRoot = process.getuid?.() === 0;
const hasDisplay = process.platform !== 'linux'
  || [process.env['DISPLAY'], process.env['WAYLAND_DISPLAY']].some((display) => display !== undefined && display !== '');

const electron = join(projectFolder, 'node_modules/electron/dist', ELECTRON_BINARIES[process.platform] ?? 'electron');
const usesElectron = hasDisplay && existsSync(electron);

const program = join(distFolder, usesElectron ? 'electron.js' : 'browser.js');
if (!await buildTargets(usesElectron ? 'desktop' : 'browser', { quiet: false }) || !existsSync(program)) {
  printLine('guesthouse: the app could not be built: see above, or run npm run build');
  process.exit(1);
}

const args = process.argv.slice(2);
if (usesElectron) {
  // Chromium refuses its sandbox to root.
  followExit(spawn(electron, [...(isRoot ? ['--no-sandbox'] : []), projectFolder, ...args], { stdio: 'inherit' }));
} else {
  printLine(hasDisplay
    ? 'Guesthouse opens in a browser: Electron is not installed here (npm run setup -- --electron gets it).'
    : 'Guesthouse is served to a browser: there is no display here for a window.');
  startBrowserShell();
}

function startBrowserShell(): void {
  const shell = spawn(process.execPath, [program, ...args], { stdio: ['inherit', 'pipe', 'inherit'] });
  followExit(shell);
  let isOpened = false;
  createInterface({ input: shell.stdout }).on('line', (line) => {
    process.stdout.write(`${line}\n`);
    const address = /https?:\/\/\S+/.exec(line)?.[0];
    if (address === undefined || isOpened || !hasDisplay) return;
    isOpened = true;
    openWindow(address);
  });
}

function openWindow(address: string): void {
  const chromium = findChromium() ?? findCommand(['microsoft-edge', 'brave-browser', 'vivaldi']);
  const opener = findCommand([process.platform === 'darwin' ? 'open' : 'xdg-open']);
  const command = chromium !== undefined
    ? [chromium, `--app=${address}`, ...(isRoot ? ['--no-sandbox'] : [])]
    : opener !== undefined ? [opener, address] : undefined;
  if (command === undefined) return;
  const [program = '', ...rest] = command;
  const browser = spawn(program, rest, { stdio: 'ignore', detached: true });
  browser.on('error', (error) => { printLine(`no browser could be opened (${error.message}): open ${address}`); });
  browser.unref();
}

/** Ends as the child ends, and passes on what asks this process to end. */
function followExit(child: ChildProcess): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { child.kill(signal); });
  child.on('exit', (code, signal) => { process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1); });
}
