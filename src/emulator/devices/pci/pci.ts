/**
 * PCI bus 0 behind configuration mechanism #1 (PCI Local Bus Specification 3.0, §3.2.2.3.2): the two configuration
 * registers, configuration space of every card, decoding of base address registers, and the way from INTx pins to the
 * four PIRQ inputs of the ISA bridge.
 *
 * Not emulated: bridges and other buses, 64-bit BARs, parity and system errors, MSI.
 */
import { BAR_COUNT, COMMAND_BUS_MASTER, COMMAND_INTERRUPT_DISABLE, COMMAND_IO, COMMAND_MEMORY, CONFIG_BYTES, PciConfigSpace } from './config-space.ts';
import type { AccessWidth, Bus, IoHandler, MmioBus, PortBus, Registration } from '../../interfaces/bus.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { DeviceLog } from '../../interfaces/log.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

/** CONFIG_ADDRESS, offset 0. */
const ADDRESS_ENABLE = 0x8000_0000;
const ADDRESS_WRITABLE = 0x80ff_fffc;
/** CONFIG_DATA. */
const DATA_OFFSET = 4;
export const PCI_CONFIG_PORTS_LENGTH = 8;
/** The byte at 0xCF9 belongs to the ISA bridge: only accesses wider than a byte see CONFIG_ADDRESS. */
const RESET_CONTROL_OFFSET = 1;
const FUNCTIONS_PER_SLOT = 8;
const FUNCTION_COUNT = 32 * FUNCTIONS_PER_SLOT;
const PIRQ_COUNT = 4;
/** Number of the expansion ROM in the list of what a function decodes, after its BARs. */
const ROM_WINDOW = BAR_COUNT;

interface PciBusState {
  configAddress: number;
}

export interface SavedPciBus {
  readonly configAddress: number;
  /** By card id. */
  readonly functions: Readonly<Record<string, { readonly config: Uint8Array; readonly interruptHigh: boolean }>>;
}

export interface PciBusOptions {
  readonly id: string;
  /** Where I/O BARs are claimed. */
  readonly ports: PortBus;
  /** Where memory BARs are claimed and mapped. */
  readonly memory: MmioBus;
  /** PIRQA# to PIRQD#. */
  readonly pirqs: readonly InterruptLine[];
  /** The board's wiring of slots: which PIRQ (0 to 3) a slot's INTx pin (1 to 4) hangs on. */
  readonly pirqOf: (slot: number, pin: 1 | 2 | 3 | 4) => number;
  /** What answers byte accesses at 0xCF9. */
  readonly resetControl?: IoHandler;
  readonly log: DeviceLog;
}

interface Window {
  readonly address: number;
  /** `undefined` where something else is there already. */
  readonly registration: Registration | undefined;
}

interface Plugged {
  readonly card: PciFunction;
  readonly rom: PciFunction['expansionRom'];
  readonly slot: number;
  readonly config: PciConfigSpace;
  /** What is decoded now: BARs 0 to 5 and the expansion ROM. */
  readonly windows: (Window | undefined)[];
  readonly pirq: number | undefined;
  interruptHigh: boolean;
  toldCommand: number;
}

export class PciBus implements Device<SavedPciBus> {
  readonly id: string;
  readonly savedVersion = 1;
  /** CONFIG_ADDRESS and CONFIG_DATA, eight ports. */
  readonly configPorts: IoHandler;
  readonly #ports: PortBus;
  readonly #memory: MmioBus;
  readonly #pirqs: readonly InterruptLine[];
  readonly #pirqOf: (slot: number, pin: 1 | 2 | 3 | 4) => number;
  readonly #resetControl: IoHandler | undefined;
  readonly #log: DeviceLog;
  readonly #functions: (Plugged | undefined)[] = new Array<Plugged | undefined>(FUNCTION_COUNT).fill(undefined);
  readonly #plugged: Plugged[] = [];
  #state: PciBusState = { configAddress: 0 };

  constructor(options: PciBusOptions) {
    this.id = options.id;
    this.#ports = options.ports;
    this.#memory = options.memory;
    this.#pirqs = options.pirqs;
    this.#pirqOf = options.pirqOf;
    this.#resetControl = options.resetControl;
    this.#log = options.log;
    this.configPorts = {
      read: (offset, width) => this.#readPorts(offset, width),
      write: (offset, width, value) => { this.#writePorts(offset, width, value); },
      peek: (offset, width) => this.#peekPorts(offset, width),
    };
  }

  /**
   * Puts a card into a slot, before the machine starts. `rom` is what sits in its socket for an expansion ROM, where that is
   * the board's to say. Throws when the place is taken or the card can't be described.
   */
  plug(slot: number, functionNumber: number, card: PciFunction, rom = card.expansionRom): void {
    const index = slot * FUNCTIONS_PER_SLOT + functionNumber;
    if (index < 0 || index >= FUNCTION_COUNT || functionNumber >= FUNCTIONS_PER_SLOT) throw new Error(`${card.id}: there is no slot ${slot}.${functionNumber}`);
    const other = this.#functions[index];
    if (other !== undefined) throw new Error(`${card.id} and ${other.card.id} both sit in slot ${slot}.${functionNumber}`);
    if (this.#plugged.some((plugged) => plugged.card.id === card.id)) throw new Error(`two cards are called ${card.id}`);
    const pirq = card.interruptPin === 0 ? undefined : this.#pirqOf(slot, card.interruptPin) % PIRQ_COUNT;
    const plugged: Plugged = {
      card, rom, slot, pirq,
      config: new PciConfigSpace(card, rom),
      windows: new Array<Window | undefined>(ROM_WINDOW + 1).fill(undefined),
      interruptHigh: false,
      toldCommand: 0,
    };
    this.#functions[index] = plugged;
    this.#plugged.push(plugged);
    card.connectInterrupt?.({
      label: `${card.id}.int${'-abcd'.charAt(card.interruptPin)} -> ${this.id}.pirq${pirq ?? '-'}`,
      set: (high) => {
        if (plugged.interruptHigh === high) return;
        plugged.interruptHigh = high;
        plugged.config.showInterrupt(high);
        this.#drivePirq(plugged.pirq);
      },
    });
    this.#decode();
  }

  /** A configuration read as the guest's; all ones where there is no card. */
  readConfig(slot: number, functionNumber: number, offset: number, width: AccessWidth): number {
    const plugged = this.#functions[slot * FUNCTIONS_PER_SLOT + functionNumber];
    return plugged === undefined ? allOnes(width) : plugged.config.read(offset & (CONFIG_BYTES - width), width);
  }

  /** A configuration write as the guest's, for a board that starts without firmware. */
  writeConfig(slot: number, functionNumber: number, offset: number, width: AccessWidth, value: number): void {
    const plugged = this.#functions[slot * FUNCTIONS_PER_SLOT + functionNumber];
    if (plugged === undefined) return;
    plugged.config.write(offset & (CONFIG_BYTES - width), width, value);
    if (offset < 0x40) this.#headerWritten(plugged);
  }

  reset(kind: ResetKind): void {
    this.#state = { configAddress: 0 };
    for (const plugged of this.#plugged) {
      // The cards' wires keep their levels while only the reset pin is pulled.
      if (kind === 'power-on') plugged.interruptHigh = false;
      plugged.config.reset();
      plugged.config.showInterrupt(plugged.interruptHigh);
    }
    this.#settle();
  }

  save(): SavedPciBus {
    const { configAddress, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    const functions: Record<string, { config: Uint8Array; interruptHigh: boolean }> = {};
    for (const { card, config, interruptHigh } of this.#plugged) functions[card.id] = { config: config.bytes.slice(), interruptHigh };
    return { configAddress, functions };
  }

  /** Cards that the saved state doesn't name come up as after a reset. */
  restore(saved: SavedPciBus): void {
    this.#state = { configAddress: saved.configAddress };
    for (const plugged of this.#plugged) {
      const own = saved.functions[plugged.card.id];
      if (own === undefined) plugged.config.reset();
      else plugged.config.bytes.set(own.config.subarray(0, CONFIG_BYTES));
      plugged.interruptHigh = own?.interruptHigh ?? false;
    }
    this.#settle();
  }

  /** Everything that follows from the state is brought in line with it. */
  #settle(): void {
    for (const plugged of this.#plugged) this.#tellCommand(plugged);
    this.#decode();
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) this.#drivePirq(pirq);
  }

  #readPorts(offset: number, width: AccessWidth): number {
    if (offset === RESET_CONTROL_OFFSET && width === 1 && this.#resetControl !== undefined) return this.#resetControl.read(0, 1);
    if (offset === 0 && width === 4) return this.#state.configAddress;
    if (offset + width > PCI_CONFIG_PORTS_LENGTH || offset < DATA_OFFSET) return allOnes(width);
    const plugged = this.#addressed();
    return plugged === undefined ? allOnes(width) : plugged.config.read((this.#state.configAddress & 0xfc) | (offset & 3), width);
  }

  #peekPorts(offset: number, width: AccessWidth): number {
    if (offset === RESET_CONTROL_OFFSET && width === 1 && this.#resetControl?.peek !== undefined) return this.#resetControl.peek(0, 1);
    if (offset === 0 && width === 4) return this.#state.configAddress;
    if (offset + width > PCI_CONFIG_PORTS_LENGTH || offset < DATA_OFFSET) return allOnes(width);
    return this.#addressed()?.config.peek((this.#state.configAddress & 0xfc) | (offset & 3), width) ?? allOnes(width);
  }

  #writePorts(offset: number, width: AccessWidth, value: number): void {
    if (offset === RESET_CONTROL_OFFSET && width === 1) {
      this.#resetControl?.write(0, 1, value);
      return;
    }
    if (offset === 0 && width === 4) {
      this.#state.configAddress = (value & ADDRESS_WRITABLE) >>> 0;
      return;
    }
    if (offset + width > PCI_CONFIG_PORTS_LENGTH || offset < DATA_OFFSET) return;
    const plugged = this.#addressed();
    if (plugged === undefined) return;
    const register = this.#state.configAddress & 0xfc;
    plugged.config.write(register | (offset & 3), width, value);
    if (register < 0x40) this.#headerWritten(plugged);
  }

  #addressed(): Plugged | undefined {
    const address = this.#state.configAddress;
    const bus = (address >>> 16) & 0xff;
    if ((address & ADDRESS_ENABLE) === 0 || bus !== 0) return undefined;
    return this.#functions[(address >>> 8) & 0xff];
  }

  #headerWritten(plugged: Plugged): void {
    this.#tellCommand(plugged);
    this.#decode();
    this.#drivePirq(plugged.pirq);
  }

  #tellCommand(plugged: Plugged): void {
    const command = plugged.config.command;
    if (plugged.toldCommand === command) return;
    plugged.toldCommand = command;
    plugged.card.commandChanged?.({
      io: (command & COMMAND_IO) !== 0,
      memory: (command & COMMAND_MEMORY) !== 0,
      busMaster: (command & COMMAND_BUS_MASTER) !== 0,
      interruptDisable: (command & COMMAND_INTERRUPT_DISABLE) !== 0,
    });
  }

  #drivePirq(pirq: number | undefined): void {
    if (pirq === undefined) return;
    let high = false;
    for (const plugged of this.#plugged) {
      high ||= plugged.pirq === pirq && plugged.interruptHigh && (plugged.config.command & COMMAND_INTERRUPT_DISABLE) === 0;
    }
    this.#pirqs[pirq]?.set(high);
  }

  /**
   * Claims what the registers now ask for. Two cards that a guest put at the same address: the one that was there stays,
   * the other appears when the place gets free.
   */
  #decode(): void {
    for (const plugged of this.#plugged) {
      for (let window = 0; window <= ROM_WINDOW; window++) {
        const present = plugged.windows[window];
        if (present !== undefined && (present.registration === undefined || present.address !== this.#wanted(plugged, window))) {
          present.registration?.dispose();
          plugged.windows[window] = undefined;
        }
      }
    }
    for (const plugged of this.#plugged) {
      for (let window = 0; window <= ROM_WINDOW; window++) {
        const address = this.#wanted(plugged, window);
        if (address === undefined || plugged.windows[window] !== undefined) continue;
        plugged.windows[window] = { address, registration: this.#map(plugged, window, address) };
      }
    }
  }

  #wanted(plugged: Plugged, window: number): number | undefined {
    const { card, config } = plugged;
    const isIo = window !== ROM_WINDOW && card.bars[window]?.kind === 'io';
    if ((config.command & (isIo ? COMMAND_IO : COMMAND_MEMORY)) === 0) return undefined;
    return window === ROM_WINDOW ? config.romAddress() : config.barAddress(window);
  }

  #map({ card, rom }: Plugged, window: number, address: number): Registration | undefined {
    try {
      if (window === ROM_WINDOW) {
        const { memoryOffset, length } = rom!;
        return this.#memory.mapDirect(`${card.id}.rom`, address, length, memoryOffset, 'read-only');
      }
      return this.#mapBar(`${card.id}.bar${window}`, card.bars[window]!, address);
    } catch (error) {
      this.#log.log('warning', 'pci-overlap', `window ${window} of ${card.id} stays off: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  #mapBar(owner: string, bar: PciBar, address: number): Registration {
    if (bar.kind === 'direct') return this.#memory.mapDirect(owner, address, bar.length, bar.memoryOffset, 'read-write');
    const bus: Bus = bar.kind === 'io' ? this.#ports : this.#memory;
    return bus.claim(owner, address, bar.length, bar.handler);
  }
}

function allOnes(width: AccessWidth): number {
  return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
}
