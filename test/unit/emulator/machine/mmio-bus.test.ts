import { describe, expect, it } from 'vitest';
import { PhysicalMemoryBus } from '../../../../src/emulator/machine/mmio-bus.ts';
import type { IoHandler } from '../../../../src/emulator/interfaces/bus.ts';

const READ_WRITE = 3;
const READ_ONLY = 1;

function newBus(pages = 64) {
  const pageMap = new Uint32Array(pages);
  const changes: string[] = [];
  const bus = new PhysicalMemoryBus(pageMap, (first, count) => changes.push(`${first}+${count}`), { log: () => {} });
  return { pageMap, changes, bus };
}

function constant(value: number): IoHandler {
  return { read: () => value, write: () => {} };
}

describe('PhysicalMemoryBus', () => {
  it('writes the page map for direct mappings and tells the CPU', () => {
    const { bus, pageMap, changes } = newBus();
    bus.mapDirect('ram', 0x2000, 0x3000, 0x7000000, 'read-write');
    expect([...pageMap.subarray(1, 6)]).toEqual([0, 0x7000000 + READ_WRITE, 0x7001000 + READ_WRITE, 0x7002000 + READ_WRITE, 0]);
    expect(changes).toEqual(['2+3']);
  });

  it('lets a later mapping hide an earlier one until it is disposed of', () => {
    const { bus, pageMap } = newBus();
    bus.mapDirect('ram', 0, 0x10000, 0x7000000, 'read-write');
    const rom = bus.mapDirect('rom', 0x4000, 0x2000, 0x2800000, 'read-only');
    const patch = bus.mapDirect('patch', 0x5000, 0x1000, 0x3000000, 'read-write');
    expect(pageMap[4]).toBe(0x2800000 + READ_ONLY);
    expect(pageMap[5]).toBe(0x3000000 + READ_WRITE);
    expect(bus.ownerOf(0x5123)).toBe('patch');
    rom.dispose();
    expect(pageMap[4]).toBe(0x7004000 + READ_WRITE);
    expect(pageMap[5]).toBe(0x3000000 + READ_WRITE);
    patch.dispose();
    expect(pageMap[5]).toBe(0x7005000 + READ_WRITE);
  });

  it('ignores the part of a mapping beyond the page map', () => {
    const { bus, pageMap, changes } = newBus(4);
    bus.mapDirect('far', 0x3000, 0x100000, 0x7000000, 'read-write');
    bus.mapDirect('farther', 0x10_0000_0000, 0x1000, 0x7000000, 'read-write');
    expect(pageMap[3]).not.toBe(0);
    expect(changes).toEqual(['3+1']);
  });

  it('finds the claim of an address among many, above 4 GiB too', () => {
    const { bus } = newBus();
    for (let index = 0; index < 20; index++) bus.claim(`c${index}`, ((index * 7) % 20) * 0x1000, 0x800, constant((index * 7) % 20));
    bus.claim('high', 0x12_0000_0000, 0x100, constant(0xabcdef01));
    for (let index = 0; index < 20; index++) {
      expect(bus.read(index * 0x1000 + 0x7fc, 4)).toBe(index);
      expect(bus.read(index * 0x1000 + 0x800, 1)).toBe(0xff);
    }
    expect(bus.read(0x12_0000_0010, 4)).toBe(0xabcdef01);
  });

  it('splits an access that crosses the end of a claim', () => {
    const { bus } = newBus();
    bus.claim('small', 0x100, 2, constant(0x5a));
    expect(bus.read(0x101, 4)).toBe(0xffff_ff5a);
  });

  it('refuses overlapping claims and takes a range again after its claim was disposed of', () => {
    const { bus } = newBus();
    const claim = bus.claim('a', 0x1000, 0x100, constant(1));
    expect(() => bus.claim('b', 0x10ff, 1, constant(2))).toThrow('b and a both claim physical address 0x10ff');
    expect(() => bus.claim('c', 0xfff, 0x1000, constant(2))).toThrow('both claim');
    expect(bus.read(0x1000, 1)).toBe(1);
    claim.dispose();
    expect(bus.read(0x1000, 1)).toBe(0xff);
    bus.claim('b', 0x10ff, 1, constant(2));
  });
});
