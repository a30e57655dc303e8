/**
 * PS/2 system control port A (IBM PS/2 Hardware Interface Technical Reference; Intel 82371AB PIIX4 §4.2.5): the fast
 * way to gate address line A20 and to reset the CPU.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';

const FAST_INIT = 0x01;
const FAST_A20 = 0x02;

interface Port92State {
  value: number;
}

export type SavedPort92 = Readonly<Port92State>;

export interface Port92Options {
  readonly id: string;
  /** Told when this port's share in A20 changes. */
  readonly a20Changed: (enabled: boolean) => void;
  /** The INIT pulse: resets the CPU, not the board. */
  readonly initCpu: () => void;
}

export class Port92 implements Device<SavedPort92> {
  readonly id: string;
  readonly savedVersion = 1;
  /** One port. */
  readonly ports: IoHandler;
  readonly #a20Changed: (enabled: boolean) => void;
  readonly #initCpu: () => void;
  #state: Port92State = { value: 0 };

  constructor(options: Port92Options) {
    this.id = options.id;
    this.#a20Changed = options.a20Changed;
    this.#initCpu = options.initCpu;
    this.ports = byteWideHandler({
      length: 1,
      read: () => this.#state.value,
      write: (_offset, value) => { this.#write(value); },
      peek: () => this.#state.value,
    });
  }

  reset(_kind: ResetKind): void {
    this.#state = { value: 0 };
    this.#a20Changed(false);
  }

  save(): SavedPort92 {
    const { value, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { value };
  }

  restore(saved: SavedPort92): void {
    this.#state = { ...saved };
    this.#a20Changed((saved.value & FAST_A20) !== 0);
  }

  #write(value: number): void {
    const before = this.#state.value;
    this.#state.value = value & (FAST_INIT | FAST_A20);
    if (((before ^ value) & FAST_A20) !== 0) this.#a20Changed((value & FAST_A20) !== 0);
    if ((value & ~before & FAST_INIT) !== 0) this.#initCpu();
  }
}
