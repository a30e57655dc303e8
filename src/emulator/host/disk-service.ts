/**
 * The control thread's end of the disks: executes the machine thread's requests on the images, reading and writing the
 * shared memory directly.
 */
import type { MachineError } from '../../shared/result.ts';
import type { BlockRequest, BlockStatus } from '../interfaces/block-backend.ts';
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { DiskImage } from '../interfaces/disk-image.ts';
import { ByteRate } from '../network/byte-rate.ts';
import { errorOf } from './host-error.ts';

/** Requests of one disk that are executed at the same time. */
const MAX_IN_FLIGHT = 8;

interface Waiting {
  readonly request: BlockRequest;
  readonly done: (status: BlockStatus) => void;
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
  readonly #stuck: ((error: MachineError) => void) | undefined;
  #untilRetry: (() => void)[] = [];
  bytesRead = 0;
  bytesWritten = 0;

  /** `shared` is the whole shared memory; requests name segments of it. `stuck` is told of what a request can't get before `retry`. */
  constructor(image: DiskImage, shared: Uint8Array, bytesPerSecondMaximum?: number, stuck?: (error: MachineError) => void) {
    this.#stuck = stuck;
    this.#image = image;
    this.#shared = shared;
    this.#rate.limit(bytesPerSecondMaximum);
  }

  get isDisc(): boolean {
    return this.#image.sectorBytes === 2048;
  }

  submit(request: BlockRequest, done: (status: BlockStatus) => void): void {
    this.#queue.push({ request, done });
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

  /** Finishes what is queued, flushes and closes the image. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.retry();
    this.limit(undefined);
    while (this.#inFlight > 0 || this.#queue.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    try {
      if (!this.#image.readOnly) await this.#image.flush();
    } finally {
      await this.#image[Symbol.asyncDispose]();
    }
  }

  /** Requests that got stuck are tried again. */
  retry(): void {
    for (const again of this.#untilRetry.splice(0)) again();
  }

  #startMore(): void {
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const isFlush = next.request.kind === 'flush';
      if (this.#held || this.#flushing || this.#inFlight >= MAX_IN_FLIGHT || (isFlush && this.#inFlight > 0)) return;
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

  async #execute({ request, done }: Waiting): Promise<void> {
    const status = await this.#settled(request);
    this.#inFlight--;
    if (request.kind === 'flush') this.#flushing = false;
    done(status);
    this.#startMore();
    if (this.#inFlight === 0 && (this.#queue.length === 0 || this.#held)) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  /** What the guest is told. It isn't told of a bundle that was tampered with: its machine stands still for that. */
  async #settled(request: BlockRequest): Promise<BlockStatus> {
    for (;;) {
      try {
        return await this.#transfer(request);
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'bundle.tampered' || this.#stuck === undefined || this.#isClosed) return code === 'ENOSPC' || code === 'image.full' ? 'no-space' : 'io-error';
        this.#stuck(errorOf(error));
        await new Promise<void>((resolve) => { this.#untilRetry.push(resolve); });
      }
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
    const bytes = sectorCount * image.sectorBytes;
    const total = request.segments.reduce((sum, segment) => sum + segment.length, 0);
    if (total !== bytes || request.segments.some((segment) => segment.offset + segment.length > this.#shared.length)) return 'out-of-range';
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
    if (this.#wholeSectors(segments)) {
      let at = sector;
      for (const segment of segments) {
        await this.#image.read(at, this.#shared.subarray(segment.offset, segment.offset + segment.length));
        at += segment.length / this.#image.sectorBytes;
      }
      return;
    }
    const bounce = new Uint8Array(segments.reduce((sum, segment) => sum + segment.length, 0));
    await this.#image.read(sector, bounce);
    let from = 0;
    for (const segment of segments) {
      this.#shared.set(bounce.subarray(from, from + segment.length), segment.offset);
      from += segment.length;
    }
  }

  async #write({ sector, segments }: BlockRequest): Promise<void> {
    if (this.#wholeSectors(segments)) {
      let at = sector;
      for (const segment of segments) {
        await this.#image.write(at, this.#shared.subarray(segment.offset, segment.offset + segment.length));
        at += segment.length / this.#image.sectorBytes;
      }
      return;
    }
    const bounce = new Uint8Array(segments.reduce((sum, segment) => sum + segment.length, 0));
    let to = 0;
    for (const segment of segments) {
      bounce.set(this.#shared.subarray(segment.offset, segment.offset + segment.length), to);
      to += segment.length;
    }
    await this.#image.write(sector, bounce);
  }

  #wholeSectors(segments: readonly { length: number }[]): boolean {
    return segments.every((segment) => segment.length % this.#image.sectorBytes === 0);
  }
}
