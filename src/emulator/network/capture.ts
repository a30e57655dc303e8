/** Frames as a pcapng file (IETF draft-ietf-opsawg-pcapng), which Wireshark and tcpdump read. */
import type { FrameOffload } from '../interfaces/network.ts';
import { finishChecksum } from './offload.ts';

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
const LINK_ETHERNET = 1;
const OPTION_END = 0;
const OPTION_INTERFACE_NAME = 2;
const OPTION_TIME_RESOLUTION = 9;
const OPTION_PACKET_FLAGS = 2;
const NANOSECONDS = 9;
/** Directions as the guest sees them. */
const INBOUND = 1;
const OUTBOUND = 2;

export type Direction = 'from-guest' | 'to-guest';

/** What a file begins with. */
export function captureHeader(interfaceName: string): Uint8Array {
  const section = block(SECTION_HEADER, (body) => {
    body.u32(BYTE_ORDER_MAGIC);
    body.u16(1);
    body.u16(0);
    // The section's length is not known.
    body.u32(0xffff_ffff);
    body.u32(0xffff_ffff);
  });
  const description = block(INTERFACE_DESCRIPTION, (body) => {
    body.u16(LINK_ETHERNET);
    body.u16(0);
    // Frames are never cut.
    body.u32(0);
    body.option(OPTION_INTERFACE_NAME, new TextEncoder().encode(interfaceName));
    body.option(OPTION_TIME_RESOLUTION, Uint8Array.of(NANOSECONDS));
    body.option(OPTION_END, new Uint8Array(0));
  });
  const header = new Uint8Array(section.length + description.length);
  header.set(section);
  header.set(description, section.length);
  return header;
}

/** One frame. Checksums that were left to the receiver are put in; long segments stay as they are. */
export function captureFrame(frame: Uint8Array, offload: FrameOffload, direction: Direction, epochNanos: bigint): Uint8Array {
  return block(ENHANCED_PACKET, (body) => {
    body.u32(0);
    body.u32(Number(epochNanos >> 32n));
    body.u32(Number(epochNanos & 0xffff_ffffn));
    body.u32(frame.length);
    body.u32(frame.length);
    const place = body.padded(frame);
    if (offload.checksumStart > 0) finishChecksum(place, offload);
    const flags = new Uint8Array(4);
    flags[0] = direction === 'to-guest' ? INBOUND : OUTBOUND;
    body.option(OPTION_PACKET_FLAGS, flags);
    body.option(OPTION_END, new Uint8Array(0));
  });
}

class BlockBody {
  #bytes = new Uint8Array(256);
  length = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  u16(value: number): void {
    this.#take(2).set([value & 0xff, value >> 8]);
  }

  u32(value: number): void {
    this.#take(4).set([value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24]);
  }

  /** Returns where the bytes lie now. */
  padded(bytes: Uint8Array): Uint8Array {
    const place = this.#take(Math.ceil(bytes.length / 4) * 4);
    place.set(bytes);
    return place.subarray(0, bytes.length);
  }

  option(code: number, value: Uint8Array): void {
    this.u16(code);
    this.u16(value.length);
    this.padded(value);
  }

  #take(count: number): Uint8Array {
    const needed = this.length + count;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed + 64, 2 * this.#bytes.length));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    const place = this.#bytes.subarray(this.length, needed);
    this.length = needed;
    return place;
  }
}

/** A block with its type and its length at both ends. */
function block(type: number, fill: (body: BlockBody) => void): Uint8Array {
  const body = new BlockBody();
  fill(body);
  const whole = new Uint8Array(body.length + 12);
  const view = new DataView(whole.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, whole.length, true);
  whole.set(body.bytes, 8);
  view.setUint32(whole.length - 4, whole.length, true);
  return whole;
}
