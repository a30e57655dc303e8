/**
 * System control port B of the PC (port 0x61; IBM AT technical reference 6280070, Intel 82371AB PIIX4 §4.2.4):
 * speaker and timer gate, NMI status. Parity and channel check errors never occur.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Clock } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';

const TIMER_2_GATE = 0x01;
const SPEAKER_DATA = 0x02;
const WRITABLE = 0x0f;
const REFRESH_TOGGLE = 0x10;
const TIMER_2_OUTPUT = 0x20;
/** A row of DRAM was refreshed every 15.085 µs; programs time short delays by this bit. */
const REFRESH_NANOS = 15_085;

interface SystemControlState {
  value: number;
}

export type SavedSystemControl = Readonly<SystemControlState>;

export interface SystemControlOptions {
  readonly id: string;
  readonly clock: Clock;
  /** Timer counter 2 and what it drives. */
  readonly timer2: {
    setGate(high: boolean): void;
    output(): boolean;
  };
  /** Told when the guest lets the counter's output through to the speaker or stops it. */
  readonly speakerChanged?: (on: boolean) => void;
}

export class SystemControlPort implements Device<SavedSystemControl> {
  readonly id: string;
  readonly savedVersion = 1;
  /** One port. */
  readonly ports: IoHandler;
  readonly #options: SystemControlOptions;
  #state: SystemControlState = { value: 0 };

  constructor(options: SystemControlOptions) {
    this.id = options.id;
    this.#options = options;
    this.ports = byteWideHandler({
      length: 1,
      read: () => this.#read(),
      write: (_offset, value) => { this.#state.value = value & WRITABLE; this.#drive(); },
      peek: () => this.#read(),
    });
  }

  reset(_kind: ResetKind): void {
    this.#state = { value: 0 };
    this.#drive();
  }

  save(): SavedSystemControl {
    const { value, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { value };
  }

  /** The timer keeps its gate itself, so only the speaker is told. */
  restore(saved: SavedSystemControl): void {
    this.#state = { ...saved };
    this.#options.speakerChanged?.(this.#speakerOn());
  }

  #speakerOn(): boolean {
    return (this.#state.value & (TIMER_2_GATE | SPEAKER_DATA)) === (TIMER_2_GATE | SPEAKER_DATA);
  }

  #drive(): void {
    this.#options.timer2.setGate((this.#state.value & TIMER_2_GATE) !== 0);
    this.#options.speakerChanged?.(this.#speakerOn());
  }

  #read(): number {
    const refresh = Math.floor(this.#options.clock.now() / REFRESH_NANOS) % 2 === 1;
    return this.#state.value | (refresh ? REFRESH_TOGGLE : 0) | (this.#options.timer2.output() ? TIMER_2_OUTPUT : 0);
  }
}
