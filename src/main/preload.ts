/** Between the page and main, in a sandbox and a world of its own: gives the page the contract's `DesktopBridge`, and nothing else. */
import { contextBridge, ipcRenderer, webUtils } from 'electron';
import type { DesktopBridge } from '../shared/api.ts';
import { CALL, CHANNEL, EVENT, OPEN_CHANNEL, OPEN_PATH } from './desktop/ipc-names.ts';

/** What of the page's window is used; main's sources know no DOM. */
interface DragEvent { readonly dataTransfer: { readonly types: readonly string[]; readonly files: Iterable<Parameters<typeof webUtils.getPathForFile>[0]> } | null; preventDefault(): void }
declare const window: {
  postMessage(message: unknown, targetOrigin: string, transfer: readonly unknown[]): void;
  readonly location: { readonly origin: string };
  addEventListener(kind: 'dragover' | 'drop', listener: (event: DragEvent) => void): void;
};

const bridge: DesktopBridge = {
  shell: 'desktop',
  call: (method, input) => ipcRenderer.invoke(CALL, method, input),
  onEvent(listener) {
    const forward = (_event: unknown, payload: unknown): void => { listener(payload); };
    ipcRenderer.on(EVENT, forward);
    return () => { ipcRenderer.off(EVENT, forward); };
  },
  openChannel: (kind, machine) => ipcRenderer.invoke(OPEN_CHANNEL, kind, machine),
};

// A port can't cross the context bridge, but a message to the page can carry it.
ipcRenderer.on(CHANNEL, (event, channelId: number) => {
  window.postMessage({ guesthouseChannel: channelId }, window.location.origin, event.ports);
});

// Where a dropped file lies only a preload may know. The page's own drags carry no files.
window.addEventListener('dragover', (event) => { if (event.dataTransfer?.types.includes('Files') === true) event.preventDefault(); });
window.addEventListener('drop', (event) => {
  if (event.dataTransfer?.types.includes('Files') !== true) return;
  event.preventDefault();
  for (const file of event.dataTransfer.files) void ipcRenderer.invoke(OPEN_PATH, webUtils.getPathForFile(file));
});

contextBridge.exposeInMainWorld('guesthouse', bridge);
