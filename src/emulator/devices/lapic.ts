/**
 * The local APIC of a CPU in xAPIC mode (Intel SDM volume 3A, chapter 11). Not emulated: x2APIC mode, the thermal and
 * performance counter interrupts (their LVT entries exist), SMIs, focus processor checking, arbitration.
 */
import { apicDeliveryMode } from './apic-message.ts';
import type { ApicBusMember } from './apic-bus.ts';
import type { ApicDeliveryMode, ApicMessage, ApicShorthand } from './apic-message.ts';
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine, InterruptSource } from '../interfaces/interrupt-line.ts';

const ID = 0x020;
const VERSION = 0x030;
const TPR = 0x080;
const APR = 0x090;
const PPR = 0x0a0;
const EOI = 0x0b0;
const LDR = 0x0d0;
const DFR = 0x0e0;
const SVR = 0x0f0;
const ISR = 0x100;
const TMR = 0x180;
const IRR = 0x200;
const ESR = 0x280;
const ICR_LOW = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const LVT_LINT1 = 0x360;
const LVT_ERROR = 0x370;
const INITIAL_COUNT = 0x380;
const CURRENT_COUNT = 0x390;
const DIVIDE_CONFIGURATION = 0x3e0;

/** Six LVT entries, version 0x14. */
const VERSION_VALUE = 0x0005_0014;
const SVR_ENABLED = 0x100;
const SVR_WRITABLE = 0x3ff;
const LVT_MASKED = 0x10000;
const LVT_ENTRIES = 6;
/** Bits that can be written, in the order of the registers: timer, thermal, performance, LINT0, LINT1, error. */
const LVT_WRITABLE: readonly number[] = [0x700ff, 0x107ff, 0x107ff, 0x1a7ff, 0x1a7ff, 0x100ff];
const LVT_EXTINT_UNMASKED = 0x700;
const TIMER_MODE = 0x60000;
const TIMER_PERIODIC = 0x20000;
const TIMER_TSC_DEADLINE = 0x40000;
const ICR_LOGICAL = 0x800;
const ICR_ASSERT = 0x4000;
const ICR_LEVEL = 0x8000;
const ICR_LOW_WRITABLE = 0xccfff;
const SHORTHANDS: readonly ApicShorthand[] = ['none', 'self', 'all', 'others'];
const ESR_SEND_ILLEGAL_VECTOR = 0x20;
const ESR_RECEIVED_ILLEGAL_VECTOR = 0x40;
const ESR_ILLEGAL_REGISTER = 0x80;
const FIRST_LEGAL_VECTOR = 16;
const DFR_FLAT = 0xf;
const BROADCAST = 0xff;
/** Divisor by bits 3, 1 and 0 of the divide configuration. */
const DIVISORS: readonly number[] = [2, 4, 8, 16, 32, 64, 128, 1];
/** Shorter periods are told at this pace, so that no guest floods the host with ticks it couldn't handle anyway. */
const SHORTEST_SHOWN_NANOS = 20_000;
const NEVER = -1;

const BASE_BSP = 0x100n;
const BASE_X2APIC = 0x400n;
const BASE_ENABLED = 0x800n;
const BASE_DEFAULT = 0xfee00000n;
/** 40 bits of physical address. */
const BASE_RESERVED = ~0xff_ffff_fd00n & 0xffff_ffff_ffff_ffffn;

interface LocalApicState {
  baseMsr: bigint;
  apicId: number;
  taskPriority: number;
  logicalDestination: number;
  /** Bits 31 to 28 of DFR. */
  destinationFormat: number;
  spurious: number;
  /** 256 bits each, 32 to a word. */
  requested: number[];
  inService: number[];
  levelTriggered: number[];
  /** ESR as last latched, and errors since. */
  errors: number;
  newErrors: number;
  commandLow: number;
  commandHigh: number;
  lvt: number[];
  lintHigh: boolean[];
  /** The I/O APIC passed the PIC's interrupt on (delivery mode ExtINT). */
  externalRequested: boolean;
  initialCount: number;
  divideConfiguration: number;
  /** When the count began at `initialCount`. */
  countStartNanos: Nanos;
  /** When the timer fires next, or NEVER. */
  timerNanos: Nanos;
  tscDeadline: bigint;
}

export interface SavedLocalApic extends Readonly<Omit<LocalApicState, 'requested' | 'inService' | 'levelTriggered' | 'lvt' | 'lintHigh'>> {
  readonly requested: readonly number[];
  readonly inService: readonly number[];
  readonly levelTriggered: readonly number[];
  readonly lvt: readonly number[];
  readonly lintHigh: readonly boolean[];
}

export interface LocalApicOptions {
  readonly id: string;
  readonly clock: Clock;
  /** 0 to 254. */
  readonly apicId: number;
  /** Whether this is the bootstrap processor. */
  readonly bootstrap: boolean;
  /** What ExtINT interrupts come from: the first 8259A. */
  readonly pic?: InterruptSource;
  /** Sends an interprocessor interrupt: `ApicBus.send`. */
  readonly send: (message: ApicMessage, shorthand: ApicShorthand, from: ApicBusMember) => void;
  /** A level-triggered interrupt ended: for the I/O APICs. */
  readonly eoiBroadcast: (vector: number) => void;
  readonly nmi: () => void;
  readonly init: () => void;
  /** Start-up message: the CPU begins at `page` * 4096 if it waits for one. */
  readonly startup: (page: number) => void;
  /** Guest time at which the CPU's time-stamp counter reaches a value; needed for TSC-deadline mode. */
  readonly tscToNanos?: (tsc: bigint) => Nanos;
  /** Told of the registers' physical address and of whether they are there at all. */
  readonly baseChanged?: (physical: number, enabled: boolean) => void;
}

/** 0 where no bit is set: vectors below 16 are never requested. */
function highestVector(bits: readonly number[]): number {
  for (let word = 7; word >= 0; word--) {
    const value = bits[word] as number;
    if (value !== 0) return word * 32 + 31 - Math.clz32(value);
  }
  return 0;
}

function hasVector(bits: readonly number[], vector: number): boolean {
  return ((bits[vector >> 5] as number) & (1 << (vector & 31))) !== 0;
}

function setVector(bits: number[], vector: number, on: boolean): void {
  const word = vector >> 5;
  const bit = 1 << (vector & 31);
  bits[word] = (on ? (bits[word] as number) | bit : (bits[word] as number) & ~bit) >>> 0;
}

function noVectors(): number[] {
  return new Array<number>(8).fill(0);
}

export class LocalApic implements Device<SavedLocalApic>, InterruptSource, ApicBusMember {
  readonly id: string;
  readonly savedVersion = 1;
  /** One page of physical memory. */
  readonly registers: IoHandler;
  /** The INTR pin of old: wired to the PIC's output, for LINT0 in modes other than ExtINT. */
  readonly lint0: InterruptLine;
  /** The NMI pin. */
  readonly lint1: InterruptLine;
  readonly #options: LocalApicOptions;
  readonly #timer: Timer;
  #state: LocalApicState;
  /** Derived from the state: the vector that outranks the processor priority, or 0. */
  #deliverable = 0;

  constructor(options: LocalApicOptions) {
    this.id = options.id;
    this.#options = options;
    this.#state = this.#powerOnState();
    this.#timer = options.clock.timer(`${options.id}.timer`, () => { this.#timerFired(); });
    this.registers = {
      read: (offset, width) => this.#readSlice(offset, width, true),
      peek: (offset, width) => this.#readSlice(offset, width, false),
      write: (offset, width, value) => { if (width === 4) this.#write(offset, value); },
    };
    this.lint0 = { label: `${options.id}.lint0`, set: (high) => { this.#setLint(0, high); } };
    this.lint1 = { label: `${options.id}.lint1`, set: (high) => { this.#setLint(1, high); } };
  }

  /** Whether the CPU has an interrupt to take: one of its own, or the PIC's through LINT0. */
  get pending(): boolean {
    return this.#deliverable !== 0 || this.#externalPending();
  }

  /** The vector to run; one that went away meanwhile gives the spurious vector. */
  acknowledge(): number {
    const vector = this.#deliverable;
    if (vector !== 0) {
      const state = this.#state;
      setVector(state.requested, vector, false);
      setVector(state.inService, vector, true);
      this.#update();
      return vector;
    }
    if (this.#externalPending() && this.#options.pic !== undefined) {
      this.#state.externalRequested = false;
      return this.#options.pic.acknowledge();
    }
    return this.#state.spurious & 0xff;
  }

  /** CR8: 0 to 15. */
  getTaskPriority(): number {
    return this.#state.taskPriority >> 4;
  }

  setTaskPriority(priority: number): void {
    this.#state.taskPriority = (priority & 15) << 4;
    this.#update();
  }

  /** PPR (SDM 3A §11.8.3.1). */
  get processorPriority(): number {
    const inService = highestVector(this.#state.inService);
    return this.#state.taskPriority >> 4 >= inService >> 4 ? this.#state.taskPriority : inService & 0xf0;
  }

  /** IA32_APIC_BASE. */
  get baseMsr(): bigint {
    return this.#state.baseMsr;
  }

  /** Returns false where the write must fault (#GP): reserved bits, x2APIC mode. */
  setBaseMsr(value: bigint): boolean {
    if ((value & (BASE_RESERVED | BASE_X2APIC)) !== 0n) return false;
    const wasEnabled = this.#globallyEnabled();
    const bsp = this.#state.baseMsr & BASE_BSP;
    // Switched off, the APIC loses its state (SDM 3A §11.4.3).
    if (wasEnabled && (value & BASE_ENABLED) === 0n) this.#clear();
    this.#state.baseMsr = (value & ~BASE_BSP) | bsp;
    this.#showBase();
    this.#update();
    return true;
  }

  /** IA32_TSC_DEADLINE: 0 while disarmed. */
  get tscDeadline(): bigint {
    return this.#state.tscDeadline;
  }

  /** Without effect outside TSC-deadline mode (SDM 3A §11.5.4.1). */
  setTscDeadline(tsc: bigint): void {
    if (this.#timerMode() !== TIMER_TSC_DEADLINE) return;
    this.#fireIfOverdue();
    this.#state.tscDeadline = tsc;
    this.#schedule();
  }

  /** The time-stamp counter jumped: a deadline lies elsewhere in time now. */
  tscChanged(): void {
    if (this.#timerMode() === TIMER_TSC_DEADLINE) this.#schedule();
  }

  accepts(destination: number, logical: boolean): boolean {
    const state = this.#state;
    if (!this.#globallyEnabled()) return false;
    if (destination === BROADCAST) return true;
    if (!logical) return destination === state.apicId;
    if (state.destinationFormat === DFR_FLAT) return (destination & state.logicalDestination) !== 0;
    const sameCluster = destination >> 4 === state.logicalDestination >> 4;
    return sameCluster && (destination & state.logicalDestination & 0x0f) !== 0;
  }

  receive(message: ApicMessage): void {
    if (!this.#globallyEnabled()) return;
    this.#take(message.deliveryMode, message.vector, message.trigger === 'level');
  }

  /** A soft reset is INIT: everything but the id and the base (SDM 3A §11.4.7.3). */
  reset(kind: ResetKind): void {
    if (kind === 'power-on') this.#state = this.#powerOnState();
    else this.#clear();
    this.#schedule();
    this.#showBase();
    this.#update();
  }

  save(): SavedLocalApic {
    const {
      baseMsr, apicId, taskPriority, logicalDestination, destinationFormat, spurious, requested, inService,
      levelTriggered, errors, newErrors, commandLow, commandHigh, lvt, lintHigh, externalRequested, initialCount,
      divideConfiguration, countStartNanos, timerNanos, tscDeadline, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      baseMsr, apicId, taskPriority, logicalDestination, destinationFormat, spurious, requested: [...requested],
      inService: [...inService], levelTriggered: [...levelTriggered], errors, newErrors, commandLow, commandHigh,
      lvt: [...lvt], lintHigh: [...lintHigh], externalRequested, initialCount, divideConfiguration, countStartNanos,
      timerNanos, tscDeadline,
    };
  }

  restore(saved: SavedLocalApic): void {
    this.#state = {
      ...saved,
      requested: [...saved.requested],
      inService: [...saved.inService],
      levelTriggered: [...saved.levelTriggered],
      lvt: [...saved.lvt],
      lintHigh: [...saved.lintHigh],
    };
    this.#armTimer();
    this.#showBase();
    this.#update();
  }

  #powerOnState(): LocalApicState {
    const lvt = new Array<number>(LVT_ENTRIES).fill(LVT_MASKED);
    // Firmware sets the bootstrap processor up for the PIC ("virtual wire"); guests that are booted without one, and
    // firmware before it does so, expect the PIC's interrupts too.
    if (this.#options.bootstrap) lvt[3] = LVT_EXTINT_UNMASKED;
    return {
      baseMsr: BASE_DEFAULT | BASE_ENABLED | (this.#options.bootstrap ? BASE_BSP : 0n),
      apicId: this.#options.apicId,
      taskPriority: 0,
      logicalDestination: 0,
      destinationFormat: DFR_FLAT,
      spurious: 0xff,
      requested: noVectors(),
      inService: noVectors(),
      levelTriggered: noVectors(),
      errors: 0,
      newErrors: 0,
      commandLow: 0,
      commandHigh: 0,
      lvt,
      lintHigh: [false, false],
      externalRequested: false,
      initialCount: 0,
      divideConfiguration: 0,
      countStartNanos: 0,
      timerNanos: NEVER,
      tscDeadline: 0n,
    };
  }

  #clear(): void {
    const { baseMsr, apicId, lintHigh } = this.#state;
    this.#state = { ...this.#powerOnState(), baseMsr, apicId, lintHigh };
    this.#schedule();
  }

  #globallyEnabled(): boolean {
    return (this.#state.baseMsr & BASE_ENABLED) !== 0n;
  }

  #softwareEnabled(): boolean {
    return (this.#state.spurious & SVR_ENABLED) !== 0;
  }

  #showBase(): void {
    this.#options.baseChanged?.(Number(this.#state.baseMsr & 0xff_ffff_f000n), this.#globallyEnabled());
  }

  #lvtEntry(register: number): number {
    return this.#state.lvt[(register - LVT_TIMER) >> 4] as number;
  }

  #externalPending(): boolean {
    const { pic } = this.#options;
    if (pic === undefined || !pic.pending) return false;
    if (!this.#globallyEnabled() || this.#state.externalRequested) return true;
    return (this.#lvtEntry(LVT_LINT0) & (LVT_MASKED | 0x700)) === LVT_EXTINT_UNMASKED;
  }

  #update(): void {
    const vector = highestVector(this.#state.requested);
    const outranks = vector >> 4 > this.processorPriority >> 4;
    this.#deliverable = outranks && this.#globallyEnabled() && this.#softwareEnabled() ? vector : 0;
  }

  #take(mode: ApicDeliveryMode, vector: number, level: boolean): void {
    switch (mode) {
      case 'fixed':
      case 'lowest-priority':
        this.#request(vector, level);
        break;
      case 'nmi':
        this.#options.nmi();
        break;
      case 'init':
        this.#options.init();
        break;
      case 'startup':
        this.#options.startup(vector);
        break;
      case 'extint':
        this.#state.externalRequested = true;
        break;
      default:
        break;
    }
  }

  #request(vector: number, level: boolean): void {
    const state = this.#state;
    if (!this.#softwareEnabled()) return;
    if (vector < FIRST_LEGAL_VECTOR) {
      this.#error(ESR_RECEIVED_ILLEGAL_VECTOR);
      return;
    }
    setVector(state.requested, vector, true);
    setVector(state.levelTriggered, vector, level);
    this.#update();
  }

  #error(bit: number): void {
    const state = this.#state;
    const isNew = (state.newErrors & bit) === 0;
    state.newErrors |= bit;
    const entry = this.#lvtEntry(LVT_ERROR);
    // An error vector that is itself illegal must not report itself for ever.
    if (isNew && (entry & LVT_MASKED) === 0) this.#request(entry & 0xff, false);
  }

  #setLint(pin: 0 | 1, high: boolean): void {
    const { lintHigh } = this.#state;
    const rises = high && !(lintHigh[pin] as boolean);
    lintHigh[pin] = high;
    if (!rises) return;
    if (!this.#globallyEnabled()) {
      // The pin is then the CPU's own NMI; INTR is asked for through `pending`.
      if (pin === 1) this.#options.nmi();
      return;
    }
    const entry = this.#lvtEntry(pin === 0 ? LVT_LINT0 : LVT_LINT1);
    if ((entry & LVT_MASKED) !== 0) return;
    const mode = apicDeliveryMode(entry >> 8);
    if (mode === 'fixed' || mode === 'nmi' || mode === 'init') this.#take(mode, entry & 0xff, false);
  }

  #endOfInterrupt(): void {
    const state = this.#state;
    const vector = highestVector(state.inService);
    if (vector === 0) return;
    setVector(state.inService, vector, false);
    this.#update();
    if (hasVector(state.levelTriggered, vector)) this.#options.eoiBroadcast(vector);
  }

  #readSlice(offset: number, width: AccessWidth, sideEffects: boolean): number {
    const byte = offset & 15;
    if (byte + width > 4) return 0;
    const value = this.#readRegister(offset & 0xff0, sideEffects);
    return Math.floor(value / 2 ** (8 * byte)) % 2 ** (8 * width);
  }

  #readRegister(register: number, sideEffects: boolean): number {
    const state = this.#state;
    if (register >= ISR && register < ESR) {
      const bits = register < TMR ? state.inService : register < IRR ? state.levelTriggered : state.requested;
      return bits[(register >> 4) & 7] as number;
    }
    if (register >= LVT_TIMER && register <= LVT_ERROR) return this.#lvtEntry(register);
    switch (register) {
      case ID:
        return state.apicId * 2 ** 24;
      case VERSION:
        return VERSION_VALUE;
      case TPR:
        return state.taskPriority;
      case APR:
      case PPR:
        return this.processorPriority;
      case LDR:
        return state.logicalDestination * 2 ** 24;
      case DFR:
        return state.destinationFormat * 2 ** 28 + 0xfffffff;
      case SVR:
        return state.spurious;
      case ESR:
        return state.errors;
      case ICR_LOW:
        return state.commandLow;
      case ICR_HIGH:
        return state.commandHigh * 2 ** 24;
      case INITIAL_COUNT:
        return state.initialCount;
      case CURRENT_COUNT:
        return this.#currentCount();
      case DIVIDE_CONFIGURATION:
        return state.divideConfiguration;
      case EOI:
        return 0;
      default:
        if (sideEffects) this.#error(ESR_ILLEGAL_REGISTER);
        return 0;
    }
  }

  #write(offset: number, value: number): void {
    const state = this.#state;
    if (offset >= LVT_TIMER && offset <= LVT_ERROR && (offset & 15) === 0) {
      this.#writeLvt(offset, value);
      return;
    }
    switch (offset) {
      case ID:
        state.apicId = value >>> 24;
        break;
      case TPR:
        state.taskPriority = value & 0xff;
        this.#update();
        break;
      case EOI:
        this.#endOfInterrupt();
        break;
      case LDR:
        state.logicalDestination = value >>> 24;
        break;
      case DFR:
        state.destinationFormat = value >>> 28;
        break;
      case SVR:
        this.#fireIfOverdue();
        state.spurious = value & SVR_WRITABLE;
        // Software-disabled, all local interrupts are masked (SDM 3A §11.4.7.2).
        if (!this.#softwareEnabled()) {
          for (let entry = 0; entry < LVT_ENTRIES; entry++) state.lvt[entry] = (state.lvt[entry] as number) | LVT_MASKED;
          this.#schedule();
        }
        this.#update();
        break;
      case ESR:
        state.errors = state.newErrors;
        state.newErrors = 0;
        break;
      case ICR_LOW:
        state.commandLow = value & ICR_LOW_WRITABLE;
        this.#sendInterprocessorInterrupt();
        break;
      case ICR_HIGH:
        state.commandHigh = value >>> 24;
        break;
      case INITIAL_COUNT:
        // Without effect in TSC-deadline mode.
        if (this.#timerMode() === TIMER_TSC_DEADLINE) break;
        this.#fireIfOverdue();
        state.initialCount = value >>> 0;
        state.countStartNanos = this.#options.clock.now();
        this.#schedule();
        break;
      case DIVIDE_CONFIGURATION:
        this.#setDivideConfiguration(value & 0x0b);
        break;
      default:
        this.#error(ESR_ILLEGAL_REGISTER);
    }
  }

  #writeLvt(register: number, value: number): void {
    const state = this.#state;
    const index = (register - LVT_TIMER) >> 4;
    if (register === LVT_TIMER) this.#fireIfOverdue();
    const modeBefore = this.#timerMode();
    let entry = value & (LVT_WRITABLE[index] as number);
    if (!this.#softwareEnabled()) entry |= LVT_MASKED;
    state.lvt[index] = entry;
    if (register === LVT_TIMER) {
      const mode = this.#timerMode();
      if (mode !== modeBefore && (mode === TIMER_TSC_DEADLINE || modeBefore === TIMER_TSC_DEADLINE)) {
        state.tscDeadline = 0n;
        state.initialCount = 0;
      }
      this.#schedule();
    }
  }

  #sendInterprocessorInterrupt(): void {
    const { commandLow, commandHigh } = this.#state;
    const deliveryMode = apicDeliveryMode(commandLow >> 8);
    const vector = commandLow & 0xff;
    if (vector < FIRST_LEGAL_VECTOR && (deliveryMode === 'fixed' || deliveryMode === 'lowest-priority')) {
      this.#error(ESR_SEND_ILLEGAL_VECTOR);
      return;
    }
    // INIT level de-assert only synchronizes arbitration on old buses.
    if (deliveryMode === 'init' && (commandLow & (ICR_LEVEL | ICR_ASSERT)) === ICR_LEVEL) return;
    this.#options.send({
      vector,
      deliveryMode,
      destination: commandHigh,
      logical: (commandLow & ICR_LOGICAL) !== 0,
      trigger: 'edge',
    }, SHORTHANDS[commandLow >> 18 & 3] as ApicShorthand, this);
  }

  #timerMode(): number {
    return this.#lvtEntry(LVT_TIMER) & TIMER_MODE;
  }

  /** Nanoseconds per count: the bus clock is 1 GHz. */
  #divisor(): number {
    const { divideConfiguration } = this.#state;
    return DIVISORS[(divideConfiguration & 3) | (divideConfiguration & 8) >> 1] as number;
  }

  #currentCount(): number {
    const { initialCount, countStartNanos } = this.#state;
    if (initialCount === 0) return 0;
    const counted = Math.floor((this.#options.clock.now() - countStartNanos) / this.#divisor());
    if (this.#timerMode() === TIMER_PERIODIC) return initialCount - (counted % initialCount);
    return Math.max(0, initialCount - counted);
  }

  /** The count goes on from where it is, at the new pace. */
  #setDivideConfiguration(value: number): void {
    const state = this.#state;
    this.#fireIfOverdue();
    const count = this.#currentCount();
    const wasOver = count === 0;
    state.divideConfiguration = value;
    if (wasOver) return;
    state.countStartNanos = this.#options.clock.now() - (state.initialCount - count) * this.#divisor();
    this.#schedule();
  }

  /** Decides when the timer fires next. Masked periodic and one-shot timers only count. */
  #schedule(): void {
    this.#state.timerNanos = this.#nextFiring();
    this.#armTimer();
  }

  #nextFiring(): Nanos {
    const { initialCount, countStartNanos, tscDeadline } = this.#state;
    const now = this.#options.clock.now();
    const mode = this.#timerMode();
    if (mode === TIMER_TSC_DEADLINE) {
      if (tscDeadline === 0n || this.#options.tscToNanos === undefined) return NEVER;
      // Far deadlines lie beyond any guest's life; past ones fire at once.
      return Math.max(now, Math.min(Number.MAX_SAFE_INTEGER, Math.ceil(this.#options.tscToNanos(tscDeadline))));
    }
    if (initialCount === 0 || (this.#lvtEntry(LVT_TIMER) & LVT_MASKED) !== 0) return NEVER;
    const period = initialCount * this.#divisor();
    if (mode !== TIMER_PERIODIC) return countStartNanos + period > now ? countStartNanos + period : NEVER;
    const shown = period * Math.ceil(SHORTEST_SHOWN_NANOS / period);
    return countStartNanos + (Math.floor((now - countStartNanos) / shown) + 1) * shown;
  }

  #armTimer(): void {
    if (this.#state.timerNanos === NEVER) this.#timer.disarm();
    else this.#timer.arm(this.#state.timerNanos);
  }

  /** The clock may run timers late; what was due before a change of the timer still happens. */
  #fireIfOverdue(): void {
    const { timerNanos } = this.#state;
    if (timerNanos !== NEVER && timerNanos <= this.#options.clock.now()) this.#timerFired();
  }

  #timerFired(): void {
    const entry = this.#lvtEntry(LVT_TIMER);
    this.#state.tscDeadline = 0n;
    this.#schedule();
    if ((entry & LVT_MASKED) === 0) this.#request(entry & 0xff, false);
  }
}
