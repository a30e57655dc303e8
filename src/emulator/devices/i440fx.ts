/**
 * Intel 440FX PCI and memory controller (82441FX, datasheet 290549): the host bridge and its programmable attribute
 * map, which decides for each of 13 pieces of 0xC0000 to 0xFFFFF whether RAM or the bus (ROM) answers.
 *
 * Not emulated: DRAM timing and row registers (they read what was written), SMRAM (the register is kept; there is no
 * SMM), the reset the chip can make through its TRC register at 0x93.
 */
import { VendorRegisters, type VendorRegister } from './vendor-registers.ts';
import type { AccessWidth } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { PciFunction } from '../interfaces/pci.ts';

/** PMCCFG. */
const PMCCFG_LOW = 0x50;
const PMCCFG_HIGH = 0x51;
/** PAM0 to PAM6. PAM0's low nibble is reserved. */
const PAM0 = 0x59;
const PAM6 = 0x5f;
const PAM_READ_ENABLE = 0x1;
const PAM_WRITE_ENABLE = 0x2;
const PAM_WRITABLE = 0x33;
const DRB0 = 0x60;
const SMRAM = 0x72;
const SMRAM_RESET = 0x02;
const SMRAM_WRITABLE = 0x7f;
const KIBIBYTE = 1024;

const REGISTERS: readonly VendorRegister[] = [
  { offset: PMCCFG_LOW },
  { offset: PMCCFG_HIGH },
  { offset: PAM0, writable: PAM_WRITABLE & 0xf0 },
  ...[1, 2, 3, 4, 5, 6].map((pam) => ({ offset: PAM0 + pam, writable: PAM_WRITABLE })),
  ...[0, 1, 2, 3, 4, 5, 6, 7].map((row) => ({ offset: DRB0 + row, reset: 0x01 })),
  { offset: SMRAM, reset: SMRAM_RESET, writable: SMRAM_WRITABLE },
];

/** What the CPU and bus masters reach at a piece of the shadow area: RAM where the flag is set, the bus elsewhere. */
export interface ShadowRegion {
  readonly base: number;
  readonly length: number;
  readonly readsRam: boolean;
  readonly writesRam: boolean;
}

export interface SavedI440fx {
  readonly registers: Uint8Array;
}

export interface I440fxOptions {
  readonly id: string;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /** Called for a region whose attributes changed, and for all 13 after a reset or restore. */
  readonly shadowChanged: (region: ShadowRegion) => void;
}

export class I440fx implements PciFunction, Device<SavedI440fx> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x1237;
  readonly revision: number;
  readonly classCode = 0x060000;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 0;
  readonly bars = [];
  readonly capabilities = [];
  readonly #shadowChanged: (region: ShadowRegion) => void;
  readonly #registers: VendorRegisters;

  constructor(options: I440fxOptions) {
    this.id = options.id;
    this.revision = options.revision;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#shadowChanged = options.shadowChanged;
    this.#registers = new VendorRegisters(REGISTERS, (offset, value, before) => {
      if (offset < PAM0 || offset > PAM6) return;
      if ((value & 0x0f) !== (before & 0x0f)) this.#announce(offset, 0);
      if ((value & 0xf0) !== (before & 0xf0)) this.#announce(offset, 4);
    });
  }

  /** The 13 regions, from 0xC0000 up. */
  get shadowRegions(): readonly ShadowRegion[] {
    const regions: ShadowRegion[] = [];
    for (let pam = PAM0 + 1; pam <= PAM6; pam++) regions.push(this.#region(pam, 0), this.#region(pam, 4));
    regions.push(this.#region(PAM0, 4));
    return regions;
  }

  readConfig(offset: number, width: AccessWidth): number | undefined {
    return this.#registers.read(offset, width);
  }

  writeConfig(offset: number, width: AccessWidth, value: number): boolean {
    return this.#registers.write(offset, width, value);
  }

  /** Either kind brings the attribute map back to the ROM, so that the reset vector reads firmware. */
  reset(_kind: ResetKind): void {
    this.#registers.reset();
    this.#announceAll();
  }

  save(): SavedI440fx {
    return { registers: this.#registers.bytes.slice() };
  }

  restore(saved: SavedI440fx): void {
    this.#registers.restore(saved.registers);
    this.#announceAll();
  }

  #announceAll(): void {
    for (const region of this.shadowRegions) this.#shadowChanged(region);
  }

  #announce(pam: number, shift: 0 | 4): void {
    if (pam === PAM0 && shift === 0) return;
    this.#shadowChanged(this.#region(pam, shift));
  }

  #region(pam: number, shift: 0 | 4): ShadowRegion {
    const attributes = this.#registers.bytes[pam]! >> shift;
    const place = pam === PAM0
      ? { base: 0xf0000, length: 64 * KIBIBYTE }
      : { base: 0xc0000 + ((pam - PAM0 - 1) * 2 + (shift === 4 ? 1 : 0)) * 16 * KIBIBYTE, length: 16 * KIBIBYTE };
    return { ...place, readsRam: (attributes & PAM_READ_ENABLE) !== 0, writesRam: (attributes & PAM_WRITE_ENABLE) !== 0 };
  }
}
