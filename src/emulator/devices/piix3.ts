/**
 * PCI to ISA bridge of the Intel 82371SB PIIX3 (datasheet 290550): routing of the four PCI interrupts to ISA IRQs, and
 * the reset control register. The IDE function of the same chip lies in `ata/`.
 *
 * Not emulated: ISA timing, APM and SMI registers (they read what was written), USB (function 2), positive decode of
 * ports, the motherboard device routes MBIRQ.
 */
import { VendorRegisters, type VendorRegister } from './vendor-registers.ts';
import { byteWideHandler } from './byte-registers.ts';
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';
import type { PciFunction } from '../interfaces/pci.ts';

/** ISA I/O recovery timer, X-bus chip select, top of memory. */
const IORT = 0x4c;
const XBCS_LOW = 0x4e;
const XBCS_HIGH = 0x4f;
/** PIRQRCA to PIRQRCD. */
const PIRQRC = 0x60;
const PIRQRC_DISABLED = 0x80;
const PIRQRC_IRQ = 0x0f;
const PIRQRC_WRITABLE = 0x8f;
const TOM = 0x69;
const MSTAT_LOW = 0x6a;
const MSTAT_HIGH = 0x6b;
const MBIRQ0 = 0x70;
const MBIRQ1 = 0x71;
const MBDMA0 = 0x76;
const MBDMA1 = 0x77;
const APIC_BASE = 0x80;
const DLC = 0x82;
const SMI_FIRST = 0xa0;
const SMI_LAST = 0xae;
const PIRQ_COUNT = 4;
const ISA_IRQ_COUNT = 16;

/** RCR: bit 2 going to 1 resets; bit 1 says whether everything (1) or the CPU alone (0). */
const RCR_SYSTEM_RESET = 0x02;
const RCR_RESET_CPU = 0x04;

const REGISTERS: readonly VendorRegister[] = [
  { offset: IORT, reset: 0x4d },
  { offset: XBCS_LOW, reset: 0x03 },
  { offset: XBCS_HIGH, reset: 0x00 },
  ...[0, 1, 2, 3].map((pirq) => ({ offset: PIRQRC + pirq, reset: PIRQRC_DISABLED, writable: PIRQRC_WRITABLE })),
  { offset: TOM, reset: 0x02 },
  { offset: MSTAT_LOW },
  { offset: MSTAT_HIGH },
  { offset: MBIRQ0, reset: 0x80 },
  { offset: MBIRQ1, reset: 0x80 },
  { offset: MBDMA0, reset: 0x0c },
  { offset: MBDMA1, reset: 0x0c },
  { offset: APIC_BASE },
  { offset: DLC },
  ...Array.from({ length: SMI_LAST - SMI_FIRST + 1 }, (_, index) => ({ offset: SMI_FIRST + index, reset: index === 0 ? 0x08 : 0 })),
];

interface Piix3State {
  /** Levels of the PIRQ inputs, bit 0 = PIRQA#, asserted = 1. */
  pirqLevels: number;
  resetControl: number;
}

export interface SavedPiix3 extends Readonly<Piix3State> {
  readonly registers: Uint8Array;
}

export interface Piix3Options {
  readonly id: string;
  readonly revision: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  /**
   * By ISA IRQ number: the bridge's wire to that interrupt input, wired-or with the board's other sources; undefined
   * where a PIRQ can't be routed (0, 1, 2, 8, 13).
   */
  readonly isaIrqs: readonly (InterruptLine | undefined)[];
  /** The guest asks for a reset through the reset control register: of the board, or of the CPU alone. */
  readonly resetRequested?: (kind: 'board' | 'cpu') => void;
}

export class Piix3 implements PciFunction, Device<SavedPiix3> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = 0x8086;
  readonly deviceId = 0x7000;
  readonly revision: number;
  readonly classCode = 0x060100;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 0;
  readonly bars = [];
  readonly capabilities = [];
  readonly multifunction = true;
  /** PIRQA# to PIRQD#. */
  readonly pirqs: readonly InterruptLine[];
  /** RCR: one port, inside CONFIG_ADDRESS. */
  readonly resetControl: IoHandler;
  readonly #isaIrqs: readonly (InterruptLine | undefined)[];
  readonly #registers: VendorRegisters;
  #state: Piix3State = { pirqLevels: 0, resetControl: 0 };

  constructor(options: Piix3Options) {
    this.id = options.id;
    this.revision = options.revision;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#isaIrqs = options.isaIrqs;
    this.#registers = new VendorRegisters(REGISTERS, (offset) => {
      if (offset >= PIRQRC && offset < PIRQRC + PIRQ_COUNT) this.#driveIrqs();
    });
    this.pirqs = Array.from({ length: PIRQ_COUNT }, (_, pirq) => ({
      label: `${options.id}.pirq${'abcd'.charAt(pirq)}`,
      set: (high: boolean) => {
        const levels = high ? this.#state.pirqLevels | (1 << pirq) : this.#state.pirqLevels & ~(1 << pirq);
        if (levels === this.#state.pirqLevels) return;
        this.#state.pirqLevels = levels;
        this.#driveIrqs();
      },
    }));
    this.resetControl = byteWideHandler({
      length: 1,
      read: () => this.#state.resetControl,
      write: (_offset, value) => {
        const before = this.#state.resetControl;
        this.#state.resetControl = value & (RCR_SYSTEM_RESET | RCR_RESET_CPU);
        if ((before & RCR_RESET_CPU) !== 0 || (value & RCR_RESET_CPU) === 0) return;
        options.resetRequested?.((value & RCR_SYSTEM_RESET) !== 0 ? 'board' : 'cpu');
      },
      peek: () => this.#state.resetControl,
    });
  }

  readConfig(offset: number, width: AccessWidth): number | undefined {
    return this.#registers.read(offset, width);
  }

  writeConfig(offset: number, width: AccessWidth, value: number): boolean {
    return this.#registers.write(offset, width, value);
  }

  /** The PIRQ wires keep their levels across a reset. */
  reset(kind: ResetKind): void {
    this.#state = { pirqLevels: kind === 'soft' ? this.#state.pirqLevels : 0, resetControl: 0 };
    this.#registers.reset();
    this.#driveIrqs();
  }

  save(): SavedPiix3 {
    const { pirqLevels, resetControl, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { pirqLevels, resetControl, registers: this.#registers.bytes.slice() };
  }

  restore(saved: SavedPiix3): void {
    this.#state = { pirqLevels: saved.pirqLevels, resetControl: saved.resetControl };
    this.#registers.restore(saved.registers);
    this.#driveIrqs();
  }

  #driveIrqs(): void {
    let asserted = 0;
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      const route = this.#registers.bytes[PIRQRC + pirq]!;
      if ((route & PIRQRC_DISABLED) === 0 && (this.#state.pirqLevels & (1 << pirq)) !== 0) asserted |= 1 << (route & PIRQRC_IRQ);
    }
    for (let irq = 0; irq < ISA_IRQ_COUNT; irq++) this.#isaIrqs[irq]?.set((asserted & (1 << irq)) !== 0);
  }
}
