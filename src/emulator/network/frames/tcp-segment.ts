/** TCP segments (RFC 9293 §3.1), with the options for maximum segment size and window scale (RFC 7323). */
import { checksum, pseudoHeaderSum } from './checksum.ts';
import { PROTOCOL, type IpPacket } from './ip.ts';

export const TCP_HEADER_BYTES = 20;
/** With both options. */
export const TCP_SYN_HEADER_BYTES = 28;

export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_PSH = 0x08;
export const TCP_ACK = 0x10;

const OPTION_END = 0;
const OPTION_NOTHING = 1;
const OPTION_SEGMENT_SIZE = 2;
const OPTION_WINDOW_SCALE = 3;
/** RFC 7323 §2.3. */
export const WINDOW_SCALE_MAXIMUM = 14;

export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  /** As it is in the header: not scaled. */
  readonly window: number;
  /** Options of a SYN; `undefined` where they are missing. */
  readonly maximumSegmentBytes: number | undefined;
  readonly windowScale: number | undefined;
  readonly payload: Uint8Array;
}

/** `isVerified`: its checksum needn't be looked at. `undefined` where header or checksum are wrong. */
export function decodeTcp(packet: IpPacket, isVerified: boolean): TcpSegment | undefined {
  const bytes = packet.payload;
  if (bytes.length < TCP_HEADER_BYTES) return undefined;
  const headerBytes = 4 * (bytes[12]! >> 4);
  if (headerBytes < TCP_HEADER_BYTES || headerBytes > bytes.length) return undefined;
  if (!isVerified && checksum(bytes, pseudoHeaderSum(packet.source, packet.destination, PROTOCOL.tcp, bytes.length)) !== 0) return undefined;
  const flags = bytes[13]! & 0x3f;
  const options = (flags & TCP_SYN) === 0 ? {} : readOptions(bytes.subarray(TCP_HEADER_BYTES, headerBytes));
  return {
    sourcePort: (bytes[0]! << 8) | bytes[1]!,
    destinationPort: (bytes[2]! << 8) | bytes[3]!,
    sequence: word(bytes, 4),
    acknowledgment: word(bytes, 8),
    flags,
    window: (bytes[14]! << 8) | bytes[15]!,
    maximumSegmentBytes: options.maximumSegmentBytes,
    windowScale: options.windowScale,
    payload: bytes.subarray(headerBytes),
  };
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function readOptions(options: Uint8Array): { maximumSegmentBytes?: number; windowScale?: number } {
  const found: { maximumSegmentBytes?: number; windowScale?: number } = {};
  for (let at = 0; at < options.length; ) {
    const kind = options[at]!;
    if (kind === OPTION_END) break;
    if (kind === OPTION_NOTHING) {
      at++;
      continue;
    }
    const length = options[at + 1] ?? 0;
    if (length < 2 || at + length > options.length) break;
    if (kind === OPTION_SEGMENT_SIZE && length === 4) found.maximumSegmentBytes = (options[at + 2]! << 8) | options[at + 3]!;
    if (kind === OPTION_WINDOW_SCALE && length === 3) found.windowScale = Math.min(options[at + 2]!, WINDOW_SCALE_MAXIMUM);
    at += length;
  }
  return found;
}

export interface TcpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgment: number;
  readonly flags: number;
  readonly window: number;
  readonly options?: { readonly maximumSegmentBytes: number; readonly windowScale: number | undefined };
}

/** Writes the header to the beginning of `bytes`, its checksum 0; options take it to `TCP_SYN_HEADER_BYTES`. */
export function writeTcpHeader(bytes: Uint8Array, header: TcpHeader): void {
  const { options } = header;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint16(0, header.sourcePort);
  view.setUint16(2, header.destinationPort);
  view.setUint32(4, header.sequence);
  view.setUint32(8, header.acknowledgment);
  view.setUint8(12, (options === undefined ? TCP_HEADER_BYTES : TCP_SYN_HEADER_BYTES) << 2);
  view.setUint8(13, header.flags);
  view.setUint16(14, header.window);
  view.setUint32(16, 0);
  if (options === undefined) return;
  view.setUint8(20, OPTION_SEGMENT_SIZE);
  view.setUint8(21, 4);
  view.setUint16(22, options.maximumSegmentBytes);
  // A peer that didn't send a scale gets none: nothing, three times and the end.
  if (options.windowScale === undefined) view.setUint32(24, 0x0101_0100);
  else view.setUint32(24, 0x0103_0300 | options.windowScale);
}
