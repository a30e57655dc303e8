/** The network's end of a cable that can be pulled out, and that lets through no more than it may. */
import type { Clock, Timer } from '../interfaces/clock.ts';
import type { AcceptedOffloads, FrameOffload, ReceivedFrame } from '../interfaces/network.ts';
import { ByteRate } from './byte-rate.ts';
import type { CapableLink } from './guest-wire.ts';

export class ShapedLink implements CapableLink {
  onReadable: (() => void) | undefined = undefined;
  onWritable: (() => void) | undefined = undefined;
  readonly #cable: CapableLink;
  readonly #clock: Clock;
  readonly #sent: ByteRate;
  readonly #received: ByteRate;
  readonly #writableAgain: Timer;
  readonly #readableAgain: Timer;
  #isConnected = true;
  #reservedBytes = 0;
  #peekedBytes = 0;

  /** Takes the cable's `onReadable` and `onWritable`. */
  constructor(cable: CapableLink, clock: Clock) {
    this.#cable = cable;
    this.#clock = clock;
    this.#sent = new ByteRate(() => clock.now());
    this.#received = new ByteRate(() => clock.now());
    this.#writableAgain = clock.timer('network.writable', () => { this.onWritable?.(); });
    this.#readableAgain = clock.timer('network.readable', () => { this.onReadable?.(); });
    cable.onReadable = () => { this.onReadable?.(); };
    cable.onWritable = () => { this.onWritable?.(); };
  }

  get accepted(): AcceptedOffloads {
    return this.#cable.accepted;
  }

  /** Each way. */
  limit(bytesPerSecondMaximum: number | undefined): void {
    this.#sent.limit(bytesPerSecondMaximum);
    this.#received.limit(bytesPerSecondMaximum);
    this.#wake();
  }

  /** What comes while the cable is out is lost. */
  connect(isConnected: boolean): void {
    this.#isConnected = isConnected;
    this.#wake();
  }

  close(): void {
    this.#writableAgain.disarm();
    this.#readableAgain.disarm();
  }

  reserve(length: number): Uint8Array | undefined {
    if (!this.#isConnected) return undefined;
    const wait = this.#sent.waitNanos;
    if (wait > 0) {
      this.#writableAgain.arm(this.#clock.now() + wait);
      return undefined;
    }
    this.#reservedBytes = length;
    return this.#cable.reserve(length);
  }

  commit(offload: FrameOffload): void {
    this.#sent.take(this.#reservedBytes);
    this.#cable.commit(offload);
  }

  peek(): ReceivedFrame | undefined {
    if (!this.#isConnected) {
      while (this.#cable.peek() !== undefined) this.#cable.consume();
      return undefined;
    }
    const wait = this.#received.waitNanos;
    if (wait > 0) {
      this.#readableAgain.arm(this.#clock.now() + wait);
      return undefined;
    }
    const frame = this.#cable.peek();
    this.#peekedBytes = frame?.bytes.length ?? 0;
    return frame;
  }

  consume(): void {
    this.#received.take(this.#peekedBytes);
    this.#cable.consume();
  }

  accept(offloads: AcceptedOffloads): void {
    this.#cable.accept(offloads);
  }

  #wake(): void {
    this.onReadable?.();
    this.onWritable?.();
  }
}
