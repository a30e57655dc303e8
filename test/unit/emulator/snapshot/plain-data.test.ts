import { describe, expect, it } from 'vitest';
import { decodePlain, encodePlain } from '../../../../src/emulator/snapshot/plain-data.ts';
import { StateError } from '../../../../src/emulator/snapshot/state-error.ts';
import { SeededRandom } from '../../../support/seeded-random.ts';

const EVERYTHING = {
  nothing: undefined, none: null, yes: true, no: false, whole: -7, most: 0x7fff_ffff, more: 2 ** 40 + 1, part: 0.1, minusZero: -0, endless: -Infinity,
  text: 'Zürich \u{1F600}', empty: '', wide: 0xffff_ffff_ffff_ffffn, negative: -1n, bytes: Uint8Array.of(1, 2, 3), large: new Uint8Array(10_000).fill(9),
  list: [1, undefined, [new Uint8Array(0)], { deep: [{}] }], __proto__x: 1, ['__proto__']: { harmless: true },
};

describe('plain data', () => {
  it('comes back as it was, down to undefined and minus zero', () => {
    const back = decodePlain(encodePlain(EVERYTHING)) as typeof EVERYTHING;
    expect(back).toEqual(EVERYTHING);
    expect(Object.is(back.minusZero, -0)).toBe(true);
    expect(Object.keys(back)).toEqual(Object.keys(EVERYTHING));
  });

  it('refuses to be what plain data can\'t be', () => {
    for (const value of [new Map(), () => {}, Symbol('x'), new Date(), 1n << 64n]) expect(() => encodePlain({ value })).toThrow();
  });

  it('that is cut off or damaged anywhere is told as damaged, never as anything else', () => {
    const whole = encodePlain(EVERYTHING);
    for (let length = 0; length < whole.length; length += length < 400 ? 1 : 97) expect(() => decodePlain(whole.subarray(0, length))).toThrow(StateError);
    const random = new SeededRandom(11);
    for (let turn = 0; turn < 3000; turn++) {
      const damaged = whole.slice();
      for (let count = random.below(4); count >= 0; count--) damaged[random.below(400)] = random.below(256);
      try {
        decodePlain(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(StateError);
      }
    }
  });
});
