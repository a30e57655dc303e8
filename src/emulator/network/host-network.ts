/**
 * What a network needs of the host: sockets, name resolution, and what networks the host is in. Implemented in `host/`; all
 * of it happens on one thread, and events never come from within a call.
 */
import type { IpAddress } from './frames/addresses.ts';

export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Why a stream is over. `closed`: in order, both ways. */
export type StreamEnd = 'closed' | 'refused' | 'unreachable' | 'timed-out' | 'reset';

export interface StreamEvents {
  connected(): void;
  /** The bytes are the receiver's. */
  data(bytes: Uint8Array): void;
  /** The other side sends nothing any more. */
  ended(): void;
  /** `unsentBytes` has gone down. */
  drained(): void;
  /** The last event. */
  closed(end: StreamEnd): void;
}

/** The far side of a guest's TCP connection. */
export interface HostStream {
  /** Takes the bytes over. */
  write(bytes: Uint8Array): void;
  /** Bytes written that the host's network hasn't taken yet. */
  readonly unsentBytes: number;
  /** Nothing will be written any more. */
  end(): void;
  /** After `end`, when the guest is gone: breaks once nothing has moved for so long. `closed` tells of the end as ever. */
  breakWhenIdle(seconds: number): void;
  /** Breaks the connection, with a reset where it still stood. No event comes any more. */
  destroy(): void;
  /** No `data` until `resume`, but for what is under way. */
  pause(): void;
  resume(): void;
}

/** A connection somebody made to a port of the host. Nothing of it is lost before `accept`. */
export interface IncomingStream {
  readonly from: Endpoint;
  accept(events: StreamEvents): HostStream;
  refuse(): void;
}

export interface DatagramEvents {
  received(from: Endpoint, payload: Uint8Array): void;
  /** The socket is of no use any more. The last event. */
  failed(): void;
}

/** What became of a port that was to be had. */
export type Settled = (problem: string | undefined) => void;

export interface DatagramSocket {
  /** Datagrams that the host can't take at once are dropped. */
  send(to: Endpoint, payload: Uint8Array): void;
  close(): void;
}

export interface Listener {
  close(): void;
}

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'MX' | 'NS' | 'PTR' | 'SOA' | 'SRV' | 'TXT';

/** One record of an answer; `data` as DNS has it on the wire, names uncompressed. */
export interface NameRecord {
  readonly type: RecordType;
  readonly ttlSeconds: number;
  readonly data: Uint8Array;
}

export type NameAnswer = { readonly records: readonly NameRecord[] } | { readonly failure: 'no-such-name' | 'no-data' | 'server' };

export interface HostNetwork {
  connect(to: Endpoint, events: StreamEvents): HostStream;
  /** Listens on a port of the host. `settled` is called once, with what is wrong if it can't be had. */
  listen(at: Endpoint, accepted: (stream: IncomingStream) => void, settled: Settled): Listener;
  /** A socket for datagrams; `at` is `undefined` for any free port of the family. */
  openDatagrams(family: 4 | 6, at: Endpoint | undefined, events: DatagramEvents, settled?: Settled): DatagramSocket;
  /** Asks the host's resolver. `answered` is called once. */
  resolve(name: string, type: RecordType, answered: (answer: NameAnswer) => void): void;
  /** Networks that the host has an interface in, as `ADDRESS/LENGTH`, its loopback among them. */
  localNetworks(): readonly string[];
  /** Unforeseeable. */
  random32(): number;
  /** Calls `task` when other work of the thread has had its turn. */
  later(task: () => void): void;
}
