/**
 * Bus master of one IDE channel ("Programming Interface for Bus Master IDE Controller", revision 1.0; Intel 290550,
 * section 2.3): three registers and a table of physical regions.
 */
import type { GuestMemory, MemorySegment } from '../../interfaces/guest-memory.ts';

export const BUS_MASTER_LENGTH = 8;
/** BMIC. */
const COMMAND = 0;
const COMMAND_START = 0x01;
/** Set: the device's data goes to memory. */
const COMMAND_TO_MEMORY = 0x08;
/** BMIS. */
const STATUS = 2;
const STATUS_ACTIVE = 0x01;
const STATUS_ERROR = 0x02;
const STATUS_INTERRUPT = 0x04;
const STATUS_DRIVES_CAPABLE = 0x60;
/** BMIDTP. */
const TABLE_FIRST = 4;

const ENTRY_BYTES = 8;
const ENTRY_LAST = 0x8000_0000;
const ENTRY_MAXIMUM_BYTES = 0x10000;
/** The table lies within 64 KiB. */
const TABLE_MAXIMUM_ENTRIES = 0x10000 / ENTRY_BYTES;

export interface BusMasterState {
  command: number;
  status: number;
  table: number;
}

/** What moves a drive's DMA data: the bus master of an IDE channel, or the controller of a serial port. */
export interface DmaEngine {
  /** The guest lets it move data; a controller that starts it by itself says no. */
  readonly isStarted: boolean;
  /** Guest memory for the next `length` bytes of the command. `undefined` where the guest described less, or what isn't there. */
  open(length: number, direction: 'to-memory' | 'from-memory'): DmaWindow | undefined;
  release(window: DmaWindow): void;
  /** The device has ended its transfer. */
  finished(window: DmaWindow): void;
}

/** Guest memory made ready for one transfer. */
export interface DmaWindow {
  readonly segments: readonly MemorySegment[];
  readonly pins: readonly (readonly MemorySegment[])[];
  readonly access: 'read' | 'write';
  /** The table describes more memory than the transfer fills. */
  readonly tableIsLonger: boolean;
}

export function idleBusMaster(): BusMasterState {
  return { command: 0, status: 0, table: 0 };
}

export class BusMaster implements DmaEngine {
  state = idleBusMaster();
  readonly #memory: GuestMemory;
  readonly #started: () => void;

  /** `started` is called when the guest sets the start bit. */
  constructor(memory: GuestMemory, started: () => void) {
    this.#memory = memory;
    this.#started = started;
  }

  get isStarted(): boolean {
    return (this.state.command & COMMAND_START) !== 0;
  }

  /** The direction the guest chose, to be compared with the device's. */
  get goesToMemory(): boolean {
    return (this.state.command & COMMAND_TO_MEMORY) !== 0;
  }

  read(offset: number): number {
    if (offset === COMMAND) return this.state.command;
    if (offset === STATUS) return this.state.status;
    return offset >= TABLE_FIRST ? (this.state.table >>> (8 * (offset - TABLE_FIRST))) & 0xff : 0;
  }

  write(offset: number, value: number): void {
    const state = this.state;
    if (offset === COMMAND) {
      const starts = (value & COMMAND_START) !== 0 && !this.isStarted;
      state.command = value & (COMMAND_START | COMMAND_TO_MEMORY);
      if (starts) {
        state.status |= STATUS_ACTIVE;
        this.#started();
      } else if (!this.isStarted) {
        state.status &= ~STATUS_ACTIVE;
      }
    } else if (offset === STATUS) {
      const kept = state.status & (STATUS_ACTIVE | ((STATUS_ERROR | STATUS_INTERRUPT) & ~value));
      state.status = kept | (value & STATUS_DRIVES_CAPABLE);
    } else if (offset >= TABLE_FIRST) {
      const shift = 8 * (offset - TABLE_FIRST);
      state.table = ((state.table & ~(0xff << shift)) | (value << shift)) >>> 0;
      state.table = (state.table & ~3) >>> 0;
    }
  }

  interruptRaised(): void {
    this.state.status |= STATUS_INTERRUPT;
  }

  /**
   * Follows the table for the first `length` bytes. `undefined` when it describes less than that or memory that isn't
   * there; the error bit is set then.
   */
  open(length: number, direction: 'to-memory' | 'from-memory'): DmaWindow | undefined {
    const access = direction === 'to-memory' ? 'write' : 'read';
    const pins: (readonly MemorySegment[])[] = [];
    const segments: MemorySegment[] = [];
    let left = length;
    let ended = false;
    let tableIsLonger = false;
    for (let entry = 0; entry < TABLE_MAXIMUM_ENTRIES && !ended && left > 0; entry++) {
      const at = this.state.table + entry * ENTRY_BYTES;
      const address = (this.#memory.read32(at) & ~1) >>> 0;
      const control = this.#memory.read32(at + 4);
      const bytes = (control & 0xfffe) === 0 ? ENTRY_MAXIMUM_BYTES : control & 0xfffe;
      ended = (control & ENTRY_LAST) !== 0;
      const part = Math.min(bytes, left);
      const pinned = this.#memory.pin(address, part, access);
      if (pinned === undefined) break;
      pins.push(pinned);
      for (const segment of pinned) segments.push(segment);
      left -= part;
      tableIsLonger = !ended || part < bytes;
    }
    const window: DmaWindow = { segments, pins, access, tableIsLonger };
    if (left === 0) return window;
    this.release(window);
    this.state.status = (this.state.status | STATUS_ERROR) & ~STATUS_ACTIVE;
    return undefined;
  }

  release(window: DmaWindow): void {
    for (const pinned of window.pins) this.#memory.unpin(pinned, window.access);
  }

  /** The master stays active where the table describes more. */
  finished(window: DmaWindow): void {
    if (!window.tableIsLonger) this.state.status &= ~STATUS_ACTIVE;
  }
}
