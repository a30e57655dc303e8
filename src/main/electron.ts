/** The desktop shell: Electron's own parts around the core that all ways in share. */
import { readFile } from 'node:fs/promises';
import { app, BrowserWindow, dialog, ipcMain, Menu, MessageChannelMain, protocol, utilityProcess } from 'electron';
import { errorLine } from '../shared/result.ts';
import { appPaths } from './app-paths.ts';
import { serveDesktopIpc } from './desktop/desktop-ipc.ts';
import { desktopTexts } from './desktop/desktop-texts.ts';
import { UtilityProcessLauncher } from './desktop/utility-process-launcher.ts';
import type { PickFile } from './ipc/services.ts';
import { openPreferences } from './preferences.ts';
import { openCore } from './service/open-core.ts';
import { findStaticFile } from './web/static-files.ts';

/** The page has an origin of its own: pages of `file:` could read every file. */
const SCHEME = 'guesthouse';
const ORIGIN = `${SCHEME}://app`;
/** What the page may ask of the system: to capture mouse and keyboard, to fill the screen, to copy, and to type the clipboard's text in the guest. */
const PERMISSIONS = new Set(['pointerLock', 'keyboardLock', 'fullscreen', 'clipboard-sanitized-write', 'clipboard-read']);

const paths = appPaths();
const texts = () => desktopTexts(openPreferences(paths.preferencesFolder).get().language, app.getLocale());

app.enableSandbox();
protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);

if (app.requestSingleInstanceLock()) void app.whenReady().then(openApp);
else app.quit();

async function openApp(): Promise<void> {
  protocol.handle(SCHEME, async (request) => {
    const file = await findStaticFile(paths.rendererFolder, new URL(request.url).pathname);
    return file === undefined ? new Response('Not found', { status: 404 }) : new Response(new Uint8Array(await readFile(file.path)), { headers: file.headers });
  });
  const opened = await openCore({ shell: 'desktop', paths, launcher: new UtilityProcessLauncher(paths.vmProcess, utilityProcess), pickFile });
  if (!opened.ok) {
    dialog.showErrorBox(texts().cannotStart, errorLine(opened.error));
    app.exit(1);
    return;
  }
  const { core } = opened.value;
  serveDesktopIpc({ ipcMain, createChannel: () => new MessageChannelMain(), core, windows: () => BrowserWindow.getAllWindows(), origin: ORIGIN });
  // A menu's keyboard shortcuts would be taken from the guest; macOS needs one to quit, copy and paste.
  Menu.setApplicationMenu(process.platform === 'darwin' ? Menu.buildFromTemplate([{ role: 'appMenu' }, { role: 'editMenu' }, { role: 'windowMenu' }]) : null);

  let mayQuit = false;
  app.on('before-quit', (event) => {
    if (mayQuit) return;
    event.preventDefault();
    void endMachines().then((ended) => {
      mayQuit = ended;
      if (ended) app.quit();
      else if (BrowserWindow.getAllWindows().length === 0) openWindow();
    });
  });
  app.on('window-all-closed', () => { app.quit(); });
  app.on('activate', () => { if (BrowserWindow.getAllWindows().length === 0) openWindow(); });
  app.on('second-instance', () => {
    const window = BrowserWindow.getAllWindows()[0] ?? openWindow();
    if (window.isMinimized()) window.restore();
    window.focus();
  });
  if (!opened.value.owns) opened.value.core.onLost(() => { app.relaunch(); app.exit(0); });
  openWindow();

  /** False: the person wants to stay. */
  async function endMachines(): Promise<boolean> {
    const machinesOn = opened.ok && opened.value.owns ? opened.value.core.machinesOn : 0;
    if (machinesOn > 0) {
      const { title, message, detail, quit, cancel } = texts();
      const { response } = await dialog.showMessageBox({ type: 'warning', title, message: message(machinesOn), detail, buttons: [quit, cancel], defaultId: 1, cancelId: 1 });
      if (response !== 0) return false;
    }
    await core.close();
    return true;
  }
}

function openWindow(): BrowserWindow {
  const window = new BrowserWindow({
    width: 1200, height: 820, minWidth: 480, minHeight: 360, title: 'Guesthouse', backgroundColor: '#1b1d21',
    webPreferences: { preload: paths.preload, contextIsolation: true, sandbox: true, nodeIntegration: false, spellcheck: false },
  });
  const { webContents } = window;
  webContents.setWindowOpenHandler(() => ({ action: 'deny' }));
  webContents.on('will-navigate', (event) => { event.preventDefault(); });
  webContents.session.setPermissionRequestHandler((_contents, permission, answer) => { answer(PERMISSIONS.has(permission)); });
  void window.loadURL(`${ORIGIN}/`);
  return window;
}

const pickFile: PickFile = async ({ title, purpose }) => {
  const { diskImages, cdImages, allFiles } = texts();
  const filters = purpose === 'disk-image' ? [{ name: diskImages, extensions: ['img', 'raw', 'bin', 'dd', 'hd', 'hdd'] }] : purpose === 'cd-image' ? [{ name: cdImages, extensions: ['iso', 'cdr'] }] : [];
  const { canceled, filePaths } = await dialog.showOpenDialog({ title, properties: ['openFile'], filters: [...filters, { name: allFiles, extensions: ['*'] }] });
  return canceled ? undefined : filePaths[0];
};
