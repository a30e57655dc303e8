import { describe, expect, it } from 'vitest';

import { FW_CFG_LENGTH, FwCfg, isFwCfgFileName } from '../../../../src/emulator/devices/fw-cfg.ts';
import type { FwCfgItem } from '../../../../src/emulator/interfaces/fw-cfg-item.ts';
import { FlatGuestMemory } from '../../../support/flat-guest-memory.ts';
import { describeDeviceContract } from './device-contract.ts';

const RAM_BYTES = 0x10000;
const ITEMS: readonly FwCfgItem[] = [
  { key: 0x05, bytes: Uint8Array.of(1, 0) },
  { name: 'etc/zeta', bytes: Uint8Array.of(9, 8, 7, 6, 5) },
  { name: 'etc/alpha', bytes: new TextEncoder().encode('first') },
];

function build(items: readonly FwCfgItem[] = ITEMS): { device: FwCfg; memory: FlatGuestMemory } {
  const memory = new FlatGuestMemory(RAM_BYTES);
  const device = new FwCfg({ id: 'fw-cfg', items, memory });
  device.reset('power-on');
  return { device, memory };
}

it('asks for its items when the guest does', () => {
  let asked = 0;
  const device = new FwCfg({ id: 'fw-cfg', items: () => { asked++; return ITEMS; }, memory: new FlatGuestMemory(RAM_BYTES) });
  device.reset('power-on');
  device.restore({ ...device.save(), selected: 0, position: 1 });
  expect(asked).toBe(0);
  expect(readBytes(device, 4)).toEqual([...'EMU\0'].map((character) => character.charCodeAt(0)));
  select(device, 0);
  expect(readBytes(device, 1)).toEqual([0x51]);
  expect(asked).toBe(1);
});

function select(device: FwCfg, key: number): void {
  device.ports.write(0, 2, key);
}

function readBytes(device: FwCfg, length: number): number[] {
  return Array.from({ length }, () => device.ports.read(1, 1));
}

function swap32(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getUint32(0, true);
}

const STRUCTURE = 0x1000;
const ERROR = 1;
const READ = 2;
const SKIP = 4;
const SELECT = 8;
const WRITE = 16;

/** Runs one DMA access and returns the control field afterwards. */
function dma({ device, memory }: ReturnType<typeof build>, control: number, length: number, address: bigint): number {
  const view = new DataView(memory.bytes.buffer);
  view.setUint32(STRUCTURE, control);
  view.setUint32(STRUCTURE + 4, length);
  view.setBigUint64(STRUCTURE + 8, address);
  device.ports.write(4, 4, 0);
  device.ports.write(8, 4, swap32(STRUCTURE));
  return view.getUint32(STRUCTURE);
}

/** Key of a file, found as a guest finds it. */
function keyOf(device: FwCfg, name: string): number {
  select(device, 0x19);
  const count = new DataView(Uint8Array.from(readBytes(device, 4)).buffer).getUint32(0);
  for (let index = 0; index < count; index++) {
    const entry = Uint8Array.from(readBytes(device, 64));
    const text = String.fromCharCode(...entry.subarray(8));
    if (text.slice(0, text.indexOf('\0')) === name) return new DataView(entry.buffer).getUint16(4);
  }
  throw new Error(`${name} is not in the directory`);
}

describeDeviceContract('FwCfg', () => {
  const { device, memory } = build();
  return {
    device,
    ranges: [{ name: 'fw_cfg', handler: device.ports, length: FW_CFG_LENGTH, offsets: [0, 1, 4, 8] }],
    observe: () => memory.read32(STRUCTURE),
  };
});

describe('FwCfg', () => {
  it('shows its signature at reset and its interfaces in the version item', () => {
    const { device } = build();
    expect(readBytes(device, 5)).toEqual([0x51, 0x45, 0x4d, 0x55, 0]);
    select(device, 1);
    expect(readBytes(device, 4)).toEqual([3, 0, 0, 0]);
  });

  it('shows "QEMU CFG" in the DMA address registers', () => {
    const { device } = build();
    expect(device.ports.read(4, 4)).toBe(0x554d4551);
    expect(device.ports.read(8, 4)).toBe(0x47464320);
  });

  it('reads an item from its start after each selection, and zeros past its end', () => {
    const { device } = build();
    const key = keyOf(device, 'etc/zeta');
    for (let round = 0; round < 2; round++) {
      select(device, key);
      expect(readBytes(device, 7)).toEqual([9, 8, 7, 6, 5, 0, 0]);
    }
  });

  it('lists files sorted by name with big-endian sizes', () => {
    const { device } = build();
    select(device, 0x19);
    expect(readBytes(device, 4)).toEqual([0, 0, 0, 2]);
    expect(readBytes(device, 19)).toEqual([0, 0, 0, 5, 0, 0x20, 0, 0, ...new TextEncoder().encode('etc/alpha'), 0, 0]);
  });

  it('reads zeros under keys that mean nothing', () => {
    const { device } = build();
    select(device, 0x3fff);
    expect(readBytes(device, 3)).toEqual([0, 0, 0]);
  });

  it('transfers a whole block to REP INSB', () => {
    const { device } = build();
    select(device, keyOf(device, 'etc/zeta'));
    const target = new Uint8Array(7).fill(0xaa);
    expect(device.ports.readBlock?.(1, 1, target)).toBe(7);
    expect([...target]).toEqual([9, 8, 7, 6, 5, 0, 0]);
  });

  it('selects, skips and reads by DMA', () => {
    const rig = build();
    const key = keyOf(rig.device, 'etc/zeta');
    rig.memory.bytes.fill(0xaa, 0x2000, 0x2010);
    expect(dma(rig, (key << 16) | SELECT | SKIP, 2, 0n)).toBe(0);
    expect(dma(rig, READ, 5, 0x2000n)).toBe(0);
    expect([...rig.memory.bytes.subarray(0x2000, 0x2006)]).toEqual([7, 6, 5, 0, 0, 0xaa]);
  });

  it('refuses to write, and to read more than RAM holds', () => {
    const rig = build();
    expect(dma(rig, WRITE, 1, 0x2000n)).toBe(ERROR);
    expect(dma(rig, READ, 0xffffffff, 0x2000n)).toBe(ERROR);
    expect(dma(rig, READ, 4, 0xffff_ffff_ffff_fff0n)).toBe(ERROR);
  });

  it('takes structures and targets outside RAM without harm', () => {
    const rig = build();
    rig.device.ports.write(4, 4, 0xffffffff);
    rig.device.ports.write(8, 4, 0xffffffff);
    expect(dma(rig, READ, 16, 0x8000_0000n)).toBe(0);
  });

  it('forgets the upper address half after each access', () => {
    const rig = build();
    rig.device.ports.write(4, 4, swap32(1));
    rig.device.ports.write(8, 4, swap32(STRUCTURE));
    expect(rig.device.save().dmaAddressHigh).toBe(0);
  });

  it('refuses duplicates and impossible names', () => {
    expect(() => build([...ITEMS, { name: 'etc/zeta', bytes: new Uint8Array(1) }])).toThrow('twice');
    expect(() => build([{ key: 0x19, bytes: new Uint8Array(1) }])).toThrow('twice');
    expect(isFwCfgFileName('opt/org.example/x')).toBe(true);
    for (const name of ['', 'with space', 'x'.repeat(56), 'zero\0']) expect(isFwCfgFileName(name)).toBe(false);
  });
});
