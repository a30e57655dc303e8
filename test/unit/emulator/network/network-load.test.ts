/**
 * Many connections, and guests and servers that misbehave, over real sockets of the loopback: what is held stays bounded,
 * nothing is left behind, and whoever behaves gets through.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { HostClock } from '../../../../src/emulator/host/host-clock.ts';
import { NodeNetwork } from '../../../../src/emulator/host/node-network.ts';
import { NO_OFFLOAD } from '../../../../src/emulator/interfaces/network.ts';
import { NatNetwork, type PortForward } from '../../../../src/emulator/network/nat-network.ts';
import { FakeLog } from '../../../support/fake-log.ts';
import { testCable } from '../../../support/test-cable.ts';
import { ACK, ethernet, FIN, ip, PSH, readIp, readTcp, RST, SYN, tcp } from './frames-by-hand.ts';

const IS_LONG = process.env['GUESTHOUSE_LONG_TESTS'] === '1';
const MEBIBYTE = 1024 * 1024;

type Peer = {
  readonly port: number;
  next: number;
  expected: number;
  received: number;
  state: 'opening' | 'open' | 'ended' | 'reset';
  readonly opened: (peer: Peer) => void;
  readonly heard: (peer: Peer, payload: readonly number[]) => void;
  readonly over: (peer: Peer) => void;
};

/** A guest with a TCP of its own, just good enough for a link that loses nothing. */
class LoadGuest {
  readonly clock = new HostClock();
  readonly network: NatNetwork;
  /** Answers no data, as a guest that has hung does. */
  isMute = false;
  readonly #cable = testCable();
  readonly #peers = new Map<number, Peer>();
  readonly #waiting: number[][] = [];
  readonly #serves: boolean;

  constructor(allowedPort: number, forwards: readonly PortForward[] = [], serves = false) {
    this.#serves = serves;
    this.network = new NatNetwork({
      link: this.#cable.network, host: new NodeNetwork(), clock: this.clock, log: new FakeLog(), reach: 'listed', allow: [{ host: 'loopback', port: allowedPort }], forwards,
      routesIpv6: () => false, forwardSettled: () => {},
    });
    // As between two threads: nobody is called back from within what he does.
    this.#cable.adapter.onReadable = () => { setImmediate(() => { this.#look(); }); };
    this.#cable.adapter.onWritable = () => { setImmediate(() => { this.#sendWaiting(); }); };
    this.#send(ethernet(0x0806, [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x47, 0x48, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]));
    this.#look();
  }

  open(port: number, toPort: number, opened: Peer['opened'], heard: Peer['heard'], over: Peer['over']): void {
    this.#peers.set(port, { port, next: 1001, expected: 0, received: 0, state: 'opening', opened, heard, over });
    this.#segment(port, toPort, SYN, 1000, 0, []);
  }

  syn(port: number, toPort: number): void {
    this.#segment(port, toPort, SYN, 1000, 0, []);
  }

  send(peer: Peer, toPort: number, payload: readonly number[], flags = ACK | PSH): void {
    this.#segment(peer.port, toPort, flags, peer.next, peer.expected, payload);
    peer.next += payload.length + ((flags & FIN) !== 0 ? 1 : 0);
  }

  #segment(fromPort: number, toPort: number, flags: number, sequence: number, acknowledgment: number, payload: readonly number[]): void {
    this.#send(ethernet(0x0800, ip({ to: '10.0.2.2', protocol: 6 }, tcp({ to: '10.0.2.2', fromPort, toPort, sequence, acknowledgment, flags, options: (flags & SYN) !== 0 ? [2, 4, 5, 0xb4] : [] }, payload))));
  }

  #send(frame: number[]): void {
    this.#waiting.push(frame);
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (let frame = this.#waiting[0]; frame !== undefined; frame = this.#waiting[0]) {
      const room = this.#cable.adapter.reserve(frame.length);
      if (room === undefined) return;
      this.#waiting.shift();
      room.set(frame);
      this.#cable.adapter.commit(NO_OFFLOAD);
    }
  }

  #look(): void {
    for (let frame = this.#cable.adapter.peek(); frame !== undefined; frame = this.#cable.adapter.peek()) {
      const bytes = frame.bytes.slice();
      this.#cable.adapter.consume();
      if (bytes[12] === 8 && bytes[13] === 0) this.#receive(bytes);
    }
  }

  #receive(bytes: Uint8Array): void {
    const packet = readIp(bytes);
    if (packet.protocol !== 6) return;
    const segment = readTcp(packet);
    if (this.#serves && (segment.flags & (SYN | ACK)) === SYN) {
      this.#peers.set(segment.toPort, { port: segment.toPort, next: 1001, expected: segment.sequence + 1, received: 0, state: 'open', opened: () => {}, heard: (peer, payload) => { this.send(peer, segment.fromPort, payload); }, over: () => {} });
      this.#segment(segment.toPort, segment.fromPort, SYN | ACK, 1000, segment.sequence + 1, []);
      return;
    }
    const peer = this.#peers.get(segment.toPort);
    if (peer === undefined) return;
    if ((segment.flags & RST) !== 0) {
      peer.state = 'reset';
      this.#peers.delete(peer.port);
      peer.over(peer);
    } else if (peer.state === 'opening') {
      peer.state = 'open';
      peer.expected = (segment.sequence + 1) >>> 0;
      this.send(peer, segment.fromPort, [], ACK);
      peer.opened(peer);
    } else if (!this.isMute && segment.sequence === peer.expected) {
      peer.expected = (peer.expected + segment.payload.length + (segment.flags & FIN)) >>> 0;
      peer.received += segment.payload.length;
      if (segment.payload.length > 0 || (segment.flags & FIN) !== 0) this.send(peer, segment.fromPort, [], ACK);
      if (segment.payload.length > 0) peer.heard(peer, segment.payload);
      if ((segment.flags & FIN) === 0) return;
      peer.state = 'ended';
      this.#peers.delete(peer.port);
      peer.over(peer);
    }
  }
}

const servers: Server[] = [];
const sockets = new Set<Socket>();
const guests: LoadGuest[] = [];

afterEach(async () => {
  for (const guest of guests.splice(0)) guest.network.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => { server.close(resolve); })));
});

async function serving(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    serve(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => { server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve); });
  return (server.address() as AddressInfo).port;
}

const echo = (socket: Socket): void => { socket.pipe(socket); };

function guestAt(...options: ConstructorParameters<typeof LoadGuest>): LoadGuest {
  const guest = new LoadGuest(...options);
  guests.push(guest);
  return guest;
}

async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}

/** Says something, hears it back, closes. Resolves with what was heard. */
function exchange(guest: LoadGuest, port: number, toPort: number, whileOpen?: Promise<void>): Promise<string> {
  const words = [...Buffer.from(`hello from ${port}`)];
  return new Promise((resolve) => {
    let heard: number[] = [];
    guest.open(port, toPort, (peer) => { guest.send(peer, toPort, words); }, (peer, payload) => {
      heard = [...heard, ...payload];
      if (heard.length === words.length) void Promise.resolve(whileOpen).then(() => { guest.send(peer, toPort, [], FIN | ACK); });
    }, (peer) => { resolve(peer.state === 'ended' ? Buffer.from(heard).toString() : peer.state); });
  });
}

/** Sockets and timers of this process, those that pass by themselves left out. */
function held(): { sockets: number } {
  return { sockets: process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap' || kind === 'TCPConnectWrap').length };
}

async function expectNothingLeft(guest: LoadGuest, before: { sockets: number }): Promise<void> {
  await until('all connections are forgotten', () => guest.network.figures().tcpConnections === 0);
  await until('all sockets are closed', () => held().sockets <= before.sockets);
  expect(guest.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0, udpFlows: 0 });
  expect([...guest.clock.armed].map(({ label }) => label).filter((label) => label.startsWith('tcp'))).toEqual([]);
}

describe('a guest', () => {
  it('with 2,000 connections at a time has each of them answered, and leaves nothing behind', async () => {
    const before = held();
    const port = await serving(echo);
    const guest = guestAt(port);
    let close!: () => void;
    const allOpen = new Promise<void>((resolve) => { close = resolve; });
    const answers = Promise.all(Array.from({ length: 2000 }, (_, index) => exchange(guest, 10_000 + index, port, allOpen)));
    await until('all are open', () => sockets.size === 2000);
    expect(guest.network.figures().tcpConnections).toBe(2000);
    close();
    expect((await answers).filter((text, index) => text !== `hello from ${10_000 + index}`)).toEqual([]);
    await expectNothingLeft(guest, before);
  });

  it(`with ${IS_LONG ? '100,000' : '3,000'} short connections one after another leaves nothing behind`, async () => {
    const before = held();
    const port = await serving(echo);
    const guest = guestAt(port);
    const count = IS_LONG ? 100_000 : 3000;
    let next = 0;
    let good = 0;
    const one = async (): Promise<void> => {
      while (next < count) {
        const fromPort = 1024 + (next++ % 60_000);
        if (await exchange(guest, fromPort, port) === `hello from ${fromPort}`) good++;
      }
    };
    await Promise.all(Array.from({ length: 50 }, one));
    expect(good).toBe(count);
    expect(guest.network.figures().tcpOpened).toBe(count);
    await expectNothingLeft(guest, before);
  }, 1_200_000);

  it('hears of each server that resets, and leaves nothing behind', async () => {
    const before = held();
    const port = await serving((socket) => { socket.resetAndDestroy(); });
    const guest = guestAt(port);
    const ends = await Promise.all(Array.from({ length: 500 }, (_, index) => exchange(guest, 10_000 + index, port)));
    expect(new Set(ends)).toEqual(new Set(['reset']));
    await expectNothingLeft(guest, before);
  });

  it('that writes to servers that read slowly, or not at all, is held back within bounds, and others get through', async () => {
    const before = held();
    const slow = new Set<Socket>();
    const port = await serving((socket) => {
      socket.once('data', (first: Buffer) => {
        if (first[0] === 0) slow.add(socket.pause());
        else {
          socket.write(first);
          echo(socket);
        }
      });
    });
    const guest = guestAt(port);
    const block = new Array<number>(1400).fill(0);
    for (let index = 0; index < 50; index++) {
      guest.open(20_000 + index, port, (peer) => {
        for (let sent = 0; sent < 200; sent++) guest.send(peer, port, block);
      }, () => {}, () => {});
    }
    await until('all servers stand still', () => slow.size === 50);
    expect(await exchange(guest, 30_000, port)).toBe('hello from 30000');
    expect(guest.network.figures().tcpHeldBytes).toBeLessThanOrEqual(64 * MEBIBYTE);
    guest.network.guestReset();
    for (const socket of slow) socket.destroy();
    await expectNothingLeft(guest, before);
  });

  it('that acknowledges nothing holds no more than its share, and others get through', async () => {
    const before = held();
    const flood = Buffer.alloc(MEBIBYTE);
    const port = await serving((socket) => { for (let sent = 0; sent < 4; sent++) socket.write(flood); });
    const mute = guestAt(port);
    const other = guestAt(port);
    mute.isMute = true;
    let opened = 0;
    for (let index = 0; index < 200; index++) mute.open(20_000 + index, port, () => { opened++; }, () => {}, () => {});
    await until('all are open', () => opened === 200);
    await new Promise<void>((resolve) => {
      other.open(5000, port, () => {}, (peer) => { if (peer.received === 4 * MEBIBYTE) resolve(); }, () => {});
    });
    expect(mute.network.figures().tcpHeldBytes).toBeGreaterThan(MEBIBYTE);
    // And what each connection had been read once more by then.
    expect(mute.network.figures().tcpHeldBytes).toBeLessThanOrEqual(32 * MEBIBYTE + 200 * 66 * 1024);
    mute.network.guestReset();
    other.network.guestReset();
    await expectNothingLeft(mute, before);
  });

  it('that floods with half-open connections shuts nobody out who comes to it, and nothing is left when it is reset', async () => {
    const before = held();
    const port = await serving(echo);
    const forwardPort = await serving(() => {});
    await new Promise((resolve) => { servers.pop()!.close(resolve); });
    const guest = guestAt(port, [{ protocol: 'tcp', host: { address: '127.0.0.1', port: forwardPort }, guest: { port: 22 } }], true);
    for (let flooded = 0; flooded < 6000; flooded++) guest.syn(2000 + flooded, port);
    await until('the flood is there', () => guest.network.figures().tcpConnections >= 4096);
    const visitor = connect({ port: forwardPort, host: '127.0.0.1' });
    const heard = new Promise<string>((resolve, reject) => {
      visitor.on('data', (text) => { resolve(text.toString()); });
      visitor.on('error', reject);
    });
    visitor.write('let me in');
    expect(await heard).toBe('let me in');
    expect(guest.network.figures().tcpConnections).toBeLessThanOrEqual(4097);
    visitor.destroy();
    guest.network.guestReset();
    await expectNothingLeft(guest, before);
  });
});
