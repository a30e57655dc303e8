/**
 * A port's command list in guest memory (Serial ATA AHCI 1.3.1, chapter 4): headers, command tables and the regions that
 * a command's data lies in. All of it comes from the guest.
 */
import type { DmaWindow } from './bus-master.ts';
import type { GuestMemory, MemorySegment } from '../../interfaces/guest-memory.ts';

export const COMMAND_SLOTS = 32;
const HEADER_BYTES = 32;
const HEADER_PACKET = 1 << 5;
const HEADER_COUNT_OFFSET = 4;
const HEADER_TABLE_OFFSET = 8;
const TABLE_ALIGNMENT = 128;
const FIS_MAXIMUM_BYTES = 64;
const PACKET_OFFSET = 0x40;
const PACKET_BYTES = 16;
const REGIONS_OFFSET = 0x80;
const REGION_BYTES = 16;
const REGION_LENGTH_MASK = 0x3f_ffff;
/** Upper halves of addresses beyond any CPU's physical width are dropped, so that all fit a number. */
const UPPER_MASK = 0xf_ffff;

export interface CommandHeader {
  /** Of the header itself. */
  readonly at: number;
  readonly isPacket: boolean;
  readonly regionCount: number;
  readonly table: number;
}

/** A piece of guest memory, by physical address. */
interface Region {
  readonly address: number;
  readonly length: number;
}

export function readHeader(memory: GuestMemory, list: number, slot: number): CommandHeader {
  const at = list + slot * HEADER_BYTES;
  const flags = memory.read32(at);
  return {
    at,
    isPacket: (flags & HEADER_PACKET) !== 0,
    regionCount: flags >>> 16,
    table: wideAddress(memory, at + HEADER_TABLE_OFFSET, TABLE_ALIGNMENT),
  };
}

/** PRDBC: how much of the command's data has been moved. */
export function writeByteCount(memory: GuestMemory, header: CommandHeader, bytes: number): void {
  memory.write32(header.at + HEADER_COUNT_OFFSET, bytes);
}

export function readCommandFis(memory: GuestMemory, header: CommandHeader): Uint8Array {
  const fis = new Uint8Array(FIS_MAXIMUM_BYTES);
  memory.readBlock(header.table, fis);
  return fis;
}

export function readPacket(memory: GuestMemory, header: CommandHeader): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  memory.readBlock(header.table + PACKET_OFFSET, packet);
  return packet;
}

/** The regions of a command's data from byte `from` on, as many as `length` bytes take; fewer where less is described. */
function regionsOf(memory: GuestMemory, { table, regionCount }: CommandHeader, from: number, length: number): { readonly regions: Region[]; readonly isLonger: boolean } {
  const regions: Region[] = [];
  let skip = from;
  let left = length;
  for (let index = 0; index < regionCount; index++) {
    if (left === 0) return { regions, isLonger: true };
    const at = table + REGIONS_OFFSET + index * REGION_BYTES;
    const bytes = (memory.read32(at + 12) & REGION_LENGTH_MASK) + 1;
    const skipped = Math.min(skip, bytes);
    skip -= skipped;
    const part = Math.min(bytes - skipped, left);
    if (part === 0) continue;
    regions.push({ address: wideAddress(memory, at, 2) + skipped, length: part });
    left -= part;
    if (skipped + part < bytes) return { regions, isLonger: true };
  }
  return { regions, isLonger: false };
}

/** Makes `length` bytes of a command's data ready; `undefined` where less is described, or not all of it is RAM. */
export function openRegions(memory: GuestMemory, header: CommandHeader, from: number, length: number, direction: 'to-memory' | 'from-memory'): DmaWindow | undefined {
  const access = direction === 'to-memory' ? 'write' : 'read';
  const { regions, isLonger } = regionsOf(memory, header, from, length);
  const pins: (readonly MemorySegment[])[] = [];
  const segments: MemorySegment[] = [];
  const window: DmaWindow = { segments, pins, access, tableIsLonger: isLonger };
  let left = length;
  for (const region of regions) {
    const pinned = memory.pin(region.address, region.length, access);
    if (pinned === undefined) break;
    pins.push(pinned);
    for (const segment of pinned) segments.push(segment);
    left -= region.length;
  }
  if (left === 0) return window;
  releaseRegions(memory, window);
  return undefined;
}

export function releaseRegions(memory: GuestMemory, window: DmaWindow): void {
  for (const pinned of window.pins) memory.unpin(pinned, window.access);
}

/** Moves bytes to a command's data, from byte `from` of it on. Returns how many found room. */
export function writeRegions(memory: GuestMemory, header: CommandHeader, from: number, data: Uint8Array): number {
  let done = 0;
  for (const { address, length } of regionsOf(memory, header, from, data.length).regions) {
    memory.writeBlock(address, data.subarray(done, done + length));
    done += length;
  }
  return done;
}

/** Takes bytes of a command's data, from byte `from` on. Returns how many were described. */
export function readRegions(memory: GuestMemory, header: CommandHeader, from: number, target: Uint8Array): number {
  let done = 0;
  for (const { address, length } of regionsOf(memory, header, from, target.length).regions) {
    memory.readBlock(address, target.subarray(done, done + length));
    done += length;
  }
  return done;
}

function wideAddress(memory: GuestMemory, at: number, alignment: number): number {
  const low = memory.read32(at);
  return low - (low % alignment) + (memory.read32(at + 4) & UPPER_MASK) * 2 ** 32;
}
