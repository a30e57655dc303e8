/** Page tables that a guest changes without telling: which page it executes then is nobody's business but must not depend on the engine. */
import { describe, expect, it } from 'vitest';
import { CpuRig, PAGE_TABLES } from '../support/cpu-rig.ts';

const CODE = 0x10000;
/** What the page tables name for CODE, and the page after it, once they have been changed. */
const OTHER = 0x12000;
const RESULT = 0x30000;
const PAGE = 0x1000;

const ENGINES = [['interpreted', new CpuRig()], ['translated from the first execution', new CpuRig({ translateAfter: 1 })]] as const;
const bytes32 = (value: number): number[] => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];

/** MOV [address], register or immediate, without a SIB base. */
const address = (field: number, at: number, bits: 32 | 64): number[] => bits === 64 ? [0x04 | (field << 3), 0x25, ...bytes32(at)] : [0x05 | (field << 3), ...bytes32(at)];

/** Has the page tables name `physical` for a page, and does not flush. */
function remap(linear: number, physical: number, bits: 32 | 64): number[] {
  const entry = PAGE_TABLES + 0x3000 + (linear >> 12) * (bits / 8);
  return [0xc7, ...address(0, entry, bits), ...bytes32(physical | 7)];
}
const NOPS = Array<number>(12).fill(0x90);
/** MOV EAX, value; then it is stored by `finish`. Four single steps of NOPs lead there, so that budgets end before it. */
const answer = (value: number): number[] => [...NOPS, 0xb8, ...bytes32(value)];
const finish = (bits: 32 | 64): number[] => [0xa3, ...(bits === 64 ? [...bytes32(RESULT), 0, 0, 0, 0] : bytes32(RESULT)), 0xf4];

/** Executes from `start` in budgets of `slice`, and returns what was stored. */
function outcome(rig: CpuRig, bits: 32 | 64, start: number, slice: number): number {
  rig.start({ bits, cpl: 0 }, start);
  rig.load(RESULT, [0, 0, 0, 0]);
  for (let turn = 0; turn < 200; turn++) if (rig.run(slice, true) === 'halted') return rig.read32(RESULT);
  throw new Error('did not halt');
}

describe.each(ENGINES)('%s', (_, rig) => {
  it.each([32, 64] as const)('code of %i bits goes on in the page that it was fetched from, whatever the budgets', (bits) => {
    const remapping = remap(CODE, OTHER, bits);
    rig.load(CODE, [...remapping, ...answer(1), ...finish(bits)]);
    rig.load(OTHER, [...remapping, ...answer(2), ...finish(bits)]);
    const found = [1, 2, 3, 4, 5, 7, 11, 100].map((slice) => outcome(rig, bits, CODE, slice));
    expect(found).toEqual(found.map(() => 1));
  });

  it.each([32, 64] as const)('an instruction of %i bits across two pages is read where the code TLB has them, and looked up anew after INVLPG', (bits) => {
    for (const flushes of [false, true]) {
      const remapping = remap(CODE + PAGE, OTHER + PAGE, bits);
      const flush = flushes ? [0x0f, 0x01, ...address(7, CODE + PAGE, bits)] : [];
      // Once through the second page, so that it is known; then the page tables change, and an immediate lies half in it.
      const tail = [...answer(0).slice(-5), ...finish(bits)];
      const start = CODE + PAGE - 3;
      const visit = CODE + PAGE + 0x100;
      const prologue = [0xe8, ...bytes32(visit - (CODE + 5)), ...remapping, ...flush, ...NOPS];
      const jump = [0xe9, ...bytes32(start - (CODE + prologue.length + 5))];
      rig.load(CODE, [...prologue, ...jump]);
      for (const [place, high] of [[CODE, 1], [OTHER, 2]] as const) {
        rig.load(place + PAGE - 3, tail.slice(0, 3));
        rig.load(place + PAGE, [0, high, ...tail.slice(5)]);
        rig.load(place + PAGE + 0x100, [0xc3]);
      }
      const found = [1, 2, 3, 5, 6, 9, 100].map((slice) => outcome(rig, bits, CODE, slice));
      expect(found).toEqual(found.map(() => (flushes ? 2 : 1) << 24));
    }
  });

  it('the page behind an instruction that ends at the end of its page is not looked for', () => {
    const remapping = remap(CODE + PAGE, OTHER + PAGE, 64);
    const jump = (from: number, to: number): number[] => [0xe9, ...bytes32(to - from - 5)];
    // Single steps near the end of the page, before the page tables change.
    const start = CODE + PAGE - remapping.length - NOPS.length - 5;
    rig.load(start, [...NOPS, ...remapping]);
    rig.load(start + NOPS.length + remapping.length, jump(start + NOPS.length + remapping.length, CODE + PAGE));
    rig.load(CODE + PAGE, [...answer(1), ...finish(64)]);
    rig.load(OTHER + PAGE, [...answer(2), ...finish(64)]);
    const found = [1, 2, 3, 4, 100].map((slice) => outcome(rig, 64, start, slice));
    expect(found).toEqual(found.map(() => 2));
  });
});
