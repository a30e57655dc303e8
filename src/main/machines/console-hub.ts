/** One console of a machine, serial or virtio: its scrollback, and everybody who has it open. */
import { SerialScrollback } from './serial-scrollback.ts';

export class ConsoleHub {
  readonly #scrollback = new SerialScrollback();
  readonly #listeners = new Set<(bytes: Uint8Array) => void>();

  output(bytes: Uint8Array): void {
    this.#scrollback.append(bytes);
    for (const listener of [...this.#listeners]) listener(bytes);
  }

  /** First the scrollback, then what comes. Returns what ends it. */
  open(receive: (bytes: Uint8Array, replay: boolean) => void): () => void {
    receive(this.#scrollback.contents(), true);
    const listener = (bytes: Uint8Array): void => { receive(bytes, false); };
    this.#listeners.add(listener);
    return () => { this.#listeners.delete(listener); };
  }
}
