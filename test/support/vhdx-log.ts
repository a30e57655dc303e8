/** Logs of VHDX files as a writer leaves them that was cut off. */
import { ByteFields } from '../../src/emulator/storage/byte-fields.ts';
import { crc32c } from '../../src/emulator/storage/vhdx/vhdx-structures.ts';

const SECTOR = 4096;
const LOG_POSITION = 1 << 20;
const HEADER_POSITIONS = [65536, 131072];
export const LOG_GUID = Uint8Array.from({ length: 16 }, (_, index) => 0xa0 + index);

export interface LogChange {
  readonly position: number;
  /** A sector's bytes, or how many become zeros. */
  readonly to: Uint8Array | number;
}

export interface LogEntryRecipe {
  /** Where in the log it begins, and where the oldest one begins that is to be replayed with it. */
  readonly at: number;
  readonly tail: number;
  readonly sequence: number;
  readonly changes: readonly LogChange[];
  readonly fileBytes: number;
  readonly guid?: Uint8Array;
  /** Done to the entry before its checksum is made. */
  readonly harm?: (entry: Uint8Array) => void;
}

function logEntry({ tail, sequence, changes, fileBytes, guid = LOG_GUID, harm }: LogEntryRecipe): Uint8Array {
  const descriptorBytes = Math.ceil((64 + changes.length * 32) / SECTOR) * SECTOR;
  const sectors = changes.filter(({ to }) => typeof to !== 'number').length;
  const fields = new ByteFields(new Uint8Array(descriptorBytes + sectors * SECTOR), 'little-endian');
  fields.setText(0, 'loge');
  fields.setU32(8, fields.bytes.length);
  fields.setU32(12, tail);
  fields.setU64(16, sequence);
  fields.setU32(24, changes.length);
  fields.bytes.set(guid, 32);
  fields.setU64(48, fileBytes);
  fields.setU64(56, fileBytes);
  let dataAt = descriptorBytes;
  for (const [index, { position, to }] of changes.entries()) {
    const at = 64 + index * 32;
    fields.setU64(at + 16, position);
    fields.setU64(at + 24, sequence);
    if (typeof to === 'number') {
      fields.setText(at, 'zero');
      fields.setU64(at + 8, to);
      continue;
    }
    fields.setText(at, 'desc');
    fields.bytes.set(to.subarray(4092), at + 4);
    fields.bytes.set(to.subarray(0, 8), at + 8);
    fields.bytes.set(to, dataAt);
    fields.setText(dataAt, 'data');
    fields.setU32(dataAt + 4, Math.floor(sequence / 2 ** 32));
    fields.setU32(dataAt + 4092, sequence % 2 ** 32);
    dataAt += SECTOR;
  }
  harm?.(fields.bytes);
  fields.setU32(4, 0);
  fields.setU32(4, crc32c(fields.bytes));
  return fields.bytes;
}

/** Into an image that was closed: its log, and headers that say so. */
export function leaveLog(image: Uint8Array, entries: readonly LogEntryRecipe[]): void {
  const fields = new ByteFields(image, 'little-endian');
  for (const at of HEADER_POSITIONS) {
    const header = new ByteFields(image.subarray(at, at + SECTOR), 'little-endian');
    header.bytes.set(LOG_GUID, 48);
    header.setU32(4, 0);
    header.setU32(4, crc32c(header.bytes));
  }
  const logBytes = fields.u32(HEADER_POSITIONS[0]! + 68);
  for (const entry of entries) {
    for (const [index, byte] of logEntry(entry).entries()) image[LOG_POSITION + ((entry.at + index) % logBytes)] = byte;
  }
}
