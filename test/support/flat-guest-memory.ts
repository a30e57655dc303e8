import type { GuestMemory, MemorySegment } from '../../src/emulator/interfaces/guest-memory.ts';

/** RAM from physical address 0 on and nothing else, for tests of bus masters. */
export class FlatGuestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly ramBytes: number;
  readonly #view: DataView;
  #stagingNext: number;

  constructor(ramBytes: number, stagingBytes = 0x10000) {
    this.bytes = new Uint8Array(ramBytes + stagingBytes);
    this.ramBytes = ramBytes;
    this.#view = new DataView(this.bytes.buffer);
    this.#stagingNext = ramBytes;
  }

  read8(physical: number): number {
    return this.#isRam(physical) ? this.bytes[physical]! : 0xff;
  }

  read16(physical: number): number {
    return this.read8(physical) + this.read8(physical + 1) * 0x100;
  }

  read32(physical: number): number {
    return this.read16(physical) + this.read16(physical + 2) * 0x10000;
  }

  read64(physical: number): bigint {
    return BigInt(this.read32(physical)) | (BigInt(this.read32(physical + 4)) << 32n);
  }

  write8(physical: number, value: number): void {
    if (this.#isRam(physical)) this.#view.setUint8(physical, value);
  }

  write16(physical: number, value: number): void {
    this.write8(physical, value & 0xff);
    this.write8(physical + 1, value >>> 8);
  }

  write32(physical: number, value: number): void {
    this.write16(physical, value & 0xffff);
    this.write16(physical + 2, value >>> 16);
  }

  write64(physical: number, value: bigint): void {
    this.write32(physical, Number(value & 0xffff_ffffn));
    this.write32(physical + 4, Number((value >> 32n) & 0xffff_ffffn));
  }

  readBlock(physical: number, target: Uint8Array): void {
    for (let index = 0; index < target.length; index++) target[index] = this.read8(physical + index);
  }

  writeBlock(physical: number, source: Uint8Array): void {
    for (let index = 0; index < source.length; index++) this.write8(physical + index, source[index]!);
  }

  pin(physical: number, length: number): readonly MemorySegment[] | undefined {
    return this.#isRam(physical) && this.#isRam(physical + length - 1) ? [{ offset: physical, length }] : undefined;
  }

  unpin(): void {
    // Nothing moves in a flat memory.
  }

  allocateStaging(owner: string, length: number): MemorySegment {
    const offset = this.#stagingNext;
    this.#stagingNext += length;
    if (this.#stagingNext > this.bytes.length) throw new Error(`no staging memory left for ${owner}`);
    return { offset, length };
  }

  #isRam(physical: number): boolean {
    return physical >= 0 && physical < this.ramBytes;
  }
}
