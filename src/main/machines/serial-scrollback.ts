/** The last output of a machine's serial console, kept for whoever opens it later. */
const SCROLLBACK_BYTES = 256 * 1024;

export class SerialScrollback {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  append(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.byteLength;
    while (this.#bytes > SCROLLBACK_BYTES) {
      const first = this.#chunks[0]!;
      const excess = this.#bytes - SCROLLBACK_BYTES;
      if (first.byteLength <= excess) this.#chunks.shift();
      else this.#chunks[0] = first.slice(excess);
      this.#bytes -= Math.min(first.byteLength, excess);
    }
  }

  contents(): Uint8Array {
    const all = new Uint8Array(this.#bytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.byteLength;
    }
    // Appending one byte at a time would otherwise keep a chunk for each.
    this.#chunks = all.byteLength === 0 ? [] : [all];
    return all.slice();
  }
}
