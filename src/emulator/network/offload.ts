/** Does in software what a frame leaves to its receiver, where that doesn't take it on: checksums, and cutting TCP segments. */
import { NO_OFFLOAD, type AcceptedOffloads, type FrameOffload } from '../interfaces/network.ts';
import { checksum, foldSum, sumWords } from './frames/checksum.ts';
import { ETHERNET_HEADER_BYTES, IPV4_HEADER_BYTES, IPV6_HEADER_BYTES } from './frames/ip.ts';

const PROTOCOL_TCP = 6;
const TCP_HEADER_MINIMUM_BYTES = 20;
const TCP_FLAGS = 13;
const FLAG_FIN = 0x01;
const FLAG_PSH = 0x08;
const FLAG_CWR = 0x80;
/** Cut finer than this, a frame would become thousands. */
const SEGMENT_MINIMUM_BYTES = 64;

/** Gives `send` the frame as the receiver can take it, in one piece or in several. What makes no sense is dropped. */
export function adaptFrame(frame: Uint8Array, offload: FrameOffload, accepted: AcceptedOffloads, send: (frame: Uint8Array, offload: FrameOffload) => void): void {
  const { segmentation, checksumStart } = offload;
  if (segmentation !== 'none' && !accepted[segmentation]) {
    for (const segment of cut(frame, offload)) send(segment, NO_OFFLOAD);
  } else if (checksumStart > 0 && !accepted.checksum) {
    if (segmentation === 'none' && finishChecksum(frame, offload)) send(frame, NO_OFFLOAD);
  } else {
    send(frame, offload);
  }
}

/** `false` where there is no room for it. The field holds the pseudo-header's sum. */
export function finishChecksum(frame: Uint8Array, { checksumStart, checksumOffset }: FrameOffload): boolean {
  const at = checksumStart + checksumOffset;
  if (at + 2 > frame.length) return false;
  const sum = foldSum(sumWords(frame.subarray(checksumStart))) ^ 0xffff;
  frame[at] = sum >> 8;
  frame[at + 1] = sum & 0xff;
  return true;
}

/** One TCP segment into several of `segmentBytes`, as an adapter with segmentation offload does. */
function cut(frame: Uint8Array, { segmentation, segmentBytes, checksumStart }: FrameOffload): Uint8Array[] {
  const isFour = segmentation === 'tcp4';
  const ipBytes = checksumStart - ETHERNET_HEADER_BYTES;
  if (segmentBytes < SEGMENT_MINIMUM_BYTES || ipBytes < (isFour ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES) || checksumStart + TCP_HEADER_MINIMUM_BYTES > frame.length) return [];
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const headerBytes = checksumStart + 4 * (frame[checksumStart + 12]! >> 4);
  if (headerBytes < checksumStart + TCP_HEADER_MINIMUM_BYTES || headerBytes > frame.length) return [];
  const payloadBytes = frame.length - headerBytes;
  const sequence = view.getUint32(checksumStart + 4);
  const identification = isFour ? view.getUint16(ETHERNET_HEADER_BYTES + 4) : 0;
  const addresses = isFour ? frame.subarray(ETHERNET_HEADER_BYTES + 12, ETHERNET_HEADER_BYTES + 20) : frame.subarray(ETHERNET_HEADER_BYTES + 8, ETHERNET_HEADER_BYTES + 40);
  const addressSum = sumWords(addresses) + PROTOCOL_TCP;
  const segments: Uint8Array[] = [];
  for (let from = 0, index = 0; from < payloadBytes || index === 0; from += segmentBytes, index++) {
    const size = Math.min(segmentBytes, payloadBytes - from);
    const segment = new Uint8Array(headerBytes + size);
    segment.set(frame.subarray(0, headerBytes));
    segment.set(frame.subarray(headerBytes + from, headerBytes + from + size), headerBytes);
    const out = new DataView(segment.buffer);
    const ip = ETHERNET_HEADER_BYTES;
    const tcpBytes = segment.length - checksumStart;
    if (isFour) {
      out.setUint16(ip + 2, ipBytes + tcpBytes);
      out.setUint16(ip + 4, identification + index);
      out.setUint16(ip + 10, 0);
      out.setUint16(ip + 10, checksum(segment.subarray(ip, checksumStart)));
    } else {
      out.setUint16(ip + 4, ipBytes - IPV6_HEADER_BYTES + tcpBytes);
    }
    out.setUint32(checksumStart + 4, sequence + from);
    // The end of the stream belongs to the last, the answer to a congestion mark to the first (RFC 3168 §6.1.2).
    if (from + size < payloadBytes) segment[checksumStart + TCP_FLAGS]! &= ~(FLAG_FIN | FLAG_PSH);
    if (index > 0) segment[checksumStart + TCP_FLAGS]! &= ~FLAG_CWR;
    out.setUint16(checksumStart + 16, 0);
    out.setUint16(checksumStart + 16, checksum(segment.subarray(checksumStart), addressSum + tcpBytes));
    segments.push(segment);
  }
  return segments;
}
