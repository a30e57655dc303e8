/** Sequence numbers: 32 bits, compared within half their circle (RFC 9293 §3.4). */

export function sequenceAdd(sequence: number, bytes: number): number {
  return (sequence + bytes) >>> 0;
}

/** How far `a` lies after `b`; negative when before. */
export function sequenceDistance(a: number, b: number): number {
  return (a - b) | 0;
}
