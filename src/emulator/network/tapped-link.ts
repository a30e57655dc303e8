/** A cable with a meter: counts the frames that pass, and shows them to whoever captures. */
import type { AcceptedOffloads, FrameOffload, ReceivedFrame } from '../interfaces/network.ts';
import type { Direction } from './capture.ts';
import type { CapableLink } from './guest-wire.ts';

/** As the guest sees it: `In` is what it got. */
export interface LinkCounters {
  framesIn: number;
  framesOut: number;
  bytesIn: number;
  bytesOut: number;
}

export class TappedLink implements CapableLink {
  onReadable: (() => void) | undefined = undefined;
  onWritable: (() => void) | undefined = undefined;
  /** Sees every frame, while somebody wants to. */
  capture: ((frame: Uint8Array, offload: FrameOffload, direction: Direction) => void) | undefined = undefined;
  readonly counters: LinkCounters = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0 };
  readonly #cable: CapableLink;
  #reserved: Uint8Array | undefined;
  #peeked: ReceivedFrame | undefined;

  /** Takes the cable's `onReadable` and `onWritable`. */
  constructor(cable: CapableLink) {
    this.#cable = cable;
    cable.onReadable = () => { this.onReadable?.(); };
    cable.onWritable = () => { this.onWritable?.(); };
  }

  get accepted(): AcceptedOffloads {
    return this.#cable.accepted;
  }

  accept(offloads: AcceptedOffloads): void {
    this.#cable.accept(offloads);
  }

  reserve(length: number): Uint8Array | undefined {
    this.#reserved = this.#cable.reserve(length);
    return this.#reserved;
  }

  commit(offload: FrameOffload): void {
    const frame = this.#reserved!;
    this.counters.framesIn++;
    this.counters.bytesIn += frame.length;
    this.capture?.(frame, offload, 'to-guest');
    this.#cable.commit(offload);
  }

  peek(): ReceivedFrame | undefined {
    if (this.#peeked !== undefined) return this.#peeked;
    const frame = this.#cable.peek();
    if (frame === undefined) return undefined;
    this.#peeked = frame;
    this.counters.framesOut++;
    this.counters.bytesOut += frame.bytes.length;
    this.capture?.(frame.bytes, frame.offload, 'from-guest');
    return frame;
  }

  consume(): void {
    this.#peeked = undefined;
    this.#cable.consume();
  }
}
