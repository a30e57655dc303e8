/** A range of physical memory that its chip can move, wherever a guest wants it. */
import type { IoHandler, MmioBus, Registration } from '../interfaces/bus.ts';
import type { DeviceLog } from '../interfaces/log.ts';

export class MovableWindow {
  readonly #bus: MmioBus;
  readonly #owner: string;
  readonly #length: number;
  readonly #handler: () => IoHandler;
  readonly #log: DeviceLog;
  #base: number | undefined;
  #registration: Registration | undefined;

  constructor(bus: MmioBus, owner: string, length: number, handler: () => IoHandler, log: DeviceLog) {
    this.#bus = bus;
    this.#owner = owner;
    this.#length = length;
    this.#handler = handler;
    this.#log = log;
  }

  /** To `base`, or away. Where something else is already, the window disappears. */
  move(base: number | undefined): void {
    if (base === this.#base) return;
    this.#base = base;
    this.#registration?.dispose();
    this.#registration = undefined;
    if (base === undefined) return;
    try {
      this.#registration = this.#bus.claim(this.#owner, base, this.#length, this.#handler());
    } catch (error) {
      this.#log.log('warning', 'window-overlap', error instanceof Error ? error.message : String(error));
    }
  }
}
