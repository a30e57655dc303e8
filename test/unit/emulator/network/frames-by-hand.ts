/** Frames as a guest sends and reads them, put together here byte by byte so that nothing of the product checks itself. */

export const GUEST_MAC = [0x52, 0x47, 0x48, 1, 2, 3];
export const GATEWAY_MAC = [0x52, 0x47, 0, 0, 0, 2];
export const BROADCAST = [255, 255, 255, 255, 255, 255];
export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;

export const word = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];
export const long = (value: number): number[] => [...word(value >>> 16), ...word(value & 0xffff)];
export const text = (value: string): number[] => [...value].map((letter) => letter.charCodeAt(0));

export function sum16(bytes: readonly number[]): number {
  let sum = 0;
  bytes.forEach((byte, index) => { sum += index % 2 === 0 ? byte * 256 : byte; });
  while (sum > 0xffff) sum = Math.floor(sum / 0x10000) + (sum % 0x10000);
  return 0xffff - sum;
}

export function addressBytes(address: string): number[] {
  if (!address.includes(':')) return address.split('.').map(Number);
  const [head = '', tail] = address.split('::');
  const groups = (part: string): number[] => (part === '' ? [] : part.split(':').map((group) => parseInt(group, 16)));
  const first = groups(head);
  const last = tail === undefined ? [] : groups(tail);
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last].flatMap(word);
}

export interface IpFields { from?: string; to: string; protocol: number; ttl?: number; identification?: number; flagsAndOffset?: number }

/** An IPv4 or IPv6 packet, by its addresses. */
export function ip({ from = '10.0.2.15', to, protocol, ttl = 64, identification = 0, flagsAndOffset = 0x4000 }: IpFields, payload: readonly number[]): number[] {
  if (from.includes(':')) return [0x60, 0, 0, 0, ...word(payload.length), protocol, ttl, ...addressBytes(from), ...addressBytes(to), ...payload];
  const header = [0x45, 0, ...word(20 + payload.length), ...word(identification), ...word(flagsAndOffset), ttl, protocol, 0, 0, ...addressBytes(from), ...addressBytes(to)];
  header.splice(10, 2, ...word(sum16(header)));
  return [...header, ...payload];
}

function pseudoHeader(from: string, to: string, protocol: number, length: number): number[] {
  return [...addressBytes(from), ...addressBytes(to), ...(from.includes(':') ? long(length) : word(length)), ...(from.includes(':') ? [0, 0, 0, protocol] : [0, protocol])];
}

export function udp({ from = '10.0.2.15', to, fromPort, toPort }: { from?: string; to: string; fromPort: number; toPort: number }, payload: readonly number[]): number[] {
  const datagram = [...word(fromPort), ...word(toPort), ...word(8 + payload.length), 0, 0, ...payload];
  datagram.splice(6, 2, ...word(sum16([...pseudoHeader(from, to, 17, datagram.length), ...datagram])));
  return datagram;
}

export interface TcpFields {
  from?: string; to: string; fromPort: number; toPort: number; sequence: number; acknowledgment?: number; flags: number; window?: number; options?: readonly number[];
}

export function tcp({ from = '10.0.2.15', to, fromPort, toPort, sequence, acknowledgment = 0, flags, window = 0xffff, options = [] }: TcpFields, payload: readonly number[] = []): number[] {
  const segment = [
    ...word(fromPort), ...word(toPort), ...long(sequence), ...long(acknowledgment), (20 + options.length) << 2, flags, ...word(window), 0, 0, 0, 0, ...options, ...payload,
  ];
  segment.splice(16, 2, ...word(sum16([...pseudoHeader(from, to, 6, segment.length), ...segment])));
  return segment;
}

export function icmp6(from: string, to: string, message: readonly number[]): number[] {
  const bytes = [...message];
  bytes.splice(2, 2, ...word(sum16([...pseudoHeader(from, to, 58, bytes.length), ...bytes])));
  return bytes;
}

export function ethernet(type: number, payload: readonly number[], to: readonly number[] = GATEWAY_MAC, from: readonly number[] = GUEST_MAC): number[] {
  return [...to, ...from, ...word(type), ...payload];
}

export interface SeenPacket { from: string; to: string; protocol: number; ttl: number; payload: number[]; flagsAndOffset: number; identification: number }

/** Takes a frame apart and insists that everything in it is right, but for checksums that it leaves to the guest. */
export function readIp(frame: Uint8Array): SeenPacket {
  const bytes = [...frame.subarray(14)];
  if (frame[12] === 0x86) {
    if (bytes.length !== 40 + bytes[4]! * 256 + bytes[5]!) throw new Error('the length of an IPv6 packet is wrong');
    return { from: ipv6Text(bytes.slice(8, 24)), to: ipv6Text(bytes.slice(24, 40)), protocol: bytes[6]!, ttl: bytes[7]!, payload: bytes.slice(40), flagsAndOffset: 0, identification: 0 };
  }
  if (frame[12] !== 8 || frame[13] !== 0) throw new Error('no IP packet');
  if (sum16(bytes.slice(0, 20)) !== 0) throw new Error('the header checksum of an IPv4 packet is wrong');
  if (bytes.length !== bytes[2]! * 256 + bytes[3]!) throw new Error('the length of an IPv4 packet is wrong');
  return {
    from: bytes.slice(12, 16).join('.'), to: bytes.slice(16, 20).join('.'), protocol: bytes[9]!, ttl: bytes[8]!, payload: bytes.slice(20),
    flagsAndOffset: bytes[6]! * 256 + bytes[7]!, identification: bytes[4]! * 256 + bytes[5]!,
  };
}

/** Without shortening. */
export function ipv6Text(bytes: readonly number[]): string {
  return Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! * 256 + bytes[2 * index + 1]!).toString(16)).join(':');
}

export interface SeenSegment { fromPort: number; toPort: number; sequence: number; acknowledgment: number; flags: number; window: number; options: number[]; payload: number[] }

export function readTcp(packet: SeenPacket, checksumIsLeft = false): SeenSegment {
  const { payload } = packet;
  const from = packet.from;
  if (!checksumIsLeft && sum16([...pseudoHeader(from, packet.to, 6, payload.length), ...payload]) !== 0) throw new Error('the checksum of a TCP segment is wrong');
  const at = (offset: number): number => ((payload[offset]! * 256 + payload[offset + 1]!) * 256 + payload[offset + 2]!) * 256 + payload[offset + 3]!;
  const header = (payload[12]! >> 4) * 4;
  return {
    fromPort: payload[0]! * 256 + payload[1]!, toPort: payload[2]! * 256 + payload[3]!, sequence: at(4), acknowledgment: at(8), flags: payload[13]!,
    window: payload[14]! * 256 + payload[15]!, options: payload.slice(20, header), payload: payload.slice(header),
  };
}

export function readUdp(packet: SeenPacket): { fromPort: number; toPort: number; payload: number[] } {
  const { payload } = packet;
  if (sum16([...pseudoHeader(packet.from, packet.to, 17, payload.length), ...payload]) !== 0) throw new Error('the checksum of a UDP datagram is wrong');
  return { fromPort: payload[0]! * 256 + payload[1]!, toPort: payload[2]! * 256 + payload[3]!, payload: payload.slice(8, payload[4]! * 256 + payload[5]!) };
}
