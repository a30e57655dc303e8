/** Segments of the guest that came before what is missing. */
import { CHUNK_OVERHEAD_BYTES } from './send-queue.ts';
import { sequenceAdd, sequenceDistance } from './sequence.ts';

/** Pieces that are kept; what doesn't fit is sent again by the guest. */
const PIECES_MAXIMUM = 64;

export class Reassembly {
  /** By sequence, without overlaps. */
  #pieces: { sequence: number; bytes: Uint8Array }[] = [];
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** Memory that the pieces take. */
  get heldBytes(): number {
    return this.#bytes + CHUNK_OVERHEAD_BYTES * this.#pieces.length;
  }

  /** Keeps a copy of what isn't there yet. */
  add(sequence: number, payload: Uint8Array): void {
    let at = sequence;
    let rest = payload;
    for (const piece of [...this.#pieces]) {
      const before = sequenceDistance(piece.sequence, at);
      if (before >= rest.length) break;
      if (before > 0) this.#insert(at, rest.subarray(0, before));
      const covered = sequenceDistance(sequenceAdd(piece.sequence, piece.bytes.length), at);
      if (covered <= 0) continue;
      if (covered >= rest.length) return;
      at = sequenceAdd(at, covered);
      rest = rest.subarray(covered);
    }
    this.#insert(at, rest);
  }

  /** What follows at `sequence`, if it is there. */
  take(sequence: number): Uint8Array | undefined {
    for (let first = this.#pieces[0]; first !== undefined; first = this.#pieces[0]) {
      const done = sequenceDistance(sequence, first.sequence);
      if (done < 0) return undefined;
      this.#pieces.shift();
      this.#bytes -= first.bytes.length;
      if (done < first.bytes.length) return first.bytes.subarray(done);
    }
    return undefined;
  }

  clear(): void {
    this.#pieces = [];
    this.#bytes = 0;
  }

  #insert(sequence: number, bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#pieces.length >= PIECES_MAXIMUM) return;
    const index = this.#pieces.findIndex((piece) => sequenceDistance(piece.sequence, sequence) > 0);
    this.#pieces.splice(index < 0 ? this.#pieces.length : index, 0, { sequence, bytes: bytes.slice() });
    this.#bytes += bytes.length;
  }
}
