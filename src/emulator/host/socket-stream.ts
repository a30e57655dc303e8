/** A TCP socket of the host as the far side of a guest's connection. */
import type { Socket } from 'node:net';
import type { HostStream, StreamEnd, StreamEvents } from '../network/host-network.ts';
import { SendQueue } from '../network/tcp/send-queue.ts';

/** Quiet connections are asked whether they still stand, so that a lost host doesn't hold its place for ever. */
const KEEP_ALIVE_MILLIS = 120_000;

export class SocketStream implements HostStream {
  readonly #socket: Socket;
  readonly #events: StreamEvents;
  /** What the guest sends at once, or while the socket is busy, is put together and written at once. */
  readonly #waiting = new SendQueue();
  #beingWritten = 0;
  #isWriteDue = false;
  #isEnding = false;
  #isConnected: boolean;
  #isOver = false;

  /** `socket` allows half-open connections. */
  constructor(socket: Socket, events: StreamEvents, isConnected: boolean) {
    this.#socket = socket;
    this.#events = events;
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
  }

  get unsentBytes(): number {
    return this.#beingWritten + this.#waiting.length;
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#waiting.push(bytes);
    this.#writeSoon();
  }

  end(): void {
    this.#isEnding = true;
    this.#writeSoon();
  }

  /** Node's timeout starts anew with each byte that the host's network takes. */
  breakWhenIdle(seconds: number): void {
    this.#socket.setTimeout(1000 * seconds, () => { this.#socket.resetAndDestroy(); });
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

  #writeSoon(): void {
    if (this.#isWriteDue || this.#beingWritten > 0) return;
    this.#isWriteDue = true;
    process.nextTick(() => {
      this.#isWriteDue = false;
      this.#writeWaiting();
    });
  }

  #writeWaiting(): void {
    if (this.#isOver) return;
    this.#beingWritten = this.#waiting.length;
    const chunks = this.#waiting.take();
    if (chunks.length === 0) {
      if (this.#isEnding) this.#socket.end();
      return;
    }
    this.#socket.cork();
    chunks.forEach((chunk, index) => { this.#socket.write(chunk, index === chunks.length - 1 ? this.#written : undefined); });
    this.#socket.uncork();
  }

  readonly #written = (): void => {
    this.#beingWritten = 0;
    if (this.#isOver) return;
    this.#writeWaiting();
    this.#events.drained();
  };
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
