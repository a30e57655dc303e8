/** The desktop shell's transport: calls and events over Electron's ipc, a MessagePort for every display and console. */
import type { BrowserWindow, IpcMain, IpcMainInvokeEvent, MessageChannelMain, MessagePortMain } from 'electron';
import { CHANNEL_KINDS } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppCore } from '../app-core.ts';
import { CALL, CHANNEL, EVENT, OPEN_CHANNEL } from './ipc-names.ts';

export interface DesktopIpcOptions {
  readonly ipcMain: IpcMain;
  readonly createChannel: () => MessageChannelMain;
  readonly core: AppCore;
  readonly windows: () => readonly BrowserWindow[];
  /** Only our own page may call. */
  readonly origin: string;
}

export function serveDesktopIpc({ ipcMain, createChannel, core, windows, origin }: DesktopIpcOptions): void {
  let nextChannelId = 1;
  const isOurs = (event: IpcMainInvokeEvent): boolean => event.senderFrame !== null && event.senderFrame.url.startsWith(`${origin}/`);
  const refused = (): Result<never> => fail('api.refused', 'this page may not call Guesthouse', '');

  ipcMain.handle(CALL, async (event, method: unknown, input: unknown) => {
    if (!isOurs(event) || typeof method !== 'string') return refused();
    return core.call(method, input);
  });

  ipcMain.handle(OPEN_CHANNEL, async (event, kindGiven: unknown, machine: unknown): Promise<Result<{ channelId: number }>> => {
    const kind = CHANNEL_KINDS.find((candidate) => candidate === kindGiven);
    if (!isOurs(event) || kind === undefined || typeof machine !== 'string') return refused();
    const { port1, port2 } = createChannel();
    const opened = kind === 'display' && core.attachDisplayPort !== undefined ? core.attachDisplayPort(machine, port1) : await serveChannelPort(core, kind, machine, port1);
    if (!opened.ok) {
      port1.close();
      return opened;
    }
    const channelId = nextChannelId++;
    event.sender.postMessage(CHANNEL, channelId, [port2]);
    return ok({ channelId });
  });

  core.onEvent((event) => {
    for (const window of windows()) if (!window.isDestroyed()) window.webContents.send(EVENT, event);
  });
}

async function serveChannelPort(core: AppCore, kind: (typeof CHANNEL_KINDS)[number], machine: string, port: MessagePortMain): Promise<Result<Record<string, never>>> {
  const opened = await core.openChannel(kind, machine, {
    message: (message) => { port.postMessage(message); },
    closed: () => { port.close(); },
  });
  if (!opened.ok) return opened;
  port.on('message', ({ data }) => { opened.value.send(data); });
  port.on('close', () => { opened.value.close(); });
  port.start();
  return ok({});
}
