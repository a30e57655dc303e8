/**
 * A cable in shared memory: a ring of frames for each direction, with one writer and one reader in different threads. A
 * thread that finds its ring empty or full says so in the ring, and the other rings its bell when that has changed: so a
 * busy link sends no messages.
 */
import type { MemorySegment } from '../interfaces/guest-memory.ts';
import { FRAME_MAXIMUM_BYTES, type AcceptedOffloads, type FrameOffload, type NetworkLink, type ReceivedFrame } from '../interfaces/network.ts';

/** Words at the ring's beginning. Positions count bytes from the start and wrap at 2^32. */
const WRITTEN = 0;
const READ = 1;
const READER_WAITS = 2;
const WRITER_WAITS = 3;
/** What the reader takes on, ACCEPT_… bits. */
const ACCEPTED = 4;
const HEADER_BYTES = 64;

const ACCEPT_CHECKSUM = 1;
const ACCEPT_TCP4 = 2;
const ACCEPT_TCP6 = 4;

/** A frame's record: u32 length, u8 segmentation, u8 0, u16 segment bytes, u16 checksum start, u16 checksum offset, u32 0, then the frame. */
const RECORD_BYTES = 16;
const RECORD_ALIGNMENT = 8;
/** In place of a length: the rest up to the ring's end is empty. */
const SKIP = 0xffff_ffff;
const SEGMENTATIONS = ['none', 'tcp4', 'tcp6'] as const;

/** The smallest ring that holds a longest frame wherever it begins. */
const RING_MINIMUM_BYTES = 4 * FRAME_MAXIMUM_BYTES;

class Ring {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** A power of two. */
  readonly capacity: number;

  constructor(shared: ArrayBufferLike, { offset, length }: MemorySegment) {
    if (length < RING_MINIMUM_BYTES || offset % HEADER_BYTES !== 0) throw new Error(`a ring of frames can't be ${length} bytes at ${offset}`);
    this.capacity = 2 ** Math.floor(Math.log2(length - HEADER_BYTES));
    this.words = new Int32Array(shared, offset, HEADER_BYTES / 4);
    this.bytes = new Uint8Array(shared, offset + HEADER_BYTES, this.capacity);
    this.view = new DataView(shared, offset + HEADER_BYTES, this.capacity);
  }

  get written(): number {
    return Atomics.load(this.words, WRITTEN);
  }

  get read(): number {
    return Atomics.load(this.words, READ);
  }
}

function recordBytes(length: number): number {
  return RECORD_BYTES + Math.ceil(length / RECORD_ALIGNMENT) * RECORD_ALIGNMENT;
}

export class FrameLink implements NetworkLink {
  onReadable: (() => void) | undefined = undefined;
  onWritable: (() => void) | undefined = undefined;
  readonly #out: Ring;
  readonly #in: Ring;
  readonly #ring: () => void;
  /** Where the reserved record begins, from the ring's start, its frame's length, and where the writer is after it. */
  #reservedAt = 0;
  #reservedLength = 0;
  #writtenAfter = 0;
  /** Bytes of the record that `peek` showed, an empty rest before it included. */
  #peeked = 0;

  /**
   * `outgoing` and `incoming` are zeroed pieces of the shared memory, of the same lengths at the other end, the other way
   * round. `ring` makes the other end's thread call `rung`.
   */
  constructor(shared: ArrayBufferLike, outgoing: MemorySegment, incoming: MemorySegment, ring: () => void) {
    this.#out = new Ring(shared, outgoing);
    this.#in = new Ring(shared, incoming);
    this.#ring = ring;
    Atomics.store(this.#in.words, READER_WAITS, 1);
  }

  /** The other end has rung. */
  rung(): void {
    this.onReadable?.();
    this.onWritable?.();
  }

  reserve(length: number): Uint8Array | undefined {
    const ring = this.#out;
    const needed = recordBytes(length);
    if (length > FRAME_MAXIMUM_BYTES) throw new RangeError(`a frame can't be ${length} bytes long`);
    const written = ring.written;
    const at = written & (ring.capacity - 1);
    const skipped = ring.capacity - at < needed ? ring.capacity - at : 0;
    if (!this.#hasRoom(written, skipped + needed)) {
      Atomics.store(ring.words, WRITER_WAITS, 1);
      // The reader may have made room before it could see that somebody waits.
      if (!this.#hasRoom(written, skipped + needed)) return undefined;
      Atomics.store(ring.words, WRITER_WAITS, 0);
    }
    if (skipped > 0) ring.view.setUint32(at, SKIP, true);
    this.#reservedAt = skipped > 0 ? 0 : at;
    this.#reservedLength = length;
    this.#writtenAfter = (written + skipped + needed) | 0;
    return ring.bytes.subarray(this.#reservedAt + RECORD_BYTES, this.#reservedAt + RECORD_BYTES + length);
  }

  commit(offload: FrameOffload): void {
    const { view, words } = this.#out;
    const at = this.#reservedAt;
    view.setUint32(at, this.#reservedLength, true);
    view.setUint16(at + 4, SEGMENTATIONS.indexOf(offload.segmentation), true);
    view.setUint16(at + 6, offload.segmentBytes, true);
    view.setUint16(at + 8, offload.checksumStart, true);
    view.setUint16(at + 10, offload.checksumOffset, true);
    Atomics.store(words, WRITTEN, this.#writtenAfter);
    if (Atomics.exchange(words, READER_WAITS, 0) === 1) this.#ring();
  }

  peek(): ReceivedFrame | undefined {
    const ring = this.#in;
    const read = ring.read;
    if (ring.written === read) {
      Atomics.store(ring.words, READER_WAITS, 1);
      // A frame may have come before the writer could see that somebody waits.
      if (ring.written === read) return undefined;
      Atomics.store(ring.words, READER_WAITS, 0);
    }
    let at = read & (ring.capacity - 1);
    let skipped = 0;
    if (ring.view.getUint32(at, true) === SKIP) {
      skipped = ring.capacity - at;
      at = 0;
    }
    const length = ring.view.getUint32(at, true);
    this.#peeked = skipped + recordBytes(length);
    return {
      bytes: ring.bytes.subarray(at + RECORD_BYTES, at + RECORD_BYTES + length),
      offload: {
        segmentation: SEGMENTATIONS[ring.view.getUint16(at + 4, true)] ?? 'none',
        segmentBytes: ring.view.getUint16(at + 6, true),
        checksumStart: ring.view.getUint16(at + 8, true),
        checksumOffset: ring.view.getUint16(at + 10, true),
      },
    };
  }

  consume(): void {
    const { words, capacity, written } = this.#in;
    const read = (this.#in.read + this.#peeked) | 0;
    Atomics.store(words, READ, read);
    this.#peeked = 0;
    // A writer waits only for a ring that is more than half full; told of each frame, it would fill it one by one.
    if ((written - read) >>> 0 <= capacity / 2 && Atomics.exchange(words, WRITER_WAITS, 0) === 1) this.#ring();
  }

  accept({ checksum, tcp4, tcp6 }: AcceptedOffloads): void {
    Atomics.store(this.#in.words, ACCEPTED, (checksum ? ACCEPT_CHECKSUM : 0) | (tcp4 ? ACCEPT_TCP4 : 0) | (tcp6 ? ACCEPT_TCP6 : 0));
  }

  /** What the other end takes on. */
  get accepted(): AcceptedOffloads {
    const bits = Atomics.load(this.#out.words, ACCEPTED);
    return { checksum: (bits & ACCEPT_CHECKSUM) !== 0, tcp4: (bits & ACCEPT_TCP4) !== 0, tcp6: (bits & ACCEPT_TCP6) !== 0 };
  }

  #hasRoom(written: number, needed: number): boolean {
    const used = (written - this.#out.read) >>> 0;
    return this.#out.capacity - used >= needed;
  }
}
