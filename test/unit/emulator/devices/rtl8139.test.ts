import { describe, expect, it } from 'vitest';

import { Rtl8139 } from '../../../../src/emulator/devices/rtl8139.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeGuestMemory } from '../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';
import { testCable } from '../../../support/test-cable.ts';
import { describeDeviceContract } from './device-contract.ts';

const MAC = [0x52, 0x47, 0x48, 1, 2, 3];
const RING = 0x20000;

function rig(clock = new FakeClock(), ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  const { adapter, network } = testCable();
  const line = new FakeLine('inta');
  const device = new Rtl8139({ id: 'network0', memory, clock, mac: Uint8Array.from(MAC), link: adapter, subsystemVendorId: 0x1af4, subsystemId: 0x1100 });
  device.connectInterrupt(line);
  device.reset('power-on');
  const [ports] = device.bars;
  if (ports?.kind !== 'io') throw new Error('the BARs moved');
  const { handler } = ports;
  return {
    clock, memory, device, line, network, handler,
    read: (offset: number, width: 1 | 2 | 4 = 4) => handler.read(offset, width),
    write: (offset: number, value: number, width: 1 | 2 | 4 = 4) => { handler.write(offset, width, value >>> 0); },
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
    start(control = 0x0e): void {
      handler.write(0x30, 4, RING);
      handler.write(0x37, 1, 0x0c);
      handler.write(0x44, 4, control);
      handler.write(0x3c, 2, 5);
    },
  };
}

describeDeviceContract('Rtl8139', (clock) => {
  const { device, line, handler, sent } = rig(clock, 0);
  return {
    device,
    ranges: [{ name: 'ports', handler, length: 256, offsets: [0, 8, 0x10, 0x14, 0x18, 0x1c, 0x20, 0x30, 0x37, 0x38, 0x3c, 0x3e, 0x40, 0x44, 0x48, 0x4c, 0x50, 0x52, 0x54, 0x58, 0x60, 0x62, 0x64] }],
    observe: () => [line.high, sent()],
  };
}, { manyTwins: true });

describe('Rtl8139', () => {
  it('is an 8139C with its address and a link', () => {
    const { device, read } = rig();
    expect([device.vendorId, device.deviceId, device.revision]).toEqual([0x10ec, 0x8139, 0x10]);
    expect([0, 1, 2, 3, 4, 5].map((offset) => read(offset, 1))).toEqual(MAC);
    expect(read(0x40) & 0x7cc0_0000).toBe(0x7400_0000);
    expect([read(0x58, 1) & 4, read(0x64, 2) & 0x24]).toEqual([0, 0x24]);
    expect([0x10, 0x14, 0x18, 0x1c].map((offset) => read(offset))).toEqual([0x2000, 0x2000, 0x2000, 0x2000]);
  });

  it('gives its EEPROM by the wires', () => {
    const { read, write } = rig();
    const word = (address: number): number => {
      write(0x50, 0x88, 1);
      for (let bit = 8; bit >= 0; bit--) {
        const data = ((((0b110 << 6) | address) >> bit) & 1) << 1;
        write(0x50, 0x88 | data, 1);
        write(0x50, 0x88 | data | 4, 1);
        write(0x50, 0x88 | data, 1);
      }
      let value = 0;
      for (let bit = 0; bit < 16; bit++) {
        write(0x50, 0x8c, 1);
        value = (value << 1) | (read(0x50, 1) & 1);
        write(0x50, 0x88, 1);
      }
      write(0x50, 0, 1);
      return value;
    };
    expect([0, 1, 2, 7, 8, 9].map(word)).toEqual([0x8129, 0x10ec, 0x8139, 0x4752, 0x0148, 0x0302]);
  });

  it('sends from its four descriptors in turn', () => {
    const { memory, read, write, start, sent, line } = rig();
    start();
    for (let index = 0; index < 5; index++) {
      memory.writeBlock(0x1000 * (1 + index), new Uint8Array(100).fill(index));
      write(0x20 + 4 * (index % 4), 0x1000 * (1 + index));
      write(0x10 + 4 * (index % 4), 100 | (3 << 16));
      expect(read(0x10 + 4 * (index % 4))).toBe(100 | (3 << 16) | 0xa000);
    }
    expect(sent().map((frame) => [frame.length, frame[50]])).toEqual([[100, 0], [100, 1], [100, 2], [100, 3], [100, 4]]);
    expect([line.high, read(0x3e, 2), read(0x60, 2)]).toEqual([true, 4, 0xf00f]);
    write(0x3e, 4, 2);
    expect(line.high).toBe(false);
  });

  it('keeps frames in their descriptors while the link is full', () => {
    const { read, write, start, sent } = rig();
    start();
    let given = 0;
    for (let index = 0; (read(0x60, 2) & 15) === 15; index = (index + 1) % 4) {
      write(0x10 + 4 * index, 1500);
      given++;
    }
    expect(given).toBeGreaterThan(300);
    expect(sent().length).toBe(given);
    expect(read(0x60, 2)).toBe(0xf00f);
  });

  it('puts frames into its ring with what they are, and says that it is empty when all is read', () => {
    const { memory, read, write, start, arrive, line } = rig();
    start();
    expect(read(0x37, 1) & 1).toBe(1);
    const frame = [...MAC, ...Array.from({ length: 61 }, (_, index) => index)];
    arrive(frame);
    expect([line.high, read(0x37, 1) & 1, read(0x3a, 2)]).toEqual([true, 0, 76]);
    expect([...memory.ram.subarray(RING, RING + 4)]).toEqual([0x01, 0x40, 71, 0]);
    expect([...memory.ram.subarray(RING + 4, RING + 71)]).toEqual(frame);
    write(0x38, 76 - 16, 2);
    expect(read(0x37, 1) & 1).toBe(1);
  });

  it.each([['goes on at the ring\'s beginning', 0x0e], ['runs on behind the ring where it is asked to', 0x8e]])('at its end %s, and waits when it is full', (_what, control) => {
    const { clock, memory, read, write, start, arrive } = rig();
    start(control);
    const frame = [...MAC, ...new Array<number>(1494).fill(9)];
    for (let count = 0; count < 8; count++) arrive(frame);
    expect(read(0x3a, 2)).toBe(5 * 1508);
    write(0x38, 5 * 1508 - 16, 2);
    // What the driver was told it acknowledges after it has read; what comes then is told anew.
    expect(read(0x3e, 2)).toBe(1);
    write(0x3e, 1, 2);
    expect(read(0x3a, 2)).toBe(5 * 1508);
    clock.advance(20_000);
    expect(read(0x3e, 2)).toBe(1);
    expect(read(0x3a, 2)).toBe((8 * 1508) % 8192);
    const behind = memory.ram.subarray(RING + 8192, RING + 8200).every((byte) => byte === 9);
    expect(behind).toBe(control === 0x8e);
    expect(read(0x38, 2)).toBe(5 * 1508 - 16);
  });

  it('tells a driver of frames that wait for room, if it has told of nothing else', () => {
    const { read, write, start, arrive } = rig();
    start();
    const frame = [...MAC, ...new Array<number>(1494).fill(9)];
    for (let count = 0; count < 5; count++) arrive(frame);
    write(0x3e, 1, 2);
    arrive(frame);
    expect(read(0x3e, 2)).toBe(0x10);
  });

  it('lets in what its filters say, multicasts by their hash', () => {
    const { read, write, start, arrive } = rig();
    start(0x0e);
    const group = [0x01, 0x00, 0x5e, 0, 0, 1];
    const isIn = (mac: number[]): boolean => {
      const before = read(0x3a, 2);
      arrive([...mac, ...new Array<number>(54).fill(0)]);
      return read(0x3a, 2) !== before;
    };
    expect([MAC, [2, 9, 9, 9, 9, 9], group, [255, 255, 255, 255, 255, 255]].map(isIn)).toEqual([true, false, false, true]);
    const matching = Array.from({ length: 64 }, (_, bit) => {
      write(0x08, bit < 32 ? 2 ** bit : 0);
      write(0x0c, bit < 32 ? 0 : 2 ** (bit - 32));
      return isIn(group) ? [bit] : [];
    }).flat();
    // ether_crc(01:00:5e:00:00:01) >> 26, as drivers compute it.
    expect(matching).toEqual([31]);
    write(0x44, 1);
    expect(isIn([2, 9, 9, 9, 9, 9])).toBe(true);
  });

  it('counts time and interrupts when it is there', () => {
    const { clock, read, write, line } = rig();
    write(0x3c, 0x4000, 2);
    write(0x48, 0);
    write(0x54, 1000);
    clock.advance(29_970);
    expect([read(0x48), line.high]).toEqual([999, false]);
    clock.advance(30);
    expect([line.high, read(0x3e, 2)]).toEqual([true, 0x4000]);
  });

  it('locks its configuration, and resets itself', () => {
    const { read, write, start } = rig();
    write(0x52, 0x33, 1);
    expect(read(0x52, 1)).toBe(0x0c);
    write(0x50, 0xc0, 1);
    write(0x52, 0x33, 1);
    expect(read(0x52, 1)).toBe(0x33);
    start();
    write(0x37, 0x10, 1);
    expect([read(0x37, 1), read(0x30), read(0x52, 1)]).toEqual([1, 0, 0x0c]);
  });

  it('survives noise with frames both ways', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const { handler, arrive, sent, start } = rig();
      const random = new SeededRandom(seed);
      start(0x0f);
      expect(() => {
        for (let count = 0; count < 200; count++) {
          handler.write(random.below(0x70), random.pick([1, 2, 4] as const), random.next32());
          handler.write(0x37, 1, 0x0c);
          arrive([...MAC, ...new Array<number>(54 + random.below(1400)).fill(1)]);
          sent();
          handler.write(0x38, 2, random.below(0x10000));
        }
      }, `seed ${seed}`).not.toThrow();
    }
  });
});
