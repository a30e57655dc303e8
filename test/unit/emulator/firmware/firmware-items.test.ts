import { describe, expect, it } from 'vitest';

import { FwCfg } from '../../../../src/emulator/devices/fw-cfg.ts';
import { e820Entries, e820File } from '../../../../src/emulator/firmware/e820.ts';
import type { FirmwareSettings } from '../../../../src/emulator/firmware/firmware-items.ts';
import { firmwareItems, ideBootPath, pciBootPath } from '../../../../src/emulator/firmware/firmware-items.ts';
import { planLinuxBoot } from '../../../../src/emulator/firmware/linux-boot.ts';
import { cmosContents, pirqOfSlot } from '../../../../src/emulator/machine/pc-layout.ts';
import { FlatGuestMemory } from '../../../support/flat-guest-memory.ts';
import { tinyKernel } from './tiny-kernel.ts';

const MIB = 1024 * 1024;
const SETTINGS: FirmwareSettings = {
  board: { ramBytes: 64 * MIB, cpuCount: 1, hasCom2: false, machineName: 'test', uuid: new Uint8Array(16) },
  bootOrder: [ideBootPath(0, 0), pciBootPath(8)],
  bootMenuMillis: undefined,
  directBoot: undefined,
};

function file(settings: FirmwareSettings, name: string): Uint8Array | undefined {
  return firmwareItems(settings).find((item) => 'name' in item && item.name === name)?.bytes;
}

describe('firmwareItems', () => {
  it('are items that the fw_cfg device takes', () => {
    const plan = planLinuxBoot({ kernel: tinyKernel(), initrd: undefined, commandLine: '' }, 64 * MIB);
    if (!plan.ok) throw new Error(plan.error.message);
    const items = firmwareItems({ ...SETTINGS, bootMenuMillis: 3000, directBoot: plan.value });
    expect(() => new FwCfg({ id: 'fw-cfg', items, memory: new FlatGuestMemory(4096) })).not.toThrow();
  });

  it('name boot devices as SeaBIOS looks for them', () => {
    expect(new TextDecoder().decode(file(SETTINGS, 'bootorder'))).toBe('/pci@i0cf8/ide@1,1/drive@0/disk@0\n/pci@i0cf8/scsi@8\0');
  });

  it('put a directly booted kernel first and bring its ROM', () => {
    const plan = planLinuxBoot({ kernel: tinyKernel(), initrd: undefined, commandLine: '' }, 64 * MIB);
    if (!plan.ok) throw new Error(plan.error.message);
    const settings = { ...SETTINGS, directBoot: plan.value };
    expect(new TextDecoder().decode(file(settings, 'bootorder')).split('\n')[0]).toBe('/rom@genroms/guesthouse-boot.bin');
    expect(file(settings, 'genroms/guesthouse-boot.bin')).toHaveLength(512);
    expect(file(SETTINGS, 'genroms/guesthouse-boot.bin')).toBeUndefined();
  });

  it('give the boot menu its time', () => {
    expect([...file({ ...SETTINGS, bootMenuMillis: 3000 }, 'etc/boot-menu-wait') ?? []]).toEqual([0xb8, 0x0b]);
    expect(file(SETTINGS, 'etc/boot-menu-wait')).toBeUndefined();
  });
});

describe('e820', () => {
  it('splits RAM at the PCI hole', () => {
    expect(e820Entries(3584 * MIB)).toEqual([{ address: 0, length: 3072 * MIB, kind: 1 }, { address: 4096 * MIB, length: 512 * MIB, kind: 1 }]);
    expect([...e820File(e820Entries(64 * MIB))]).toEqual([...Array<number>(8).fill(0), 0, 0, 0, 4, 0, 0, 0, 0, 1, 0, 0, 0]);
  });
});

describe('board layout', () => {
  it('gives the CMOS the memory that old firmware reads there', () => {
    const contents = cmosContents(3584 * MIB, 1);
    const words = (low: number): number => contents.get(low)! + contents.get(low + 1)! * 256;
    expect([words(0x15), words(0x30), words(0x34) * 64 * 1024 + 16 * MIB, words(0x5b) * 64 * 1024]).toEqual([640, 0xffff, 3072 * MIB, 512 * MIB]);
    for (const value of contents.values()) expect(value >= 0 && value <= 255 && Number.isInteger(value)).toBe(true);
  });

  it('rotates interrupt pins over the four lines by slot', () => {
    expect([pirqOfSlot(1, 1), pirqOfSlot(2, 1), pirqOfSlot(3, 4), pirqOfSlot(0, 1)]).toEqual([0, 1, 1, 3]);
  });
});
