import { describe, expect, it } from 'vitest';

import { ReachPolicy, type AllowedTarget, type Reach } from '../../../../src/emulator/network/policy.ts';
import { BROADCAST, ethernet, GATEWAY_MAC, GUEST_MAC, ip, text, udp, word } from './frames-by-hand.ts';
import { GuestConnection, NatRig, SECOND } from './nat-rig.ts';

const LOCAL = ['127.0.0.1/8', '192.168.7.5/24', '198.41.0.10/24', '2600:1234:5678:9::5/64'];

function reached(reach: Reach, allow: readonly AllowedTarget[], address: string, port = 80): string | undefined {
  const target = new ReachPolicy(reach, allow, () => LOCAL, () => 0).resolve({ address, port });
  return target === undefined ? undefined : `${target.address}:${target.port}`;
}

describe('the internet alone', () => {
  it.each(['93.184.216.34', '1.1.1.1', '172.32.0.1', '192.169.0.1', '100.128.0.1', '198.20.0.1', '223.255.255.1', '2606:2800:220:1::80', '2a00:1450::1'])('%s is of it', (address) => {
    expect(reached('internet', [], address)).toBe(`${address}:80`);
  });

  it.each([
    '127.0.0.1', '127.8.9.1', '0.0.0.0', '10.0.0.1', '10.0.2.15', '10.0.2.99', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.168.7.1', '169.254.169.254', '100.64.0.1', '198.18.0.1',
    '192.0.2.1', '198.51.100.7', '203.0.113.9', '192.88.99.1', '224.0.0.251', '239.1.1.1', '240.0.0.1', '255.255.255.255',
    '::', '::1', '::ffff:93.184.216.34', '::ffff:127.0.0.1', 'fe80::1', 'fc00::1', 'fd47:6865:7374::15', 'fd00::1', 'ff02::1', '64:ff9b::7f00:1', '2002:7f00:1::', '2001:0:1::', '2001:db8::1',
    // Public, but networks that the host is in.
    '198.41.0.10', '198.41.0.77', '2600:1234:5678:9::77',
    // The network's own.
    '10.0.2.2', '10.0.2.3', 'fd47:6865:7374::2', 'fd47:6865:7374::3', 'fe80::2',
  ])('%s is not', (address) => {
    expect(reached('internet', [], address)).toBeUndefined();
  });
});

describe('what is listed', () => {
  it('opens addresses, blocks and ports, with the internet and without', () => {
    const allow = [{ host: '192.168.7.1', port: 22 }, { host: '172.16.0.0/12' }, { host: 'fd00:1::/32', port: 443 }];
    for (const reach of ['internet', 'listed'] as const) {
      expect(reached(reach, allow, '192.168.7.1', 22)).toBe('192.168.7.1:22');
      expect(reached(reach, allow, '192.168.7.1', 23)).toBeUndefined();
      expect(reached(reach, allow, '192.168.7.2', 22)).toBeUndefined();
      expect(reached(reach, allow, '172.20.3.4', 9)).toBe('172.20.3.4:9');
      expect(reached(reach, allow, 'fd00:1::7', 443)).toBe('fd00:1::7:443');
      expect(reached(reach, allow, 'fd00:1::7', 80)).toBeUndefined();
    }
    expect(reached('listed', allow, '93.184.216.34')).toBeUndefined();
    expect(reached('nothing', allow, '172.20.3.4', 9)).toBeUndefined();
  });

  it('opens the host\'s loopback by the gateway\'s address only', () => {
    const allow = [{ host: 'loopback', port: 8080 }];
    expect(reached('internet', allow, '10.0.2.2', 8080)).toBe('127.0.0.1:8080');
    expect(reached('internet', allow, 'fd47:6865:7374::2', 8080)).toBe('::1:8080');
    expect(reached('internet', allow, '10.0.2.2', 8081)).toBeUndefined();
    expect(reached('internet', allow, '127.0.0.1', 8080)).toBeUndefined();
    expect(reached('internet', [{ host: '127.0.0.1' }, { host: '0.0.0.0/0' }, { host: '::/0' }], '127.0.0.1', 8080)).toBeUndefined();
  });

  it.each(['169.254.169.254', '224.0.0.1', '255.255.255.255', 'ff02::1', 'fe80::1', '::1', '0.0.0.0', '::ffff:10.1.1.1'])('never opens %s', (address) => {
    expect(reached('listed', [{ host: '0.0.0.0/0' }, { host: '::/0' }, { host: address }], address)).toBeUndefined();
  });

  it('names below a listed one lead to the internet only, whatever address their owner gives them', () => {
    const policy = new ReachPolicy('listed', [{ host: '*.example.net' }, { host: 'nas.example.org' }], () => LOCAL, () => 0);
    for (const [name, address] of [['a.example.net', '93.184.216.34'], ['b.example.net', '192.168.7.1'], ['c.example.net', 'fd00::1'], ['nas.example.org', '192.168.7.9']] as const) {
      policy.nameResolved(name, address, 60);
    }
    expect(policy.resolve({ address: '93.184.216.34', port: 443 })).toBeDefined();
    expect(policy.resolve({ address: '192.168.7.1', port: 22 })).toBeUndefined();
    expect(policy.resolve({ address: 'fd00::1', port: 22 })).toBeUndefined();
    expect(policy.resolve({ address: '192.168.7.9', port: 445 })).toBeDefined();
  });

  it('opens what an allowed name stands for, for its time, and no other name', () => {
    let now = 0;
    const policy = new ReachPolicy('listed', [{ host: 'example.org', port: 443 }, { host: '*.debian.org' }], () => LOCAL, () => now);
    expect(['example.org', 'EXAMPLE.org', 'ftp.debian.org', 'debian.org', 'badexample.org', 'example.org.evil'].map((name) => policy.allowsName(name))).toEqual([true, true, true, false, false, false]);
    policy.nameResolved('example.org', '93.184.216.34', 60);
    policy.nameResolved('evil.example', '1.2.3.4', 60);
    expect(policy.resolve({ address: '93.184.216.34', port: 443 })).toBeDefined();
    expect(policy.resolve({ address: '93.184.216.34', port: 80 })).toBeUndefined();
    expect(policy.resolve({ address: '1.2.3.4', port: 443 })).toBeUndefined();
    now = 301;
    expect(policy.resolve({ address: '93.184.216.34', port: 443 })).toBeUndefined();
    policy.nameResolved('example.org', '169.254.169.254', 60);
    policy.nameResolved('example.org', '127.0.0.1', 60);
    expect(policy.resolve({ address: '169.254.169.254', port: 443 })).toBeUndefined();
    expect(policy.resolve({ address: '127.0.0.1', port: 443 })).toBeUndefined();
  });
});

describe('a guest that may not', () => {
  it('is told so, and the host opens nothing', () => {
    const rig = new NatRig();
    new GuestConnection(rig, { to: '192.168.7.1' }).syn();
    expect(rig.packets()).toMatchObject([{ protocol: 1, from: '192.168.7.1' }]);
    rig.sendUdp('192.168.7.1', 4000, 53, [1]);
    const [error] = rig.packets();
    expect(error!.payload.slice(0, 2)).toEqual([3, 13]);
    expect([rig.host.streams, rig.host.datagrams]).toEqual([[], []]);
  });

  it('asks for no names where it may reach nothing, and only for listed ones where they are', () => {
    const asked = (rig: NatRig, label: string): number => {
      rig.sendUdp('10.0.2.3', 1, 53, [...word(1), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, label.length, ...text(label), 0, 0, 1, 0, 1]);
      return rig.host.questions.length;
    };
    expect(asked(new NatRig({ reach: 'nothing' }), 'secret')).toBe(0);
    const listed = new NatRig({ reach: 'listed', allow: [{ host: 'wanted' }] });
    expect([asked(listed, 'secret'), asked(listed, 'wanted')]).toEqual([0, 1]);
    listed.host.questions[0]!.answered({ records: [{ type: 'A', ttlSeconds: 5, data: Uint8Array.of(192, 168, 7, 9) }] });
    new GuestConnection(listed, { to: '192.168.7.9' }).syn();
    expect(listed.host.streams.map(({ to }) => to)).toEqual([{ address: '192.168.7.9', port: 80 }]);
  });

  it.each([
    ['of another network', { from: '192.168.7.9' }], ['of the internet', { from: '8.8.8.8' }], ['the gateway', { from: '10.0.2.2' }], ['the resolver', { from: '10.0.2.3' }],
    ['the broadcast address', { from: '10.0.2.255' }], ['loopback', { from: '127.0.0.1' }], ['multicast', { from: '224.0.0.1' }],
  ])('as a source that is %s is not heard', (_what, { from }) => {
    const rig = new NatRig();
    rig.sendTcp({ from, to: '93.184.216.34', fromPort: 1, toPort: 80, sequence: 1, flags: 2 });
    rig.sendUdp('93.184.216.34', 1, 2, [1], from);
    expect([rig.host.streams, rig.host.datagrams, rig.frames()]).toEqual([[], [], []]);
    expect(rig.network.figures().dropped).toBe(2);
  });

  it('by frames for another MAC address, or from the gateway\'s or a group is not heard', () => {
    const rig = new NatRig();
    const packet = ip({ to: '93.184.216.34', protocol: 17 }, udp({ to: '93.184.216.34', fromPort: 1, toPort: 2 }, [1]));
    rig.send(ethernet(0x0800, packet, [2, 2, 2, 2, 2, 2]));
    rig.send(ethernet(0x0800, packet, GATEWAY_MAC, GATEWAY_MAC));
    rig.send(ethernet(0x0800, packet, GATEWAY_MAC, BROADCAST));
    expect(rig.host.datagrams).toEqual([]);
    rig.send(ethernet(0x0800, packet, GATEWAY_MAC, GUEST_MAC));
    expect(rig.host.datagrams.length).toBe(1);
  });

  it('by multicasts and broadcasts stays on its side', () => {
    const rig = new NatRig({ reach: 'listed', allow: [{ host: '0.0.0.0/0' }] });
    for (const to of ['224.0.0.251', '255.255.255.255', '10.0.2.255', '239.255.255.250']) rig.sendUdp(to, 5353, 5353, [1]);
    rig.sendTcp({ to: '224.0.0.1', fromPort: 1, toPort: 80, sequence: 1, flags: 2 });
    expect([rig.host.datagrams, rig.host.streams]).toEqual([[], []]);
  });
});

describe('datagrams', () => {
  it('go out by one socket for each port of the guest, and only who was written to may answer', () => {
    const rig = new NatRig();
    rig.sendUdp('93.184.216.34', 4000, 1000, text('ping'));
    rig.sendUdp('1.1.1.1', 4000, 1001, text('also'));
    rig.sendUdp('1.1.1.1', 4001, 1001, text('other'));
    expect(rig.host.datagrams.map(({ sent }) => sent.map(({ to, payload }) => [to.address, to.port, Buffer.from(payload).toString()]))).toEqual([
      [['93.184.216.34', 1000, 'ping'], ['1.1.1.1', 1001, 'also']], [['1.1.1.1', 1001, 'other']],
    ]);
    const [socket] = rig.host.datagrams;
    socket!.events.received({ address: '93.184.216.34', port: 1000 }, Uint8Array.from(text('pong')));
    socket!.events.received({ address: '93.184.216.34', port: 9 }, Uint8Array.from(text('port')));
    socket!.events.received({ address: '8.8.8.8', port: 1000 }, Uint8Array.from(text('host')));
    expect(rig.datagrams()).toEqual([{ from: '93.184.216.34', to: '10.0.2.15', fromPort: 1000, toPort: 4000, payload: text('pong') }]);
  });

  it('of the host\'s loopback come from the gateway', () => {
    const rig = new NatRig({ allow: [{ host: 'loopback', port: 123 }] });
    rig.sendUdp('10.0.2.2', 4000, 123, [1]);
    expect(rig.host.datagrams[0]!.sent[0]!.to).toEqual({ address: '127.0.0.1', port: 123 });
    rig.host.datagrams[0]!.events.received({ address: '127.0.0.1', port: 123 }, Uint8Array.of(2));
    expect(rig.datagrams()).toMatchObject([{ from: '10.0.2.2', fromPort: 123, payload: [2] }]);
  });

  it('that are long come in fragments', () => {
    const rig = new NatRig();
    rig.sendUdp('93.184.216.34', 4000, 1000, [1]);
    rig.host.datagrams[0]!.events.received({ address: '93.184.216.34', port: 1000 }, new Uint8Array(4000));
    expect(rig.packets().map(({ flagsAndOffset, payload }) => [flagsAndOffset, payload.length])).toEqual([[0x2000, 1480], [0x2000 | 185, 1480], [370, 4008 - 2960]]);
  });

  it('lose their socket after two minutes of silence, and the eldest one when there are too many', () => {
    const rig = new NatRig();
    rig.sendUdp('93.184.216.34', 4000, 1000, [1]);
    rig.sendUdp('1.1.1.1', 4001, 123, [1]);
    rig.clock.advance(40 * SECOND);
    expect(rig.host.datagrams.map(({ isClosed }) => isClosed)).toEqual([false, true]);
    rig.clock.advance(100 * SECOND);
    expect(rig.host.datagrams.map(({ isClosed }) => isClosed)).toEqual([true, true]);
    for (let port = 1; port <= 600; port++) rig.sendUdp('93.184.216.34', port, 1000, [1]);
    expect(rig.network.figures().udpFlows).toBe(512);
    expect(rig.host.datagrams.filter(({ isClosed }) => !isClosed).length).toBe(512);
  });

  it('come in through a forwarded port, each sender by a port of the gateway, and go back', () => {
    const rig = new NatRig({ forwards: [{ protocol: 'udp', host: { address: '127.0.0.1', port: 5000 }, guest: { port: 53 } }] });
    rig.sendUdp('1.1.1.1', 9, 9, [1]);
    const [socket] = rig.host.datagrams;
    expect(socket!.at).toEqual({ address: '127.0.0.1', port: 5000 });
    socket!.events.received({ address: '127.0.0.1', port: 40_000 }, Uint8Array.of(1));
    socket!.events.received({ address: '127.0.0.1', port: 40_001 }, Uint8Array.of(2));
    const [first, second] = rig.datagrams();
    expect(first).toMatchObject({ from: '10.0.2.2', to: '10.0.2.15', toPort: 53, payload: [1] });
    expect(second!.fromPort).not.toBe(first!.fromPort);
    rig.sendUdp('10.0.2.2', 53, first!.fromPort, [3]);
    expect(socket!.sent).toEqual([{ to: { address: '127.0.0.1', port: 40_000 }, payload: Uint8Array.of(3) }]);
  });
});
