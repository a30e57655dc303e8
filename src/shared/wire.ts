/**
 * Structured values with bytes in them as one binary message, for transports that know no structured clone (WebSocket,
 * pipes): u32 little-endian length of a JSON text, the text, then the bytes of every Uint8Array one after the other. In
 * the JSON an array of bytes is `{"$bytes":[offset,length]}`; a key that begins with `$` is otherwise written with one `$` more.
 */
const HEADER_BYTES = 4;
/** Nothing that is said is larger: a 4096 × 4096 screen is 64 MiB. */
export const WIRE_MESSAGE_BYTES_MAXIMUM = 128 * 1024 * 1024;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export function encodeWire(value: unknown): Uint8Array<ArrayBuffer> {
  const blobs: Uint8Array[] = [];
  let blobBytes = 0;
  const strip = (part: unknown): Json | undefined => {
    if (part instanceof Uint8Array) {
      blobs.push(part);
      blobBytes += part.byteLength;
      return { $bytes: [blobBytes - part.byteLength, part.byteLength] };
    }
    if (Array.isArray(part)) return part.map((element) => strip(element) ?? null);
    if (typeof part === 'object' && part !== null) {
      return Object.fromEntries(Object.entries(part).flatMap(([key, member]) => {
        const stripped = strip(member);
        return stripped === undefined ? [] : [[key.startsWith('$') ? `$${key}` : key, stripped] as const];
      }));
    }
    if (part === null || typeof part === 'boolean' || typeof part === 'number' || typeof part === 'string') return part;
    return undefined;
  };
  const json = new TextEncoder().encode(JSON.stringify(strip(value) ?? null));
  const message = new Uint8Array(HEADER_BYTES + json.byteLength + blobBytes);
  new DataView(message.buffer).setUint32(0, json.byteLength, true);
  message.set(json, HEADER_BYTES);
  let at = HEADER_BYTES + json.byteLength;
  for (const blob of blobs) {
    message.set(blob, at);
    at += blob.byteLength;
  }
  return message;
}

/** The value in a message, or `undefined` for one that is malformed. Arrays of bytes are views of `message`. */
export function decodeWire(message: Uint8Array): unknown {
  if (message.byteLength < HEADER_BYTES) return undefined;
  const jsonBytes = new DataView(message.buffer, message.byteOffset, message.byteLength).getUint32(0, true);
  if (jsonBytes > message.byteLength - HEADER_BYTES) return undefined;
  const blobs = message.subarray(HEADER_BYTES + jsonBytes);
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(message.subarray(HEADER_BYTES, HEADER_BYTES + jsonBytes));
    return JSON.parse(text, function revive(_key, part: unknown): unknown {
      if (typeof part !== 'object' || part === null || Array.isArray(part)) return part;
      const keys = Object.keys(part);
      if (!keys.some((key) => key.startsWith('$'))) return part;
      if (keys.length === 1 && keys[0] === '$bytes') return bytesAt(blobs, (part as { $bytes: unknown }).$bytes);
      return Object.fromEntries(Object.entries(part).map(([key, member]) => [key.startsWith('$$') ? key.slice(1) : key, member]));
    });
  } catch {
    return undefined;
  }
}

function bytesAt(blobs: Uint8Array, place: unknown): Uint8Array {
  const [offset, length] = Array.isArray(place) ? place as unknown[] : [];
  if (typeof offset !== 'number' || typeof length !== 'number' || !Number.isInteger(offset) || !Number.isInteger(length)
    || offset < 0 || length < 0 || offset + length > blobs.byteLength) throw new RangeError('bytes outside the message');
  return blobs.subarray(offset, offset + length);
}
