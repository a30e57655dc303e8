/**
 * SATA function of the Intel 82801I (ICH9) in AHCI mode (Serial ATA AHCI 1.3.1; Intel 316972, chapter 14): six ports, each
 * with its own command list of 32 slots.
 *
 * Not emulated: the legacy IDE modes of the same chip, command completion coalescing, enclosure management, MSI.
 */
import { AhciPort, PORT_BYTES, type SavedPort } from './ahci-port.ts';
import type { IdeDrive } from './ide-drive.ts';
import { VendorRegisters } from '../vendor-registers.ts';
import type { BlockBackend } from '../../interfaces/block-backend.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

const AHCI_PORTS = 6;

/** Registers of the controller. */
const CAPABILITIES = 0x00;
const GLOBAL_CONTROL = 0x04;
const INTERRUPT_STATUS = 0x08;
const PORTS_IMPLEMENTED = 0x0c;
const VERSION = 0x10;
const PORTS_OFFSET = 0x100;
/** As much as the chip decodes. */
const REGISTERS_BYTES = 0x1000;
const REGISTERS_BAR = 5;

/** CAP: 64-bit addresses, queuing, command list override, 3 Gbit/s, AHCI only, 32 slots. */
const CAPABILITY_BITS = ((1 << 31) | (1 << 30) | (1 << 24) | (2 << 20) | (1 << 18) | (31 << 8) | (AHCI_PORTS - 1)) >>> 0;
const VERSION_1_2 = 0x0001_0200;
/** GHC. */
const CONTROL_RESET = 1 << 0;
const CONTROL_INTERRUPT_ENABLE = 1 << 1;
const CONTROL_AHCI_ENABLE = (1 << 31) >>> 0;
/** Registers of a port at which a bit written as one acts, and a zero does nothing: PxIS, PxSERR, PxSACT, PxCI. */
const ACTING_PORT_REGISTERS: readonly number[] = [0x10, 0x30, 0x34, 0x38];

/** MAP: SATA mode AHCI; PCS: ports enabled. */
const MAP = 0x90;
const MAP_AHCI = 0x40;
const PORT_CONTROL = 0x92;

export interface SavedAhci {
  readonly configuration: Uint8Array;
  readonly interruptsEnabled: boolean;
  readonly interruptStatus: number;
  readonly ports: readonly SavedPort[];
}

export interface AhciOptions {
  readonly id: string;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly memory: GuestMemory;
  /** By port. `disk`: the sectors of a drive that is a disk. */
  readonly drives: readonly ({ readonly drive: IdeDrive; readonly disk: BlockBackend | undefined } | undefined)[];
}

export class Ich9Ahci implements PciFunction, Device<SavedAhci> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x2922;
  readonly revision = 0x02;
  /** SATA controller, AHCI. */
  readonly classCode = 0x010601;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 1;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities = [];
  readonly #ports: readonly AhciPort[];
  readonly #configuration = new VendorRegisters([{ offset: MAP, reset: MAP_AHCI, writable: 0 }, { offset: PORT_CONTROL, writable: (1 << AHCI_PORTS) - 1 }], () => undefined);
  #interrupt: InterruptLine | undefined;
  #interruptsEnabled = false;
  #interruptStatus = 0;

  constructor(options: AhciOptions) {
    this.id = options.id;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#ports = Array.from({ length: AHCI_PORTS }, (_, port) => new AhciPort({
      memory: options.memory, device: options.drives[port], interruptChanged: () => { this.#driveInterrupt(); },
    }));
    const handler: IoHandler = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => { this.#write(offset, width, value); },
      peek: (offset, width) => this.#read(offset, width),
    };
    this.bars = Array.from({ length: REGISTERS_BAR + 1 }, (_, bar) => (bar === REGISTERS_BAR ? { kind: 'memory', length: REGISTERS_BYTES, prefetchable: false, handler } : undefined));
  }

  connectInterrupt(line: InterruptLine): void {
    this.#interrupt = line;
  }

  readConfig(offset: number, width: AccessWidth): number | undefined {
    return this.#configuration.read(offset, width);
  }

  writeConfig(offset: number, width: AccessWidth, value: number): boolean {
    return this.#configuration.write(offset, width, value);
  }

  reset(_kind: ResetKind): void {
    this.#configuration.reset();
    for (const port of this.#ports) port.reset();
    this.#interruptsEnabled = false;
    this.#interruptStatus = 0;
    this.#driveInterrupt();
  }

  save(): SavedAhci {
    return {
      configuration: this.#configuration.bytes.slice(), interruptsEnabled: this.#interruptsEnabled, interruptStatus: this.#interruptStatus,
      ports: this.#ports.map((port) => port.save()),
    };
  }

  /** Guest memory holds its saved contents before this is called. */
  restore(saved: SavedAhci): void {
    this.#configuration.restore(saved.configuration);
    this.#interruptsEnabled = saved.interruptsEnabled;
    this.#interruptStatus = saved.interruptStatus;
    this.#ports.forEach((port, index) => {
      const own = saved.ports[index];
      if (own === undefined) port.reset();
      else port.restore(own);
    });
    this.#driveInterrupt();
  }

  /** A port's bit comes back as long as the port has something to tell. */
  #driveInterrupt(): void {
    this.#ports?.forEach((port, index) => { if (port.interruptPending) this.#interruptStatus |= 1 << index; });
    this.#interrupt?.set(this.#interruptsEnabled && this.#interruptStatus !== 0);
  }

  #read(offset: number, width: AccessWidth): number {
    const word = this.#readWord(offset - (offset % 4));
    return Math.floor(word / 2 ** (8 * (offset % 4))) % 2 ** (8 * width);
  }

  #readWord(offset: number): number {
    switch (offset) {
      case CAPABILITIES: return CAPABILITY_BITS;
      case GLOBAL_CONTROL: return CONTROL_AHCI_ENABLE + (this.#interruptsEnabled ? CONTROL_INTERRUPT_ENABLE : 0);
      case INTERRUPT_STATUS: return this.#interruptStatus;
      case PORTS_IMPLEMENTED: return (1 << AHCI_PORTS) - 1;
      case VERSION: return VERSION_1_2;
      default: return this.#portAt(offset)?.read(offset % PORT_BYTES) ?? 0;
    }
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    const register = offset - (offset % 4);
    this.#writeWord(register, this.#widened(register, offset - register, width, value));
  }

  /** The whole register as a narrow write leaves it. */
  #widened(register: number, at: number, width: AccessWidth, value: number): number {
    if (at === 0 && width === 4) return value;
    const bits = Math.min(width, 4 - at) * 8;
    const mask = ((bits === 32 ? 0xffff_ffff : (1 << bits) - 1) << (8 * at)) >>> 0;
    const acts = register === INTERRUPT_STATUS || (register >= PORTS_OFFSET && ACTING_PORT_REGISTERS.includes(register % PORT_BYTES));
    const others = acts ? 0 : this.#readWord(register) & ~mask;
    return (others | ((value << (8 * at)) & mask)) >>> 0;
  }

  #writeWord(offset: number, value: number): void {
    switch (offset) {
      case GLOBAL_CONTROL:
        if ((value & CONTROL_RESET) !== 0) this.#resetController();
        else this.#interruptsEnabled = (value & CONTROL_INTERRUPT_ENABLE) !== 0;
        this.#driveInterrupt();
        break;
      case INTERRUPT_STATUS:
        this.#interruptStatus &= ~value;
        this.#driveInterrupt();
        break;
      default:
        this.#portAt(offset)?.write(offset % PORT_BYTES, value);
    }
  }

  #resetController(): void {
    this.#interruptsEnabled = false;
    for (const port of this.#ports) port.resetLink();
    this.#interruptStatus = 0;
  }

  #portAt(offset: number): AhciPort | undefined {
    return offset < PORTS_OFFSET ? undefined : this.#ports[Math.floor((offset - PORTS_OFFSET) / PORT_BYTES)];
  }
}
