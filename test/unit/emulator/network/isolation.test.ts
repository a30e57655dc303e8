/** Every way out of a network that a guest might try, by frames made by hand: the host opens no socket for any of them. */
import { describe, expect, it } from 'vitest';
import { BROADCAST, ethernet, GATEWAY_MAC, icmp6, ip, readIp, SYN, sum16, tcp, text, udp, word } from './frames-by-hand.ts';
import { NatRig } from './nat-rig.ts';

const GUEST_IPV6 = 'fd47:6865:7374:0:0:0:0:15';
/** The host's own networks in these tests: private ones, and public ones of both families. */
const OWN_NETWORKS = ['127.0.0.1/8', '::1/128', '192.168.7.5/24', '198.41.0.10/24', '2a00:1450:1:2::10/64', 'fd12:3456::5/64', 'fe80::10/64'];

const FORBIDDEN_IPV4: readonly (readonly [string, string])[] = [
  ['the host\'s loopback', '127.0.0.1'], ['another address of the loopback', '127.8.9.10'], ['"this host"', '0.0.0.0'], ['"this network"', '0.1.2.3'],
  ['the gateway, which stands for the loopback', '10.0.2.2'], ['the resolver\'s other ports', '10.0.2.3'], ['another machine of the network', '10.0.2.16'],
  ['a private network', '10.77.0.1'], ['a private network of the second block', '172.17.0.1'], ['the host\'s local network', '192.168.7.1'],
  ['the host by its local address', '192.168.7.5'], ['the host by its public address', '198.41.0.10'], ['a neighbour in the host\'s public network', '198.41.0.77'],
  ['a carrier\'s network', '100.64.0.1'], ['the metadata of a cloud', '169.254.169.254'], ['Azure\'s wire server', '168.63.129.16'],
  ['a benchmark network', '198.18.0.1'], ['a reserved address', '240.0.0.1'], ['multicast', '224.0.0.251'], ['everybody', '255.255.255.255'],
];
const FORBIDDEN_IPV6: readonly (readonly [string, string])[] = [
  ['the host\'s loopback', '0:0:0:0:0:0:0:1'], ['no address', '0:0:0:0:0:0:0:0'], ['the IPv4 loopback, mapped', '0:0:0:0:0:ffff:7f00:1'],
  ['the local network, mapped', '0:0:0:0:0:ffff:c0a8:701'], ['the IPv4 loopback, compatible', '0:0:0:0:0:0:7f00:1'], ['the IPv4 loopback through NAT64', '64:ff9b:0:0:0:0:7f00:1'],
  ['the IPv4 loopback through 6to4', '2002:7f00:1:0:0:0:0:1'], ['a Teredo address', '2001:0:7f00:1:0:0:0:1'],
  ['the gateway, which stands for the loopback', 'fd47:6865:7374:0:0:0:0:2'], ['the gateway by its link', 'fe80:0:0:0:0:0:0:2'],
  ['another machine of the network', 'fd47:6865:7374:0:0:0:0:16'], ['a private network', 'fd12:3456:0:0:0:0:0:1'], ['the host by its private address', 'fd12:3456:0:0:0:0:0:5'],
  ['the host by its public address', '2a00:1450:1:2:0:0:0:10'], ['a neighbour in the host\'s public network', '2a00:1450:1:2:0:0:0:77'],
  ['a neighbour by its link', 'fe80:0:0:0:0:0:0:99'], ['Amazon\'s metadata', 'fd00:ec2:0:0:0:0:0:254'], ['all nodes', 'ff02:0:0:0:0:0:0:1'], ['documentation', '2001:db8:0:0:0:0:0:1'],
];

function isolated(options: ConstructorParameters<typeof NatRig>[0] = {}): NatRig {
  const rig = new NatRig(options);
  rig.host.networks = OWN_NETWORKS;
  return rig;
}

function tryAll(rig: NatRig, to: string, from: string): void {
  for (const toPort of [22, 80, 445]) {
    rig.sendTcp({ from, to, fromPort: 40_000 + toPort, toPort, sequence: 1, flags: SYN });
    rig.sendUdp(to, 50_000 + toPort, toPort, text('datagram'), from);
  }
  // In two fragments, of which the second has no ports.
  if (!from.includes(':')) {
    const datagram = udp({ from, to, fromPort: 1, toPort: 53 }, new Array<number>(40).fill(7));
    rig.sendIp({ from, to, protocol: 17, identification: 9, flagsAndOffset: 0x2000 }, datagram.slice(0, 24));
    rig.sendIp({ from, to, protocol: 17, identification: 9, flagsAndOffset: 3 }, datagram.slice(24));
    // And with a source route (RFC 791) over an address that is allowed.
    const segment = tcp({ from, to, fromPort: 2, toPort: 80, sequence: 1, flags: SYN });
    const bytes = ip({ from, to, protocol: 6 }, segment);
    const header = [0x47, 0, ...word(28 + segment.length), 0, 0, 0, 0, 64, 6, 0, 0, ...bytes.slice(12, 20), 0x83, 7, 4, 93, 184, 216, 34, 0];
    header.splice(10, 2, ...word(sum16(header)));
    rig.send(ethernet(0x0800, [...header, ...segment]));
  }
}

/** Neither a socket nor a question to a resolver, and no answer but "prohibited" and resets. */
function expectNothingOpened(rig: NatRig): void {
  expect({ streams: rig.host.streams.map(({ to }) => to), datagrams: rig.host.datagrams.flatMap(({ sent }) => sent.map(({ to }) => to)), questions: rig.host.questions })
    .toEqual({ streams: [], datagrams: [], questions: [] });
}

describe('a guest that may reach the internet', () => {
  it.each(FORBIDDEN_IPV4)('does not reach %s (%s)', (_what, to) => {
    const rig = isolated();
    tryAll(rig, to, '10.0.2.15');
    expectNothingOpened(rig);
  });

  it.each(FORBIDDEN_IPV6)('does not reach %s (%s)', (_what, to) => {
    const rig = isolated();
    tryAll(rig, to, GUEST_IPV6);
    expectNothingOpened(rig);
  });

  it('does reach the internet, by both families', () => {
    const rig = isolated();
    rig.sendTcp({ to: '93.184.216.34', fromPort: 1, toPort: 80, sequence: 1, flags: SYN });
    rig.sendTcp({ from: GUEST_IPV6, to: '2606:2800:220:1:0:0:0:1', fromPort: 1, toPort: 80, sequence: 1, flags: SYN });
    rig.sendUdp('93.184.216.34', 1, 2, [1]);
    expect([rig.host.streams.length, rig.host.datagrams.length]).toEqual([2, 1]);
  });
});

describe('a guest that may reach nothing', () => {
  it('reaches none of these either, nor the internet', () => {
    const rig = isolated({ reach: 'nothing', allow: [{ host: 'loopback' }, { host: '0.0.0.0/0' }] });
    for (const [, to] of FORBIDDEN_IPV4) tryAll(rig, to, '10.0.2.15');
    for (const [, to] of FORBIDDEN_IPV6) tryAll(rig, to, GUEST_IPV6);
    tryAll(rig, '93.184.216.34', '10.0.2.15');
    tryAll(rig, '2606:2800:220:1:0:0:0:1', GUEST_IPV6);
    expectNothingOpened(rig);
  });
});

describe('a guest with one allowed port of the host', () => {
  it.each([[22, 0], [8080, 1]])('by the gateway\'s address reaches port %i %i times', (toPort, times) => {
    const rig = isolated({ reach: 'listed', allow: [{ host: 'loopback', port: 8080 }] });
    for (const to of ['10.0.2.2', '127.0.0.1', '192.168.7.5', '0.0.0.0']) rig.sendTcp({ to, fromPort: 1, toPort, sequence: 1, flags: SYN });
    expect(rig.host.streams.map(({ to }) => to)).toEqual(new Array(times).fill({ address: '127.0.0.1', port: 8080 }));
  });
});

describe('a guest that spoofs', () => {
  const target = '93.184.216.34';

  it.each([
    '127.0.0.1', '0.0.0.0', '10.0.2.2', '10.0.2.3', '10.0.2.255', '10.0.3.15', '192.168.7.5', '8.8.8.8', '224.0.0.1', '255.255.255.255', target,
  ])('%s as its source is not heard', (from) => {
    const rig = isolated();
    tryAll(rig, target, from);
    expectNothingOpened(rig);
    expect(rig.frames()).toEqual([]);
  });

  it.each([
    '0:0:0:0:0:0:0:1', 'fd47:6865:7374:0:0:0:0:2', 'fd47:6865:7374:0:0:0:0:3', 'fe80:0:0:0:0:0:0:2', 'fd12:3456:0:0:0:0:0:5', '2a00:1450:1:2:0:0:0:10', 'ff02:0:0:0:0:0:0:1', '0:0:0:0:0:ffff:a00:20f',
  ])('%s as its source is not heard', (from) => {
    const rig = isolated();
    tryAll(rig, '2606:2800:220:1:0:0:0:1', from);
    expectNothingOpened(rig);
  });

  it('MAC addresses is not heard where they are the gateway\'s, a group\'s or for somebody else', () => {
    const rig = isolated();
    const segment = ip({ to: target, protocol: 6 }, tcp({ to: target, fromPort: 1, toPort: 80, sequence: 1, flags: SYN }));
    rig.send(ethernet(0x0800, segment, GATEWAY_MAC, GATEWAY_MAC));
    rig.send(ethernet(0x0800, segment, GATEWAY_MAC, BROADCAST));
    rig.send(ethernet(0x0800, segment, GATEWAY_MAC, [0x01, 0, 0x5e, 0, 0, 1]));
    rig.send(ethernet(0x0800, segment, [2, 2, 2, 2, 2, 2]));
    expectNothingOpened(rig);
  });

  it('the gateway in ARP or as an IPv6 neighbour does not get what is for it', () => {
    const rig = isolated({ forwards: [{ protocol: 'tcp', host: { address: '127.0.0.1', port: 2222 }, guest: { port: 22 } }] });
    rig.send(ethernet(0x0806, [0, 1, 8, 0, 6, 4, 0, 2, 2, 2, 2, 2, 2, 2, 10, 0, 2, 2, ...GATEWAY_MAC, 10, 0, 2, 2], GATEWAY_MAC, [2, 2, 2, 2, 2, 2]));
    const gateway = 'fd47:6865:7374:0:0:0:0:2';
    rig.sendIp({ from: gateway, to: gateway, protocol: 58, ttl: 255 }, icmp6(gateway, gateway, [136, 0, 0, 0, 0x60, 0, 0, 0, ...new Array<number>(16).fill(0), 2, 1, 2, 2, 2, 2, 2, 2]));
    rig.frames();
    rig.sendUdp('10.0.2.3', 1, 53, [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 97, 0, 0, 1, 0, 1]);
    expect(rig.host.questions.map(({ name }) => name)).toEqual(['a']);
    rig.host.questions[0]!.answered({ records: [] });
    expect(rig.frames().map(({ bytes }) => [[...bytes.subarray(0, 6)], readIp(bytes).to])).toEqual([[[0x52, 0x47, 0x48, 1, 2, 3], '10.0.2.15']]);
  });
});
