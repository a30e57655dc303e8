/** A range of the machine's shared memory, as byte offsets into it. */
export interface MemorySegment {
  readonly offset: number;
  readonly length: number;
}

/**
 * The guest's physical memory as bus-mastering devices see it: addresses are guest-physical. Accesses outside RAM read
 * all ones and write nothing. Writes drop code that was decoded or translated from the bytes they change.
 * Little-endian; `read32` returns an unsigned number. 64-bit values are numbers when below 2^53, which every
 * physical address is; use `read64` / `write64` (bigint) where all 64 bits count.
 */
export interface GuestMemory {
  /** The whole shared memory (not guest-physical): index it only with offsets from `pin` or `allocateStaging`. */
  readonly bytes: Uint8Array;
  readonly ramBytes: number;
  read8(physical: number): number;
  read16(physical: number): number;
  read32(physical: number): number;
  read64(physical: number): bigint;
  write8(physical: number, value: number): void;
  write16(physical: number, value: number): void;
  write32(physical: number, value: number): void;
  write64(physical: number, value: bigint): void;
  readBlock(physical: number, target: Uint8Array): void;
  writeBlock(physical: number, source: Uint8Array): void;
  /**
   * Makes `length` bytes at `physical` ready for I/O by another thread and returns where they lie in the shared
   * memory, in order, or `undefined` where they aren't all RAM. `access` is what the I/O does to guest memory.
   * Balance every pin with `unpin` when the I/O has completed.
   */
  pin(physical: number, length: number, access: 'read' | 'write'): readonly MemorySegment[] | undefined;
  unpin(segments: readonly MemorySegment[], access: 'read' | 'write'): void;
  /** A zeroed buffer in the shared memory for a device's own data (a PIO sector buffer), kept for the machine's life. */
  allocateStaging(owner: string, length: number): MemorySegment;
}
