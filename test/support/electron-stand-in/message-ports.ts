/** `MessageChannelMain`: two entangled ports. One may be carried elsewhere (into a page, into a process); messages then go there. */
import { EventEmitter } from 'node:events';

/** Where a port went when it was transferred. */
export interface PortCarrier {
  message(data: unknown): void;
  closed(): void;
}

export class MessagePortMain extends EventEmitter {
  peer: MessagePortMain | undefined;
  #carrier: PortCarrier | undefined;
  #queue: unknown[] = [];
  #isStarted = false;
  #isClosed = false;

  start(): void {
    this.#isStarted = true;
    for (const data of this.#queue.splice(0)) this.emit('message', { data, ports: [] });
  }

  postMessage(data: unknown, transfer: readonly unknown[] = []): void {
    if (transfer.length > 0) throw new Error('the stand-in carries no ports over ports');
    this.peer?.deliver(structuredClone(data));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { peer } = this;
    setImmediate(() => {
      this.emit('close');
      peer?.closedByPeer();
    });
  }

  /** This port lives elsewhere from now on; what comes from there is posted with `postMessage`, and its end with `close`. */
  carry(carrier: PortCarrier): void {
    this.#carrier = carrier;
    for (const data of this.#queue.splice(0)) carrier.message(data);
    if (this.#isClosed) carrier.closed();
  }

  deliver(data: unknown): void {
    if (this.#isClosed) return;
    if (this.#carrier !== undefined) this.#carrier.message(data);
    else if (this.#isStarted) setImmediate(() => { this.emit('message', { data, ports: [] }); });
    else this.#queue.push(data);
  }

  closedByPeer(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#carrier !== undefined) this.#carrier.closed();
    this.emit('close');
  }
}

export class MessageChannelMain {
  readonly port1 = new MessagePortMain();
  readonly port2 = new MessagePortMain();

  constructor() {
    this.port1.peer = this.port2;
    this.port2.peer = this.port1;
  }
}
