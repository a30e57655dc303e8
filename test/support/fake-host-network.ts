import type {
  DatagramEvents, DatagramSocket, Endpoint, HostNetwork, HostStream, IncomingStream, Listener, NameAnswer, RecordType, Settled, StreamEvents,
} from '../../src/emulator/network/host-network.ts';

/** A socket of the host as a test plays it: what was written to it, and `events` to speak with its voice. */
export class FakeStream implements HostStream {
  readonly to: Endpoint;
  readonly events: StreamEvents;
  readonly written: Uint8Array[] = [];
  /** Set by a test whose host doesn't take what is written. */
  unsentBytes = 0;
  isEnded = false;
  isDestroyed = false;
  isPaused = false;
  holdsBack = false;
  /** Set once the guest's side is over in order. */
  idleSeconds: number | undefined = undefined;

  constructor(to: Endpoint, events: StreamEvents) {
    this.to = to;
    this.events = events;
  }

  get text(): string {
    return this.written.map((bytes) => Buffer.from(bytes).toString('latin1')).join('');
  }

  write(bytes: Uint8Array): void {
    this.written.push(bytes);
    if (this.holdsBack) this.unsentBytes += bytes.length;
  }

  /** The host's network takes everything. */
  drain(): void {
    this.unsentBytes = 0;
    this.events.drained();
  }

  end(): void {
    this.isEnded = true;
  }

  breakWhenIdle(seconds: number): void {
    this.idleSeconds = seconds;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }
}

export class FakeDatagrams implements DatagramSocket {
  readonly family: 4 | 6;
  readonly at: Endpoint | undefined;
  readonly events: DatagramEvents;
  readonly sent: { to: Endpoint; payload: Uint8Array }[] = [];
  isClosed = false;

  constructor(family: 4 | 6, at: Endpoint | undefined, events: DatagramEvents) {
    this.family = family;
    this.at = at;
    this.events = events;
  }

  send(to: Endpoint, payload: Uint8Array): void {
    this.sent.push({ to, payload });
  }

  close(): void {
    this.isClosed = true;
  }
}

/** A host that only does what a test says. */
export class FakeHostNetwork implements HostNetwork {
  readonly streams: FakeStream[] = [];
  readonly datagrams: FakeDatagrams[] = [];
  readonly listeners: { at: Endpoint; accepted: (stream: IncomingStream) => void; isClosed: boolean }[] = [];
  readonly questions: { name: string; type: RecordType; answered: (answer: NameAnswer) => void }[] = [];
  networks: string[] = ['127.0.0.1/8', '192.168.7.5/24', '198.41.0.10/24'];
  #random = 1000;
  #tasks: (() => void)[] = [];

  connect(to: Endpoint, events: StreamEvents): HostStream {
    const stream = new FakeStream(to, events);
    this.streams.push(stream);
    return stream;
  }

  listen(at: Endpoint, accepted: (stream: IncomingStream) => void, settled: Settled): Listener {
    const listener = { at, accepted, isClosed: false };
    this.listeners.push(listener);
    settled(undefined);
    return { close: () => { listener.isClosed = true; } };
  }

  openDatagrams(family: 4 | 6, at: Endpoint | undefined, events: DatagramEvents, settled?: Settled): DatagramSocket {
    const socket = new FakeDatagrams(family, at, events);
    this.datagrams.push(socket);
    settled?.(undefined);
    return socket;
  }

  resolve(name: string, type: RecordType, answered: (answer: NameAnswer) => void): void {
    this.questions.push({ name, type, answered });
  }

  localNetworks(): readonly string[] {
    return this.networks;
  }

  random32(): number {
    this.#random += 7919;
    return this.#random;
  }

  later(task: () => void): void {
    this.#tasks.push(task);
  }

  /** Does what was put off. */
  settle(): void {
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) task();
  }
}
