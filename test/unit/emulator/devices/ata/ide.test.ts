import { describe, expect, it } from 'vitest';

import { describeDeviceContract } from '../device-contract.ts';
import { IdeRig } from './ide-rig.ts';

const INTERESTING_COMMANDS = [0x20, 0x24, 0x30, 0xc4, 0xc8, 0xca, 0x25, 0x35, 0xe7, 0xec, 0xa0, 0xa1, 0xef, 0x06, 0x90, 0x08, 0x40];
const PACKETS = [[0x28, 0, 0, 0, 0, 3, 0, 0, 40], [0x12, 0, 0, 0, 36], [0x43, 0, 0, 0, 0, 0, 0, 0, 64], [0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 64], [0x1b, 0, 0, 0, 2], [0x55, 0, 0, 0, 0, 0, 0, 0, 8]];

describeDeviceContract('Piix3Ide', () => {
  // No RAM and a read-only disk: what the controller does depends on nothing but its own state then.
  const rig = new IdeRig({ ramBytes: 0, readOnly: true });
  const bar = rig.ide.bars[4];
  const [primary, secondary] = rig.ide.channels;
  return {
    device: rig.ide,
    ranges: [
      { name: 'primary', handler: primary.commandBlock, length: 8 },
      { name: 'primary control', handler: primary.controlBlock, length: 1 },
      { name: 'secondary', handler: secondary.commandBlock, length: 8 },
      { name: 'secondary control', handler: secondary.controlBlock, length: 1 },
      { name: 'bus master', handler: bar?.kind === 'io' ? bar.handler : primary.commandBlock, length: 16 },
    ],
    observe: () => rig.irqs.map((line) => line.high),
    stimulate: (random) => {
      const block = new Uint8Array(512);
      switch (random.below(8)) {
        case 0: return rig.command28(random.pick(INTERESTING_COMMANDS), random.below(6_000), random.below(300));
        case 1: return rig.packet(random.pick(PACKETS), { dma: random.below(4) === 0, byteLimit: random.below(4096) });
        case 2: return [rig.readBlock(random.below(2), block), block];
        case 3: return rig.writeBlock(random.below(2), block);
        case 4: return random.below(4) === 0 ? rig.cd.changeMedium(random.below(2) === 0 ? undefined : rig.disc) : undefined;
        case 5: return [0, 1].forEach((channel) => { rig.control(channel, 0); });
        default:
          rig.disk.completeWaiting();
          rig.disc.completeWaiting();
          return undefined;
      }
    },
  };
});

describe('Piix3Ide', () => {
  it('identifies itself as a PIIX3 with both channels on', () => {
    const { ide } = new IdeRig();
    expect([ide.vendorId, ide.deviceId, ide.classCode, ide.interruptPin]).toEqual([0x8086, 0x7010, 0x010180, 0]);
    expect(ide.readConfig(0x40, 4)).toBe(0x8000_8000);
    ide.writeConfig(0x40, 2, 0xa307);
    expect(ide.readConfig(0x40, 2)).toBe(0xa307);
  });

  it('shows device signatures after a software reset, BSY while it lasts', () => {
    const rig = new IdeRig();
    for (const channel of [0, 1]) {
      rig.control(channel, 0x04);
      expect(rig.status(channel) & 0x80).toBe(0x80);
      rig.control(channel, 0x00);
    }
    expect([1, 2, 3, 4, 5, 7].map((register) => rig.in(0, register))).toEqual([1, 1, 1, 0x00, 0x00, 0x50]);
    expect([1, 2, 3, 4, 5, 7].map((register) => rig.in(1, register))).toEqual([1, 1, 1, 0x14, 0xeb, 0x00]);
  });

  it('passes the register test for a device that exists, fails it with status 0 for its missing neighbour', () => {
    const rig = new IdeRig();
    rig.out(0, 6, 0xa0);
    rig.out(0, 2, 0x55);
    rig.out(0, 3, 0xaa);
    expect([2, 3, 6].map((register) => rig.in(0, register))).toEqual([0x55, 0xaa, 0xa0]);
    rig.out(0, 6, 0xb0);
    expect([2, 3, 6, 7].map((register) => rig.in(0, register))).toEqual([0, 0, 0xb0, 0]);
    rig.out(0, 7, 0xec);
    expect(rig.in(0, 7)).toBe(0);
    expect(rig.irqs[0].high).toBe(false);
  });

  it('answers for a missing device 0 where only device 1 exists, and floats where there is none', () => {
    const rig = new IdeRig({ slaveOnly: true });
    expect(rig.in(0, 7)).toBe(0);
    rig.out(0, 6, 0xb0);
    expect(rig.in(0, 7)).toBe(0x50);
    expect([1, 2, 3, 4, 5, 6, 7].map((register) => rig.in(1, register))).toEqual(new Array(7).fill(0xff));
    expect(rig.status(1)).toBe(0xff);
  });

  it('takes the interrupt line down when status is read, not when alternate status is, and keeps it down with nIEN', () => {
    const rig = new IdeRig();
    rig.command28(0x10, 0, 0);
    expect(rig.irqs[0].high).toBe(true);
    expect(rig.master(0, 2) & 4).toBe(4);
    rig.status(0);
    expect(rig.irqs[0].high).toBe(true);
    rig.in(0, 7);
    expect(rig.irqs[0].high).toBe(false);
    rig.control(0, 0x02);
    rig.command28(0x10, 0, 0);
    expect(rig.irqs[0].high).toBe(false);
    rig.control(0, 0x00);
    expect(rig.irqs[0].high).toBe(true);
  });

  it('runs EXECUTE DEVICE DIAGNOSTIC on both devices', () => {
    const rig = new IdeRig();
    rig.out(0, 7, 0x90);
    expect([rig.in(0, 1), rig.in(0, 2), rig.irqs[0].high]).toEqual([1, 1, true]);
  });
});
