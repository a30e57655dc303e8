/** The library's owner answers at a socket that only its person can reach, so that a second way in finds the first. */
import { chmodSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppCore, ChannelUp } from '../app-core.ts';
import { fileError } from '../machines/media-check.ts';
import { MessageSocket } from './frames.ts';
import { OWNER_PROTOCOL, ownerUpSchema } from './protocol.ts';

/** A peer that doesn't take what it asked for is cut off. */
const BEHIND_BYTES_MAXIMUM = 256 * 1024 * 1024;

export interface OwnerServer {
  readonly connections: number;
  onConnections(listener: (connections: number) => void): void;
  close(): void;
}

/** The folder of the socket must be the person's alone. Error: `owner.unsafe-folder`. */
export function prepareSocketFolder(socketPath: string): Result<string> {
  if (process.platform === 'win32') return ok(socketPath);
  const folder = dirname(socketPath);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const found = lstatSync(folder);
    if (!found.isDirectory() || found.uid !== process.getuid!()) return fail('owner.unsafe-folder', `the folder ${folder} belongs to somebody else`, 'set XDG_RUNTIME_DIR to a folder of your own');
    if ((found.mode & 0o077) !== 0) chmodSync(folder, 0o700);
    return ok(folder);
  } catch (error) {
    return fileError(error, folder, 'folder');
  }
}

/** The caller holds the lock of the socket and knows that nobody answers at it. */
export async function serveAsOwner(core: AppCore, socketPath: string): Promise<Result<OwnerServer>> {
  const open = new Set<MessageSocket>();
  const connectionListeners = new Set<(connections: number) => void>();
  const server = createServer((socket) => {
    const channels = new Map<number, ChannelUp | 'opening'>();
    const send = (message: unknown): void => {
      messages.send(message);
      if (messages.bytesBehind > BEHIND_BYTES_MAXIMUM) messages.destroy();
    };
    const unsubscribe = core.onEvent((event) => { send(event); });
    const messages = new MessageSocket(socket, {
      message(untrusted) {
        const checked = ownerUpSchema.safeParse(untrusted);
        if (!checked.success) return;
        const message = checked.data;
        if ('method' in message) {
          void core.call(message.method, message.input).then((result) => { send({ id: message.id, result }); });
        } else if ('open' in message) {
          const { id, open: { kind, machine } } = message;
          channels.set(id, 'opening');
          // What the channel says before its opening is answered waits for the answer.
          let early: unknown[] | undefined = [];
          void core.openChannel(kind, machine, {
            message: (down) => {
              if (early === undefined) send({ channel: id, message: down });
              else early.push(down);
            },
            closed: () => {
              channels.delete(id);
              send({ closed: id });
            },
          }).then((opened) => {
            send({ id, result: opened.ok ? ok({}) : opened });
            for (const down of early ?? []) send({ channel: id, message: down });
            early = undefined;
            if (!opened.ok) channels.delete(id);
            else if (channels.has(id) && open.has(messages)) channels.set(id, opened.value);
            else opened.value.close();
          });
        } else if ('close' in message) {
          const channel = channels.get(message.close);
          channels.delete(message.close);
          if (typeof channel === 'object') channel.close();
        } else {
          const channel = channels.get(message.channel);
          if (typeof channel === 'object') channel.send(message.message);
        }
      },
      closed() {
        open.delete(messages);
        unsubscribe();
        for (const channel of channels.values()) if (channel !== 'opening') channel.close();
        channels.clear();
        for (const listener of connectionListeners) listener(open.size);
      },
    });
    open.add(messages);
    send({ hello: { protocol: OWNER_PROTOCOL } });
    for (const listener of connectionListeners) listener(open.size);
  });
  const problem = await new Promise<unknown>((resolve) => {
    server.once('error', resolve);
    if (process.platform !== 'win32') rmSync(socketPath, { force: true });
    server.listen(socketPath, () => { resolve(undefined); });
  });
  if (problem !== undefined) return fileError(problem, socketPath, 'socket');
  return ok({
    get connections() {
      return open.size;
    },
    onConnections(listener) {
      connectionListeners.add(listener);
    },
    close() {
      server.close();
      for (const messages of open) messages.destroy();
    },
  });
}
