/** What networks need of the host, by Node: sockets without rights, the system's resolver, the host's own networks. */
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { canonicalIp, parseIp, parsePrefix, prefixHolds } from '../network/frames/addresses.ts';
import type {
  DatagramEvents, DatagramSocket, Endpoint, HostNetwork, HostStream, IncomingStream, Listener, NameAnswer, RecordType, Settled, StreamEvents,
} from '../network/host-network.ts';
import { HostNames } from './host-names.ts';
import { SocketStream } from './socket-stream.ts';

const INTERFACES_MILLIS = 5_000;
const GLOBAL_IPV6 = parsePrefix('2000::/3')!;
/** Datagrams that wait in a socket for the host's network to take them. */
const UNSENT_MAXIMUM_BYTES = 1 << 20;
const BACKLOG = 64;

export class NodeNetwork implements HostNetwork {
  readonly #names = new HostNames();
  #interfaces: { readonly at: number; readonly networks: readonly string[] } | undefined;

  connect(to: Endpoint, events: StreamEvents): HostStream {
    return new SocketStream(connect({ host: to.address, port: to.port, allowHalfOpen: true }), events, false);
  }

  listen(at: Endpoint, accepted: (stream: IncomingStream) => void, settled: Settled): Listener {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => { accepted(incoming(socket)); });
    server.once('listening', () => { settled(undefined); });
    server.on('error', (error: NodeJS.ErrnoException) => { settled(listenProblem(error)); });
    server.listen({ host: at.address, port: at.port, backlog: BACKLOG, ipv6Only: at.address.includes(':') });
    return { close: () => { server.close(); } };
  }

  openDatagrams(family: 4 | 6, at: Endpoint | undefined, events: DatagramEvents, settled?: Settled): DatagramSocket {
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', ipv6Only: family === 6 });
    let isClosed = false;
    let isBound = false;
    socket.on('message', (payload: Buffer, from: RemoteInfo) => {
      const address = canonicalIp(from.address.split('%')[0]!);
      // Nobody can answer a sender that names no port (RFC 768), and Node throws where one tries.
      if (!isClosed && address !== undefined && from.port !== 0) events.received({ address, port: from.port }, payload);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (isClosed) return;
      if (!isBound) settled?.(listenProblem(error));
      isClosed = true;
      socket.close();
      events.failed();
    });
    socket.bind({ address: at?.address ?? (family === 4 ? '0.0.0.0' : '::'), port: at?.port ?? 0, exclusive: true }, () => {
      isBound = true;
      settled?.(undefined);
    });
    return {
      send: (to, payload) => {
        // Errors of one datagram (no route, too long) lose that datagram.
        if (!isClosed && (!isBound || socket.getSendQueueSize() < UNSENT_MAXIMUM_BYTES)) socket.send(payload, to.port, to.address, () => {});
      },
      close: () => {
        if (isClosed) return;
        isClosed = true;
        socket.close();
      },
    };
  }

  resolve(name: string, type: RecordType, answered: (answer: NameAnswer) => void): void {
    this.#names.resolve(name, type, answered);
  }

  localNetworks(): readonly string[] {
    const now = performance.now();
    if (this.#interfaces === undefined || now - this.#interfaces.at > INTERFACES_MILLIS) {
      const networks = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address, cidr }) => cidr ?? address));
      this.#interfaces = { at: now, networks };
    }
    return this.#interfaces.networks;
  }

  /** Whether an interface has an address of the IPv6 internet. */
  routesIpv6(): boolean {
    return this.localNetworks().some((network) => {
      const address = parseIp(network.split('/')[0]!);
      return address !== undefined && prefixHolds(GLOBAL_IPV6, address);
    });
  }

  random32(): number {
    return randomBytes(4).readUInt32LE();
  }

  later(task: () => void): void {
    setImmediate(task);
  }
}

function incoming(socket: Socket): IncomingStream {
  return {
    from: { address: canonicalIp(socket.remoteAddress ?? '') ?? '', port: socket.remotePort ?? 0 },
    accept: (events) => {
      const stream = new SocketStream(socket, events, true);
      socket.resume();
      return stream;
    },
    refuse: () => { socket.resetAndDestroy(); },
  };
}

function listenProblem(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'EADDRINUSE': return 'is in use already';
    case 'EACCES': return 'may not be used by you';
    case 'EADDRNOTAVAIL': return 'is at an address that this host does not have';
    default: return `can't be used (${error.code ?? error.message})`;
  }
}
