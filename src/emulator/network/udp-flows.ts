/**
 * Datagrams between the guest and the outside. Each port of the guest has a socket of the host while it is used (RFC 4787:
 * endpoint-independent mapping); only who the guest has written to may answer through it (address-and-port-dependent
 * filtering). Forwarded ports give each outside sender a port of the gateway.
 */
import type { Clock, Timer } from '../interfaces/clock.ts';
import { isIpv4, type IpAddress } from './frames/addresses.ts';
import { PROTOCOL, type IpPacket } from './frames/ip.ts';
import { encodeUdp, type UdpDatagram } from './frames/udp.ts';
import type { GuestWire } from './guest-wire.ts';
import type { DatagramSocket, Endpoint, HostNetwork, Settled } from './host-network.ts';
import { GATEWAY_IPV4 } from './nat-addresses.ts';
import type { ReachPolicy } from './policy.ts';
import type { UnreachableReason } from './services/icmp.ts';

const FLOWS_MAXIMUM = 512;
const PEERS_MAXIMUM = 256;
/** RFC 4787 §4.3: two minutes at least; a question and its answer need less. */
const IDLE_NANOS = 120_000_000_000;
const SHORT_IDLE_NANOS = 20_000_000_000;
const SHORT_PORTS: ReadonlySet<number> = new Set([53, 123]);
const SWEEP_NANOS = 10_000_000_000;
const FIRST_DYNAMIC_PORT = 49_152;

interface Flow {
  readonly guest: Endpoint;
  readonly socket: DatagramSocket;
  /** By the host's endpoint: what the guest calls it. Oldest first. */
  readonly peers: Map<string, Endpoint>;
  lastUsed: number;
  isShort: boolean;
}

/** An outside sender that a forwarded port let in. */
interface Visitor {
  readonly from: Endpoint;
  readonly socket: DatagramSocket;
  lastUsed: number;
}

export interface UdpFlowsOptions {
  readonly host: Pick<HostNetwork, 'openDatagrams'>;
  readonly wire: GuestWire;
  readonly clock: Clock;
  readonly policy: ReachPolicy;
  readonly unreachable: (guest: IpAddress, remote: IpAddress, quoted: Uint8Array, reason: UnreachableReason) => void;
}

export class UdpFlows {
  readonly #options: UdpFlowsOptions;
  readonly #flows = new Map<string, Flow>();
  /** By port of the gateway. */
  readonly #visitors = new Map<number, Visitor>();
  readonly #sweep: Timer;
  #nextPort = FIRST_DYNAMIC_PORT;

  constructor(options: UdpFlowsOptions) {
    this.#options = options;
    this.#sweep = options.clock.timer('network.udp', () => { this.#dropIdle(); });
  }

  get size(): number {
    return this.#flows.size + this.#visitors.size;
  }

  /** A datagram of the guest to the outside, or to who came in through a forwarded port. */
  receive(packet: IpPacket, datagram: UdpDatagram): void {
    const { clock, policy, unreachable } = this.#options;
    const visitor = packet.destination === GATEWAY_IPV4 ? this.#visitors.get(datagram.destinationPort) : undefined;
    if (visitor !== undefined) {
      visitor.lastUsed = clock.now();
      visitor.socket.send(visitor.from, datagram.payload.slice());
      return;
    }
    const asGuestSees = { address: packet.destination, port: datagram.destinationPort };
    const target = datagram.destinationPort === 0 ? undefined : policy.resolve(asGuestSees);
    if (target === undefined) {
      unreachable(packet.source, packet.destination, packet.bytes, 'refused');
      return;
    }
    const flow = this.#flowOf({ address: packet.source, port: datagram.sourcePort });
    flow.lastUsed = clock.now();
    flow.isShort = SHORT_PORTS.has(target.port) && (flow.isShort || flow.peers.size === 0);
    const peer = keyOf(target);
    flow.peers.delete(peer);
    flow.peers.set(peer, asGuestSees);
    if (flow.peers.size > PEERS_MAXIMUM) flow.peers.delete(flow.peers.keys().next().value!);
    flow.socket.send(target, datagram.payload.slice());
  }

  /** Lets datagrams to a port of the host in. `guest` is asked each time where they go. */
  forward(at: Endpoint, guest: () => Endpoint, settled: Settled): DatagramSocket {
    const { host, clock } = this.#options;
    const socket: DatagramSocket = host.openDatagrams(isIpv4(at.address) ? 4 : 6, at, {
      received: (from, payload) => {
        const port = this.#portOf(from, socket);
        this.#visitors.get(port)!.lastUsed = clock.now();
        this.#toGuest({ address: GATEWAY_IPV4, port }, guest(), payload);
      },
      failed: () => {},
    }, settled);
    return socket;
  }

  /** Who came in through a forwarded port that is closed now is a stranger again. */
  forgetVisitors(socket: DatagramSocket): void {
    for (const [port, visitor] of this.#visitors) if (visitor.socket === socket) this.#visitors.delete(port);
  }

  /** Ends what the guest has to outside; who came in stays. */
  closeFlows(): void {
    for (const key of [...this.#flows.keys()]) this.#close(key);
  }

  clear(): void {
    this.closeFlows();
    this.#visitors.clear();
    this.#sweep.disarm();
  }

  #flowOf(guest: Endpoint): Flow {
    const { host, clock } = this.#options;
    const key = keyOf(guest);
    const known = this.#flows.get(key);
    if (known !== undefined) {
      // Oldest first.
      this.#flows.delete(key);
      this.#flows.set(key, known);
      return known;
    }
    if (this.#flows.size >= FLOWS_MAXIMUM) this.#close(this.#flows.keys().next().value!);
    const socket = host.openDatagrams(isIpv4(guest.address) ? 4 : 6, undefined, {
      received: (from, payload) => {
        const asGuestSees = this.#flows.get(key)?.peers.get(keyOf(from));
        if (asGuestSees === undefined) return;
        this.#flows.get(key)!.lastUsed = clock.now();
        this.#toGuest(asGuestSees, guest, payload);
      },
      failed: () => { this.#flows.delete(key); },
    });
    const flow: Flow = { guest, socket, peers: new Map(), lastUsed: clock.now(), isShort: false };
    this.#flows.set(key, flow);
    this.#armSweep();
    return flow;
  }

  #portOf(from: Endpoint, socket: DatagramSocket): number {
    for (const [port, visitor] of this.#visitors) if (visitor.socket === socket && keyOf(visitor.from) === keyOf(from)) return port;
    // Made-up senders must not shut out the next: who was heard of longest ago goes.
    if (this.#visitors.size >= PEERS_MAXIMUM) {
      const [oldest] = [...this.#visitors].reduce((one, other) => (other[1].lastUsed < one[1].lastUsed ? other : one));
      this.#visitors.delete(oldest);
    }
    while (this.#visitors.has(this.#nextPort)) this.#nextPort = this.#nextPort === 0xffff ? FIRST_DYNAMIC_PORT : this.#nextPort + 1;
    const port = this.#nextPort;
    this.#visitors.set(port, { from, socket, lastUsed: this.#options.clock.now() });
    this.#armSweep();
    return port;
  }

  #toGuest(from: Endpoint, to: Endpoint, payload: Uint8Array): void {
    this.#options.wire.sendPacket({ source: from.address, destination: to.address, protocol: PROTOCOL.udp }, encodeUdp(from, to, payload));
  }

  #close(key: string): void {
    this.#flows.get(key)?.socket.close();
    this.#flows.delete(key);
  }

  #armSweep(): void {
    if (this.#sweep.deadline === undefined) this.#sweep.arm(this.#options.clock.now() + SWEEP_NANOS);
  }

  #dropIdle(): void {
    const now = this.#options.clock.now();
    for (const [key, flow] of this.#flows) if (now - flow.lastUsed > (flow.isShort ? SHORT_IDLE_NANOS : IDLE_NANOS)) this.#close(key);
    for (const [port, visitor] of this.#visitors) if (now - visitor.lastUsed > IDLE_NANOS) this.#visitors.delete(port);
    if (this.size > 0) this.#armSweep();
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${port}|${address}`;
}
