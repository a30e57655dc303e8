import { describe, expect, it } from 'vitest';

import { E1000 } from '../../../../../src/emulator/devices/e1000/e1000.ts';
import { NO_OFFLOAD, type FrameOffload } from '../../../../../src/emulator/interfaces/network.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../../support/fake-line.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { SeededRandom } from '../../../../support/seeded-random.ts';
import { testCable } from '../../../../support/test-cable.ts';
import { describeDeviceContract } from '../device-contract.ts';

const MAC = [0x52, 0x47, 0x48, 1, 2, 3];
const TX_RING = 0x10000;
const RX_RING = 0x20000;
const RX_BUFFERS = 0x40000;
const RING_COUNT = 8;

function rig(clock = new FakeClock(), ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  const { adapter, network } = testCable();
  const line = new FakeLine('inta');
  const log = new FakeLog();
  const device = new E1000({ id: 'network0', memory, clock, log, mac: Uint8Array.from(MAC), link: adapter, subsystemVendorId: 0x1af4, subsystemId: 0x1100 });
  device.connectInterrupt(line);
  device.reset('power-on');
  const [registers, ports] = device.bars;
  if (registers?.kind !== 'memory' || ports?.kind !== 'io') throw new Error('the BARs moved');
  const read = (offset: number): number => registers.handler.read(offset, 4);
  const write = (offset: number, value: number): void => { registers.handler.write(offset, 4, value >>> 0); };
  let tail = 0;
  return {
    clock, memory, device, line, log, registers, ports, read, write, network,
    arrive(frame: readonly number[], offload: FrameOffload = NO_OFFLOAD): void {
      network.reserve(frame.length)!.set(frame);
      network.commit(offload);
    },
    sent(): { frame: number[]; offload: FrameOffload }[] {
      const frames: { frame: number[]; offload: FrameOffload }[] = [];
      for (let seen = network.peek(); seen !== undefined; seen = network.peek()) {
        frames.push({ frame: [...seen.bytes], offload: seen.offload });
        network.consume();
      }
      return frames;
    },
    start(): void {
      write(0x3800, TX_RING);
      write(0x3808, RING_COUNT * 16);
      write(0x400, 0x1 | 2 | 8);
      for (let index = 0; index < RING_COUNT; index++) memory.write64(RX_RING + 16 * index, BigInt(RX_BUFFERS + 2048 * index));
      write(0x2800, RX_RING);
      write(0x2808, RING_COUNT * 16);
      write(0x2818, RING_COUNT - 1);
      write(0x100, 2 | 0x8000);
    },
    /** Puts descriptors of 16 bytes into the ring and tells of them. */
    give(...descriptors: readonly (readonly number[])[]): void {
      for (const descriptor of descriptors) {
        memory.writeBlock(TX_RING + 16 * tail, Uint8Array.from(descriptor));
        tail = (tail + 1) % RING_COUNT;
      }
      write(0x3818, tail);
    },
    done: (index: number) => memory.read8(TX_RING + 16 * index + 12) & 1,
    received(index: number): { length: number; status: number; bytes: number[] } {
      const length = memory.read16(RX_RING + 16 * index + 8);
      return { length, status: memory.read8(RX_RING + 16 * index + 12), bytes: [...memory.ram.subarray(RX_BUFFERS + 2048 * index, RX_BUFFERS + 2048 * index + length)] };
    },
  };
}

const dword = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
const legacy = (address: number, length: number, command: number, checksumStart = 0, checksumOffset = 0): number[] =>
  [...dword(address), 0, 0, 0, 0, length & 0xff, length >> 8, checksumOffset, command, 0, checksumStart, 0, 0];
const extended = (address: number, length: number, command: number, options: number): number[] => [...dword(address), 0, 0, 0, 0, ...dword(length | (1 << 20) | ((command | 0x20) << 24)), 0, options, 0, 0];
const context = (command: number, { headerBytes = 0, segmentBytes = 0, ipStart = 14, ipOffset = 24, ipEnd = 33, start = 34, offset = 50, end = 0 } = {}): number[] =>
  [ipStart, ipOffset, ...dword(ipEnd).slice(0, 2), start, offset, ...dword(end).slice(0, 2), ...dword((command | 0x20) << 24), 0, headerBytes, ...dword(segmentBytes).slice(0, 2)];

describeDeviceContract('E1000', (clock) => {
  const { device, line, registers, ports, sent } = rig(clock, 0);
  return {
    device,
    ranges: [
      { name: 'registers', handler: registers.handler, length: 0x20000, offsets: [0, 8, 0x10, 0x14, 0x20, 0xc0, 0xc4, 0xc8, 0xd0, 0xd8, 0x100, 0x400, 0x2800, 0x2808, 0x2810, 0x2818, 0x3800, 0x3808, 0x3810, 0x3818, 0x4080, 0x5000, 0x5200, 0x5400] },
      { name: 'ports', handler: ports.handler, length: 64, offsets: [0, 4] },
    ],
    observe: () => [line.high, sent()],
  };
}, { manyTwins: true });

describe('E1000', () => {
  it('is an 82540EM with a link', () => {
    const { device, read } = rig();
    expect([device.vendorId, device.deviceId, device.classCode, device.interruptPin]).toEqual([0x8086, 0x100e, 0x020000, 1]);
    expect(read(0x08) & 0xc3).toBe(0x83);
    expect([read(0x5400), read(0x5404)]).toEqual([0x01484752, 0x80000302]);
  });

  it('gives its EEPROM by the wires and by EERD, whose words add up', () => {
    const { read, write } = rig();
    const byWires = (address: number): number => {
      const cs = 2 | 0x40;
      write(0x10, 0x40);
      expect(read(0x10) & 0x80).toBe(0x80);
      write(0x10, cs);
      const clockIn = (bit: number): void => {
        write(0x10, cs | (bit << 2));
        write(0x10, cs | (bit << 2) | 1);
        write(0x10, cs | (bit << 2));
      };
      for (let bit = 8; bit >= 0; bit--) clockIn((((0b110 << 6) | address) >> bit) & 1);
      let word = 0;
      for (let bit = 0; bit < 16; bit++) {
        write(0x10, cs | 1);
        word = (word << 1) | ((read(0x10) >> 3) & 1);
        write(0x10, cs);
      }
      write(0x10, 0);
      return word;
    };
    const byRegister = (address: number): number => {
      write(0x14, (address << 8) | 1);
      expect(read(0x14) & 0x10).toBe(0x10);
      return read(0x14) >>> 16;
    };
    const words = Array.from({ length: 64 }, (_, address) => byRegister(address));
    expect(Array.from({ length: 64 }, (_, address) => byWires(address))).toEqual(words);
    expect(words.slice(0, 3)).toEqual([0x4752, 0x0148, 0x0302]);
    expect(words.reduce((sum, word) => sum + word, 0) & 0xffff).toBe(0xbaba);
  });

  it('has a PHY that is linked, and none at other addresses', () => {
    const { read, write, line } = rig();
    const phy = (index: number): number => {
      write(0x20, (2 << 26) | (1 << 21) | (index << 16));
      return read(0x20) & 0xffff;
    };
    expect([phy(2), phy(3)]).toEqual([0x0141, 0x0c20]);
    expect(phy(1) & 0x24).toBe(0x24);
    write(0x20, (2 << 26) | (5 << 21) | (2 << 16));
    expect((read(0x20) >>> 30) & 1).toBe(1);
    write(0xd0, 4);
    write(0x20, (1 << 26) | (1 << 21) | 0x1340);
    expect(line.high).toBe(true);
    expect(read(0xc0)).toBe(0x8000_0004);
    expect(line.high).toBe(false);
    expect(phy(0)).toBe(0x1140);
  });

  it('sends a frame of several pieces when its last one is there', () => {
    const { memory, start, give, sent, done, read, write, line } = rig();
    start();
    write(0xd0, 3);
    const frame = Array.from({ length: 100 }, (_, index) => index);
    memory.writeBlock(0x1000, Uint8Array.from(frame));
    give(legacy(0x1000, 40, 0x08));
    expect([sent(), done(0), read(0x3810)]).toEqual([[], 0, 0]);
    give(legacy(0x1028, 60, 0x09));
    expect(sent()).toEqual([{ frame, offload: NO_OFFLOAD }]);
    expect([done(0), done(1), read(0x3810), line.high]).toEqual([1, 1, 2, true]);
    expect(read(0xc0)).toBe(0x8000_0003);
    expect([read(0x4080), read(0x4080)]).toEqual([1, 0]);
  });

  it('fills short frames up', () => {
    const { start, give, sent } = rig();
    start();
    give(legacy(0x1000, 20, 1));
    expect(sent()[0]!.frame.length).toBe(60);
  });

  it('leaves checksums to the network, of legacy and extended descriptors', () => {
    const { memory, start, give, sent } = rig();
    start();
    memory.writeBlock(0x1000, Uint8Array.from(new Array<number>(14).fill(1).concat([0x45, 0, 0, 46, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2])));
    give(legacy(0x1000, 60, 5, 34, 50));
    give(context(1), extended(0x1000, 60, 1, 3));
    const [first, second] = sent();
    expect(first!.offload).toEqual({ checksumStart: 34, checksumOffset: 16, segmentation: 'none', segmentBytes: 0 });
    expect(second!.offload).toEqual(first!.offload);
    const words = Array.from({ length: 10 }, (_, index) => second!.frame[14 + 2 * index]! * 256 + second!.frame[15 + 2 * index]!);
    const sum = words.reduce((total, value) => total + value, 0);
    expect((sum & 0xffff) + (sum >> 16)).toBe(0xffff);
  });

  it('hands over segments of TCP whole, with the lengths that the driver left open', () => {
    const { memory, start, give, sent } = rig();
    start();
    const header = new Array<number>(14).fill(1).concat([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2], new Array<number>(20).fill(2));
    memory.writeBlock(0x1000, Uint8Array.from(header));
    give(context(0x27 & 7, { headerBytes: 54, segmentBytes: 1460 }), extended(0x1000, 54, 4, 3), extended(0x8000, 30_000, 5, 3));
    const [{ frame, offload }] = sent() as [{ frame: number[]; offload: FrameOffload }];
    expect(frame.length).toBe(30_054);
    expect(frame[16]! * 256 + frame[17]!).toBe(30_040);
    // The driver's sum of addresses and protocol, and the segment's length.
    expect(frame[50]! * 256 + frame[51]!).toBe(0x0202 + 30_020);
    expect(offload).toEqual({ checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 });
  });

  it('keeps frames in the ring while the link is full', () => {
    const { start, give, network, sent, read } = rig();
    start();
    for (let index = 0; index < 7; index++) give(extended(0, 65_000, 1, 0));
    expect(read(0x3810)).toBe(7);
    give(extended(0, 65_000, 9, 0));
    give(extended(0, 65_000, 9, 0));
    expect(read(0x3810)).toBe(0);
    for (let count = 0; count < 4; count++) {
      network.peek();
      network.consume();
    }
    expect(read(0x3810)).toBe(1);
    expect(sent().length).toBe(5);
  });

  it('puts received frames into buffers with room for their FCS, and waits for more', () => {
    const { start, arrive, received, read, write, line } = rig();
    start();
    write(0xd0, 0x80);
    const frame = [...MAC, ...Array.from({ length: 200 }, (_, index) => index & 0xff)];
    arrive(frame);
    expect(received(0)).toEqual({ length: 210, status: 3, bytes: [...frame, 0, 0, 0, 0] });
    expect(line.high).toBe(true);
    for (let count = 0; count < 9; count++) arrive(frame);
    expect([read(0x2810), received(6).status, received(7).status]).toEqual([7, 3, 0]);
    write(0x2818, 2);
    expect([read(0x2810), received(7).status]).toEqual([2, 3]);
    write(0x2818, 6);
    expect(read(0x2810)).toBe(2 + 0);
  });

  it('spreads a long frame over buffers where it is allowed to, strips the FCS and says that checksums are right', () => {
    const { start, arrive, received, write, memory } = rig();
    start();
    write(0x5000, 0x300);
    write(0x100, 2 | 0x20 | 0x400_0000 | (1 << 16));
    const frame = [...MAC, 2, 2, 2, 2, 2, 2, 8, 0, 0x45, ...new Array<number>(8).fill(0), 6, ...Array.from({ length: 2000 }, (_, index) => index & 0xff)];
    frame[20] = 0;
    frame[21] = 0;
    arrive(frame);
    expect([received(0).status, received(0).length, received(1).status, received(1).length]).toEqual([1, 1024, 0x63, frame.length - 1024]);
    expect([...memory.ram.subarray(RX_BUFFERS, RX_BUFFERS + 1024), ...received(1).bytes]).toEqual(frame);
  });

  it('lets in its own address, broadcasts, multicasts of the table, and everything when told to', () => {
    const { start, arrive, read, write } = rig();
    start();
    const seen = (mac: number[]): boolean => {
      const before = read(0x2810);
      arrive([...mac, ...new Array<number>(54).fill(0)]);
      write(0x2818, (read(0x2810) + 7) % 8);
      return read(0x2810) !== before;
    };
    const group = [0x33, 0x33, 0, 0, 0x12, 0x34];
    expect([MAC, [2, 9, 9, 9, 9, 9], group, [255, 255, 255, 255, 255, 255]].map(seen)).toEqual([true, false, false, true]);
    const hash = (0x3412 >> 4) & 0xfff;
    write(0x5200 + 4 * (hash >> 5), 2 ** (hash & 31));
    expect(seen(group)).toBe(true);
    write(0x100, 2 | 8 | 0x10);
    expect([[2, 9, 9, 9, 9, 9], [0x33, 0x33, 9, 9, 9, 9]].map(seen)).toEqual([true, true]);
  });

  it('drops what was made for a driver of another adapter', () => {
    const { start, arrive, read, network } = rig();
    start();
    arrive([...MAC, ...new Array<number>(54).fill(0)], { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 9 });
    expect(read(0x2810)).toBe(0);
    expect(network.accepted.checksum).toBe(false);
  });

  it('interrupts no more often than ITR says', () => {
    const { clock, read, write, line } = rig();
    write(0xc4, 1000);
    write(0xd0, 0x80);
    write(0xc8, 0x80);
    expect(line.high).toBe(true);
    read(0xc0);
    expect(line.high).toBe(false);
    write(0xc8, 0x80);
    expect(line.high).toBe(false);
    clock.advance(255_999);
    expect(line.high).toBe(false);
    clock.advance(1);
    expect(line.high).toBe(true);
    write(0xd8, 0x80);
    expect(line.high).toBe(false);
  });

  it('is reached through its ports too, and resets itself', () => {
    const { ports, read, write } = rig();
    ports.handler.write(0, 4, 0x2818);
    ports.handler.write(4, 4, 77);
    expect([ports.handler.read(0, 4), ports.handler.read(4, 4), read(0x2818)]).toEqual([0x2818, 77, 77]);
    write(0, 1 << 26);
    expect([read(0x2818), read(0) & (1 << 26)]).toEqual([0, 0]);
  });

  it('survives rings full of noise', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { memory, start, write, arrive, sent } = rig();
      const random = new SeededRandom(seed);
      start();
      for (let at = TX_RING; at < TX_RING + 0x800; at++) memory.write8(at, random.below(3) === 0 ? random.below(256) : random.pick([0, 0x21, 0x29]));
      for (let at = RX_RING; at < RX_RING + 0x200; at++) memory.write8(at, random.below(256));
      expect(() => {
        write(0x3808, 0x800);
        for (let count = 0; count < 30; count++) {
          write(0x3818, random.below(0x100));
          write(0x2818, random.below(0x20));
          arrive([...MAC, ...new Array<number>(random.below(3000)).fill(7), ...new Array<number>(8).fill(0)]);
          sent();
        }
      }, `seed ${seed}`).not.toThrow();
    }
  });
});
