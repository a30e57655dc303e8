/** Reset control register of the Intel 82371 PIIX3 and PIIX4 (datasheet 290550 §2.5.4). Only byte accesses reach it. */
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';

const SRST = 0x02;
const RCPU = 0x04;

interface ResetControlState {
  value: number;
}

export type SavedResetControl = Readonly<ResetControlState>;

export interface ResetControlOptions {
  readonly id: string;
  /** The guest asks for a reset: of the whole board (`power-on`) or of the CPU alone (`soft`). */
  readonly requestReset: (kind: ResetKind) => void;
}

export class ResetControlPort implements Device<SavedResetControl> {
  readonly id: string;
  readonly savedVersion = 1;
  /** One port. */
  readonly ports: IoHandler;
  #state: ResetControlState = { value: 0 };

  constructor(options: ResetControlOptions) {
    this.id = options.id;
    const read: IoHandler['read'] = (offset, width) => (width === 1 && offset === 0 ? this.#state.value : 2 ** (8 * width) - 1);
    this.ports = {
      read,
      peek: read,
      write: (offset, width, value) => {
        if (width !== 1 || offset !== 0) return;
        const rises = (value & ~this.#state.value & RCPU) !== 0;
        this.#state.value = value & (SRST | RCPU);
        if (rises) options.requestReset((value & SRST) !== 0 ? 'power-on' : 'soft');
      },
    };
  }

  reset(_kind: ResetKind): void {
    this.#state = { value: 0 };
  }

  save(): SavedResetControl {
    const { value, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { value };
  }

  restore(saved: SavedResetControl): void {
    this.#state = { ...saved };
  }
}
