/** Who watches a machine's display: one encoder for each port, so that each gets frames at its own pace. */
import { DISPLAY_REGISTERS, DISPLAY_REGISTERS_BYTES, VIDEO_MEMORY, VIDEO_MEMORY_BYTES } from '../cpu/memory-layout.ts';
import type { DisplaySource } from '../interfaces/display.ts';
import { DisplayEncoder } from './display-encoder.ts';
import type { CommandPort } from './transport.ts';

const SOURCE: DisplaySource = {
  videoMemory: { offset: VIDEO_MEMORY, length: VIDEO_MEMORY_BYTES },
  registers: { offset: DISPLAY_REGISTERS, length: DISPLAY_REGISTERS_BYTES },
};

export class DisplayService {
  readonly #shared: ArrayBufferLike;
  readonly #watchers = new Map<CommandPort, DisplayEncoder>();
  readonly #still: DisplayEncoder;
  #framesSent = 0;

  constructor(shared: ArrayBufferLike) {
    this.#shared = shared;
    this.#still = new DisplayEncoder({ sharedMemory: shared, source: SOURCE, send: () => {} });
  }

  /** To all who watch, together. */
  get framesSent(): number {
    return this.#framesSent;
  }

  watch(port: CommandPort, watch: boolean): void {
    if (!watch) {
      this.forget(port);
      return;
    }
    let encoder = this.#watchers.get(port);
    if (encoder === undefined) {
      encoder = new DisplayEncoder({ sharedMemory: this.#shared, source: SOURCE, send: (frame) => {
        this.#framesSent++;
        port.send({ kind: 'display-frame', frame });
      } });
      this.#watchers.set(port, encoder);
    }
    encoder.watch(true);
  }

  frameDrawn(port: CommandPort): void {
    this.#watchers.get(port)?.frameDrawn();
  }

  forget(port: CommandPort): void {
    this.#watchers.get(port)?.dispose();
    this.#watchers.delete(port);
  }

  /** Somebody typed or pointed: the picture will likely change. */
  expectChange(): void {
    for (const encoder of this.#watchers.values()) encoder.expectChange();
  }

  screenshot(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#still.screenshotPng());
  }

  screenText(): string[] | undefined {
    return this.#still.screenText();
  }

  stop(): void {
    for (const port of [...this.#watchers.keys()]) this.forget(port);
  }
}
