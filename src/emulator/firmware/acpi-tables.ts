/**
 * The board's ACPI tables (ACPI 6.5 chapter 5), as one blob with the script that places and links it. Revisions are
 * ACPI 2.0's, with RSDT beside XSDT, so that systems from Windows 2000 on read them. No HPET, no GPE block, no S1–S4.
 */
import {
  ACPI_DISABLE_COMMAND, ACPI_ENABLE_COMMAND, APM, CMOS, IOAPIC_ID, IOAPIC_PIN_TIMER, IOAPIC_REGISTERS, IRQ_SCI, IRQ_TIMER,
  LOCAL_APIC_REGISTERS, PIRQ_POSSIBLE_IRQS, PM1_CONTROL_OFFSET, PM1_EVENT_OFFSET, PM_TIMER_OFFSET, POWER_MANAGEMENT, RESET_CONTROL,
  RESET_CONTROL_FULL_RESET,
} from '../machine/pc-layout.ts';
import type { BoardDescription } from './board-description.ts';
import { ByteWriter } from './byte-writer.ts';
import { dsdtTerms } from './dsdt.ts';
import { TableLoaderScript } from './table-loader.ts';

export const ACPI_TABLES_FILE = 'etc/acpi/tables';
export const ACPI_RSDP_FILE = 'etc/acpi/rsdp';
export const TABLE_LOADER_FILE = 'etc/table-loader';

const OEM_ID = 'GUESTH';
const OEM_TABLE_ID = 'GUESTHSE';
const CREATOR_ID = 'GSTH';
const HEADER_BYTES = 36;
const HEADER_CHECKSUM_OFFSET = 9;
const FACS_BYTES = 64;
const FADT_BYTES = 244;

/** FADT flags (§5.2.9). */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
/** No fixed sleep button; the power button is a fixed one (PWR_BUTTON clear). */
const SLP_BUTTON = 1 << 5;
const RESET_REG_SUP = 1 << 10;
const IAPC_LEGACY_DEVICES = 1 << 0;
const IAPC_8042 = 1 << 1;
/** Latencies that tell of C2 and C3 being absent. */
const P_LVL2_LAT_ABSENT = 0xfff;
const P_LVL3_LAT_ABSENT = 0xfff;
const ADDRESS_SPACE_IO = 1;

const MADT_PCAT_COMPAT = 1;
const MADT_LOCAL_APIC = 0;
const MADT_IO_APIC = 1;
const MADT_SOURCE_OVERRIDE = 2;
const MADT_LOCAL_APIC_NMI = 4;
const MADT_ALL_PROCESSORS = 0xff;
const MPS_CONFORMS = 0;
const MPS_ACTIVE_HIGH_LEVEL = 0x0d;
const NMI_LINT = 1;

/** Reads of the PM timer need not be repeated (Windows ACPI Emulated Devices Table). */
const WAET_PM_TIMER_GOOD = 1 << 1;

export interface AcpiFiles {
  readonly tables: Uint8Array;
  readonly rsdp: Uint8Array;
  readonly loader: Uint8Array;
}

/** The three fw_cfg files; `names` are theirs, for firmware that looks elsewhere. */
export function acpiFiles(board: BoardDescription, names: { tables: string; rsdp: string } = { tables: ACPI_TABLES_FILE, rsdp: ACPI_RSDP_FILE }): AcpiFiles {
  const script = new TableLoaderScript().allocate(names.tables, FACS_BYTES, 'high').allocate(names.rsdp, 16, 'f-segment');
  const blob = new ByteWriter();
  const checksum = (offset: number): void => {
    script.addChecksum(names.tables, offset + HEADER_CHECKSUM_OFFSET, offset, blob.length - offset);
  };
  const pointer = (offset: number, size: 4 | 8): void => {
    script.addPointer(names.tables, offset, size, names.tables);
  };

  const facs = append(blob, facsBytes(), FACS_BYTES);
  const dsdt = append(blob, table('DSDT', 1, Uint8Array.from(dsdtTerms(board))), 16);
  checksum(dsdt);
  const fadt = append(blob, fadtBytes(facs, dsdt), 16);
  pointer(fadt + 36, 4);
  pointer(fadt + 40, 4);
  pointer(fadt + 140, 8);
  checksum(fadt);
  const madt = append(blob, madtBytes(board), 16);
  checksum(madt);
  const waet = append(blob, table('WAET', 1, new ByteWriter().u32(WAET_PM_TIMER_GOOD).bytes()), 16);
  checksum(waet);

  const described = [fadt, madt, waet];
  const rsdt = append(blob, table('RSDT', 1, pointers(described, 4)), 16);
  described.forEach((_, index) => pointer(rsdt + HEADER_BYTES + 4 * index, 4));
  checksum(rsdt);
  const xsdt = append(blob, table('XSDT', 1, pointers(described, 8)), 16);
  described.forEach((_, index) => pointer(xsdt + HEADER_BYTES + 8 * index, 8));
  checksum(xsdt);

  const rsdp = new ByteWriter().ascii('RSD PTR ').u8(0).ascii(OEM_ID).u8(2).u32(rsdt).u32(36).u64(xsdt).u8(0).zeros(3).bytes();
  script.addPointer(names.rsdp, 16, 4, names.tables).addPointer(names.rsdp, 24, 8, names.tables)
    .addChecksum(names.rsdp, 8, 0, 20).addChecksum(names.rsdp, 32, 0, 36);
  return { tables: blob.bytes(), rsdp, loader: script.bytes() };
}

/** Returns the offset of the appended bytes. */
function append(blob: ByteWriter, bytes: Uint8Array, alignment: number): number {
  const offset = blob.alignTo(alignment).length;
  blob.raw(bytes);
  return offset;
}

/** DESCRIPTION_HEADER (§5.2.6) and body; the firmware fills in the checksum. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  return new ByteWriter().ascii(signature).u32(HEADER_BYTES + body.length).u8(revision).u8(0)
    .ascii(OEM_ID).ascii(OEM_TABLE_ID).u32(1).ascii(CREATOR_ID).u32(1).raw(body).bytes();
}

function pointers(offsets: readonly number[], size: 4 | 8): Uint8Array {
  const writer = new ByteWriter();
  for (const offset of offsets) {
    if (size === 4) writer.u32(offset);
    else writer.u64(offset);
  }
  return writer.bytes();
}

function facsBytes(): Uint8Array {
  return new ByteWriter().ascii('FACS').u32(FACS_BYTES).zeros(24).u8(1).zeros(FACS_BYTES - 33).bytes();
}

function fadtBytes(facs: number, dsdt: number): Uint8Array {
  const eventBlock = POWER_MANAGEMENT.base + PM1_EVENT_OFFSET;
  const controlBlock = POWER_MANAGEMENT.base + PM1_CONTROL_OFFSET;
  const timerBlock = POWER_MANAGEMENT.base + PM_TIMER_OFFSET;
  const body = new ByteWriter();
  body.u32(facs).u32(dsdt);
  // INT_MODEL and the preferred profile: desktop.
  body.u8(1).u8(1);
  body.u16(IRQ_SCI).u32(APM.base).u8(ACPI_ENABLE_COMMAND).u8(ACPI_DISABLE_COMMAND).u8(0).u8(0);
  body.u32(eventBlock).u32(0).u32(controlBlock).u32(0).u32(0).u32(timerBlock).u32(0).u32(0);
  // Lengths of PM1_EVT, PM1_CNT, PM2_CNT, PM_TMR, GPE0, GPE1; GPE1_BASE, CST_CNT.
  body.u8(4).u8(2).u8(0).u8(4).u8(0).u8(0).u8(0).u8(0);
  body.u16(P_LVL2_LAT_ABSENT).u16(P_LVL3_LAT_ABSENT);
  // FLUSH_SIZE, FLUSH_STRIDE, DUTY_OFFSET, DUTY_WIDTH, DAY_ALRM, MON_ALRM.
  body.u16(0).u16(0).u8(0).u8(0).u8(0).u8(0);
  body.u8(CMOS.century).u16(IAPC_LEGACY_DEVICES | IAPC_8042).u8(0);
  body.u32(WBINVD | PROC_C1 | SLP_BUTTON | RESET_REG_SUP);
  genericAddress(body, RESET_CONTROL.base, 1);
  body.u8(RESET_CONTROL_FULL_RESET).zeros(3);
  // X_FIRMWARE_CTRL stays 0: the 32-bit field holds it, and only one may.
  body.u64(0).u64(dsdt);
  genericAddress(body, eventBlock, 4);
  genericAddress(body, 0, 0);
  genericAddress(body, controlBlock, 2);
  genericAddress(body, 0, 0);
  genericAddress(body, 0, 0);
  genericAddress(body, timerBlock, 4);
  genericAddress(body, 0, 0);
  genericAddress(body, 0, 0);
  const bytes = table('FACP', 3, body.bytes());
  if (bytes.length !== FADT_BYTES) throw new Error(`the FADT has ${bytes.length} bytes instead of ${FADT_BYTES}`);
  return bytes;
}

/** Generic Address Structure (§5.2.3.2) of I/O ports; all zeros for a block that isn't there. */
function genericAddress(writer: ByteWriter, base: number, bytes: number): void {
  if (bytes === 0) writer.zeros(12);
  else writer.u8(ADDRESS_SPACE_IO).u8(bytes * 8).u8(0).u8(bytes === 4 ? 3 : bytes).u64(base);
}

function madtBytes(board: BoardDescription): Uint8Array {
  const body = new ByteWriter().u32(LOCAL_APIC_REGISTERS.base).u32(MADT_PCAT_COMPAT);
  for (let id = 0; id < board.cpuCount; id++) body.u8(MADT_LOCAL_APIC).u8(8).u8(id).u8(id).u32(1);
  body.u8(MADT_IO_APIC).u8(12).u8(IOAPIC_ID).u8(0).u32(IOAPIC_REGISTERS.base).u32(0);
  const sourceOverride = (irq: number, pin: number, flags: number): void => {
    body.u8(MADT_SOURCE_OVERRIDE).u8(10).u8(0).u8(irq).u32(pin).u16(flags);
  };
  sourceOverride(IRQ_TIMER, IOAPIC_PIN_TIMER, MPS_CONFORMS);
  for (const irq of [...PIRQ_POSSIBLE_IRQS, IRQ_SCI].sort((a, b) => a - b)) sourceOverride(irq, irq, MPS_ACTIVE_HIGH_LEVEL);
  body.u8(MADT_LOCAL_APIC_NMI).u8(6).u8(MADT_ALL_PROCESSORS).u16(MPS_CONFORMS).u8(NMI_LINT);
  return table('APIC', 1, body.bytes());
}
