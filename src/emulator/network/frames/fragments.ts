/** Puts the fragments of IP packets together (RFC 791 §3.2, RFC 8200 §4.5). Overlaps drop the packet (RFC 5722). */
import type { Clock } from '../../interfaces/clock.ts';
import type { IpPacket } from './ip.ts';

/** Packets at a time; the oldest makes room. */
const PACKETS_MAXIMUM = 16;
const PACKET_MAXIMUM_BYTES = 0xffff;
const FRAGMENTS_MAXIMUM = 128;
const LIFE_NANOS = 30_000_000_000;

interface Partial {
  readonly since: number;
  readonly parts: { readonly offset: number; readonly bytes: Uint8Array }[];
  received: number;
  length: number | undefined;
  /** Of the first fragment. */
  protocol: number | undefined;
}

export class FragmentAssembler {
  readonly #clock: Clock;
  readonly #packets = new Map<string, Partial>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The whole packet, once its last missing fragment is there. */
  add(packet: IpPacket): IpPacket | undefined {
    const { fragment, payload } = packet;
    if (fragment === undefined) return packet;
    const key = `${packet.source}|${packet.destination}|${fragment.identification}`;
    const now = this.#clock.now();
    let partial = this.#packets.get(key);
    if (partial !== undefined && now - partial.since > LIFE_NANOS) {
      this.#packets.delete(key);
      partial = undefined;
    }
    if (partial === undefined) {
      partial = { since: now, parts: [], received: 0, length: undefined, protocol: undefined };
      this.#packets.set(key, partial);
      if (this.#packets.size > PACKETS_MAXIMUM) this.#packets.delete(this.#packets.keys().next().value!);
    }
    const end = fragment.offset + payload.length;
    const isWrong = end > PACKET_MAXIMUM_BYTES || payload.length === 0 || (!fragment.isLast && payload.length % 8 !== 0)
      || (fragment.isLast && partial.length !== undefined && partial.length !== end)
      || partial.parts.length >= FRAGMENTS_MAXIMUM
      || partial.parts.some((part) => part.offset < end && fragment.offset < part.offset + part.bytes.length);
    if (isWrong) {
      this.#packets.delete(key);
      return undefined;
    }
    partial.parts.push({ offset: fragment.offset, bytes: payload.slice() });
    partial.received += payload.length;
    if (fragment.isLast) partial.length = end;
    if (fragment.offset === 0) partial.protocol = packet.protocol;
    if (partial.length === undefined || partial.received < partial.length) return undefined;
    this.#packets.delete(key);
    if (partial.received !== partial.length || partial.protocol === undefined) return undefined;
    const whole = new Uint8Array(partial.length);
    for (const { offset, bytes } of partial.parts) whole.set(bytes, offset);
    return { ...packet, protocol: partial.protocol, payload: whole, fragment: undefined };
  }
}
