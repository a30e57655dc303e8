import { describe, expect, it } from 'vitest';

import { VirtioConsole } from '../../../../../src/emulator/devices/virtio/virtio-console.ts';
import { FakeCharacterChannel } from '../../../../support/fake-character-channel.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { describeDeviceContract } from '../device-contract.ts';
import { VirtioDriver } from './virtio-driver.ts';

const DATA = 0x40000;

function rig(ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  const channel = new FakeCharacterChannel();
  const device = new VirtioConsole({ id: 'virtio-console', memory, channel, log: new FakeLog() });
  const driver = new VirtioDriver(device, memory);
  const text = (address: number, length: number): string => String.fromCharCode(...memory.ram.slice(address, address + length));
  return { memory, channel, device, driver, text };
}

describeDeviceContract('VirtioConsole', () => {
  const { device, driver, channel } = rig(0);
  const [legacy, , , , modern] = device.bars;
  if (legacy?.kind !== 'io' || modern?.kind !== 'memory') throw new Error('the BARs moved');
  return {
    device,
    ranges: [
      { name: 'legacy', handler: legacy.handler, length: 0x80, offsets: [4, 8, 0xe, 0x10, 0x12, 0x13, 0x1c] },
      { name: 'modern', handler: modern.handler, length: 0x4000, offsets: [0xc, 0x14, 0x16, 0x1c, 0x20, 0x1000, 0x2008, 0x3004] },
    ],
    observe: () => [driver.line.high, channel.sent.splice(0)],
  };
});

describe('VirtioConsole', () => {
  it('sends what the driver transmits', () => {
    const { channel, device, driver, memory } = rig();
    expect([device.deviceId, device.subsystemId]).toEqual([0x1003, 3]);
    driver.start();
    memory.writeBlock(DATA, new TextEncoder().encode('hello, '));
    memory.writeBlock(DATA + 0x100, new TextEncoder().encode('world'));
    driver.offer(1, 0, [{ address: DATA, length: 7 }, { address: DATA + 0x100, length: 5 }]);
    driver.notify(1);
    expect(channel.sentText).toBe('hello, world');
    expect(driver.takeUsed(1)).toEqual([[0, 0]]);
  });

  it('keeps input in the channel until the driver offers buffers, and fills them in turn', () => {
    const { channel, driver, text } = rig();
    channel.deliver('early ');
    driver.start();
    expect(channel.available).toBe(6);
    driver.offer(0, 0, [{ address: DATA, length: 4, writable: true }]);
    driver.offer(0, 1, [{ address: DATA + 0x100, length: 64, writable: true }]);
    driver.offer(0, 2, [{ address: DATA + 0x200, length: 64, writable: true }]);
    driver.notify(0);
    expect(driver.takeUsed(0)).toEqual([[0, 4], [1, 2]]);
    expect(text(DATA, 4) + text(DATA + 0x100, 2)).toBe('early ');
    channel.deliver('bird');
    expect(driver.takeUsed(0)).toEqual([[2, 4]]);
    expect(text(DATA + 0x200, 4)).toBe('bird');
    expect(driver.line.high).toBe(true);
    channel.deliver('more');
    expect(channel.available).toBe(4);
  });

  it('takes emergency writes before it is set up', () => {
    const { channel, driver } = rig();
    const bar = driver.device.bars[4];
    if (bar?.kind === 'memory') bar.handler.write(0x2008, 4, 0x21);
    expect(channel.sentText).toBe('!');
  });

  it('delivers what came in while the machine was saved', () => {
    const first = rig();
    const second = rig();
    first.driver.start();
    second.driver.start();
    first.driver.offer(0, 0, [{ address: DATA, length: 16, writable: true }]);
    first.driver.notify(0);
    second.memory.ram.set(first.memory.ram);
    second.channel.deliver('x');
    second.device.restore(structuredClone(first.device.save()));
    expect(second.driver.takeUsed(0)).toEqual([[0, 1]]);
  });
});
