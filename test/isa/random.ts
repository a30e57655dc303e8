/** Seeded random numbers (splitmix64): the same seed gives the same cases everywhere. */
export class Random {
  private state: bigint;

  constructor(seed: number) {
    this.state = BigInt(seed) * 0x9e3779b97f4a7c15n;
  }
  next64(): bigint {
    this.state = BigInt.asUintN(64, this.state + 0x9e3779b97f4a7c15n);
    let z = this.state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }
  /** 0 ≤ result < limit. */
  below(limit: number): number {
    return Number(this.next64() % BigInt(limit));
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
  bytes(count: number): Uint8Array {
    const result = new Uint8Array(count);
    for (let i = 0; i < count; i += 8) {
      let value = this.next64();
      for (let j = i; j < Math.min(i + 8, count); j++, value >>= 8n) result[j] = Number(value & 0xffn);
    }
    return result;
  }
  /** An integer as tests want them: often at an edge. */
  edge64(): bigint {
    const kind = this.below(10);
    if (kind < 3) return this.next64();
    if (kind < 5) return BigInt(this.below(256)) - 64n & 0xffffffffffffffffn;
    const size = this.pick([7n, 8n, 15n, 16n, 31n, 32n, 63n, 64n]);
    if (kind < 8) return BigInt.asUintN(64, (1n << size) - BigInt(this.below(3)));
    return this.next64() >> BigInt(this.below(64));
  }
}
