/** The one Chromium of the stand-in; tests look into it through its DevTools endpoint. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { BrowserContext } from 'playwright-core';
import { record } from './record.ts';
import { answerSchemes } from './schemes.ts';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

let opened: Promise<BrowserContext> | undefined;
let profile: string | undefined;

export function openBrowser(): Promise<BrowserContext> {
  opened ??= launch();
  return opened;
}

export async function closeBrowser(): Promise<void> {
  await (await opened)?.close().catch(() => {});
  if (profile !== undefined) rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}

async function launch(): Promise<BrowserContext> {
  const executablePath = process.env['CHROMIUM'] ?? EXECUTABLES.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('no Chromium was found');
  const port = await freePort();
  profile = mkdtempSync(join(tmpdir(), 'guesthouse-stand-in-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath, headless: true, args: [`--remote-debugging-port=${port}`, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
  });
  await answerSchemes(context);
  record({ kind: 'browser', endpoint: `http://127.0.0.1:${port}` });
  return context;
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => { resolve(port); });
    });
  });
}
