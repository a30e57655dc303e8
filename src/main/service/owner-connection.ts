/** The core of a process that joins the library's owner: every call, event and channel goes over its socket. */
import { connect } from 'node:net';
import { apiEventSchema, createApiClient } from '../../shared/api.ts';
import type { ApiEvent } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppCore, ChannelDown, ChannelUp } from '../app-core.ts';
import { MessageSocket } from './frames.ts';
import { OWNER_PROTOCOL, ownerDownSchema } from './protocol.ts';

const HELLO_TIMEOUT_MILLIS = 5000;

export interface JoinedCore extends AppCore {
  /** The owner ended; nothing answers any more. */
  onLost(listener: () => void): void;
}

/** `undefined` when nobody listens at the socket. Error: `owner.other-version`, `owner.silent`. */
export async function joinOwner(socketPath: string): Promise<Result<JoinedCore> | undefined> {
  const socket = connect(socketPath);
  const connected = await new Promise<boolean>((resolve) => {
    socket.once('connect', () => { resolve(true); });
    socket.once('error', () => { resolve(false); });
  });
  if (!connected) return undefined;

  const calls = new Map<number, (result: Result<unknown>) => void>();
  const channels = new Map<number, ChannelDown>();
  const listeners = new Set<(event: ApiEvent) => void>();
  const lostListeners = new Set<() => void>();
  let nextId = 1;
  let lost = false;
  let greet: (protocol: number | undefined) => void;
  const hello = new Promise<number | undefined>((resolve) => { greet = resolve; });

  const messages = new MessageSocket(socket, {
    message(untrusted) {
      const checked = ownerDownSchema.safeParse(untrusted);
      if (!checked.success) return;
      const message = checked.data;
      if ('hello' in message) {
        greet(message.hello.protocol);
      } else if ('result' in message) {
        calls.get(message.id)?.(message.result);
        calls.delete(message.id);
      } else if ('event' in message) {
        const event = apiEventSchema.safeParse(message);
        if (event.success) for (const listener of [...listeners]) listener(event.data);
      } else if ('closed' in message) {
        channels.get(message.closed)?.closed();
        channels.delete(message.closed);
      } else {
        channels.get(message.channel)?.message(message.message);
      }
    },
    closed() {
      lost = true;
      greet(undefined);
      for (const answer of calls.values()) answer(lostResult());
      calls.clear();
      for (const channel of channels.values()) channel.closed();
      channels.clear();
      for (const listener of lostListeners) listener();
    },
  });
  const timeout = setTimeout(() => { greet(undefined); }, HELLO_TIMEOUT_MILLIS);
  const protocol = await hello;
  clearTimeout(timeout);
  if (protocol !== OWNER_PROTOCOL) {
    messages.destroy();
    if (protocol === undefined) return fail('owner.silent', 'the Guesthouse that owns the library does not answer', 'end it and try again');
    return fail('owner.other-version', 'the library is open in another version of Guesthouse', 'close that one first');
  }

  const request = (message: (id: number) => object): Promise<Result<unknown>> => {
    if (lost) return Promise.resolve(lostResult());
    const id = nextId++;
    return new Promise((resolve) => {
      calls.set(id, resolve);
      messages.send(message(id));
    });
  };
  const call = (method: string, input: unknown): Promise<Result<unknown>> => request((id) => ({ id, method, input }));
  return ok({
    call,
    client: createApiClient(call),
    onEvent(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
    async openChannel(kind, machine, down): Promise<Result<ChannelUp>> {
      let channel = 0;
      const opened = await request((id) => {
        channel = id;
        // Known before the answer: the first message may come right behind it.
        channels.set(id, down);
        return { id, open: { kind, machine } };
      });
      if (!opened.ok) {
        channels.delete(channel);
        return opened;
      }
      return ok({
        send(message) { messages.send({ channel, message }); },
        close() {
          if (channels.delete(channel)) messages.send({ close: channel });
        },
      });
    },
    onLost(listener) {
      lostListeners.add(listener);
    },
    async close() {
      messages.end();
    },
  });
}

function lostResult(): Result<never> {
  return fail('owner.lost', 'the Guesthouse that owned the library has ended', 'try again');
}
