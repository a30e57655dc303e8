/**
 * The mailbox over a MessagePort that is read synchronously, with a word of the shared memory as its doorbell: the
 * sender posts a letter, then counts the word up and wakes whoever sleeps on it.
 */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { Letter, Mailbox } from '../machine/mailbox.ts';
import { GLOBAL_DOORBELL } from '../cpu/memory-layout.ts';

function doorbellOf(shared: ArrayBufferLike): Int32Array {
  return new Int32Array(shared, GLOBAL_DOORBELL, 1);
}

/** The machine thread's end. */
export class PortMailbox implements Mailbox {
  readonly #port: MessagePort;
  readonly #doorbell: Int32Array;
  #ringsSeen = 0;
  #portMayHoldMore = true;
  #backlog: Letter[] = [];

  constructor(port: MessagePort, shared: ArrayBufferLike) {
    this.#port = port;
    this.#doorbell = doorbellOf(shared);
  }

  take(): Letter | undefined {
    return this.#backlog.length > 0 ? this.#backlog.shift() : this.#takeFromPort();
  }

  wait(nanos: number | undefined): void {
    if (this.#backlog.length > 0 || this.#portMayHoldMore) return;
    Atomics.wait(this.#doorbell, 0, this.#ringsSeen, nanos === undefined ? Infinity : nanos / 1e6);
  }

  waitFor(matches: (letter: Letter) => boolean): Letter {
    const waiting = this.#backlog.findIndex(matches);
    if (waiting >= 0) return this.#backlog.splice(waiting, 1)[0]!;
    for (;;) {
      const letter = this.#takeFromPort();
      if (letter === undefined) Atomics.wait(this.#doorbell, 0, this.#ringsSeen);
      else if (matches(letter)) return letter;
      else this.#backlog.push(letter);
    }
  }

  #takeFromPort(): Letter | undefined {
    if (!this.#portMayHoldMore) {
      // The count is read before the port: a letter posted in between rings again and is found then.
      const rings = Atomics.load(this.#doorbell, 0);
      if (rings === this.#ringsSeen) return undefined;
      this.#ringsSeen = rings;
      this.#portMayHoldMore = true;
    }
    const received = receiveMessageOnPort(this.#port) as { message: Letter } | undefined;
    if (received === undefined) this.#portMayHoldMore = false;
    return received?.message;
  }
}

/** The control thread's end. */
export class MailboxSender {
  readonly #port: MessagePort;
  readonly #doorbell: Int32Array;

  constructor(port: MessagePort, shared: ArrayBufferLike) {
    this.#port = port;
    this.#doorbell = doorbellOf(shared);
  }

  post(letter: Letter): void {
    this.#port.postMessage(letter);
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }
}
