import { describe, expect, it } from 'vitest';

import { Piix3 } from '../../../../src/emulator/devices/piix3.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

function bridge() {
  const irqs = Array.from({ length: 16 }, (_, irq) => new FakeLine(`irq${irq}`));
  const resets: string[] = [];
  const device = new Piix3({
    id: 'isa', revision: 0, subsystemVendorId: 0x1af4, subsystemId: 0x1100,
    isaIrqs: irqs.map((line, irq) => ([0, 1, 2, 8, 13].includes(irq) ? undefined : line)),
    resetRequested: (kind) => { resets.push(kind); },
  });
  return { device, irqs, resets, high: () => irqs.flatMap((line, irq) => (line.high ? [irq] : [])) };
}

describeDeviceContract('Piix3', () => {
  const { device, high, resets } = bridge();
  return {
    device,
    ranges: [
      {
        name: 'config', length: 192, offsets: [0x20, 0x21, 0x22, 0x23],
        handler: {
          read: (offset, width) => device.readConfig(0x40 + offset, width) ?? 0,
          write: (offset, width, value) => { device.writeConfig(0x40 + offset, width, value); },
        },
      },
      { name: 'reset control', handler: device.resetControl, length: 1 },
    ],
    observe: () => [high(), resets.splice(0)],
    stimulate: (random) => { device.pirqs[random.below(4)]!.set(random.below(2) === 0); },
  };
});

describe('Piix3', () => {
  it('drives the routed ISA IRQ as long as one of the PIRQs routed to it is asserted', () => {
    const { device, high } = bridge();
    device.writeConfig(0x60, 4, 0x0b0a_0a80);
    device.pirqs[0]!.set(true);
    expect(high()).toEqual([]);
    device.pirqs[1]!.set(true);
    device.pirqs[2]!.set(true);
    device.pirqs[3]!.set(true);
    expect(high()).toEqual([10, 11]);
    device.pirqs[1]!.set(false);
    expect(high()).toEqual([10, 11]);
    device.pirqs[2]!.set(false);
    expect(high()).toEqual([11]);
  });

  it('moves an asserted interrupt when its route changes', () => {
    const { device, high } = bridge();
    device.pirqs[0]!.set(true);
    device.writeConfig(0x60, 1, 5);
    expect(high()).toEqual([5]);
    device.writeConfig(0x60, 1, 11);
    expect(high()).toEqual([11]);
    device.writeConfig(0x60, 1, 0x8b);
    expect(high()).toEqual([]);
    device.writeConfig(0x60, 1, 8);
    expect(high()).toEqual([]);
  });

  it('asks for a reset when bit 2 of the reset control register goes up', () => {
    const { device, resets } = bridge();
    device.resetControl.write(0, 1, 0x02);
    expect(resets).toEqual([]);
    device.resetControl.write(0, 1, 0x06);
    device.resetControl.write(0, 1, 0x06);
    expect(resets).toEqual(['board']);
    device.resetControl.write(0, 1, 0x00);
    device.resetControl.write(0, 1, 0x04);
    expect(resets).toEqual(['board', 'cpu']);
  });
});
