/** UDP datagrams (RFC 768). */
import type { IpAddress } from './addresses.ts';
import { checksum, pseudoHeaderSum } from './checksum.ts';
import { PROTOCOL, type IpPacket } from './ip.ts';

export const UDP_HEADER_BYTES = 8;

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** `isVerified`: its checksum needn't be looked at. `undefined` where length or checksum are wrong. */
export function decodeUdp(packet: IpPacket, isVerified: boolean): UdpDatagram | undefined {
  const bytes = packet.payload;
  if (bytes.length < UDP_HEADER_BYTES) return undefined;
  const length = (bytes[4]! << 8) | bytes[5]!;
  if (length < UDP_HEADER_BYTES || length > bytes.length) return undefined;
  const hasChecksum = bytes[6] !== 0 || bytes[7] !== 0;
  if (hasChecksum && !isVerified) {
    const sum = checksum(bytes.subarray(0, length), pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.udp, length));
    if (sum !== 0) return undefined;
  }
  return {
    sourcePort: (bytes[0]! << 8) | bytes[1]!,
    destinationPort: (bytes[2]! << 8) | bytes[3]!,
    payload: bytes.subarray(UDP_HEADER_BYTES, length),
  };
}

export function encodeUdp(from: { address: IpAddress; port: number }, to: { address: IpAddress; port: number }, payload: Uint8Array): Uint8Array {
  const length = UDP_HEADER_BYTES + payload.length;
  const bytes = new Uint8Array(length);
  bytes.set([from.port >> 8, from.port & 0xff, to.port >> 8, to.port & 0xff, length >> 8, length & 0xff]);
  bytes.set(payload, UDP_HEADER_BYTES);
  // A sum of 0 is sent as its other form: 0 means that there is none.
  const sum = checksum(bytes, pseudoHeaderSum(from.address, to.address, PROTOCOL.udp, length)) || 0xffff;
  bytes[6] = sum >> 8;
  bytes[7] = sum & 0xff;
  return bytes;
}
