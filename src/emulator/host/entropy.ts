/** Where a machine's random bytes come from. */
import { randomFillSync } from 'node:crypto';
import type { EntropySource } from '../interfaces/character-channel.ts';

export class HostEntropy implements EntropySource {
  fill(target: Uint8Array): void {
    // The target may lie in shared memory, which the generator doesn't fill.
    const bytes = new Uint8Array(target.length);
    randomFillSync(bytes);
    target.set(bytes);
  }
}

/** xoshiro128** 1.1 (Blackman and Vigna), seeded through SplitMix32: the same bytes for the same seed, and no secrets. */
export class SeededEntropy implements EntropySource {
  readonly #state = new Uint32Array(4);

  constructor(seed: number) {
    let mix = (seed ^ Math.floor(seed / 2 ** 32)) >>> 0;
    for (let index = 0; index < 4; index++) {
      mix = (mix + 0x9e3779b9) >>> 0;
      let word = mix;
      word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      this.#state[index] = word ^ (word >>> 15);
    }
  }

  save(): readonly number[] {
    return [...this.#state];
  }

  restore(saved: readonly number[]): void {
    this.#state.set(saved);
  }

  fill(target: Uint8Array): void {
    for (let at = 0; at < target.length; at += 4) {
      const word = this.#next();
      for (let byte = 0; byte < 4 && at + byte < target.length; byte++) target[at + byte] = word >>> (8 * byte);
    }
  }

  #next(): number {
    const state = this.#state;
    const s1 = state[1]!;
    const product = Math.imul(s1, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    state[2] = state[2]! ^ state[0]!;
    state[3] = state[3]! ^ s1;
    state[1] = s1 ^ state[2];
    state[0] = state[0]! ^ state[3];
    state[2] = state[2] ^ (s1 << 9);
    const s3 = state[3];
    state[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }
}
