import type { MemorySegment } from './guest-memory.ts';

/** What a disk controller sees of a disk or disc: requests go out, completions come back through the mailbox. */
export interface BlockBackend {
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  /** Stable text for IDENTIFY and the virtio serial, at most 20 ASCII characters. */
  readonly serial: string;
  /**
   * Starts a request. `done` is called on the machine thread, never from within `submit`, in any order between
   * requests. A write is on stable storage only after a later `flush` completed.
   */
  submit(request: BlockRequest, done: (status: BlockStatus) => void): void;
}

export interface BlockRequest {
  /** `zero`: the sectors read as zeros afterwards; `discard`: besides, they are no longer needed. */
  readonly kind: 'read' | 'write' | 'flush' | 'discard' | 'zero';
  /** First sector and number of sectors; both 0 for `flush`. */
  readonly sector: number;
  readonly sectorCount: number;
  /** Where the data lies in the shared memory, in order: sectorCount * sectorBytes bytes; empty where no data moves. */
  readonly segments: readonly MemorySegment[];
}

export type BlockStatus = 'ok' | 'io-error' | 'out-of-range' | 'read-only' | 'no-space';
