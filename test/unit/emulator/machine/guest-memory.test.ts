import { beforeEach, describe, expect, it } from 'vitest';
import { GUEST_RAM, PAGE_BYTES, PAGE_FLAGS, PAGE_HAS_CODE, PHYS_MAP, PHYS_MAP_PAGES, ROM } from '../../../../src/emulator/cpu/memory-layout.ts';
import { SharedGuestMemory } from '../../../../src/emulator/machine/guest-memory.ts';
import { PhysicalMemoryBus } from '../../../../src/emulator/machine/mmio-bus.ts';

const RAM_BYTES = 0x40000;

describe('SharedGuestMemory', () => {
  let shared: SharedArrayBuffer;
  let dropped: string[];
  let memory: SharedGuestMemory;
  let bus: PhysicalMemoryBus;

  beforeEach(() => {
    shared = new SharedArrayBuffer(GUEST_RAM + RAM_BYTES);
    dropped = [];
    memory = new SharedGuestMemory(shared, RAM_BYTES, (offset, length) => dropped.push(`${(offset - GUEST_RAM).toString(16)}+${length}`));
    bus = new PhysicalMemoryBus(new Uint32Array(shared, PHYS_MAP, PHYS_MAP_PAGES), () => {}, { log: () => {} });
    bus.mapDirect('low ram', 0, 0x20000, GUEST_RAM, 'read-write');
    bus.mapDirect('high ram', 0x1_0000_0000, 0x20000, GUEST_RAM + 0x20000, 'read-write');
    bus.mapDirect('rom', 0xf0000, 0x1000, ROM, 'read-only');
  });

  it('reads back what it wrote at every width, across pages and above 4 GiB', () => {
    for (const base of [0x100, 0xfff, 0xffd, 0x1_0000_0ffe]) {
      memory.write64(base, 0x8899aabbccddeeffn);
      expect(memory.read64(base)).toBe(0x8899aabbccddeeffn);
      expect(memory.read32(base + 4)).toBe(0x8899aabb);
      expect(memory.read16(base + 1)).toBe(0xddee);
      expect(memory.read8(base + 7)).toBe(0x88);
    }
    expect(memory.bytes[GUEST_RAM + 0x100]).toBe(0xff);
    expect(memory.bytes[GUEST_RAM + 0x20000 + 0xffe]).toBe(0xff);
  });

  it('reads all ones outside RAM and ROM, and writes neither there nor to ROM', () => {
    memory.bytes[ROM] = 0x42;
    memory.write32(0xf0000, 0);
    memory.write32(0x8000_0000, 7);
    memory.write8(2 ** 50, 7);
    expect(memory.read8(0xf0000)).toBe(0x42);
    expect(memory.read32(0x8000_0000)).toBe(0xffff_ffff);
    expect(memory.read8(2 ** 50)).toBe(0xff);
    expect(memory.read32(0x1fffe)).toBe(0xffff_0000);
  });

  it('copies blocks across the end of RAM', () => {
    memory.writeBlock(0x1fffe, Uint8Array.of(1, 2, 3, 4));
    const target = new Uint8Array(4);
    memory.readBlock(0x1fffe, target);
    expect([...target]).toEqual([1, 2, 0xff, 0xff]);
  });

  it('pins adjoining pages as one segment and refuses what is not all RAM', () => {
    expect(memory.pin(0x800, 0x3000, 'write')).toEqual([{ offset: GUEST_RAM + 0x800, length: 0x3000 }]);
    expect(memory.pin(0x1f000, 0x1001, 'write')).toBeUndefined();
    expect(memory.pin(0xf0000, 0x10, 'write')).toBeUndefined();
    bus.mapDirect('swapped', 0x2000, 0x1000, GUEST_RAM + 0x10000, 'read-write');
    expect(memory.pin(0x1000, 0x3000, 'read')).toEqual([
      { offset: GUEST_RAM + 0x1000, length: 0x1000 },
      { offset: GUEST_RAM + 0x10000, length: 0x1000 },
      { offset: GUEST_RAM + 0x3000, length: 0x1000 },
    ]);
  });

  it('drops code made from the pages it changes, and only there', () => {
    const flags = new Uint8Array(shared, PAGE_FLAGS);
    flags[(GUEST_RAM + 0x3000) / PAGE_BYTES] = PAGE_HAS_CODE;
    memory.write32(0x2000, 1);
    memory.write32(0x3010, 1);
    memory.writeBlock(0x2ff0, new Uint8Array(0x20));
    memory.read32(0x3010);
    expect(dropped).toEqual(['3010+4', '3000+16']);
    dropped.length = 0;
    const pinned = memory.pin(0x2000, 0x2000, 'write')!;
    memory.unpin(pinned, 'write');
    memory.unpin(memory.pin(0x2000, 0x2000, 'read')!, 'read');
    expect(dropped).toEqual(['2000+8192', '2000+8192']);
  });

  it('gives out staging buffers that do not overlap', () => {
    const first = memory.allocateStaging('ide0', 100);
    const second = memory.allocateStaging('ide1', 512);
    expect(second.offset).toBeGreaterThanOrEqual(first.offset + 100);
    expect(() => memory.allocateStaging('greedy', 0x1000000)).toThrow('greedy');
  });
});
