/**
 * A machine's own network behind the host: everything the guest's adapter sends ends here, and goes on through sockets of
 * the host as far as the policy allows. Read this first; the parts are services (what the network's own addresses answer),
 * TCP, UDP and the wire to the guest.
 */
import type { Clock } from '../interfaces/clock.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import type { ReceivedFrame } from '../interfaces/network.ts';
import { ANY_IPV4, ANY_IPV6, isGroupMac, parseIp, type IpAddress, type MacAddress } from './frames/addresses.ts';
import { FragmentAssembler } from './frames/fragments.ts';
import { decodeEthernet, decodeIpv4, decodeIpv6, ETHER_TYPE, PROTOCOL, type IpPacket } from './frames/ip.ts';
import { decodeTcp } from './frames/tcp-segment.ts';
import { decodeUdp, encodeUdp, type UdpDatagram } from './frames/udp.ts';
import { GuestWire, type CapableLink } from './guest-wire.ts';
import type { Endpoint, HostNetwork, HostStream, Listener, StreamEvents } from './host-network.ts';
import { DNS_IPV4, DNS_IPV6, GATEWAY_IPV4, GATEWAY_IPV6, GATEWAY_MAC, LEASE_FIRST, LEASE_PREFIX } from './nat-addresses.ts';
import type { Connection } from './connection-list.ts';
import { ReachPolicy, type AllowedTarget, type Reach } from './policy.ts';
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT, DhcpServer, type SavedLease, type SharedLeases } from './services/dhcp-server.ts';
import { DNS_PORT, DnsServer } from './services/dns-server.ts';
import { DnsStream } from './services/dns-stream.ts';
import { Icmp } from './services/icmp.ts';
import { Neighbours } from './services/neighbours.ts';
import { TftpServer, type BootFiles } from './services/tftp-server.ts';
import { TcpTable } from './tcp/tcp-table.ts';
import { UdpFlows } from './udp-flows.ts';

/** Frames of the guest that are looked at before other work of the thread has its turn. */
const FRAMES_A_TURN = 128;
const NANOS_A_SECOND = 1_000_000_000;

/** A port of the host that leads into the guest. */
export interface PortForward {
  readonly protocol: 'tcp' | 'udp';
  readonly host: Endpoint;
  /** `address` is the guest's first lease where it isn't given. */
  readonly guest: { readonly address?: IpAddress | undefined; readonly port: number };
}

export interface BootOffer {
  readonly files: BootFiles;
  /** What clients are told to load first. */
  readonly file: string | undefined;
}

export interface NatOptions {
  readonly link: CapableLink;
  readonly host: HostNetwork;
  /** Stands still while the machine does. */
  readonly clock: Clock;
  readonly log: DeviceLog;
  readonly reach: Reach;
  readonly allow: readonly AllowedTarget[];
  readonly forwards: readonly PortForward[];
  /** What the gateway gives guests that boot from the network. */
  readonly boot?: BootOffer | undefined;
  /** Where the network is shared with other machines. */
  readonly leases?: SharedLeases | undefined;
  /** Whether the host has a way into the IPv6 internet. */
  readonly routesIpv6: () => boolean;
  /** Called once for each forward, with what is wrong where its port can't be had. */
  readonly forwardSettled: (forward: PortForward, problem: string | undefined) => void;
}

export interface NatFigures {
  readonly dropped: number;
  readonly tcpConnections: number;
  readonly tcpOpened: number;
  readonly tcpHeldBytes: number;
  readonly udpFlows: number;
}

export class NatNetwork {
  readonly #options: NatOptions;
  readonly #wire: GuestWire;
  readonly #policy: ReachPolicy;
  readonly #icmp: Icmp;
  readonly #neighbours: Neighbours;
  readonly #dhcp: DhcpServer;
  readonly #dns: DnsServer;
  readonly #tcp: TcpTable;
  readonly #udp: UdpFlows;
  #tftp: TftpServer | undefined;
  readonly #fragments: FragmentAssembler;
  /** By what `forwardKey` calls them. */
  readonly #forwards = new Map<string, Listener>();
  #isLooking = false;
  #isClosed = false;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: NatOptions) {
    const { link, host, clock } = options;
    this.#options = options;
    this.#policy = new ReachPolicy(options.reach, options.allow, () => host.localNetworks(), () => clock.now() / NANOS_A_SECOND);
    this.#wire = new GuestWire({
      link,
      askFor: (address) => { this.#neighbours.askFor(address); },
      found: (address) => { this.#tcp.neighbourFound(address); },
    });
    this.#icmp = new Icmp(this.#wire, clock);
    this.#neighbours = new Neighbours(this.#wire, this.#icmp, clock, options.routesIpv6);
    this.#dhcp = new DhcpServer({ clock, shared: options.leases });
    this.#dns = new DnsServer({ host, policy: this.#policy, machines: () => [...this.#dhcp.leases(), ...options.leases?.others() ?? []] });
    this.#fragments = new FragmentAssembler(clock);
    this.#tcp = new TcpTable({
      wire: this.#wire, clock,
      random32: () => host.random32(),
      open: (to, events) => this.#open(to, events),
      unreachable: (guest, remote, quoted, why) => { this.#icmp.unreachable(guest, remote, quoted, why); },
    });
    this.#udp = new UdpFlows({
      host, wire: this.#wire, clock, policy: this.#policy,
      unreachable: (guest, remote, quoted, reason) => { this.#icmp.unreachable(guest, remote, quoted, reason); },
    });
    link.onReadable = () => { this.#look(); };
    link.onWritable = () => { this.#tcp.spaceMade(); };
    this.changeBoot(options.boot);
    for (const forward of options.forwards) this.#startForward(forward);
  }

  figures(): NatFigures {
    return {
      dropped: this.#wire.dropped,
      tcpConnections: this.#tcp.size, tcpOpened: this.#tcp.opened, tcpHeldBytes: this.#tcp.heldBytes, udpFlows: this.#udp.size,
    };
  }

  /** What is open now, at most `maximum` of it. */
  connections(maximum: number): Connection[] {
    const tcp = this.#tcp.list(maximum);
    return [...tcp, ...this.#udp.list(maximum - tcp.length)];
  }

  /** Other rules from now on: what the guest has open against them ends. */
  changeReach(reach: Reach, allow: readonly AllowedTarget[]): void {
    this.#policy.change(reach, allow);
    this.#tcp.abortForbidden((remote) => isResolver(remote) || this.#policy.resolve(remote) !== undefined);
    // A flow may have many peers, and datagrams find their way anew.
    this.#udp.closeFlows();
  }

  /** Closes forwards that are no longer wanted and opens new ones; those that stay aren't disturbed. Each new one is settled. */
  changeForwards(wanted: readonly PortForward[]): void {
    const keys = new Set(wanted.map(forwardKey));
    for (const [key, listener] of this.#forwards) {
      if (keys.has(key)) continue;
      listener.close();
      this.#forwards.delete(key);
    }
    for (const forward of wanted) if (!this.#forwards.has(forwardKey(forward))) this.#startForward(forward);
  }

  /** Files that are being loaded from another folder break off. */
  changeBoot(boot: BootOffer | undefined): void {
    const { host, clock } = this.#options;
    this.#tftp?.clear();
    this.#dhcp.bootFile = boot?.file;
    this.#tftp = boot === undefined ? undefined : new TftpServer({
      files: boot.files, clock,
      random32: () => host.random32(),
      send: (from, to, message) => { this.#wire.sendPacket({ source: from.address, destination: to.address, protocol: PROTOCOL.udp }, encodeUdp(from, to, message)); },
    });
  }

  /** The guest has been reset: what it had open is gone. Leases and forwarded ports stay. */
  guestReset(): void {
    this.#tcp.clear();
    this.#udp.clear();
    this.#tftp?.clear();
    this.#wire.forgetNeighbours();
  }

  /** What outlives a machine that is saved: its leases. Connections don't: a guest that goes on with one is told that it is gone. */
  save(): SavedLease[] {
    return this.#dhcp.save();
  }

  /** Throws for what no `save` returned. */
  restore(saved: unknown): void {
    this.#dhcp.restore(saved);
  }

  close(): void {
    this.#isClosed = true;
    for (const listener of this.#forwards.values()) listener.close();
    this.#forwards.clear();
    this.#neighbours.stop();
    this.#tcp.clear();
    this.#udp.clear();
    this.#tftp?.clear();
  }

  /** Looks at frames of the guest, not all at once where there are many. */
  #look(): void {
    if (this.#isLooking || this.#isClosed) return;
    const { link, host } = this.#options;
    let count = 0;
    for (let frame = link.peek(); frame !== undefined; frame = link.peek()) {
      this.#receive(frame);
      link.consume();
      count++;
      if (count < FRAMES_A_TURN) continue;
      this.#isLooking = true;
      host.later(() => {
        this.#isLooking = false;
        this.#look();
      });
      break;
    }
    this.#tcp.flush();
  }

  #receive({ bytes, offload }: ReceivedFrame): void {
    const frame = decodeEthernet(bytes);
    // A frame for somebody else, or from an address that nobody may have.
    if (frame === undefined || isGroupMac(frame.source) || frame.source === GATEWAY_MAC || (frame.destination !== GATEWAY_MAC && !isGroupMac(frame.destination))) {
      this.#wire.dropped++;
      return;
    }
    this.#neighbours.start();
    if (frame.type === ETHER_TYPE.arp) {
      this.#neighbours.receiveArp(frame.payload, frame.source);
      return;
    }
    const fragment = frame.type === ETHER_TYPE.ipv4 ? decodeIpv4(frame.payload) : frame.type === ETHER_TYPE.ipv6 ? decodeIpv6(frame.payload) : undefined;
    const packet = fragment === undefined || !this.#isSourceSound(fragment, frame.source) ? undefined : this.#fragments.add(fragment);
    if (packet === undefined) {
      if (fragment?.fragment === undefined) this.#wire.dropped++;
      return;
    }
    // A checksum that was left to do says that nothing can have happened to it since.
    this.#receivePacket(packet, frame.source, offload.checksumStart > 0 && fragment?.fragment === undefined);
  }

  /** Spoofed sources end here. A guest without an address may only ask for one. */
  #isSourceSound({ source, destination, protocol }: IpPacket, mac: MacAddress): boolean {
    if (source === ANY_IPV4) return protocol === PROTOCOL.udp && destination === '255.255.255.255';
    if (source === ANY_IPV6) return protocol === PROTOCOL.icmp6;
    return this.#neighbours.acceptsSource(source, mac);
  }

  #receivePacket(packet: IpPacket, mac: MacAddress, isVerified: boolean): void {
    switch (packet.protocol) {
      case PROTOCOL.tcp: {
        const segment = decodeTcp(packet, isVerified);
        if (segment === undefined || isGroup(packet.destination)) this.#wire.dropped++;
        else this.#tcp.receive(packet, segment);
        return;
      }
      case PROTOCOL.udp: {
        const datagram = decodeUdp(packet, isVerified);
        if (datagram === undefined) this.#wire.dropped++;
        else this.#receiveDatagram(packet, datagram);
        return;
      }
      case PROTOCOL.icmp:
        this.#icmp.receive(packet);
        return;
      case PROTOCOL.icmp6:
        if (!this.#neighbours.receiveIcmp6(packet, mac)) this.#icmp.receive(packet);
        return;
      default:
        this.#wire.dropped++;
    }
  }

  #receiveDatagram(packet: IpPacket, datagram: UdpDatagram): void {
    const { destination, source } = packet;
    if (datagram.destinationPort === DHCP_SERVER_PORT && (destination === '255.255.255.255' || destination === GATEWAY_IPV4)) {
      const reply = this.#dhcp.receive(datagram.payload);
      if (reply === undefined) return;
      const message = encodeUdp({ address: GATEWAY_IPV4, port: DHCP_SERVER_PORT }, { address: reply.to.address, port: DHCP_CLIENT_PORT }, reply.message);
      this.#wire.sendPacket({ source: GATEWAY_IPV4, destination: reply.to.address, protocol: PROTOCOL.udp }, message, reply.to.mac);
      return;
    }
    if (source === ANY_IPV4) return;
    if ((destination === DNS_IPV4 || destination === DNS_IPV6) && datagram.destinationPort === DNS_PORT) {
      const guest = { address: source, port: datagram.sourcePort };
      this.#dns.receive(datagram.payload.slice(), 'udp', (reply) => {
        const message = encodeUdp({ address: destination, port: DNS_PORT }, guest, reply);
        this.#wire.sendPacket({ source: destination, destination: guest.address, protocol: PROTOCOL.udp }, message);
      });
      return;
    }
    if ((destination === GATEWAY_IPV4 || destination === GATEWAY_IPV6)
      && this.#tftp?.receive({ address: source, port: datagram.sourcePort }, { address: destination, port: datagram.destinationPort }, datagram.payload) === true) return;
    // Broadcasts and multicasts (mDNS, SSDP, NetBIOS) stay on this side, as on any router.
    if (!isGroup(destination)) this.#udp.receive(packet, datagram);
  }

  /** The host's side of a connection that the guest opens. */
  #open(to: Endpoint, events: StreamEvents): HostStream | 'refused' {
    const { host } = this.#options;
    if (isResolver(to)) return new DnsStream(this.#dns, events, (task) => { host.later(task); });
    const target = this.#policy.resolve(to);
    return target === undefined ? 'refused' : host.connect(target, events);
  }

  #startForward(forward: PortForward): void {
    const { host, forwardSettled } = this.#options;
    const settled = (problem: string | undefined): void => { forwardSettled(forward, problem); };
    const guest = (): Endpoint => {
      const address = forward.guest.address ?? this.#dhcp.leases()[0]?.address ?? `${LEASE_PREFIX}${LEASE_FIRST}`;
      return { address, port: forward.guest.port };
    };
    if (forward.protocol === 'udp') {
      const socket = this.#udp.forward(forward.host, guest, settled);
      this.#forwards.set(forwardKey(forward), { close: () => {
        socket.close();
        this.#udp.forgetVisitors(socket);
      } });
      return;
    }
    this.#forwards.set(forwardKey(forward), host.listen(forward.host, (stream) => {
      if (this.#tcp.connect(guest(), GATEWAY_IPV4, (events) => stream.accept(events)) === undefined) stream.refuse();
    }, settled));
  }
}

function isResolver({ address, port }: Endpoint): boolean {
  return (address === DNS_IPV4 || address === DNS_IPV6) && port === DNS_PORT;
}

/** Two forwards of the same key are the same forward. */
export function forwardKey({ protocol, host, guest }: PortForward): string {
  return `${protocol} ${host.address} ${host.port} ${guest.address ?? ''} ${guest.port}`;
}

/** Multicast and broadcast. */
function isGroup(address: IpAddress): boolean {
  const bytes = parseIp(address)!;
  return bytes.length === 4 ? bytes[0]! >= 224 || address === '10.0.2.255' || address === ANY_IPV4 : bytes[0] === 0xff;
}
