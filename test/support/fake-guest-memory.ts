import type { GuestMemory, MemorySegment } from '../../src/emulator/interfaces/guest-memory.ts';

const STAGING_BYTES = 2 << 20;
/** RAM doesn't start at 0 of the shared memory, so that a device that mixes up the two kinds of address is caught. */
const RAM_OFFSET = 0x3000;

/** Guest RAM from physical 0 on, with the pins that are open. */
export class FakeGuestMemory implements GuestMemory {
  readonly bytes: Uint8Array;
  readonly ramBytes: number;
  openPins = 0;
  readonly #view: DataView;
  #stagingNext: number;

  constructor(ramBytes = 1 << 20) {
    this.ramBytes = ramBytes;
    this.bytes = new Uint8Array(RAM_OFFSET + ramBytes + STAGING_BYTES);
    this.#view = new DataView(this.bytes.buffer);
    this.#stagingNext = RAM_OFFSET + ramBytes;
  }

  /** RAM alone, by physical address. */
  get ram(): Uint8Array {
    return this.bytes.subarray(RAM_OFFSET, RAM_OFFSET + this.ramBytes);
  }

  read8(physical: number): number {
    return this.#holds(physical, 1) ? this.#view.getUint8(RAM_OFFSET + physical) : 0xff;
  }

  read16(physical: number): number {
    return this.#holds(physical, 2) ? this.#view.getUint16(RAM_OFFSET + physical, true) : 0xffff;
  }

  read32(physical: number): number {
    return this.#holds(physical, 4) ? this.#view.getUint32(RAM_OFFSET + physical, true) : 0xffff_ffff;
  }

  read64(physical: number): bigint {
    return this.#holds(physical, 8) ? this.#view.getBigUint64(RAM_OFFSET + physical, true) : 0xffff_ffff_ffff_ffffn;
  }

  write8(physical: number, value: number): void {
    if (this.#holds(physical, 1)) this.#view.setUint8(RAM_OFFSET + physical, value);
  }

  write16(physical: number, value: number): void {
    if (this.#holds(physical, 2)) this.#view.setUint16(RAM_OFFSET + physical, value, true);
  }

  write32(physical: number, value: number): void {
    if (this.#holds(physical, 4)) this.#view.setUint32(RAM_OFFSET + physical, value, true);
  }

  write64(physical: number, value: bigint): void {
    if (this.#holds(physical, 8)) this.#view.setBigUint64(RAM_OFFSET + physical, value, true);
  }

  readBlock(physical: number, target: Uint8Array): void {
    for (let index = 0; index < target.length; index++) target[index] = this.read8(physical + index);
  }

  writeBlock(physical: number, source: Uint8Array): void {
    for (let index = 0; index < source.length; index++) this.write8(physical + index, source[index]!);
  }

  /** Splits at 4 KiB, as pages need not lie side by side. */
  pin(physical: number, length: number, _access: 'read' | 'write'): readonly MemorySegment[] | undefined {
    if (!this.#holds(physical, length)) return undefined;
    const segments: MemorySegment[] = [];
    for (let done = 0; done < length; ) {
      const part = Math.min(length - done, 4096 - ((physical + done) & 4095));
      segments.push({ offset: RAM_OFFSET + physical + done, length: part });
      done += part;
    }
    this.openPins++;
    return segments;
  }

  unpin(_segments: readonly MemorySegment[], _access: 'read' | 'write'): void {
    this.openPins--;
  }

  allocateStaging(owner: string, length: number): MemorySegment {
    const offset = this.#stagingNext;
    this.#stagingNext += length;
    if (this.#stagingNext > this.bytes.length) throw new Error(`no staging memory is left for ${owner}`);
    return { offset, length };
  }

  #holds(physical: number, length: number): boolean {
    return physical >= 0 && physical + length <= this.ramBytes;
  }
}
