/**
 * Intel 8259A programmable interrupt controller (datasheet 231468), with the edge/level control register of the
 * Intel 82371AB PIIX4 (datasheet 290562, section 4.2.3).
 *
 * Differences from the chip: an edge request stays latched when its line falls before the acknowledge cycle (the chip
 * would answer with a spurious IR7, which only costs guests time); MCS-80/85 mode (ICW4 µPM = 0) and buffered mode
 * have no effect; ICW1's LTIM is ignored in favour of the ELCR, as on the PIIX4.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine, InterruptSource } from '../interfaces/interrupt-line.ts';

const ICW1_IC4 = 0x01;
const ICW1_SNGL = 0x02;
const ICW1 = 0x10;
const ICW4_AEOI = 0x02;
const ICW4_SFNM = 0x10;
const OCW3 = 0x08;
const OCW3_RIS = 0x01;
const OCW3_RR = 0x02;
const OCW3_P = 0x04;
const OCW3_SMM = 0x20;
const OCW3_ESMM = 0x40;
const OCW2_EOI = 0x20;
const OCW2_SL = 0x40;
const OCW2_R = 0x80;
const POLL_INTERRUPT = 0x80;
const SPURIOUS_INPUT = 7;

/** What the next write to the odd port is: OCW1, or a step of the initialization sequence. */
type OddPort = 'ocw1' | 'icw2' | 'icw3' | 'icw4';

interface PicState {
  /** Input levels, bit n = IRn. */
  levels: number;
  /** Edge requests that wait for their acknowledge cycle. */
  latched: number;
  inService: number;
  mask: number;
  /** Inputs that are level-triggered (ELCR). */
  levelTriggered: number;
  vectorBase: number;
  lowestPriority: number;
  oddPort: OddPort;
  initializedSingle: boolean;
  initializedWithIcw4: boolean;
  automaticEoi: boolean;
  rotateOnAutomaticEoi: boolean;
  specialMask: boolean;
  specialFullyNested: boolean;
  readInService: boolean;
  polled: boolean;
}

export type SavedPic = Readonly<PicState>;

export interface PicOptions {
  readonly id: string;
  /** The INT pin. */
  readonly output?: InterruptLine;
  /** On a master: the slave whose INT hangs on input `n`, if one does. Asked during acknowledge cycles. */
  readonly slaveAt?: (input: number) => InterruptSource | undefined;
  /** Inputs that the ELCR can make level-triggered: 0xF8 on the first, 0xDE on the second controller of a PC. */
  readonly levelTriggerable: number;
}

function powerOnState(): PicState {
  return {
    levels: 0,
    latched: 0,
    inService: 0,
    mask: 0,
    levelTriggered: 0,
    vectorBase: 0,
    lowestPriority: 7,
    oddPort: 'ocw1',
    initializedSingle: false,
    initializedWithIcw4: false,
    automaticEoi: false,
    rotateOnAutomaticEoi: false,
    specialMask: false,
    specialFullyNested: false,
    readInService: false,
    polled: false,
  };
}

export class Pic8259 implements Device<SavedPic>, InterruptSource {
  readonly id: string;
  readonly savedVersion = 1;
  /** Two ports. */
  readonly ports: IoHandler;
  /** One port. */
  readonly elcr: IoHandler;
  /** IR0 to IR7. */
  readonly inputs: readonly InterruptLine[];
  readonly #output: InterruptLine | undefined;
  readonly #slaveAt: (input: number) => InterruptSource | undefined;
  readonly #levelTriggerable: number;
  #state = powerOnState();
  /** Derived from the state: the input that would be acknowledged now, or -1. */
  #winner = -1;

  constructor(options: PicOptions) {
    this.id = options.id;
    this.#output = options.output;
    this.#slaveAt = options.slaveAt ?? (() => undefined);
    this.#levelTriggerable = options.levelTriggerable;
    this.ports = byteWideHandler({
      length: 2,
      read: (offset) => this.#read(offset),
      write: (offset, value) => { if (offset === 0) this.#writeEven(value); else this.#writeOdd(value); },
      peek: (offset) => this.#peek(offset),
    });
    this.elcr = byteWideHandler({
      length: 1,
      read: () => this.#state.levelTriggered,
      write: (_offset, value) => {
        this.#state.levelTriggered = value & this.#levelTriggerable;
        this.#state.latched &= ~this.#state.levelTriggered;
        this.#update();
      },
      peek: () => this.#state.levelTriggered,
    });
    this.inputs = Array.from({ length: 8 }, (_, input) => ({
      label: `${options.id}.ir${input}`,
      set: (high: boolean) => { this.#setInput(input, high); },
    }));
  }

  /** The INT pin. */
  get pending(): boolean {
    return this.#winner >= 0;
  }

  /** The INTA cycles: takes the request of highest priority; with none left, the spurious IR7. */
  acknowledge(): number {
    const input = this.#winner;
    if (input < 0) return this.#state.vectorBase + SPURIOUS_INPUT;
    this.#take(input);
    const slave = this.#slaveAt(input);
    const vector = slave === undefined ? this.#state.vectorBase + input : slave.acknowledge();
    this.#update();
    return vector;
  }

  /** The wires keep their levels across a reset. */
  reset(kind: ResetKind): void {
    const { levels } = this.#state;
    this.#state = powerOnState();
    if (kind === 'soft') this.#state.levels = levels;
    this.#update();
  }

  save(): SavedPic {
    const {
      levels, latched, inService, mask, levelTriggered, vectorBase, lowestPriority, oddPort, initializedSingle,
      initializedWithIcw4, automaticEoi, rotateOnAutomaticEoi, specialMask, specialFullyNested, readInService, polled,
      ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      levels, latched, inService, mask, levelTriggered, vectorBase, lowestPriority, oddPort, initializedSingle,
      initializedWithIcw4, automaticEoi, rotateOnAutomaticEoi, specialMask, specialFullyNested, readInService, polled,
    };
  }

  restore(saved: SavedPic): void {
    this.#state = { ...saved };
    this.#update();
  }

  #setInput(input: number, high: boolean): void {
    const state = this.#state;
    const bit = 1 << input;
    const wasHigh = (state.levels & bit) !== 0;
    if (wasHigh === high) return;
    state.levels ^= bit;
    if (high && (state.levelTriggered & bit) === 0) state.latched |= bit;
    this.#update();
  }

  /** IRR. */
  #requests(): number {
    return this.#state.latched | (this.#state.levels & this.#state.levelTriggered);
  }

  /** 0 is the highest priority. */
  #priorityOf(input: number): number {
    return (input - this.#state.lowestPriority - 1) & 7;
  }

  /** The set bit of highest priority, or -1. */
  #highest(bits: number): number {
    for (let rank = 0; rank < 8; rank++) {
      const input = (this.#state.lowestPriority + 1 + rank) & 7;
      if ((bits & (1 << input)) !== 0) return input;
    }
    return -1;
  }

  #findWinner(): number {
    const state = this.#state;
    const input = this.#highest(this.#requests() & ~state.mask);
    if (input < 0) return -1;
    const blocking = this.#highest(state.specialMask ? state.inService & ~state.mask : state.inService);
    if (blocking < 0 || this.#priorityOf(input) < this.#priorityOf(blocking)) return input;
    // Special fully nested mode: a slave in service may interrupt again with a request of higher priority of its own.
    if (input === blocking && state.specialFullyNested && this.#slaveAt(input) !== undefined) return input;
    return -1;
  }

  #update(): void {
    this.#winner = this.#findWinner();
    this.#output?.set(this.#winner >= 0);
  }

  #take(input: number): void {
    const state = this.#state;
    const bit = 1 << input;
    state.latched &= ~bit;
    if (state.automaticEoi) {
      if (state.rotateOnAutomaticEoi) state.lowestPriority = input;
    } else {
      state.inService |= bit;
    }
    // INT falls with INTA, so that a request still waiting makes a new edge at a master's input.
    this.#output?.set(false);
    this.#update();
  }

  #read(offset: number): number {
    if (this.#state.polled) {
      this.#state.polled = false;
      const input = this.#winner;
      if (input < 0) return SPURIOUS_INPUT;
      this.#take(input);
      return POLL_INTERRUPT | input;
    }
    return this.#peek(offset);
  }

  #peek(offset: number): number {
    const state = this.#state;
    if (state.polled) return this.#winner < 0 ? SPURIOUS_INPUT : POLL_INTERRUPT | this.#winner;
    if (offset === 1) return state.mask;
    return state.readInService ? state.inService : this.#requests();
  }

  #writeEven(value: number): void {
    if ((value & ICW1) !== 0) this.#initialize(value);
    else if ((value & OCW3) !== 0) this.#operate(value);
    else this.#endOfInterrupt(value);
    this.#update();
  }

  #writeOdd(value: number): void {
    const state = this.#state;
    switch (state.oddPort) {
      case 'ocw1':
        state.mask = value;
        break;
      case 'icw2':
        state.vectorBase = value & 0xf8;
        if (!state.initializedSingle) state.oddPort = 'icw3';
        else state.oddPort = state.initializedWithIcw4 ? 'icw4' : 'ocw1';
        break;
      case 'icw3':
        // Which input carries which slave is the board's wiring.
        state.oddPort = state.initializedWithIcw4 ? 'icw4' : 'ocw1';
        break;
      case 'icw4':
        state.automaticEoi = (value & ICW4_AEOI) !== 0;
        state.specialFullyNested = (value & ICW4_SFNM) !== 0;
        state.oddPort = 'ocw1';
        break;
    }
    this.#update();
  }

  #initialize(icw1: number): void {
    const { levels, levelTriggered, vectorBase } = this.#state;
    this.#state = {
      ...powerOnState(),
      levels,
      levelTriggered,
      vectorBase,
      oddPort: 'icw2',
      initializedSingle: (icw1 & ICW1_SNGL) !== 0,
      initializedWithIcw4: (icw1 & ICW1_IC4) !== 0,
    };
  }

  #operate(ocw3: number): void {
    const state = this.#state;
    if ((ocw3 & OCW3_P) !== 0) state.polled = true;
    else if ((ocw3 & OCW3_RR) !== 0) state.readInService = (ocw3 & OCW3_RIS) !== 0;
    if ((ocw3 & OCW3_ESMM) !== 0) state.specialMask = (ocw3 & OCW3_SMM) !== 0;
  }

  #endOfInterrupt(ocw2: number): void {
    const state = this.#state;
    const rotate = (ocw2 & OCW2_R) !== 0;
    const level = ocw2 & 7;
    const specific = (ocw2 & OCW2_SL) !== 0;
    if ((ocw2 & OCW2_EOI) === 0) {
      if (specific) {
        if (rotate) state.lowestPriority = level;
      } else {
        state.rotateOnAutomaticEoi = rotate;
      }
      return;
    }
    const ended = specific ? level : this.#highest(state.specialMask ? state.inService & ~state.mask : state.inService);
    if (ended < 0) return;
    state.inService &= ~(1 << ended);
    if (rotate) state.lowestPriority = ended;
  }
}
