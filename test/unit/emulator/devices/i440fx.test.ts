import { describe, expect, it } from 'vitest';

import { I440fx, type ShadowRegion } from '../../../../src/emulator/devices/i440fx.ts';
import { describeDeviceContract } from './device-contract.ts';

function bridge() {
  const changes: ShadowRegion[] = [];
  const device = new I440fx({ id: 'host', revision: 2, subsystemVendorId: 0x1af4, subsystemId: 0x1100, shadowChanged: (region) => { changes.push(region); } });
  return { device, changes };
}

describeDeviceContract('I440fx', () => {
  const { device, changes } = bridge();
  return {
    device,
    ranges: [{
      name: 'config', length: 192, offsets: [0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x32],
      handler: {
        read: (offset, width) => device.readConfig(0x40 + offset, width) ?? 0,
        write: (offset, width, value) => { device.writeConfig(0x40 + offset, width, value); },
      },
    }],
    observe: () => [changes.splice(0).length > 13, device.shadowRegions],
  };
});

describe('I440fx', () => {
  it('covers 0xC0000 to 0xFFFFF with 13 regions that read the bus after a reset', () => {
    const { device, changes } = bridge();
    device.reset('power-on');
    expect(changes).toHaveLength(13);
    let end = 0xc0000;
    for (const region of changes) {
      expect(region).toMatchObject({ base: end, readsRam: false, writesRam: false });
      end += region.length;
    }
    expect(end).toBe(0x100000);
  });

  it('switches the region that each nibble stands for', () => {
    const { device, changes } = bridge();
    device.writeConfig(0x59, 1, 0x3f);
    device.writeConfig(0x5a, 1, 0x21);
    device.writeConfig(0x5f, 1, 0x10);
    expect(changes).toEqual([
      { base: 0xf0000, length: 0x10000, readsRam: true, writesRam: true },
      { base: 0xc0000, length: 0x4000, readsRam: true, writesRam: false },
      { base: 0xc4000, length: 0x4000, readsRam: false, writesRam: true },
      { base: 0xec000, length: 0x4000, readsRam: true, writesRam: false },
    ]);
    expect(device.readConfig(0x59, 1)).toBe(0x30);
  });

  it('says nothing when a write changes nothing', () => {
    const { device, changes } = bridge();
    device.writeConfig(0x58, 4, 0x3333_3000);
    expect(changes).toHaveLength(5);
    device.writeConfig(0x58, 4, 0x3333_3000);
    expect(changes).toHaveLength(5);
  });

  it('keeps the SMRAM register', () => {
    const { device } = bridge();
    expect(device.readConfig(0x72, 1)).toBe(0x02);
    device.writeConfig(0x72, 1, 0x4a);
    expect(device.readConfig(0x72, 1)).toBe(0x4a);
  });
});
