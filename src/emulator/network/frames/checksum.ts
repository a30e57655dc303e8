/** The Internet checksum (RFC 1071). */
import { isIpv4, parseIp, type IpAddress } from './addresses.ts';

/** The sum of `bytes` as 16-bit words, the last one padded; not yet folded. `bytes` begin at an even place of what is summed. */
export function sumWords(bytes: Uint8Array, start = 0): number {
  let sum = start;
  const even = bytes.length & ~1;
  for (let at = 0; at < even; at += 2) sum += (bytes[at]! << 8) | bytes[at + 1]!;
  return even === bytes.length ? sum : sum + (bytes[even]! << 8);
}

export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded;
}

/** The checksum of `bytes`, whose own checksum field holds 0; over sound bytes with their checksum it is 0. */
export function checksum(bytes: Uint8Array, start = 0): number {
  return foldSum(sumWords(bytes, start)) ^ 0xffff;
}

/** The sum of a pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1). */
export function pseudoHeaderSum(source: IpAddress, destination: IpAddress, protocol: number, length: number): number {
  const header = isIpv4(source) ? 4 : 16;
  const bytes = new Uint8Array(2 * header);
  bytes.set(parseIp(source)!, 0);
  bytes.set(parseIp(destination)!, header);
  return sumWords(bytes) + protocol + (length >>> 16) + (length & 0xffff);
}
