import { beforeEach, describe, expect, it } from 'vitest';
import {
  CODE_ARENA, CODE_PAGE_HEADS, CODE_PAGE_NEXT, CODE_UNIT_BYTES, CPU_BLOCKS, GLOBAL_CODE_ARENA_GENERATION, GLOBAL_CODE_ARENA_NEXT, GLOBAL_RAM_HIGH_BYTES, GLOBAL_RAM_LOW_BYTES, GUEST_RAM, PAGE_FLAGS, PAGE_HAS_CODE,
} from '../../../../../src/emulator/cpu/memory-layout.ts';
import { ARGUMENTS, CR3, CS, RIP_PAGE } from '../../../../../src/emulator/cpu/state-layout.ts';
import { READ, RuntimeMachine, WRITE } from './runtime-machine.ts';

/** Of a machine without memory. */
const LEAST_ARENA_END = CODE_ARENA + 0x1000000;
/** Any place in guest RAM. */
const DESCRIPTOR = GUEST_RAM;

let m: RuntimeMachine;
beforeEach(() => { m = new RuntimeMachine(); });
const handler = (record: number): number => m.view.getUint16(record, true);
const head = (physical: number): number => m.view.getUint32(CODE_PAGE_HEADS + ((GUEST_RAM + physical) >>> 12) * 4, true);

describe('translation caches', () => {
  it('a load of CR3 drops all but global pages', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 6 * 8, 0x6107n);
    m.access(0x5000);
    m.access(0x6000);
    m.run('movToControl', 3, m.get64(CR3));
    expect([m.hits(0x5000), m.hits(0x6000)]).toEqual([false, true]);
    m.run('movToControl', 4, 0x20n);
    expect(m.hits(0x6000)).toBe(false);
  });

  it('global pages survive any number of loads of CR3, and are dropped with the rest of a full flush', () => {
    const { table } = m.enable64BitMode();
    for (let i = 0; i < 100; i++) m.setRam64(table + i * 8, BigInt(i * 4096) | (i % 3 ? 7n : 0x107n));
    for (let turn = 0; turn < 5; turn++) {
      for (let i = 0; i < 100; i++) m.access(i * 4096);
      m.run('movToControl', 3, m.get64(CR3));
      for (let i = 0; i < 100; i++) expect(m.hits(i * 4096), `page ${i}`).toBe(i % 3 === 0);
    }
    m.run('flushAllTlbs');
    for (let i = 0; i < 100; i++) expect(m.hits(i * 4096)).toBe(false);
  });

  it('INVLPG drops one page for every privilege', () => {
    m.enable64BitMode();
    m.access(0x5000);
    m.access(0x6000);
    m.setCpl(3);
    m.access(0x5000);
    m.run('invlpg', 0x5abcn);
    expect([m.hits(0x5000), m.hits(0x6000)]).toEqual([false, false]);
    m.setCpl(0);
    expect([m.hits(0x5000), m.hits(0x6000)]).toEqual([false, true]);
  });

  it('INVLPG of any part of a large page drops all of it', () => {
    const { directory } = m.enable64BitMode();
    m.setRam64(directory + 8, 0x87n);
    m.access(0x201000);
    m.access(0x3ff000);
    m.access(0x5000);
    m.run('invlpg', 0x280000n);
    expect([m.hits(0x201000), m.hits(0x3ff000), m.hits(0x5000)]).toEqual([false, false, true]);
  });

  it('two pages that share an entry take turns', () => {
    const { directory } = m.enable64BitMode();
    m.setRam64(directory + 16, 0x87n);
    m.access(0x5000);
    m.access(0x405000);
    expect([m.hits(0x5000), m.hits(0x405000)]).toEqual([false, true]);
    m.run('movToControl', 3, m.get64(CR3));
    expect(m.hits(0x405000)).toBe(false);
  });
});

describe('fetch', () => {
  it('decodes an address once, and again for another decoding mode', () => {
    m.enableProtectedMode();
    const record = m.run('fetch', 0x5010n);
    expect(m.run('fetch', 0x5010n)).toBe(record);
    expect(m.decoded).toBe(1);
    m.setSegment(CS, { selector: 8, attributes: 0x009b, limit: 0xffffffff });
    m.run('setMode');
    expect(m.run('fetch', 0x5010n)).not.toBe(record);
    expect(m.view.getUint32(head(0x5000) + CODE_PAGE_NEXT, true)).not.toBe(0);
  });

  it('tells where the page begins in terms of RIP', () => {
    m.enableProtectedMode();
    m.setSegment(CS, { selector: 8, base: 0x4800, limit: 0x1fff, attributes: 0x409b });
    m.run('setMode');
    m.run('fetch', 0x810n);
    expect(m.get64(RIP_PAGE)).toBe(0x800n);
    m.run('fetch', 0x10n);
    expect(BigInt.asIntN(64, m.get64(RIP_PAGE))).toBe(-0x800n);
  });

  it('checks the limit of CS, canonical addresses and the page', () => {
    m.enableProtectedMode();
    m.setSegment(CS, { selector: 8, limit: 0xfff, attributes: 0x409b });
    m.run('setMode');
    expect(m.run('fetch', 0x1000n)).toBe(0);
    expect(m.fault()).toBe('#13(0)');
    m.enable64BitMode();
    expect(m.run('fetch', 0x800000000000n)).toBe(0);
    expect(m.fault()).toBe('#13(0)');
    expect(m.run('fetch', 0x40000000n)).toBe(0);
    expect(m.fault()).toBe('#14(10) at 40000000');
  });

  it('user code is not what the supervisor fetched', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 40, 0x5003n);
    expect(m.run('fetch', 0x5000n)).not.toBe(0);
    m.setCpl(3);
    expect(m.run('fetch', 0x5000n)).toBe(0);
    expect(m.fault()).toBe('#14(15) at 5000');
  });

  it('follows a change of the page table after INVLPG', () => {
    const { table } = m.enable64BitMode();
    const first = m.run('fetch', 0x5000n);
    m.setRam64(table + 40, 0x9007n);
    m.run('invlpg', 0x5000n);
    expect(m.run('fetch', 0x5000n)).not.toBe(first);
  });
});

describe('self-modifying code', () => {
  it('takes the write permission of every alias when a page becomes code', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 6 * 8, 0x5007n);
    m.access(0x5000, 4, WRITE);
    m.access(0x6000, 4, WRITE);
    m.access(0x7000, 4, WRITE);
    m.setCpl(3);
    m.access(0x6000, 4, WRITE);
    m.run('fetch', 0x5000n);
    expect([m.hits(0x6000, true), m.hits(0x6000)]).toEqual([false, true]);
    m.setCpl(0);
    expect([m.hits(0x5000, true), m.hits(0x6000, true), m.hits(0x7000, true)]).toEqual([false, false, true]);
  });

  it('a write to decoded bytes makes all records of the page lead back', () => {
    m.enableProtectedMode();
    const record = m.run('fetch', 0x5010n);
    const other = m.run('fetch', 0x5800n);
    expect(m.access(0x5013, 1, WRITE)).toBe(0x5013);
    expect([handler(record), handler(other)]).toEqual([1, 1]);
    const again = m.run('fetch', 0x5010n);
    expect(again).not.toBe(record);
    expect(handler(again)).toBe(100);
  });

  it.each([[0x500f, 1], [0x5014, 4], [0x500c, 4]])('a write to other bytes of the page (%i, %i bytes) drops nothing', (address, bytes) => {
    m.enableProtectedMode();
    const record = m.run('fetch', 0x5010n);
    expect(m.access(address, bytes, WRITE)).toBe(address);
    expect(handler(record)).toBe(100);
    expect(m.hits(address, true)).toBe(false);
  });

  it('a page whose code was overwritten can be written directly again, until code is decoded in it anew', () => {
    m.enableProtectedMode();
    m.run('fetch', 0x5010n);
    m.access(0x5010, 4, WRITE);
    m.access(0x5020, 4, WRITE);
    expect(m.hits(0x5000, true)).toBe(true);
    const record = m.run('fetch', 0x5010n);
    expect(m.hits(0x5000, true)).toBe(false);
    m.access(0x5010, 4, WRITE);
    expect(handler(record)).toBe(1);
  });

  it('a page stays guarded while another decoding mode has code in it', () => {
    m.enableProtectedMode();
    m.run('fetch', 0x5010n);
    m.setSegment(CS, { selector: 8, attributes: 0x009b });
    m.run('setMode');
    const other = m.run('fetch', 0x5800n);
    m.access(0x5010, 4, WRITE);
    m.access(0x5020, 4, WRITE);
    expect([m.hits(0x5000, true), handler(other)]).toEqual([false, 100]);
  });

  it('a write that crosses into code drops it when it is committed', () => {
    m.enableProtectedMode();
    const record = m.run('fetch', 0x6000n);
    expect(m.access(0x5ffe, 4, WRITE)).toBe('scratch');
    m.run('commitWrite');
    expect(handler(record)).toBe(1);
  });

  it('a device that writes RAM drops what it overwrites', () => {
    m.enableProtectedMode();
    const first = m.run('fetch', 0x5010n);
    const second = m.run('fetch', 0x6ffcn);
    m.run('invalidateCode', GUEST_RAM + 0x5100, 0x1f00);
    expect([handler(first), handler(second)]).toEqual([100, 1]);
  });

  it('accessed and dirty bits count as writes', () => {
    const { table } = m.enable64BitMode();
    // The table itself as code: its entry 2 is covered and gets its accessed bit.
    m.setRam64(table + 10 * 8, BigInt(table) | 7n);
    const inTable = m.run('fetch', 0xa010n);
    m.access(0x2000);
    expect(handler(inTable)).toBe(1);
  });
});

describe('the code arena', () => {
  it('starts over when it is full', () => {
    m.enableProtectedMode();
    const record = m.run('fetch', 0x5010n);
    const generation = m.view.getUint32(GLOBAL_CODE_ARENA_GENERATION, true);
    m.view.setUint32(GLOBAL_CODE_ARENA_NEXT, LEAST_ARENA_END - 0x1000, true);
    const next = m.run('fetch', 0x5020n);
    expect(m.view.getUint32(GLOBAL_CODE_ARENA_GENERATION, true)).toBe(generation + 1);
    expect(next).toBeGreaterThan(CODE_ARENA);
    expect(next).toBeLessThan(CODE_ARENA + 0x10000);
    expect(record).not.toBe(0);
    m.decoded = 0;
    m.run('fetch', 0x5010n);
    expect(m.decoded).toBe(1);
  });

  it('gives no more than there is', () => {
    m.view.setUint32(GLOBAL_CODE_ARENA_NEXT, LEAST_ARENA_END - CODE_UNIT_BYTES, true);
    const page = m.run('allocChunk', DESCRIPTOR);
    expect([page, m.run('codeRoom'), m.run('allocChunk', DESCRIPTOR)]).toEqual([LEAST_ARENA_END - CODE_UNIT_BYTES, 0, 0]);
  });

  it('is larger the more memory a guest has', () => {
    const roomFor = (low: number, high: number): number => {
      m.view.setUint32(GLOBAL_RAM_LOW_BYTES, low, true);
      m.view.setUint32(GLOBAL_RAM_HIGH_BYTES, high, true);
      return m.run('codeRoom') >> 20;
    };
    expect([roomFor(16 << 20, 0), roomFor(256 << 20, 0), roomFor(768 << 20, 0), roomFor(0xc0000000, 0x40000000)]).toEqual([17, 32, 64, 64]);
  });

  it('has room again for what was dropped, once nothing of it can be in execution', () => {
    m.enableProtectedMode();
    const again = (): number => {
      m.run('fetch', 0x5010n);
      m.access(0x5010, 4, WRITE);
      m.run('reclaimCode');
      return m.run('codeRoom');
    };
    const room = again();
    for (let turn = 0; turn < 50; turn++) expect(again()).toBe(room);
    const record = m.run('fetch', 0x5010n);
    m.access(0x5010, 4, WRITE);
    const next = m.run('fetch', 0x5010n);
    expect(handler(record)).toBe(1);
    expect(next).not.toBe(record);
  });

  it('takes no more than 2 KiB for a page with an instruction in it', () => {
    m.enableProtectedMode();
    m.run('fetch', 0x5010n);
    const room = m.run('codeRoom');
    for (let page = 0; page < 8; page++) m.run('fetch', BigInt(0x8010 + page * 0x1000));
    expect(room - m.run('codeRoom')).toBeLessThanOrEqual(8 * 2304);
  });

  it('forgets which pages held code', () => {
    m.enableProtectedMode();
    m.run('fetch', 0x5010n);
    expect(m.view.getUint8(PAGE_FLAGS + ((GUEST_RAM + 0x5000) >>> 12)) & PAGE_HAS_CODE).toBe(PAGE_HAS_CODE);
    m.run('flushAllCode');
    expect(m.view.getUint8(PAGE_FLAGS + ((GUEST_RAM + 0x5000) >>> 12))).toBe(0);
    expect(head(0x5000)).toBe(0);
    m.access(0x5000, 4, WRITE);
    expect(m.hits(0x5000, true)).toBe(true);
  });
});

describe('bytes of an instruction that crosses a page', () => {
  it('are read through both translations', () => {
    const { table } = m.enable64BitMode();
    m.setRam64(table + 6 * 8, 0x9007n);
    m.setRam16(0x5ffe, 0x2211);
    m.setRam16(0x9000, 0x4433);
    expect(m.run('fetchBytes', 0x5ffen, 4)).toBe(4);
    expect(m.view.getUint32(CPU_BLOCKS + ARGUMENTS, true)).toBe(0x44332211);
  });

  it('end where the second page faults', () => {
    const { table } = m.enable64BitMode(3);
    m.setRam64(table + 6 * 8, 0n);
    expect(m.run('fetchBytes', 0x5ffdn, 15)).toBe(3);
    expect(m.fault()).toBe('#14(14) at 6000');
    expect(m.access(0x5000, 4, READ)).toBe(0x5000);
  });
});
