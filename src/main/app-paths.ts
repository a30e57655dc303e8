/** Where everything lies: what the app brings along, and what belongs to the person. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir, tmpdir, userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AdapterModel } from '../shared/network-config.ts';
import { readPreferences } from '../shared/preferences.ts';

export const PREFERENCES_FILE = 'preferences.json';

/** By what an adapter's model is called. */
const BOOT_ROMS: Readonly<Record<string, string>> = {
  virtio: 'pxe-virtio.rom', e1000: 'pxe-e1000.rom', rtl8139: 'pxe-rtl8139.rom', pcnet: 'pxe-pcnet.rom', 'ne2000-pci': 'pxe-ne2k_pci.rom',
};

export interface AppPaths {
  /** The VM process's program. */
  readonly vmProcess: string;
  /** The media process's program: it works on disk images. */
  readonly mediaProcess: string;
  readonly bios: string;
  readonly vgaBios: string;
  /** What boots by a network adapter of this kind; an ISA card had no ROM. */
  readonly bootRom: (model: AdapterModel) => string | undefined;
  readonly guestFolder: string;
  readonly rendererFolder: string;
  readonly preload: string;
  readonly commandLine: string;
  /** A PNG; its larger twin for dense screens lies beside it. */
  readonly trayIcon: string;
  /** Folder that the VM folders are in. */
  readonly library: string;
  readonly preferencesFolder: string;
  readonly runtimeFolder: string;
  /** The socket (on Windows, the pipe) at which the library's owner listens. */
  readonly ownerSocket: string;
  /** Where machines on a network of this name find each other. */
  readonly switchPlace: (kind: 'nat-network' | 'internal', name: string) => string;
  /** Of the background service. */
  readonly serviceLog: string;
}

/**
 * `GUESTHOUSE_HOME` puts all that belongs to the person into one folder; `GUESTHOUSE_LIBRARY` moves the library alone;
 * `GUESTHOUSE_VM_PROCESS` names another program for VM processes, `GUESTHOUSE_APP_FOLDER` another folder with `dist` and
 * `assets`.
 */
export function appPaths(given: NodeJS.ProcessEnv = process.env, overrides: Partial<AppPaths> = {}): AppPaths {
  // An empty variable is an unset one (XDG Base Directory Specification); taken for a path it would be the current folder.
  const environment: NodeJS.ProcessEnv = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ''));
  const root = environment['GUESTHOUSE_APP_FOLDER'] ?? appRoot();
  const home = environment['GUESTHOUSE_HOME'];
  const data = home !== undefined ? resolve(home) : dataFolder(environment);
  const preferencesFolder = join(data, 'preferences');
  const library = resolve(overrides.library ?? environment['GUESTHOUSE_LIBRARY'] ?? preferredLibrary(preferencesFolder) ?? (home !== undefined ? join(data, 'machines') : join(homedir(), 'Guesthouse')));
  const runtimeFolder = home !== undefined ? join(data, 'run')
    : environment['XDG_RUNTIME_DIR'] !== undefined ? join(environment['XDG_RUNTIME_DIR'], 'guesthouse') : join(tmpdir(), `guesthouse-${userInfo().uid}`);
  const libraryKey = createHash('sha256').update(library).digest('hex').slice(0, 12);
  return {
    vmProcess: environment['GUESTHOUSE_VM_PROCESS'] ?? join(root, 'dist', 'vm-process.js'),
    mediaProcess: join(root, 'dist', 'media-process.js'),
    bios: join(root, 'assets', 'firmware', 'bios-256k.bin'),
    vgaBios: join(root, 'assets', 'firmware', 'vgabios-stdvga.bin'),
    bootRom: (model) => BOOT_ROMS[model] && join(root, 'assets', 'firmware', BOOT_ROMS[model]),
    guestFolder: join(root, 'assets', 'guest'),
    rendererFolder: join(root, 'dist', 'renderer'),
    preload: join(root, 'dist', 'preload.cjs'),
    commandLine: join(root, 'dist', 'cli.js'),
    trayIcon: join(root, 'assets', 'icons', 'tray.png'),
    preferencesFolder,
    runtimeFolder,
    ownerSocket: ownerSocket(runtimeFolder, libraryKey),
    switchPlace: (kind, name) => switchPlace(runtimeFolder, createHash('sha256').update(`${kind} ${name}`).digest('hex').slice(0, 12)),
    serviceLog: join(runtimeFolder, `${libraryKey}.log`),
    ...overrides,
    library,
  };
}

/** The person's own choice; what is wrong with it is told where the library is opened. */
function preferredLibrary(preferencesFolder: string): string | undefined {
  try {
    return readPreferences(JSON.parse(readFileSync(join(preferencesFolder, PREFERENCES_FILE), 'utf8'))).libraryFolder ?? undefined;
  } catch {
    return undefined;
  }
}

/** Socket addresses hold no more than about a hundred bytes; a deeper folder's socket lies in the system's. */
function ownerSocket(runtimeFolder: string, libraryKey: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\guesthouse-${userInfo().username}-${libraryKey}`;
  const path = join(runtimeFolder, `${libraryKey}.sock`);
  return Buffer.byteLength(path) <= 100 ? path : join(tmpdir(), `guesthouse-${userInfo().uid}`, `${libraryKey}.sock`);
}

/** A folder whose sockets' addresses are short enough, or how the names of pipes begin. */
function switchPlace(runtimeFolder: string, key: string): string {
  if (process.platform === 'win32') return `\\\\.\\pipe\\guesthouse-${userInfo().username}-net-${key}`;
  const folder = join(runtimeFolder, 'networks', key);
  const SOCKET_NAME_BYTES = 14;
  return Buffer.byteLength(folder) + SOCKET_NAME_BYTES <= 100 ? folder
    : join(tmpdir(), `guesthouse-${userInfo().uid}`, `net-${createHash('sha256').update(folder).digest('hex').slice(0, 12)}`);
}

function dataFolder(environment: NodeJS.ProcessEnv): string {
  switch (process.platform) {
    case 'darwin': return join(homedir(), 'Library', 'Application Support', 'Guesthouse');
    case 'win32': return join(environment['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'Guesthouse');
    default: return join(environment['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'guesthouse');
  }
}

/** The folder that `package.json`, `dist` and `assets` are in, from wherever this runs. */
export function appRoot(): string {
  for (let folder = dirname(fileURLToPath(import.meta.url)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) throw new Error('the app is incomplete: its package.json is missing');
  }
}
