/**
 * The network's side of the cable to the guest: puts packets into frames, knows which MAC address an IP address has, leaves
 * checksums and segmentation to the guest where it takes them on, and counts. Frames are built in the link's memory.
 */
import type { NetworkLink, FrameOffload, AcceptedOffloads } from '../interfaces/network.ts';
import { NO_OFFLOAD } from '../interfaces/network.ts';
import { BROADCAST_MAC, isIpv4, writeMac, type IpAddress, type MacAddress } from './frames/addresses.ts';
import { checksum, foldSum, pseudoHeaderSum } from './frames/checksum.ts';
import { ETHER_TYPE, ETHERNET_HEADER_BYTES, ipHeaderBytes, IPV4_HEADER_BYTES, IPV6_HEADER_BYTES, PROTOCOL, writeIpHeader, type IpHeader } from './frames/ip.ts';
import { TCP_HEADER_BYTES, TCP_SYN_HEADER_BYTES, writeTcpHeader, type TcpHeader } from './frames/tcp-segment.ts';
import { GATEWAY_MAC, IPV4_BROADCAST, MTU } from './nat-addresses.ts';

/** The most TCP payload of one frame under segmentation offload: the packet's length is 16 bits. */
const SEGMENTED_MAXIMUM_BYTES = 0xffff - IPV4_HEADER_BYTES - TCP_HEADER_BYTES;
const TCP_CHECKSUM_OFFSET = 16;
/** A guest may stand for several machines (containers, bridges). */
const NEIGHBOURS_MAXIMUM = 256;

/** `full`: try again when the link has room. `unknown`: nobody has said yet who has the address; the question is on its way. */
export type SendResult = 'sent' | 'full' | 'unknown';

/** A link that says what its other end takes on. */
export interface CapableLink extends NetworkLink {
  readonly accepted: AcceptedOffloads;
}

export interface WireCounters {
  framesIn: number;
  framesOut: number;
  /** From the guest's view these are what it sent, and what it got. */
  bytesIn: number;
  bytesOut: number;
  dropped: number;
}

export interface WireOptions {
  readonly link: CapableLink;
  /** Sees every frame to the guest before it is sent. */
  readonly captured: (frame: Uint8Array, offload: FrameOffload, direction: 'to-guest') => void;
  /** Asks who has an address. */
  readonly askFor: (address: IpAddress) => void;
  /** Somebody has said that he has an address that was not known. */
  readonly found: (address: IpAddress) => void;
}

export class GuestWire {
  readonly link: CapableLink;
  readonly counters: WireCounters = { framesIn: 0, framesOut: 0, bytesIn: 0, bytesOut: 0, dropped: 0 };
  readonly #captured: WireOptions['captured'];
  readonly #askFor: (address: IpAddress) => void;
  readonly #found: (address: IpAddress) => void;
  readonly #neighbours = new Map<IpAddress, MacAddress>();
  #fragmentIdentification = 0;

  constructor(options: WireOptions) {
    this.link = options.link;
    this.#captured = options.captured;
    this.#askFor = options.askFor;
    this.#found = options.found;
  }

  /** An address has been seen behind a MAC address. */
  learn(address: IpAddress, mac: MacAddress): void {
    if (this.#neighbours.get(address) === mac) return;
    const isNew = !this.#neighbours.delete(address);
    this.#neighbours.set(address, mac);
    if (this.#neighbours.size > NEIGHBOURS_MAXIMUM) this.#neighbours.delete(this.#neighbours.keys().next().value!);
    if (isNew) this.#found(address);
  }

  /** Forgets who has which address: the guest has restarted. */
  forgetNeighbours(): void {
    this.#neighbours.clear();
  }

  /** Payload that one TCP segment to the guest may have at most, when its peer takes `segmentBytes`. */
  tcpPayloadMaximum(address: IpAddress, segmentBytes: number): number {
    const { tcp4, tcp6 } = this.link.accepted;
    if (!(isIpv4(address) ? tcp4 : tcp6)) return segmentBytes;
    return Math.max(segmentBytes, Math.floor(SEGMENTED_MAXIMUM_BYTES / segmentBytes) * segmentBytes);
  }

  /** A frame with any payload. */
  sendFrame(to: MacAddress, type: number, payload: Uint8Array): SendResult {
    const frame = this.#begin(to, type, payload.length);
    if (frame === undefined) return this.#dropped();
    frame.set(payload, ETHERNET_HEADER_BYTES);
    this.#finish(frame, NO_OFFLOAD);
    return 'sent';
  }

  /** An IP packet, in fragments where it is longer than the MTU. `to` is given where the neighbour isn't known by its address. */
  sendPacket(header: IpHeader, payload: Uint8Array, to?: MacAddress): SendResult {
    const mac = to ?? this.#macOf(header.destination);
    if (mac === undefined) return 'unknown';
    const isLong = payload.length > MTU - ipHeaderBytes(header.source);
    if (isLong) return isIpv4(header.source) ? this.#sendIpv4Fragments(header, payload, mac) : this.#sendIpv6Fragments(header, payload, mac);
    const type = isIpv4(header.source) ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6;
    const headerBytes = ipHeaderBytes(header.source);
    const frame = this.#begin(mac, type, headerBytes + payload.length);
    if (frame === undefined) return this.#dropped();
    writeIpHeader(frame.subarray(ETHERNET_HEADER_BYTES), header, payload.length);
    frame.set(payload, ETHERNET_HEADER_BYTES + headerBytes);
    this.#finish(frame, NO_OFFLOAD);
    return 'sent';
  }

  /** A TCP segment whose payload of `payloadBytes` is written by `fill`; longer than `segmentBytes` only within `tcpPayloadMaximum`. */
  sendTcp(source: IpAddress, destination: IpAddress, header: TcpHeader, payloadBytes: number, segmentBytes: number, fill?: (payload: Uint8Array) => void): SendResult {
    const mac = this.#macOf(destination);
    if (mac === undefined) return 'unknown';
    const ipBytes = ipHeaderBytes(source);
    const tcpBytes = header.options === undefined ? TCP_HEADER_BYTES : TCP_SYN_HEADER_BYTES;
    const frame = this.#begin(mac, isIpv4(source) ? ETHER_TYPE.ipv4 : ETHER_TYPE.ipv6, ipBytes + tcpBytes + payloadBytes);
    if (frame === undefined) return 'full';
    const at = ETHERNET_HEADER_BYTES + ipBytes;
    writeIpHeader(frame.subarray(ETHERNET_HEADER_BYTES, at), { source, destination, protocol: PROTOCOL.tcp }, tcpBytes + payloadBytes);
    const segment = frame.subarray(at);
    writeTcpHeader(segment, header);
    fill?.(segment.subarray(tcpBytes));
    const pseudo = pseudoHeaderSum(source, destination, PROTOCOL.tcp, segment.length);
    const isLeft = this.link.accepted.checksum;
    const sum = isLeft ? foldSum(pseudo) : checksum(segment, pseudo);
    segment[TCP_CHECKSUM_OFFSET] = sum >> 8;
    segment[TCP_CHECKSUM_OFFSET + 1] = sum & 0xff;
    this.#finish(frame, !isLeft ? NO_OFFLOAD : {
      checksumStart: at,
      checksumOffset: TCP_CHECKSUM_OFFSET,
      segmentation: payloadBytes <= segmentBytes ? 'none' : isIpv4(source) ? 'tcp4' : 'tcp6',
      segmentBytes: payloadBytes <= segmentBytes ? 0 : segmentBytes,
    });
    return 'sent';
  }

  #sendIpv4Fragments(header: IpHeader, payload: Uint8Array, mac: MacAddress): SendResult {
    const room = (MTU - IPV4_HEADER_BYTES) & ~7;
    const identification = (this.#fragmentIdentification = (this.#fragmentIdentification + 1) & 0xffff);
    for (let offset = 0; offset < payload.length; offset += room) {
      const part = payload.subarray(offset, offset + room);
      const frame = this.#begin(mac, ETHER_TYPE.ipv4, IPV4_HEADER_BYTES + part.length);
      if (frame === undefined) return this.#dropped();
      writeIpHeader(frame.subarray(ETHERNET_HEADER_BYTES), header, part.length, { identification, offset, isLast: offset + room >= payload.length });
      frame.set(part, ETHERNET_HEADER_BYTES + IPV4_HEADER_BYTES);
      this.#finish(frame, NO_OFFLOAD);
    }
    return 'sent';
  }

  /** RFC 8200 §4.5. */
  #sendIpv6Fragments(header: IpHeader, payload: Uint8Array, mac: MacAddress): SendResult {
    const FRAGMENT_HEADER_BYTES = 8;
    const FRAGMENT_HEADER = 44;
    const room = (MTU - IPV6_HEADER_BYTES - FRAGMENT_HEADER_BYTES) & ~7;
    const identification = (this.#fragmentIdentification = (this.#fragmentIdentification + 1) & 0xffff);
    for (let offset = 0; offset < payload.length; offset += room) {
      const part = payload.subarray(offset, offset + room);
      const frame = this.#begin(mac, ETHER_TYPE.ipv6, IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES + part.length);
      if (frame === undefined) return this.#dropped();
      writeIpHeader(frame.subarray(ETHERNET_HEADER_BYTES), { ...header, protocol: FRAGMENT_HEADER }, FRAGMENT_HEADER_BYTES + part.length);
      const place = offset | (offset + room < payload.length ? 1 : 0);
      frame.set([header.protocol, 0, place >> 8, place & 0xff, 0, 0, identification >> 8, identification & 0xff], ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES);
      frame.set(part, ETHERNET_HEADER_BYTES + IPV6_HEADER_BYTES + FRAGMENT_HEADER_BYTES);
      this.#finish(frame, NO_OFFLOAD);
    }
    return 'sent';
  }

  #macOf(address: IpAddress): MacAddress | undefined {
    if (address === IPV4_BROADCAST || address === '255.255.255.255') return BROADCAST_MAC;
    const known = this.#neighbours.get(address);
    if (known === undefined) this.#askFor(address);
    return known;
  }

  #begin(to: MacAddress, type: number, payloadBytes: number): Uint8Array | undefined {
    const frame = this.link.reserve(ETHERNET_HEADER_BYTES + payloadBytes);
    if (frame === undefined) return undefined;
    writeMac(frame, 0, to);
    writeMac(frame, 6, GATEWAY_MAC);
    frame[12] = type >> 8;
    frame[13] = type & 0xff;
    return frame;
  }

  #finish(frame: Uint8Array, offload: FrameOffload): void {
    this.counters.framesOut++;
    this.counters.bytesOut += frame.length;
    this.#captured(frame, offload, 'to-guest');
    this.link.commit(offload);
  }

  #dropped(): SendResult {
    this.counters.dropped++;
    return 'full';
  }
}
