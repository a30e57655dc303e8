/**
 * Intel 82093AA I/O APIC (datasheet 290566), and where its version says 0x20 or more the EOI register of later ones.
 *
 * An input line is high when its interrupt is asserted, whatever the polarity bit says: the board's wires carry no
 * voltage. Delivery is immediate, so the delivery status bit is never seen set.
 */
import { apicDeliveryMode } from './apic-message.ts';
import type { ApicMessage } from './apic-message.ts';
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';

const PINS = 24;
const IOREGSEL = 0x00;
const IOWIN = 0x10;
const EOIR = 0x40;
const EOIR_SINCE_VERSION = 0x20;
const IOAPICID = 0x00;
const IOAPICVER = 0x01;
const IOAPICARB = 0x02;
const IOREDTBL = 0x10;

const ENTRY_LOGICAL = 0x0800;
const ENTRY_REMOTE_IRR = 0x4000;
const ENTRY_LEVEL = 0x8000;
const ENTRY_MASK = 0x10000;
/** Vector, delivery mode, destination mode, polarity, trigger mode, mask. */
const ENTRY_LOW_WRITABLE = 0x1afff;

interface IoApicState {
  select: number;
  apicId: number;
  /** Input levels, bit n = pin n. */
  levels: number;
  /** Low and high half of each redirection entry. */
  low: number[];
  high: number[];
}

export interface SavedIoApic extends Readonly<Omit<IoApicState, 'low' | 'high'>> {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

export interface IoApicOptions {
  readonly id: string;
  /** 0x11 for the 82093AA; 0x20 adds the EOI register. */
  readonly version: number;
  readonly deliver: (message: ApicMessage) => void;
}

function powerOnState(): IoApicState {
  return {
    select: 0,
    apicId: 0,
    levels: 0,
    low: new Array<number>(PINS).fill(ENTRY_MASK),
    high: new Array<number>(PINS).fill(0),
  };
}

export class IoApic82093AA implements Device<SavedIoApic> {
  readonly id: string;
  readonly savedVersion = 1;
  /** One page of physical memory. */
  readonly registers: IoHandler;
  /** INTIN0 to INTIN23. */
  readonly inputs: readonly InterruptLine[];
  readonly #version: number;
  readonly #deliver: (message: ApicMessage) => void;
  #state = powerOnState();

  constructor(options: IoApicOptions) {
    this.id = options.id;
    this.#version = options.version;
    this.#deliver = options.deliver;
    const read = (offset: number, width: AccessWidth): number => this.#read(offset, width);
    this.registers = { read, peek: read, write: (offset, width, value) => { this.#write(offset, width, value); } };
    this.inputs = Array.from({ length: PINS }, (_, pin) => ({
      label: `${options.id}.intin${pin}`,
      set: (high: boolean) => { this.#setInput(pin, high); },
    }));
  }

  /** A local APIC ended a level-triggered interrupt: pins that gave it and are still asserted give it again. */
  endOfInterrupt(vector: number): void {
    const { low } = this.#state;
    for (let pin = 0; pin < PINS; pin++) {
      const entry = low[pin] as number;
      if ((entry & ENTRY_REMOTE_IRR) === 0 || (entry & 0xff) !== vector) continue;
      low[pin] = entry & ~ENTRY_REMOTE_IRR;
      this.#offerLevel(pin);
    }
  }

  /** The wires keep their levels across a soft reset. */
  reset(kind: ResetKind): void {
    const { levels } = this.#state;
    this.#state = powerOnState();
    if (kind === 'soft') this.#state.levels = levels;
  }

  save(): SavedIoApic {
    const { select, apicId, levels, low, high, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { select, apicId, levels, low: [...low], high: [...high] };
  }

  restore(saved: SavedIoApic): void {
    this.#state = { ...saved, low: [...saved.low], high: [...saved.high] };
  }

  #setInput(pin: number, high: boolean): void {
    const state = this.#state;
    const bit = 1 << pin;
    if (((state.levels & bit) !== 0) === high) return;
    state.levels ^= bit;
    if (!high) return;
    const entry = state.low[pin] as number;
    if ((entry & ENTRY_LEVEL) !== 0) this.#offerLevel(pin);
    // Edges at a masked pin are lost (datasheet, "Interrupt Mask").
    else if ((entry & ENTRY_MASK) === 0) this.#send(pin);
  }

  #offerLevel(pin: number): void {
    const state = this.#state;
    const entry = state.low[pin] as number;
    if ((state.levels & (1 << pin)) === 0 || (entry & (ENTRY_LEVEL | ENTRY_REMOTE_IRR | ENTRY_MASK)) !== ENTRY_LEVEL) return;
    const mode = apicDeliveryMode(entry >> 8);
    if (mode === 'fixed' || mode === 'lowest-priority') state.low[pin] = entry | ENTRY_REMOTE_IRR;
    this.#send(pin);
  }

  #send(pin: number): void {
    const entry = this.#state.low[pin] as number;
    this.#deliver({
      vector: entry & 0xff,
      deliveryMode: apicDeliveryMode(entry >> 8),
      destination: (this.#state.high[pin] as number) >>> 24,
      logical: (entry & ENTRY_LOGICAL) !== 0,
      trigger: (entry & ENTRY_LEVEL) !== 0 ? 'level' : 'edge',
    });
  }

  #read(offset: number, width: AccessWidth): number {
    // Registers are 32 bits wide at multiples of 16.
    const byte = offset & 15;
    if (byte + width > 4) return 0;
    const register = offset & ~15;
    const value = register === IOREGSEL ? this.#state.select : register === IOWIN ? this.#readSelected() : 0;
    return Math.floor(value / 2 ** (8 * byte)) % 2 ** (8 * width);
  }

  #readSelected(): number {
    const { select, apicId, low, high } = this.#state;
    if (select === IOAPICID || select === IOAPICARB) return apicId * 2 ** 24;
    if (select === IOAPICVER) return (PINS - 1) << 16 | this.#version;
    const pin = (select - IOREDTBL) >> 1;
    if (select < IOREDTBL || pin >= PINS) return 0;
    return ((select & 1) === 0 ? (low[pin] as number) : (high[pin] as number)) >>> 0;
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    // Linux and firmware select with 32 bits, some DOS programs with 8.
    if (offset === IOREGSEL) this.#state.select = value & 0xff;
    else if (offset === IOWIN && width === 4) this.#writeSelected(value);
    else if (offset === EOIR && this.#version >= EOIR_SINCE_VERSION) this.endOfInterrupt(value & 0xff);
  }

  #writeSelected(value: number): void {
    const state = this.#state;
    const { select } = state;
    if (select === IOAPICID) {
      state.apicId = value >>> 24 & 0x0f;
      return;
    }
    const pin = (select - IOREDTBL) >> 1;
    if (select < IOREDTBL || pin >= PINS) return;
    if ((select & 1) === 1) {
      state.high[pin] = value & 0xff000000;
      return;
    }
    const kept = (value & ENTRY_LEVEL) !== 0 ? (state.low[pin] as number) & ENTRY_REMOTE_IRR : 0;
    state.low[pin] = (value & ENTRY_LOW_WRITABLE) | kept;
    this.#offerLevel(pin);
  }
}
