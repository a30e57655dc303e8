/**
 * What machines on one switch say to each other over the link between their processes: records of a length, a kind and a
 * body. Each begins with a greeting; then frames, and leases whenever they change. The other side's guest may have taken
 * its process over: everything is checked.
 */
import { FRAME_MAXIMUM_BYTES, type FrameOffload } from '../interfaces/network.ts';
import type { Lease } from './services/dhcp-server.ts';
import { LEASE_FIRST, LEASE_LAST, LEASE_PREFIX } from './nat-addresses.ts';

/** u32 length of what follows it, u8 kind; little-endian. */
const RECORD_BYTES = 5;
const KIND = { greeting: 1, frame: 2, leases: 3 } as const;
/** u8 segmentation, u8 0, u16 segment bytes, u16 checksum start, u16 checksum offset. */
const OFFLOAD_BYTES = 8;
const SEGMENTATIONS = ['none', 'tcp4', 'tcp6'] as const;
const TEXT_MAXIMUM_BYTES = 64 * 1024;
const LEASES_MAXIMUM = 256;
const VERSION = 1;

export type MemberMessage =
  | { readonly kind: 'greeting'; readonly id: string }
  | { readonly kind: 'leases'; readonly leases: readonly Lease[] }
  | { readonly kind: 'frame'; readonly frame: Uint8Array; readonly offload: FrameOffload };

export function encodeGreeting(id: string): Uint8Array {
  return textRecord(KIND.greeting, { version: VERSION, id });
}

export function encodeLeases(leases: readonly Lease[]): Uint8Array {
  return textRecord(KIND.leases, leases.map(({ address, mac, hostName }) => ({ address, mac, hostName })));
}

export function frameRecordBytes(length: number): number {
  return RECORD_BYTES + OFFLOAD_BYTES + length;
}

/** Writes `frameRecordBytes` to `target`. */
export function writeFrame(target: Uint8Array, frame: Uint8Array, { segmentation, segmentBytes, checksumStart, checksumOffset }: FrameOffload): void {
  const view = new DataView(target.buffer, target.byteOffset, RECORD_BYTES + OFFLOAD_BYTES);
  view.setUint32(0, 1 + OFFLOAD_BYTES + frame.length, true);
  view.setUint8(4, KIND.frame);
  view.setUint16(5, SEGMENTATIONS.indexOf(segmentation), true);
  view.setUint16(7, segmentBytes, true);
  view.setUint16(9, checksumStart, true);
  view.setUint16(11, checksumOffset, true);
  target.set(frame, RECORD_BYTES + OFFLOAD_BYTES);
}

/** Takes a stream apart. */
export class MemberReader {
  readonly #receive: (message: MemberMessage) => void;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(receive: (message: MemberMessage) => void) {
    this.#receive = receive;
  }

  /** `false`: the other side doesn't speak as it should. Frames are parts of `bytes`. */
  take(bytes: Uint8Array): boolean {
    let all = bytes;
    if (this.#rest.length > 0) {
      all = new Uint8Array(this.#rest.length + bytes.length);
      all.set(this.#rest);
      all.set(bytes, this.#rest.length);
    }
    const view = new DataView(all.buffer, all.byteOffset, all.length);
    let at = 0;
    while (all.length - at >= RECORD_BYTES) {
      const length = view.getUint32(at, true);
      const kind = view.getUint8(at + 4);
      const maximum = kind === KIND.frame ? 1 + OFFLOAD_BYTES + FRAME_MAXIMUM_BYTES : TEXT_MAXIMUM_BYTES;
      if (length < 1 || length > maximum) return false;
      if (all.length - at < 4 + length) break;
      const message = decode(kind, all.subarray(at + RECORD_BYTES, at + 4 + length));
      if (message === undefined) return false;
      this.#receive(message);
      at += 4 + length;
    }
    this.#rest = all.slice(at);
    return true;
  }
}

function decode(kind: number, body: Uint8Array): MemberMessage | undefined {
  switch (kind) {
    case KIND.frame: {
      if (body.length < OFFLOAD_BYTES) return undefined;
      const view = new DataView(body.buffer, body.byteOffset, OFFLOAD_BYTES);
      const segmentation = SEGMENTATIONS[view.getUint16(0, true)];
      const offload = { segmentBytes: view.getUint16(2, true), checksumStart: view.getUint16(4, true), checksumOffset: view.getUint16(6, true) };
      const frame = body.subarray(OFFLOAD_BYTES);
      const needsNoChecksum = offload.checksumStart === 0;
      if (segmentation === undefined || (needsNoChecksum ? segmentation !== 'none' : offload.checksumStart < 14 || offload.checksumStart + offload.checksumOffset + 2 > frame.length)) return undefined;
      if (segmentation !== 'none' && offload.segmentBytes === 0) return undefined;
      return { kind: 'frame', frame, offload: { ...offload, segmentation } };
    }
    case KIND.greeting: {
      const given = parse(body);
      if (!isObject(given) || given['version'] !== VERSION) return undefined;
      const { id } = given;
      return typeof id === 'string' && /^[0-9a-f]{8}$/.test(id) ? { kind: 'greeting', id } : undefined;
    }
    case KIND.leases: {
      const given = parse(body);
      if (!Array.isArray(given) || given.length > LEASES_MAXIMUM || !given.every(isLease)) return undefined;
      return { kind: 'leases', leases: given };
    }
    default:
      return undefined;
  }
}

function isLease(given: unknown): given is Lease {
  if (!isObject(given)) return false;
  const { address, mac, hostName } = given;
  if (typeof address !== 'string' || !address.startsWith(LEASE_PREFIX)) return false;
  const host = address.slice(LEASE_PREFIX.length);
  return /^[1-9]\d{0,2}$/.test(host) && Number(host) >= LEASE_FIRST && Number(host) <= LEASE_LAST
    && typeof mac === 'string' && /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/.test(mac)
    && (hostName === undefined || (typeof hostName === 'string' && /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(hostName)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function parse(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}

function textRecord(kind: number, content: unknown): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(content));
  const record = new Uint8Array(RECORD_BYTES + text.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, 1 + text.length, true);
  view.setUint8(4, kind);
  record.set(text, RECORD_BYTES);
  return record;
}
