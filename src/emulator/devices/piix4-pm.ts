/**
 * Power management function of the Intel 82371AB PIIX4 (datasheet 290562, chapter 7): it decides where in port space
 * the ACPI register block and the SMBus host controller appear. The registers of the ACPI block are a chip of their own.
 *
 * The SMBus has no devices: every transaction ends with a device error. Not emulated: device monitors, SMI, SMBus slave.
 */
import { VendorRegisters, type VendorRegister } from './vendor-registers.ts';
import { byteWideHandler } from './byte-registers.ts';
import type { AccessWidth, IoHandler, PortBus, Registration } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { DeviceLog } from '../interfaces/log.ts';
import type { PciFunction } from '../interfaces/pci.ts';

const PMBASE = 0x40;
const PMBASE_ADDRESS = 0xffc0;
const PMBASE_LENGTH = 0x40;
const BASE_IS_IO = 0x01;
/** Device resources and activity, stored only. */
const COUNT_FIRST = 0x44;
const RESOURCE_LAST = 0x7b;
const DEVACTB = 0x58;
const PMREGMISC = 0x80;
const PMREGMISC_PMIOSE = 0x01;
const SMBBA = 0x90;
const SMBBA_ADDRESS = 0xfff0;
const SMBUS_LENGTH = 0x10;
const SMBHSTCFG = 0xd2;
const SMBHSTCFG_HOST_ENABLE = 0x01;
const SMBREV = 0xd6;

/** SMBus host registers, offsets from SMBBA. */
const SMBHSTSTS = 0x00;
const SMBHSTSTS_INTERRUPT = 0x02;
const SMBHSTSTS_DEVICE_ERROR = 0x04;
const SMBHSTCNT = 0x02;
const SMBHSTCNT_START = 0x40;
const SMBHSTCNT_WRITABLE = 0x1d;
const SMBBLKDAT = 0x07;
const SMBUS_STORED_LAST = 0x06;

interface Piix4PmState {
  smbusStatus: number;
  smbusControl: number;
  /** Command, address and data registers (offsets 3 to 6), kept as written. */
  smbusStored: Uint8Array;
}

export interface SavedPiix4Pm extends Readonly<Piix4PmState> {
  readonly registers: Uint8Array;
}

export interface Piix4PmOptions {
  readonly id: string;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** Where the two blocks are claimed. */
  readonly ports: PortBus;
  /** The ACPI register block, 64 bytes, that appears at PMBASE. */
  readonly acpi: IoHandler;
  /** DEVACTB after a reset; a board without SMM sets APMC_EN (bit 25) so that firmware doesn't wait for an SMI. */
  readonly deviceActivityBReset: number;
  readonly log: DeviceLog;
}

function registers(deviceActivityBReset: number): readonly VendorRegister[] {
  const list: VendorRegister[] = [
    { offset: PMBASE, reset: BASE_IS_IO, writable: PMBASE_ADDRESS & 0xff },
    { offset: PMBASE + 1, writable: PMBASE_ADDRESS >> 8 },
  ];
  for (let offset = COUNT_FIRST; offset <= RESOURCE_LAST; offset++) {
    const byte = offset - DEVACTB;
    list.push({ offset, reset: byte >= 0 && byte < 4 ? (deviceActivityBReset >>> (8 * byte)) & 0xff : 0 });
  }
  list.push(
    { offset: PMREGMISC, writable: PMREGMISC_PMIOSE },
    { offset: SMBBA, reset: BASE_IS_IO, writable: SMBBA_ADDRESS & 0xff },
    { offset: SMBBA + 1, writable: SMBBA_ADDRESS >> 8 },
    { offset: SMBHSTCFG, writable: 0x0f },
    { offset: SMBHSTCFG + 1 },
    { offset: SMBHSTCFG + 2 },
    { offset: SMBHSTCFG + 3 },
    { offset: SMBREV, writable: 0 },
  );
  return list;
}

/** A block of ports that a base register moves about. */
interface PortBlock {
  readonly name: string;
  readonly length: number;
  readonly handler: IoHandler;
  /** Where it should be, or `undefined` while it is off. */
  wanted(): number | undefined;
  base: number | undefined;
  registration: Registration | undefined;
}

export class Piix4Pm implements PciFunction, Device<SavedPiix4Pm> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x7113;
  readonly revision: number;
  readonly classCode = 0x068000;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** Firmware reads INTA# here; the SCI itself is hard-wired. */
  readonly interruptPin = 1;
  readonly bars = [];
  readonly capabilities = [];
  /** The SMBus host controller, wherever it is mapped. */
  readonly smbus: IoHandler;
  readonly #ports: PortBus;
  readonly #log: DeviceLog;
  readonly #registers: VendorRegisters;
  readonly #blocks: readonly PortBlock[];
  #state: Piix4PmState = powerOnState();

  constructor(options: Piix4PmOptions) {
    this.id = options.id;
    this.revision = options.revision;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#ports = options.ports;
    this.#log = options.log;
    this.#registers = new VendorRegisters(registers(options.deviceActivityBReset), () => { this.#map(); });
    this.smbus = byteWideHandler({
      length: SMBUS_LENGTH,
      read: (offset) => this.#readSmbus(offset),
      write: (offset, value) => { this.#writeSmbus(offset, value); },
      peek: (offset) => this.#readSmbus(offset),
    });
    const bytes = this.#registers.bytes;
    this.#blocks = [
      {
        name: 'acpi', length: PMBASE_LENGTH, handler: options.acpi, base: undefined, registration: undefined,
        wanted: () => ((bytes[PMREGMISC]! & PMREGMISC_PMIOSE) === 0 ? undefined : (bytes[PMBASE]! | (bytes[PMBASE + 1]! << 8)) & PMBASE_ADDRESS),
      },
      {
        name: 'smbus', length: SMBUS_LENGTH, handler: this.smbus, base: undefined, registration: undefined,
        wanted: () => ((bytes[SMBHSTCFG]! & SMBHSTCFG_HOST_ENABLE) === 0 ? undefined : (bytes[SMBBA]! | (bytes[SMBBA + 1]! << 8)) & SMBBA_ADDRESS),
      },
    ];
  }

  readConfig(offset: number, width: AccessWidth): number | undefined {
    return this.#registers.read(offset, width);
  }

  writeConfig(offset: number, width: AccessWidth, value: number): boolean {
    return this.#registers.write(offset, width, value);
  }

  reset(_kind: ResetKind): void {
    this.#state = powerOnState();
    this.#registers.reset();
    this.#map();
  }

  save(): SavedPiix4Pm {
    const { smbusStatus, smbusControl, smbusStored, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { smbusStatus, smbusControl, smbusStored: smbusStored.slice(), registers: this.#registers.bytes.slice() };
  }

  restore(saved: SavedPiix4Pm): void {
    const { smbusStatus, smbusControl, smbusStored } = saved;
    this.#state = { smbusStatus, smbusControl, smbusStored: smbusStored.slice() };
    this.#registers.restore(saved.registers);
    this.#map();
  }

  #map(): void {
    for (const block of this.#blocks) {
      const base = block.wanted();
      if (base === block.base) continue;
      block.registration?.dispose();
      block.registration = undefined;
      block.base = base;
    }
    for (const block of this.#blocks) {
      if (block.base === undefined || block.base === 0 || block.registration !== undefined) continue;
      try {
        block.registration = this.#ports.claim(`${this.id}.${block.name}`, block.base, block.length, block.handler);
      } catch (error) {
        this.#log.log('warning', 'pm-overlap', `${block.name} stays off: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  #readSmbus(offset: number): number {
    if (offset === SMBHSTSTS) return this.#state.smbusStatus;
    if (offset === SMBHSTCNT) return this.#state.smbusControl;
    if (offset > SMBHSTCNT && offset <= SMBUS_STORED_LAST) return this.#state.smbusStored[offset - SMBHSTCNT - 1]!;
    return offset === SMBBLKDAT ? 0xff : 0;
  }

  #writeSmbus(offset: number, value: number): void {
    const state = this.#state;
    if (offset === SMBHSTSTS) {
      state.smbusStatus &= ~value;
    } else if (offset === SMBHSTCNT) {
      state.smbusControl = value & SMBHSTCNT_WRITABLE;
      if ((value & SMBHSTCNT_START) !== 0) state.smbusStatus |= SMBHSTSTS_INTERRUPT | SMBHSTSTS_DEVICE_ERROR;
    } else if (offset > SMBHSTCNT && offset <= SMBUS_STORED_LAST) {
      state.smbusStored[offset - SMBHSTCNT - 1] = value;
    }
  }
}

function powerOnState(): Piix4PmState {
  return { smbusStatus: 0, smbusControl: 0, smbusStored: new Uint8Array(SMBUS_STORED_LAST - SMBHSTCNT) };
}
