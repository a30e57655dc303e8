/** Between the page and main, in a sandbox and a world of its own: gives the page the contract's `DesktopBridge`, and nothing else. */
import { contextBridge, ipcRenderer } from 'electron';
import type { DesktopBridge } from '../shared/api.ts';
import { CALL, CHANNEL, EVENT, OPEN_CHANNEL } from './desktop/ipc-names.ts';

/** What of the page's window is used; main's sources know no DOM. */
declare const window: { postMessage(message: unknown, targetOrigin: string, transfer: readonly unknown[]): void; readonly location: { readonly origin: string } };

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

contextBridge.exposeInMainWorld('guesthouse', bridge);
