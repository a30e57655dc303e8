export type AccessWidth = 1 | 2 | 4;

/**
 * Registers behind a claimed range of ports or physical addresses. `offset` counts from the start of the claim.
 * Values are unsigned numbers of `width` bytes. Handlers never throw whatever the guest does: an access that means
 * nothing reads all ones and writes nothing.
 */
export interface IoHandler {
  read(offset: number, width: AccessWidth): number;
  write(offset: number, width: AccessWidth, value: number): void;
  /** REP INS: fills `target` with consecutive reads of `width` bytes of the same port; returns the bytes it filled. */
  readBlock?(offset: number, width: AccessWidth, target: Uint8Array): number;
  /** REP OUTS: takes consecutive writes of `width` bytes to the same port; returns the bytes it took. */
  writeBlock?(offset: number, width: AccessWidth, source: Uint8Array): number;
  /** Reads without side effects, for debuggers and tests. */
  peek?(offset: number, width: AccessWidth): number;
}

/** Undoes what made it. */
export interface Registration {
  dispose(): void;
}

/**
 * An address space in which handlers claim ranges: I/O ports (`PortBus`) or physical memory (`MmioBus`).
 * `claim` throws on overlap, which is a mistake of the board, never of the guest.
 */
export interface Bus {
  claim(owner: string, base: number, length: number, handler: IoHandler): Registration;
}

export type PortBus = Bus;

export interface MmioBus extends Bus {
  /**
   * Lets the guest reach `length` bytes of the machine's shared memory at physical `base` without any handler
   * (RAM, ROM, a linear frame buffer). Both addresses and the length are multiples of 4096. A later direct mapping
   * hides an earlier one (shadow RAM) until it is disposed of.
   */
  mapDirect(owner: string, base: number, length: number, memoryOffset: number, access: 'read-write' | 'read-only'): Registration;
}
