/** ICMP (RFC 792) and ICMPv6 (RFC 4443): echo to the network's own addresses, and errors to the guest. */
import type { Clock } from '../../interfaces/clock.ts';
import { isIpv4, type IpAddress } from '../frames/addresses.ts';
import { checksum, pseudoHeaderSum } from '../frames/checksum.ts';
import { IPV6_HEADER_BYTES, PROTOCOL, type IpPacket } from '../frames/ip.ts';
import type { GuestWire } from '../guest-wire.ts';
import { OWN_ADDRESSES } from '../nat-addresses.ts';

const ECHO_REPLY = 0;
const UNREACHABLE = 3;
const ECHO_REQUEST = 8;
/** Codes of UNREACHABLE. */
const PORT_UNREACHABLE = 3;
const HOST_UNREACHABLE = 1;
const PROHIBITED = 13;

const ICMP6_UNREACHABLE = 1;
const ICMP6_ECHO_REQUEST = 128;
const ICMP6_ECHO_REPLY = 129;
const ICMP6_PROHIBITED = 1;
const ICMP6_ADDRESS_UNREACHABLE = 3;
const ICMP6_PORT_UNREACHABLE = 4;

const HEADER_BYTES = 8;
/** Of the packet that an error is about. */
const QUOTED_MAXIMUM_BYTES = 548;
const QUOTED_TRANSPORT_BYTES = 8;
/** Errors are few (RFC 1812 §4.3.2.8). */
const ERRORS_A_SECOND = 100;

export type UnreachableReason = 'refused' | 'unreachable' | 'port';

export class Icmp {
  readonly #wire: GuestWire;
  readonly #clock: Clock;
  #errorsLeft = ERRORS_A_SECOND;
  #errorsSince = 0;

  constructor(wire: GuestWire, clock: Clock) {
    this.#wire = wire;
    this.#clock = clock;
  }

  /** Answers an echo request to one of the network's own addresses; others get nowhere, as hosts' sockets send no echoes. */
  receive(packet: IpPacket): void {
    const { payload, source, destination } = packet;
    const isFour = isIpv4(source);
    if (payload.length < HEADER_BYTES || payload[0] !== (isFour ? ECHO_REQUEST : ICMP6_ECHO_REQUEST)) return;
    const sum = isFour ? checksum(payload) : checksum(payload, pseudoHeaderSum(source, destination, PROTOCOL.icmp6, payload.length));
    if (sum !== 0) return;
    if (!OWN_ADDRESSES.has(destination)) {
      this.unreachable(source, destination, packet.bytes, 'refused');
      return;
    }
    const reply = payload.slice();
    reply[0] = isFour ? ECHO_REPLY : ICMP6_ECHO_REPLY;
    reply[1] = 0;
    this.send(destination, source, reply);
  }

  /** Tells the guest that its packet, which begins with `quoted`, got nowhere. The error comes from where it was to go. */
  unreachable(guest: IpAddress, remote: IpAddress, quoted: Uint8Array, reason: UnreachableReason): void {
    const now = this.#clock.now();
    if (now - this.#errorsSince >= 1_000_000_000) {
      this.#errorsSince = now;
      this.#errorsLeft = ERRORS_A_SECOND;
    }
    if (this.#errorsLeft === 0) return;
    this.#errorsLeft--;
    const part = quoted.subarray(0, quotedBytes(quoted));
    const error = new Uint8Array(HEADER_BYTES + part.length);
    if (isIpv4(guest)) error.set([UNREACHABLE, reason === 'refused' ? PROHIBITED : reason === 'port' ? PORT_UNREACHABLE : HOST_UNREACHABLE]);
    else error.set([ICMP6_UNREACHABLE, reason === 'refused' ? ICMP6_PROHIBITED : reason === 'port' ? ICMP6_PORT_UNREACHABLE : ICMP6_ADDRESS_UNREACHABLE]);
    error.set(part, HEADER_BYTES);
    this.send(remote, guest, error);
  }

  /** Sends a message whose checksum isn't there yet. */
  send(source: IpAddress, destination: IpAddress, message: Uint8Array, options: { readonly hopLimit?: number; readonly to?: string } = {}): void {
    const protocol = isIpv4(source) ? PROTOCOL.icmp : PROTOCOL.icmp6;
    message[2] = 0;
    message[3] = 0;
    const sum = checksum(message, isIpv4(source) ? 0 : pseudoHeaderSum(source, destination, protocol, message.length));
    message[2] = sum >> 8;
    message[3] = sum & 0xff;
    this.#wire.sendPacket({ source, destination, protocol, hopLimit: options.hopLimit ?? 64 }, message, options.to);
  }
}

/**
 * What of a packet an error quotes. Of TCP and UDP no more than RFC 792 asks for, ports and sequence number: the guest may
 * have left their checksums to be done by its adapter, and a whole segment would show one that is wrong.
 */
function quotedBytes(packet: Uint8Array): number {
  const isFour = packet[0]! >> 4 === 4;
  const headerBytes = isFour ? 4 * (packet[0]! & 15) : IPV6_HEADER_BYTES;
  const protocol = packet[isFour ? 9 : 6];
  return protocol === PROTOCOL.tcp || protocol === PROTOCOL.udp ? headerBytes + QUOTED_TRANSPORT_BYTES : QUOTED_MAXIMUM_BYTES;
}
