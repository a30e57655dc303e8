/**
 * Who has which address: ARP (RFC 826), neighbour discovery and router advertisements (RFC 4861, with RFC 8106 for the
 * resolver). The network answers for its own addresses only, and believes what the guest says of its.
 */
import type { Clock, Timer } from '../../interfaces/clock.ts';
import {
  ANY_IPV4, ANY_IPV6, BROADCAST_MAC, isGroupMac, isIpv4, parseIp, prefixHolds, readIpv4, readIpv6, readMac, writeIp, writeMac, type IpAddress, type MacAddress,
} from '../frames/addresses.ts';
import { checksum, pseudoHeaderSum } from '../frames/checksum.ts';
import { ETHER_TYPE, PROTOCOL, type IpPacket } from '../frames/ip.ts';
import type { GuestWire } from '../guest-wire.ts';
import {
  ALL_NODES, DNS_IPV6, DOMAIN, GATEWAY_IPV4, GATEWAY_LINK_LOCAL, GATEWAY_MAC, IPV4_NETWORK, IPV6_LINK_LOCAL, IPV6_NETWORK, IPV6_PREFIX, MTU, OWN_ADDRESSES,
} from '../nat-addresses.ts';
import type { Icmp } from './icmp.ts';

const ARP_BYTES = 28;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;

const ROUTER_SOLICITATION = 133;
const ROUTER_ADVERTISEMENT = 134;
const NEIGHBOUR_SOLICITATION = 135;
const NEIGHBOUR_ADVERTISEMENT = 136;
const NEIGHBOUR_BYTES = 24;
/** Proves that a message comes from the link itself. */
const HOP_LIMIT = 255;
const ADVERTISED_SOLICITED = 0x60;
const ADVERTISED_UNASKED = 0x20;

const OPTION_SOURCE_MAC = 1;
const OPTION_TARGET_MAC = 2;
const ADVERTISEMENT_INTERVAL_NANOS = 200_000_000_000;
const ROUTER_LIFETIME_SECONDS = 1800;
const PREFIX_VALID_SECONDS = 86_400;
const PREFIX_PREFERRED_SECONDS = 14_400;
/** An address is asked for at most this often. */
const ASKING_INTERVAL_NANOS = 50_000_000;

export class Neighbours {
  readonly #wire: GuestWire;
  readonly #icmp: Icmp;
  readonly #clock: Clock;
  readonly #advertising: Timer;
  readonly #routesIpv6: () => boolean;
  #lastAsked = { address: '', at: -Infinity };

  /** `routesIpv6`: whether the host has a way into the IPv6 internet, without which no router is advertised. */
  constructor(wire: GuestWire, icmp: Icmp, clock: Clock, routesIpv6: () => boolean) {
    this.#wire = wire;
    this.#icmp = icmp;
    this.#clock = clock;
    this.#routesIpv6 = routesIpv6;
    this.#advertising = clock.timer('network.router-advertisement', () => { this.#advertise(ALL_NODES); });
  }

  /** The guest has been heard: it is there to hear advertisements too. */
  start(): void {
    if (this.#advertising.deadline === undefined) this.#advertising.arm(this.#clock.now() + ADVERTISEMENT_INTERVAL_NANOS);
  }

  stop(): void {
    this.#advertising.disarm();
  }

  receiveArp(message: Uint8Array, from: MacAddress): void {
    if (message.length < ARP_BYTES) return;
    const view = new DataView(message.buffer, message.byteOffset, ARP_BYTES);
    const isSound = view.getUint16(0) === 1 && view.getUint16(2) === ETHER_TYPE.ipv4 && view.getUint16(4) === 0x0604;
    const operation = view.getUint16(6);
    const senderMac = readMac(message, 8);
    const sender = readIpv4(message, 14);
    const target = readIpv4(message, 24);
    if (!isSound || senderMac !== from || isGroupMac(senderMac)) return;
    if (sender !== ANY_IPV4 && !this.#learn(sender, senderMac)) return;
    if (operation !== ARP_REQUEST || !OWN_ADDRESSES.has(target)) return;
    this.#wire.sendFrame(from, ETHER_TYPE.arp, arpMessage(ARP_REPLY, GATEWAY_MAC, target, senderMac, sender));
  }

  /** `true` where the message was one of these. */
  receiveIcmp6(packet: IpPacket, from: MacAddress): boolean {
    const { payload, source, destination } = packet;
    const type = payload[0] ?? 0;
    if (type < ROUTER_SOLICITATION || type > NEIGHBOUR_ADVERTISEMENT) return false;
    const isSound = packet.hopLimit === HOP_LIMIT && payload.length >= 8
      && checksum(payload, pseudoHeaderSum(source, destination, PROTOCOL.icmp6, payload.length)) === 0;
    if (!isSound) return true;
    if (type === ROUTER_SOLICITATION) {
      this.#advertise(source === ANY_IPV6 ? ALL_NODES : source, source === ANY_IPV6 ? undefined : from);
      return true;
    }
    if (payload.length < NEIGHBOUR_BYTES) return true;
    const target = readIpv6(payload, 8);
    if (type === NEIGHBOUR_ADVERTISEMENT) this.#learn(target, from);
    if (type === NEIGHBOUR_SOLICITATION && OWN_ADDRESSES.has(target)) {
      const isUnasked = source === ANY_IPV6;
      const answer = new Uint8Array(NEIGHBOUR_BYTES + 8);
      answer[0] = NEIGHBOUR_ADVERTISEMENT;
      answer[4] = 0x80 | (isUnasked ? ADVERTISED_UNASKED : ADVERTISED_SOLICITED);
      writeIp(answer, 8, target);
      answer.set([OPTION_TARGET_MAC, 1], NEIGHBOUR_BYTES);
      writeMac(answer, NEIGHBOUR_BYTES + 2, GATEWAY_MAC);
      this.#icmp.send(target, isUnasked ? ALL_NODES : source, answer, { hopLimit: HOP_LIMIT, to: isUnasked ? multicastMac(ALL_NODES) : from });
    }
    return true;
  }

  /** The sender of a packet; `false` where it isn't the guest's to use. */
  acceptsSource(address: IpAddress, mac: MacAddress): boolean {
    return this.#learn(address, mac);
  }

  /** Asks the guest for the MAC address of an address. */
  askFor(address: IpAddress): void {
    const now = this.#clock.now();
    if (this.#lastAsked.address === address && now - this.#lastAsked.at < ASKING_INTERVAL_NANOS) return;
    this.#lastAsked = { address, at: now };
    if (isIpv4(address)) {
      this.#wire.sendFrame(BROADCAST_MAC, ETHER_TYPE.arp, arpMessage(ARP_REQUEST, GATEWAY_MAC, GATEWAY_IPV4, '00:00:00:00:00:00', address));
      return;
    }
    const question = new Uint8Array(NEIGHBOUR_BYTES + 8);
    question[0] = NEIGHBOUR_SOLICITATION;
    writeIp(question, 8, address);
    question.set([OPTION_SOURCE_MAC, 1], NEIGHBOUR_BYTES);
    writeMac(question, NEIGHBOUR_BYTES + 2, GATEWAY_MAC);
    // RFC 4291 §2.7.1: the solicited-node address.
    const group = parseIp('ff02::1:ff00:0')!;
    group.set(parseIp(address)!.subarray(13), 13);
    const destination = readIpv6(group, 0);
    this.#icmp.send(GATEWAY_LINK_LOCAL, destination, question, { hopLimit: HOP_LIMIT, to: multicastMac(destination) });
  }

  #learn(address: IpAddress, mac: MacAddress): boolean {
    const bytes = parseIp(address);
    if (bytes === undefined || OWN_ADDRESSES.has(address)) return false;
    const isOfNetwork = bytes.length === 4
      ? prefixHolds(IPV4_NETWORK, bytes) && bytes[3] !== 0 && bytes[3] !== 255
      : prefixHolds(IPV6_NETWORK, bytes) || prefixHolds(IPV6_LINK_LOCAL, bytes);
    if (isOfNetwork) this.#wire.learn(address, mac);
    return isOfNetwork;
  }

  #advertise(to: IpAddress, mac?: MacAddress): void {
    this.#advertising.arm(this.#clock.now() + ADVERTISEMENT_INTERVAL_NANOS);
    const domain = dnsName(DOMAIN);
    const searchBytes = 8 + Math.ceil(domain.length / 8) * 8;
    const message = new Uint8Array(16 + 8 + 8 + 32 + 24 + searchBytes);
    const view = new DataView(message.buffer);
    message[0] = ROUTER_ADVERTISEMENT;
    message[4] = 64;
    view.setUint16(6, this.#routesIpv6() ? ROUTER_LIFETIME_SECONDS : 0);
    message.set([OPTION_SOURCE_MAC, 1], 16);
    writeMac(message, 18, GATEWAY_MAC);
    message.set([5, 1], 24);
    view.setUint32(28, MTU);
    // Prefix: on the link, and for addresses that guests make themselves.
    message.set([3, 4, 64, 0xc0], 32);
    view.setUint32(36, PREFIX_VALID_SECONDS);
    view.setUint32(40, PREFIX_PREFERRED_SECONDS);
    writeIp(message, 48, IPV6_PREFIX);
    message.set([25, 3], 64);
    view.setUint32(68, ROUTER_LIFETIME_SECONDS);
    writeIp(message, 72, DNS_IPV6);
    message.set([31, searchBytes / 8], 88);
    view.setUint32(92, ROUTER_LIFETIME_SECONDS);
    message.set(domain, 96);
    this.#icmp.send(GATEWAY_LINK_LOCAL, to, message, { hopLimit: HOP_LIMIT, to: mac ?? multicastMac(to) });
  }
}

function arpMessage(operation: number, senderMac: MacAddress, sender: IpAddress, targetMac: MacAddress, target: IpAddress): Uint8Array {
  const message = new Uint8Array(ARP_BYTES);
  message.set([0, 1, 8, 0, 6, 4, 0, operation]);
  writeMac(message, 8, senderMac);
  writeIp(message, 14, sender);
  writeMac(message, 18, targetMac);
  writeIp(message, 24, target);
  return message;
}

/** RFC 2464 §7. */
function multicastMac(address: IpAddress): MacAddress {
  const bytes = new Uint8Array(6);
  bytes.set([0x33, 0x33]);
  bytes.set(parseIp(address)!.subarray(12), 2);
  return readMac(bytes, 0);
}

function dnsName(name: string): Uint8Array {
  const bytes: number[] = [];
  for (const label of name.split('.')) bytes.push(label.length, ...[...label].map((letter) => letter.charCodeAt(0)));
  return Uint8Array.from([...bytes, 0]);
}
