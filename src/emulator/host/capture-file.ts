/** A pcapng file that grows while the machine runs. What the disk doesn't take in time is left out and counted. */
import { createWriteStream, type WriteStream } from 'node:fs';
import type { FrameOffload } from '../interfaces/network.ts';
import { captureFrame, captureHeader, type Direction } from '../network/capture.ts';

const WAITING_MAXIMUM_BYTES = 16 << 20;

export class CaptureFile {
  readonly path: string;
  /** Settles when the file is there. */
  readonly opened: Promise<void>;
  readonly #stream: WriteStream;
  readonly #epochNanos = BigInt(Math.round((performance.timeOrigin) * 1e6));
  #isBroken = false;
  /** Frames that the file lacks. */
  missed = 0;

  /** `failed` is called once, when the file can't be written (any more). */
  constructor(path: string, interfaceName: string, failed: (why: string) => void) {
    this.path = path;
    this.#stream = createWriteStream(path);
    this.opened = new Promise((resolve, reject) => {
      this.#stream.once('open', () => { resolve(); });
      this.#stream.once('error', reject);
    });
    // Whoever waits for it hears of it.
    this.opened.catch(() => {});
    this.#stream.on('error', (error) => {
      if (!this.#isBroken) failed(error.message);
      this.#isBroken = true;
    });
    this.#stream.write(captureHeader(interfaceName));
  }

  frame(bytes: Uint8Array, offload: FrameOffload, direction: Direction): void {
    if (this.#isBroken || this.#stream.writableLength > WAITING_MAXIMUM_BYTES) {
      this.missed++;
      return;
    }
    this.#stream.write(captureFrame(bytes, offload, direction, this.#epochNanos + BigInt(Math.round(performance.now() * 1e6))));
  }

  async close(): Promise<void> {
    if (this.#isBroken) return;
    await new Promise<void>((resolve) => {
      this.#stream.once('error', () => resolve());
      this.#stream.end(() => resolve());
    });
  }
}
