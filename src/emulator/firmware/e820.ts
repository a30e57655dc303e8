/**
 * The memory map that the firmware starts from (fw_cfg file "etc/e820"): where RAM is. The firmware takes its own
 * areas out of it and answers INT 15h AX=E820h with the rest (ACPI 6.5 §15.1).
 */
import { lowRamBytes, RAM_HIGH_BASE } from '../machine/pc-layout.ts';
import { ByteWriter } from './byte-writer.ts';

export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface E820Entry {
  readonly address: number;
  readonly length: number;
  readonly kind: typeof E820_RAM | typeof E820_RESERVED;
}

/** `ramBytes`: a multiple of 4 KiB. */
export function e820Entries(ramBytes: number): readonly E820Entry[] {
  const low = lowRamBytes(ramBytes);
  const entries: E820Entry[] = [{ address: 0, length: low, kind: E820_RAM }];
  if (ramBytes > low) entries.push({ address: RAM_HIGH_BASE, length: ramBytes - low, kind: E820_RAM });
  return entries;
}

/** struct { le64 address, le64 length, le32 kind } without padding. */
export function e820File(entries: readonly E820Entry[]): Uint8Array {
  const writer = new ByteWriter();
  for (const entry of entries) writer.u64(entry.address).u64(entry.length).u32(entry.kind);
  return writer.bytes();
}
