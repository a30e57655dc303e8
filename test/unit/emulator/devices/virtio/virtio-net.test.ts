import { describe, expect, it } from 'vitest';

import { VirtioNet } from '../../../../../src/emulator/devices/virtio/virtio-net.ts';
import { NO_OFFLOAD, type FrameOffload } from '../../../../../src/emulator/interfaces/network.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { testCable } from '../../../../support/test-cable.ts';
import { SeededRandom } from '../../../../support/seeded-random.ts';
import { describeDeviceContract } from '../device-contract.ts';
import { VirtioDriver } from './virtio-driver.ts';

const MAC = [0x52, 0x47, 0x48, 1, 2, 3];
const RECEIVE = 0;
const TRANSMIT = 1;
const CONTROL = 2;
const DATA = 0x40000;
const EVENT_INDEX = 29;
const MERGEABLE = 15;

function rig(ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  const { adapter, network } = testCable();
  const log = new FakeLog();
  const device = new VirtioNet({ id: 'network0', memory, log, mac: Uint8Array.from(MAC), link: adapter });
  const driver = new VirtioDriver(device, memory);
  return {
    memory, device, driver, network, log,
    /** A frame from the network. */
    arrive(frame: readonly number[] | Uint8Array, offload: FrameOffload = NO_OFFLOAD): void {
      network.reserve(frame.length)!.set(frame);
      network.commit(offload);
    },
    /** What the adapter sent, oldest first. */
    sent(): { frame: number[]; offload: FrameOffload }[] {
      const frames: { frame: number[]; offload: FrameOffload }[] = [];
      for (let seen = network.peek(); seen !== undefined; seen = network.peek()) {
        frames.push({ frame: [...seen.bytes], offload: seen.offload });
        network.consume();
      }
      return frames;
    },
    control(...command: number[]): number {
      memory.writeBlock(DATA, Uint8Array.from(command));
      memory.write8(DATA + 0x1000, 0xee);
      driver.offer(CONTROL, 0, [{ address: DATA, length: command.length }, { address: DATA + 0x1000, length: 1, writable: true }]);
      driver.notify(CONTROL);
      return memory.read8(DATA + 0x1000);
    },
  };
}

const frameTo = (mac: readonly number[], length = 60): number[] => [...mac, 2, 2, 2, 2, 2, 2, 8, 0, ...Array.from({ length: length - 14 }, (_, index) => index & 0xff)];
const header = (...fields: number[]): number[] => [...fields, ...new Array<number>(12 - fields.length).fill(0)];

describeDeviceContract('VirtioNet', () => {
  const { device, driver, arrive, sent } = rig(0);
  const [legacy, , , , modern] = device.bars;
  if (legacy?.kind !== 'io' || modern?.kind !== 'memory') throw new Error('the BARs moved');
  return {
    device,
    ranges: [
      { name: 'legacy', handler: legacy.handler, length: 0x80, offsets: [0, 4, 8, 0xc, 0xe, 0x10, 0x12, 0x13, 0x14, 0x18] },
      { name: 'modern', handler: modern.handler, length: 0x4000, offsets: [0, 4, 8, 0xc, 0x14, 0x16, 0x18, 0x1c, 0x20, 0x24, 0x1000, 0x2000, 0x3000, 0x3004, 0x3008] },
    ],
    observe: () => [driver.line.high, sent()],
    stimulate: (random) => { arrive(frameTo(random.below(2) === 0 ? MAC : [255, 255, 255, 255, 255, 255])); },
  };
});

describe('VirtioNet', () => {
  it('is a transitional network adapter with its address and a link that is up', () => {
    const { device, driver } = rig();
    expect([device.vendorId, device.deviceId, device.subsystemId]).toEqual([0x1af4, 0x1000, 1]);
    expect([0, 1, 2, 3, 4, 5].map((offset) => driver.config(offset, 1))).toEqual(MAC);
    expect([driver.config(6, 2), driver.config(8, 2)]).toEqual([1, 1]);
  });

  it('sends a frame gathered from its pieces', () => {
    const { driver, memory, sent } = rig();
    driver.start({ without: [EVENT_INDEX] });
    const frame = frameTo([1, 2, 3, 4, 5, 6], 100);
    memory.writeBlock(DATA, Uint8Array.from([...header(), ...frame.slice(0, 20)]));
    memory.writeBlock(DATA + 0x5000, Uint8Array.from(frame.slice(20)));
    driver.offer(TRANSMIT, 3, [{ address: DATA, length: 32 }, { address: DATA + 0x5000, length: 80 }]);
    driver.notify(TRANSMIT);
    expect(sent()).toEqual([{ frame, offload: NO_OFFLOAD }]);
    expect(driver.takeUsed(TRANSMIT)).toEqual([[3, 0]]);
    expect(driver.line.high).toBe(true);
  });

  it('passes on what a frame leaves to do', () => {
    const { driver, memory, sent } = rig();
    driver.start();
    memory.writeBlock(DATA, Uint8Array.from([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 0, 0, ...frameTo(MAC, 3000)]));
    driver.offer(TRANSMIT, 0, [{ address: DATA, length: 3012 }]);
    driver.notify(TRANSMIT);
    expect(sent()[0]!.offload).toEqual({ checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 });
  });

  it.each([
    ['a checksum outside the frame', [1, 0, 0, 0, 0, 0, 50, 0, 16, 0], 60], ['segments of nothing', [1, 1, 0, 0, 0, 0, 34, 0, 16, 0], 60], ['an unknown kind of segments', [1, 3, 0, 0, 9, 0, 34, 0, 16, 0], 60],
    ['segments without a checksum', [0, 1, 0, 0, 9, 0, 0, 0, 0, 0], 60], ['less than an Ethernet header', [], 13], ['nothing', [], 0], ['more than any frame', [], 70_000],
  ])('drops a frame with %s and goes on', (_what, fields, length) => {
    const { driver, memory, sent } = rig();
    driver.start();
    memory.writeBlock(DATA, Uint8Array.from(header(...fields)));
    driver.offer(TRANSMIT, 0, [{ address: DATA, length: 12 + length }]);
    driver.notify(TRANSMIT);
    expect(sent()).toEqual([]);
    driver.offer(TRANSMIT, 1, [{ address: 0x1000, length: 72 }]);
    driver.notify(TRANSMIT);
    expect(sent().length).toBe(1);
    expect(driver.takeUsed(TRANSMIT)).toEqual([[0, 0], [1, 0]]);
  });

  it('keeps frames in the queue while the link is full, and sends them in order afterwards', () => {
    const { driver, memory, network, sent } = rig();
    driver.start();
    for (let index = 0; index < 12; index++) {
      memory.writeBlock(DATA, Uint8Array.from(header()));
      memory.write8(0x2000 + index, index);
      driver.offer(TRANSMIT, index, [{ address: DATA, length: 12 + 0xff00 - 1 }]);
    }
    driver.notify(TRANSMIT);
    const before = driver.takeUsed(TRANSMIT).length;
    expect(before).toBe(8);
    for (let count = 0; count < 4; count++) {
      network.peek();
      network.consume();
    }
    expect(driver.takeUsed(TRANSMIT).map(([head]) => head)).toEqual([8, 9, 10, 11]);
    expect(sent().length).toBe(8);
  });

  it('puts a frame over as many buffers as it takes, with one header', () => {
    const { driver, memory, arrive } = rig();
    driver.start({ without: [EVENT_INDEX] });
    for (let index = 0; index < 4; index++) driver.offer(RECEIVE, index, [{ address: DATA + 0x1000 * index, length: 100, writable: true }]);
    driver.notify(RECEIVE);
    const frame = frameTo(MAC, 250);
    arrive(frame, { checksumStart: 34, checksumOffset: 16, segmentation: 'tcp4', segmentBytes: 1460 });
    expect(driver.takeUsed(RECEIVE)).toEqual([[0, 100], [1, 100], [2, 62]]);
    expect([...memory.ram.subarray(DATA, DATA + 12)]).toEqual([1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0, 3, 0]);
    expect([...memory.ram.subarray(DATA + 12, DATA + 100), ...memory.ram.subarray(DATA + 0x1000, DATA + 0x1064), ...memory.ram.subarray(DATA + 0x2000, DATA + 0x203e)]).toEqual(frame);
    expect(driver.line.high).toBe(true);
  });

  it('waits for buffers, and takes none while there are too few', () => {
    const { driver, memory, arrive } = rig();
    driver.start({ without: [EVENT_INDEX] });
    driver.offer(RECEIVE, 0, [{ address: DATA, length: 100, writable: true }]);
    driver.notify(RECEIVE);
    arrive(frameTo(MAC, 150));
    expect(driver.takeUsed(RECEIVE)).toEqual([]);
    driver.offer(RECEIVE, 1, [{ address: DATA + 0x1000, length: 100, writable: true }]);
    driver.notify(RECEIVE);
    expect(driver.takeUsed(RECEIVE)).toEqual([[0, 100], [1, 62]]);
    expect(memory.read16(DATA + 10)).toBe(2);
  });

  it('without mergeable buffers drops what one buffer doesn\'t hold', () => {
    const { driver, arrive } = rig();
    driver.start({ without: [EVENT_INDEX, MERGEABLE] });
    driver.offer(RECEIVE, 0, [{ address: DATA, length: 60, writable: true }]);
    driver.offer(RECEIVE, 1, [{ address: DATA, length: 1600, writable: true }]);
    driver.notify(RECEIVE);
    arrive(frameTo(MAC, 100));
    arrive(frameTo(MAC, 200));
    expect(driver.takeUsed(RECEIVE)).toEqual([[0, 0], [1, 212]]);
  });

  it('serves legacy drivers with the short header', () => {
    const { driver, memory, arrive, sent } = rig();
    driver.startLegacy();
    // Written by a legacy driver: no mergeable buffers this time.
    driver.setLegacy(0x12, 1, 0);
    for (const status of [1, 3]) driver.setLegacy(0x12, 1, status);
    driver.setLegacy(0x04, 4, 1 << 5);
    driver.setLegacy(0x0e, 2, 0);
    driver.setLegacy(0x08, 4, 0x10);
    driver.setLegacy(0x0e, 2, 1);
    driver.setLegacy(0x08, 4, 0x14);
    driver.setLegacy(0x12, 1, 7);
    memory.ram.fill(0, 0x10000, 0x18000);
    memory.write64(0x10000, BigInt(DATA));
    memory.write32(0x10008, 1600);
    memory.write16(0x1000c, 2);
    memory.write16(0x10000 + 16 * 256 + 4, 0);
    memory.write16(0x10000 + 16 * 256 + 2, 1);
    driver.setLegacy(0x10, 2, 0);
    const frame = frameTo(MAC);
    arrive(frame);
    expect([...memory.ram.subarray(DATA + 10, DATA + 70)]).toEqual(frame);
    expect(sent()).toEqual([]);
  });

  it('lets in what its filters say', () => {
    const { driver, arrive, control } = rig();
    driver.start({ without: [EVENT_INDEX] });
    const other = [2, 9, 9, 9, 9, 9];
    const group = [0x33, 0x33, 0, 0, 0, 1];
    const all = [255, 255, 255, 255, 255, 255];
    for (let index = 0; index < 12; index++) driver.offer(RECEIVE, index, [{ address: 0x80000 + 0x800 * index, length: 1600, writable: true }]);
    driver.notify(RECEIVE);
    const letIn = (): boolean[] => [MAC, other, group, all].map((mac) => {
      arrive(frameTo(mac));
      return driver.takeUsed(RECEIVE).length > 0;
    });
    expect(letIn()).toEqual([true, false, true, true]);
    expect(control(1, 0, 0, 0, 0, 0, 0, 0, 0, 0)).toBe(0);
    expect(letIn()).toEqual([true, false, false, true]);
    expect(control(1, 0, 1, 0, 0, 0, ...other, 1, 0, 0, 0, ...group)).toBe(0);
    expect(control(0, 5, 1)).toBe(0);
    expect(letIn()).toEqual([true, true, true, false]);
  });

  it('takes another address and everything when it is told to, and refuses what it doesn\'t know', () => {
    const { driver, control } = rig();
    driver.start();
    expect(control(1, 1, 2, 1, 1, 1, 1, 1)).toBe(0);
    expect([0, 5].map((offset) => driver.config(offset, 1))).toEqual([2, 1]);
    expect(control(0, 0, 1)).toBe(0);
    for (const command of [[0, 6, 1], [0, 0], [0, 0, 1, 1], [1, 1, 2, 2], [1, 0, 255, 255, 255, 255], [1, 0, 1, 0, 0, 0, 1], [9, 9], [0], []]) expect(control(...command, ...[]), command.join(' ')).toBe(1);
  });

  it('tells the network what its driver takes on, and drops what was made for another', () => {
    const { driver, network, arrive } = rig();
    expect(network.accepted).toEqual({ checksum: false, tcp4: false, tcp6: false });
    driver.start();
    expect(network.accepted).toEqual({ checksum: true, tcp4: true, tcp6: true });
    driver.setCommon(0x14, 1, 0);
    expect(network.accepted).toEqual({ checksum: false, tcp4: false, tcp6: false });
    arrive(frameTo(MAC), { checksumStart: 34, checksumOffset: 16, segmentation: 'none', segmentBytes: 0 });
    driver.start({ without: [1, 7, 8] });
    driver.offer(RECEIVE, 0, [{ address: DATA, length: 1600, writable: true }]);
    driver.notify(RECEIVE);
    expect(driver.takeUsed(RECEIVE)).toEqual([]);
    expect(network.reserve(10)).toBeDefined();
  });

  it('survives rings full of noise', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const { driver, memory, arrive, sent } = rig();
      const random = new SeededRandom(seed);
      driver.start();
      for (let at = 0x10000; at < 0x1c000; at++) memory.write8(at, random.below(3) === 0 ? random.below(256) : 0);
      for (const queue of [RECEIVE, TRANSMIT, CONTROL]) memory.write16(driver.available(queue) + 2, 1 + random.below(16));
      expect(() => {
        for (const queue of [RECEIVE, TRANSMIT, CONTROL]) driver.notify(queue);
        for (let count = 0; count < 5; count++) arrive(frameTo(MAC, 60 + random.below(3000)));
        sent();
      }, `seed ${seed}`).not.toThrow();
    }
  });
});
