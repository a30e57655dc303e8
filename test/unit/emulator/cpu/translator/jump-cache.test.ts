/** Each half of the address space is forgotten for itself: what a load of CR3 and INVLPG must reach there, and what they may leave. */
import { beforeEach, describe, expect, it } from 'vitest';
import { CR4 } from '../../../../../src/emulator/cpu/state-layout.ts';
import { CpuRig, PAGE_TABLES } from '../../../../support/cpu-rig.ts';

const CALLER = 0x10000;
const LOADS_CR3 = 0x11000;
const FLUSHES_CALLEE = 0x11100;
const FLUSHES_NEIGHBOUR = 0x11200;
/** Physical; linear it is in the upper half. */
const CALLEE = 0x12000;
const OTHER = 0x14000;
const UPPER = 0x80000000;
const PAGE_TABLE = PAGE_TABLES + 0x3000;
const [PRESENT, LARGE, GLOBAL] = [7, 0x80, 0x100];
const [CR4_PSE, CR4_PGE] = [0x10n, 0x80n];
const CALLS = 1000;

const bytes32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];

describe('code in the upper half', () => {
  let rig: CpuRig;
  beforeEach(() => {
    rig = new CpuRig({ translateAfter: 2 });
    rig.start({ bits: 32, cpl: 0 }, CALLER);
    rig.setState64(CR4, rig.getState64(CR4) | CR4_PSE | CR4_PGE);
    // mov ebx, callee; again: call ebx; dec ecx; jnz again; end: jmp end
    rig.load(CALLER, [0xbb, ...bytes32(UPPER + CALLEE), 0xff, 0xd3, 0x49, 0x75, 0xfb, 0xeb, 0xfe]);
    const thenCalls = (at: number, code: readonly number[]): void => { rig.load(at, [...code, 0xe9, ...bytes32(CALLER - at - code.length - 5)]); };
    thenCalls(LOADS_CR3, [0x0f, 0x20, 0xda, 0x0f, 0x22, 0xda]);
    thenCalls(FLUSHES_CALLEE, [0x0f, 0x01, 0x3d, ...bytes32(UPPER + CALLEE)]);
    thenCalls(FLUSHES_NEIGHBOUR, [0x0f, 0x01, 0x3d, ...bytes32(UPPER + 0x20000)]);
    // inc eax; ret, or dec eax; ret
    rig.load(CALLEE, [0x40, 0xc3]);
    rig.load(OTHER, [0x48, 0xc3]);
    mapUpper(PAGE_TABLE | PRESENT);
    mapCallee(CALLEE);
    rig.follow();
  });
  // Nobody is told of these.
  const mapUpper = (entry: number): void => { rig.load(PAGE_TABLES + (UPPER >>> 22) * 4, bytes32(entry)); };
  const mapCallee = (physical: number, rights = PRESENT): void => { rig.load(PAGE_TABLE + (CALLEE >> 12) * 4, bytes32(physical | rights)); };
  /** By how much EAX grows: CALLS where the callee is the first one, less as many where it is the other. */
  const grows = (start: number): number => {
    const before = Number(rig.register(0));
    rig.setRegister(1, CALLS);
    rig.rip = start;
    expect(rig.run(10_000)).toBe('budget');
    return (Number(rig.register(0)) - before) | 0;
  };
  const leaps = (): number => rig.cpu.counters().exits['leaps'] ?? 0;

  it('is another after a load of CR3', () => {
    expect(grows(CALLER)).toBe(CALLS);
    mapCallee(OTHER);
    expect(grows(LOADS_CR3)).toBe(-CALLS);
  });

  it('is another after a load of CR3 also when jumps were forgotten since its page was looked up', () => {
    expect(grows(CALLER)).toBe(CALLS);
    rig.forgetJumps();
    expect(grows(CALLER)).toBe(CALLS);
    mapCallee(OTHER);
    expect(grows(LOADS_CR3)).toBe(-CALLS);
  });

  it('stays known through a load of CR3 where its page is global, until INVLPG', () => {
    mapCallee(CALLEE, PRESENT | GLOBAL);
    expect(grows(CALLER)).toBe(CALLS);
    mapCallee(OTHER, PRESENT | GLOBAL);
    expect(grows(LOADS_CR3)).toBe(CALLS);
    expect(grows(FLUSHES_NEIGHBOUR)).toBe(CALLS);
    expect(grows(FLUSHES_CALLEE)).toBe(-CALLS);
  });

  it('is looked up less after loads of CR3 while all of that half is global', () => {
    const lookUps = [GLOBAL, 0].map((rights) => {
      mapCallee(CALLEE, PRESENT | rights);
      rig.follow();
      for (let turn = 0; turn < 3; turn++) grows(LOADS_CR3);
      const before = leaps();
      for (let turn = 0; turn < 100; turn++) grows(LOADS_CR3);
      return leaps() - before;
    });
    expect(lookUps[1]! - lookUps[0]!).toBeGreaterThanOrEqual(100);
  });

  it.each([0, GLOBAL])('is another after INVLPG of a large page, rights %i, of which it was a part', (global) => {
    mapUpper(PRESENT | LARGE | global);
    expect(grows(CALLER)).toBe(CALLS);
    mapCallee(OTHER);
    mapUpper(PAGE_TABLE | PRESENT);
    // A large page goes whole, by whichever of its addresses.
    expect(grows(FLUSHES_NEIGHBOUR)).toBe(-CALLS);
  });

  it('is another after a load of CR3 when INVLPG forgot its half for a large page\'s sake', () => {
    const elsewhere = 0xc0000000;
    rig.load(PAGE_TABLES + (elsewhere >>> 22) * 4, bytes32(PRESENT | LARGE | GLOBAL));
    // end: jmp end, in a large page: its set has both halves of 4 MiB in it, whichever the address.
    rig.load(0x3000f0, [0xeb, 0xfe]);
    rig.rip = elsewhere + 0x3000f0;
    expect(rig.run(10)).toBe('budget');
    expect(grows(CALLER)).toBe(CALLS);
    rig.load(0x11300, [0x0f, 0x01, 0x3d, ...bytes32(elsewhere + 0x3000f0), 0xe9, ...bytes32(CALLER - 0x11300 - 12)]);
    expect(grows(0x11300)).toBe(CALLS);
    mapCallee(OTHER);
    expect(grows(LOADS_CR3)).toBe(-CALLS);
  });
});
