/**
 * A Chromium that is told what to do over its debugging protocol, with no more switched on than is used: Playwright listens
 * to the network of every page, and Chromium then hands each message of a WebSocket on as text, which costs more than to
 * draw it.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { findChromium } from '../../../scripts/setup/host-tools.mjs';

interface Answer { readonly id?: number; readonly result?: unknown; readonly error?: { readonly message: string }; readonly method?: string; readonly params?: unknown }
interface Evaluated { readonly result: { readonly value?: unknown }; readonly exceptionDetails?: { readonly text: string; readonly exception?: { readonly description?: string } } }
interface Attached { readonly sessionId: string; readonly targetInfo: { readonly type: string; readonly url: string } }

/** A page or a worker of it. */
export class BareTarget {
  readonly #browser: BareBrowser;
  readonly #session: string;

  constructor(browser: BareBrowser, session: string) {
    this.#browser = browser;
    this.#session = session;
  }

  send(method: string, params: object = {}): Promise<unknown> {
    return this.#browser.send(method, params, this.#session);
  }

  /** `run` is carried there as text: it sees nothing of its surroundings but `given`. */
  async evaluate<Value, Given = undefined>(run: (given: Given) => Value | Promise<Value>, given?: Given): Promise<Value> {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression: `(${run.toString()})(${JSON.stringify(given) ?? 'undefined'})`, awaitPromise: true, returnByValue: true, userGesture: true,
    }) as Evaluated;
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as Value;
  }

  async waitFor<Given>(holds: (given: Given) => boolean, given: Given, timeoutMillis: number): Promise<void> {
    const end = Date.now() + timeoutMillis;
    while (!(await this.evaluate(holds, given))) {
      if (Date.now() > end) throw new Error(`not within ${timeoutMillis} ms: ${holds.toString()}`);
      await sleep(100);
    }
  }

  /** By its `KeyboardEvent.code`; digits and letters only. */
  async press(code: string): Promise<void> {
    const character = code.slice(-1).toLowerCase();
    const key = { code, key: character, windowsVirtualKeyCode: character.toUpperCase().charCodeAt(0) };
    await this.send('Input.dispatchKeyEvent', { type: 'keyDown', text: character, ...key });
    await this.send('Input.dispatchKeyEvent', { type: 'keyUp', ...key });
  }
}

export class BareBrowser {
  readonly #child: ChildProcess;
  readonly #profile: string;
  readonly #socket: WebSocket;
  readonly #calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #attached: Attached[] = [];
  #lastId = 0;

  private constructor(child: ChildProcess, profile: string, socket: WebSocket) {
    this.#child = child;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('message', (data: Buffer) => {
      const { id, result, error, method, params } = JSON.parse(data.toString('utf8')) as Answer;
      if (method === 'Target.attachedToTarget') this.#attached.push(params as Attached);
      const call = id === undefined ? undefined : this.#calls.get(id);
      if (call === undefined) return;
      this.#calls.delete(id!);
      if (error === undefined) call.resolve(result);
      else call.reject(new Error(error.message));
    });
  }

  static async launch(width: number, height: number): Promise<BareBrowser> {
    const program = findChromium();
    if (program === undefined) throw new Error('no Chromium is installed: run npm run setup');
    const profile = mkdtempSync(join(tmpdir(), 'guesthouse-bench-chromium-'));
    const child = spawn(program, ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${profile}`, `--window-size=${width},${height}`, '--no-first-run', '--disable-background-networking',
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => { child.kill('SIGKILL'); });
    const address = await new Promise<string>((resolve, reject) => {
      child.once('exit', () => { reject(new Error('Chromium ended at once')); });
      createInterface({ input: child.stderr }).on('line', (line) => {
        const found = /DevTools listening on (\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const socket = new WebSocket(address, { perMessageDeflate: false });
    await once(socket, 'open');
    return new BareBrowser(child, profile, socket);
  }

  send(method: string, params: object, sessionId?: string): Promise<unknown> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params, ...(sessionId === undefined ? {} : { sessionId }) }));
    });
  }

  async open(address: string): Promise<BareTarget> {
    const { targetId } = await this.send('Target.createTarget', { url: address }) as { readonly targetId: string };
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true }) as { readonly sessionId: string };
    const page = new BareTarget(this, sessionId);
    await page.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: true });
    return page;
  }

  /** The newest worker whose address holds `word`. */
  async worker(word: string, timeoutMillis: number): Promise<BareTarget> {
    const end = Date.now() + timeoutMillis;
    for (;;) {
      const found = this.#attached.findLast(({ targetInfo }) => targetInfo.type === 'worker' && targetInfo.url.includes(word));
      if (found !== undefined) return new BareTarget(this, found.sessionId);
      if (Date.now() > end) throw new Error(`the page has no worker ${word}`);
      await sleep(100);
    }
  }

  async processes(): Promise<{ readonly renderers: readonly number[]; readonly others: readonly number[] }> {
    const { processInfo } = await this.send('SystemInfo.getProcessInfo', {}) as { readonly processInfo: readonly { readonly type: string; readonly id: number }[] };
    return { renderers: processInfo.filter(({ type }) => type === 'renderer').map(({ id }) => id), others: processInfo.filter(({ type }) => type !== 'renderer').map(({ id }) => id) };
  }

  async close(): Promise<void> {
    const exited = once(this.#child, 'exit');
    this.#socket.terminate();
    this.#child.kill('SIGTERM');
    await exited;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}
