/** An entry of an L2 table (qcow2.txt, "L2 table entry"), taken apart. */
import { damaged } from '../image-error.ts';

/** Bit 63: the cluster has no other reference and may be overwritten. In the high half. */
export const COPIED_HIGH = 0x8000_0000;
const COMPRESSED_HIGH = 0x4000_0000;
/** Bit 0, version 3: reads as zeros, whatever place it has. */
export const ZERO_LOW = 1;
const POSITION_HIGH = 0x00ff_ffff;
const POSITION_LOW = 0xffff_fe00;

export type L2Entry =
  | { readonly kind: 'absent' }
  /** `position` is 0 where it has no place. */
  | { readonly kind: 'zeros'; readonly position: number }
  | { readonly kind: 'data'; readonly position: number; readonly isCopied: boolean }
  /** `length` is up to the end of the last sector that it touches. */
  | { readonly kind: 'compressed'; readonly position: number; readonly length: number };

const ABSENT: L2Entry = { kind: 'absent' };

/** Bits 9 to 55 of an entry of a table. */
export function entryPosition(high: number, low: number): number {
  return (high & POSITION_HIGH) * 0x1_0000_0000 + ((low & POSITION_LOW) >>> 0);
}

/** Throws `ImageError`. */
export function decodeL2Entry(high: number, low: number, clusterBits: number, version: 2 | 3): L2Entry {
  if ((high & COMPRESSED_HIGH) !== 0) {
    // x of qcow2.txt, less the low half.
    const sectorsAt = 62 - (clusterBits - 8) - 32;
    const position = (high & (2 ** sectorsAt - 1)) * 0x1_0000_0000 + (low >>> 0);
    const sectors = (high & 0x3fff_ffff) >>> sectorsAt;
    if (position >= 2 ** 53) throw damaged('a compressed cluster lies beyond all sense');
    return { kind: 'compressed', position, length: (sectors + 1) * 512 - (position % 512) };
  }
  const position = entryPosition(high, low);
  if (position % 2 ** clusterBits !== 0 || position >= 2 ** 53) throw damaged(`an L2 entry points to ${position}, where no cluster begins`);
  if (version === 3 && (low & ZERO_LOW) !== 0) return { kind: 'zeros', position };
  if (position === 0) return ABSENT;
  return { kind: 'data', position, isCopied: (high & COPIED_HIGH) !== 0 };
}

/** The two halves of a compressed cluster's entry. `bytes` is what the compressed data takes. */
export function encodeCompressed(position: number, bytes: number, clusterBits: number): { readonly high: number; readonly low: number } {
  const sectorsAt = 62 - (clusterBits - 8) - 32;
  const sectors = Math.floor((position + bytes - 1) / 512) - Math.floor(position / 512);
  const positionHigh = Math.floor(position / 0x1_0000_0000);
  return { high: (COMPRESSED_HIGH | (sectors << sectorsAt) | positionHigh) >>> 0, low: position % 0x1_0000_0000 };
}
