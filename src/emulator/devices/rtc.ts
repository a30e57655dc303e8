/**
 * Motorola MC146818A real-time clock with 128 bytes of CMOS RAM (datasheet ADI-1118; RAM and century byte as on the
 * Intel 82371AB PIIX4, datasheet 290562 section 11).
 *
 * The time is computed from guest time. Differences from the chip: an update takes no time (the update-in-progress bit
 * is set for the 244 µs before it); daylight saving and the square wave pin are absent; a time base other than
 * 32.768 kHz stops the clock; changing the data mode of a running clock converts its registers.
 */
import { byteWideHandler } from './byte-registers.ts';
import { TickConverter } from './rate.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DATE_OF_MONTH = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REGISTER_A = 0x0a;
const REGISTER_B = 0x0b;
const REGISTER_C = 0x0c;
const REGISTER_D = 0x0d;
const CENTURY = 0x32;
const TIME_REGISTERS: readonly number[] = [SECONDS, MINUTES, HOURS, DAY_OF_WEEK, DATE_OF_MONTH, MONTH, YEAR, CENTURY];

const A_UIP = 0x80;
const A_DIVIDER = 0x70;
const A_RATE = 0x0f;
const DIVIDER_32768_HZ = 0x20;
const DIVIDER_RESET = 0x60;
const B_SET = 0x80;
const B_PIE = 0x40;
const B_AIE = 0x20;
const B_UIE = 0x10;
const B_SQWE = 0x08;
const B_DM_BINARY = 0x04;
const B_24_HOURS = 0x02;
const C_IRQF = 0x80;
const C_PF = 0x40;
const C_AF = 0x20;
const C_UF = 0x10;
const D_VRT = 0x80;
const HOURS_PM = 0x80;
const ALARM_ANY = 0xc0;
const INDEX_NMI_MASK = 0x80;

const CMOS_BYTES = 128;
const NANOS_PER_SECOND = 1_000_000_000;
const UPDATE_IN_PROGRESS_NANOS = 244_000;
/** The first update comes half a second after the divider is released (datasheet, "Divider control"). */
const FIRST_UPDATE_NANOS = 500_000_000;
const SECONDS_PER_DAY = 86_400;

interface RtcState {
  index: number;
  nmiMasked: boolean;
  /** Registers and RAM. The time registers in it count only while the clock stands. */
  cmos: Uint8Array;
  /** Whether the time goes on: neither SET nor a stopped divider. */
  running: boolean;
  /** Calendar time as seconds since 1970 when the divider began, whatever time zone the guest keeps. */
  originSeconds: number;
  /** Guest time at which the divider's seconds began. Below zero when the machine started within a second. */
  originNanos: Nanos;
  /** What the guest's day of the week is ahead of the calendar's, 0 to 6. */
  weekdayAhead: number;
  /** Flags of register C are right up to this moment. */
  flagsNanos: Nanos;
}

export interface SavedRtc extends Readonly<Omit<RtcState, 'cmos'>> {
  readonly cmos: Uint8Array;
}

export interface RtcOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly interrupt: InterruptLine;
  /** Bit 7 of the index port: whether NMIs are kept from the CPU. */
  readonly nmiMaskChanged?: (masked: boolean) => void;
  /** CMOS RAM at power-on, by index (0x0E to 0x7F without the century). */
  readonly contents?: ReadonlyMap<number, number>;
  /** What the clock shows ahead of UTC: 0, or the time zone's offset for guests that keep local time. */
  readonly secondsAheadOfUtc?: number;
}

interface Calendar {
  readonly second: number;
  readonly minute: number;
  readonly hour: number;
  readonly weekday: number;
  readonly day: number;
  readonly month: number;
  readonly year: number;
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar; months and days out of range carry over. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const monthsFromMarch = year * 12 + month - 3;
  const marchYear = Math.floor(monthsFromMarch / 12);
  const marchMonth = monthsFromMarch - marchYear * 12;
  const dayOfYear = Math.floor((153 * marchMonth + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}

/** 1970-01-01 was a Thursday. Weekdays count from Sunday = 0. */
function calendarAt(seconds: number): Calendar {
  const days = Math.floor(seconds / SECONDS_PER_DAY);
  const inDay = seconds - days * SECONDS_PER_DAY;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  return {
    second: inDay % 60,
    minute: Math.floor(inDay / 60) % 60,
    hour: Math.floor(inDay / 3600),
    weekday: (((days + 4) % 7) + 7) % 7,
    day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1,
    month,
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
  };
}

export class Rtc146818 implements Device<SavedRtc> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Two ports: index and data. */
  readonly ports: IoHandler;
  readonly #clock: Clock;
  readonly #interrupt: InterruptLine;
  readonly #nmiMaskChanged: (masked: boolean) => void;
  readonly #contents: ReadonlyMap<number, number>;
  readonly #secondsAheadOfUtc: number;
  readonly #timer: Timer;
  readonly #crystal = new TickConverter({ numerator: 32_768, denominator: 1 });
  #state: RtcState;

  constructor(options: RtcOptions) {
    this.id = options.id;
    this.#clock = options.clock;
    this.#interrupt = options.interrupt;
    this.#nmiMaskChanged = options.nmiMaskChanged ?? (() => undefined);
    this.#contents = options.contents ?? new Map();
    this.#secondsAheadOfUtc = options.secondsAheadOfUtc ?? 0;
    this.#timer = options.clock.timer(`${options.id}.event`, () => { this.#refresh(); });
    this.#state = this.#powerOnState();
    this.ports = byteWideHandler({
      length: 2,
      // The index port can't be read on a PC.
      read: (offset) => (offset === 0 ? 0xff : this.#readRegister(this.#state.index)),
      write: (offset, value) => { if (offset === 0) this.#select(value); else this.#writeRegister(this.#state.index, value); },
      peek: (offset) => (offset === 0 ? 0xff : this.#peekRegister(this.#state.index)),
    });
  }

  /** A soft reset is the RESET# pin: interrupts off, time and RAM untouched. */
  reset(kind: ResetKind): void {
    if (kind === 'power-on') {
      this.#state = this.#powerOnState();
      this.#nmiMaskChanged(false);
    } else {
      this.#catchUpFlags();
      this.#setRegister(REGISTER_B, this.#register(REGISTER_B) & ~(B_PIE | B_AIE | B_UIE | B_SQWE));
      this.#setRegister(REGISTER_C, 0);
    }
    this.#refresh();
  }

  save(): SavedRtc {
    const { index, nmiMasked, cmos, running, originSeconds, originNanos, weekdayAhead, flagsNanos, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { index, nmiMasked, cmos: cmos.slice(), running, originSeconds, originNanos, weekdayAhead, flagsNanos };
  }

  restore(saved: SavedRtc): void {
    this.#state = { ...saved, cmos: saved.cmos.slice() };
    this.#nmiMaskChanged(this.#state.nmiMasked);
    this.#interrupt.set((this.#register(REGISTER_C) & C_IRQF) !== 0);
    this.#arm();
  }

  /** The clock has gone on by whole seconds while nobody looked, as on its battery. */
  advance(seconds: number): void {
    if (this.#state.running) this.#state.originSeconds += Math.floor(seconds);
    this.#arm();
  }

  #powerOnState(): RtcState {
    const cmos = new Uint8Array(CMOS_BYTES);
    for (const [index, value] of this.#contents) cmos[index & (CMOS_BYTES - 1)] = value;
    cmos[REGISTER_A] = DIVIDER_32768_HZ | 6;
    cmos[REGISTER_B] = B_24_HOURS;
    cmos[REGISTER_C] = 0;
    cmos[REGISTER_D] = D_VRT;
    const wholeSeconds = Math.floor(this.#clock.epochSeconds);
    return {
      index: 0,
      nmiMasked: false,
      cmos,
      running: true,
      originSeconds: wholeSeconds + this.#secondsAheadOfUtc,
      originNanos: 0 - Math.round((this.#clock.epochSeconds - wholeSeconds) * NANOS_PER_SECOND),
      weekdayAhead: 0,
      flagsNanos: this.#clock.now(),
    };
  }

  #register(index: number): number {
    return this.#state.cmos[index] as number;
  }

  #setRegister(index: number, value: number): void {
    this.#state.cmos[index] = value;
  }

  #dividerRuns(): boolean {
    return (this.#register(REGISTER_A) & A_DIVIDER) === DIVIDER_32768_HZ;
  }

  #select(value: number): void {
    const state = this.#state;
    state.index = value & 0x7f;
    const masked = (value & INDEX_NMI_MASK) !== 0;
    if (masked === state.nmiMasked) return;
    state.nmiMasked = masked;
    this.#nmiMaskChanged(masked);
  }

  #secondsSinceOrigin(nanos: Nanos): number {
    return Math.floor((nanos - this.#state.originNanos) / NANOS_PER_SECOND);
  }

  #calendar(): Calendar {
    const calendar = calendarAt(this.#state.originSeconds + this.#secondsSinceOrigin(this.#clock.now()));
    return { ...calendar, weekday: (calendar.weekday + this.#state.weekdayAhead) % 7 };
  }

  #encode(value: number): number {
    if ((this.#register(REGISTER_B) & B_DM_BINARY) !== 0) return value;
    return Math.floor(value / 10) << 4 | value % 10;
  }

  #decode(value: number): number {
    if ((this.#register(REGISTER_B) & B_DM_BINARY) !== 0) return value;
    return (value >> 4) * 10 + (value & 15);
  }

  #encodeHour(hour: number): number {
    if ((this.#register(REGISTER_B) & B_24_HOURS) !== 0) return this.#encode(hour);
    return this.#encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? HOURS_PM : 0);
  }

  #decodeHour(value: number): number {
    if ((this.#register(REGISTER_B) & B_24_HOURS) !== 0) return this.#decode(value);
    return (this.#decode(value & ~HOURS_PM) % 12) + ((value & HOURS_PM) !== 0 ? 12 : 0);
  }

  /** A time register of the running clock. */
  #timeRegister(index: number, calendar: Calendar): number {
    switch (index) {
      case SECONDS: return this.#encode(calendar.second);
      case MINUTES: return this.#encode(calendar.minute);
      case HOURS: return this.#encodeHour(calendar.hour);
      case DAY_OF_WEEK: return this.#encode(calendar.weekday + 1);
      case DATE_OF_MONTH: return this.#encode(calendar.day);
      case MONTH: return this.#encode(calendar.month);
      case YEAR: return this.#encode(((calendar.year % 100) + 100) % 100);
      default: return this.#encode(Math.floor(calendar.year / 100) & 0xff);
    }
  }

  /** Puts the running clock's time into the registers, before it stops or one of them changes. */
  #storeTime(): void {
    const calendar = this.#calendar();
    for (const index of TIME_REGISTERS) this.#setRegister(index, this.#timeRegister(index, calendar));
  }

  /** Goes on from the time in the registers. Values out of range carry over. */
  #loadTime(): void {
    const state = this.#state;
    const year = this.#decode(this.#register(CENTURY)) * 100 + this.#decode(this.#register(YEAR));
    const days = daysSinceEpoch(year, this.#decode(this.#register(MONTH)), this.#decode(this.#register(DATE_OF_MONTH)));
    const seconds = days * SECONDS_PER_DAY + this.#decodeHour(this.#register(HOURS)) * 3600
      + this.#decode(this.#register(MINUTES)) * 60 + this.#decode(this.#register(SECONDS));
    state.originSeconds = seconds - this.#secondsSinceOrigin(this.#clock.now());
    const weekday = this.#decode(this.#register(DAY_OF_WEEK)) - 1;
    state.weekdayAhead = (((weekday - calendarAt(seconds).weekday) % 7) + 7) % 7;
  }

  #peekRegister(index: number): number {
    if (this.#state.running && TIME_REGISTERS.includes(index)) return this.#timeRegister(index, this.#calendar());
    const stored = this.#register(index);
    if (index === REGISTER_A && this.#updateInProgress()) return stored | A_UIP;
    if (index === REGISTER_C) return this.#flagsNow();
    return stored;
  }

  #readRegister(index: number): number {
    const value = this.#peekRegister(index);
    if (index === REGISTER_C) {
      this.#catchUpFlags();
      this.#setRegister(REGISTER_C, 0);
      this.#refresh();
    }
    return value;
  }

  #updateInProgress(): boolean {
    const { running, originNanos } = this.#state;
    if (!running) return false;
    const since = this.#clock.now() - originNanos;
    return NANOS_PER_SECOND - (since - Math.floor(since / NANOS_PER_SECOND) * NANOS_PER_SECOND) <= UPDATE_IN_PROGRESS_NANOS;
  }

  #writeRegister(index: number, value: number): void {
    const state = this.#state;
    if (index === REGISTER_C || index === REGISTER_D) return;
    this.#catchUpFlags();
    if (index === REGISTER_A) {
      this.#writeControl(() => {
        const held = (this.#register(REGISTER_A) & DIVIDER_RESET) === DIVIDER_RESET;
        this.#setRegister(REGISTER_A, value & ~A_UIP);
        if (held && this.#dividerRuns()) state.originNanos = this.#clock.now() + FIRST_UPDATE_NANOS - NANOS_PER_SECOND;
      });
    } else if (index === REGISTER_B) {
      this.#writeControl(() => { this.#setRegister(REGISTER_B, (value & B_SET) !== 0 ? value & ~B_UIE : value); });
    } else if (state.running && TIME_REGISTERS.includes(index)) {
      this.#storeTime();
      this.#setRegister(index, value);
      this.#loadTime();
    } else {
      this.#setRegister(index, value);
    }
    this.#refresh();
  }

  /** Changes register A or B: the clock may stop or go on with that. */
  #writeControl(change: () => void): void {
    const state = this.#state;
    if (state.running) this.#storeTime();
    change();
    const runs = this.#dividerRuns() && (this.#register(REGISTER_B) & B_SET) === 0;
    // A running clock keeps its time when only the data mode changes, so it isn't loaded again.
    if (runs && !state.running) this.#loadTime();
    state.running = runs;
  }

  /** Ticks of the crystal between two periodic flags, or 0 while there are none. */
  #periodTicks(): number {
    const rate = this.#register(REGISTER_A) & A_RATE;
    if (rate === 0 || !this.#dividerRuns()) return 0;
    return 2 ** (rate <= 2 ? rate + 6 : rate - 1);
  }

  #matchesAlarm(alarm: number, value: number, decode: (raw: number) => number): boolean {
    return (alarm & ALARM_ANY) === ALARM_ANY || decode(alarm) === value;
  }

  /** The first second after `after` whose time of day is the alarm's, as seconds since 1970, if there is one. */
  #nextAlarm(after: number): number | undefined {
    const plain = (raw: number): number => this.#decode(raw);
    const hours = this.#register(HOURS_ALARM);
    const minutes = this.#register(MINUTES_ALARM);
    const seconds = this.#register(SECONDS_ALARM);
    const day = Math.floor((after + 1) / SECONDS_PER_DAY) * SECONDS_PER_DAY;
    const from = after + 1 - day;
    for (let hour = Math.floor(from / 3600); hour < 48; hour++) {
      if (!this.#matchesAlarm(hours, hour % 24, (raw) => this.#decodeHour(raw))) continue;
      for (let minute = Math.max(0, Math.floor((from - hour * 3600) / 60)); minute < 60; minute++) {
        if (!this.#matchesAlarm(minutes, minute, plain)) continue;
        for (let second = Math.max(0, from - hour * 3600 - minute * 60); second < 60; second++) {
          if (this.#matchesAlarm(seconds, second, plain)) return day + hour * 3600 + minute * 60 + second;
        }
      }
    }
    return undefined;
  }

  /** Register C as it is now. */
  #flagsNow(): number {
    const state = this.#state;
    const now = this.#clock.now();
    let flags = this.#register(REGISTER_C) & ~C_IRQF;
    const period = this.#periodTicks();
    if (period > 0) {
      const periods = (nanos: Nanos): number => Math.floor(this.#crystal.ticksAt(nanos - state.originNanos) / period);
      if (periods(now) > periods(state.flagsNanos)) flags |= C_PF;
    }
    if (state.running) {
      const before = this.#secondsSinceOrigin(state.flagsNanos);
      const seconds = this.#secondsSinceOrigin(now);
      if (seconds > before) {
        flags |= C_UF;
        const alarm = (flags & C_AF) === 0 ? this.#nextAlarm(state.originSeconds + before) : undefined;
        if (alarm !== undefined && alarm <= state.originSeconds + seconds) flags |= C_AF;
      }
    }
    // PIE, AIE and UIE lie where PF, AF and UF do.
    return (flags & this.#register(REGISTER_B) & (B_PIE | B_AIE | B_UIE)) !== 0 ? flags | C_IRQF : flags;
  }

  #catchUpFlags(): void {
    this.#setRegister(REGISTER_C, this.#flagsNow());
    this.#state.flagsNanos = this.#clock.now();
  }

  #refresh(): void {
    this.#catchUpFlags();
    this.#interrupt.set((this.#register(REGISTER_C) & C_IRQF) !== 0);
    this.#arm();
  }

  /** Wakes for the next enabled event. While an interrupt waits to be read, no other can change the line. */
  #arm(): void {
    const state = this.#state;
    const enabled = this.#register(REGISTER_B);
    const deadlines: Nanos[] = [];
    if ((this.#register(REGISTER_C) & C_IRQF) === 0) {
      const period = this.#periodTicks();
      if ((enabled & B_PIE) !== 0 && period > 0) {
        const ticks = this.#crystal.ticksAt(state.flagsNanos - state.originNanos);
        deadlines.push(state.originNanos + this.#crystal.nanosAt((Math.floor(ticks / period) + 1) * period));
      }
      if (state.running) {
        const seconds = this.#secondsSinceOrigin(state.flagsNanos);
        if ((enabled & B_UIE) !== 0) deadlines.push(state.originNanos + (seconds + 1) * NANOS_PER_SECOND);
        const alarm = (enabled & B_AIE) !== 0 ? this.#nextAlarm(state.originSeconds + seconds) : undefined;
        if (alarm !== undefined) deadlines.push(state.originNanos + (alarm - state.originSeconds) * NANOS_PER_SECOND);
      }
    }
    if (deadlines.length === 0) this.#timer.disarm();
    else this.#timer.arm(Math.min(...deadlines));
  }
}
