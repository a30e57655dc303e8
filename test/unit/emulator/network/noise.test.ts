import { describe, expect, it } from 'vitest';

import { captureFrame, captureHeader } from '../../../../src/emulator/network/capture.ts';
import { captureBlocks } from '../../../support/pcapng.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { ethernet, ip, sum16, tcp, text, udp, word } from './frames-by-hand.ts';
import { GuestConnection, NatRig, SECOND } from './nat-rig.ts';

const SEEDS = Number(process.env['GUESTHOUSE_LONG_TESTS'] === '1' ? 400 : 12);
const FRAMES = 300;

/** Sound frames of every kind, for noise to fall on. */
function soundFrames(): number[][] {
  const to = '93.184.216.34';
  const dhcp = [1, 1, 6, 0, 1, 2, 3, 4, ...new Array<number>(20).fill(0), 2, 0, 0, 0, 0, 1, ...new Array<number>(202).fill(0), 0x63, 0x82, 0x53, 0x63, 53, 1, 1, 12, 2, 65, 66, 255];
  const dns = [...word(7), 1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 3, ...text('www'), 2, ...text('de'), 0, 0, 1, 0, 1, 0, 0, 41, 4, 0, 0, 0, 0, 0, 0, 0];
  return [
    ethernet(0x0806, [0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x47, 0x48, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2]),
    ethernet(0x0800, ip({ to, protocol: 6 }, tcp({ to, fromPort: 1, toPort: 80, sequence: 5, flags: 2, options: [2, 4, 5, 0xb4, 1, 3, 3, 7] }))),
    ethernet(0x0800, ip({ to, protocol: 6 }, tcp({ to, fromPort: 40_000, toPort: 80, sequence: 5001, flags: 16 }, text('hello')))),
    ethernet(0x0800, ip({ to, protocol: 17 }, udp({ to, fromPort: 1, toPort: 9 }, [1, 2, 3]))),
    ethernet(0x0800, ip({ to: '10.0.2.3', protocol: 17 }, udp({ to: '10.0.2.3', fromPort: 1, toPort: 53 }, dns))),
    ethernet(0x0800, ip({ from: '0.0.0.0', to: '255.255.255.255', protocol: 17 }, udp({ from: '0.0.0.0', to: '255.255.255.255', fromPort: 68, toPort: 67 }, dhcp))),
    ethernet(0x0800, ip({ to: '10.0.2.2', protocol: 1, identification: 4, flagsAndOffset: 0x2000 }, [8, 0, 0, 0, 0, 0, 0, 0])),
    ethernet(0x86dd, ip({ from: 'fd47:6865:7374::5', to: 'fd47:6865:7374::2', protocol: 58, ttl: 255 }, [135, 0, 0, 0, ...new Array<number>(28).fill(1)])),
    ethernet(0x86dd, ip({ from: 'fd47:6865:7374::5', to: '2606::1', protocol: 44 }, [17, 0, 0, 1, 0, 0, 0, 1, ...new Array<number>(24).fill(1)])),
    ethernet(0x86dd, ip({ from: 'fd47:6865:7374::5', to: '2606::1', protocol: 0 }, [60, 0, 1, 4, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0])),
  ];
}

/** IPv4's header checksum is put right again, so that noise gets past it. */
function repaired(frame: number[]): number[] {
  const header = frame.slice(14, 34);
  header.splice(10, 2, 0, 0);
  return frame[12] === 8 && frame[13] === 0 && header.length === 20 ? [...frame.slice(0, 24), ...word(sum16(header)), ...frame.slice(26)] : frame;
}

describe('noise', () => {
  it.each(Array.from({ length: SEEDS }, (_, index) => index + 1))('in any field throws nothing and stays within bounds (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const rig = new NatRig({ reach: 'listed', allow: [{ host: '0.0.0.0/0' }, { host: '::/0' }, { host: 'loopback' }, { host: '*.de' }], forwards: [{ protocol: 'udp', host: { address: '127.0.0.1', port: 1 }, guest: { port: 1 } }] });
    const frames = soundFrames();
    for (let count = 0; count < FRAMES; count++) {
      let frame = [...random.pick(frames)];
      for (let changes = random.below(5); changes > 0; changes--) frame[random.below(frame.length)] = random.pick([0, 1, 2, 0x7f, 0x80, 0xff, random.below(256)]);
      if (random.below(4) === 0) frame = frame.slice(0, 1 + random.below(frame.length));
      if (random.below(4) === 0) frame = [...frame, ...Array.from({ length: random.below(200) }, () => random.below(256))];
      if (random.below(3) !== 0) frame = repaired(frame);
      // A checksum that was left to do: nothing behind it is looked at.
      const isLeft = random.below(2) === 0 && frame.length > 60;
      rig.send(frame, { checksumStart: isLeft ? 34 : 0, checksumOffset: 6, segmentation: random.pick(['none', 'tcp4', 'tcp6']), segmentBytes: random.below(2000) });
      for (const stream of rig.host.streams.splice(0)) {
        const event = random.below(6);
        if (event === 0) stream.events.closed(random.pick(['refused', 'reset', 'unreachable', 'closed'] as const));
        if (event > 2) stream.events.connected();
        if (event > 3) stream.events.data(new Uint8Array(random.below(100_000)));
        if (event === 5) stream.events.ended();
      }
      for (const { answered, type } of rig.host.questions.splice(0)) answered({ records: [{ type, ttlSeconds: random.next32(), data: new Uint8Array(16) }] });
      if (random.below(10) === 0) rig.clock.advance(random.below(100 * SECOND));
      if (random.below(20) !== 0) rig.frames();
      const { tcpConnections, tcpHeldBytes, udpFlows } = rig.network.figures();
      expect(tcpConnections).toBeLessThanOrEqual(1024);
      expect(udpFlows).toBeLessThanOrEqual(768);
      expect(tcpHeldBytes).toBeGreaterThanOrEqual(0);
    }
    rig.network.close();
    expect(rig.network.figures()).toMatchObject({ tcpConnections: 0, tcpHeldBytes: 0, udpFlows: 0 });
    expect(rig.clock.nextDeadline, 'no timer is left behind').toBeUndefined();
  });

  it.each([1, 2, 3])('on an open connection loses and doubles nothing of what both sides say (seed %i)', (seed) => {
    const random = new SeededRandom(seed);
    const connection = new GuestConnection(new NatRig()).open([2, 4, 5, 0xb4, 1, 3, 3, 5]);
    const { rig, host } = connection;
    const down = Uint8Array.from({ length: 120_000 }, () => random.below(256));
    const up = Uint8Array.from({ length: 40_000 }, () => random.below(256));
    let given = 0;
    const received: number[] = [];
    const early = new Map<number, number[]>();
    let acknowledged = 0;
    const start = connection.next;
    for (let turn = 0; turn < 4000 && (received.length < down.length || acknowledged < up.length); turn++) {
      if (given < down.length && !host.isPaused && random.below(4) === 0) {
        const part = down.slice(given, given + 1 + random.below(9000));
        given += part.length;
        host.events.data(part);
      }
      const at = acknowledged + (random.below(3) === 0 ? 0 : random.below(6000));
      if (at < up.length) connection.send(16, [...up.subarray(at, at + 1 + random.below(1460))], { sequence: (start + at) >>> 0 });
      else connection.send(16, [...up.subarray(acknowledged, acknowledged + 1460)], { sequence: (start + acknowledged) >>> 0 });
      for (const segment of rig.segments()) {
        acknowledged = Math.max(acknowledged, (segment.acknowledgment - start) | 0);
        if (random.below(10) === 0) continue;
        early.set(segment.sequence, segment.payload);
        for (const [sequence, payload] of [...early].sort(([a], [b]) => (a - b) | 0)) {
          const known = (connection.expected - sequence) | 0;
          if (known < 0) break;
          early.delete(sequence);
          if (known >= payload.length) continue;
          received.push(...payload.slice(known));
          connection.expected = (sequence + payload.length) >>> 0;
        }
        connection.send(16, [], { sequence: (start + acknowledged) >>> 0 });
      }
      if (random.below(8) === 0) rig.clock.advance(SECOND / 2);
    }
    expect([received.length, acknowledged]).toEqual([down.length, up.length]);
    expect(Buffer.compare(Uint8Array.from(received), down)).toBe(0);
    expect(Buffer.concat(host.written).subarray(0, up.length).compare(up)).toBe(0);
  });
});

describe('a capture', () => {
  it('begins with a section and an Ethernet interface in nanoseconds', () => {
    const [section, description] = captureBlocks(captureHeader('adapter 0'));
    expect([section!.type, [...section!.body]]).toEqual([0x0a0d0d0a, [0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255]]);
    expect([description!.type, [...description!.body]]).toEqual([1, [1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 9, 0, ...text('adapter 0'), 0, 0, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]]);
  });

  it('has frames with time and direction, and the checksum that was left to do', () => {
    const frame = Uint8Array.from(ethernet(0x0800, ip({ to: '10.0.2.15', from: '1.2.3.4', protocol: 6 }, tcp({ from: '1.2.3.4', to: '10.0.2.15', fromPort: 80, toPort: 9, sequence: 1, flags: 16 }, [1, 2, 3]))));
    const whole = frame.slice();
    const partial = frame.slice();
    // What a sender leaves there: the pseudo-header's sum.
    const pseudo = 0xffff - sum16([1, 2, 3, 4, 10, 0, 2, 15, 0, 6, 0, 23]);
    partial[50] = pseudo >> 8;
    partial[51] = pseudo & 0xff;
    const [packet] = captureBlocks(captureFrame(partial, { checksumStart: 34, checksumOffset: 16, segmentation: 'none', segmentBytes: 0 }, 'to-guest', 0x1234_5678_9abc_def0n));
    const view = new DataView(packet!.body.buffer, packet!.body.byteOffset);
    expect([packet!.type, view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true), view.getUint32(16, true)]).toEqual([6, 0x1234_5678, 0x9abc_def0, 57, 57]);
    expect([...packet!.body.subarray(20, 77)]).toEqual([...whole]);
    expect([...packet!.body.subarray(80)]).toEqual([2, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
  });
});
