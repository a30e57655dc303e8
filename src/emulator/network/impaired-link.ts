/**
 * A cable to somewhere far: delay, jitter and loss each way, as a test of programs wants them. Frames keep their order.
 * A long frame under segmentation offload is lost or delayed as a whole, as if all its segments were.
 */
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import type { AcceptedOffloads, FrameOffload, ReceivedFrame } from '../interfaces/network.ts';
import type { CapableLink } from './guest-wire.ts';

/** Each way. */
export interface Impairment {
  readonly delayMillis: number;
  /** The most that is added to the delay, evenly distributed. */
  readonly jitterMillis: number;
  readonly lossPercent: number;
}

export const NO_IMPAIRMENT: Impairment = { delayMillis: 0, jitterMillis: 0, lossPercent: 0 };

/** What is under way in one direction; what doesn't fit waits before it. */
const UNDER_WAY_MAXIMUM_BYTES = 16 << 20;
const NANOS_A_MILLI = 1_000_000;

interface UnderWay { readonly frame: Uint8Array; readonly offload: FrameOffload; readonly due: Nanos }

export class ImpairedLink implements CapableLink {
  onReadable: (() => void) | undefined = undefined;
  onWritable: (() => void) | undefined = undefined;
  /** Frames lost on purpose. */
  lost = 0;
  readonly #cable: CapableLink;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #arrival: Timer;
  readonly #departure: Timer;
  readonly #toGuest: UnderWay[] = [];
  readonly #fromGuest: UnderWay[] = [];
  #toGuestBytes = 0;
  #fromGuestBytes = 0;
  #impairment = NO_IMPAIRMENT;
  #reserved: Uint8Array | undefined;

  /** Takes the cable's `onReadable` and `onWritable`. `random` is evenly distributed from 0 to below 1. */
  constructor(cable: CapableLink, clock: Clock, random: () => number) {
    this.#cable = cable;
    this.#clock = clock;
    this.#random = random;
    this.#arrival = clock.timer('network.arrival', () => { this.#deliver(); });
    this.#departure = clock.timer('network.departure', () => { this.onReadable?.(); });
    cable.onReadable = () => { this.onReadable?.(); };
    cable.onWritable = () => {
      this.#deliver();
      this.onWritable?.();
    };
  }

  get accepted(): AcceptedOffloads {
    return this.#cable.accepted;
  }

  accept(offloads: AcceptedOffloads): void {
    this.#cable.accept(offloads);
  }

  /** Holds for what comes from now on. */
  impair(impairment: Impairment): void {
    this.#impairment = impairment;
    this.onReadable?.();
  }

  close(): void {
    this.#arrival.disarm();
    this.#departure.disarm();
  }

  reserve(length: number): Uint8Array | undefined {
    this.#reserved = undefined;
    if (this.#isClear && this.#toGuest.length === 0) return this.#cable.reserve(length);
    if (this.#toGuestBytes + length > UNDER_WAY_MAXIMUM_BYTES) return undefined;
    this.#reserved = new Uint8Array(length);
    return this.#reserved;
  }

  commit(offload: FrameOffload): void {
    const frame = this.#reserved;
    this.#reserved = undefined;
    if (frame === undefined) {
      this.#cable.commit(offload);
    } else if (!this.#isLost()) {
      this.#toGuest.push({ frame, offload, due: this.#dueAfter(this.#toGuest) });
      this.#toGuestBytes += frame.length;
      this.#deliver();
    }
  }

  peek(): ReceivedFrame | undefined {
    if (this.#isClear && this.#fromGuest.length === 0) return this.#cable.peek();
    this.#gather();
    const first = this.#fromGuest[0];
    if (first === undefined) return undefined;
    if (first.due > this.#clock.now()) {
      this.#departure.arm(first.due);
      return undefined;
    }
    return { bytes: first.frame, offload: first.offload };
  }

  consume(): void {
    const first = this.#fromGuest.shift();
    if (first === undefined) this.#cable.consume();
    else this.#fromGuestBytes -= first.frame.length;
  }

  get #isClear(): boolean {
    return this.#impairment.delayMillis === 0 && this.#impairment.jitterMillis === 0 && this.#impairment.lossPercent === 0;
  }

  /** What the guest has sent is under way from now on. */
  #gather(): void {
    while (this.#fromGuestBytes < UNDER_WAY_MAXIMUM_BYTES) {
      const frame = this.#cable.peek();
      if (frame === undefined) return;
      if (!this.#isLost()) {
        this.#fromGuest.push({ frame: frame.bytes.slice(), offload: frame.offload, due: this.#dueAfter(this.#fromGuest) });
        this.#fromGuestBytes += frame.bytes.length;
      }
      this.#cable.consume();
    }
  }

  #deliver(): void {
    for (let first = this.#toGuest[0]; first !== undefined; first = this.#toGuest[0]) {
      if (first.due > this.#clock.now()) {
        this.#arrival.arm(first.due);
        return;
      }
      const room = this.#cable.reserve(first.frame.length);
      if (room === undefined) return;
      room.set(first.frame);
      this.#cable.commit(first.offload);
      const wasFull = this.#toGuestBytes > UNDER_WAY_MAXIMUM_BYTES / 2;
      this.#toGuest.shift();
      this.#toGuestBytes -= first.frame.length;
      if (wasFull && this.#toGuestBytes <= UNDER_WAY_MAXIMUM_BYTES / 2) this.onWritable?.();
    }
  }

  #isLost(): boolean {
    const isLost = this.#impairment.lossPercent > 0 && 100 * this.#random() < this.#impairment.lossPercent;
    if (isLost) this.lost++;
    return isLost;
  }

  #dueAfter(before: readonly UnderWay[]): Nanos {
    const { delayMillis, jitterMillis } = this.#impairment;
    const due = this.#clock.now() + Math.round((delayMillis + jitterMillis * this.#random()) * NANOS_A_MILLI);
    return Math.max(due, before.at(-1)?.due ?? 0);
  }
}
