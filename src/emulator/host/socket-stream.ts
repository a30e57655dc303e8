/** A TCP socket of the host as the far side of a guest's connection. */
import type { Socket } from 'node:net';
import type { HostStream, StreamEnd, StreamEvents } from '../network/host-network.ts';

/** Quiet connections are asked whether they still stand, so that a lost host doesn't hold its place for ever. */
const KEEP_ALIVE_MILLIS = 120_000;

export class SocketStream implements HostStream {
  readonly #socket: Socket;
  #isConnected: boolean;
  #isCorked = false;
  #isOver = false;

  /** `socket` allows half-open connections. */
  constructor(socket: Socket, events: StreamEvents, isConnected: boolean) {
    this.#socket = socket;
    this.#isConnected = isConnected;
    let end: StreamEnd = 'closed';
    const unlessOver = (tell: () => void): void => { if (!this.#isOver) tell(); };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MILLIS);
    socket.on('connect', () => {
      this.#isConnected = true;
      unlessOver(() => { events.connected(); });
    });
    socket.on('data', (bytes: Buffer) => { unlessOver(() => { events.data(bytes); }); });
    socket.on('end', () => { unlessOver(() => { events.ended(); }); });
    socket.on('error', (error: NodeJS.ErrnoException) => { end = endOf(error.code); });
    socket.on('close', () => {
      unlessOver(() => {
        this.#isOver = true;
        events.closed(end);
      });
    });
    this.#drained = () => { unlessOver(() => { events.drained(); }); };
  }

  readonly #drained: () => void;

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    // What the guest sends at once is written at once.
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(bytes, this.#drained);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#isOver = true;
    if (this.#isConnected && !this.#socket.destroyed) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

function endOf(code: string | undefined): StreamEnd {
  switch (code) {
    case 'ECONNREFUSED': return 'refused';
    case 'ETIMEDOUT': return 'timed-out';
    case 'ENETUNREACH':
    case 'EHOSTUNREACH':
    case 'EADDRNOTAVAIL':
    case 'EACCES':
    case 'EPERM':
    case 'EINVAL': return 'unreachable';
    default: return 'reset';
  }
}
