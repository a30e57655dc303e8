import type { BlockBackend, BlockRequest, BlockStatus } from '../../src/emulator/interfaces/block-backend.ts';
import type { FakeGuestMemory } from './fake-guest-memory.ts';

interface Waiting {
  readonly request: BlockRequest;
  readonly done: (status: BlockStatus) => void;
}

/** A disk in memory whose requests complete when a test says so. */
export class FakeBlockBackend implements BlockBackend {
  readonly sectorBytes: 512 | 2048 | 4096;
  readonly sectorCount: number;
  readonly readOnly: boolean;
  readonly serial: string;
  readonly data: Uint8Array;
  /** Every request ever submitted. */
  readonly requests: BlockRequest[] = [];
  /** Answered to everything from now on, without touching data, when set. */
  failWith: BlockStatus | undefined = undefined;
  readonly #memory: FakeGuestMemory;
  #waiting: Waiting[] = [];

  constructor(memory: FakeGuestMemory, options: { sectorCount: number; sectorBytes?: 512 | 2048 | 4096; readOnly?: boolean; serial?: string }) {
    this.#memory = memory;
    this.sectorBytes = options.sectorBytes ?? 512;
    this.sectorCount = options.sectorCount;
    this.readOnly = options.readOnly ?? false;
    this.serial = options.serial ?? 'GH0001';
    this.data = new Uint8Array(this.sectorCount * this.sectorBytes);
    // Every sector differs from every other, and from its neighbours shifted.
    for (let at = 0; at < this.data.length; at++) this.data[at] = (at * 7 + Math.floor(at / this.sectorBytes) * 13) & 0xff;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  submit(request: BlockRequest, done: (status: BlockStatus) => void): void {
    this.requests.push(request);
    this.#waiting.push({ request, done });
  }

  /** Completes what waits now, in order; what that brings stays waiting. */
  completeWaiting(): number {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { request, done } of waiting) done(this.#execute(request));
    return waiting.length;
  }

  /** Completes requests until none is left. */
  settle(): void {
    for (let rounds = 0; this.completeWaiting() > 0; rounds++) if (rounds > 10_000) throw new Error('requests never end');
  }

  sector(number: number, count = 1): Uint8Array {
    return this.data.subarray(number * this.sectorBytes, (number + count) * this.sectorBytes);
  }

  #execute(request: BlockRequest): BlockStatus {
    if (this.failWith !== undefined) return this.failWith;
    if (request.kind === 'flush') return 'ok';
    if (request.sector < 0 || request.sector + request.sectorCount > this.sectorCount) return 'out-of-range';
    if (request.kind !== 'read' && this.readOnly) return 'read-only';
    const range = this.sector(request.sector, request.sectorCount);
    if (request.kind === 'discard' || request.kind === 'zero') {
      range.fill(0);
      return 'ok';
    }
    const total = request.segments.reduce((sum, segment) => sum + segment.length, 0);
    if (total !== range.length) throw new Error(`a request for ${range.length} bytes came with segments of ${total}`);
    let at = 0;
    for (const { offset, length } of request.segments) {
      const segment = this.#memory.bytes.subarray(offset, offset + length);
      if (segment.length !== length) throw new Error('a segment lies outside the shared memory');
      if (request.kind === 'read') segment.set(range.subarray(at, at + length));
      else range.set(segment, at);
      at += length;
    }
    return 'ok';
  }
}
