import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { NodeNetwork } from '../../../../src/emulator/host/node-network.ts';
import type { HostStream, NameAnswer, StreamEnd, StreamEvents } from '../../../../src/emulator/network/host-network.ts';

/** What a stream told, and promises of what it is to tell. */
class Told implements StreamEvents {
  readonly chunks: Buffer[] = [];
  drains = 0;
  readonly isConnected: Promise<void>;
  readonly isEnded: Promise<void>;
  readonly end: Promise<StreamEnd>;
  connected!: () => void;
  ended!: () => void;
  closed!: (end: StreamEnd) => void;

  constructor() {
    this.isConnected = new Promise((resolve) => { this.connected = resolve; });
    this.isEnded = new Promise((resolve) => { this.ended = resolve; });
    this.end = new Promise((resolve) => { this.closed = resolve; });
  }

  data(bytes: Uint8Array): void {
    this.chunks.push(Buffer.from(bytes));
  }

  drained(): void {
    this.drains++;
  }
}

const open: Server[] = [];
afterEach(() => { for (const server of open.splice(0)) server.close(); });

async function server(serve: (socket: Socket) => void): Promise<number> {
  const made = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  open.push(made);
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  return (made.address() as AddressInfo).port;
}

const network = new NodeNetwork();

function connected(port: number): { told: Told; stream: HostStream } {
  const told = new Told();
  return { told, stream: network.connect({ address: '127.0.0.1', port }, told) };
}

describe('a stream of the host', () => {
  it('carries both ways, and each way ends by itself', async () => {
    const heard: Buffer[] = [];
    const port = await server((socket) => {
      socket.on('data', (part: Buffer) => heard.push(part));
      socket.on('end', () => { socket.end('all of it'); });
    });
    const { told, stream } = connected(port);
    await told.isConnected;
    stream.write(Uint8Array.from(Buffer.from('one ')));
    stream.write(Uint8Array.from(Buffer.from('two')));
    stream.end();
    await told.isEnded;
    expect(await told.end).toBe('closed');
    expect([Buffer.concat(heard).toString(), Buffer.concat(told.chunks).toString(), told.drains]).toEqual(['one two', 'all of it', 1]);
    expect(stream.unsentBytes).toBe(0);
  });

  it('says that nobody listens', async () => {
    const port = await server(() => {});
    open.splice(0).forEach((made) => made.close());
    expect(await connected(port).told.end).toBe('refused');
  });

  it('says that the other side broke it', async () => {
    const port = await server((socket) => { socket.once('data', () => { socket.resetAndDestroy(); }); });
    const { told, stream } = connected(port);
    await told.isConnected;
    stream.write(Uint8Array.of(1));
    expect(await told.end).toBe('reset');
  });

  it('breaks with a reset, and is silent afterwards', async () => {
    const broken = new Promise<string | undefined>((resolve) => {
      void server((socket) => {
        socket.on('error', (error: NodeJS.ErrnoException) => { resolve(error.code); });
        socket.on('end', () => { resolve('ended in order'); });
        socket.on('data', () => {});
      }).then(async (port) => {
        const { told, stream } = connected(port);
        await told.isConnected;
        stream.destroy();
        void told.end.then(() => { resolve('the stream still spoke'); });
      });
    });
    expect(await broken).toBe('ECONNRESET');
  });

  it('counts what the host has not taken, and does not read while it is paused', async () => {
    const sockets: Socket[] = [];
    const port = await server((socket) => {
      sockets.push(socket);
      socket.pause();
      socket.write(Buffer.alloc(100_000));
    });
    const { told, stream } = connected(port);
    stream.pause();
    await told.isConnected;
    stream.write(new Uint8Array(64 << 20));
    expect(stream.unsentBytes).toBeGreaterThan(1 << 20);
    stream.resume();
    while (told.chunks.reduce((sum, { length }) => sum + length, 0) < 100_000) await new Promise((resolve) => { setImmediate(resolve); });
    sockets[0]!.resume();
    while (stream.unsentBytes > 0) await new Promise((resolve) => { setImmediate(resolve); });
    expect(told.drains).toBeGreaterThan(0);
    stream.destroy();
  });

  it('that nobody waits for breaks when nothing of it moves any more', async () => {
    const port = await server((socket) => { socket.pause(); });
    const { told, stream } = connected(port);
    await told.isConnected;
    stream.write(new Uint8Array(64 << 20));
    stream.end();
    stream.breakWhenIdle(1);
    expect(await told.end).toBe('closed');
    expect(stream.unsentBytes).toBeGreaterThan(0);
  });
});

describe('a port of the host', () => {
  it('gives its visitors to who listens, without losing what they say before they are taken', async () => {
    const port = await server(() => {});
    open.splice(0).forEach((made) => made.close());
    const told = new Told();
    let stream!: HostStream;
    const problem = await new Promise<string | undefined>((resolve) => {
      const listener = network.listen({ address: '127.0.0.1', port }, (visitor) => {
        expect(visitor.from.address).toBe('127.0.0.1');
        setImmediate(() => { stream = visitor.accept(told); });
        listener.close();
      }, resolve);
    });
    expect(problem).toBeUndefined();
    const visitor = connect({ host: '127.0.0.1', port });
    visitor.end('early');
    await told.isEnded;
    expect(Buffer.concat(told.chunks).toString()).toBe('early');
    stream.end();
    expect(await told.end).toBe('closed');
  });

  it('that is taken says so, by TCP and UDP', async () => {
    const port = await server(() => {});
    expect(await new Promise((resolve) => { network.listen({ address: '127.0.0.1', port }, () => {}, resolve); })).toBe('is in use already');
    const other = createSocket('udp4').bind(0, '127.0.0.1');
    await once(other, 'listening');
    const events = { received: () => {}, failed: () => {} };
    expect(await new Promise((resolve) => { network.openDatagrams(4, { address: '127.0.0.1', port: other.address().port }, events, resolve); })).toBe('is in use already');
    other.close();
  });
});

describe('datagrams', () => {
  it('go out and come in', async () => {
    const echo = createSocket('udp4').bind(0, '127.0.0.1');
    await once(echo, 'listening');
    echo.on('message', (message, from) => { echo.send(message, from.port, from.address); });
    const { port } = echo.address();
    const answer = await new Promise<{ address: string; port: number; text: string }>((resolve) => {
      const socket = network.openDatagrams(4, undefined, {
        received: (from, payload) => {
          socket.close();
          resolve({ ...from, text: Buffer.from(payload).toString() });
        },
        failed: () => {},
      });
      socket.send({ address: '127.0.0.1', port }, Buffer.from('hello'));
    });
    expect(answer).toEqual({ address: '127.0.0.1', port, text: 'hello' });
    echo.close();
  });
});

describe('names', () => {
  const asked = (name: string, type: 'A' | 'AAAA'): Promise<NameAnswer> => new Promise((resolve) => { network.resolve(name, type, resolve); });

  it('are resolved as the system does', async () => {
    const answer = await asked('localhost', 'A');
    expect('records' in answer && answer.records.map(({ data }) => [...data])).toEqual([[127, 0, 0, 1]]);
  });

  it('that are addresses are of one family only', async () => {
    expect(await asked('127.0.0.1', 'AAAA')).toEqual({ failure: 'no-data' });
  });

  it('of the host\'s own networks name its loopback', () => {
    expect(network.localNetworks()).toContain('127.0.0.1/8');
  });
});
