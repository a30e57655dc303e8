/** Seeded random numbers (sfc32): the same seed gives the same cases everywhere. */
export class Random {
  private a: number;
  private b = 0x9e3779b9;
  private c = 0x243f6a88;
  private counter = 1;

  constructor(seed: number) {
    this.a = seed | 0;
    for (let i = 0; i < 16; i++) this.next32();
  }
  /** An unsigned 32-bit number. */
  next32(): number {
    const result = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = ((this.c << 21) | (this.c >>> 11)) + result | 0;
    return result >>> 0;
  }
  next64(): bigint {
    return (BigInt(this.next32()) << 32n) | BigInt(this.next32());
  }
  /** 0 ≤ result < limit. */
  below(limit: number): number {
    return this.next32() % limit;
  }
  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }
  bytes(count: number): Uint8Array<ArrayBuffer> {
    const result = new Uint8Array(count);
    for (let i = 0; i < count; i += 4) {
      const value = this.next32();
      for (let j = 0; j < 4 && i + j < count; j++) result[i + j] = value >>> (j * 8);
    }
    return result;
  }
  /** An integer as tests want them: often at an edge. */
  edge64(): bigint {
    const kind = this.below(10);
    if (kind < 3) return this.next64();
    if (kind < 5) return BigInt.asUintN(64, BigInt(this.below(256) - 64));
    const size = this.pick([7n, 8n, 15n, 16n, 31n, 32n, 63n, 64n]);
    if (kind < 8) return BigInt.asUintN(64, (1n << size) - BigInt(this.below(3)));
    return this.next64() >> BigInt(this.below(64));
  }
}
