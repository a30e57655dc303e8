/** Ethernet frames and the IPv4 (RFC 791) and IPv6 (RFC 8200) headers in them. */
import { isIpv4, readIpv4, readIpv6, readMac, writeIp, type IpAddress, type MacAddress } from './addresses.ts';
import { checksum } from './checksum.ts';

export const ETHERNET_HEADER_BYTES = 14;
export const IPV4_HEADER_BYTES = 20;
export const IPV6_HEADER_BYTES = 40;

export const ETHER_TYPE = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmp6: 58 } as const;

/** Options of an IPv6 packet that lie between its header and its payload, with a length in units of 8 bytes. */
const IPV6_EXTENSIONS: ReadonlySet<number> = new Set([0, 43, 60]);
const IPV6_FRAGMENT = 44;
const IPV6_EXTENSIONS_MAXIMUM = 8;

export interface EthernetFrame {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** `undefined` where it is too short. 802.3 length fields are types that nobody knows. */
export function decodeEthernet(bytes: Uint8Array): EthernetFrame | undefined {
  if (bytes.length < ETHERNET_HEADER_BYTES) return undefined;
  return {
    destination: readMac(bytes, 0),
    source: readMac(bytes, 6),
    type: (bytes[12]! << 8) | bytes[13]!,
    payload: bytes.subarray(ETHERNET_HEADER_BYTES),
  };
}

export interface IpFragment {
  readonly identification: number;
  /** Bytes. */
  readonly offset: number;
  readonly isLast: boolean;
}

export interface IpPacket {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
  /** Set for one part of a packet: the payload is that part. */
  readonly fragment: IpFragment | undefined;
  /** Header and what of the payload is there, for ICMP errors to quote. */
  readonly bytes: Uint8Array;
}

/** `undefined` where header, length or checksum are wrong. */
export function decodeIpv4(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < IPV4_HEADER_BYTES || bytes[0]! >> 4 !== 4) return undefined;
  const headerBytes = 4 * (bytes[0]! & 15);
  const total = (bytes[2]! << 8) | bytes[3]!;
  if (headerBytes < IPV4_HEADER_BYTES || total < headerBytes || total > bytes.length) return undefined;
  if (checksum(bytes.subarray(0, headerBytes)) !== 0) return undefined;
  const flags = (bytes[6]! << 8) | bytes[7]!;
  const offset = (flags & 0x1fff) * 8;
  const more = (flags & 0x2000) !== 0;
  return {
    source: readIpv4(bytes, 12),
    destination: readIpv4(bytes, 16),
    protocol: bytes[9]!,
    hopLimit: bytes[8]!,
    payload: bytes.subarray(headerBytes, total),
    fragment: offset > 0 || more ? { identification: (bytes[4]! << 8) | bytes[5]!, offset, isLast: !more } : undefined,
    bytes: bytes.subarray(0, total),
  };
}

/** `undefined` where header, length or extension headers are wrong. */
export function decodeIpv6(bytes: Uint8Array): IpPacket | undefined {
  if (bytes.length < IPV6_HEADER_BYTES || bytes[0]! >> 4 !== 6) return undefined;
  const total = IPV6_HEADER_BYTES + ((bytes[4]! << 8) | bytes[5]!);
  if (total > bytes.length) return undefined;
  let protocol = bytes[6]!;
  let at = IPV6_HEADER_BYTES;
  let fragment: IpFragment | undefined;
  for (let count = 0; IPV6_EXTENSIONS.has(protocol) || protocol === IPV6_FRAGMENT; count++) {
    if (at + 8 > total || count === IPV6_EXTENSIONS_MAXIMUM) return undefined;
    if (protocol === IPV6_FRAGMENT) {
      const offset = ((bytes[at + 2]! << 8) | bytes[at + 3]!) & 0xfff8;
      const isLast = (bytes[at + 3]! & 1) === 0;
      const identification = new DataView(bytes.buffer, bytes.byteOffset + at + 4, 4).getUint32(0);
      if (offset > 0 || !isLast) fragment = { identification, offset, isLast };
    }
    const length = protocol === IPV6_FRAGMENT ? 8 : 8 * (bytes[at + 1]! + 1);
    protocol = bytes[at]!;
    at += length;
    if (at > total) return undefined;
    // What follows belongs to the first fragment's payload, and is only known once that is whole.
    if (fragment !== undefined) break;
  }
  return {
    source: readIpv6(bytes, 8),
    destination: readIpv6(bytes, 24),
    protocol,
    hopLimit: bytes[7]!,
    payload: bytes.subarray(at, total),
    fragment,
    bytes: bytes.subarray(0, total),
  };
}

export interface IpHeader {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** 64 where it isn't given. */
  readonly hopLimit?: number;
}

export function ipHeaderBytes(address: IpAddress): number {
  return isIpv4(address) ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
}

/** Writes the header of a packet with `payloadBytes` of payload to the beginning of `bytes`. IPv4 packets don't allow fragmentation unless they are fragments. */
export function writeIpHeader(bytes: Uint8Array, header: IpHeader, payloadBytes: number, fragment?: IpFragment): void {
  const { source, destination, protocol, hopLimit = 64 } = header;
  if (!isIpv4(source)) {
    bytes.set([0x60, 0, 0, 0, payloadBytes >> 8, payloadBytes & 0xff, protocol, hopLimit]);
    writeIp(bytes, 8, source);
    writeIp(bytes, 24, destination);
    return;
  }
  const total = IPV4_HEADER_BYTES + payloadBytes;
  const flags = fragment === undefined ? 0x4000 : (fragment.isLast ? 0 : 0x2000) | (fragment.offset / 8);
  const identification = fragment?.identification ?? 0;
  bytes.set([0x45, 0, total >> 8, total & 0xff, identification >> 8, identification & 0xff, flags >> 8, flags & 0xff, hopLimit, protocol, 0, 0]);
  writeIp(bytes, 12, source);
  writeIp(bytes, 16, destination);
  const sum = checksum(bytes.subarray(0, IPV4_HEADER_BYTES));
  bytes[10] = sum >> 8;
  bytes[11] = sum & 0xff;
}
