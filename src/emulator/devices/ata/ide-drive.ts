/**
 * What a disk and a CD drive on an IDE channel have in common: the command block registers and the data port
 * (ATA/ATAPI-7 volume 1, T13/1532D, chapters 5 to 7).
 */
import type { AccessWidth } from '../../interfaces/bus.ts';
import type { ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory, MemorySegment } from '../../interfaces/guest-memory.ts';
import type { DmaEngine } from './bus-master.ts';

/** Status register. */
export const STATUS_ERR = 0x01;
export const STATUS_DRQ = 0x08;
export const STATUS_DSC = 0x10;
export const STATUS_DF = 0x20;
export const STATUS_DRDY = 0x40;
export const STATUS_BSY = 0x80;
/** Error register. */
export const ERROR_ABRT = 0x04;
export const ERROR_IDNF = 0x10;
export const ERROR_UNC = 0x40;
/** Error register after a reset: device 0 passed, device 1 passed or absent. */
export const DIAGNOSTIC_PASSED = 0x01;
/** Device register. */
export const DEVICE_DEV = 0x10;
export const DEVICE_LBA = 0x40;
const DEVICE_ALWAYS_ONE = 0xa0;

/** Command block registers by offset. */
export const REGISTER_ERROR = 1;
const REGISTER_COUNT = 2;
const REGISTER_LBA_LOW = 3;
const REGISTER_LBA_MID = 4;
const REGISTER_LBA_HIGH = 5;
const REGISTER_DEVICE = 6;

export const STAGING_BYTES = 65536;

/** Registers as written or answered; `previous…` hold what LBA48 commands wrote before. */
export interface TaskFile {
  feature: number;
  count: number;
  lbaLow: number;
  lbaMid: number;
  lbaHigh: number;
  device: number;
  previousFeature: number;
  previousCount: number;
  previousLbaLow: number;
  previousLbaMid: number;
  previousLbaHigh: number;
}

/** `wait-dma`: the device has a DMA transfer ready and waits for the bus master to be started. */
export type Phase = 'idle' | 'busy' | 'data-in' | 'data-out' | 'wait-dma';

interface DriveState {
  taskFile: TaskFile;
  status: number;
  error: number;
  phase: Phase;
  /** The data block under way, as offsets into the staging buffer. */
  position: number;
  end: number;
  /** Bytes of the staging buffer that mean something. */
  filled: number;
  interruptPending: boolean;
}

export interface SavedDrive {
  readonly drive: Readonly<DriveState>;
  readonly buffer: Uint8Array;
  readonly own: unknown;
}

/** What a channel or port does for its drives. */
export interface DriveHost {
  readonly busMaster: DmaEngine;
  /** A serial link, with a queue of commands that the port itself works on. */
  readonly serialLink?: SerialLink;
  interruptChanged(): void;
}

export interface SerialLink {
  readonly queueDepth: number;
  /** Log 10h: which queued command failed, and how. */
  queueErrorLog(): Uint8Array;
}

export interface DriveSignature {
  readonly lbaMid: number;
  readonly lbaHigh: number;
  /** Status after a reset. */
  readonly status: number;
}

function idleState(): DriveState {
  return {
    taskFile: {
      feature: 0, count: 0, lbaLow: 0, lbaMid: 0, lbaHigh: 0, device: 0,
      previousFeature: 0, previousCount: 0, previousLbaLow: 0, previousLbaMid: 0, previousLbaHigh: 0,
    },
    status: 0, error: 0, phase: 'idle', position: 0, end: 0, filled: 0, interruptPending: false,
  };
}

export abstract class IdeDrive {
  protected readonly memory: GuestMemory;
  /** Sector data between the guest's data port and the backend. */
  protected readonly staging: MemorySegment;
  protected state = idleState();
  /** Counts what makes unfinished requests stale: their completions only free what they hold. */
  protected epoch = 0;
  readonly #signature: DriveSignature;
  #host: DriveHost | undefined;

  protected constructor(memory: GuestMemory, owner: string, signature: DriveSignature) {
    this.memory = memory;
    this.staging = memory.allocateStaging(owner, STAGING_BYTES);
    this.#signature = signature;
  }

  /** Puts the drive on its channel, once. */
  attach(host: DriveHost): void {
    this.#host = host;
  }

  protected abstract execute(command: number): void;
  /** The guest has read or written the whole data block. */
  protected abstract blockTransferred(): void;
  /** The bus master runs: do the DMA transfer that waits. */
  protected abstract runDma(): void;
  /** Issues again what was unfinished when the state was saved. */
  protected abstract resume(): void;
  /** `software`: SRST, DEVICE RESET or a diagnostic; settings made by the guest stay. */
  protected abstract resetOwn(kind: ResetKind | 'software'): void;
  protected abstract saveOwn(): unknown;
  protected abstract restoreOwn(saved: unknown): void;

  get status(): number {
    return this.state.status;
  }

  get interruptPending(): boolean {
    return this.state.interruptPending;
  }

  get isBusy(): boolean {
    return (this.state.status & STATUS_BSY) !== 0;
  }

  get phase(): Phase {
    return this.state.phase;
  }

  /** Bytes left of the data block under way. */
  get blockRemaining(): number {
    return this.state.end - this.state.position;
  }

  readRegister(register: number, highOrder: boolean): number {
    const { taskFile } = this.state;
    switch (register) {
      case REGISTER_ERROR: return this.state.error;
      case REGISTER_COUNT: return highOrder ? taskFile.previousCount : taskFile.count;
      case REGISTER_LBA_LOW: return highOrder ? taskFile.previousLbaLow : taskFile.lbaLow;
      case REGISTER_LBA_MID: return highOrder ? taskFile.previousLbaMid : taskFile.lbaMid;
      case REGISTER_LBA_HIGH: return highOrder ? taskFile.previousLbaHigh : taskFile.lbaHigh;
      case REGISTER_DEVICE: return taskFile.device | DEVICE_ALWAYS_ONE;
      default: return this.state.status;
    }
  }

  writeRegister(register: number, value: number): void {
    const { taskFile } = this.state;
    switch (register) {
      case REGISTER_ERROR:
        taskFile.previousFeature = taskFile.feature;
        taskFile.feature = value;
        break;
      case REGISTER_COUNT:
        taskFile.previousCount = taskFile.count;
        taskFile.count = value;
        break;
      case REGISTER_LBA_LOW:
        taskFile.previousLbaLow = taskFile.lbaLow;
        taskFile.lbaLow = value;
        break;
      case REGISTER_LBA_MID:
        taskFile.previousLbaMid = taskFile.lbaMid;
        taskFile.lbaMid = value;
        break;
      case REGISTER_LBA_HIGH:
        taskFile.previousLbaHigh = taskFile.lbaHigh;
        taskFile.lbaHigh = value;
        break;
      case REGISTER_DEVICE:
        taskFile.device = value;
        break;
      default:
    }
  }

  /** A write to the command register. The channel lets none through while the drive is busy. */
  command(command: number): void {
    this.clearInterrupt();
    this.#enterIdle(STATUS_DRDY | STATUS_DSC);
    this.state.error = 0;
    this.execute(command);
  }

  clearInterrupt(): void {
    if (!this.state.interruptPending) return;
    this.state.interruptPending = false;
    this.#host?.interruptChanged();
  }

  dmaStarted(): void {
    if (this.state.phase !== 'wait-dma') return;
    this.state.phase = 'busy';
    this.state.status = STATUS_BSY;
    this.runDma();
  }

  readData(width: AccessWidth): number {
    const state = this.state;
    if (state.phase !== 'data-in') return width === 4 ? 0xffff_ffff : width === 2 ? 0xffff : 0xff;
    let value = 0;
    for (let byte = 0; byte < width && state.position + byte < state.end; byte++) {
      value |= this.memory.bytes[this.staging.offset + state.position + byte]! << (8 * byte);
    }
    this.#advance(width);
    return value >>> 0;
  }

  writeData(width: AccessWidth, value: number): void {
    const state = this.state;
    if (state.phase !== 'data-out') return;
    for (let byte = 0; byte < width && state.position + byte < state.end; byte++) {
      this.memory.bytes[this.staging.offset + state.position + byte] = value >>> (8 * byte);
    }
    this.#advance(width);
  }

  readDataBlock(width: AccessWidth, target: Uint8Array): number {
    const state = this.state;
    if (state.phase !== 'data-in') return 0;
    const length = wholeUnits(Math.min(target.length, state.end - state.position), width);
    if (length === 0) return 0;
    const from = this.staging.offset + state.position;
    target.set(this.memory.bytes.subarray(from, from + length));
    this.#advance(length);
    return length;
  }

  writeDataBlock(width: AccessWidth, source: Uint8Array): number {
    const state = this.state;
    if (state.phase !== 'data-out') return 0;
    const length = wholeUnits(Math.min(source.length, state.end - state.position), width);
    if (length === 0) return 0;
    this.memory.bytes.set(source.subarray(0, length), this.staging.offset + state.position);
    this.#advance(length);
    return length;
  }

  /** The signature by which a host tells disks and packet devices apart (§5.15). */
  setSignature(): void {
    const { taskFile } = this.state;
    taskFile.count = 1;
    taskFile.lbaLow = 1;
    taskFile.lbaMid = this.#signature.lbaMid;
    taskFile.lbaHigh = this.#signature.lbaHigh;
    taskFile.device &= DEVICE_DEV;
    this.state.error = DIAGNOSTIC_PASSED;
  }

  /** The host gave the command up: its end will not be told. */
  abandonCommand(): void {
    this.epoch++;
    this.#enterIdle(STATUS_DRDY | STATUS_DSC);
    this.clearInterrupt();
  }

  /** While SRST is held. What was under way is forgotten. */
  holdInReset(): void {
    this.epoch++;
    this.resetOwn('software');
    this.#enterIdle(STATUS_BSY);
    this.clearInterrupt();
  }

  /** The end of a software reset, and EXECUTE DEVICE DIAGNOSTIC. */
  finishReset(): void {
    this.epoch++;
    this.resetOwn('software');
    this.#enterIdle(this.#signature.status);
    this.setSignature();
    this.clearInterrupt();
  }

  /** Device 0 reports the end of EXECUTE DEVICE DIAGNOSTIC. */
  diagnosed(): void {
    this.raiseInterrupt();
  }

  reset(kind: ResetKind): void {
    this.epoch++;
    this.state = idleState();
    this.resetOwn(kind);
    this.state.status = this.#signature.status;
    this.setSignature();
  }

  save(): SavedDrive {
    const { taskFile, status, error, phase, position, end, filled, interruptPending, ...rest } = this.state;
    rest satisfies Record<string, never>;
    return {
      drive: { taskFile: { ...taskFile }, status, error, phase, position, end, filled, interruptPending },
      buffer: this.memory.bytes.slice(this.staging.offset, this.staging.offset + filled),
      own: this.saveOwn(),
    };
  }

  /** Guest memory holds its saved contents before this is called: unfinished requests start again from it. */
  restore(saved: SavedDrive): void {
    this.epoch++;
    this.state = { ...saved.drive, taskFile: { ...saved.drive.taskFile } };
    this.memory.bytes.set(saved.buffer, this.staging.offset);
    this.restoreOwn(saved.own);
    if (this.state.phase === 'busy') this.resume();
  }

  protected get serialLink(): SerialLink | undefined {
    return this.#host?.serialLink;
  }

  protected get busMaster(): DmaEngine {
    return this.#host!.busMaster;
  }

  protected raiseInterrupt(): void {
    this.state.interruptPending = true;
    this.#host?.interruptChanged();
  }

  protected enterBusy(): void {
    this.state.phase = 'busy';
    this.state.status = STATUS_BSY;
  }

  /** Offers the staging buffer from `from` to `to` at the data port. */
  protected enterData(phase: 'data-in' | 'data-out', from: number, to: number): void {
    const { state } = this;
    state.phase = phase;
    state.position = from;
    state.end = to;
    state.filled = Math.max(state.filled, to);
    state.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
  }

  /** A DMA transfer is ready; it runs as soon as the bus master does. */
  protected enterDma(): void {
    this.state.phase = 'wait-dma';
    this.state.status = STATUS_DRDY | STATUS_DSC | STATUS_DRQ;
    if (this.busMaster.isStarted) this.dmaStarted();
  }

  /** The command has ended well. */
  protected complete(interrupt = true): void {
    this.#enterIdle(STATUS_DRDY | STATUS_DSC);
    if (interrupt) this.raiseInterrupt();
  }

  protected fail(error: number, status = STATUS_DRDY | STATUS_DSC | STATUS_ERR): void {
    this.#enterIdle(status);
    this.state.error = error;
    this.raiseInterrupt();
  }

  #enterIdle(status: number): void {
    const { state } = this;
    state.phase = 'idle';
    state.status = status;
    state.position = 0;
    state.end = 0;
    state.filled = 0;
  }

  #advance(bytes: number): void {
    const { state } = this;
    state.position += bytes;
    if (state.position >= state.end) this.blockTransferred();
  }
}

function wholeUnits(length: number, width: AccessWidth): number {
  return length - (length % width);
}
