/** All TCP connections of a network: whose a segment is, who may open one, and how many there can be. */
import type { Clock, Nanos, Timer } from '../../interfaces/clock.ts';
import type { IpAddress } from '../frames/addresses.ts';
import type { IpPacket } from '../frames/ip.ts';
import { TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, type TcpSegment } from '../frames/tcp-segment.ts';
import type { Connection } from '../connection-list.ts';
import type { GuestWire } from '../guest-wire.ts';
import type { HostStream, StreamEnd, StreamEvents } from '../host-network.ts';
import { BufferBudget } from './buffer-budget.ts';
import { sequenceAdd } from './sequence.ts';
import { TcpConnection, type TcpSide } from './tcp-connection.ts';

const MEBIBYTE = 1024 * 1024;
/** Of one origin: connections at a time, those included of which only the host's side is left, and what they hold. */
interface Share {
  readonly connectionsMaximum: number;
  readonly budget: BufferBudget;
  connections: number;
}
/** Ports of the gateway for connections into the guest (RFC 6335 §6). */
const FIRST_DYNAMIC_PORT = 49_152;
const DYNAMIC_PORTS = 65_536 - FIRST_DYNAMIC_PORT;
const WHOLE_SEGMENT_BYTES = 1460;
/** Far below what RFC 9293 §3.8.6.3 allows: a guest that gathers small pieces (Nagle) waits for the acknowledgment. */
const ACKNOWLEDGE_NANOS = 2_000_000;

export interface TcpTableOptions {
  readonly wire: GuestWire;
  readonly clock: Clock;
  readonly random32: () => number;
  /** Opens the host's side of a guest's connection; `refused` says why it may not. */
  readonly open: (to: TcpSide, events: StreamEvents) => HostStream | 'refused' | 'unreachable';
  /** Tells the guest by ICMP that a connection can't be. `quoted` is the beginning of its packet. */
  readonly unreachable: (guest: IpAddress, remote: IpAddress, quoted: Uint8Array, why: 'refused' | 'unreachable') => void;
}

/** IPv6 header and the first 8 bytes of a segment, at most: what an ICMP error quotes. */
const QUOTED_BYTES = 48;

export class TcpTable {
  readonly #options: TcpTableOptions;
  /** Apart, so that a guest that opens what it can doesn't shut out who wants to get in. */
  readonly #outgoing: Share = { connectionsMaximum: 4096, budget: new BufferBudget(32 * MEBIBYTE, 64 * MEBIBYTE), connections: 0 };
  readonly #incoming: Share = { connectionsMaximum: 1024, budget: new BufferBudget(16 * MEBIBYTE, 32 * MEBIBYTE), connections: 0 };
  readonly #connections = new Map<string, TcpConnection>();
  readonly #all = new Set<TcpConnection>();
  readonly #toFlush = new Set<TcpConnection>();
  readonly #waitingForSpace = new Set<TcpConnection>();
  /** By when at the latest, soonest first. */
  readonly #toAcknowledge = new Map<TcpConnection, Nanos>();
  readonly #acknowledgeTimer: Timer;
  /** Those that the guest opened. */
  readonly #byGuest = new Set<TcpConnection>();
  #nextPort = 0;
  /** Connections opened so far. */
  opened = 0;

  constructor(options: TcpTableOptions) {
    this.#options = options;
    this.#acknowledgeTimer = options.clock.timer('tcp.acknowledge', () => { this.#acknowledgeOverdue(); });
  }

  get size(): number {
    return this.#all.size;
  }

  get heldBytes(): number {
    return this.#outgoing.budget.used + this.#incoming.budget.used;
  }

  list(maximum: number): Connection[] {
    return [...this.#all].slice(0, maximum).map((connection) => ({
      protocol: 'tcp' as const, origin: connection.isOutgoing ? 'guest' as const : 'forward' as const,
      guest: connection.guest, remote: connection.remote, state: connection.phase, bytesIn: connection.bytesIn, bytesOut: connection.bytesOut,
    }));
  }

  receive(packet: IpPacket, segment: TcpSegment): void {
    const guest = { address: packet.source, port: segment.sourcePort };
    const remote = { address: packet.destination, port: segment.destinationPort };
    const key = keyOf(guest, remote);
    let connection = this.#connections.get(key);
    if (connection?.canBeReplacedBy(segment) === true) {
      connection.abandon();
      connection = undefined;
    }
    if (connection !== undefined) connection.receive(segment);
    else if ((segment.flags & (TCP_SYN | TCP_ACK | TCP_RST)) === TCP_SYN) this.#accept(packet, guest, remote, segment);
    else if ((segment.flags & TCP_RST) === 0) this.#refuse(guest, remote, segment);
  }

  /**
   * Opens a connection to a port of the guest, from a port of `from`. `attach` gives the host's side of it. `undefined`
   * where there are too many.
   */
  connect(guest: TcpSide, from: IpAddress, attach: (events: StreamEvents) => HostStream): TcpConnection | undefined {
    if (isFull(this.#incoming)) return undefined;
    for (let tries = 0; tries < DYNAMIC_PORTS; tries++) {
      const remote = { address: from, port: FIRST_DYNAMIC_PORT + this.#nextPort };
      this.#nextPort = (this.#nextPort + 1) % DYNAMIC_PORTS;
      if (this.#connections.has(keyOf(guest, remote))) continue;
      const connection = this.#make(guest, remote, undefined);
      this.#enter(connection);
      connection.attach(attach(connection));
      return connection;
    }
    return undefined;
  }

  /** The frames at hand have been looked at: what there is to be said is said. */
  flush(): void {
    for (const connection of this.#toFlush) connection.flush();
    this.#toFlush.clear();
  }

  /** The link has room again. */
  spaceMade(): void {
    const waiting = [...this.#waitingForSpace];
    this.#waitingForSpace.clear();
    for (const connection of waiting) connection.flush();
  }

  /** Breaks what the guest opened to places that it may no longer reach. */
  abortForbidden(isAllowed: (remote: TcpSide) => boolean): void {
    for (const connection of [...this.#byGuest]) if (!isAllowed(connection.remote)) connection.abort();
  }

  /** It is known now who has an address. */
  neighbourFound(address: IpAddress): void {
    const waiting = [...this.#waitingForSpace].filter(({ guest }) => guest.address === address);
    for (const connection of waiting) {
      this.#waitingForSpace.delete(connection);
      connection.flush();
    }
  }

  /** Ends all connections: the guest has restarted, or its network goes away. */
  clear(): void {
    for (const connection of [...this.#all]) connection.abandon();
    this.#acknowledgeTimer.disarm();
  }

  #acknowledgeOverdue(): void {
    for (const [connection, due] of this.#toAcknowledge) {
      if (due > this.#options.clock.now()) {
        this.#acknowledgeTimer.arm(due);
        return;
      }
      this.#toAcknowledge.delete(connection);
      connection.acknowledgeOverdue();
    }
  }

  #accept(packet: IpPacket, guest: TcpSide, remote: TcpSide, syn: TcpSegment): void {
    if (isFull(this.#outgoing)) {
      this.#refuse(guest, remote, syn);
      return;
    }
    const quoted = packet.bytes.slice(0, QUOTED_BYTES);
    const { unreachable } = this.#options;
    const connection = this.#make(guest, remote, syn);
    const events: StreamEvents = {
      connected: () => { connection.connected(); },
      data: (bytes) => { connection.data(bytes); },
      ended: () => { connection.ended(); },
      drained: () => { connection.drained(); },
      closed: (end: StreamEnd) => {
        if (connection.state === 'connecting' && (end === 'unreachable' || end === 'timed-out')) unreachable(guest.address, remote.address, quoted, 'unreachable');
        connection.closed(end);
      },
    };
    const peer = this.#options.open(remote, events);
    if (typeof peer === 'string') {
      unreachable(guest.address, remote.address, quoted, peer);
      return;
    }
    this.#enter(connection);
    this.#byGuest.add(connection);
    connection.attach(peer);
  }

  #enter(connection: TcpConnection): void {
    this.#connections.set(keyOf(connection.guest, connection.remote), connection);
    this.#all.add(connection);
    this.#shareOf(connection).connections++;
    this.opened++;
  }

  #shareOf({ isOutgoing }: TcpConnection): Share {
    return isOutgoing ? this.#outgoing : this.#incoming;
  }

  #make(guest: TcpSide, remote: TcpSide, syn: TcpSegment | undefined): TcpConnection {
    const { wire, clock, random32 } = this.#options;
    return new TcpConnection({
      wire, clock, budget: (syn === undefined ? this.#incoming : this.#outgoing).budget,
      flushLater: (connection) => { this.#toFlush.add(connection); },
      acknowledgeSoon: (connection) => {
        const due = clock.now() + ACKNOWLEDGE_NANOS;
        this.#toAcknowledge.delete(connection);
        this.#toAcknowledge.set(connection, due);
        if (this.#acknowledgeTimer.deadline === undefined) this.#acknowledgeTimer.arm(due);
      },
      waitForSpace: (connection) => { this.#waitingForSpace.add(connection); },
      closed: (connection) => {
        const key = keyOf(connection.guest, connection.remote);
        if (this.#connections.get(key) === connection) this.#connections.delete(key);
        this.#toFlush.delete(connection);
        this.#waitingForSpace.delete(connection);
        this.#toAcknowledge.delete(connection);
      },
      released: (connection) => {
        this.#byGuest.delete(connection);
        if (this.#all.delete(connection)) this.#shareOf(connection).connections--;
      },
    }, guest, remote, random32(), syn);
  }

  /** RFC 9293 §3.10.7.1: a reset that the guest believes. */
  #refuse(guest: TcpSide, remote: TcpSide, segment: TcpSegment): void {
    const acknowledges = (segment.flags & TCP_ACK) !== 0;
    const length = segment.payload.length + ((segment.flags & TCP_SYN) !== 0 ? 1 : 0) + ((segment.flags & TCP_FIN) !== 0 ? 1 : 0);
    this.#options.wire.sendTcp(remote.address, guest.address, {
      sourcePort: remote.port, destinationPort: guest.port,
      sequence: acknowledges ? segment.acknowledgment : 0,
      acknowledgment: acknowledges ? 0 : sequenceAdd(segment.sequence, length),
      flags: acknowledges ? TCP_RST : TCP_RST | TCP_ACK,
      window: 0,
    }, 0, WHOLE_SEGMENT_BYTES);
  }
}

function isFull({ connections, connectionsMaximum }: Share): boolean {
  return connections >= connectionsMaximum;
}

function keyOf(guest: TcpSide, remote: TcpSide): string {
  return `${guest.port}|${remote.port}|${remote.address}|${guest.address}`;
}
