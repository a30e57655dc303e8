/** The resolver by TCP (RFC 7766): messages with their length before them, answered in any order. */
import type { HostStream, StreamEvents } from '../host-network.ts';
import type { DnsServer } from './dns-server.ts';

/** What may wait of a message that isn't whole, and of answers that the guest doesn't take. */
const WAITING_MAXIMUM_BYTES = 2 + 0xffff;
const PENDING_MAXIMUM = 16;

export class DnsStream implements HostStream {
  readonly unsentBytes = 0;
  readonly #server: DnsServer;
  readonly #events: StreamEvents;
  readonly #later: (task: () => void) => void;
  #received = new Uint8Array(0);
  #pending = 0;
  #isPaused = false;
  #isEnded = false;
  #isOver = false;

  /** `later` calls a task out of the present call, as a host's events come. */
  constructor(server: DnsServer, events: StreamEvents, later: (task: () => void) => void) {
    this.#server = server;
    this.#events = events;
    this.#later = later;
    later(() => { if (!this.#isOver) events.connected(); });
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    const all = new Uint8Array(this.#received.length + bytes.length);
    all.set(this.#received);
    all.set(bytes, this.#received.length);
    let at = 0;
    while (all.length - at >= 2) {
      const length = (all[at]! << 8) | all[at + 1]!;
      if (all.length - at - 2 < length) break;
      this.#ask(all.slice(at + 2, at + 2 + length));
      at += 2 + length;
    }
    this.#received = all.slice(at);
    if (this.#received.length > WAITING_MAXIMUM_BYTES) this.#break();
  }

  end(): void {
    this.#isEnded = true;
    this.#endWhenDone();
  }

  /** Answers come of themselves, in the resolver's time. */
  breakWhenIdle(): void {}

  destroy(): void {
    this.#isOver = true;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
  }

  #ask(message: Uint8Array): void {
    if (this.#pending >= PENDING_MAXIMUM || this.#isPaused) {
      this.#break();
      return;
    }
    const isQuestion = this.#server.receive(message, 'tcp', (reply) => { this.#later(() => { this.#answer(reply); }); });
    if (isQuestion) this.#pending++;
  }

  #answer(reply: Uint8Array): void {
    this.#pending--;
    if (this.#isOver) return;
    const framed = new Uint8Array(2 + reply.length);
    framed.set([reply.length >> 8, reply.length & 0xff]);
    framed.set(reply, 2);
    this.#events.data(framed);
    this.#endWhenDone();
  }

  #endWhenDone(): void {
    if (this.#isOver || !this.#isEnded || this.#pending > 0) return;
    this.#isOver = true;
    this.#later(() => {
      this.#events.ended();
      this.#events.closed('closed');
    });
  }

  #break(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#later(() => { this.#events.closed('reset'); });
  }
}
