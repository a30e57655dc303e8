/** Reads what our captures are: pcapng sections of one Ethernet interface. Strict: anything out of order throws. */

export interface CapturedBlock { readonly type: number; readonly body: Uint8Array }
export interface CapturedFrame { readonly bytes: Uint8Array; readonly nanos: bigint; readonly toGuest: boolean }

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;

export function captureBlocks(file: Uint8Array): CapturedBlock[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const blocks: CapturedBlock[] = [];
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at + 4, true);
    if (length % 4 !== 0 || length < 12 || at + length > file.length || view.getUint32(at + length - 4, true) !== length) throw new Error(`the block at ${at} has a wrong length`);
    blocks.push({ type: view.getUint32(at, true), body: file.subarray(at + 8, at + length - 4) });
    at += length;
  }
  return blocks;
}

export function capturedFrames(file: Uint8Array): CapturedFrame[] {
  const [section, description, ...packets] = captureBlocks(file);
  if (section?.type !== SECTION_HEADER || description?.type !== INTERFACE_DESCRIPTION) throw new Error('the capture begins with no section and interface');
  return packets.map(({ type, body }) => {
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    const length = view.getUint32(12, true);
    if (type !== ENHANCED_PACKET || view.getUint32(16, true) !== length) throw new Error('a block is no whole packet');
    const options = 20 + Math.ceil(length / 4) * 4;
    if (view.getUint16(options, true) !== 2 || view.getUint16(options + 2, true) !== 4) throw new Error('a packet has no direction');
    return {
      bytes: body.subarray(20, 20 + length),
      nanos: (BigInt(view.getUint32(4, true)) << 32n) | BigInt(view.getUint32(8, true)),
      toGuest: (view.getUint32(options + 4, true) & 3) === 1,
    };
  });
}

/** Payload of one direction of the TCP connections with `port` at the far side, put in order of their sequence; checksums are insisted on. */
export function tcpPayload(frames: readonly CapturedFrame[], port: number, toGuest: boolean): Buffer {
  const parts = new Map<string, Map<number, Buffer>>();
  const starts = new Map<string, number>();
  for (const frame of frames) {
    const framed = Buffer.from(frame.bytes).subarray(14);
    // Short frames are filled up behind the packet.
    const packet = framed.subarray(0, framed.readUInt16BE(2));
    if (frame.toGuest !== toGuest || frame.bytes[12] !== 8 || frame.bytes[13] !== 0 || packet[9] !== 6) continue;
    const segment = packet.subarray(20);
    if (segment.readUInt16BE(toGuest ? 0 : 2) !== port) continue;
    const pseudo = Buffer.concat([packet.subarray(12, 20), Buffer.of(0, 6, segment.length >> 8, segment.length & 0xff), segment]);
    if (sum16(pseudo) !== 0xffff) throw new Error('a captured segment has a wrong checksum');
    const key = String(segment.readUInt16BE(toGuest ? 2 : 0));
    const sequence = segment.readUInt32BE(4);
    if ((segment[13]! & 2) !== 0) starts.set(key, (sequence + 1) >>> 0);
    const payload = segment.subarray(4 * (segment[12]! >> 4));
    const known = parts.get(key) ?? new Map<number, Buffer>();
    if (payload.length > 0) known.set((sequence - (starts.get(key) ?? 0)) >>> 0, payload);
    parts.set(key, known);
  }
  return Buffer.concat([...parts.values()].map((pieces) => {
    const whole: Buffer[] = [];
    let next = 0;
    for (const [at, payload] of [...pieces].sort(([a], [b]) => a - b)) {
      if (at > next) throw new Error('a captured connection lacks bytes');
      whole.push(payload.subarray(next - at));
      next = Math.max(next, at + payload.length);
    }
    return Buffer.concat(whole);
  }));
}

function sum16(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return sum;
}
