/** The two that are measured: our window in the browser shell, and noVNC to QEMU, each on a page with the animated guest. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { BareBrowser, BareTarget } from './bare-browser.ts';
import { cacheFolder, distFolder } from '../../../scripts/build/folders.mjs';
import { findCommand } from '../../../scripts/setup/host-tools.mjs';
import { compiledProgram } from '../compiled-program.ts';
import { guestInitrd, guestKernel } from '../../support/guest-images.ts';
import { firmwareFiles } from '../engines.ts';
import { vmProcessFile } from '../frozen-build.ts';
import { childRunning } from '../process-figures.ts';

export interface Viewer {
  readonly page: BareTarget;
  /** The page, or the worker of it that draws. */
  readonly painter: BareTarget;
  /** Its machine's process. */
  readonly machinePid: number;
  /** The thread of it that computes the guest, by name; all others serve it. */
  readonly isGuestThread: (thread: { readonly id: number; readonly name: string }) => boolean;
  /** What else the picture passes through. */
  readonly betweenPid: number | undefined;
  end(): Promise<void>;
}

/** They must not outlive the benchmark, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => { for (const child of running) child.kill('SIGTERM'); });

function started(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once('exit', () => { running.delete(child); });
  return child;
}

const FLAVOUR = 'amd64';
const MEMORY_MEBIBYTES = 256;
const COMMAND_LINE = 'console=ttyS0,115200 quiet cryptomgr.notests';
const DRAWING = '@@ drawing';

function animationInitrd(): string {
  return guestInitrd({
    flavour: FLAVOUR,
    modules: [],
    files: [{ kind: 'file', path: 'animation', contents: readFileSync(compiledProgram(join(import.meta.dirname, 'animation.c'), ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static'])), executable: true }],
    init: `
exec </dev/console >/dev/console 2>&1
/animation
poweroff -f
`,
  });
}

export async function openOurs(browser: BareBrowser, timeoutSeconds: number): Promise<Viewer> {
  const home = mkdtempSync(join(tmpdir(), 'guesthouse-bench-'));
  const folder = join(home, 'machines', 'Animation.guestvm');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'machine.json'), JSON.stringify({
    schemaVersion: 1, memoryBytes: MEMORY_MEBIBYTES * 2 ** 20, directBoot: { kernel: guestKernel(FLAVOUR).file, initrd: animationInitrd(), commandLine: COMMAND_LINE },
  }));
  const shell = started(spawn(process.execPath, [join(distFolder, 'browser.js')], { env: { ...process.env, GUESTHOUSE_HOME: home, GUESTHOUSE_VM_PROCESS: vmProcessFile() }, stdio: ['ignore', 'pipe', 'inherit'] }));
  try {
    const page = await browser.open(await lineWith(shell, /https?:\/\/\S+/));
    const started = (): boolean => {
      const start = [...document.querySelectorAll<HTMLButtonElement>('button')].find((button) => button.textContent?.trim() === 'Start');
      if (start === undefined) document.querySelector<HTMLElement>('[role=option]')?.click();
      else start.click();
      return start !== undefined;
    };
    await page.waitFor(started, undefined, timeoutSeconds * 1000);
    await page.waitFor(() => document.querySelector<HTMLCanvasElement>('[data-testid=guest-canvas]')?.width === 1024, undefined, timeoutSeconds * 1000);
    const machinePid = childRunning(shell.pid!, 'vm-process');
    if (machinePid === undefined) throw new Error('no VM process');
    return {
      page,
      painter: await browser.worker('display-worker', timeoutSeconds * 1000),
      machinePid, betweenPid: shell.pid,
      isGuestThread: ({ id }) => id !== machinePid,
      end: async () => {
        await end(shell);
        rmSync(home, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await end(shell);
    const said = existsSync(join(folder, 'logs/serial.log')) ? readFileSync(join(folder, 'logs/serial.log'), 'utf8').slice(-400) : '';
    throw new Error(`the guest does not draw; it last said: ${JSON.stringify(said)}`, { cause: error });
  }
}

const CONTENT_TYPES: Readonly<Record<string, string>> = { '.js': 'text/javascript', '.html': 'text/html' };

/** Why noVNC can't be measured here. */
export function noVncMissing(): string | undefined {
  return findCommand(['qemu-system-x86_64']) === undefined ? 'qemu-system-x86_64 is not installed: sudo apt-get install qemu-system-x86' : undefined;
}

export async function openNoVnc(browser: BareBrowser, timeoutSeconds: number): Promise<Viewer> {
  const packageFolder = dirname(dirname(fileURLToPath(import.meta.resolve('@novnc/novnc'))));
  const socketPort = await freePort();
  const vncDisplay = join(cacheFolder, `vnc-${process.pid}.sock`);
  const qemu = started(spawn(findCommand(['qemu-system-x86_64'])!, [
    '-accel', 'tcg', '-smp', '1', '-nodefaults', '-no-user-config', '-name', 'guest,debug-threads=on', '-vga', 'std', '-bios', firmwareFiles.bios, '-m', String(MEMORY_MEBIBYTES), '-serial', 'stdio',
    '-vnc', `unix:${vncDisplay},websocket=127.0.0.1:${socketPort}`, '-kernel', guestKernel(FLAVOUR).file, '-initrd', animationInitrd(), '-append', COMMAND_LINE,
  ], { stdio: ['ignore', 'pipe', 'inherit'] }));
  const html = `<!doctype html><body style="margin:0"><div id="screen" style="width:100vw;height:100vh"></div><script type="module">
    import RFB from '/core/rfb.js';
    window.rfb = new RFB(document.getElementById('screen'), 'ws://127.0.0.1:${socketPort}/');
    window.rfb.addEventListener('connect', () => { document.title = 'connected'; window.rfb.focus(); });
  </script>`;
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url ?? '/', 'http://localhost').pathname);
    if (path === sep) response.writeHead(200, { 'content-type': 'text/html' }).end(html);
    else {
      try {
        const content = readFileSync(join(packageFolder, path));
        response.writeHead(200, { 'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream' }).end(content);
      } catch {
        response.writeHead(404).end();
      }
    }
  });
  server.listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    await lineWith(qemu, new RegExp(DRAWING), timeoutSeconds);
    const page = await browser.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitFor(() => document.querySelector('canvas')?.width === 1024, undefined, timeoutSeconds * 1000);
    return {
      page,
      painter: page,
      machinePid: qemu.pid!, betweenPid: undefined,
      isGuestThread: ({ name }) => name.startsWith('CPU '),
      end: async () => {
        server.close();
        await end(qemu);
        rmSync(vncDisplay, { force: true });
      },
    };
  } catch (error) {
    server.close();
    await end(qemu);
    throw error;
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

function lineWith(child: ChildProcess, pattern: RegExp, timeoutSeconds = 60): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => { reject(new Error(`no ${pattern.source} within ${timeoutSeconds} s`)); }, timeoutSeconds * 1000);
    child.once('exit', (code) => { reject(new Error(`ended with ${String(code)} before ${pattern.source}`)); });
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const found = pattern.exec(line)?.[0];
      if (found === undefined) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  await exited;
}
