import { describe, expect, it } from 'vitest';

import { Piix4Pm } from '../../../../src/emulator/devices/piix4-pm.ts';
import { FakeBus } from '../../../support/fake-bus.ts';
import { FakeLog } from '../../../support/fake-log.ts';
import { describeDeviceContract } from './device-contract.ts';

function pm() {
  const ports = new FakeBus();
  const device = new Piix4Pm({
    id: 'pm', revision: 3, subsystemVendorId: 0x1af4, subsystemId: 0x1100, ports, log: new FakeLog(),
    acpi: { read: () => 0x77, write: () => undefined }, deviceActivityBReset: 0x0200_0000,
  });
  return { device, ports };
}

describeDeviceContract('Piix4Pm', () => {
  const { device, ports } = pm();
  return {
    device,
    ranges: [
      {
        name: 'config', length: 192, offsets: [0x00, 0x40, 0x50, 0x92],
        handler: {
          read: (offset, width) => device.readConfig(0x40 + offset, width) ?? 0,
          write: (offset, width, value) => { device.writeConfig(0x40 + offset, width, value); },
        },
      },
      { name: 'smbus', handler: device.smbus, length: 16 },
    ],
    observe: () => ports.map,
  };
});

describe('Piix4Pm', () => {
  it('maps the ACPI block at PMBASE while PMREGMISC enables it, as firmware sets it up', () => {
    const { device, ports } = pm();
    device.writeConfig(0x40, 4, 0x0601);
    expect(ports.map).toEqual([]);
    device.writeConfig(0x80, 1, 0x01);
    expect(ports.map).toEqual(['pm.acpi@600']);
    expect(ports.read(0x608, 4)).toBe(0x77);
    expect(device.readConfig(0x40, 4)).toBe(0x0601);
    device.writeConfig(0x40, 4, 0xb001);
    expect(ports.map).toEqual(['pm.acpi@b000']);
    device.writeConfig(0x80, 1, 0x00);
    expect(ports.map).toEqual([]);
  });

  it('says that SMM is set up already', () => {
    expect((pm().device.readConfig(0x58, 4) ?? 0) & (1 << 25)).not.toBe(0);
  });

  it('has an SMBus on which nobody answers', () => {
    const { device, ports } = pm();
    device.writeConfig(0x90, 4, 0x0701);
    device.writeConfig(0xd2, 1, 0x09);
    expect(ports.map).toEqual(['pm.smbus@700']);
    ports.write(0x704, 1, 0xa1);
    ports.write(0x702, 1, 0x48);
    expect(ports.read(0x700, 1)).toBe(0x06);
    ports.write(0x700, 1, 0xff);
    expect(ports.read(0x700, 1)).toBe(0);
  });

  it('keeps the guest from taking ports that belong to others', () => {
    const { device, ports } = pm();
    ports.claim('serial', 0x620, 8, { read: () => 0, write: () => undefined });
    device.writeConfig(0x80, 1, 0x01);
    expect(() => device.writeConfig(0x40, 4, 0x0601)).not.toThrow();
    expect(ports.map).toEqual(['serial@620']);
  });
});
