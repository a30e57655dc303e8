import { describe, expect, it } from 'vitest';

import { VirtioEntropy } from '../../../../../src/emulator/devices/virtio/virtio-entropy.ts';
import { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { describeDeviceContract } from '../device-contract.ts';
import { VirtioDriver } from './virtio-driver.ts';

const DATA = 0x40000;

function rig(ramBytes = 1 << 20) {
  const memory = new FakeGuestMemory(ramBytes);
  let next = 0;
  const entropy = { fill: (target: Uint8Array) => { for (let index = 0; index < target.length; index++) target[index] = ++next; } };
  const device = new VirtioEntropy({ id: 'virtio-entropy', memory, entropy, log: new FakeLog() });
  return { memory, device, driver: new VirtioDriver(device, memory) };
}

describeDeviceContract('VirtioEntropy', () => {
  const { device, driver } = rig(0);
  const modern = device.bars[4];
  if (modern?.kind !== 'memory') throw new Error('the BARs moved');
  return {
    device,
    ranges: [{ name: 'modern', handler: modern.handler, length: 0x4000, offsets: [0xc, 0x14, 0x16, 0x1c, 0x20, 0x1000, 0x3000] }],
    observe: () => driver.line.high,
  };
});

describe('VirtioEntropy', () => {
  it('fills buffers with random bytes, a page at most for each', () => {
    const { device, driver, memory } = rig();
    expect([device.deviceId, device.subsystemId]).toEqual([0x1005, 4]);
    driver.start({ queueSize: 8 });
    driver.offer(0, 0, [{ address: DATA, length: 3, writable: true }, { address: DATA + 0x100, length: 2, writable: true }]);
    driver.offer(0, 2, [{ address: DATA + 0x1000, length: 0x8000, writable: true }]);
    driver.offer(0, 3, [{ address: DATA, length: 5 }]);
    driver.notify(0);
    expect(driver.takeUsed(0)).toEqual([[0, 5], [2, 4096], [3, 0]]);
    expect([...memory.ram.slice(DATA, DATA + 4), ...memory.ram.slice(DATA + 0x100, DATA + 0x103)]).toEqual([1, 2, 3, 0, 4, 5, 0]);
    expect(driver.line.high).toBe(true);
  });
});
