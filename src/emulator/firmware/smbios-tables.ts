/**
 * SMBIOS 2.8 (DMTF DSP0134 2.8): the inventory that a guest's tools show. The firmware places the structures and
 * completes the entry point (fw_cfg files "etc/smbios/smbios-tables" and "etc/smbios/smbios-anchor").
 */
import { lowRamBytes, RAM_HIGH_BASE } from '../machine/pc-layout.ts';
import type { BoardDescription } from './board-description.ts';
import { ByteWriter, checksumOf } from './byte-writer.ts';

export const SMBIOS_TABLES_FILE = 'etc/smbios/smbios-tables';
export const SMBIOS_ANCHOR_FILE = 'etc/smbios/smbios-anchor';

const VENDOR = 'Guesthouse';
const PRODUCT = 'Guesthouse PC (i440FX + PIIX)';
const FIRMWARE_VENDOR = 'SeaBIOS';
const FIRMWARE_VERSION = 'Guesthouse';
const FIRMWARE_DATE = '11/23/2026';
const ENTRY_POINT_BYTES = 31;
const INTERMEDIATE_OFFSET = 16;
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const NO_HANDLE = 0xfffe;
const UNKNOWN = 2;

/** Handles as QEMU numbers them, type in the upper byte. */
const HANDLE_FIRMWARE = 0x0000;
const HANDLE_SYSTEM = 0x0100;
const HANDLE_CHASSIS = 0x0300;
const HANDLE_PROCESSOR = 0x0400;
const HANDLE_MEMORY_ARRAY = 0x1000;
const HANDLE_MEMORY_DEVICE = 0x1100;
const HANDLE_MAPPED_ARRAY = 0x1300;
const HANDLE_BOOT = 0x2000;
const HANDLE_END = 0x7f00;

/** DSP0134 §7.1.1: PCI, boot from CD, selectable boot; ACPI; targeted content distribution, virtual machine. */
const FIRMWARE_CHARACTERISTICS = (1 << 7) | (1 << 15) | (1 << 16);
const FIRMWARE_EXTENSION_1 = 0x01;
const FIRMWARE_EXTENSION_2 = 0x10 | 0x04;

export interface SmbiosFiles {
  readonly tables: Uint8Array;
  /** The entry point, with 0 for the address and both checksums. */
  readonly anchor: Uint8Array;
}

/** Collects structures: numbers their strings and remembers the longest. */
class StructureTable {
  readonly writer = new ByteWriter();
  count = 0;
  longest = 0;

  /** `fill` writes the formatted area after the header and passes each string to `string`, which returns its number. */
  add(type: number, handle: number, fill: (area: ByteWriter, string: (text: string) => number) => void): void {
    const strings: string[] = [];
    const area = new ByteWriter();
    fill(area, (text) => (text === '' ? 0 : strings.push(printable(text))));
    const start = this.writer.length;
    this.writer.u8(type).u8(4 + area.length).u16(handle).raw(area.bytes());
    for (const text of strings) this.writer.ascii(text).u8(0);
    this.writer.zeros(strings.length === 0 ? 2 : 1);
    this.count++;
    this.longest = Math.max(this.longest, this.writer.length - start);
  }
}

/** DSP0134 §6.1.3: strings are ASCII; at most 64 characters for old readers. */
function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 64);
}

/** `board.uuid` comes out as the guest's machine UUID. */
export function smbiosFiles(board: BoardDescription): SmbiosFiles {
  const table = new StructureTable();
  addFirmware(table);
  addSystem(table, board);
  addChassis(table);
  for (let id = 0; id < board.cpuCount; id++) addProcessor(table, id);
  addMemory(table, board);
  table.add(32, HANDLE_BOOT, (area) => area.zeros(6).u8(0));
  table.add(127, HANDLE_END, () => undefined);
  return { tables: table.writer.bytes(), anchor: entryPoint(table) };
}

function addFirmware(table: StructureTable): void {
  table.add(0, HANDLE_FIRMWARE, (area, string) => {
    area.u8(string(FIRMWARE_VENDOR)).u8(string(FIRMWARE_VERSION)).u16(0xe800).u8(string(FIRMWARE_DATE));
    // ROM size in 64 KiB minus 1; no embedded controller.
    area.u8(3).u64(FIRMWARE_CHARACTERISTICS).u8(FIRMWARE_EXTENSION_1).u8(FIRMWARE_EXTENSION_2).u8(0).u8(0).u8(0xff).u8(0xff);
  });
}

function addSystem(table: StructureTable, board: BoardDescription): void {
  table.add(1, HANDLE_SYSTEM, (area, string) => {
    area.u8(string(VENDOR)).u8(string(PRODUCT)).u8(0).u8(0).raw(uuidField(board.uuid));
    // Wake-up by the power switch; the family names the machine.
    area.u8(6).u8(0).u8(string(board.machineName));
  });
}

/** §7.2.1: the first three fields are little-endian. */
function uuidField(uuid: Uint8Array): number[] {
  return [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((index) => uuid[index] ?? 0);
}

function addChassis(table: StructureTable): void {
  table.add(3, HANDLE_CHASSIS, (area, string) => {
    // Type "other"; states "safe"; no security, OEM data, height, cords or contained elements.
    area.u8(string(VENDOR)).u8(1).zeros(3).u8(3).u8(3).u8(3).u8(UNKNOWN).u32(0).u8(0).u8(0).u8(0).u8(0).u8(0);
  });
}

function addProcessor(table: StructureTable, id: number): void {
  table.add(4, HANDLE_PROCESSOR + id, (area, string) => {
    area.u8(string(`CPU ${id}`)).u8(3).u8(1).u8(string(VENDOR)).u64(0).u8(0);
    // Voltage, clocks (unknown), populated and enabled, other socket, no caches described.
    area.u8(0).u16(0).u16(0).u16(0).u8(0x41).u8(1).u16(0xffff).u16(0xffff).u16(0xffff);
    // Serial, asset, part; one core, one thread; unknown characteristics; family again in 16 bits.
    area.u8(0).u8(0).u8(0).u8(1).u8(1).u8(1).u16(UNKNOWN).u16(1);
  });
}

function addMemory(table: StructureTable, board: BoardDescription): void {
  table.add(16, HANDLE_MEMORY_ARRAY, (area) => {
    // Other location, system memory, multi-bit ECC as every virtual machine claims, capacity in KiB, one device.
    area.u8(1).u8(3).u8(6).u32(board.ramBytes / KIBIBYTE).u16(NO_HANDLE).u16(1).u64(0);
  });
  table.add(17, HANDLE_MEMORY_DEVICE, (area, string) => {
    const mebibytes = Math.ceil(board.ramBytes / MEBIBYTE);
    area.u16(HANDLE_MEMORY_ARRAY).u16(NO_HANDLE).u16(0xffff).u16(0xffff).u16(Math.min(mebibytes, 0x7fff)).u8(9).u8(0);
    // RAM, other detail; speeds, serial, asset, part unknown; size in MiB where 15 bits don't hold it; voltages.
    area.u8(string('DIMM 0')).u8(0).u8(7).u16(2).u16(0).u8(string(VENDOR)).zeros(3).u8(0);
    area.u32(mebibytes < 0x7fff ? 0 : mebibytes).u16(0).u16(0).u16(0).u16(0);
  });
  const low = lowRamBytes(board.ramBytes);
  const mapped = [{ address: 0, length: low }];
  if (board.ramBytes > low) mapped.push({ address: RAM_HIGH_BASE, length: board.ramBytes - low });
  for (const [index, { address, length }] of mapped.entries()) {
    table.add(19, HANDLE_MAPPED_ARRAY + index, (area) => {
      // Addresses in KiB, the last one included.
      area.u32(address / KIBIBYTE).u32((address + length) / KIBIBYTE - 1).u16(HANDLE_MEMORY_ARRAY).u8(1).u64(0).u64(0);
    });
  }
}

function entryPoint(table: StructureTable): Uint8Array {
  return new ByteWriter().ascii('_SM_').u8(0).u8(ENTRY_POINT_BYTES).u8(2).u8(8).u16(table.longest).u8(0).zeros(5)
    .ascii('_DMI_').u8(0).u16(table.writer.length).u32(0).u16(table.count).u8(0x28).bytes();
}

/** What the firmware does to the anchor: the structures' address and both checksums. For tests and direct placement. */
export function completeSmbiosAnchor(anchor: Uint8Array, tablesAddress: number): Uint8Array {
  const completed = Uint8Array.from(anchor);
  new DataView(completed.buffer).setUint32(24, tablesAddress, true);
  completed[INTERMEDIATE_OFFSET + 5] = checksumOf(completed.subarray(INTERMEDIATE_OFFSET));
  completed[4] = checksumOf(completed.subarray(0, INTERMEDIATE_OFFSET));
  return completed;
}
