/**
 * The control thread's end of the disks: executes the machine thread's requests on the images, reading and writing the
 * shared memory directly.
 */
import type { BlockRequest, BlockStatus } from '../interfaces/block-backend.ts';
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { ByteRate } from '../network/byte-rate.ts';
import { BounceBuffers } from './bounce-buffers.ts';
import { troubleOf, type DiskTrouble } from './disk-troubles.ts';

/** Requests of one disk that are executed at the same time. */
const MAX_IN_FLIGHT = 8;

interface Waiting {
  readonly request: BlockRequest;
  readonly done: (status: BlockStatus) => void;
  /** It failed and waited for the host to be mended. */
  readonly wasHeld: boolean;
}

/** Told of what the host can mend; without one the guest is told of everything. */
export interface TroubleListener {
  /** Nothing more is started until `retry`. */
  troubled(trouble: DiskTrouble): void;
  /** All that failed has been done, or been told to the guest. */
  mended(): void;
}

export class DiskService {
  #image: DiskImage;
  readonly #shared: Uint8Array;
  readonly #queue: Waiting[] = [];
  #inFlight = 0;
  /** A flush is under way: it came after all writes before it, and what came after it waits. */
  #flushing = false;
  /** Nothing is started: the image is being exchanged. */
  #held = false;
  #idle: (() => void)[] = [];
  readonly #rate = new ByteRate(() => performance.now() * 1e6);
  #later: NodeJS.Timeout | undefined;
  #isClosed = false;
  #isTroubled = false;
  /** Requests that failed and have not ended yet. */
  #heldRequests = 0;
  readonly #listener: TroubleListener | undefined;
  readonly #bounces = new BounceBuffers();
  bytesRead = 0;
  bytesWritten = 0;

  /** `shared` is the whole shared memory; requests name segments of it. */
  constructor(image: DiskImage, shared: Uint8Array, bytesPerSecondMaximum?: number, listener?: TroubleListener) {
    this.#image = image;
    this.#shared = shared;
    this.#rate.limit(bytesPerSecondMaximum);
    this.#listener = listener;
  }

  get isDisc(): boolean {
    return this.#image.sectorBytes === 2048;
  }

  submit(request: BlockRequest, done: (status: BlockStatus) => void): void {
    this.#queue.push({ request, done, wasHeld: false });
    this.#startMore();
  }

  /** Of the image that is written. */
  get format(): DiskFormat {
    return this.#image.format as DiskFormat;
  }

  /**
   * Exchanges the image for another one of the same size: what is under way goes to the old one, which is on stable storage and
   * closed when `open` is called; what is queued goes to the new one. Where that can't be opened, `reopen` brings the old one back.
   */
  async replace(open: () => Promise<DiskImage>, reopen: () => Promise<DiskImage>): Promise<void> {
    this.#held = true;
    try {
      while (this.#inFlight > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      await this.#image.flush();
      await this.#image[Symbol.asyncDispose]();
      try {
        this.#image = await open();
      } catch (error) {
        this.#image = await reopen();
        throw error;
      }
    } finally {
      this.#held = false;
      this.#startMore();
    }
  }

  limit(bytesPerSecondMaximum: number | undefined): void {
    this.#rate.limit(bytesPerSecondMaximum);
    this.#startMore();
  }

  /** Tries again what failed. */
  retry(): void {
    this.#isTroubled = false;
    this.#startMore();
  }

  /** Finishes what is queued, flushes and closes the image. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isTroubled = false;
    this.limit(undefined);
    while (this.#inFlight > 0 || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    try {
      if (!this.#image.readOnly) await this.#image.flush();
    } finally {
      await this.#image[Symbol.asyncDispose]();
    }
  }

  #startMore(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const isFlush = next.request.kind === 'flush';
      if (this.#held || this.#isTroubled || this.#flushing || this.#inFlight >= MAX_IN_FLIGHT || (isFlush && this.#inFlight > 0)) return;
      if (!isFlush && this.#mustWait()) return;
      this.#queue.shift();
      this.#rate.take(next.request.sectorCount * this.#image.sectorBytes);
      this.#inFlight++;
      this.#flushing = isFlush;
      void this.#execute(next);
    }
  }

  /** Looks again when there is enough of what may be moved in a second. */
  #mustWait(): boolean {
    const wait = this.#rate.waitNanos;
    clearTimeout(this.#later);
    if (wait > 0) this.#later = setTimeout(() => { this.#startMore(); }, Math.ceil(wait / 1e6));
    return wait > 0;
  }

  async #execute(waiting: Waiting): Promise<void> {
    const { request, done, wasHeld } = waiting;
    let status: BlockStatus;
    try {
      status = await this.#transfer(request);
    } catch (error) {
      const trouble = this.#listener === undefined || this.#isClosed ? undefined : troubleOf(error, request.kind);
      if (trouble !== undefined && !(trouble.isForGood && wasHeld)) {
        this.#hold(waiting, trouble);
        return;
      }
      const { code } = error as NodeJS.ErrnoException;
      status = code === 'ENOSPC' || code === 'image.full' ? 'no-space' : 'io-error';
    }
    done(status);
    this.#ended(request);
    if (wasHeld && --this.#heldRequests === 0 && !this.#isTroubled) this.#listener?.mended();
  }

  /** Before all that waits: what comes later may count on it. */
  #hold(waiting: Waiting, trouble: DiskTrouble): void {
    this.#queue.unshift({ ...waiting, wasHeld: true });
    if (!waiting.wasHeld) this.#heldRequests++;
    const isFirst = !this.#isTroubled;
    this.#isTroubled = true;
    this.#ended(waiting.request);
    if (isFirst) this.#listener?.troubled(trouble);
  }

  #ended(request: BlockRequest): void {
    this.#inFlight--;
    if (request.kind === 'flush') this.#flushing = false;
    this.#startMore();
    if (this.#inFlight === 0 && (this.#queue.length === 0 || this.#held)) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  async #transfer(request: BlockRequest): Promise<BlockStatus> {
    const image = this.#image;
    if (request.kind === 'flush') {
      if (!image.readOnly) await image.flush();
      return 'ok';
    }
    const { sector, sectorCount } = request;
    if (!Number.isSafeInteger(sector) || sector < 0 || sectorCount < 0 || sector + sectorCount > image.sectorCount) return 'out-of-range';
    if (request.kind !== 'read' && image.readOnly) return 'read-only';
    if (request.kind === 'discard') {
      await image.discard(sector, sectorCount);
      return 'ok';
    }
    if (request.kind === 'zero') {
      await image.writeZeroes(sector, sectorCount);
      return 'ok';
    }
    const bytes = sectorCount * image.sectorBytes;
    if (totalOf(request.segments) !== bytes || request.segments.some((segment) => segment.offset + segment.length > this.#shared.length)) return 'out-of-range';
    if (request.kind === 'read') {
      await this.#read(request);
      this.bytesRead += bytes;
    } else {
      await this.#write(request);
      this.bytesWritten += bytes;
    }
    return 'ok';
  }

  async #read({ sector, segments }: BlockRequest): Promise<void> {
    const [first] = segments;
    if (first === undefined) return;
    if (segments.length === 1) return this.#image.read(sector, this.#shared.subarray(first.offset, first.offset + first.length));
    // One request of the host's, and a copy: that takes less than as many requests as there are pieces.
    using bounce = this.#bounces.take(totalOf(segments));
    await this.#image.read(sector, bounce.bytes);
    let from = 0;
    for (const { offset, length } of segments) {
      this.#shared.set(bounce.bytes.subarray(from, from + length), offset);
      from += length;
    }
  }

  async #write({ sector, segments }: BlockRequest): Promise<void> {
    const [first] = segments;
    if (first === undefined) return;
    if (segments.length === 1) return this.#image.write(sector, this.#shared.subarray(first.offset, first.offset + first.length));
    using bounce = this.#bounces.take(totalOf(segments));
    let to = 0;
    for (const { offset, length } of segments) {
      bounce.bytes.set(this.#shared.subarray(offset, offset + length), to);
      to += length;
    }
    await this.#image.write(sector, bounce.bytes);
  }
}

function totalOf(segments: BlockRequest['segments']): number {
  let total = 0;
  for (const { length } of segments) total += length;
  return total;
}
