/** DNS messages (RFC 1035, EDNS of RFC 6891): one question in, answers out. */
import type { NameRecord } from '../host-network.ts';

const HEADER_BYTES = 12;
const FLAG_RESPONSE = 0x8000;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const OPCODE = 0x7800;
const NAME_MAXIMUM_BYTES = 255;
const LABEL_MAXIMUM_BYTES = 63;
const TYPE_OPT = 41;
/** Of an answer by UDP to a client that says nothing of its own. */
const PLAIN_MAXIMUM_BYTES = 512;
const EDNS_MAXIMUM_BYTES = 4096;

export const DNS_CODE = { ok: 0, malformed: 1, failure: 2, noSuchName: 3, notImplemented: 4, refused: 5 } as const;
export const DNS_TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, TXT: 16, AAAA: 28, SRV: 33 } as const;
export const DNS_CLASS_INTERNET = 1;

export interface DnsQuery {
  readonly id: number;
  readonly flags: number;
  /** Lower case, without the last dot; `''` is the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it came: it is sent back with its spelling. */
  readonly question: Uint8Array;
  readonly usesEdns: boolean;
  /** The longest answer by UDP. */
  readonly maximumBytes: number;
}

/** A message that can be answered: a query with its question, or one that can't be understood and only has an id. */
export type DecodedQuery = { readonly query: DnsQuery } | { readonly id: number; readonly code: number };

/** `undefined` where there is nothing to answer. */
export function decodeQuery(message: Uint8Array): DecodedQuery | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const id = view.getUint16(0);
  const flags = view.getUint16(2);
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  if ((flags & OPCODE) !== 0) return { id, code: DNS_CODE.notImplemented };
  const name = view.getUint16(4) === 1 ? readName(message, HEADER_BYTES) : undefined;
  if (name === undefined || name.end + 4 > message.length) return { id, code: DNS_CODE.malformed };
  const edns = view.getUint16(10) > 0 && view.getUint16(6) === 0 && view.getUint16(8) === 0 ? readEdns(message, name.end + 4) : undefined;
  return {
    query: {
      id, flags,
      name: name.text,
      type: view.getUint16(name.end),
      class: view.getUint16(name.end + 2),
      question: message.slice(HEADER_BYTES, name.end + 4),
      usesEdns: edns !== undefined,
      maximumBytes: Math.min(EDNS_MAXIMUM_BYTES, Math.max(PLAIN_MAXIMUM_BYTES, edns ?? 0)),
    },
  };
}

/** The client's buffer size, where the first additional record is an OPT. */
function readEdns(message: Uint8Array, at: number): number | undefined {
  if (at + 11 > message.length || message[at] !== 0) return undefined;
  const view = new DataView(message.buffer, message.byteOffset + at, 11);
  return view.getUint16(1) === TYPE_OPT ? view.getUint16(3) : undefined;
}

/** Names in questions aren't compressed. */
function readName(message: Uint8Array, from: number): { readonly text: string; readonly end: number } | undefined {
  const labels: string[] = [];
  for (let at = from; at < message.length && at - from < NAME_MAXIMUM_BYTES; ) {
    const length = message[at]!;
    if (length === 0) return { text: labels.join('.'), end: at + 1 };
    if (length > LABEL_MAXIMUM_BYTES || at + 1 + length > message.length) return undefined;
    let label = '';
    for (let index = at + 1; index <= at + length; index++) {
      const letter = message[index]!;
      // What no name of a host or service holds is nothing the host's resolver is asked for.
      if (letter < 0x21 || letter > 0x7e || letter === 0x2e) return undefined;
      label += String.fromCharCode(letter);
    }
    labels.push(label.toLowerCase());
    at += 1 + length;
  }
  return undefined;
}

/** `undefined` where a label is too long or empty, or the whole is. */
export function encodeName(name: string): Uint8Array | undefined {
  const labels = name.replace(/\.$/, '').split('.').filter((label, _index, all) => label !== '' || all.length > 1);
  const bytes: number[] = [];
  for (const label of labels) {
    if (label.length === 0 || label.length > LABEL_MAXIMUM_BYTES) return undefined;
    bytes.push(label.length, ...[...label].map((letter) => letter.charCodeAt(0) & 0xff));
  }
  bytes.push(0);
  return bytes.length > NAME_MAXIMUM_BYTES ? undefined : Uint8Array.from(bytes);
}

/** An error for a message whose question can't be sent back. */
export function encodeError(id: number, code: number): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES);
  const view = new DataView(message.buffer);
  view.setUint16(0, id);
  view.setUint16(2, FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | code);
  return message;
}

/** An answer of at most `maximumBytes`: records that don't fit are left out, and it says so. All are for the name asked for. */
export function encodeAnswer(query: DnsQuery, code: number, records: readonly NameRecord[], maximumBytes: number): Uint8Array {
  const ednsBytes = query.usesEdns ? 11 : 0;
  const kept: NameRecord[] = [];
  let length = HEADER_BYTES + query.question.length + ednsBytes;
  for (const record of records) {
    const bytes = 12 + record.data.length;
    if (length + bytes > maximumBytes) break;
    length += bytes;
    kept.push(record);
  }
  const isTruncated = kept.length < records.length;
  const message = new Uint8Array(length);
  const view = new DataView(message.buffer);
  view.setUint16(0, query.id);
  view.setUint16(2, FLAG_RESPONSE | (query.flags & FLAG_RECURSION_DESIRED) | FLAG_RECURSION_AVAILABLE | (isTruncated ? FLAG_TRUNCATED : 0) | code);
  view.setUint16(4, 1);
  view.setUint16(6, kept.length);
  view.setUint16(10, query.usesEdns ? 1 : 0);
  message.set(query.question, HEADER_BYTES);
  let at = HEADER_BYTES + query.question.length;
  for (const { type, ttlSeconds, data } of kept) {
    // The name is the question's.
    view.setUint16(at, 0xc000 | HEADER_BYTES);
    view.setUint16(at + 2, DNS_TYPE[type]);
    view.setUint16(at + 4, DNS_CLASS_INTERNET);
    view.setUint32(at + 6, ttlSeconds);
    view.setUint16(at + 10, data.length);
    message.set(data, at + 12);
    at += 12 + data.length;
  }
  if (query.usesEdns) {
    view.setUint16(at + 1, TYPE_OPT);
    view.setUint16(at + 3, EDNS_MAXIMUM_BYTES);
  }
  return message;
}
