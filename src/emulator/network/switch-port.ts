/**
 * A machine's port of a switch that several machines of this host share. There is no switch in the middle: each machine's
 * process has a link to every other's (`SwitchTrunk`) and knows behind which a MAC address is. Frames take one hop, and
 * what came over a link is never sent on over another, so that nothing goes round in circles.
 *
 * On a network with a gateway, every machine has that gateway in its own process: frames for it go no further.
 */
import type { AcceptedOffloads, FrameOffload, ReceivedFrame } from '../interfaces/network.ts';
import { ETHERNET_HEADER_BYTES } from './frames/ip.ts';
import { parseMac } from './frames/addresses.ts';
import type { CapableLink } from './guest-wire.ts';
import { GATEWAY_MAC } from './nat-addresses.ts';
import { adaptFrame } from './offload.ts';

/** One of the other machines, for as long as it is there. */
export type Member = string;

/** The links to the other machines. */
export interface SwitchTrunk {
  /** To one, or where none is given to all. What a link can't take is dropped. */
  send(to: Member | undefined, frame: Uint8Array, offload: FrameOffload): void;
}

/** Addresses that are known; the one heard of longest ago makes room. */
const ADDRESSES_MAXIMUM = 1024;
/** Frames for a guest that is slow to take them. */
const BACKLOG_MAXIMUM_BYTES = 8 << 20;
/** Frames of the guest that are looked at before other work of the thread has its turn. */
const FRAMES_A_TURN = 128;
const GATEWAY = parseMac(GATEWAY_MAC);

export interface SwitchPortOptions {
  readonly cable: CapableLink;
  readonly trunk: SwitchTrunk;
  readonly hasGateway: boolean;
  /** Calls a task when other work of the thread has had its turn. */
  readonly later: (task: () => void) => void;
}

/** As a link, it is the gateway's end: frames that are (also) for it are read from it. */
export class SwitchPort implements CapableLink {
  onReadable: (() => void) | undefined = undefined;
  onWritable: (() => void) | undefined = undefined;
  /** Frames that could not be delivered or were none. */
  dropped = 0;
  readonly #options: SwitchPortOptions;
  readonly #cable: CapableLink;
  /** Who is behind which link, heard of longest ago first. */
  readonly #addresses = new Map<number, Member>();
  readonly #backlog: { readonly frame: Uint8Array; readonly offload: FrameOffload }[] = [];
  #backlogBytes = 0;
  #framesThisTurn = 0;
  #isTurnDue = false;
  /** The cable's next frame has been passed on, and waits for the gateway. */
  #isPassedOn = false;

  /** Takes the cable's `onReadable` and `onWritable`. */
  constructor(options: SwitchPortOptions) {
    this.#options = options;
    this.#cable = options.cable;
    this.#cable.onReadable = () => { this.#readable(); };
    this.#cable.onWritable = () => {
      this.#deliverBacklog();
      this.onWritable?.();
    };
  }

  get accepted(): AcceptedOffloads {
    return this.#cable.accepted;
  }

  accept(offloads: AcceptedOffloads): void {
    this.#cable.accept(offloads);
  }

  reserve(length: number): Uint8Array | undefined {
    return this.#cable.reserve(length);
  }

  commit(offload: FrameOffload): void {
    this.#cable.commit(offload);
  }

  peek(): ReceivedFrame | undefined {
    for (;;) {
      const frame = this.#cable.peek();
      if (frame === undefined) {
        this.#framesThisTurn = 0;
        return undefined;
      }
      if (!this.#isPassedOn) {
        if (++this.#framesThisTurn > FRAMES_A_TURN) {
          this.#nextTurn();
          return undefined;
        }
        this.#isPassedOn = true;
        if (this.#passOn(frame)) return frame;
        this.consume();
      } else {
        return frame;
      }
    }
  }

  consume(): void {
    this.#isPassedOn = false;
    this.#cable.consume();
  }

  /** A frame from another machine. It may be changed. */
  receive(from: Member, frame: Uint8Array, offload: FrameOffload): void {
    if (frame.length < ETHERNET_HEADER_BYTES || isGroup(frame, 6)) {
      this.dropped++;
      return;
    }
    const source = macAt(frame, 6);
    // Nobody else is this machine's gateway.
    if (this.#options.hasGateway && (source === GATEWAY || macAt(frame, 0) === GATEWAY)) {
      this.dropped++;
      return;
    }
    this.#learn(source, from);
    adaptFrame(frame, offload, this.#cable.accepted, (ready, left) => { this.#deliver(ready, left); });
  }

  /** A machine has left. */
  forget(member: Member): void {
    for (const [address, behind] of this.#addresses) if (behind === member) this.#addresses.delete(address);
  }

  #readable(): void {
    if (this.#isTurnDue) return;
    // Without a gateway nobody else reads.
    if (this.#options.hasGateway) this.onReadable?.();
    else this.peek();
  }

  #nextTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#options.later(() => {
      this.#isTurnDue = false;
      this.#framesThisTurn = 0;
      this.#readable();
    });
  }

  /** Returns whether the frame is for the gateway, too. */
  #passOn({ bytes, offload }: ReceivedFrame): boolean {
    const { hasGateway, trunk } = this.#options;
    if (bytes.length < ETHERNET_HEADER_BYTES) return hasGateway;
    const destination = macAt(bytes, 0);
    if (hasGateway && destination === GATEWAY) return true;
    // Nor does the guest get to be the others' gateway.
    if (hasGateway && macAt(bytes, 6) === GATEWAY) return true;
    const isToGroup = isGroup(bytes, 0);
    trunk.send(isToGroup ? undefined : this.#addresses.get(destination), bytes, offload);
    return hasGateway && isToGroup;
  }

  #learn(address: number, member: Member): void {
    this.#addresses.delete(address);
    this.#addresses.set(address, member);
    if (this.#addresses.size > ADDRESSES_MAXIMUM) this.#addresses.delete(this.#addresses.keys().next().value!);
  }

  #deliver(frame: Uint8Array, offload: FrameOffload): void {
    if (this.#backlog.length === 0 && this.#put(frame, offload)) return;
    if (this.#backlogBytes + frame.length > BACKLOG_MAXIMUM_BYTES) {
      this.dropped++;
      return;
    }
    this.#backlog.push({ frame: frame.slice(), offload });
    this.#backlogBytes += frame.length;
  }

  #deliverBacklog(): void {
    let done = 0;
    for (const { frame, offload } of this.#backlog) {
      if (!this.#put(frame, offload)) break;
      this.#backlogBytes -= frame.length;
      done++;
    }
    this.#backlog.splice(0, done);
  }

  #put(frame: Uint8Array, offload: FrameOffload): boolean {
    const room = this.#cable.reserve(frame.length);
    if (room === undefined) return false;
    room.set(frame);
    this.#cable.commit(offload);
    return true;
  }
}

function isGroup(bytes: Uint8Array, at: number): boolean {
  return (bytes[at]! & 1) !== 0;
}

/** 48 bits. */
function macAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 8) | bytes[at + 1]!) * 2 ** 32 + (((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!) >>> 0);
}
