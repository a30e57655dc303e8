import { describe, expect, it } from 'vitest';

import type { NameRecord } from '../../../../src/emulator/network/host-network.ts';
import type { Lease } from '../../../../src/emulator/network/services/dhcp-server.ts';
import { addressBytes, BROADCAST, ethernet, GATEWAY_MAC, GUEST_MAC, icmp6, ip, ipv6Text, long, readIp, readUdp, sum16, text, udp, word } from './frames-by-hand.ts';
import { GuestConnection, NatRig, SECOND } from './nat-rig.ts';

const arp = (operation: number, sender: string, target: string, mac = GUEST_MAC): number[] =>
  [0, 1, 8, 0, 6, 4, 0, operation, ...mac, ...addressBytes(sender), 0, 0, 0, 0, 0, 0, ...addressBytes(target)];

describe('ARP', () => {
  it.each(['10.0.2.2', '10.0.2.3'])('answers for %s', (target) => {
    const rig = new NatRig();
    rig.send(ethernet(0x0806, arp(1, '10.0.2.15', target), BROADCAST));
    const [answer] = rig.frames();
    expect([...answer!.bytes]).toEqual([...GUEST_MAC, ...GATEWAY_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2, ...GATEWAY_MAC, ...addressBytes(target), ...GUEST_MAC, 10, 0, 2, 15]);
  });

  it('leaves addresses alone that are no one\'s, or the guest\'s own', () => {
    const rig = new NatRig();
    for (const target of ['10.0.2.15', '10.0.2.99', '192.168.7.1', '93.184.216.34']) rig.send(ethernet(0x0806, arp(1, '10.0.2.15', target), BROADCAST));
    expect(rig.frames()).toEqual([]);
  });

  it('believes nobody who claims the gateway\'s address, a foreign one, or another MAC address than the frame\'s', () => {
    const rig = new NatRig();
    rig.send(ethernet(0x0806, arp(1, '10.0.2.2', '10.0.2.3'), BROADCAST));
    rig.send(ethernet(0x0806, arp(1, '192.168.7.1', '10.0.2.2'), BROADCAST));
    rig.send(ethernet(0x0806, arp(1, '10.0.2.15', '10.0.2.2', [2, 2, 2, 2, 2, 2]), BROADCAST));
    expect(rig.frames()).toEqual([]);
  });
});

describe('DHCP', () => {
  const OPTION_TYPE = (type: number): number[] => [53, 1, type];
  const message = ({ mac = GUEST_MAC, options, flags = 0, clientAddress = '0.0.0.0' }: { mac?: number[]; options: number[]; flags?: number; clientAddress?: string }): number[] =>
    [1, 1, 6, 0, ...long(0x1234_5678), 0, 0, ...word(flags), ...addressBytes(clientAddress), ...new Array<number>(12).fill(0), ...mac, ...new Array<number>(10 + 192).fill(0), 0x63, 0x82, 0x53, 0x63, ...options, 255];

  function ask(rig: NatRig, given: Parameters<typeof message>[0], from = '0.0.0.0', to = '255.255.255.255') {
    rig.send(ethernet(0x0800, ip({ from, to, protocol: 17 }, udp({ from, to, fromPort: 68, toPort: 67 }, message(given))), to === '255.255.255.255' ? BROADCAST : GATEWAY_MAC, given.mac ?? GUEST_MAC));
    const [frame] = rig.frames();
    if (frame === undefined) return undefined;
    const packet = readIp(frame.bytes);
    const { payload, fromPort, toPort } = readUdp(packet);
    expect([fromPort, toPort, payload[0], ...payload.slice(4, 8)]).toEqual([67, 68, 2, 0x12, 0x34, 0x56, 0x78]);
    const options = new Map<number, number[]>();
    for (let at = 240; payload[at] !== 255; at += 2 + payload[at + 1]!) options.set(payload[at]!, payload.slice(at + 2, at + 2 + payload[at + 1]!));
    return { type: options.get(53)![0], address: payload.slice(16, 20).join('.'), server: payload.slice(20, 24).join('.'), file: String.fromCharCode(...payload.slice(108, 236)).replace(/\0+$/, ''), options, mac: [...frame.bytes.subarray(0, 6)], to: packet.to };
  }

  const lease = (rig: NatRig, mac = GUEST_MAC, name?: string) => {
    const offer = ask(rig, { mac, options: OPTION_TYPE(1) });
    return ask(rig, { mac, options: [...OPTION_TYPE(3), 50, 4, ...addressBytes(offer!.address), 54, 4, 10, 0, 2, 2, ...(name === undefined ? [] : [12, name.length, ...text(name)])] });
  };

  it('offers an address and gives it with all that a client needs', () => {
    const rig = new NatRig();
    const offer = ask(rig, { options: OPTION_TYPE(1) });
    expect(offer).toMatchObject({ type: 2, address: '10.0.2.15', mac: GUEST_MAC, to: '10.0.2.15' });
    const given = ask(rig, { options: [...OPTION_TYPE(3), 50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2] });
    expect(given).toMatchObject({ type: 5, address: '10.0.2.15' });
    expect(Object.fromEntries(given!.options)).toMatchObject({ 1: [255, 255, 255, 0], 3: [10, 0, 2, 2], 6: [10, 0, 2, 3], 51: long(86_400), 54: [10, 0, 2, 2], 26: word(1500), 15: text('guesthouse.internal') });
  });

  it('tells a client that boots what to load and from where, and iPXE that nobody else will', () => {
    const boot = { files: { open: () => Promise.resolve('not-found' as const) }, file: 'pxelinux.0' };
    const rig = new NatRig({ boot });
    const offer = ask(rig, { options: OPTION_TYPE(1) })!;
    expect(offer.options.get(66)).toEqual(text('10.0.2.2'));
    expect(offer.options.get(67)).toEqual(text('pxelinux.0'));
    expect([offer.server, offer.file]).toEqual(['10.0.2.2', 'pxelinux.0']);
    expect(offer.options.has(175)).toBe(false);
    expect(ask(rig, { options: [...OPTION_TYPE(1), 175, 3, 1, 1, 1] })!.options.get(175)).toEqual([176, 1, 1]);
    rig.network.changeBoot({ ...boot, file: undefined });
    const later = ask(rig, { options: OPTION_TYPE(1) })!;
    expect([later.options.has(67), later.server, later.file]).toEqual([false, '0.0.0.0', '']);
  });

  it('answers to everybody where the client asks for that', () => {
    expect(ask(new NatRig(), { options: OPTION_TYPE(1), flags: 0x8000 })).toMatchObject({ mac: BROADCAST, to: '255.255.255.255' });
  });

  it('gives each client its own address, the same again', () => {
    const rig = new NatRig();
    const other = [2, 0, 0, 0, 0, 9];
    expect(lease(rig)!.address).toBe('10.0.2.15');
    expect(lease(rig, other)!.address).toBe('10.0.2.16');
    expect(lease(rig)!.address).toBe('10.0.2.15');
    expect(lease(rig, other)!.address).toBe('10.0.2.16');
  });

  it('gives the address that a client asks for while it is free, and refuses one that is not', () => {
    const rig = new NatRig();
    expect(ask(rig, { options: [...OPTION_TYPE(1), 50, 4, 10, 0, 2, 77] })!.address).toBe('10.0.2.77');
    const other = [2, 0, 0, 0, 0, 9];
    expect(ask(rig, { mac: other, options: [...OPTION_TYPE(3), 50, 4, 10, 0, 2, 77] })).toMatchObject({ type: 6, mac: BROADCAST });
    expect(ask(rig, { mac: other, options: [...OPTION_TYPE(3), 50, 4, 192, 168, 1, 5] })).toMatchObject({ type: 6 });
  });

  it('renews to the client\'s address, and tells one that only asks for settings', () => {
    const rig = new NatRig();
    lease(rig);
    expect(ask(rig, { options: OPTION_TYPE(3), clientAddress: '10.0.2.15' }, '10.0.2.15', '10.0.2.2')).toMatchObject({ type: 5, address: '10.0.2.15', to: '10.0.2.15' });
    expect(ask(rig, { options: OPTION_TYPE(8), clientAddress: '10.0.2.15' }, '10.0.2.15', '10.0.2.2')).toMatchObject({ type: 5, address: '0.0.0.0' });
  });

  it('gives a declined address to nobody for a while, and a released one again', () => {
    const rig = new NatRig();
    lease(rig);
    ask(rig, { options: [...OPTION_TYPE(4), 50, 4, 10, 0, 2, 15] });
    expect(lease(rig)!.address).toBe('10.0.2.16');
    ask(rig, { options: OPTION_TYPE(7), clientAddress: '10.0.2.16' }, '10.0.2.16', '10.0.2.2');
    rig.clock.advance(SECOND);
    expect(ask(rig, { mac: [2, 0, 0, 0, 0, 9], options: [...OPTION_TYPE(1), 50, 4, 10, 0, 2, 16] })!.address).toBe('10.0.2.16');
  });

  it('on a network of several servers gives no address that another has given, and a client the same again', () => {
    const given: Lease[] = [];
    const rig = new NatRig({ leases: { others: () => given, tell: () => {} } });
    const first = lease(rig)!.address;
    given.push({ address: first, mac: '52:47:48:ff:ff:ff' });
    // Of two clients with one address the one with the smaller MAC address keeps it.
    expect(lease(rig)!.address).toBe(first);
    given.push({ address: first, mac: '00:00:00:00:00:02' });
    expect(lease(rig)!.address).not.toBe(first);
    const again = new NatRig({ leases: { others: () => [], tell: () => {} } });
    expect(lease(again)!.address).toBe(first);
    const taken = new NatRig({ leases: { others: () => [{ address: first, mac: '00:00:00:00:00:01', hostName: 'other' }], tell: () => {} } });
    expect(lease(taken)!.address).not.toBe(first);
  });

  it('has 240 leases, and takes the next when one has run out', () => {
    const rig = new NatRig();
    const mac = (index: number): number[] => [2, 0, 0, 0, index >> 8, index & 0xff];
    for (let index = 0; index < 240; index++) expect(lease(rig, mac(index))).toMatchObject({ type: 5 });
    expect(ask(rig, { mac: mac(240), options: OPTION_TYPE(1) })).toBeUndefined();
    rig.clock.advance(86_401 * SECOND);
    rig.frames();
    expect(lease(rig, mac(240))).toMatchObject({ type: 5 });
  });

  it('knows its clients by name afterwards', () => {
    const rig = new NatRig();
    lease(rig, GUEST_MAC, 'Builder');
    rig.sendUdp('10.0.2.3', 5353, 53, [...word(7), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, ...text('builder'), 10, ...text('guesthouse'), 8, ...text('internal'), 0, ...word(1), ...word(1)]);
    expect(rig.datagrams()[0]!.payload.slice(-4)).toEqual([10, 0, 2, 15]);
  });
});

describe('echo', () => {
  const echo = (data: number[]): number[] => {
    const message = [8, 0, 0, 0, 0x12, 0x34, 0, 1, ...data];
    message.splice(2, 2, ...word(sum16(message)));
    return message;
  };

  it.each(['10.0.2.2', '10.0.2.3'])('%s answers by itself', (to) => {
    const rig = new NatRig();
    rig.sendIp({ to, protocol: 1 }, echo([1, 2, 3]));
    const [answer] = rig.packets();
    expect(answer).toMatchObject({ from: to, to: '10.0.2.15', protocol: 1 });
    expect(sum16(answer!.payload)).toBe(0);
    expect([answer!.payload[0], ...answer!.payload.slice(4)]).toEqual([0, 0x12, 0x34, 0, 1, 1, 2, 3]);
  });

  it('answers what came in fragments in fragments', () => {
    const rig = new NatRig();
    const message = echo(Array.from({ length: 3000 }, (_, index) => index & 0xff));
    rig.sendIp({ to: '10.0.2.2', protocol: 1, identification: 9, flagsAndOffset: 0x2000 | (1480 / 8) }, message.slice(1480, 2960));
    rig.sendIp({ to: '10.0.2.2', protocol: 1, identification: 9, flagsAndOffset: 2960 / 8 }, message.slice(2960));
    expect(rig.frames()).toEqual([]);
    rig.sendIp({ to: '10.0.2.2', protocol: 1, identification: 9, flagsAndOffset: 0x2000 }, message.slice(0, 1480));
    const parts = rig.packets();
    expect(parts.map(({ flagsAndOffset }) => flagsAndOffset)).toEqual([0x2000, 0x2000 | 185, 370]);
    expect(new Set(parts.map(({ identification }) => identification)).size).toBe(1);
    expect(parts.flatMap(({ payload }) => payload).slice(4)).toEqual(message.slice(4));
  });

  it('drops what came in fragments that overlap, lack a part or are too long, and what waited too long', () => {
    const rig = new NatRig();
    const message = echo(new Array<number>(2000).fill(7));
    const part = (from: number, to: number, more: boolean, identification: number): void => {
      rig.sendIp({ to: '10.0.2.2', protocol: 1, identification, flagsAndOffset: (more ? 0x2000 : 0) | (from / 8) }, message.slice(from, to));
    };
    part(0, 1000, true, 1);
    part(992, 2000, false, 1);
    part(1000, 2008, false, 1);
    part(0, 1000, true, 2);
    part(1008, 2008, false, 2);
    part(0, 1000, true, 3);
    rig.clock.advance(31 * SECOND);
    part(1000, 2008, false, 3);
    rig.sendIp({ to: '10.0.2.2', protocol: 1, identification: 4, flagsAndOffset: 0x1fff }, message.slice(0, 1000));
    for (let identification = 10; identification < 40; identification++) part(0, 1000, true, identification);
    part(1000, 2008, false, 10);
    expect(rig.frames()).toEqual([]);
    part(1000, 2008, false, 39);
    expect(rig.frames().length).toBe(2);
  });

  it('gets nowhere outside, and says so, not too often', () => {
    const rig = new NatRig();
    rig.sendIp({ to: '93.184.216.34', protocol: 1 }, echo([]));
    expect(rig.packets()[0]!.payload.slice(0, 2)).toEqual([3, 13]);
    for (let count = 0; count < 500; count++) rig.sendIp({ to: '93.184.216.34', protocol: 1 }, echo([]));
    expect(rig.packets().length).toBe(99);
  });
});

describe('IPv6', () => {
  const GUEST = 'fd47:6865:7374::15';
  const solicit = (target: string): number[] => icmp6(GUEST, target, [135, 0, 0, 0, 0, 0, 0, 0, ...addressBytes(target), 1, 1, ...GUEST_MAC]);

  it('answers neighbour solicitations for its own addresses only', () => {
    const rig = new NatRig();
    rig.sendIp({ from: GUEST, to: 'fd47:6865:7374::2', protocol: 58, ttl: 255 }, solicit('fd47:6865:7374::2'));
    rig.sendIp({ from: GUEST, to: 'fd47:6865:7374::9', protocol: 58, ttl: 255 }, solicit('fd47:6865:7374::9'));
    rig.sendIp({ from: GUEST, to: 'fd47:6865:7374::2', protocol: 58, ttl: 64 }, solicit('fd47:6865:7374::2'));
    const answers = rig.packets();
    expect(answers.length).toBe(1);
    expect(answers[0]!.payload.slice(4)).toEqual([0xe0, 0, 0, 0, ...addressBytes('fd47:6865:7374::2'), 2, 1, ...GATEWAY_MAC]);
    expect(icmp6(answers[0]!.from, answers[0]!.to, answers[0]!.payload.map((byte, index) => (index === 2 || index === 3 ? 0 : byte)))).toEqual(answers[0]!.payload);
  });

  it.each([[true, 1800], [false, 0]])('advertises prefix, resolver and itself as a router where the host has a way (%s)', (routesIpv6, lifetime) => {
    const rig = new NatRig({ routesIpv6: () => routesIpv6 });
    rig.sendIp({ from: 'fe80::1', to: 'ff02::2', protocol: 58, ttl: 255 }, icmp6('fe80::1', 'ff02::2', [133, 0, 0, 0, 0, 0, 0, 0]));
    const [advertisement] = rig.packets();
    expect(advertisement).toMatchObject({ from: 'fe80:0:0:0:0:0:0:2', ttl: 255, protocol: 58 });
    const { payload } = advertisement!;
    expect(payload[0]).toBe(134);
    expect(payload.slice(6, 8)).toEqual(word(lifetime));
    const options = new Map<number, number[]>();
    for (let at = 16; at < payload.length; at += payload[at + 1]! * 8) options.set(payload[at]!, payload.slice(at + 2, at + payload[at + 1]! * 8));
    expect(options.get(3)!.slice(0, 2)).toEqual([64, 0xc0]);
    expect(ipv6Text(options.get(3)!.slice(-16))).toBe('fd47:6865:7374:0:0:0:0:0');
    expect(ipv6Text(options.get(25)!.slice(-16))).toBe('fd47:6865:7374:0:0:0:0:3');
    rig.clock.advance(201 * SECOND);
    expect(rig.packets()[0]!.to).toBe('ff02:0:0:0:0:0:0:1');
  });

  it('carries TCP', () => {
    const rig = new NatRig();
    rig.sendTcp({ from: GUEST, to: '2606:2800:220:1::80', fromPort: 1234, toPort: 80, sequence: 1, flags: 2, options: [2, 4, 5, 0xa0] });
    expect(rig.host.streams[0]!.to).toEqual({ address: '2606:2800:220:1::80', port: 80 });
    rig.host.streams[0]!.events.connected();
    expect(rig.segments()).toMatchObject([{ flags: 0x12, acknowledgment: 2, options: [2, 4, 5, 0xa0, 1, 1, 1, 0] }]);
  });
});

describe('DNS', () => {
  const name = (value: string): number[] => [...value.split('.').flatMap((label) => [label.length, ...text(label)]), 0];
  const query = (asked: string, type: number, { id = 7, more = [] as number[] } = {}): number[] => [...word(id), 1, 0, 0, 1, 0, 0, 0, 0, ...word(more.length > 0 ? 1 : 0), ...name(asked), ...word(type), ...word(1), ...more];
  const address = (last: number, ttlSeconds = 60): NameRecord => ({ type: 'A', ttlSeconds, data: Uint8Array.of(93, 184, 216, last) });

  function ask(rig: NatRig, message: number[]): number[] | undefined {
    rig.sendUdp('10.0.2.3', 5353, 53, message);
    return rig.datagrams()[0]?.payload;
  }

  it('asks the host and passes its answer on, in the spelling of the question', () => {
    const rig = new NatRig();
    expect(ask(rig, query('WWW.Example.org', 1))).toBeUndefined();
    expect(rig.host.questions).toMatchObject([{ name: 'www.example.org', type: 'A' }]);
    rig.host.questions[0]!.answered({ records: [address(34), address(35)] });
    const [answer] = rig.datagrams();
    expect(answer).toMatchObject({ from: '10.0.2.3', fromPort: 53, toPort: 5353 });
    expect(answer!.payload).toEqual([
      0, 7, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, ...name('WWW.Example.org'), 0, 1, 0, 1,
      0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 35,
    ]);
  });

  it.each([['no-such-name', 3], ['no-data', 0], ['server', 2]] as const)('says %s by code %i', (failure, code) => {
    const rig = new NatRig();
    ask(rig, query('nowhere.example', 28));
    rig.host.questions[0]!.answered({ failure });
    expect(rig.datagrams()[0]!.payload[3]! & 15).toBe(code);
  });

  it.each([['gateway.guesthouse.internal', 1, [10, 0, 2, 2]], ['dns.guesthouse.internal', 28, addressBytes('fd47:6865:7374::3')], ['localhost', 1, [127, 0, 0, 1]]])('knows %s without asking', (asked, type, data) => {
    const rig = new NatRig({ reach: 'nothing' });
    expect(ask(rig, query(asked, type))!.slice(-data.length)).toEqual(data);
    expect(rig.host.questions).toEqual([]);
  });

  it('gives the names of its own addresses, and none of others of the network', () => {
    const rig = new NatRig();
    expect(ask(rig, query('2.2.0.10.in-addr.arpa', 12))!.slice(-29)).toEqual(name('gateway.guesthouse.internal'));
    expect(ask(rig, query('200.2.0.10.in-addr.arpa', 12))![3]! & 15).toBe(3);
    expect(ask(rig, query('nobody.guesthouse.internal', 1))![3]! & 15).toBe(3);
  });

  it('tells a plain client that an answer is cut, and gives a client of EDNS more', () => {
    const records = Array.from({ length: 60 }, (_, index) => address(index));
    const plain = new NatRig();
    ask(plain, query('many.example', 1));
    plain.host.questions[0]!.answered({ records });
    const short = plain.datagrams()[0]!.payload;
    expect(short.length).toBeLessThanOrEqual(512);
    expect(short[2]! & 2).toBe(2);
    const rig = new NatRig();
    ask(rig, query('many.example', 1, { more: [0, 0, 41, ...word(4096), 0, 0, 0, 0, 0, 0] }));
    rig.host.questions[0]!.answered({ records });
    const whole = rig.datagrams()[0]!.payload;
    expect(whole[2]! & 2).toBe(0);
    expect(whole.slice(6, 8)).toEqual([0, 60]);
  });

  it('answers by TCP too, in pieces as they come', () => {
    const rig = new NatRig();
    const connection = new GuestConnection(rig, { to: '10.0.2.3', toPort: 53 });
    connection.syn();
    const [answer] = rig.segments();
    connection.expected = answer!.sequence + 1;
    connection.send(16);
    const message = query('gateway.guesthouse.internal', 1);
    connection.data([0]);
    connection.data([message.length, ...message.slice(0, 10)]);
    connection.data(message.slice(10));
    connection.send(1 | 16);
    connection.next++;
    const reply = connection.receiveAll();
    expect(reply.slice(0, 2)).toEqual(word(reply.length - 2));
    expect(reply.slice(-4)).toEqual([10, 0, 2, 2]);
  });

  it('refuses what is no question of the internet', () => {
    const rig = new NatRig();
    expect(ask(rig, [...word(9), 0x08, 0, 0, 1, 0, 0, 0, 0, 0, 0])![3]! & 15).toBe(4);
    expect(ask(rig, [...word(9), 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, ...name('a.b'), 0, 1, 0, 1])![3]! & 15).toBe(1);
    expect(ask(rig, [...word(9), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1])![3]! & 15).toBe(1);
    expect(ask(rig, [...word(9), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 65, 0, 65, 0, 0, 1, 0, 1])![3]! & 15).toBe(1);
    expect(ask(rig, [...word(9), 0x81, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name('a.b'), 0, 1, 0, 1])).toBeUndefined();
    expect(ask(rig, query('example.org', 65))!.slice(2, 8)).toEqual([0x81, 0x80, 0, 1, 0, 0]);
    expect(rig.host.questions).toEqual([]);
  });

  it('has 64 questions under way at most', () => {
    const rig = new NatRig();
    for (let count = 0; count < 100; count++) rig.sendUdp('10.0.2.3', 1000 + count, 53, query(`n${count}.example`, 1));
    expect(rig.host.questions.length).toBe(64);
    expect(rig.datagrams().every(({ payload }) => (payload[3]! & 15) === 2)).toBe(true);
  });
});
