/** The module `electron` of a main process, as far as the desktop shell uses it. */
import { EventEmitter } from 'node:events';
import { closeBrowser } from './browser.ts';
import { BrowserWindow } from './browser-window.ts';
import { record } from './record.ts';
import type { StandInOrder } from './record.ts';

export { ipcMain } from './ipc-main.ts';
export { MessageChannelMain } from './message-ports.ts';
export { protocol } from './schemes.ts';
export { utilityProcess } from './utility-process.ts';
export { BrowserWindow };

const dialogAnswers: Extract<StandInOrder, { kind: 'answer-dialog' }>[] = [];

class App extends EventEmitter {
  #isQuitting = false;

  enableSandbox(): void {}

  requestSingleInstanceLock(): boolean {
    return process.env['GUESTHOUSE_STAND_IN_SECOND'] === undefined;
  }

  whenReady(): Promise<void> {
    return new Promise((resolve) => { setImmediate(resolve); });
  }

  getLocale(): string {
    return process.env['GUESTHOUSE_STAND_IN_LOCALE'] ?? 'en-US';
  }

  relaunch(): void {}

  addRecentDocument(path: string): void {
    record({ kind: 'recent-document', path });
  }

  clearRecentDocuments(): void {
    record({ kind: 'recent-cleared' });
  }

  quit(): void {
    if (this.#isQuitting) return;
    let isPrevented = false;
    this.emit('before-quit', { preventDefault: () => { isPrevented = true; } });
    if (isPrevented) return;
    this.#isQuitting = true;
    this.exit(0);
  }

  exit(code = 0): void {
    this.#isQuitting = true;
    void closeBrowser().then(() => {
      this.emit('quit', {}, code);
      process.exit(code);
    });
  }
}

export const app = new App();

BrowserWindow.onAllClosed = () => { app.emit('window-all-closed'); };

export const Menu = {
  setApplicationMenu(menu: { readonly template: unknown } | null): void {
    record({ kind: 'menu', template: menu?.template ?? null });
  },
  buildFromTemplate(template: unknown): { readonly template: unknown } {
    return { template };
  },
};

interface MenuItem { readonly label?: string; readonly click?: () => void }

/** One tray: its menu is told, and pressed by its labels. */
let trayItems: readonly MenuItem[] = [];

export class Tray extends EventEmitter {
  setToolTip(): void {}

  setContextMenu({ template }: { readonly template: readonly MenuItem[] }): void {
    trayItems = template;
    record({ kind: 'tray-menu', labels: template.flatMap(({ label }) => label ?? []) });
  }
}

export const nativeImage = {
  createFromPath(path: string): { readonly path: string } {
    return { path };
  },
};

export const powerMonitor = new EventEmitter();

export const screen = {
  getAllDisplays(): readonly unknown[] {
    return [{ workArea: { x: 0, y: 0, width: 1920, height: 1080 } }];
  },
};

export class Notification extends EventEmitter {
  readonly #title: string;

  constructor({ title }: { readonly title: string }) {
    super();
    this.#title = title;
  }

  show(): void {
    record({ kind: 'notification', title: this.#title });
  }
}

export const dialog = {
  showErrorBox(title: string, content: string): void {
    record({ kind: 'error-box', title, content });
  },
  async showMessageBox(options: { readonly cancelId?: number }): Promise<{ response: number }> {
    record({ kind: 'message-box', options });
    return { response: dialogAnswers.shift()?.response ?? options.cancelId ?? 0 };
  },
  async showOpenDialog(options: unknown): Promise<{ canceled: boolean; filePaths: string[] }> {
    record({ kind: 'open-dialog', options });
    const filePaths = dialogAnswers.shift()?.filePaths;
    return { canceled: filePaths === undefined, filePaths: [...(filePaths ?? [])] };
  },
};

process.on('message', (untyped) => {
  const order = untyped as StandInOrder;
  switch (order.kind) {
    case 'answer-dialog': dialogAnswers.push(order); break;
    case 'quit': app.quit(); break;
    case 'second-instance': app.emit('second-instance', {}, ['guesthouse', ...(order.argv ?? [])]); break;
    case 'open-file': app.emit('open-file', { preventDefault() {} }, order.path); break;
    case 'power': powerMonitor.emit(order.event); break;
    case 'press-tray': trayItems.find(({ label }) => label === order.label)?.click?.(); break;
    case 'close-windows': for (const window of BrowserWindow.getAllWindows()) window.close(); break;
  }
});
// Whoever started it has gone.
process.on('disconnect', () => { app.exit(0); });
