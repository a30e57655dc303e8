import { describe, expect, it } from 'vitest';

import type { StreamEvents } from '../../../../src/emulator/network/host-network.ts';
import { ACK, ethernet, FIN, ip, PSH, readIp, RST, SYN, tcp, text } from './frames-by-hand.ts';
import { GuestConnection, NatRig, SECOND } from './nat-rig.ts';

const WINDOW_SCALE = (shift: number): number[] => [2, 4, 5, 0xb4, 1, 3, 3, shift];
const ALL_OFFLOADS = { checksum: true, tcp4: true, tcp6: true };

function opened(options?: readonly number[]): GuestConnection {
  return new GuestConnection(new NatRig()).open(options);
}

const bytes = (length: number, seed = 0): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7 + seed) & 0xff);

describe('opening', () => {
  it('connects the host first, and answers the SYN with what was negotiated', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn(WINDOW_SCALE(7));
    expect(rig.segments()).toEqual([]);
    expect(connection.host.to).toEqual({ address: '93.184.216.34', port: 80 });
    connection.host.events.connected();
    const [answer] = rig.segments();
    expect(answer).toMatchObject({ fromPort: 80, toPort: 40_000, acknowledgment: 5001, flags: SYN | ACK, window: 0xffff });
    expect(answer!.options).toEqual([2, 4, 5, 0xb4, 1, 3, 3, 5]);
  });

  it('offers no window scale to a guest that has none', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.connected();
    expect(rig.segments()[0]!.options).toEqual([2, 4, 5, 0xb4, 1, 1, 1, 0]);
  });

  it('sends the answer again while the guest is silent, and gives up in the end', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.connected();
    rig.segments();
    rig.clock.advance(1.1 * SECOND);
    expect(rig.segments().map(({ flags }) => flags)).toEqual([SYN | ACK]);
    rig.clock.advance(2.1 * SECOND);
    expect(rig.segments().map(({ flags }) => flags)).toEqual([SYN | ACK]);
    rig.clock.advance(1000 * SECOND);
    expect(rig.segments().at(-1)!.flags & RST).toBe(RST);
    expect(connection.host.isDestroyed).toBe(true);
    expect(rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0 });
  });

  it.each([['refused', RST | ACK], ['reset', RST | ACK]] as const)('a host that is %s is a reset to the guest', (end, flags) => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.closed(end);
    expect(rig.segments()).toMatchObject([{ flags, acknowledgment: 5001 }]);
    expect(rig.network.figures().tcpConnections).toBe(0);
  });

  it('a host without a way there is unreachable to the guest, whose packet is quoted', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.closed('unreachable');
    const [error] = rig.packets();
    expect(error).toMatchObject({ protocol: 1, from: '93.184.216.34', to: '10.0.2.15' });
    expect(error!.payload.slice(0, 2)).toEqual([3, 1]);
    expect(error!.payload.slice(8 + 20, 8 + 22)).toEqual([40_000 >> 8, 40_000 & 0xff]);
  });

  it('forgets the host when the guest resets before it is there', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.send(RST, [], { sequence: 5001 });
    expect(connection.host.isDestroyed).toBe(true);
    expect(rig.network.figures().tcpConnections).toBe(0);
  });

  it('answers a segment of no connection with a reset that the guest believes', () => {
    const rig = new NatRig();
    new GuestConnection(rig).send(ACK, [1, 2], { sequence: 77, acknowledgment: 99 });
    expect(rig.segments()).toMatchObject([{ sequence: 99, flags: RST }]);
    new GuestConnection(rig).send(FIN, [1, 2], { sequence: 77 });
    expect(rig.segments()).toMatchObject([{ sequence: 0, acknowledgment: 80, flags: RST | ACK }]);
    new GuestConnection(rig).send(RST, [], { sequence: 77 });
    expect(rig.segments()).toEqual([]);
  });

  it('bounds the connections that a guest can have', () => {
    const rig = new NatRig();
    for (let port = 1; port <= 4200; port++) new GuestConnection(rig, { fromPort: port }).syn();
    expect(rig.host.streams.length).toBe(4096);
    expect(rig.segments().filter(({ flags }) => (flags & RST) !== 0).length).toBe(104);
  });

  it('answers a SYN that comes again because its answer was lost', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.connected();
    rig.segments();
    connection.syn();
    expect(rig.segments()).toMatchObject([{ flags: SYN | ACK, acknowledgment: 5001 }]);
  });

  it('answers what does not belong into a connection being opened by saying what does (RFC 9293 §3.10.7.4)', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig);
    connection.syn();
    connection.host.events.connected();
    const [answer] = rig.segments();
    connection.send(SYN, [], { sequence: 900_000 });
    expect(rig.segments()).toMatchObject([{ flags: ACK, sequence: answer!.sequence + 1, acknowledgment: 5001 }]);
    connection.expected = answer!.sequence + 1;
    connection.send(ACK);
    connection.host.events.data(Uint8Array.of(9));
    expect(connection.receiveAll()).toEqual([9]);
  });
});

describe('from the guest', () => {
  it('passes data on in order and acknowledges it', () => {
    const connection = opened();
    connection.data(text('GET '), {});
    connection.data(text('/ HTTP'));
    expect(connection.host.text).toBe('GET / HTTP');
    connection.rig.clock.advance(2_000_000);
    expect(connection.rig.segments()).toMatchObject([{ acknowledgment: 5011, flags: ACK }]);
  });

  it('acknowledges a little with the answer to it, and much at once', () => {
    const connection = opened();
    connection.data(text('ping'));
    expect(connection.rig.segments()).toEqual([]);
    connection.host.events.data(Uint8Array.from(text('pong')));
    expect(connection.rig.segments()).toMatchObject([{ acknowledgment: 5005, flags: ACK | PSH }]);
    connection.rig.clock.advance(2_000_000);
    expect(connection.rig.segments()).toEqual([]);
    connection.data(Array<number>(1460).fill(0));
    expect(connection.rig.segments()).toEqual([]);
    connection.data(Array<number>(1460).fill(0));
    expect(connection.rig.segments()).toMatchObject([{ acknowledgment: 5005 + 2920, flags: ACK }]);
  });

  it('puts segments in order that come late, twice or overlapping', () => {
    const connection = opened();
    const all = text('0123456789abcdefghij');
    const part = (from: number, to: number): void => { connection.send(ACK, all.slice(from, to), { sequence: 5001 + from }); };
    part(10, 14);
    part(5, 12);
    part(16, 20);
    expect(connection.host.text).toBe('');
    expect(connection.rig.segments().every(({ acknowledgment }) => acknowledgment === 5001)).toBe(true);
    part(0, 7);
    expect(connection.host.text).toBe('0123456789abcd');
    part(0, 16);
    expect(connection.host.text).toBe('0123456789abcdefghij');
    expect(connection.rig.segments().at(-1)!.acknowledgment).toBe(5021);
  });

  it('drops what has a wrong checksum', () => {
    const connection = opened();
    const frame = ethernet(0x0800, ip({ to: '93.184.216.34', protocol: 6 }, tcp({ to: '93.184.216.34', fromPort: 40_000, toPort: 80, sequence: 5001, acknowledgment: connection.expected, flags: ACK }, [1, 2, 3])));
    frame[frame.length - 1]! ^= 1;
    connection.rig.send(frame);
    expect(connection.host.text).toBe('');
  });

  it('takes a segment of 64 KiB whose checksum was left to do', () => {
    const connection = opened(WINDOW_SCALE(7));
    connection.data([1]);
    const payload = bytes(60_000);
    const segment = tcp({ to: '93.184.216.34', fromPort: 40_000, toPort: 80, sequence: connection.next, acknowledgment: connection.expected, flags: ACK });
    segment[16] = 0x12;
    connection.rig.send([...ethernet(0x0800, ip({ to: '93.184.216.34', protocol: 6 }, [...segment, ...payload]))], { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 });
    expect(Buffer.compare(connection.host.written.at(-1)!, payload)).toBe(0);
  });

  it('closes the window while the host takes nothing, and opens it when it does', () => {
    const connection = opened();
    connection.host.holdsBack = true;
    let sent = 0;
    for (let round = 0; round < 2000; round++) {
      connection.data([...bytes(1460)]);
      sent += 1460;
      const last = connection.rig.segments().at(-1);
      if (last?.window === 0) break;
    }
    expect(sent).toBeLessThan(1_200_000);
    expect(connection.rig.network.figures().tcpHeldBytes).toBeLessThan(1_200_000);
    connection.host.drain();
    const [update] = connection.rig.segments();
    expect(update!.window).toBeGreaterThan(30_000);
    expect(connection.rig.network.figures().tcpHeldBytes).toBe(0);
  });

  it('takes no acknowledgment from long ago (RFC 5961)', () => {
    const connection = opened();
    connection.send(ACK, [1], { acknowledgment: (connection.expected - 0x10000) >>> 0 });
    expect(connection.host.text).toBe('');
    expect(connection.rig.segments()).toMatchObject([{ flags: ACK, acknowledgment: connection.next }]);
    connection.send(ACK, [1], { acknowledgment: (connection.expected - 1000) >>> 0 });
    expect(connection.host.text).toBe('\x01');
  });

  it('never takes more than the window it offered', () => {
    const connection = opened();
    connection.send(ACK, [1], { sequence: 5001 + 70_000 });
    connection.send(ACK, [1], { sequence: 5000 - 70_000 });
    expect(connection.host.text).toBe('');
    expect(connection.rig.segments().map(({ acknowledgment }) => acknowledgment)).toEqual([5001, 5001]);
  });
});

describe('to the guest', () => {
  it('cuts data into segments that the guest takes, within its window', () => {
    const connection = opened();
    connection.window = 5000;
    connection.send(ACK);
    connection.host.events.data(bytes(10_000));
    const segments = connection.rig.segments();
    expect(segments.map(({ payload }) => payload.length)).toEqual([1460, 1460, 1460]);
    connection.window = 0xffff;
    connection.expected += 4380;
    connection.send(ACK);
    expect(connection.receiveAll()).toEqual([...bytes(10_000).subarray(4380)]);
  });

  it('gives a driver that takes them segments of up to 64 KiB with their checksum left', () => {
    const rig = new NatRig();
    rig.accept(ALL_OFFLOADS);
    const connection = new GuestConnection(rig).open(WINDOW_SCALE(7));
    connection.host.events.data(bytes(200_000));
    const frames = rig.frames();
    expect(frames[0]!.offload).toEqual({ checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 });
    expect(frames[0]!.bytes.length).toBe(54 + 44 * 1460);
    const { payload } = readIp(frames[0]!.bytes);
    // Addresses, protocol and length, summed: what the guest's card adds the rest to.
    const words = [0x5db8, 0xd822, 0x0a00, 0x020f, 6, payload.length];
    expect(payload[16]! * 256 + payload[17]!).toBe(words.reduce((sum, value) => (sum + value > 0xffff ? sum + value - 0xffff : sum + value), 0));
  });

  it('sends again what is not acknowledged, ever more slowly, and all of it in the end', () => {
    const connection = opened();
    connection.host.events.data(bytes(4000));
    expect(connection.rig.segments().length).toBe(3);
    connection.rig.clock.advance(1.1 * SECOND);
    expect(connection.rig.segments().map(({ sequence, payload }) => [sequence, payload.length])).toEqual([[connection.expected, 1460]]);
    connection.rig.clock.advance(1.5 * SECOND);
    expect(connection.rig.segments()).toEqual([]);
    connection.rig.clock.advance(0.6 * SECOND);
    expect(connection.rig.segments().length).toBe(1);
    connection.expected += 1460;
    connection.send(ACK);
    expect(connection.receiveAll()).toEqual([...bytes(4000).subarray(1460)]);
  });

  it('makes a loss good after three duplicate acknowledgments, without waiting', () => {
    const connection = opened();
    connection.host.events.data(bytes(14_600));
    const segments = connection.rig.segments();
    expect(segments.length).toBe(10);
    for (let count = 0; count < 3; count++) connection.send(ACK);
    expect(connection.rig.segments().map(({ sequence, payload }) => [sequence, payload.length])).toEqual([[connection.expected, 1460]]);
    const [first] = segments;
    connection.expected = (first!.sequence + 14_600) >>> 0;
    connection.send(ACK);
    connection.host.events.data(bytes(100));
    expect(connection.receiveAll().length).toBe(100);
  });

  it('fills every hole of several losses (NewReno)', () => {
    const connection = opened();
    connection.host.events.data(bytes(14_600));
    const segments = connection.rig.segments();
    const start = segments[0]!.sequence;
    for (let count = 0; count < 3; count++) connection.send(ACK);
    connection.rig.segments();
    connection.expected = (start + 3 * 1460) >>> 0;
    connection.send(ACK);
    expect(connection.rig.segments().map(({ sequence }) => sequence)).toEqual([start + 3 * 1460]);
  });

  it('asks a guest with a closed window what it is now', () => {
    const connection = opened();
    connection.window = 0;
    connection.send(ACK);
    connection.host.events.data(bytes(3000));
    expect(connection.rig.segments()).toEqual([]);
    for (let minute = 0; minute < 30; minute++) {
      connection.rig.clock.advance(60 * SECOND);
      for (const { payload } of connection.rig.segments()) {
        expect(payload).toEqual([0]);
        connection.send(ACK);
      }
    }
    connection.window = 0xffff;
    connection.send(ACK);
    expect(connection.receiveAll()).toEqual([...bytes(3000)]);
  });

  it('fills a window that stays too small for a segment, after a while', () => {
    const connection = opened();
    connection.window = 0xffff;
    connection.send(ACK);
    connection.window = 1000;
    connection.send(ACK);
    connection.host.events.data(bytes(3000));
    expect(connection.rig.segments()).toEqual([]);
    connection.rig.clock.advance(10 * SECOND);
    expect(connection.rig.segments()[0]?.payload).toEqual([...bytes(1000)]);
    connection.expected += 1000;
    connection.window = 0xffff;
    connection.send(ACK);
    expect(connection.rig.segments().map(({ payload }) => payload.length)).toEqual([1460, 540]);
  });

  it('gives up a guest that answers nothing any more', () => {
    const connection = opened();
    connection.host.events.data(bytes(10));
    connection.rig.clock.advance(600 * SECOND);
    expect(connection.rig.segments().at(-1)!.flags & RST).toBe(RST);
    expect(connection.host.isDestroyed).toBe(true);
    expect(connection.rig.network.figures().tcpConnections).toBe(0);
  });

  it('stops reading from the host while the guest takes nothing, and goes on when it does', () => {
    const connection = opened();
    let given = 0;
    while (!connection.host.isPaused && given < 10_000_000) {
      connection.host.events.data(bytes(65_536, given));
      given += 65_536;
    }
    expect(given).toBeLessThanOrEqual(600_000);
    const received = connection.receiveAll();
    expect(received.length).toBe(given);
    expect(connection.host.isPaused).toBe(false);
  });

  it('goes on when the ring was full, and loses nothing', () => {
    const rig = new NatRig();
    rig.accept(ALL_OFFLOADS);
    const connection = new GuestConnection(rig).open(WINDOW_SCALE(9));
    const all = bytes(900_000);
    for (let at = 0; at < all.length; at += 65_536) connection.host.events.data(all.slice(at, at + 65_536));
    expect(Buffer.compare(Uint8Array.from(connection.receiveAll()), all)).toBe(0);
  });

  it('puts many small pieces together in order', () => {
    const connection = opened();
    const all = bytes(30_000);
    for (let at = 0; at < all.length; at += 7) connection.host.events.data(all.slice(at, at + 7));
    expect(Buffer.compare(Uint8Array.from(connection.receiveAll()), all)).toBe(0);
  });

  it('counts what single bytes cost, not only what they are', () => {
    const rig = new NatRig();
    const connections = Array.from({ length: 50 }, (_, index) => new GuestConnection(rig, { fromPort: 1000 + index }).open());
    for (const host of rig.host.streams) host.events.data(Uint8Array.of(1));
    const { tcpHeldBytes } = rig.network.figures();
    expect(tcpHeldBytes).toBeGreaterThanOrEqual(50 * 512);
    expect(tcpHeldBytes).toBeLessThan(50 * 2048);
    // A small part keeps no large buffer.
    rig.host.streams[0]!.events.data(new Uint8Array(1 << 20).subarray(5, 3005));
    expect(rig.network.figures().tcpHeldBytes - tcpHeldBytes).toBeLessThan(10_000);
    for (let at = 0; at < 60; at++) connections[0]!.send(ACK, [7], { sequence: 5001 + 10 + 2 * at });
    expect(rig.network.figures().tcpHeldBytes - tcpHeldBytes).toBeGreaterThan(60 * 256);
    for (const connection of connections) connection.send(RST, [], { sequence: connection.next });
    expect(rig.network.figures().tcpHeldBytes).toBe(0);
  });

  it('gives the guest what came before the host broke, and then the reset', () => {
    const connection = opened();
    connection.window = 5000;
    connection.send(ACK);
    connection.host.events.data(bytes(12_000));
    connection.host.events.closed('reset');
    // The guest goes on sending, as it can't know yet.
    connection.data([1, 2, 3]);
    expect(connection.receiveAll()).toEqual([...bytes(12_000)]);
    expect(connection.isReset).toBe(true);
    expect(connection.rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0 });
  });

  it('does not wait for ever for a guest that does not take what came before the host broke', () => {
    const connection = opened();
    connection.window = 0;
    connection.send(ACK);
    connection.host.events.data(bytes(100));
    connection.host.events.closed('reset');
    for (let minute = 0; minute < 5; minute++) {
      connection.data([minute]);
      connection.rig.clock.advance(30 * SECOND);
    }
    expect(connection.rig.segments().some(({ flags }) => (flags & RST) !== 0)).toBe(true);
    expect(connection.rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0 });
  });

  it('holds all connections together within bounds', () => {
    const rig = new NatRig();
    const connections = Array.from({ length: 100 }, (_, index) => new GuestConnection(rig, { fromPort: 1000 + index }).open());
    const hosts = rig.host.streams.slice();
    const chunk = bytes(65_536);
    for (let round = 0; round < 10; round++) {
      for (const host of hosts) if (!host.isPaused) host.events.data(chunk);
      rig.frames();
    }
    expect(rig.network.figures().tcpHeldBytes).toBeLessThan(32 * 1024 * 1024 + 100 * 66_000);
    expect(hosts.every(({ isPaused }) => isPaused)).toBe(true);
    for (const connection of connections) connection.send(RST, [], { sequence: connection.next });
    expect(rig.network.figures()).toMatchObject({ tcpHeldBytes: 0, tcpConnections: 0 });
  });
});

describe('closing', () => {
  it('by the guest first: half-closed, then whole', () => {
    const connection = opened();
    connection.send(FIN | ACK);
    connection.next++;
    expect(connection.host.isEnded).toBe(true);
    expect(connection.rig.segments().at(-1)).toMatchObject({ acknowledgment: 5002 });
    connection.host.events.data(bytes(50));
    expect(connection.receiveAll()).toEqual([...bytes(50)]);
    connection.host.events.ended();
    connection.host.events.closed('closed');
    const [fin] = connection.rig.segments();
    expect(fin!.flags & FIN).toBe(FIN);
    connection.expected = (fin!.sequence + 1) >>> 0;
    connection.send(ACK);
    expect(connection.rig.network.figures().tcpConnections).toBe(0);
  });

  it('by the host first: what is left to send goes before the FIN, and the last ACK comes again if it was lost', () => {
    const connection = opened();
    connection.host.events.data(bytes(100));
    connection.host.events.ended();
    const seen = connection.rig.segments();
    expect(seen.map(({ payload, flags }) => [payload.length, flags & FIN])).toEqual([[100, 0], [0, FIN]]);
    connection.expected = (seen[1]!.sequence + 1) >>> 0;
    connection.send(ACK);
    connection.data([7]);
    expect(connection.host.text).toBe('\x07');
    connection.send(FIN | ACK);
    expect(connection.host.isEnded).toBe(true);
    connection.rig.segments();
    connection.send(FIN | ACK);
    expect(connection.rig.segments()).toMatchObject([{ acknowledgment: connection.next + 1, flags: ACK }]);
    connection.host.events.closed('closed');
    connection.rig.clock.advance(20 * SECOND);
    expect(connection.rig.network.figures().tcpConnections).toBe(0);
  });

  it('sends a lost FIN again', () => {
    const connection = opened();
    connection.host.events.ended();
    connection.rig.segments();
    connection.rig.clock.advance(1.1 * SECOND);
    expect(connection.rig.segments().map(({ flags }) => flags & FIN)).toEqual([FIN]);
  });

  it('a guest may use the ports again at once', () => {
    const connection = opened();
    connection.host.events.ended();
    connection.expected++;
    connection.send(FIN | ACK);
    connection.rig.frames();
    connection.host.events.closed('closed');
    const again = new GuestConnection(connection.rig);
    again.send(SYN, [], { sequence: 900_000 });
    again.host.events.connected();
    expect(connection.rig.segments()).toMatchObject([{ flags: SYN | ACK, acknowledgment: 900_001 }]);
  });

  it('a reset of either side reaches the other', () => {
    const first = opened();
    first.send(RST, [], { sequence: first.next });
    expect(first.host.isDestroyed).toBe(true);
    const second = opened();
    second.host.events.closed('reset');
    expect(second.rig.segments()).toMatchObject([{ flags: RST | ACK, sequence: second.expected }]);
  });

  it('a guessed reset within the window is only answered (RFC 5961)', () => {
    const connection = opened();
    connection.send(RST, [], { sequence: connection.next + 100 });
    expect(connection.host.isDestroyed).toBe(false);
    expect(connection.rig.segments()).toMatchObject([{ flags: ACK, acknowledgment: connection.next }]);
    connection.send(SYN | ACK, [], { sequence: connection.next });
    expect(connection.rig.segments()).toMatchObject([{ flags: ACK }]);
  });

  it('data for a host that is gone resets the connection', () => {
    const connection = opened();
    connection.host.events.ended();
    connection.host.events.closed('closed');
    connection.rig.frames();
    connection.data([1]);
    expect(connection.rig.segments().at(-1)!.flags & RST).toBe(RST);
    expect(connection.rig.network.figures().tcpConnections).toBe(0);
  });

  it('a host that takes the last bytes slowly gets them all: only one that stands still loses its place', () => {
    const connection = opened();
    connection.host.holdsBack = true;
    connection.data([1, 2, 3]);
    connection.send(FIN | ACK);
    connection.next++;
    connection.host.events.ended();
    const fin = connection.rig.segments().at(-1)!;
    connection.expected = (fin.sequence + 1) >>> 0;
    connection.send(ACK);
    expect(connection.host.isDestroyed).toBe(false);
    expect(connection.rig.network.figures()).toMatchObject({ tcpConnections: 1, tcpHeldBytes: 3 });
    connection.rig.clock.advance(1000 * SECOND);
    expect(connection.host).toMatchObject({ isDestroyed: false, idleSeconds: 120 });
    connection.host.events.closed('reset');
    expect(connection.rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0 });
  });

  it('asks a quiet guest after two hours whether it is still there, and answers when it is asked', () => {
    const connection = opened();
    connection.rig.clock.advance(7201 * SECOND);
    expect(connection.rig.segments()).toMatchObject([{ sequence: (connection.expected - 1) >>> 0, flags: ACK, payload: [] }]);
    connection.send(ACK);
    connection.rig.clock.advance(7000 * SECOND);
    expect(connection.rig.segments()).toEqual([]);
    connection.rig.clock.advance(250 * SECOND);
    expect(connection.rig.segments().length).toBe(1);
    connection.rig.clock.advance(700 * SECOND);
    expect(connection.rig.segments().at(-1)!.flags & RST).toBe(RST);
    const asked = opened();
    asked.send(ACK, [], { sequence: asked.next - 1 });
    expect(asked.rig.segments()).toMatchObject([{ flags: ACK, acknowledgment: asked.next }]);
  });

  it('a guest that is reset leaves nothing behind', () => {
    const connection = opened();
    connection.rig.network.guestReset();
    expect(connection.host.isDestroyed).toBe(true);
    expect(connection.rig.segments()).toEqual([]);
    expect(connection.rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0 });
  });
});

describe('a forwarded port', () => {
  function visited() {
    const rig = new NatRig({ forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }] });
    const state: { events?: StreamEvents; refused: boolean; written: string; ended: boolean } = { refused: false, written: '', ended: false };
    const visit = (): void => rig.host.listeners[0]!.accepted({
      from: { address: '127.0.0.1', port: 5555 },
      accept: (events) => {
        state.events = events;
        return { unsentBytes: 0, write: (data) => { state.written += Buffer.from(data).toString(); }, end: () => { state.ended = true; }, breakWhenIdle: () => {}, destroy: () => { state.refused = true; }, pause: () => {}, resume: () => {} };
      },
      refuse: () => { state.refused = true; },
    });
    return { rig, state, visit };
  }

  it('listens at the loopback, asks who has the guest\'s address, and opens a connection from the gateway', () => {
    const { rig, state, visit } = visited();
    expect(rig.host.listeners[0]!.at).toEqual({ address: '127.0.0.1', port: 2222 });
    visit();
    const [question] = rig.frames();
    expect([...question!.bytes.subarray(12, 22)]).toEqual([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    rig.send(ethernet(0x0806, [0, 1, 8, 0, 6, 4, 0, 2, 0x52, 0x47, 0x48, 1, 2, 3, 10, 0, 2, 15, 0x52, 0x47, 0, 0, 0, 2, 10, 0, 2, 2]));
    rig.clock.advance(0.2 * SECOND);
    const [syn] = rig.segments();
    expect(syn).toMatchObject({ flags: SYN, toPort: 22 });
    const peer = { to: '10.0.2.2', fromPort: 22, toPort: syn!.fromPort };
    rig.sendTcp({ ...peer, sequence: 100, acknowledgment: syn!.sequence + 1, flags: SYN | ACK, options: [2, 4, 5, 0xb4] });
    expect(rig.segments()).toMatchObject([{ flags: ACK, acknowledgment: 101, sequence: syn!.sequence + 1 }]);
    rig.sendTcp({ ...peer, sequence: 101, acknowledgment: syn!.sequence + 1, flags: ACK | PSH }, text('SSH-2.0'));
    expect(state.written).toBe('SSH-2.0');
    state.events!.data(Uint8Array.from(text('hello')));
    expect(rig.segments().at(-1)!.payload).toEqual(text('hello'));
  });

  it('waits for a guest that is still starting, ever more patiently, and gives up after three minutes', () => {
    const { rig, state, visit } = visited();
    visit();
    const asked: number[] = [];
    for (let second = 0; second < 179; second++) {
      rig.clock.advance(SECOND);
      if (rig.frames().length > 0) asked.push(second);
    }
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.length).toBeLessThan(12);
    expect(state.refused).toBe(false);
    rig.clock.advance(2 * SECOND);
    expect(state.refused).toBe(true);
    expect(rig.network.figures().tcpConnections).toBe(0);
  });

  it('goes on at once when the guest says that it is there, and when the full link has room', () => {
    const { rig, visit } = visited();
    visit();
    rig.clock.advance(20 * SECOND);
    rig.frames();
    rig.sendUdp('93.184.216.34', 1, 9, []);
    expect(rig.segments()).toMatchObject([{ flags: SYN, toPort: 22 }]);
    for (let ping = 0; ping < 4000; ping++) rig.sendIp({ to: '10.0.2.2', protocol: 1 }, [8, 0, 0xf7, 0xff, ...new Array<number>(300).fill(0)]);
    visit();
    expect(rig.frames(100).every(({ bytes: seen }) => readIp(seen).protocol === 1)).toBe(true);
    expect(rig.segments()).toMatchObject([{ flags: SYN, toPort: 22 }]);
  });

  it('is open to visitors however many connections the guest has open', () => {
    const { rig, visit, state } = visited();
    for (let port = 1; port <= 4200; port++) new GuestConnection(rig, { fromPort: port }).syn();
    rig.segments();
    visit();
    expect(rig.segments()).toMatchObject([{ flags: SYN, toPort: 22 }]);
    expect(state.refused).toBe(false);
    for (let count = 1; count < 1024; count++) visit();
    expect(state.refused).toBe(false);
    visit();
    expect(state.refused).toBe(true);
  });

  it('is closed to the visitor when nobody listens in the guest', () => {
    const { rig, state, visit } = visited();
    rig.sendUdp('93.184.216.34', 1, 9, []);
    rig.frames();
    visit();
    const [syn] = rig.segments();
    rig.sendTcp({ to: '10.0.2.2', fromPort: 22, toPort: syn!.fromPort, sequence: 0, acknowledgment: syn!.sequence + 1, flags: RST | ACK });
    expect(state.refused).toBe(true);
    expect(rig.network.figures().tcpConnections).toBe(0);
  });

  it('stops listening with the network', () => {
    const { rig } = visited();
    rig.network.close();
    expect(rig.host.listeners[0]!.isClosed).toBe(true);
  });
});
