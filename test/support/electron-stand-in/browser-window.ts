/** `BrowserWindow` and its `webContents`: a tab of a real Chromium with the preload in an isolated world. */
import { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import type { CDPSession, Page } from 'playwright-core';
import { openBrowser } from './browser.ts';
import { decodeValue, encodeValue } from './codec.ts';
import { invokeHandler } from './ipc-main.ts';
import type { MessagePortMain } from './message-ports.ts';
import { record } from './record.ts';
import { fromBrowserUrl, toBrowserUrl } from './schemes.ts';

const WORLD = 'Electron Isolated Context';

interface WindowOptions {
  readonly x?: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly webPreferences?: { readonly preload?: string; readonly contextIsolation?: boolean; readonly sandbox?: boolean; readonly nodeIntegration?: boolean };
}

type PermissionHandler = (contents: WebContents, permission: string, answer: (granted: boolean) => void) => void;

/** Electron's names, and the browser's, of what a headless browser would refuse without asking. */
const PERMISSIONS = { 'clipboard-read': 'clipboard-read', 'clipboard-sanitized-write': 'clipboard-write' };

type FromPage =
  | { readonly kind: 'invoke'; readonly id: number; readonly channel: string; readonly args: unknown[] }
  | { readonly kind: 'port-message'; readonly port: number; readonly data: unknown }
  | { readonly kind: 'port-closed'; readonly port: number };

class WebContents extends EventEmitter {
  readonly session = { setPermissionRequestHandler: (handler: PermissionHandler): void => { this.#mayUse = handler; } };
  #mayUse: PermissionHandler = (_contents, _permission, answer) => { answer(true); };
  readonly #window: BrowserWindow;
  readonly #ports = new Map<number, MessagePortMain>();
  #nextPort = 1;
  #page: Page | undefined;
  #devTools: CDPSession | undefined;
  /** Of the preload's world in the present document. */
  #world: number | undefined;

  constructor(window: BrowserWindow) {
    super();
    this.#window = window;
  }

  setWindowOpenHandler(): void {}

  getURL(): string {
    return fromBrowserUrl(this.#page?.url() ?? 'about:blank');
  }

  executeJavaScript(source: string): Promise<unknown> {
    return this.#page?.evaluate(source) ?? Promise.resolve();
  }

  send(channel: string, ...args: unknown[]): void {
    this.#deliver({ kind: 'event', channel, args: encodeValue(args), ports: [] });
  }

  postMessage(channel: string, message: unknown, transfer: readonly MessagePortMain[] = []): void {
    const ids = transfer.map((port) => {
      const id = this.#nextPort++;
      this.#ports.set(id, port);
      return { id, port };
    });
    this.#deliver({ kind: 'event', channel, args: encodeValue([message]), ports: ids.map(({ id }) => id) });
    for (const { id, port } of ids) {
      port.carry({
        message: (data) => { this.#deliver({ kind: 'port-message', port: id, data: encodeValue(data) }); },
        closed: () => {
          this.#ports.delete(id);
          this.#deliver({ kind: 'port-closed', port: id });
        },
      });
    }
  }

  async open(url: string, options: WindowOptions): Promise<void> {
    const context = await openBrowser();
    const page = await context.newPage();
    this.#page = page;
    if (options.width !== undefined && options.height !== undefined) await page.setViewportSize({ width: options.width, height: options.height });
    const devTools = await context.newCDPSession(page);
    this.#devTools = devTools;
    devTools.on('Runtime.executionContextCreated', ({ context: created }) => { if (created.name === WORLD) this.#world = created.id; });
    devTools.on('Runtime.bindingCalled', ({ name, payload }) => { if (name === '__standInBinding') void this.#receive(JSON.parse(payload) as FromPage); });
    await devTools.send('Runtime.enable');
    await devTools.send('Page.enable');
    await devTools.send('Runtime.addBinding', { name: '__standInBinding', executionContextName: WORLD });
    const { preload, contextIsolation, sandbox, nodeIntegration } = options.webPreferences ?? {};
    if (contextIsolation === false || sandbox === false || nodeIntegration === true) throw new Error('the stand-in has isolated, sandboxed pages only');
    await devTools.send('Page.addScriptToEvaluateOnNewDocument', { source: read('./main-world.js') });
    if (preload !== undefined) {
      const source = `${read('./isolated-world.js')}\nif (globalThis.__standInElectron !== undefined) (function (require, module, exports) {\n${readFileSync(preload, 'utf8')}\n})((name) => {\n`
        + 'if (name !== "electron") throw new Error(`a sandboxed preload has no module ${name}`);\nreturn globalThis.__standInElectron;\n}, { exports: {} }, {});';
      await devTools.send('Page.addScriptToEvaluateOnNewDocument', { source, worldName: WORLD });
    }
    page.on('close', () => {
      for (const port of this.#ports.values()) port.close();
      this.#ports.clear();
      this.#window.closed();
    });
    const granted: string[] = [];
    for (const [permission, name] of Object.entries(PERMISSIONS)) this.#mayUse(this, permission, (isGranted) => { if (isGranted) granted.push(name); });
    await context.grantPermissions(granted, { origin: new URL(toBrowserUrl(url)).origin });
    await page.goto(toBrowserUrl(url));
    record({ kind: 'window', url, webPreferences: options.webPreferences ?? {}, ...(options.x === undefined ? {} : { bounds: [options.x, options.y ?? 0, options.width ?? 0, options.height ?? 0] }) });
  }

  async closePage(): Promise<void> {
    await this.#page?.close();
  }

  async #receive(message: FromPage): Promise<void> {
    switch (message.kind) {
      case 'invoke': {
        const event = { sender: this, senderFrame: { url: this.getURL() } };
        const answer = await invokeHandler(message.channel, event, decodeValue(message.args) as unknown[]).then(
          (value) => ({ value: encodeValue(value) }),
          (error: unknown) => ({ error: String(error) }));
        this.#deliver({ kind: 'answer', id: message.id, ...answer });
        break;
      }
      case 'port-message':
        this.#ports.get(message.port)?.postMessage(decodeValue(message.data));
        break;
      case 'port-closed':
        this.#ports.get(message.port)?.close();
        this.#ports.delete(message.port);
        break;
    }
  }

  #deliver(message: object): void {
    if (this.#world === undefined || this.#devTools === undefined || this.#window.isDestroyed()) return;
    // A page that has just gone is no error of the app's.
    void this.#devTools.send('Runtime.evaluate', { expression: `__standInDeliver(${JSON.stringify(message)})`, contextId: this.#world }).catch(() => {});
  }
}

export class BrowserWindow extends EventEmitter {
  static readonly #open = new Set<BrowserWindow>();
  readonly webContents: WebContents;
  readonly #options: WindowOptions;
  static onAllClosed: () => void = () => {};

  constructor(options: WindowOptions = {}) {
    super();
    this.#options = options;
    this.webContents = new WebContents(this);
    BrowserWindow.#open.add(this);
  }

  static getAllWindows(): BrowserWindow[] {
    return [...BrowserWindow.#open];
  }

  loadURL(url: string): Promise<void> {
    return this.webContents.open(url, this.#options);
  }

  isDestroyed(): boolean {
    return !BrowserWindow.#open.has(this);
  }

  static getFocusedWindow(): BrowserWindow | null {
    return null;
  }

  isMinimized(): boolean {
    return false;
  }

  isFullScreen(): boolean {
    return false;
  }

  isMaximized(): boolean {
    return false;
  }

  maximize(): void {}

  getNormalBounds(): { x: number; y: number; width: number; height: number } {
    const { x = 0, y = 0, width = 800, height = 600 } = this.#options;
    return { x, y, width, height };
  }

  restore(): void {}

  focus(): void {}

  close(): void {
    this.emit('close');
    void this.webContents.closePage();
  }

  closed(): void {
    if (!BrowserWindow.#open.delete(this)) return;
    this.emit('closed');
    if (BrowserWindow.#open.size === 0) BrowserWindow.onAllClosed();
  }
}

function read(name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8');
}
