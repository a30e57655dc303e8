/**
 * Network addresses as canonical text, which is also what the host's sockets take: `10.0.2.2`, `fd47::2` (RFC 5952, lower
 * case, never with an embedded IPv4 part), `52:47:00:12:34:56`.
 */

export type IpAddress = string;
export type MacAddress = string;

export const BROADCAST_MAC: MacAddress = 'ff:ff:ff:ff:ff:ff';
export const ANY_IPV4: IpAddress = '0.0.0.0';
export const ANY_IPV6: IpAddress = '::';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function readMac(bytes: Uint8Array, at: number): MacAddress {
  return `${HEX[bytes[at]!]!}:${HEX[bytes[at + 1]!]!}:${HEX[bytes[at + 2]!]!}:${HEX[bytes[at + 3]!]!}:${HEX[bytes[at + 4]!]!}:${HEX[bytes[at + 5]!]!}`;
}

export function writeMac(bytes: Uint8Array, at: number, mac: MacAddress): void {
  for (let index = 0; index < 6; index++) bytes[at + index] = parseInt(mac.slice(3 * index, 3 * index + 2), 16);
}

/** 48 bits. */
export function parseMac(mac: MacAddress): number {
  return parseInt(mac.replaceAll(':', ''), 16);
}

export function isGroupMac(mac: MacAddress): boolean {
  return (parseInt(mac.slice(0, 2), 16) & 1) !== 0;
}

export function isIpv4(address: IpAddress): boolean {
  return !address.includes(':');
}

export function readIpv4(bytes: Uint8Array, at: number): IpAddress {
  return `${bytes[at]!}.${bytes[at + 1]!}.${bytes[at + 2]!}.${bytes[at + 3]!}`;
}

export function readIpv6(bytes: Uint8Array, at: number): IpAddress {
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[at + 2 * index]! << 8) | bytes[at + 2 * index + 1]!);
  // RFC 5952 §4.2: the longest run of at least two zero groups, the first of equals.
  let runAt = -1;
  let runLength = 1;
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (from + length < 8 && groups[from + length] === 0) length++;
    if (length > runLength) {
      runAt = from;
      runLength = length;
    }
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return runAt < 0 ? text(groups) : `${text(groups.slice(0, runAt))}::${text(groups.slice(runAt + runLength))}`;
}

/** Writes 4 or 16 bytes. */
export function writeIp(bytes: Uint8Array, at: number, address: IpAddress): void {
  const parsed = parseIp(address);
  if (parsed === undefined) throw new Error(`${address} is no IP address`);
  bytes.set(parsed, at);
}

/** Bytes of an address in any textual form, without zone; `undefined` where it is none. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** The canonical text of an address in any textual form; `undefined` where it is none. */
export function canonicalIp(text: string): IpAddress | undefined {
  const bytes = parseIp(text);
  if (bytes === undefined) return undefined;
  return bytes.length === 4 ? readIpv4(bytes, 0) : readIpv6(bytes, 0);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  let body = text;
  const embedded = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (embedded !== null) {
    const tail = parseIpv4(embedded[2]!);
    if (tail === undefined) return undefined;
    body = `${embedded[1]!}${((tail[0]! << 8) | tail[1]!).toString(16)}:${((tail[2]! << 8) | tail[3]!).toString(16)}`;
  }
  const halves = body.split('::');
  if (halves.length > 2) return undefined;
  const groupsOf = (half: string): string[] => (half === '' ? [] : half.split(':'));
  const head = groupsOf(halves[0]!);
  const tail = halves.length === 2 ? groupsOf(halves[1]!) : [];
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head, ...new Array<string>(halves.length === 2 ? missing : 0).fill('0'), ...tail];
  if (!groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))) return undefined;
  const bytes = new Uint8Array(16);
  groups.forEach((group, index) => {
    const value = parseInt(group, 16);
    bytes[2 * index] = value >> 8;
    bytes[2 * index + 1] = value & 0xff;
  });
  return bytes;
}

/** A block of addresses. */
export interface Prefix {
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** `10.0.0.0/8`, `fc00::/7`, or one address. `undefined` where it is none. */
export function parsePrefix(text: string): Prefix | undefined {
  const [address = '', length, ...rest] = text.split('/');
  const bytes = parseIp(address);
  if (bytes === undefined || rest.length > 0 || (length !== undefined && !/^\d{1,3}$/.test(length))) return undefined;
  const bits = length === undefined ? 8 * bytes.length : Number(length);
  return bits > 8 * bytes.length ? undefined : { bytes, length: bits };
}

export function prefixHolds({ bytes, length }: Prefix, address: Uint8Array): boolean {
  if (bytes.length !== address.length) return false;
  for (let bit = 0; bit < length; bit += 8) {
    const mask = length - bit >= 8 ? 0xff : (0xff << (8 - (length - bit))) & 0xff;
    if (((bytes[bit >> 3]! ^ address[bit >> 3]!) & mask) !== 0) return false;
  }
  return true;
}
