/**
 * Intel 8254 programmable interval timer (datasheet 231164).
 *
 * Counting is computed from guest time instead of stepped. Differences from the chip: a periodic output (modes 2 and
 * 3) is shown to its line as a short low pulse at each rising edge, since nothing on the board looks at the falling
 * one (`output` answers exactly); a strobe (modes 4 and 5) likewise when it ends; a gate that falls in mode 3 restarts
 * the cycle at its next rise only.
 */
import { byteWideHandler } from './byte-registers.ts';
import { TickConverter } from './rate.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Clock, Rate, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

/** 1.193181818… MHz: a twelfth of the 14.318 MHz crystal, which is 315/22 MHz. */
export const PIT_RATE: Rate = { numerator: 105_000_000, denominator: 88 };

const CONTROL_PORT = 3;
const CONTROL_BCD = 0x01;
const READ_BACK = 3;
const READ_BACK_NO_COUNT = 0x20;
const READ_BACK_NO_STATUS = 0x10;
const STATUS_OUT = 0x80;
const STATUS_NULL_COUNT = 0x40;
const ACCESS_LATCH = 0;
const ACCESS_LOW = 1;
const ACCESS_HIGH = 2;
const ACCESS_BOTH = 3;
const NEVER = -1;
/** Of faster periodic outputs (above 50 kHz) only every nth edge is shown, so that no guest floods the host with them. */
const SHORTEST_SHOWN_TICKS = 24;

interface CounterState {
  /** 0 to 5. */
  mode: number;
  bcd: boolean;
  access: number;
  gate: boolean;
  /** CR: what was last written, as written (BCD digits where `bcd`). */
  countRegister: number;
  /** The low byte of a two-byte write whose high byte is still to come, else NEVER. */
  writtenLow: number;
  readsHighNext: boolean;
  /** OL, or NEVER when the count isn't latched. */
  latchedCount: number;
  latchedStatus: number;
  /** Whether CR was written since the control word; before that the counter does nothing. */
  programmed: boolean;
  /** Whether the counting element was ever loaded since the control word. */
  loaded: boolean;
  /** What the counting element was loaded with: 1 to 65536, or 10000 in BCD. */
  initialCount: number;
  /** Tick at which the counting element held `initialCount`. */
  loadTick: number;
  /** Ticks counted when the gate stopped counting (modes 0, 4; 2, 3 wait for a reload), else NEVER. */
  stoppedAfter: number;
  /** Modes 2, 3: tick at which CR is taken over, else NEVER. */
  reloadTick: number;
  /** Tick of the output's next edge that is shown to the line, else NEVER. */
  edgeTick: number;
}

interface PitState {
  counters: CounterState[];
}

export interface SavedPit {
  readonly counters: readonly Readonly<CounterState>[];
}

export interface PitOptions {
  readonly id: string;
  readonly clock: Clock;
  /** OUT0 to OUT2; a missing one drives nothing and costs no timers. */
  readonly outputs: readonly (InterruptLine | undefined)[];
}

function powerOnCounter(gate: boolean): CounterState {
  return {
    mode: 3,
    bcd: false,
    access: ACCESS_BOTH,
    gate,
    countRegister: 0,
    writtenLow: NEVER,
    readsHighNext: false,
    latchedCount: NEVER,
    latchedStatus: NEVER,
    programmed: false,
    loaded: false,
    initialCount: 0x10000,
    loadTick: 0,
    stoppedAfter: NEVER,
    reloadTick: NEVER,
    edgeTick: NEVER,
  };
}

function powerOnState(): PitState {
  // Gates 0 and 1 are tied high on a PC; gate 2 hangs on port 0x61.
  return { counters: [powerOnCounter(true), powerOnCounter(true), powerOnCounter(false)] };
}

function fromBcd(value: number): number {
  return (value >> 12 & 15) * 1000 + (value >> 8 & 15) * 100 + (value >> 4 & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  return Math.floor(value / 1000) % 10 << 12 | Math.floor(value / 100) % 10 << 8 | Math.floor(value / 10) % 10 << 4 | value % 10;
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** The number of counts that a value in CR stands for: 0 is the largest. */
function countOf(counter: CounterState): number {
  const count = counter.bcd ? fromBcd(counter.countRegister) : counter.countRegister;
  if (count === 0) return counter.bcd ? 10_000 : 0x10000;
  return count;
}

/** A count of 1 is illegal in modes 2 and 3; it counts like 2 there. */
function periodOf(counter: CounterState): number {
  return Math.max(2, counter.initialCount);
}

function isPeriodic(counter: CounterState): boolean {
  return counter.mode === 2 || counter.mode === 3;
}

function isGateTriggered(counter: CounterState): boolean {
  return counter.mode === 1 || counter.mode === 5;
}

export class Pit8254 implements Device<SavedPit> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Four ports: counters 0 to 2 and the control word. */
  readonly ports: IoHandler;
  readonly #clock: Clock;
  readonly #ticks = new TickConverter(PIT_RATE);
  readonly #outputs: readonly (InterruptLine | undefined)[];
  readonly #timers: readonly Timer[];
  #state = powerOnState();

  constructor(options: PitOptions) {
    this.id = options.id;
    this.#clock = options.clock;
    this.#outputs = options.outputs;
    this.#timers = [0, 1, 2].map((index) => options.clock.timer(`${options.id}.counter${index}`, () => { this.#edgeDue(index); }));
    this.ports = byteWideHandler({
      length: 4,
      read: (offset) => (offset === CONTROL_PORT ? 0xff : this.#readCounter(offset)),
      write: (offset, value) => { if (offset === CONTROL_PORT) this.#writeControl(value); else this.#writeCounter(offset, value); },
      peek: (offset) => (offset === CONTROL_PORT ? 0xff : this.#peekCounter(offset)),
    });
  }

  /** The level of OUT0 to OUT2 now. */
  output(index: 0 | 1 | 2): boolean {
    const counter = this.#counter(index);
    const now = this.#now();
    this.#settle(counter, now);
    return this.#outputLevel(counter, now);
  }

  /** GATE0 to GATE2. */
  setGate(index: 0 | 1 | 2, high: boolean): void {
    const counter = this.#counter(index);
    if (counter.gate === high) return;
    this.#showOverdueEdge(index);
    const now = this.#now();
    this.#settle(counter, now);
    counter.gate = high;
    if (high) this.#gateRose(counter, now);
    else this.#gateFell(counter, now);
    this.#showOutput(index, now);
  }

  /**
   * What counter 2 sounds like on a speaker: its frequency in Hz while it makes a square wave or pulses, else undefined.
   */
  get toneHertz(): number | undefined {
    const counter = this.#counter(2);
    if (!isPeriodic(counter) || !counter.loaded || counter.stoppedAfter !== NEVER) return undefined;
    return PIT_RATE.numerator / PIT_RATE.denominator / periodOf(counter);
  }

  /** The chip has no reset pin; a soft reset only lets it be. */
  reset(kind: ResetKind): void {
    if (kind === 'power-on') this.#state = powerOnState();
    const now = this.#now();
    for (let index = 0; index < 3; index++) {
      this.#settle(this.#counter(index), now);
      this.#showOutput(index, now);
    }
  }

  save(): SavedPit {
    const { counters, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { counters: counters.map((counter) => ({ ...counter })) };
  }

  restore(saved: SavedPit): void {
    this.#state = { counters: saved.counters.map((counter) => ({ ...counter })) };
    const now = this.#now();
    for (let index = 0; index < 3; index++) {
      const counter = this.#counter(index);
      this.#outputs[index]?.set(this.#lineLevel(counter, now));
      this.#arm(index);
    }
  }

  #now(): number {
    return this.#ticks.ticksAt(this.#clock.now());
  }

  #counter(index: number): CounterState {
    return this.#state.counters[index] as CounterState;
  }

  /** Takes over a new count of modes 2 and 3 whose moment has passed. */
  #settle(counter: CounterState, now: number): void {
    if (counter.reloadTick === NEVER || now < counter.reloadTick) return;
    const wasLow = counter.mode === 3 && modulo(counter.reloadTick - counter.loadTick, periodOf(counter)) !== 0;
    counter.initialCount = countOf(counter);
    // Taken over between the halves of mode 3, the new count begins with its low half.
    counter.loadTick = wasLow ? counter.reloadTick - Math.ceil(periodOf(counter) / 2) : counter.reloadTick;
    counter.reloadTick = NEVER;
  }

  /** Ticks since the counting element was loaded; below 0 before the clock pulse that loads it. */
  #elapsed(counter: CounterState, now: number): number {
    return counter.stoppedAfter === NEVER ? now - counter.loadTick : counter.stoppedAfter;
  }

  #outputLevel(counter: CounterState, now: number): boolean {
    if (!counter.loaded) return counter.mode !== 0;
    const elapsed = this.#elapsed(counter, now);
    switch (counter.mode) {
      case 0:
        return elapsed >= counter.initialCount;
      case 1:
        return elapsed < 0 || elapsed >= counter.initialCount;
      case 2:
        return !counter.gate || elapsed < 0 || elapsed % periodOf(counter) !== periodOf(counter) - 1;
      case 3:
        return !counter.gate || elapsed < 0 || elapsed % periodOf(counter) < Math.ceil(periodOf(counter) / 2);
      default:
        return elapsed !== counter.initialCount;
    }
  }

  /** The counting element as it would be latched, in the counter's number system. */
  #count(counter: CounterState, now: number): number {
    const elapsed = Math.max(0, this.#elapsed(counter, now));
    const period = periodOf(counter);
    let count: number;
    if (!counter.loaded) {
      count = 0;
    } else if (counter.mode === 2) {
      count = period - (elapsed % period);
    } else if (counter.mode === 3) {
      const high = Math.ceil(period / 2);
      const inCycle = elapsed % period;
      count = (period & ~1) - 2 * (inCycle < high ? inCycle : inCycle - high);
    } else {
      count = counter.initialCount - elapsed;
    }
    return counter.bcd ? toBcd(modulo(count, 10_000)) : modulo(count, 0x10000);
  }

  #status(counter: CounterState, now: number): number {
    const waits = !counter.loaded || counter.reloadTick !== NEVER || this.#elapsed(counter, now) < 0
      || (isGateTriggered(counter) && counter.initialCount !== countOf(counter));
    return (this.#outputLevel(counter, now) ? STATUS_OUT : 0) | (waits ? STATUS_NULL_COUNT : 0)
      | counter.access << 4 | counter.mode << 1 | (counter.bcd ? CONTROL_BCD : 0);
  }

  #readCounter(index: number): number {
    const counter = this.#counter(index);
    const value = this.#peekCounter(index);
    if (counter.latchedStatus !== NEVER) {
      counter.latchedStatus = NEVER;
      return value;
    }
    const finished = counter.access !== ACCESS_BOTH || counter.readsHighNext;
    if (counter.access === ACCESS_BOTH) counter.readsHighNext = !counter.readsHighNext;
    if (finished) counter.latchedCount = NEVER;
    return value;
  }

  #peekCounter(index: number): number {
    const counter = this.#counter(index);
    if (counter.latchedStatus !== NEVER) return counter.latchedStatus;
    let count = counter.latchedCount;
    if (count === NEVER) {
      const now = this.#now();
      const settled = { ...counter };
      this.#settle(settled, now);
      count = this.#count(settled, now);
    }
    const high = counter.access === ACCESS_HIGH || (counter.access === ACCESS_BOTH && counter.readsHighNext);
    return (high ? count >> 8 : count) & 0xff;
  }

  #writeControl(value: number): void {
    const select = value >> 6;
    if (select === READ_BACK) {
      for (let index = 0; index < 3; index++) {
        if ((value & (2 << index)) === 0) continue;
        if ((value & READ_BACK_NO_COUNT) === 0) this.#latchCount(index);
        if ((value & READ_BACK_NO_STATUS) === 0) this.#latchStatus(index);
      }
      return;
    }
    const access = value >> 4 & 3;
    if (access === ACCESS_LATCH) {
      this.#latchCount(select);
      return;
    }
    this.#showOverdueEdge(select);
    const { gate } = this.#counter(select);
    const mode = value >> 1 & 7;
    this.#state.counters[select] = {
      ...powerOnCounter(gate),
      // Modes 6 and 7 are 2 and 3: their highest bit isn't looked at.
      mode: mode > 5 ? mode - 4 : mode,
      access,
      bcd: (value & CONTROL_BCD) !== 0,
    };
    this.#showOutput(select, this.#now());
  }

  #latchCount(index: number): void {
    const counter = this.#counter(index);
    if (counter.latchedCount !== NEVER) return;
    const now = this.#now();
    this.#settle(counter, now);
    counter.latchedCount = this.#count(counter, now);
  }

  #latchStatus(index: number): void {
    const counter = this.#counter(index);
    if (counter.latchedStatus !== NEVER) return;
    const now = this.#now();
    this.#settle(counter, now);
    counter.latchedStatus = this.#status(counter, now);
  }

  #writeCounter(index: number, value: number): void {
    this.#showOverdueEdge(index);
    const counter = this.#counter(index);
    const now = this.#now();
    this.#settle(counter, now);
    if (counter.access === ACCESS_BOTH && counter.writtenLow === NEVER) {
      counter.writtenLow = value;
      // The first byte of a new count stops mode 0 and lets its output fall.
      if (counter.mode === 0 && counter.loaded) {
        counter.loaded = false;
        this.#showOutput(index, now);
      }
      return;
    }
    if (counter.access === ACCESS_LOW) counter.countRegister = value;
    else if (counter.access === ACCESS_HIGH) counter.countRegister = value << 8;
    else counter.countRegister = counter.writtenLow | value << 8;
    counter.writtenLow = NEVER;
    counter.programmed = true;
    this.#countWritten(counter, now);
    this.#showOutput(index, now);
  }

  #countWritten(counter: CounterState, now: number): void {
    if (isGateTriggered(counter)) return;
    if (isPeriodic(counter) && counter.loaded) {
      if (counter.stoppedAfter !== NEVER) return;
      if (this.#elapsed(counter, now) < 0) this.#load(counter, now);
      else counter.reloadTick = this.#endOfCycle(counter, now);
      return;
    }
    this.#load(counter, now);
    if (!counter.gate) counter.stoppedAfter = 0;
  }

  /** The counting element takes CR over with the next clock pulse. */
  #load(counter: CounterState, now: number): void {
    counter.initialCount = countOf(counter);
    counter.loadTick = now + 1;
    counter.loaded = true;
    counter.stoppedAfter = NEVER;
    counter.reloadTick = NEVER;
  }

  /** The first tick after `now` at which mode 2 reloads or mode 3 changes halves. */
  #endOfCycle(counter: CounterState, now: number): number {
    const period = periodOf(counter);
    const elapsed = this.#elapsed(counter, now);
    const cycleStart = now - (elapsed % period);
    const half = Math.ceil(period / 2);
    if (counter.mode === 3 && elapsed % period < half) return cycleStart + half;
    return cycleStart + period;
  }

  #gateRose(counter: CounterState, now: number): void {
    if (!counter.programmed) return;
    if (isGateTriggered(counter) || isPeriodic(counter)) {
      this.#load(counter, now);
    } else if (counter.loaded && counter.stoppedAfter !== NEVER) {
      counter.loadTick = now - counter.stoppedAfter;
      counter.stoppedAfter = NEVER;
    }
  }

  #gateFell(counter: CounterState, now: number): void {
    if (!counter.loaded || isGateTriggered(counter)) return;
    counter.stoppedAfter = Math.max(0, this.#elapsed(counter, now));
    counter.reloadTick = NEVER;
  }

  /** What the line shows: periodic outputs and strobes stay high between the pulses made at their rising edges. */
  #lineLevel(counter: CounterState, now: number): boolean {
    return isPeriodic(counter) || counter.mode >= 4 || this.#outputLevel(counter, now);
  }

  /** Sets the line to the output's level and arms the timer for its next edge. */
  #showOutput(index: number, now: number): void {
    const counter = this.#counter(index);
    const line = this.#outputs[index];
    if (line === undefined) return;
    line.set(this.#lineLevel(counter, now));
    counter.edgeTick = this.#nextEdge(counter, now);
    this.#arm(index);
  }

  /** The first tick after `now` at which the line must change or pulse, or NEVER. */
  #nextEdge(counter: CounterState, now: number): number {
    if (!counter.loaded || counter.stoppedAfter !== NEVER) return NEVER;
    if (!isPeriodic(counter)) {
      const terminal = counter.loadTick + counter.initialCount;
      if (counter.mode === 1 && now < counter.loadTick) return counter.loadTick;
      // Modes 4 and 5 are low for the one tick of the terminal count.
      const edge = counter.mode >= 4 ? terminal + 1 : terminal;
      return edge > now ? edge : NEVER;
    }
    // A count that waits may be taken over in between: look again then.
    if (counter.reloadTick !== NEVER) return counter.reloadTick;
    if (now < counter.loadTick) return counter.loadTick + periodOf(counter);
    const shown = periodOf(counter) * Math.ceil(SHORTEST_SHOWN_TICKS / periodOf(counter));
    return now - (this.#elapsed(counter, now) % shown) + shown;
  }

  #arm(index: number): void {
    const { edgeTick } = this.#counter(index);
    const timer = this.#timers[index];
    if (edgeTick === NEVER) timer?.disarm();
    else timer?.arm(this.#ticks.nanosAt(edgeTick));
  }

  /** The clock may run timers late; an edge that was due before a change of the counter still happens. */
  #showOverdueEdge(index: number): void {
    const { edgeTick } = this.#counter(index);
    if (edgeTick !== NEVER && edgeTick <= this.#now()) this.#edgeDue(index);
  }

  #edgeDue(index: number): void {
    const counter = this.#counter(index);
    const line = this.#outputs[index];
    const due = counter.edgeTick;
    if (line === undefined || due === NEVER) return;
    const now = this.#now();
    const rises = !isPeriodic(counter)
      ? counter.mode >= 4
      : modulo(due - counter.loadTick, periodOf(counter)) === 0;
    this.#settle(counter, now);
    if (rises) line.set(false);
    this.#showOutput(index, now);
  }
}
