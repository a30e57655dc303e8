/** The desktop shell: Electron's own parts around the core that all ways in share. */
import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { app, BrowserWindow, dialog, ipcMain, Menu, MessageChannelMain, nativeImage, Notification, powerMonitor, protocol, screen, Tray, utilityProcess } from 'electron';
import { errorLine } from '../shared/result.ts';
import type { AppCore } from './app-core.ts';
import { appPaths } from './app-paths.ts';
import { serveDesktopIpc } from './desktop/desktop-ipc.ts';
import { desktopTexts } from './desktop/desktop-texts.ts';
import { HostSleep } from './desktop/host-sleep.ts';
import { OPEN_PATH } from './desktop/ipc-names.ts';
import { openRequestOf, pathsInArguments } from './desktop/open-request.ts';
import { mayEndMachines } from './desktop/quit.ts';
import { RecentMachines } from './desktop/recent-machines.ts';
import { trayMenu } from './desktop/tray-menu.ts';
import { UtilityProcessLauncher } from './desktop/utility-process-launcher.ts';
import { isInSight, keepWindowState, readWindowState } from './desktop/window-state.ts';
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
const preferences = openPreferences(paths.preferencesFolder);
const windowStatePath = join(paths.preferencesFolder, 'window.json');
const texts = () => desktopTexts(preferences.get().language, app.getLocale());

/** Asked for before the app is ready: macOS tells a double click by `open-file`, the others by the command line. */
let toOpen = pathsInArguments(process.argv);
let open = (path: string): void => { toOpen = [...toOpen, path]; };

app.enableSandbox();
protocol.registerSchemesAsPrivileged([{ scheme: SCHEME, privileges: { standard: true, secure: true, supportFetchAPI: true } }]);
app.on('open-file', (event, path) => {
  event.preventDefault();
  open(path);
});

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
  const { core, owns } = opened.value;
  const hasMachinesOn = (): boolean => opened.value.owns && opened.value.core.machinesOn > 0;
  serveDesktopIpc({ ipcMain, createChannel: () => new MessageChannelMain(), core, windows: () => BrowserWindow.getAllWindows(), origin: ORIGIN });
  // A menu's keyboard shortcuts would be taken from the guest; macOS needs one to quit, copy and paste.
  Menu.setApplicationMenu(process.platform === 'darwin' ? Menu.buildFromTemplate([{ role: 'appMenu' }, { role: 'editMenu' }, { role: 'windowMenu' }]) : null);
  const tray = showTray(core);

  let mayQuit = false;
  let isAsking = false;
  app.on('before-quit', (event) => {
    if (mayQuit) return;
    event.preventDefault();
    if (isAsking) return;
    isAsking = true;
    void endMachines().then((ended) => {
      isAsking = false;
      mayQuit = ended;
      if (ended) app.quit();
      else if (BrowserWindow.getAllWindows().length === 0) openWindow();
    });
  });
  app.on('window-all-closed', () => { if (!preferences.get().stayInTray || tray === undefined || !hasMachinesOn()) app.quit(); });
  app.on('activate', () => { if (BrowserWindow.getAllWindows().length === 0) openWindow(); });
  app.on('second-instance', (_event, argv) => {
    showWindow();
    for (const path of pathsInArguments(argv)) open(path);
  });
  const sleep = new HostSleep(core);
  if (owns) {
    powerMonitor.on('suspend', () => { void sleep.suspended(); });
    powerMonitor.on('resume', () => { void sleep.resumed(); });
  } else {
    opened.value.core.onLost(() => { app.relaunch(); app.exit(0); });
  }
  open = (path) => { void openPath(core, path); };
  ipcMain.handle(OPEN_PATH, (event, path: unknown) => { if (event.senderFrame?.url.startsWith(`${ORIGIN}/`) === true && typeof path === 'string') open(path); });
  // What was asked for is the first that the window shows.
  for (const path of toOpen) open(path);
  if (BrowserWindow.getAllWindows().length === 0) openWindow();

  /** False: the person wants to stay. */
  async function endMachines(): Promise<boolean> {
    const ask = async (options: Electron.MessageBoxOptions): Promise<number> => (await dialog.showMessageBox(options)).response;
    if (hasMachinesOn() && !await mayEndMachines({ core, preference: preferences.get().whenQuitting, texts: texts(), ask })) return false;
    await core.close();
    return true;
  }
}

/** Shows a machine, brings in one that lies elsewhere, or lets the person look at a bundle. */
async function openPath(core: AppCore, path: string): Promise<void> {
  const stat = (of: string) => statSync(of, { throwIfNoEntry: false });
  const request = openRequestOf(path, paths.library, { isFolder: (of) => stat(of)?.isDirectory() === true, isFile: (of) => stat(of)?.isFile() === true });
  if (request?.kind === 'machine') {
    showWindow(request.name);
    return;
  }
  if (request?.kind === 'bundle') {
    showPage(`#/bundle/${encodeURIComponent(request.path)}`);
    return;
  }
  if (request === undefined) {
    dialog.showErrorBox(texts().cannotOpen, texts().notAMachine(path));
    return;
  }
  const { title, foreignFolder, foreignDetail, copy, cancel } = texts();
  const { response } = await dialog.showMessageBox({ type: 'question', title, message: foreignFolder(basename(request.folder)), detail: foreignDetail, buttons: [copy, cancel], defaultId: 0, cancelId: 1 });
  if (response !== 0) return;
  const imported = await core.client.library.importFolder({ folder: request.folder });
  if (imported.ok) showWindow(imported.value.name);
  else dialog.showErrorBox(texts().cannotOpen, errorLine(imported.error));
}

/** The machines that are on and the recent ones, in the tray and in the system's list of recent documents; and crashes that no window shows. */
function showTray(core: AppCore): Tray | undefined {
  const recent = new RecentMachines(join(paths.preferencesFolder, 'recent-machines.json'));
  let tray: Tray | undefined;
  try {
    tray = new Tray(nativeImage.createFromPath(paths.trayIcon));
    tray.setToolTip('Guesthouse');
    tray.on('click', () => { showWindow(); });
  } catch {
    // A desktop without a tray: the app ends with its last window.
  }
  const draw = async (): Promise<void> => {
    const listed = await core.client.library.list({});
    if (!listed.ok) return;
    tray?.setContextMenu(Menu.buildFromTemplate(trayMenu(listed.value.entries, recent.names, texts(), {
      show: showWindow,
      start: (name) => { void core.client.machines.start({ name }).then(() => { showWindow(name); }); },
      quit: () => { app.quit(); },
    })));
  };
  const remembers = (): boolean => preferences.get().rememberRecent;
  core.onEvent((event) => {
    if (event.event === 'preferences.changed' && !event.payload.rememberRecent) {
      recent.forget();
      app.clearRecentDocuments();
    }
    if (event.event === 'machines.status') {
      const { name, status } = event.payload;
      if (status.state === 'starting' && remembers()) {
        recent.started(name);
        app.addRecentDocument(join(paths.library, `${name}.guestvm`, `${name}.guestvm`));
      }
      if (status.state === 'crashed' && BrowserWindow.getFocusedWindow() === null) {
        const notification = new Notification({ title: texts().crashed(name), body: texts().crashedText });
        notification.on('click', () => { showWindow(name); });
        notification.show();
      }
    }
    if (event.event !== 'machines.warning') void draw();
  });
  void draw();
  return tray;
}

function showWindow(machine?: string): void {
  showPage(machine === undefined ? undefined : `#/library/${encodeURIComponent(machine)}`);
}

/** By the address of a place in the page. */
function showPage(hash: string | undefined): void {
  const window = BrowserWindow.getAllWindows()[0];
  if (window === undefined) {
    openWindow(hash);
    return;
  }
  if (window.isMinimized()) window.restore();
  window.focus();
  if (hash !== undefined) void window.webContents.executeJavaScript(`window.location.hash = ${JSON.stringify(hash)}`);
}

function openWindow(hash = ''): void {
  const kept = readWindowState(windowStatePath);
  const isPlaceable = kept !== undefined && isInSight(kept.bounds, screen.getAllDisplays().map(({ workArea }) => workArea));
  const window = new BrowserWindow({
    width: 1200, height: 820, ...(isPlaceable ? kept.bounds : {}), minWidth: 480, minHeight: 360, title: 'Guesthouse', backgroundColor: '#1b1d21',
    webPreferences: { preload: paths.preload, contextIsolation: true, sandbox: true, nodeIntegration: false, spellcheck: false },
  });
  if (kept?.isMaximized === true) window.maximize();
  keepWindowState(window, windowStatePath);
  const { webContents } = window;
  webContents.setWindowOpenHandler(() => ({ action: 'deny' }));
  webContents.on('will-navigate', (event) => { event.preventDefault(); });
  webContents.session.setPermissionRequestHandler((_contents, permission, answer) => { answer(PERMISSIONS.has(permission)); });
  void window.loadURL(`${ORIGIN}/${hash}`);
}

const pickFile: PickFile = async ({ title, purpose }) => {
  const { diskImages, cdImages, bundles, allFiles } = texts();
  const discs = ['iso', 'cdr'];
  const disks = ['img', 'raw', 'bin', 'dd', 'hd', 'hdd', 'qcow2', 'vdi', 'vmdk', 'vhd', 'vhdx'];
  const filters = purpose === 'disk-image' ? [{ name: diskImages, extensions: disks }] : purpose === 'cd-image' ? [{ name: cdImages, extensions: discs }]
    : purpose === 'bundle' ? [{ name: bundles, extensions: ['guestvmz'] }] : purpose === 'bootable' ? [{ name: `${cdImages}, ${diskImages}`, extensions: [...discs, ...disks] }] : [];
  const { canceled, filePaths } = await dialog.showOpenDialog(purpose === 'folder' ? { title, properties: ['openDirectory', 'createDirectory'] } : { title, properties: ['openFile'], filters: [...filters, { name: allFiles, extensions: ['*'] }] });
  return canceled ? undefined : filePaths[0];
};
