/** References to the clusters of a file, found so far. */
import { unsupported } from './image-error.ts';

/** Counts are kept for this many clusters together, where there are any. */
const CHUNK = 65536;
/** 512 MiB of counts: more than 8 TiB of clusters of 64 KiB that lie side by side. */
const CHUNKS_MAXIMUM = 2048;

export class CountedReferences {
  readonly #chunks = new Map<number, Uint32Array>();
  /** One past the last cluster that is referred to. */
  end = 0;

  /** Throws `ImageError` where the file's clusters are too many or too scattered to be counted. */
  add(cluster: number, references: number): void {
    const key = Math.floor(cluster / CHUNK);
    let chunk = this.#chunks.get(key);
    if (chunk === undefined) {
      if (this.#chunks.size === CHUNKS_MAXIMUM) throw unsupported('the clusters of the image are too many to be counted here', 'check it with "qemu-img check"');
      this.#chunks.set(key, chunk = new Uint32Array(CHUNK));
    }
    chunk[cluster % CHUNK]! += references;
    if (cluster >= this.end) this.end = cluster + 1;
  }

  get(cluster: number): number {
    return this.#chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  /** Those with references, in no order. */
  * clusters(): Iterable<number> {
    for (const [key, chunk] of this.#chunks) {
      for (let index = 0; index < CHUNK; index++) if (chunk[index] !== 0) yield key * CHUNK + index;
    }
  }
}
