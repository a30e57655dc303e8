/**
 * National Semiconductor PC16550D UART (datasheet TL/C/8652).
 *
 * What is sent leaves at once, so the transmitter is always empty. What is received comes at the programmed speed, a
 * FIFO's worth at a time. Parity, framing errors and breaks don't occur on a `CharacterChannel`; its modem lines CTS,
 * DSR and DCD are always on. As on a PC, OUT2 gates the interrupt.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { CharacterChannel } from '../interfaces/character-channel.ts';
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

const RBR_THR_DLL = 0;
const IER_DLM = 1;
const IIR_FCR = 2;
const LCR = 3;
const MCR = 4;
const LSR = 5;
const MSR = 6;

const IER_ERBFI = 0x01;
const IER_ETBEI = 0x02;
const IER_ELSI = 0x04;
const IER_EDSSI = 0x08;
const IIR_NONE = 0x01;
const IIR_MODEM_STATUS = 0x00;
const IIR_THR_EMPTY = 0x02;
const IIR_RECEIVED = 0x04;
const IIR_LINE_STATUS = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;
const FCR_ENABLE = 0x01;
const FCR_CLEAR_RECEIVER = 0x02;
const LCR_WORD_LENGTH = 0x03;
const LCR_TWO_STOP_BITS = 0x04;
const LCR_PARITY = 0x08;
const LCR_DLAB = 0x80;
const MCR_DTR = 0x01;
const MCR_RTS = 0x02;
const MCR_OUT1 = 0x04;
const MCR_OUT2 = 0x08;
const MCR_LOOP = 0x10;
const MCR_USED = 0x1f;
const LSR_DR = 0x01;
const LSR_OE = 0x02;
const LSR_THRE = 0x20;
const LSR_TEMT = 0x40;
const MSR_TERI = 0x04;
const MSR_CTS = 0x10;
const MSR_DSR = 0x20;
const MSR_RI = 0x40;
const MSR_DCD = 0x80;

const FIFO_BYTES = 16;
const TRIGGER_LEVELS: readonly number[] = [1, 4, 8, 14];
/** 1.8432 MHz divided by 16: the speed with divisor 1. */
const BAUD_BASE = 115_200;
const TIMEOUT_CHARACTERS = 4;

interface UartState {
  divisor: number;
  interruptEnable: number;
  /** Bits 0, 6 and 7 of FCR. */
  fifoControl: number;
  lineControl: number;
  modemControl: number;
  scratch: number;
  /** Delta bits of MSR. */
  modemDeltas: number;
  overrun: boolean;
  received: number[];
  /** The transmitter's interrupt: set when it became empty, cleared when IIR showed it. */
  transmitterEmptied: boolean;
  timedOut: boolean;
  /** When the receiver's timeout will strike, or -1. */
  timeoutNanos: Nanos;
  /** Before this moment the line is busy with the characters received last. */
  lineFreeNanos: Nanos;
}

export interface SavedUart extends Readonly<Omit<UartState, 'received'>> {
  readonly received: readonly number[];
}

export interface UartOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly interrupt: InterruptLine;
  /** What the port is connected to; without one, sent bytes are lost and the modem lines are off. */
  readonly channel?: CharacterChannel;
}

function powerOnState(): UartState {
  return {
    divisor: 12,
    interruptEnable: 0,
    fifoControl: 0,
    lineControl: 0,
    modemControl: 0,
    scratch: 0,
    modemDeltas: 0,
    overrun: false,
    received: [],
    transmitterEmptied: false,
    timedOut: false,
    timeoutNanos: -1,
    lineFreeNanos: 0,
  };
}

export class Uart16550A implements Device<SavedUart> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Eight ports. */
  readonly ports: IoHandler;
  readonly #clock: Clock;
  readonly #interrupt: InterruptLine;
  readonly #channel: CharacterChannel | undefined;
  readonly #timeoutTimer: Timer;
  readonly #receiveTimer: Timer;
  #state = powerOnState();

  constructor(options: UartOptions) {
    this.id = options.id;
    this.#clock = options.clock;
    this.#interrupt = options.interrupt;
    this.#channel = options.channel;
    this.#timeoutTimer = options.clock.timer(`${options.id}.timeout`, () => {
      this.#state.timedOut = this.#state.received.length > 0;
      this.#state.timeoutNanos = -1;
      this.#update();
    });
    this.#receiveTimer = options.clock.timer(`${options.id}.receive`, () => { this.#receive(); });
    if (this.#channel !== undefined) this.#channel.onReadable = () => { this.#receive(); };
    this.ports = byteWideHandler({
      length: 8,
      read: (offset) => this.#read(offset),
      write: (offset, value) => { this.#write(offset, value); },
      peek: (offset) => this.#peek(offset),
    });
  }

  /** The MR pin and power-on do the same here. */
  reset(_kind: ResetKind): void {
    this.#state = powerOnState();
    this.#armTimeout();
    this.#update();
    this.#receive();
  }

  save(): SavedUart {
    const {
      divisor, interruptEnable, fifoControl, lineControl, modemControl, scratch, modemDeltas, overrun, received,
      transmitterEmptied, timedOut, timeoutNanos, lineFreeNanos, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      divisor, interruptEnable, fifoControl, lineControl, modemControl, scratch, modemDeltas, overrun,
      received: [...received], transmitterEmptied, timedOut, timeoutNanos, lineFreeNanos,
    };
  }

  restore(saved: SavedUart): void {
    this.#state = { ...saved, received: [...saved.received] };
    this.#armTimeout();
    this.#update();
    this.#receive();
  }

  #fifoEnabled(): boolean {
    return (this.#state.fifoControl & FCR_ENABLE) !== 0;
  }

  #loopback(): boolean {
    return (this.#state.modemControl & MCR_LOOP) !== 0;
  }

  #capacity(): number {
    return this.#fifoEnabled() ? FIFO_BYTES : 1;
  }

  #triggerLevel(): number {
    return this.#fifoEnabled() ? (TRIGGER_LEVELS[this.#state.fifoControl >> 6] as number) : 1;
  }

  /** Start bit, data, parity, stop. */
  #characterNanos(): Nanos {
    const { lineControl, divisor } = this.#state;
    const bits = 1 + 5 + (lineControl & LCR_WORD_LENGTH) + ((lineControl & LCR_PARITY) !== 0 ? 1 : 0)
      + ((lineControl & LCR_TWO_STOP_BITS) !== 0 ? 2 : 1);
    return Math.ceil((bits * (divisor === 0 ? 0x10000 : divisor) * 1_000_000_000) / BAUD_BASE);
  }

  /** The highest of the enabled interrupt sources, as IIR shows it. */
  #source(): number {
    const state = this.#state;
    const enabled = state.interruptEnable;
    if ((enabled & IER_ELSI) !== 0 && state.overrun) return IIR_LINE_STATUS;
    if ((enabled & IER_ERBFI) !== 0) {
      if (state.received.length >= this.#triggerLevel()) return IIR_RECEIVED;
      if (state.timedOut) return IIR_TIMEOUT;
    }
    if ((enabled & IER_ETBEI) !== 0 && state.transmitterEmptied) return IIR_THR_EMPTY;
    if ((enabled & IER_EDSSI) !== 0 && state.modemDeltas !== 0) return IIR_MODEM_STATUS;
    return IIR_NONE;
  }

  #update(): void {
    const outputsLive = (this.#state.modemControl & (MCR_OUT2 | MCR_LOOP)) === MCR_OUT2;
    this.#interrupt.set(outputsLive && this.#source() !== IIR_NONE);
  }

  /** Lets the line bring what the FIFO has room for, no faster than the line's speed. */
  #receive(): void {
    const state = this.#state;
    const channel = this.#channel;
    if (channel === undefined || this.#loopback() || channel.available === 0 || state.received.length > 0) return;
    const now = this.#clock.now();
    if (now < state.lineFreeNanos) {
      this.#receiveTimer.arm(state.lineFreeNanos);
      return;
    }
    const bytes = channel.receive(this.#capacity());
    for (const byte of bytes) state.received.push(byte);
    state.lineFreeNanos = now + bytes.length * this.#characterNanos();
    this.#restartTimeout();
    this.#update();
  }

  #restartTimeout(): void {
    const state = this.#state;
    state.timedOut = false;
    const waits = this.#fifoEnabled() && state.received.length > 0;
    state.timeoutNanos = waits ? this.#clock.now() + TIMEOUT_CHARACTERS * this.#characterNanos() : -1;
    this.#armTimeout();
  }

  #armTimeout(): void {
    if (this.#state.timeoutNanos < 0) this.#timeoutTimer.disarm();
    else this.#timeoutTimer.arm(this.#state.timeoutNanos);
  }

  #modemLines(): number {
    const { modemControl } = this.#state;
    if (this.#loopback()) {
      return ((modemControl & MCR_RTS) !== 0 ? MSR_CTS : 0) | ((modemControl & MCR_DTR) !== 0 ? MSR_DSR : 0)
        | ((modemControl & MCR_OUT1) !== 0 ? MSR_RI : 0) | ((modemControl & MCR_OUT2) !== 0 ? MSR_DCD : 0);
    }
    return this.#channel === undefined ? 0 : MSR_CTS | MSR_DSR | MSR_DCD;
  }

  #peek(offset: number): number {
    const state = this.#state;
    const divisorLatch = (state.lineControl & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR_DLL:
        return divisorLatch ? state.divisor & 0xff : (state.received[0] ?? 0);
      case IER_DLM:
        return divisorLatch ? state.divisor >> 8 : state.interruptEnable;
      case IIR_FCR:
        return this.#source() | (this.#fifoEnabled() ? IIR_FIFOS : 0);
      case LCR:
        return state.lineControl;
      case MCR:
        return state.modemControl;
      case LSR:
        return LSR_THRE | LSR_TEMT | (state.received.length > 0 ? LSR_DR : 0) | (state.overrun ? LSR_OE : 0);
      case MSR:
        return this.#modemLines() | state.modemDeltas;
      default:
        return state.scratch;
    }
  }

  #read(offset: number): number {
    const state = this.#state;
    const value = this.#peek(offset);
    switch (offset) {
      case RBR_THR_DLL:
        if ((state.lineControl & LCR_DLAB) !== 0 || state.received.length === 0) return value;
        state.received.shift();
        this.#restartTimeout();
        this.#receive();
        break;
      case IIR_FCR:
        if ((value & ~IIR_FIFOS) !== IIR_THR_EMPTY) return value;
        state.transmitterEmptied = false;
        break;
      case LSR:
        state.overrun = false;
        break;
      case MSR:
        state.modemDeltas = 0;
        break;
      default:
        return value;
    }
    this.#update();
    return value;
  }

  #write(offset: number, value: number): void {
    const state = this.#state;
    const divisorLatch = (state.lineControl & LCR_DLAB) !== 0;
    switch (offset) {
      case RBR_THR_DLL:
        if (divisorLatch) state.divisor = (state.divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case IER_DLM: {
        if (divisorLatch) {
          state.divisor = (state.divisor & 0xff) | value << 8;
          break;
        }
        const enabled = value & (IER_ERBFI | IER_ETBEI | IER_ELSI | IER_EDSSI);
        // Enabling the source while the transmitter is empty interrupts at once.
        if ((enabled & ~state.interruptEnable & IER_ETBEI) !== 0) state.transmitterEmptied = true;
        state.interruptEnable = enabled;
        break;
      }
      case IIR_FCR:
        this.#writeFifoControl(value);
        break;
      case LCR:
        state.lineControl = value;
        break;
      case MCR:
        this.#writeModemControl(value);
        break;
      case LSR:
      case MSR:
        break;
      default:
        state.scratch = value;
    }
    this.#update();
  }

  #transmit(value: number): void {
    const state = this.#state;
    if (!this.#loopback()) {
      this.#channel?.send(Uint8Array.of(value));
    } else if (state.received.length < this.#capacity()) {
      state.received.push(value);
      this.#restartTimeout();
    } else {
      // Without FIFOs the newer character replaces the older, with them it is lost.
      if (!this.#fifoEnabled()) state.received[0] = value;
      state.overrun = true;
    }
    state.transmitterEmptied = true;
  }

  #writeFifoControl(value: number): void {
    const state = this.#state;
    const enable = (value & FCR_ENABLE) !== 0;
    if (enable !== this.#fifoEnabled() || (enable && (value & FCR_CLEAR_RECEIVER) !== 0)) state.received = [];
    // The other bits can be programmed only together with the enable bit.
    state.fifoControl = enable ? value & (FCR_ENABLE | 0xc0) : 0;
    this.#restartTimeout();
    this.#receive();
  }

  #writeModemControl(value: number): void {
    const state = this.#state;
    const before = this.#modemLines();
    state.modemControl = value & MCR_USED;
    const after = this.#modemLines();
    const changed = before ^ after;
    state.modemDeltas |= (changed & (MSR_CTS | MSR_DSR | MSR_DCD)) >> 4;
    // RI counts only when it ends.
    if ((changed & before & MSR_RI) !== 0) state.modemDeltas |= MSR_TERI;
    this.#receive();
  }
}
