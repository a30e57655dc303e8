import { describe, expect, it } from 'vitest';

import { Ne2000Isa, Rtl8029 } from '../../../../src/emulator/devices/ne2000/ne2000.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { testCable } from '../../../support/test-cable.ts';
import { describeDeviceContract } from './device-contract.ts';

const MAC = [0x52, 0x47, 0x48, 1, 2, 3];
const CR = 0;
const DATA = 0x10;
const [RX_FIRST, RX_END, TX_PAGE] = [0x46, 0x80, 0x40];
const [PRX, PTX, OVW, CNT, RDC, RST] = [1, 2, 0x10, 0x20, 0x40, 0x80];

/** The card and a driver that does what drivers of it do. */
function rig(clock = new FakeClock()) {
  const { adapter, network } = testCable();
  const line = new FakeLine('irq');
  const device = new Ne2000Isa({ id: 'network0', clock, mac: Uint8Array.from(MAC), link: adapter, interrupt: line });
  device.reset('power-on');
  const { ports } = device;
  const read = (offset: number, width: 1 | 2 | 4 = 1): number => ports.read(offset, width);
  const write = (offset: number, value: number, width: 1 | 2 | 4 = 1): void => { ports.write(offset, width, value); };
  const page = (number: number): void => { write(CR, 0x22 | (number << 6)); };
  const remote = (command: number, address: number, length: number): void => {
    for (const [offset, value] of [[8, address & 0xff], [9, address >> 8], [10, length & 0xff], [11, length >> 8]] as const) write(offset, value);
    write(CR, command);
  };
  return {
    clock, device, line, network, ports, read, write, page, remote,
    /** Words from packet memory. */
    memory(address: number, length: number): number[] {
      remote(0x0a, address, length);
      return Array.from({ length: length / 2 }, () => read(DATA, 2)).flatMap((word) => [word & 0xff, word >> 8]);
    },
    fill(address: number, bytes: readonly number[]): void {
      remote(0x12, address, bytes.length);
      for (let at = 0; at < bytes.length; at += 2) write(DATA, bytes[at]! | (bytes[at + 1]! << 8), 2);
    },
    start(receive = 0x04): void {
      for (const [offset, value] of [[CR, 0x21], [14, 0x49], [12, 0x20], [13, 2], [4, TX_PAGE], [1, RX_FIRST], [2, RX_END], [3, RX_FIRST], [7, 0xff], [15, PRX | PTX | OVW]] as const) write(offset, value);
      write(CR, 0x61);
      for (const [index, byte] of MAC.entries()) write(1 + index, byte);
      write(7, RX_FIRST + 1);
      for (let index = 0; index < 8; index++) write(8 + index, 0);
      write(CR, 0x22);
      write(13, 0);
      write(12, receive);
    },
    current(): number {
      page(1);
      const value = read(7);
      page(0);
      return value;
    },
    arrive(frame: readonly number[]): void {
      network.reserve(frame.length)!.set(frame);
      network.commit({ checksumStart: 0, checksumOffset: 0, segmentation: 'none', segmentBytes: 0 });
    },
    sent(): number[][] {
      const frames: number[][] = [];
      for (let seen = network.peek(); seen !== undefined; seen = network.peek()) {
        frames.push([...seen.bytes]);
        network.consume();
      }
      return frames;
    },
  };
}

const frameTo = (mac: readonly number[], length: number): number[] => [...mac, ...Array.from({ length: length - 6 }, (_, index) => index & 0xff)];
const BROADCAST = [255, 255, 255, 255, 255, 255];

describeDeviceContract('Ne2000Isa', (clock) => {
  const { device, line, ports, sent, arrive } = rig(clock);
  return {
    device,
    ranges: [{ name: 'ports', handler: ports, length: 32, offsets: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, DATA] }],
    observe: () => [line.high, sent()],
    // A card that was restored doesn't find frames on its cable that were never sent on it.
    stimulate: (random) => {
      if (device.save().command === 0x22) arrive(frameTo(MAC, 60 + random.below(100)));
    },
  };
});

describe('Ne2000Isa', () => {
  it('shows its address PROM by bytes and by words', () => {
    const { write, read, remote } = rig();
    write(14, 0x48);
    remote(0x0a, 0, 32);
    const bytes = Array.from({ length: 32 }, () => read(DATA));
    expect(bytes.filter((_, index) => index % 2 === 0)).toEqual([...MAC, 0, 0, 0, 0, 0, 0, 0, 0, 0x57, 0x57]);
    expect(bytes.filter((_, index) => index % 2 === 1)).toEqual(bytes.filter((_, index) => index % 2 === 0));
    expect(read(7) & RDC).toBe(RDC);
    write(14, 0x49);
    remote(0x0a, 0, 32);
    // Narrow reads of a port of words.
    expect(Array.from({ length: 6 }, () => read(DATA))).toEqual(MAC);
  });

  it('is reset by its reset port, and says so until it is started', () => {
    const { read, write, start } = rig();
    start();
    expect(read(7) & RST).toBe(0);
    write(0x1f, read(0x1f));
    expect([read(CR), read(7)]).toEqual([0x21, RST]);
    write(7, 0xff);
    expect(read(7)).toBe(RST);
    write(CR, 0x22);
    expect(read(7)).toBe(0);
  });

  it('keeps 16 KiB, and nothing beside them', () => {
    const { write, fill, memory, read } = rig();
    write(14, 0x49);
    const bytes = Array.from({ length: 512 }, (_, index) => (index * 7) & 0xff);
    fill(0x4000, bytes);
    fill(0x7f00, bytes);
    expect(memory(0x4000, 512)).toEqual(bytes);
    expect(memory(0x7f00, 256)).toEqual(bytes.slice(0, 256));
    expect(memory(0x8000, 4)).toEqual([255, 255, 255, 255]);
    expect(memory(0x2000, 4)).toEqual([255, 255, 255, 255]);
    expect(read(7) & RDC).toBe(RDC);
    // What was not asked for moves nothing.
    expect(read(DATA, 2)).toBe(0xffff);
    write(CR, 0x22);
    write(DATA, 0x0505, 2);
    expect(memory(0x4000, 2)).toEqual(bytes.slice(0, 2));
  });

  it('sends what lies in its buffer, padded, and tells', () => {
    const { write, fill, sent, line, read, start, remote } = rig();
    start();
    fill(TX_PAGE << 8, frameTo(BROADCAST, 42));
    write(7, RDC);
    for (const [offset, value] of [[4, TX_PAGE], [5, 42], [6, 0], [CR, 0x26]] as const) write(offset, value);
    expect(sent()).toEqual([[...frameTo(BROADCAST, 42), ...new Array<number>(18).fill(0)]]);
    expect([line.high, read(7), read(4), read(CR)]).toEqual([true, PTX, 1, 0x22]);
    write(7, PTX);
    expect(line.high).toBe(false);
    // In loopback nothing gets to the wire.
    write(13, 2);
    write(CR, 0x26);
    expect([sent(), read(7) & PTX]).toEqual([[], PTX]);
    remote(0x22, 0, 0);
  });

  it('shows a sender that there is no cable', () => {
    const { device, write, read, start } = rig();
    start();
    device.setLink(false);
    write(5, 60);
    write(CR, 0x26);
    expect(read(4)).toBe(0x11);
  });

  it('waits with its frame while the link is full', () => {
    const { write, read, sent, start } = rig();
    start();
    let given = 0;
    write(5, 1500 & 0xff);
    write(6, 1500 >> 8);
    while ((read(CR) & 4) === 0) {
      write(CR, 0x26);
      given++;
    }
    expect(given).toBeGreaterThan(300);
    write(7, PTX);
    expect(sent().length).toBe(given);
    expect([read(CR) & 4, read(7)]).toEqual([0, PTX]);
  });

  it('puts frames into its ring behind their headers', () => {
    const { start, arrive, line, read, memory, current, write } = rig();
    start();
    const frame = frameTo(MAC, 100);
    arrive(frame);
    expect([line.high, read(7), current()]).toEqual([true, PRX, RX_FIRST + 2]);
    expect(memory((RX_FIRST + 1) << 8, 104)).toEqual([1, RX_FIRST + 2, 104, 0, ...frame]);
    arrive(frameTo(BROADCAST, 300));
    expect(memory((RX_FIRST + 2) << 8, 4)).toEqual([0x21, RX_FIRST + 4, 304 & 0xff, 304 >> 8]);
    expect(read(12)).toBe(0x21);
    write(7, PRX | RDC);
    expect(line.high).toBe(false);
  });

  it('goes on at the ring\'s beginning, where remote DMA follows it', () => {
    const { start, arrive, read, write, memory, current } = rig();
    start();
    const seen: number[] = [];
    let next = RX_FIRST + 1;
    for (let count = 0; count < 40; count++) {
      const frame = frameTo(MAC, 1000);
      frame[20] = count;
      arrive(frame);
      expect(read(7) & PRX).toBe(PRX);
      const [status, following, low, high] = memory(next << 8, 4);
      expect([status, low! | (high! << 8)]).toEqual([1, 1004]);
      const start = next * 256 + 4 === RX_END * 256 ? RX_FIRST * 256 : next * 256 + 4;
      const data = memory(start, 1000);
      expect(data).toEqual(frame);
      seen.push(data[20]!);
      next = following!;
      write(3, next === RX_FIRST ? RX_END - 1 : next - 1);
      write(7, PRX);
    }
    expect(seen).toEqual(Array.from({ length: 40 }, (_, index) => index));
    expect(current()).toBe(next);
  });

  it('leaves frames on the link when its ring is full, and gives them when there is room', () => {
    const { clock, start, arrive, read, write, current, network } = rig();
    start();
    // Six pages each: nine fit into 57.
    for (let count = 0; count < 20; count++) arrive(frameTo(MAC, 1500));
    const eighth = current();
    expect(eighth).toBe(RX_FIRST + 1 + 8 * 6);
    // Told once, eight come; who acknowledges without reading gets what still fits, and is told of the rest.
    write(7, PRX);
    expect([read(7), current()]).toEqual([PRX, RX_FIRST + 1 + 9 * 6]);
    write(7, PRX);
    expect(read(7)).toBe(OVW);
    write(7, OVW);
    write(3, current() - 1);
    expect(read(7)).toBe(0);
    clock.advance(20_000);
    expect(read(7)).toBe(PRX);
    expect(network.peek()).toBeUndefined();
  });

  it('fills again what a driver has emptied that acknowledges nothing', () => {
    const { clock, start, arrive, write, current } = rig();
    start();
    for (let count = 0; count < 12; count++) arrive(frameTo(MAC, 60));
    expect(current()).toBe(RX_FIRST + 1 + 8);
    write(3, RX_FIRST + 4);
    clock.advance(20_000);
    expect(current()).toBe(RX_FIRST + 1 + 8);
    write(3, RX_FIRST + 8);
    clock.advance(20_000);
    expect(current()).toBe(RX_FIRST + 1 + 12);
  });

  it('takes what its filters let in', () => {
    const { start, write, arrive, current, page } = rig();
    const isTaken = (mac: readonly number[]): boolean => {
      const before = current();
      arrive(frameTo(mac, 60));
      write(7, PRX);
      const taken = current() !== before;
      write(3, current() - 1);
      return taken;
    };
    const group = [0x01, 0x00, 0x5e, 0, 0, 1];
    const other = [2, 9, 9, 9, 9, 9];
    start(0x00);
    expect([MAC, other, group, BROADCAST].map(isTaken)).toEqual([true, false, false, false]);
    start(0x04);
    expect([MAC, other, group, BROADCAST].map(isTaken)).toEqual([true, false, false, true]);
    start(0x14);
    expect([other, group].map(isTaken)).toEqual([true, false]);
    start(0x0c);
    const matching = Array.from({ length: 64 }, (_, bit) => {
      page(1);
      for (let index = 0; index < 8; index++) write(8 + index, bit >> 3 === index ? 1 << (bit & 7) : 0);
      page(0);
      return isTaken(group) ? [bit] : [];
    }).flat();
    // ether_crc(01:00:5e:00:00:01) >> 26, as drivers compute it.
    expect(matching).toEqual([31]);
  });

  it('counts what it may only look at', () => {
    const { start, arrive, read, current } = rig();
    start(0x24);
    for (let count = 0; count < 200; count++) arrive(frameTo(MAC, 60));
    expect([current(), read(7), read(12) & 0x40, read(15), read(15)]).toEqual([RX_FIRST + 1, CNT, 0x40, 200, 0]);
  });

  it('survives noise with frames both ways', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { ports, start, arrive, sent } = rig();
      const random = new SeededRandom(seed);
      start(0x1c);
      expect(() => {
        for (let count = 0; count < 200; count++) {
          ports.write(random.below(0x18), random.pick([1, 2, 4] as const), random.next32());
          ports.write(CR, 1, 0x26);
          ports.write(13, 1, 0);
          ports.write(14, 1, 0x49);
          arrive(frameTo(MAC, 60 + random.below(1400)));
          sent();
          ports.read(random.below(0x18), random.pick([1, 2, 4] as const));
        }
      }, `seed ${seed}`).not.toThrow();
    }
  });
});

describe('Rtl8029', () => {
  it('is a NE2000 with Realtek\'s numbers', () => {
    const { adapter } = testCable();
    const device = new Rtl8029({ id: 'network0', clock: new FakeClock(), mac: Uint8Array.from(MAC), link: adapter, subsystemVendorId: 0x1af4, subsystemId: 0x1100 });
    device.reset('power-on');
    expect([device.vendorId, device.deviceId, device.classCode]).toEqual([0x10ec, 0x8029, 0x020000]);
    const [ports] = device.bars;
    if (ports?.kind !== 'io') throw new Error('the BAR moved');
    expect(ports.handler.read(0x0a, 2)).toBe(0x4350);
    ports.handler.write(0, 1, 0xe1);
    expect([ports.handler.read(0x0e, 1), ports.handler.read(0x0f, 1)]).toEqual([0x29, 0x80]);
  });
});
