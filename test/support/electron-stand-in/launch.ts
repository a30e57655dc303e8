/** Starts the desktop shell on the stand-in and gives a test its page. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import type { StandInOrder, StandInRecord } from './record.ts';

export interface DesktopShell {
  /** Of its first window. */
  readonly page: Page;
  readonly records: readonly StandInRecord[];
  /** Everything that the shell wrote, for a failed test's message. */
  output(): string;
  order(order: StandInOrder): void;
  /** Asks it to quit and resolves with its exit status. */
  quit(): Promise<number | null>;
}

/** `program` is the built `electron.js` (or its source); `environment` adds to this process's. Rejects when no window opens. */
export async function launchDesktopShell(program: string, environment: NodeJS.ProcessEnv): Promise<DesktopShell> {
  const records: StandInRecord[] = [];
  let output = '';
  const child = fork(program, [], {
    execArgv: ['--import', fileURLToPath(new URL('./register.mjs', import.meta.url))],
    env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => { output += chunk.toString('utf8'); });
  const exited = new Promise<number | null>((resolve) => { child.on('close', (code) => { resolve(code); }); });
  const browser = await windowOf(child, records, exited, () => output);
  const page = browser.contexts()[0]?.pages().find((candidate) => candidate.url() !== 'about:blank');
  if (page === undefined) throw new Error('the shell opened no page');
  return {
    page, records,
    output: () => output,
    order(order) { child.send(order); },
    async quit() {
      if (child.connected) child.send({ kind: 'quit' } satisfies StandInOrder);
      const code = await exited;
      await browser.close().catch(() => {});
      return code;
    },
  };
}

async function windowOf(child: ChildProcess, records: StandInRecord[], exited: Promise<unknown>, output: () => string): Promise<Browser> {
  const endpoint = await new Promise<string>((resolve, reject) => {
    let found: string | undefined;
    child.on('message', (untyped) => {
      const entry = untyped as StandInRecord;
      records.push(entry);
      if (entry.kind === 'browser') found = entry.endpoint;
      if (entry.kind === 'window' && found !== undefined) resolve(found);
    });
    void exited.then(() => { reject(new Error(`the desktop shell ended before it had a window: ${JSON.stringify(records)} ${output()}`)); });
  });
  return chromium.connectOverCDP(endpoint);
}
