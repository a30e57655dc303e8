/**
 * With `channel.ts` the only file that touches the transport: the preload's bridge in the desktop shell, WebSockets in the browser shell
 * (the token that lets us in is a cookie by the time this runs).
 * Everything that arrives is checked against the contract before anybody sees it.
 */
import { apiEventSchema, consoleDownSchema, createApiClient } from '../shared/api.ts';
import type { ApiClient, ApiEvent, ChannelKind, ClientMessage, ConsoleDown, ConsoleKind, ConsoleUp, DesktopBridge } from '../shared/api.ts';
import { fail } from '../shared/result.ts';
import type { Result } from '../shared/result.ts';
import { decodeWire, encodeWire } from '../shared/wire.ts';
import { openChannel } from './channel.ts';
import type { Channel, ChannelEnd, ChannelListener, Parser } from './channel.ts';

export type Connection = 'connecting' | 'connected' | 'lost';

/** What the user interface holds of the app behind it. */
export interface Shell {
  readonly kind: 'desktop' | 'browser';
  readonly client: ApiClient;
  readonly connection: Connection;
  onConnection(listener: (connection: Connection) => void): () => void;
  onEvent(listener: (event: ApiEvent) => void): () => void;
  /** The end of a new channel, for the worker that draws. `undefined`: it could not be opened. */
  displayEnd(machine: string): Promise<ChannelEnd | undefined>;
  openConsole(kind: ConsoleKind, machine: string, listener: ChannelListener<ConsoleDown>): Channel<ConsoleUp>;
}

declare global {
  interface Window { readonly guesthouse?: DesktopBridge }
}

export function connectShell(): Shell {
  return window.guesthouse === undefined ? new BrowserShell(window.location) : new DesktopShell(window.guesthouse);
}

class Listeners<T> {
  readonly #listeners = new Set<(value: T) => void>();

  add(listener: (value: T) => void): () => void {
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }

  emit(value: T): void {
    for (const listener of this.#listeners) listener(value);
  }
}

const parseConsole: Parser<ConsoleDown> = (data) => consoleDownSchema.safeParse(data).data;

const unreachable = (): Result<never> => fail('shell.unreachable', 'Guesthouse does not answer', 'check that it is still running');

/** First wait before connecting again, and the longest. */
const RECONNECT_MILLIS_MINIMUM = 500;
const RECONNECT_MILLIS_MAXIMUM = 8000;

class BrowserShell implements Shell {
  readonly kind = 'browser';
  readonly client: ApiClient;
  connection: Connection = 'connecting';
  readonly #location: Location;
  readonly #events = new Listeners<ApiEvent>();
  readonly #connections = new Listeners<Connection>();
  readonly #calls = new Map<number, (answer: unknown) => void>();
  /** Calls made before the connection stands. */
  #unsent: { readonly id: number; readonly message: Uint8Array<ArrayBuffer> }[] = [];
  #socket: WebSocket | undefined;
  #lastId = 0;
  #reconnectMillis = RECONNECT_MILLIS_MINIMUM;

  constructor(location: Location) {
    this.#location = location;
    this.client = createApiClient((method, input) => this.#call(method, input));
    this.#connect();
  }

  onEvent(listener: (event: ApiEvent) => void): () => void { return this.#events.add(listener); }
  onConnection(listener: (connection: Connection) => void): () => void { return this.#connections.add(listener); }

  displayEnd(machine: string): Promise<ChannelEnd> { return Promise.resolve(this.#channelEnd('display', machine)); }

  openConsole(kind: ConsoleKind, machine: string, listener: ChannelListener<ConsoleDown>): Channel<ConsoleUp> {
    return openChannel(this.#channelEnd(kind, machine), parseConsole, listener);
  }

  #channelEnd(kind: ChannelKind, machine: string): ChannelEnd {
    return { kind: 'socket', address: this.#address(`/channel/${kind}/${encodeURIComponent(machine)}`) };
  }

  #address(path: string): string {
    const address = new URL(path, this.#location.href);
    address.protocol = this.#location.protocol === 'https:' ? 'wss:' : 'ws:';
    address.hash = '';
    address.search = '';
    return address.href;
  }

  #connect(): void {
    const socket = new WebSocket(this.#address('/api'));
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    socket.onopen = () => {
      this.#reconnectMillis = RECONNECT_MILLIS_MINIMUM;
      for (const { message } of this.#unsent) socket.send(message);
      this.#unsent = [];
      this.#setConnection('connected');
    };
    socket.onmessage = ({ data }) => { this.#receive(data); };
    socket.onclose = () => {
      for (const answer of this.#calls.values()) answer(unreachable());
      this.#calls.clear();
      this.#unsent = [];
      this.#setConnection('lost');
      setTimeout(() => { this.#connect(); }, this.#reconnectMillis);
      this.#reconnectMillis = Math.min(this.#reconnectMillis * 2, RECONNECT_MILLIS_MAXIMUM);
    };
  }

  #setConnection(connection: Connection): void {
    if (this.connection === connection) return;
    this.connection = connection;
    this.#connections.emit(connection);
  }

  #call(method: string, input: unknown): Promise<unknown> {
    if (this.connection === 'lost') return Promise.resolve(unreachable());
    const id = ++this.#lastId;
    const call: ClientMessage = { id, method, input };
    const message = encodeWire(call);
    return new Promise((resolve) => {
      this.#calls.set(id, resolve);
      if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(message);
      else this.#unsent.push({ id, message });
    });
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return;
    const message = decodeWire(new Uint8Array(data));
    if (typeof message !== 'object' || message === null) return;
    if ('id' in message && typeof message.id === 'number' && 'result' in message) {
      this.#calls.get(message.id)?.(message.result);
      this.#calls.delete(message.id);
      return;
    }
    const event = apiEventSchema.safeParse(message);
    if (event.success) this.#events.emit(event.data);
  }
}

class DesktopShell implements Shell {
  readonly kind = 'desktop';
  readonly client: ApiClient;
  readonly connection = 'connected';
  readonly #bridge: DesktopBridge;
  readonly #events = new Listeners<ApiEvent>();
  /** A channel's port and the answer that names it come in either order. */
  readonly #ports = new Map<number, MessagePort>();
  readonly #waiting = new Map<number, (port: MessagePort) => void>();

  constructor(bridge: DesktopBridge) {
    this.#bridge = bridge;
    this.client = createApiClient((method, input) => bridge.call(method, input));
    bridge.onEvent((event) => {
      const checked = apiEventSchema.safeParse(event);
      if (checked.success) this.#events.emit(checked.data);
    });
    window.addEventListener('message', ({ source, data, ports: [port] }: MessageEvent<unknown>) => {
      if (source !== window || port === undefined || typeof data !== 'object' || data === null || !('guesthouseChannel' in data)) return;
      const id = data.guesthouseChannel;
      if (typeof id !== 'number') return;
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (waiting === undefined) this.#ports.set(id, port);
      else waiting(port);
    });
  }

  onEvent(listener: (event: ApiEvent) => void): () => void { return this.#events.add(listener); }
  onConnection(): () => void { return () => undefined; }

  async displayEnd(machine: string): Promise<ChannelEnd | undefined> {
    const port = await this.#openPort('display', machine);
    return port === undefined ? undefined : { kind: 'port', port };
  }

  openConsole(kind: ConsoleKind, machine: string, listener: ChannelListener<ConsoleDown>): Channel<ConsoleUp> {
    let channel: Channel<ConsoleUp> | undefined;
    let isClosed = false;
    const early: ConsoleUp[] = [];
    void this.#openPort(kind, machine).then((port) => {
      if (isClosed) port?.close();
      else if (port === undefined) listener.closed();
      else {
        channel = openChannel<ConsoleUp, ConsoleDown>({ kind: 'port', port }, parseConsole, listener);
        for (const message of early) channel.send(message);
      }
    });
    return {
      send: (message) => {
        if (channel === undefined) early.push(message);
        else channel.send(message);
      },
      close: () => {
        isClosed = true;
        channel?.close();
      },
    };
  }

  async #openPort(kind: ChannelKind, machine: string): Promise<MessagePort | undefined> {
    const opened = await this.#bridge.openChannel(kind, machine);
    if (!opened.ok) return undefined;
    const { channelId } = opened.value;
    const arrived = this.#ports.get(channelId);
    this.#ports.delete(channelId);
    return arrived ?? new Promise((resolve) => { this.#waiting.set(channelId, resolve); });
  }
}
