/**
 * Every port, address, interrupt and clock rate of the board: a PC with Intel's 440FX host bridge (Intel 290549), the
 * PIIX3 (290550) with its IDE function, and the power management function of a PIIX4 (290562), as firmware and guests
 * know it from QEMU's machine "pc". Constants only. Chips don't import this file: the board and the firmware tables do.
 */
import type { Rate } from '../interfaces/clock.ts';

const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const GIBIBYTE = 1024 * MEBIBYTE;

/** A range of ports or of physical addresses; `length` in bytes. */
export interface AddressRange {
  readonly base: number;
  readonly length: number;
}

// ---- Physical memory ----

/** RAM below 4 GiB ends here at the latest; what is more begins at `RAM_HIGH_BASE`. */
export const RAM_LOW_MAXIMUM_BYTES = 3 * GIBIBYTE;
export const RAM_HIGH_BASE = 4 * GIBIBYTE;

export function lowRamBytes(ramBytes: number): number {
  return Math.min(ramBytes, RAM_LOW_MAXIMUM_BYTES);
}

/** The legacy VGA window: MMIO, never RAM. */
export const VGA_WINDOW: AddressRange = { base: 0xa0000, length: 128 * KIBIBYTE };
/** Option ROMs and BIOS, shadowed by RAM as the host bridge's PAM registers say. */
export const SHADOW_AREA: AddressRange = { base: 0xc0000, length: 256 * KIBIBYTE };
/** Where the top 128 KiB of the firmware image appear below 1 MiB until they are shadowed. */
export const BIOS_LOW: AddressRange = { base: 0xe0000, length: 128 * KIBIBYTE };
/** The firmware image ends at 4 GiB, whatever its length; it stays readable there for warm resets. */
export const BIOS_HIGH_END = 4 * GIBIBYTE;
export const BIOS_MAXIMUM_BYTES = 256 * KIBIBYTE;

/** The host bridge passes this range to PCI whatever the RAM. */
export const PCI_HOLE: AddressRange = { base: 0xc0000000, length: 0xfec00000 - 0xc0000000 };
/** Where SeaBIOS puts memory BARs: from 2 GiB up when RAM ends at or below that, in the hole otherwise. */
export function pciMemoryWindow(ramBytes: number): AddressRange {
  const base = ramBytes <= 2 * GIBIBYTE ? 2 * GIBIBYTE : PCI_HOLE.base;
  return { base, length: PCI_HOLE.base + PCI_HOLE.length - base };
}
export const IOAPIC_REGISTERS: AddressRange = { base: 0xfec00000, length: 0x1000 };
export const LOCAL_APIC_REGISTERS: AddressRange = { base: 0xfee00000, length: 0x1000 };
/** Writes here by a PCI function are MSIs (SDM 3A §11.11); address bits 19:12 name the destination. */
export const MSI_WINDOW: AddressRange = { base: 0xfee00000, length: 0x100000 };

// ---- Ports ----

export const DMA_MASTER: AddressRange = { base: 0x00, length: 0x10 };
export const PIC_MASTER: AddressRange = { base: 0x20, length: 2 };
export const PIT: AddressRange = { base: 0x40, length: 4 };
export const PS2_DATA: AddressRange = { base: 0x60, length: 1 };
/** NMI status and speaker control ("port B"): PIT channel 2's gate and output, refresh toggle. */
export const SYSTEM_CONTROL_B: AddressRange = { base: 0x61, length: 1 };
export const PS2_COMMAND: AddressRange = { base: 0x64, length: 1 };
/** Index (bit 7: NMI off) and data of the RTC and its 128 bytes of CMOS RAM. */
export const RTC: AddressRange = { base: 0x70, length: 2 };
/** DMA page registers. Port 0x80 is also where POST codes and delays are written. */
export const DMA_PAGES: AddressRange = { base: 0x80, length: 0x10 };
/** Fast A20 (bit 1) and fast reset (bit 0). */
export const SYSTEM_CONTROL_A: AddressRange = { base: 0x92, length: 1 };
export const PIC_SLAVE: AddressRange = { base: 0xa0, length: 2 };
/** APM control (0xB2, FADT's SMI_CMD) and status (0xB3). There is no SMM behind it: see SEABIOS_EXPECTATIONS. */
export const APM: AddressRange = { base: 0xb2, length: 2 };
export const DMA_SLAVE: AddressRange = { base: 0xc0, length: 0x20 };
/** Coprocessor error (IRQ 13) and, without effect here, the 80287's reset. */
export const FERR: AddressRange = { base: 0xf0, length: 2 };
export const IDE_SECONDARY_COMMAND: AddressRange = { base: 0x170, length: 8 };
export const IDE_SECONDARY_CONTROL: AddressRange = { base: 0x376, length: 1 };
/** Bochs VBE: index (0x1CE) and data (0x1CF, 0x1D0). */
export const VBE_DISPI: AddressRange = { base: 0x1ce, length: 3 };
export const IDE_PRIMARY_COMMAND: AddressRange = { base: 0x1f0, length: 8 };
export const COM2: AddressRange = { base: 0x2f8, length: 8 };
/** CRT controller in monochrome and colour, attribute, sequencer, DAC and graphics registers. */
export const VGA_REGISTERS: AddressRange = { base: 0x3b0, length: 0x30 };
export const IDE_PRIMARY_CONTROL: AddressRange = { base: 0x3f6, length: 1 };
export const COM1: AddressRange = { base: 0x3f8, length: 8 };
/** SeaBIOS's debug log: reads as DEBUG_CONSOLE_PRESENT where it is listened to. */
export const DEBUG_CONSOLE: AddressRange = { base: 0x402, length: 1 };
export const DEBUG_CONSOLE_PRESENT = 0xe9;
/** Edge/level control of the two PICs. */
export const ELCR: AddressRange = { base: 0x4d0, length: 2 };
export const FW_CFG_PORTS: AddressRange = { base: 0x510, length: 12 };
export const PCI_CONFIG_ADDRESS: AddressRange = { base: 0xcf8, length: 4 };
/** PIIX3 reset control: lies inside the dword at 0xCF8, but only byte accesses reach it. */
export const RESET_CONTROL: AddressRange = { base: 0xcf9, length: 1 };
export const PCI_CONFIG_DATA: AddressRange = { base: 0xcfc, length: 4 };
/** I/O BARs lie here. SeaBIOS starts at 0xC000. */
export const PCI_IO_WINDOW: AddressRange = { base: 0x1000, length: 0xf000 };

// ---- Power management (PIIX4 function 3; ACPI 6.5 §4.8) ----

/** Where SeaBIOS sets PMBASE when it finds "etc/table-loader". 64 ports. */
export const POWER_MANAGEMENT: AddressRange = { base: 0x600, length: 0x40 };
/** Offsets into the block. */
export const PM1_EVENT_OFFSET = 0x00;
export const PM1_CONTROL_OFFSET = 0x04;
export const PM_TIMER_OFFSET = 0x08;
/** General purpose events exist as registers only; the FADT doesn't name them. */
export const GPE0_OFFSET = 0x0c;
/** Written to APM control they set and clear SCI_EN, as the firmware's SMI handler does on real boards. */
export const ACPI_ENABLE_COMMAND = 0xf1;
export const ACPI_DISABLE_COMMAND = 0xf0;
/** SLP_TYP of soft off (\_S5) in PM1 control. 1 is suspend to RAM, which the board doesn't offer. */
export const SLEEP_TYPE_SOFT_OFF = 0;
export const SMBUS: AddressRange = { base: 0x700, length: 0x10 };
/** Written to RESET_CONTROL: full reset. */
export const RESET_CONTROL_FULL_RESET = 0x06;

// ---- Interrupts ----

/** ISA IRQ numbers: pins of the two PICs, and the same pins of the I/O APIC but for the timer. */
export const IRQ_TIMER = 0;
export const IRQ_KEYBOARD = 1;
export const IRQ_CASCADE = 2;
export const IRQ_COM2 = 3;
export const IRQ_COM1 = 4;
export const IRQ_RTC = 8;
/** SCI, level-triggered, active high at the I/O APIC; the power management function's hard-wired line. */
export const IRQ_SCI = 9;
export const IRQ_MOUSE = 12;
export const IRQ_COPROCESSOR = 13;
export const IRQ_IDE_PRIMARY = 14;
export const IRQ_IDE_SECONDARY = 15;

/** I/O APIC pin of the timer (MADT interrupt source override); pin 0 takes the PIC's INTR. */
export const IOAPIC_PIN_TIMER = 2;
export const IOAPIC_PINS = 24;
export const IOAPIC_ID = 0;
export const IOAPIC_VERSION = 0x20;

/**
 * PIRQA# to PIRQD#: PIIX3 configuration registers 0x60 to 0x63 route them to ISA IRQs, level-triggered, to PIC and I/O
 * APIC alike. So the guest sees the same numbers in both modes. What SeaBIOS sets:
 */
export const PIRQ_DEFAULT_IRQS: readonly [number, number, number, number] = [10, 10, 11, 11];
export const PIRQ_ROUTE_REGISTERS = 0x60;
/** ISA IRQs that a PIRQ may be routed to; level-triggered, active high in the MADT. */
export const PIRQ_POSSIBLE_IRQS: readonly number[] = [5, 10, 11];
/** PIRQ (0 = A … 3 = D) of a slot's INTx pin (1 = INTA# … 4 = INTD#). */
export function pirqOfSlot(slot: number, pin: 1 | 2 | 3 | 4): 0 | 1 | 2 | 3 {
  return ((slot - 1 + pin - 1) & 3) as 0 | 1 | 2 | 3;
}

// ---- PCI bus 0 ----

/** Slot (device) and function numbers. A guest names its disks and network cards by them: never renumber. */
export const PCI_SLOTS = {
  hostBridge: { slot: 0, function: 0 },
  isaBridge: { slot: 1, function: 0 },
  ide: { slot: 1, function: 1 },
  powerManagement: { slot: 1, function: 3 },
  display: { slot: 2, function: 0 },
  network: { slot: 3, function: 0 },
  virtioConsole: { slot: 4, function: 0 },
  virtioEntropy: { slot: 5, function: 0 },
  virtioBalloon: { slot: 6, function: 0 },
  /** Only where something is attached to it. */
  ahci: { slot: 7, function: 0 },
} as const;
export const AHCI_PORT_COUNT = 6;
/** virtio disks take these slots in the order of the machine's configuration. */
export const PCI_VIRTIO_DISK_SLOTS: readonly number[] = [8, 9, 10, 11, 12, 13, 14, 15];
/** Network adapters take these in the order of the machine's configuration. */
export const PCI_NETWORK_SLOTS: readonly number[] = [PCI_SLOTS.network.slot, 16, 17, 18];
/** Cards that come later (sound, USB). */
export const PCI_SPARE_SLOTS: readonly number[] = [19, 20, 21, 22, 23];

export const PCI_IDS = {
  hostBridge: { vendorId: 0x8086, deviceId: 0x1237, revision: 0x02, classCode: 0x060000 },
  isaBridge: { vendorId: 0x8086, deviceId: 0x7000, revision: 0x00, classCode: 0x060100 },
  ide: { vendorId: 0x8086, deviceId: 0x7010, revision: 0x00, classCode: 0x010180 },
  powerManagement: { vendorId: 0x8086, deviceId: 0x7113, revision: 0x03, classCode: 0x068000 },
  display: { vendorId: 0x1234, deviceId: 0x1111, revision: 0x02, classCode: 0x030000 },
} as const;
/** Subsystem of every chip of the board: by it SeaBIOS and guests know that fw_cfg is there. */
export const PCI_SUBSYSTEM = { vendorId: 0x1af4, deviceId: 0x1100 } as const;

// ---- Clocks ----

/** 14.31818 MHz / 12. */
export const PIT_RATE: Rate = { numerator: 105_000_000, denominator: 88 };
/** 14.31818 MHz / 4, 24 bits. */
export const PM_TIMER_RATE: Rate = { numerator: 39_375_000, denominator: 11 };
export const RTC_RATE: Rate = { numerator: 32_768, denominator: 1 };
/** Before the divisor of 16 in the UART. */
export const UART_RATE: Rate = { numerator: 1_843_200, denominator: 1 };
/** Bus clock of the local APIC's timer before its divide configuration. */
export const LOCAL_APIC_TIMER_RATE: Rate = { numerator: 1_000_000_000, denominator: 1 };
/** One tick a nanosecond: guest time and the time-stamp counter are the same number. */
export const TSC_RATE: Rate = { numerator: 1_000_000_000, denominator: 1 };
/** DRAM refresh toggles bit 4 of port B at this half-period. */
export const REFRESH_TOGGLE_NANOS = 15_085;

// ---- CMOS RAM (QEMU's assignments, read by SeaBIOS) ----

export const CMOS = {
  /** 0 after a cold start; SeaBIOS clears it. */
  shutdownStatus: 0x0f,
  /** High nibble drive A, low nibble B; 0 = none. */
  floppyTypes: 0x10,
  equipment: 0x14,
  /** KiB below 640 KiB, 16 bits. */
  baseMemoryLow: 0x15,
  baseMemoryHigh: 0x16,
  /** The same as `extendedMemory`, where a setup program would note it. */
  measuredMemoryLow: 0x17,
  measuredMemoryHigh: 0x18,
  /** KiB from 1 MiB on, 16 bits, at most 65,535. */
  extendedMemoryLow: 0x30,
  extendedMemoryHigh: 0x31,
  century: 0x32,
  /** 64 KiB units from 16 MiB up to 4 GiB, 16 bits. */
  extendedMemory2Low: 0x34,
  extendedMemory2High: 0x35,
  /** Bit 0: don't check the floppy's signature; bits 7–4: third boot device. */
  bootFlag1: 0x38,
  /** Two bits of CHS translation per ATA drive, 0 = none, 1 = LBA. */
  diskTranslation: 0x39,
  /** First and second boot device, a nibble each: 1 floppy, 2 disk, 3 CD. "bootorder" wins over it. */
  bootFlag2: 0x3d,
  /** 64 KiB units above 4 GiB, 24 bits. */
  highMemoryLow: 0x5b,
  highMemoryMiddle: 0x5c,
  highMemoryHigh: 0x5d,
  /** CPUs minus 1. */
  cpuCount: 0x5f,
} as const;

/** CMOS bytes of a machine with this much RAM: {index: value}, for the RTC's power-on contents. */
export function cmosContents(ramBytes: number, cpuCount: number): ReadonlyMap<number, number> {
  const low = lowRamBytes(ramBytes);
  const high = ramBytes - low;
  const extendedKibibytes = Math.min(0xffff, Math.max(0, low - MEBIBYTE) / KIBIBYTE);
  const above16 = Math.max(0, low - 16 * MEBIBYTE) / (64 * KIBIBYTE);
  const above4 = high / (64 * KIBIBYTE);
  return new Map([
    [CMOS.baseMemoryLow, 640 & 0xff],
    [CMOS.baseMemoryHigh, 640 >> 8],
    [CMOS.measuredMemoryLow, extendedKibibytes & 0xff],
    [CMOS.measuredMemoryHigh, extendedKibibytes >> 8],
    [CMOS.extendedMemoryLow, extendedKibibytes & 0xff],
    [CMOS.extendedMemoryHigh, extendedKibibytes >> 8],
    [CMOS.extendedMemory2Low, above16 & 0xff],
    [CMOS.extendedMemory2High, above16 >> 8],
    [CMOS.highMemoryLow, above4 & 0xff],
    [CMOS.highMemoryMiddle, (above4 >> 8) & 0xff],
    [CMOS.highMemoryHigh, above4 >> 16],
    // Equipment: display adapter with its own ROM, coprocessor, PS/2 mouse; no floppy.
    [CMOS.equipment, 0x06],
    [CMOS.bootFlag2, 0x32],
    [CMOS.cpuCount, cpuCount - 1],
  ]);
}

/**
 * What SeaBIOS takes for granted and would otherwise wait for, for ever or to no use.
 * - SMM: `smm_setup` raises an SMI and spins until a handler answers, unless APMC_EN (bit 25) of DEVACTB (register 0x58
 *   of the power management function) is already set. The board has no SMM, so DEVACTB comes out of every reset with it.
 * - `smp_scan` waits until as many CPUs have answered the SIPI as fw_cfg item 5 and CMOS 0x5F + 1 say.
 * - Register A of the RTC must show UIP falling; status C must clear on read.
 * - PAM: 0xC0000 to 0xFFFFF must become RAM by 0x59 to 0x5F of the host bridge. Until then BIOS_LOW reads the ROM, and
 *   SeaBIOS copies itself from BIOS_HIGH. A reset brings PAM to 0, so that the reset vector reads ROM again.
 */
export const SEABIOS_EXPECTATIONS = {
  deviceActivityBRegister: 0x58,
  deviceActivityBReset: 0x0200_0000,
  pamRegisters: 0x59,
  pamRegisterCount: 7,
} as const;
