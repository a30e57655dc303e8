/**
 * ACPI power management registers of the Intel 82371AB PIIX4 (datasheet 290562 §7.2; ACPI 6.5 §4.8): PM1 event, control
 * and timer blocks, general purpose events, and the APM ports. There is no SMM: what a firmware's SMI handler does on
 * the ACPI enable and disable commands happens in the port itself. Processor control and global registers read 0.
 */
import { byteWideHandler } from './byte-registers.ts';
import { TickConverter } from './rate.ts';
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Clock, Rate, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';
import type { DeviceLog } from '../interfaces/log.ts';

/** 3.579545… MHz: a quarter of the 14.318 MHz crystal. */
export const PM_TIMER_RATE: Rate = { numerator: 315_000_000, denominator: 88 };

const BLOCK_BYTES = 0x40;
const PM1_STATUS = 0x00;
const PM1_ENABLE = 0x02;
const PM1_CONTROL = 0x04;
const PM_TIMER = 0x08;
const GPE_STATUS = 0x0c;
const GPE_ENABLE = 0x0e;
const GPE_BYTES = 4;

const TMR_STS = 0x0001;
const PWRBTN_STS = 0x0100;
const WAK_STS = 0x8000;
const PM1_STATUS_BITS = 0x8d31;
const PM1_ENABLE_BITS = 0x0521;
const SCI_EN = 0x0001;
const SLP_EN = 0x2000;
const SLP_TYP_SHIFT = 10;
const SLP_TYP_MASK = 7;
const PM1_CONTROL_BITS = 0x1c03;

interface AcpiPmState {
  status: number;
  enable: number;
  control: number;
  gpeStatus: number;
  gpeEnable: number;
  /** APMC and APMS. */
  command: number;
  commandStatus: number;
  /** Changes of the timer's highest bit that TMR_STS has taken note of. */
  seenCarries: number;
}

export type SavedAcpiPm = Readonly<AcpiPmState>;

export interface AcpiPmOptions {
  readonly id: string;
  readonly clock: Clock;
  /** The system control interrupt, level-triggered. */
  readonly sci: InterruptLine;
  /** Width of the PM timer: must agree with the FADT's TMR_VAL_EXT. */
  readonly timerBits: 24 | 32;
  /** Written to APMC: what the FADT calls ACPI_ENABLE and ACPI_DISABLE. */
  readonly enableCommand: number;
  readonly disableCommand: number;
  /** SLP_TYP of soft off, as \_S5 in the DSDT. */
  readonly softOffType: number;
  /** The guest switched the machine off. */
  readonly powerOff: () => void;
  readonly log?: DeviceLog;
}

function powerOnState(): AcpiPmState {
  return { status: 0, enable: 0, control: 0, gpeStatus: 0, gpeEnable: 0, command: 0, commandStatus: 0, seenCarries: 0 };
}

function byteOf(value: number, index: number): number {
  return (value >>> (8 * index)) & 0xff;
}

function withByte(value: number, index: number, byte: number): number {
  return (value & ~(0xff << (8 * index))) | byte << (8 * index);
}

export class AcpiPm implements Device<SavedAcpiPm> {
  readonly id: string;
  readonly savedVersion = 1;
  /** The block at PMBASE: 64 ports. */
  readonly ports: IoHandler;
  /** Status and enable of the general purpose events alone (4 ports), for boards that have them elsewhere too. */
  readonly gpe: IoHandler;
  /** APMC and APMS: two ports. */
  readonly apm: IoHandler;
  readonly #options: AcpiPmOptions;
  readonly #ticks = new TickConverter(PM_TIMER_RATE);
  readonly #timer: Timer;
  #state = powerOnState();

  constructor(options: AcpiPmOptions) {
    this.id = options.id;
    this.#options = options;
    this.#timer = options.clock.timer(`${options.id}.carry`, () => { this.#refresh(); });
    // A wide access shows one moment. Bytes of the timer from different moments would make it jump, and firmware that
    // waits by it believe that seconds have passed.
    let ticks = 0;
    const read = (offset: number): number => this.#read(offset, ticks);
    const block = byteWideHandler({ length: BLOCK_BYTES, read, peek: read, write: (offset, value) => { this.#write(offset, value); } });
    const atOneMoment = (offset: number, width: AccessWidth): number => {
      ticks = this.#timerTicks();
      return block.read(offset, width);
    };
    this.ports = { ...block, read: atOneMoment, peek: atOneMoment };
    const readGpe = (offset: number): number => this.#read(GPE_STATUS + offset, ticks);
    this.gpe = byteWideHandler({ length: GPE_BYTES, read: readGpe, peek: readGpe, write: (offset, value) => { this.#write(GPE_STATUS + offset, value); } });
    const readApm = (offset: number): number => (offset === 0 ? this.#state.command : this.#state.commandStatus);
    this.apm = byteWideHandler({ length: 2, read: readApm, peek: readApm, write: (offset, value) => { this.#writeApm(offset, value); } });
  }

  /** The person at the machine pressed its power button: the guest is asked to shut down, if it listens. */
  pressPowerButton(): void {
    this.#state.status |= PWRBTN_STS;
    this.#refresh();
  }

  /** Whether an operating system with ACPI listens to the power button. */
  get powerButtonEnabled(): boolean {
    return (this.#state.control & SCI_EN) !== 0 && (this.#state.enable & PWRBTN_STS) !== 0;
  }

  /** Sets a bit (0 to 15) of the general purpose event status. */
  raiseEvent(bit: number): void {
    this.#state.gpeStatus |= 1 << bit & 0xffff;
    this.#refresh();
  }

  reset(_kind: ResetKind): void {
    this.#state = { ...powerOnState(), seenCarries: this.#carries() };
    this.#refresh();
  }

  save(): SavedAcpiPm {
    const { status, enable, control, gpeStatus, gpeEnable, command, commandStatus, seenCarries, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { status, enable, control, gpeStatus, gpeEnable, command, commandStatus, seenCarries };
  }

  restore(saved: SavedAcpiPm): void {
    this.#state = { ...saved };
    this.#showSci();
    this.#arm();
  }

  #timerTicks(): number {
    return this.#ticks.ticksAt(this.#options.clock.now());
  }

  /** How often the timer's highest bit has changed. */
  #carries(): number {
    return Math.floor(this.#timerTicks() / 2 ** (this.#options.timerBits - 1));
  }

  #statusNow(): number {
    return this.#state.status | (this.#carries() > this.#state.seenCarries ? TMR_STS : 0);
  }

  #showSci(): void {
    const { enable, control, gpeStatus, gpeEnable, status } = this.#state;
    const asks = (status & enable) !== 0 || (gpeStatus & gpeEnable) !== 0;
    this.#options.sci.set((control & SCI_EN) !== 0 && asks);
  }

  #refresh(): void {
    const state = this.#state;
    state.status = this.#statusNow();
    state.seenCarries = this.#carries();
    this.#showSci();
    this.#arm();
  }

  /** Only an enabled carry that isn't told yet needs a wake-up. */
  #arm(): void {
    const { enable, status, seenCarries } = this.#state;
    if ((enable & ~status & TMR_STS) === 0) this.#timer.disarm();
    else this.#timer.arm(this.#ticks.nanosAt((seenCarries + 1) * 2 ** (this.#options.timerBits - 1)));
  }

  #read(offset: number, ticks: number): number {
    const state = this.#state;
    const inWord = offset & 1;
    switch (offset & ~1) {
      case PM1_STATUS:
        return byteOf(this.#statusNow(), inWord);
      case PM1_ENABLE:
        return byteOf(state.enable, inWord);
      case PM1_CONTROL:
        return byteOf(state.control, inWord);
      case PM_TIMER:
      case PM_TIMER + 2: {
        const byte = offset - PM_TIMER;
        return byte * 8 >= this.#options.timerBits ? 0 : Math.floor(ticks / 2 ** (8 * byte)) % 256;
      }
      case GPE_STATUS:
        return byteOf(state.gpeStatus, inWord);
      case GPE_ENABLE:
        return byteOf(state.gpeEnable, inWord);
      default:
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const state = this.#state;
    this.#refresh();
    const inWord = offset & 1;
    switch (offset & ~1) {
      case PM1_STATUS:
        state.status &= ~(value << (8 * inWord) & PM1_STATUS_BITS);
        break;
      case PM1_ENABLE:
        state.enable = withByte(state.enable, inWord, value) & PM1_ENABLE_BITS;
        break;
      case PM1_CONTROL: {
        const written = withByte(state.control, inWord, value);
        state.control = written & PM1_CONTROL_BITS;
        if ((written & SLP_EN) !== 0) this.#sleep(written >> SLP_TYP_SHIFT & SLP_TYP_MASK);
        break;
      }
      case GPE_STATUS:
        state.gpeStatus &= ~(value << (8 * inWord));
        break;
      case GPE_ENABLE:
        state.gpeEnable = withByte(state.gpeEnable, inWord, value);
        break;
      default:
        return;
    }
    this.#refresh();
  }

  #sleep(type: number): void {
    if (type === this.#options.softOffType) {
      this.#options.powerOff();
      return;
    }
    // A sleep that the board doesn't offer ends at once.
    this.#options.log?.log('warning', 'acpi.sleep', `sleep type ${type} isn't offered; the guest wakes at once`);
    this.#state.status |= WAK_STS;
  }

  #writeApm(offset: number, value: number): void {
    const state = this.#state;
    if (offset !== 0) {
      state.commandStatus = value;
      return;
    }
    state.command = value;
    if (value === this.#options.enableCommand) state.control |= SCI_EN;
    else if (value === this.#options.disableCommand) state.control &= ~SCI_EN;
    this.#refresh();
  }
}
