/**
 * Coprocessor error logic of a PC/AT's board, as the Intel 82371SB PIIX3 has it (datasheet 290550, register F0h and the pins
 * FERR# and IGNNE#): FERR# requests IRQ 13 until a write to port F0h, which has the processor ignore errors until it
 * takes FERR# back.
 *
 * Port F1h, which resets an 80287, has no effect.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

const COPROCESSOR_ERROR = 0;
const ALL_ONES = 0xff;

interface CoprocessorErrorState {
  /** FERR# is asserted. */
  error: boolean;
  /** IRQ 13 is requested. */
  requested: boolean;
  /** IGNNE# is asserted. */
  ignored: boolean;
}

export type SavedCoprocessorError = Readonly<CoprocessorErrorState>;

export interface CoprocessorErrorOptions {
  readonly id: string;
  readonly interrupt: InterruptLine;
  /** The pin IGNNE#. */
  readonly ignoreErrors: (asserted: boolean) => void;
}

export class CoprocessorError implements Device<SavedCoprocessorError> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Two ports. */
  readonly ports: IoHandler;
  readonly #interrupt: InterruptLine;
  readonly #ignoreErrors: (asserted: boolean) => void;
  #state: CoprocessorErrorState = { error: false, requested: false, ignored: false };

  constructor(options: CoprocessorErrorOptions) {
    this.id = options.id;
    this.#interrupt = options.interrupt;
    this.#ignoreErrors = options.ignoreErrors;
    this.ports = byteWideHandler({
      length: 2,
      read: () => ALL_ONES,
      write: (offset) => { if (offset === COPROCESSOR_ERROR) this.#set({ requested: false, ignored: this.#state.error }); },
      peek: () => ALL_ONES,
    });
  }

  /** The pin FERR#. */
  setError(asserted: boolean): void {
    if (asserted === this.#state.error) return;
    this.#set(asserted ? { error: true, requested: true } : { error: false, ignored: false });
  }

  reset(_kind: ResetKind): void {
    this.#set({ error: false, requested: false, ignored: false });
  }

  save(): SavedCoprocessorError {
    const { error, requested, ignored, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { error, requested, ignored };
  }

  restore(saved: SavedCoprocessorError): void {
    this.#set(saved);
  }

  #set(changes: Partial<CoprocessorErrorState>): void {
    this.#state = { ...this.#state, ...changes };
    this.#interrupt.set(this.#state.requested);
    this.#ignoreErrors(this.#state.ignored);
  }
}
