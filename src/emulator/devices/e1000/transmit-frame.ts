/** Transmit descriptors (8254x manual §3.3): the pieces of one frame, and what its context leaves to do. */
import type { FrameOffload } from '../../interfaces/network.ts';
import { NO_OFFLOAD } from '../../interfaces/network.ts';

export const DESCRIPTOR_BYTES = 16;
export const COMMAND_EOP = 0x01;
const COMMAND_IC = 0x04;
export const COMMAND_RS = 0x08;
export const COMMAND_RPS = 0x10;
const COMMAND_DEXT = 0x20;
const TYPE_CONTEXT = 0;
/** Of a data descriptor's command (DCMD) and a context's (TUCMD). */
const COMMAND_TSE = 0x04;
const TUCMD_IP = 0x02;
const POPTS_IXSM = 0x01;
const POPTS_TXSM = 0x02;
const ETHERNET_HEADER_BYTES = 14;

/** What a context descriptor sets up: offsets are from the frame's beginning. */
export interface TransmitContext {
  ipStart: number;
  ipOffset: number;
  ipEnd: number;
  start: number;
  offset: number;
  end: number;
  segmentBytes: number;
  headerBytes: number;
  isIpv4: boolean;
}

export function idleContext(): TransmitContext {
  return { ipStart: 0, ipOffset: 0, ipEnd: 0, start: 0, offset: 0, end: 0, segmentBytes: 0, headerBytes: 0, isIpv4: true };
}

export type TransmitDescriptor =
  | { readonly kind: 'context'; readonly command: number; readonly context: TransmitContext }
  | {
    readonly kind: 'data'; readonly command: number; readonly address: number; readonly length: number;
    /** POPTS of an extended descriptor; `undefined` for a legacy one, which has its own start and offset. */
    readonly options: number | undefined;
    readonly checksumStart: number;
    readonly checksumOffset: number;
  };

/** `bytes` are the 16 of a descriptor. */
export function decodeTransmit(bytes: Uint8Array): TransmitDescriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, DESCRIPTOR_BYTES);
  const low = view.getUint32(8, true);
  const command = bytes[11]!;
  if ((command & COMMAND_DEXT) === 0) {
    return {
      kind: 'data', command, address: addressOf(view), length: low & 0xffff, options: undefined,
      checksumStart: bytes[13]!, checksumOffset: (command & COMMAND_IC) !== 0 ? bytes[10]! : 0,
    };
  }
  if (((low >>> 20) & 15) === TYPE_CONTEXT) {
    return {
      kind: 'context', command,
      context: {
        ipStart: bytes[0]!, ipOffset: bytes[1]!, ipEnd: view.getUint16(2, true), start: bytes[4]!, offset: bytes[5]!, end: view.getUint16(6, true),
        segmentBytes: view.getUint16(14, true), headerBytes: bytes[13]!, isIpv4: (command & TUCMD_IP) !== 0,
      },
    };
  }
  return { kind: 'data', command, address: addressOf(view), length: low & 0xf_ffff, options: bytes[13]!, checksumStart: 0, checksumOffset: 0 };
}

function addressOf(view: DataView): number {
  // Bits above any CPU's physical addresses are dropped: no address is out of a number's range.
  return view.getUint32(0, true) + (view.getUint32(4, true) & 0xf_ffff) * 2 ** 32;
}

type DataDescriptor = Extract<TransmitDescriptor, { kind: 'data' }>;

/**
 * Does to a frame what its first descriptor and the context ask for, and says what is left to its receiver. `undefined`
 * where they name places outside the frame.
 */
export function finishFrame(frame: Uint8Array, first: DataDescriptor, last: DataDescriptor, context: TransmitContext): FrameOffload | undefined {
  if (first.options === undefined) {
    const { checksumStart, checksumOffset } = last;
    if (checksumOffset === 0) return NO_OFFLOAD;
    return leaveChecksum(frame, checksumStart, checksumOffset);
  }
  const segments = (first.command & COMMAND_TSE) !== 0 && context.segmentBytes > 0 && frame.length > context.headerBytes + context.segmentBytes;
  if ((first.command & COMMAND_TSE) !== 0) fixLengths(frame, context);
  if ((first.options & POPTS_IXSM) !== 0 && !insertChecksum(frame, context.ipStart, context.ipOffset, context.ipEnd)) return undefined;
  if ((first.options & POPTS_TXSM) === 0) return segments ? undefined : NO_OFFLOAD;
  const reachesEnd = context.end === 0 || context.end >= frame.length - 1;
  if (!reachesEnd) return insertChecksum(frame, context.start, context.offset, context.end) ? NO_OFFLOAD : undefined;
  const left = leaveChecksum(frame, context.start, context.offset);
  if (left === undefined || !segments) return left;
  return { ...left, segmentation: context.isIpv4 ? 'tcp4' : 'tcp6', segmentBytes: context.segmentBytes };
}

function leaveChecksum(frame: Uint8Array, start: number, offset: number): FrameOffload | undefined {
  if (start < ETHERNET_HEADER_BYTES || offset < start || offset + 2 > frame.length) return undefined;
  return { checksumStart: start, checksumOffset: offset - start, segmentation: 'none', segmentBytes: 0 };
}

/**
 * Drivers leave the lengths of a packet to be cut open, and out of the pseudo-header's sum (§3.3.6.1, §3.5): here they
 * become the whole packet's.
 */
function fixLengths(frame: Uint8Array, { ipStart, isIpv4, start, offset }: TransmitContext): void {
  if (offset >= start && offset + 2 <= frame.length) {
    const sum = (frame[offset]! << 8) + frame[offset + 1]! + frame.length - start;
    const folded = (sum & 0xffff) + (sum >>> 16);
    frame[offset] = (folded >> 8) & 0xff;
    frame[offset + 1] = folded & 0xff;
  }
  const at = ipStart + (isIpv4 ? 2 : 4);
  const length = frame.length - ipStart - (isIpv4 ? 0 : 40);
  if (at + 2 > frame.length || length < 0 || length > 0xffff) return;
  frame[at] = length >> 8;
  frame[at + 1] = length & 0xff;
}

/** Sums `start` to `end`, the last byte that counts (0: the frame's), into the two bytes at `offset`. */
function insertChecksum(frame: Uint8Array, start: number, offset: number, end: number): boolean {
  const last = end === 0 ? frame.length - 1 : Math.min(end, frame.length - 1);
  if (start > last || offset < start || offset + 2 > frame.length) return false;
  let sum = 0;
  for (let at = start; at <= last; at++) sum += ((at - start) & 1) === 0 ? frame[at]! << 8 : frame[at]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  sum ^= 0xffff;
  frame[offset] = sum >> 8;
  frame[offset + 1] = sum & 0xff;
  return true;
}
