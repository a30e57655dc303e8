import { beforeEach, describe, expect, it } from 'vitest';
import { MAP_READABLE, GLOBAL_A20_MASK } from '../../../../../src/emulator/cpu/memory-layout.ts';
import { CR0, CR3, CR4, CS, EFER, PDPTE, SCRATCH } from '../../../../../src/emulator/cpu/state-layout.ts';
import { CPU_BLOCKS } from '../../../../../src/emulator/cpu/memory-layout.ts';
import { MODIFY, READ, RuntimeMachine, WRITE } from './runtime-machine.ts';

let m: RuntimeMachine;
beforeEach(() => { m = new RuntimeMachine(); });

/** CR0.PG, PE, WP. */
const PAGING = 0x80010011;
const NX = 1n << 63n;

function enable32BitPaging(cr4 = 0): { directory: number; table: number } {
  m.enableProtectedMode(0);
  const directory = m.newTable();
  const table = m.newTable();
  m.setRam32(directory, table | 7);
  for (let i = 0; i < 1024; i++) m.setRam32(table + i * 4, (i << 12) | 7);
  m.set64(CR3, directory);
  m.set64(CR4, cr4);
  m.set64(CR0, PAGING);
  m.run('flushAllTlbs');
  return { directory, table };
}

describe('without paging', () => {
  it('linear addresses are physical, with A20 applied and wrapped at 4 GiB', () => {
    m.enableProtectedMode(0);
    expect(m.access(0x123456)).toBe(0x123456);
    m.view.setUint32(GLOBAL_A20_MASK, 0xffefffff, true);
    m.run('flushAllTlbs');
    expect(m.access(0x123456)).toBe(0x023456);
    expect(m.access(0xfffffffen, 4)).toBe('scratch');
    m.view.setUint32(GLOBAL_A20_MASK, 0xffffffff, true);
  });
});

describe('32-bit paging', () => {
  it('walks two levels, sets accessed on reads and dirty on the first write', () => {
    const { directory, table } = enable32BitPaging();
    m.setRam32(table + 5 * 4, 0x9000 | 7);
    expect(m.access(0x5123, 4, READ)).toBe(0x9123);
    expect([m.ram32(directory) & 0x60, m.ram32(table + 20) & 0x60]).toEqual([0x20, 0x20]);
    expect([m.hits(0x5123), m.hits(0x5123, true)]).toEqual([true, false]);
    expect(m.access(0x5123, 4, WRITE)).toBe(0x9123);
    expect(m.ram32(table + 20) & 0x60).toBe(0x60);
    expect(m.hits(0x5000, true)).toBe(true);
  });

  it('enters a page for writing at once when it is dirty already', () => {
    const { table } = enable32BitPaging();
    m.setRam32(table + 20, 0x9000 | 0x67);
    m.access(0x5000, 4, READ);
    expect(m.hits(0x5000, true)).toBe(true);
  });

  it.each([
    // cpl, wp, entry rights, access, expected
    [0, true, 1, READ, 0x5000], [0, true, 1, WRITE, '#14(3) at 5000'], [0, false, 1, WRITE, 0x5000], [0, true, 7, WRITE, 0x5000],
    [3, true, 1, READ, '#14(5) at 5000'], [3, true, 5, READ, 0x5000], [3, true, 5, WRITE, '#14(7) at 5000'], [3, false, 5, MODIFY, '#14(7) at 5000'], [3, true, 7, WRITE, 0x5000],
    [0, true, 0, READ, '#14(0) at 5000'], [0, true, 0, WRITE, '#14(2) at 5000'], [3, true, 0, WRITE, '#14(6) at 5000'],
  ] as const)('CPL %i, WP %s, rights %i: access %i gives %s', (cpl, wp, rights, access, expected) => {
    const { table } = enable32BitPaging();
    m.setRam32(table + 20, 0x5000 | rights);
    if (!wp) m.set64(CR0, 0x80000011);
    m.setCpl(cpl);
    expect(m.access(0x5000, 4, access)).toBe(expected);
    if (typeof expected === 'string') expect(m.ram32(table + 20) & 0x60).toBe(0);
  });

  it('takes rights from both levels', () => {
    const { directory } = enable32BitPaging();
    m.setRam32(directory, (m.ram32(directory) & ~7) | 5);
    m.setCpl(3);
    expect(m.access(0x5000, 4, WRITE)).toBe('#14(7) at 5000');
    m.setRam32(directory, (m.ram32(directory) & ~7) | 3);
    expect(m.access(0x5000, 4, READ)).toBe('#14(5) at 5000');
  });

  it('maps 4 MiB pages, with physical bits 32-39 (PSE-36), only under CR4.PSE', () => {
    const { directory } = enable32BitPaging(0x10);
    m.setRam32(directory + 4, 0x83);
    expect(m.access(0x412345)).toBe(0x12345);
    m.setRam32(directory + 8, 0x83 | (1 << 13));
    m.inputs.push(0x11223344);
    expect(m.access(0x800010)).toBe('scratch');
    expect(m.log).toEqual(['read 1:10/4']);
    m.setRam32(directory + 12, 0x83 | (1 << 21));
    expect(m.access(0xc00000)).toBe('#14(9) at c00000');
  });
});

describe('PAE paging', () => {
  function enablePae(): { directory: number; table: number; pointers: number } {
    m.enableProtectedMode(0);
    const pointers = m.newTable();
    const directory = m.newTable();
    const table = m.newTable();
    m.setRam64(pointers, BigInt(directory) | 1n);
    m.setRam64(directory, BigInt(table) | 7n);
    m.setRam64(table + 40, 0x9007n);
    m.set64(EFER, 0x800);
    expect(m.run('movToControl', 4, 0x20n)).toBe(0);
    expect(m.run('movToControl', 3, BigInt(pointers))).toBe(0);
    expect(m.run('movToControl', 0, BigInt(PAGING))).toBe(0);
    return { directory, table, pointers };
  }

  it('loads the four pointers with CR3 and keeps them until the next load', () => {
    const { pointers } = enablePae();
    expect(m.get64(PDPTE)).toBe(m.ram64(pointers));
    m.setRam64(pointers, 0n);
    expect(m.access(0x5008)).toBe(0x9008);
    expect(m.access(0x40000000)).toBe('#14(0) at 40000000');
  });

  it('refuses malformed pointers and leaves CR3 alone', () => {
    const { pointers } = enablePae();
    m.setRam64(pointers, m.ram64(pointers) | 2n);
    expect(m.run('movToControl', 3, BigInt(pointers))).toBe(1);
    expect(m.fault()).toBe('#13(0)');
    expect(m.access(0x5008)).toBe(0x9008);
  });

  it('knows NX, 2 MiB pages and reserved bits', () => {
    const { directory, table } = enablePae();
    m.setRam64(table + 48, 0xa007n | NX);
    expect(m.run('fetch', 0x6000n)).toBe(0);
    expect(m.fault()).toBe('#14(11) at 6000');
    m.setRam64(directory + 8, 0x200087n);
    expect(m.access(0x212345)).toBe(0x212345);
    m.setRam64(directory + 16, 0x202087n);
    expect(m.access(0x400000)).toBe('#14(9) at 400000');
    m.setRam64(table + 56, 0xa007n | (1n << 45n));
    expect(m.access(0x7000)).toBe('#14(9) at 7000');
    m.set64(EFER, 0);
    expect(m.access(0x6000)).toBe('#14(9) at 6000');
  });
});

describe('4-level paging', () => {
  it('walks 4 KiB, 2 MiB and 1 GiB pages', () => {
    const { pdpt, directory, table } = m.enable64BitMode();
    m.setRam64(table + 40, 0x9007n);
    expect(m.access(0x5010)).toBe(0x9010);
    m.setRam64(directory + 8, 0x000087n);
    expect(m.access(0x2abcde)).toBe(0x0abcde);
    m.setRam64(pdpt + 8, 0x87n);
    expect(m.access(0x40123456n)).toBe(0x123456);
    expect(m.ram64(pdpt + 8) & 0x20n).toBe(0x20n);
    expect(m.ram64(directory + 8) & 0x60n).toBe(0x20n);
  });

  it('reaches the upper half and refuses what is not canonical', () => {
    const { pml4, pdpt } = m.enable64BitMode();
    m.setRam64(pml4 + 511 * 8, BigInt(pdpt) | 7n);
    m.setRam64(pdpt + 510 * 8, 0x87n);
    expect(m.access(0xffffffff80001230n)).toBe(0x1230);
    expect(m.hits(0xffffffff80001230n)).toBe(true);
    expect(m.access(0x0000800000000000n)).toBe('#13(0)');
    expect(m.access(0x00007fffffffffffn, 4)).toBe('#13(0)');
  });

  it.each([
    ['PML4', 0x80n], ['1 GiB page', 0x2087n], ['2 MiB page', 0x2087n],
  ])('reserves bits in a %s entry', (level, bits) => {
    const { pml4, pdpt, directory } = m.enable64BitMode();
    if (level === 'PML4') m.setRam64(pml4 + 8, BigInt(pdpt) | 7n | bits);
    else m.setRam64(level === '1 GiB page' ? pdpt + 8 : directory + 8, bits);
    const address = { PML4: 0x8000000000n, '1 GiB page': 0x40000000n, '2 MiB page': 0x200000n }[level] ?? 0n;
    expect(m.access(address)).toBe(`#14(9) at ${address.toString(16)}`);
  });

  it('keeps supervisors from executing (SMEP) and touching (SMAP) user pages, except with AC', () => {
    const { table } = m.enable64BitMode();
    expect(m.run('movToControl', 4, 0x3000a0n)).toBe(0);
    expect(m.run('fetch', 0x5000n)).toBe(0);
    expect(m.fault()).toBe('#14(11) at 5000');
    expect(m.access(0x5000)).toBe('#14(1) at 5000');
    m.setFlags(0x40000);
    expect(m.access(0x5000)).toBe(0x5000);
    expect(m.hits(0x5000)).toBe(true);
    m.setFlags(0);
    expect(m.hits(0x5000)).toBe(false);
    m.setRam64(table + 40, 0x5003n);
    m.run('invlpg', 0x5000n);
    expect(m.access(0x5000)).toBe(0x5000);
    expect(m.run('fetch', 0x5000n)).not.toBe(0);
  });

  it('says that a fetch faulted, and from where', () => {
    const { table } = m.enable64BitMode(3);
    m.setRam64(table + 40, 0x5003n);
    expect(m.run('fetch', 0x5000n)).toBe(0);
    expect(m.fault()).toBe('#14(15) at 5000');
    m.setRam64(table + 40, 0x5007n | NX);
    expect(m.access(0x5000)).toBe(0x5000);
    expect(m.run('fetch', 0x5000n)).toBe(0);
    expect(m.fault()).toBe('#14(15) at 5000');
  });
});

describe('accesses that do not reach RAM in one piece', () => {
  it('reads a device into the scratch bytes by naturally aligned pieces', () => {
    m.enableProtectedMode();
    m.mapPage(0xa0000, undefined);
    m.inputs.push(0x11, 0x3322, 0x77665544, 0x88);
    expect(m.access(0xa0001, 8)).toBe('scratch');
    expect(m.log).toEqual(['read a0001/1', 'read a0002/2', 'read a0004/4', 'read a0008/1']);
    expect(m.get64(SCRATCH)).toBe(0x8877665544332211n);
    expect(m.pending).toBe(0);
  });

  it('writes a device when the store is committed, and only then', () => {
    m.enableProtectedMode();
    m.mapPage(0xa0000, undefined);
    expect(m.access(0xa0004, 8, WRITE)).toBe('scratch');
    m.set64(SCRATCH, 0x1122334455667788n);
    expect(m.log).toEqual([]);
    m.run('commitWrite');
    expect(m.log).toEqual(['write a0004/4 55667788', 'write a0008/4 11223344']);
    m.run('commitWrite');
    expect(m.log.length).toBe(2);
  });

  it('reads before it writes when a device is modified', () => {
    m.enableProtectedMode();
    m.mapPage(0xa0000, undefined);
    m.inputs.push(0x41);
    m.access(0xa0000, 1, MODIFY);
    expect(m.view.getUint8(CPU_BLOCKS + SCRATCH)).toBe(0x41);
    m.run('commitWrite');
    expect(m.log).toEqual(['read a0000/1', 'write a0000/1 41']);
  });

  it('leaves ROM as it is', () => {
    m.enableProtectedMode();
    m.mapPage(0x5000, 0x5000, MAP_READABLE);
    m.setRam32(0x5000, 0xcafe);
    expect(m.access(0x5000)).toBe(0x5000);
    expect(m.access(0x5000, 4, WRITE)).toBe('scratch');
    m.run('commitWrite');
    expect(m.ram32(0x5000)).toBe(0xcafe);
    expect(m.hits(0x5000, true)).toBe(false);
  });

  it('joins and splits what crosses a page', () => {
    const { table } = enable32BitPaging();
    m.setRam32(table + 5 * 4, 0x9007);
    m.setRam32(table + 6 * 4, 0x7007);
    m.setRam32(0x9ffc, 0x44332211);
    m.setRam32(0x7000, 0x88776655);
    expect(m.access(0x5ffe, 4)).toBe('scratch');
    expect(m.get32(SCRATCH)).toBe(0x66554433);
    expect(m.access(0x5ffe, 4, WRITE)).toBe('scratch');
    m.set32(SCRATCH, 0xddccbbaa);
    m.run('commitWrite');
    expect([m.ram32(0x9ffc), m.ram32(0x7000)]).toEqual([0xbbaa2211, 0x8877ddcc]);
  });

  it('writes nothing when the second page faults', () => {
    const { table } = enable32BitPaging();
    m.setRam32(table + 6 * 4, 0);
    expect(m.access(0x5ffe, 4, WRITE)).toBe('#14(2) at 6000');
    expect(m.pending).toBe(0);
  });
});

describe('mode', () => {
  it('long mode with a 32-bit code segment is not 64-bit code', () => {
    m.enable64BitMode();
    expect(m.mode & 3).toBe(2);
    m.setSegment(CS, { attributes: 0xc09b });
    m.run('setMode');
    expect(m.mode & 3).toBe(1);
  });
});
