/**
 * ATA disk (ATA/ATAPI-7 volume 1, T13/1532D, chapter 6; DATA SET MANAGEMENT from ACS-2): CHS, 28- and 48-bit addresses,
 * PIO, MULTIPLE and DMA transfers.
 *
 * Not emulated: SMART, security, host protected area, log pages but that of a queue's errors, sectors other than 512 bytes.
 * All of these are refused as unsupported, which IDENTIFY DEVICE says too. Queued commands are the port's (`native-queue.ts`).
 */
import { ATA_COMMAND, ATA_TRANSFERS, SET_FEATURES, transferModeOf, type AtaTransferCommand } from './ata-commands.ts';
import {
  identifyDevice, LBA28_SECTORS, MULTIPLE_MAXIMUM, TRIM_MAXIMUM_PAGES, type Geometry, type TransferMode,
} from './ata-identify.ts';
import {
  DEVICE_LBA, ERROR_ABRT, ERROR_IDNF, ERROR_UNC, IdeDrive, STAGING_BYTES, STATUS_DF, STATUS_DRDY, STATUS_DSC, STATUS_ERR,
} from './ide-drive.ts';
import type { DmaWindow } from './bus-master.ts';
import type { BlockBackend, BlockRequest, BlockStatus } from '../../interfaces/block-backend.ts';
import type { ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory, MemorySegment } from '../../interfaces/guest-memory.ts';

const SECTOR_BYTES = 512;
const STAGED_SECTORS = STAGING_BYTES / SECTOR_BYTES;

const DSM_TRIM = 0x01;
const TRIM_ENTRY_BYTES = 8;
const POWER_MODE_ACTIVE = 0xff;
const LOG_DIRECTORY = 0x00;
const LOG_QUEUE_ERROR = 0x10;

/** A command that moves data or works on the medium, as far as it has come. */
interface Transfer {
  readonly operation: 'read' | 'write' | 'verify' | 'flush' | 'trim';
  readonly path: 'pio' | 'dma' | 'none';
  readonly extended: boolean;
  /** Must be on stable storage at the end. */
  readonly durable: boolean;
  /** Sectors of one data block. */
  readonly blockSectors: number;
  /** Where the guest is: the first sector it has not got or given yet, and how many are left. */
  sector: number;
  remaining: number;
  /** PIO: sectors in the staging buffer, and how many of them the guest has taken. */
  staged: number;
  taken: number;
}

interface AtaDiskState {
  heads: number;
  sectorsPerTrack: number;
  /** READ and WRITE MULTIPLE are refused while it is 0. */
  multipleSectors: number;
  writeCache: boolean;
  lookAhead: boolean;
  /** Settings survive a software reset (SET FEATURES 66h). */
  keepsSettings: boolean;
  transferMode: TransferMode;
  transfer: Transfer | undefined;
}

export interface AtaDiskOptions {
  readonly id: string;
  readonly memory: GuestMemory;
  /** 512-byte sectors. */
  readonly backend: BlockBackend;
}

export class AtaDisk extends IdeDrive {
  readonly id: string;
  readonly #backend: BlockBackend;
  readonly #defaultGeometry: Geometry;
  #own: AtaDiskState;

  /** Throws when the backend hasn't 512-byte sectors. */
  constructor(options: AtaDiskOptions) {
    super(options.memory, options.id, { lbaMid: 0x00, lbaHigh: 0x00, status: STATUS_DRDY | STATUS_DSC });
    if (options.backend.sectorBytes !== SECTOR_BYTES) throw new Error(`${options.id}: an ATA disk has sectors of 512 bytes`);
    this.id = options.id;
    this.#backend = options.backend;
    this.#defaultGeometry = defaultGeometry(options.backend.sectorCount);
    this.#own = this.#powerOnState();
  }

  protected execute(opcode: number): void {
    this.#own.transfer = undefined;
    const transfer = ATA_TRANSFERS.get(opcode);
    if (transfer !== undefined) {
      this.#beginTransfer(transfer);
      return;
    }
    if (opcode >= ATA_COMMAND.recalibrateFirst && opcode <= ATA_COMMAND.recalibrateLast) {
      this.complete();
      return;
    }
    if (opcode >= ATA_COMMAND.seekFirst && opcode <= ATA_COMMAND.seekLast) {
      const sector = this.#address(false);
      if (sector === undefined || sector >= this.#backend.sectorCount) this.fail(ERROR_IDNF);
      else this.complete();
      return;
    }
    this.#executeOther(opcode);
  }

  protected blockTransferred(): void {
    const transfer = this.#own.transfer;
    if (transfer === undefined) {
      // IDENTIFY DEVICE, READ LOG EXT.
      this.complete(false);
    } else if (transfer.operation === 'read') {
      this.#readBlockTaken(transfer);
    } else {
      this.#writeBlockGiven(transfer);
    }
  }

  protected runDma(): void {
    this.#issue();
  }

  protected resume(): void {
    this.#issue();
  }

  protected resetOwn(kind: ResetKind | 'software'): void {
    const { keepsSettings, writeCache, lookAhead, multipleSectors, transferMode, heads, sectorsPerTrack } = this.#own;
    this.#own = this.#powerOnState();
    if (kind !== 'software') return;
    // The transfer mode and the CHS translation survive a software reset; the rest does if the guest asked for it.
    Object.assign(this.#own, { transferMode, heads, sectorsPerTrack });
    if (keepsSettings) Object.assign(this.#own, { keepsSettings, writeCache, lookAhead, multipleSectors });
  }

  protected saveOwn(): unknown {
    const { heads, sectorsPerTrack, multipleSectors, writeCache, lookAhead, keepsSettings, transferMode, transfer, ...rest } = this.#own;
    rest satisfies Record<string, never>;
    const saved: AtaDiskState = {
      heads, sectorsPerTrack, multipleSectors, writeCache, lookAhead, keepsSettings,
      transferMode: { ...transferMode },
      transfer: transfer === undefined ? undefined : { ...transfer },
    };
    return saved;
  }

  protected restoreOwn(saved: unknown): void {
    const own = saved as AtaDiskState;
    this.#own = { ...own, transferMode: { ...own.transferMode }, transfer: own.transfer === undefined ? undefined : { ...own.transfer } };
  }

  #powerOnState(): AtaDiskState {
    return {
      heads: this.#defaultGeometry.heads,
      sectorsPerTrack: this.#defaultGeometry.sectorsPerTrack,
      multipleSectors: MULTIPLE_MAXIMUM,
      writeCache: true,
      lookAhead: true,
      keepsSettings: false,
      transferMode: { kind: 'mwdma', mode: 2 },
      transfer: undefined,
    };
  }

  #executeOther(opcode: number): void {
    switch (opcode) {
      case ATA_COMMAND.identifyDevice:
        this.#identify();
        break;
      case ATA_COMMAND.flushCache:
      case ATA_COMMAND.flushCacheExt:
        this.#own.transfer = {
          operation: 'flush', path: 'none', extended: false, durable: true, blockSectors: 0, sector: 0, remaining: 0, staged: 0, taken: 0,
        };
        this.enterBusy();
        this.#issue();
        break;
      case ATA_COMMAND.setFeatures:
        this.#setFeatures();
        break;
      case ATA_COMMAND.setMultipleMode:
        this.#setMultipleMode();
        break;
      case ATA_COMMAND.initializeDeviceParameters:
        this.#initializeDeviceParameters();
        break;
      case ATA_COMMAND.readNativeMaxAddress:
        this.#showAddress(Math.min(this.#backend.sectorCount, LBA28_SECTORS) - 1, false);
        this.complete();
        break;
      case ATA_COMMAND.readNativeMaxAddressExt:
        this.#showAddress(this.#backend.sectorCount - 1, true);
        this.complete();
        break;
      case ATA_COMMAND.readLogExt:
        this.#readLog();
        break;
      case ATA_COMMAND.dataSetManagement:
        this.#beginTrim();
        break;
      case ATA_COMMAND.checkPowerMode:
      case ATA_COMMAND.checkPowerModeOld:
        this.state.taskFile.count = POWER_MODE_ACTIVE;
        this.complete();
        break;
      case ATA_COMMAND.standbyImmediate:
      case ATA_COMMAND.standbyImmediateOld:
      case ATA_COMMAND.idleImmediate:
      case ATA_COMMAND.idleImmediateOld:
      case ATA_COMMAND.standby:
      case ATA_COMMAND.standbyOld:
      case ATA_COMMAND.idle:
      case ATA_COMMAND.idleOld:
      case ATA_COMMAND.sleep:
      case ATA_COMMAND.sleepOld:
        // The disk has nothing that spins: it is ready again at once.
        this.complete();
        break;
      default:
        // NOP too ends with ABRT (§6.23).
        this.fail(ERROR_ABRT);
    }
  }

  #identify(): void {
    const { heads, sectorsPerTrack, multipleSectors, writeCache, lookAhead, transferMode } = this.#own;
    const { sectorCount, serial, readOnly } = this.#backend;
    const cylinders = Math.min(65535, Math.max(1, Math.floor(sectorCount / (heads * sectorsPerTrack))));
    const data = identifyDevice({
      sectorCount, serial, readOnly, multipleSectors, writeCache, lookAhead, transferMode,
      queueDepth: this.serialLink?.queueDepth,
      defaultGeometry: this.#defaultGeometry,
      currentGeometry: { cylinders, heads, sectorsPerTrack },
    });
    this.#reply(data);
  }

  /** One block of data that isn't the disk's. */
  #reply(data: Uint8Array): void {
    this.memory.bytes.set(data, this.staging.offset);
    this.enterData('data-in', 0, data.length);
    this.raiseInterrupt();
  }

  /** READ LOG EXT: the directory of logs, and what went wrong in the queue. A disk without a queue has no logs. */
  #readLog(): void {
    const { lbaLow: log, lbaMid: page, previousLbaMid: pageUpper, count, previousCount } = this.state.taskFile;
    const link = this.serialLink;
    const isOnePage = page === 0 && pageUpper === 0 && count === 1 && previousCount === 0;
    if (link === undefined || link.queueDepth === 0 || !isOnePage || (log !== LOG_DIRECTORY && log !== LOG_QUEUE_ERROR)) this.fail(ERROR_ABRT);
    else this.#reply(log === LOG_DIRECTORY ? logDirectory() : link.queueErrorLog());
  }

  #setFeatures(): void {
    const own = this.#own;
    const { feature, count } = this.state.taskFile;
    switch (feature) {
      case SET_FEATURES.enableWriteCache: own.writeCache = true; break;
      case SET_FEATURES.disableWriteCache: own.writeCache = false; break;
      case SET_FEATURES.enableLookAhead: own.lookAhead = true; break;
      case SET_FEATURES.disableLookAhead: own.lookAhead = false; break;
      case SET_FEATURES.disableRevert: own.keepsSettings = true; break;
      case SET_FEATURES.enableRevert: own.keepsSettings = false; break;
      case SET_FEATURES.setTransferMode: {
        const mode = transferModeOf(count, own.transferMode);
        if (mode === undefined) {
          this.fail(ERROR_ABRT);
          return;
        }
        own.transferMode = mode;
        break;
      }
      default:
        this.fail(ERROR_ABRT);
        return;
    }
    this.complete();
  }

  #setMultipleMode(): void {
    const { count } = this.state.taskFile;
    if (count > MULTIPLE_MAXIMUM || (count & (count - 1)) !== 0) {
      this.#own.multipleSectors = 0;
      this.fail(ERROR_ABRT);
      return;
    }
    this.#own.multipleSectors = count;
    this.complete();
  }

  #initializeDeviceParameters(): void {
    const { count, device } = this.state.taskFile;
    if (count === 0) {
      this.fail(ERROR_ABRT);
      return;
    }
    this.#own.sectorsPerTrack = count;
    this.#own.heads = (device & 0x0f) + 1;
    this.complete();
  }

  /** First sector of the command in the task file, or `undefined` for a CHS address that can't exist. */
  #address(extended: boolean): number | undefined {
    const { taskFile } = this.state;
    const low24 = taskFile.lbaLow + taskFile.lbaMid * 0x100 + taskFile.lbaHigh * 0x10000;
    if (extended) return low24 + (taskFile.previousLbaLow + taskFile.previousLbaMid * 0x100 + taskFile.previousLbaHigh * 0x10000) * 0x100_0000;
    const high4 = taskFile.device & 0x0f;
    if ((taskFile.device & DEVICE_LBA) !== 0) return low24 + high4 * 0x100_0000;
    const { heads, sectorsPerTrack } = this.#own;
    const cylinder = taskFile.lbaMid + taskFile.lbaHigh * 0x100;
    if (taskFile.lbaLow === 0 || taskFile.lbaLow > sectorsPerTrack || high4 >= heads) return undefined;
    return (cylinder * heads + high4) * sectorsPerTrack + taskFile.lbaLow - 1;
  }

  #showAddress(sector: number, extended: boolean): void {
    const { taskFile } = this.state;
    if (!extended && (taskFile.device & DEVICE_LBA) === 0) {
      const { heads, sectorsPerTrack } = this.#own;
      const track = Math.floor(sector / sectorsPerTrack);
      const cylinder = Math.floor(track / heads);
      taskFile.lbaLow = (sector % sectorsPerTrack) + 1;
      taskFile.lbaMid = cylinder & 0xff;
      taskFile.lbaHigh = (cylinder >> 8) & 0xff;
      taskFile.device = (taskFile.device & 0xf0) | (track % heads);
      return;
    }
    taskFile.lbaLow = sector & 0xff;
    taskFile.lbaMid = (sector >>> 8) & 0xff;
    taskFile.lbaHigh = (sector >>> 16) & 0xff;
    if (extended) {
      const upper = Math.floor(sector / 0x100_0000);
      taskFile.previousLbaLow = upper & 0xff;
      taskFile.previousLbaMid = (upper >>> 8) & 0xff;
      taskFile.previousLbaHigh = (upper >>> 16) & 0xff;
    } else {
      taskFile.device = (taskFile.device & 0xf0) | ((sector >>> 24) & 0x0f);
    }
  }

  #beginTransfer({ operation, path, extended, multiple, forced }: AtaTransferCommand): void {
    const { taskFile } = this.state;
    const { multipleSectors, writeCache } = this.#own;
    const count = extended ? (taskFile.count + taskFile.previousCount * 0x100) || 0x10000 : taskFile.count || 0x100;
    const sector = this.#address(extended);
    if ((multiple && multipleSectors === 0) || (operation === 'write' && this.#backend.readOnly)) {
      this.fail(ERROR_ABRT);
      return;
    }
    if (sector === undefined || sector + count > this.#backend.sectorCount) {
      this.fail(ERROR_IDNF);
      return;
    }
    const transfer: Transfer = {
      operation, path, extended,
      durable: operation === 'write' && (forced || !writeCache),
      blockSectors: multiple ? multipleSectors : 1,
      sector, remaining: count, staged: 0, taken: 0,
    };
    this.#own.transfer = transfer;
    if (path === 'dma') {
      this.enterDma();
    } else if (operation === 'write') {
      // The first data block is asked for without an interrupt (§5.4).
      this.#askForBlock(transfer);
    } else {
      this.enterBusy();
      this.#issue();
    }
  }

  #beginTrim(): void {
    const { feature, count, previousCount } = this.state.taskFile;
    const pages = count + previousCount * 0x100;
    if (feature !== DSM_TRIM || pages === 0 || pages > TRIM_MAXIMUM_PAGES || this.#backend.readOnly) {
      this.fail(ERROR_ABRT);
      return;
    }
    this.#own.transfer = {
      operation: 'trim', path: 'dma', extended: true, durable: false, blockSectors: 0, sector: 0, remaining: pages, staged: 0, taken: 0,
    };
    this.enterDma();
  }

  /** Sends the request that the transfer needs now. The drive is busy. */
  #issue(): void {
    const transfer = this.#own.transfer;
    if (transfer === undefined) {
      this.fail(ERROR_ABRT);
    } else if (transfer.operation === 'trim') {
      this.#issueTrim(transfer);
    } else if (transfer.path === 'dma') {
      this.#issueDma(transfer);
    } else if (transfer.operation === 'flush') {
      this.#submit({ kind: 'flush', sector: 0, sectorCount: 0, segments: [] }, () => { this.#finish(); });
    } else if (transfer.operation === 'write') {
      this.#submitDurably(transfer, transfer.staged, this.#stagingOf(transfer.staged), () => { this.#stagingWritten(transfer); });
    } else {
      // VERIFY reads into the staging buffer and shows nothing.
      const sectors = Math.min(transfer.remaining, STAGED_SECTORS);
      this.#submit({ kind: 'read', sector: transfer.sector, sectorCount: sectors, segments: this.#stagingOf(sectors) },
        () => { this.#stagingRead(transfer, sectors); });
    }
  }

  #stagingOf(sectors: number): readonly MemorySegment[] {
    return [{ offset: this.staging.offset, length: sectors * SECTOR_BYTES }];
  }

  /** `succeeded` is called unless the command was aborted meanwhile; other outcomes end the command. */
  #submit(request: BlockRequest, succeeded: () => void, always?: () => void): void {
    const { epoch } = this;
    this.#backend.submit(request, (status) => {
      always?.();
      if (epoch !== this.epoch) return;
      if (status === 'ok') succeeded();
      else this.#refuse(status, request.kind);
    });
  }

  #submitDurably(transfer: Transfer, sectorCount: number, segments: readonly MemorySegment[], succeeded: () => void, always?: () => void): void {
    const written = transfer.durable
      ? (): void => { this.#submit({ kind: 'flush', sector: 0, sectorCount: 0, segments: [] }, succeeded); }
      : succeeded;
    this.#submit({ kind: 'write', sector: transfer.sector, sectorCount, segments }, written, always);
  }

  #refuse(status: BlockStatus, kind: BlockRequest['kind']): void {
    const transfer = this.#own.transfer;
    if (transfer !== undefined && (transfer.operation === 'read' || transfer.operation === 'write' || transfer.operation === 'verify')) {
      this.#showAddress(transfer.sector, transfer.extended);
    }
    this.#own.transfer = undefined;
    if (status === 'out-of-range') this.fail(ERROR_IDNF);
    else if (status === 'read-only') this.fail(ERROR_ABRT);
    else if (kind === 'read') this.fail(ERROR_UNC);
    else this.fail(ERROR_ABRT, STATUS_DRDY | STATUS_DSC | STATUS_DF | STATUS_ERR);
  }

  #finish(interrupt = true): void {
    this.#own.transfer = undefined;
    this.complete(interrupt);
  }

  #advance(transfer: Transfer, sectors: number): void {
    transfer.sector += sectors;
    transfer.remaining -= sectors;
    this.#showAddress(transfer.sector - (transfer.remaining === 0 ? 1 : 0), transfer.extended);
    this.state.taskFile.count = transfer.remaining & 0xff;
    if (transfer.extended) this.state.taskFile.previousCount = (transfer.remaining >> 8) & 0xff;
  }

  #stagingRead(transfer: Transfer, sectors: number): void {
    if (transfer.operation === 'verify') {
      this.#advance(transfer, sectors);
      if (transfer.remaining > 0) this.#issue();
      else this.#finish();
      return;
    }
    transfer.staged = sectors;
    transfer.taken = 0;
    this.state.filled = sectors * SECTOR_BYTES;
    this.#offerBlock(transfer);
  }

  #offerBlock(transfer: Transfer): void {
    const sectors = Math.min(transfer.blockSectors, transfer.staged - transfer.taken);
    this.enterData('data-in', transfer.taken * SECTOR_BYTES, (transfer.taken + sectors) * SECTOR_BYTES);
    this.raiseInterrupt();
  }

  #readBlockTaken(transfer: Transfer): void {
    const sectors = this.state.end / SECTOR_BYTES - transfer.taken;
    transfer.taken += sectors;
    this.#advance(transfer, sectors);
    if (transfer.remaining === 0) {
      this.#finish(false);
    } else if (transfer.taken < transfer.staged) {
      this.#offerBlock(transfer);
    } else {
      this.state.filled = 0;
      this.enterBusy();
      this.#issue();
    }
  }

  #askForBlock(transfer: Transfer): void {
    const sectors = Math.min(transfer.blockSectors, transfer.remaining - transfer.staged);
    this.enterData('data-out', transfer.staged * SECTOR_BYTES, (transfer.staged + sectors) * SECTOR_BYTES);
  }

  /** Blocks are collected in the staging buffer and written when it is full. */
  #writeBlockGiven(transfer: Transfer): void {
    transfer.staged = this.state.end / SECTOR_BYTES;
    if (transfer.staged < STAGED_SECTORS && transfer.staged < transfer.remaining) {
      this.#askForBlock(transfer);
      this.raiseInterrupt();
    } else {
      this.enterBusy();
      this.#issue();
    }
  }

  #stagingWritten(transfer: Transfer): void {
    this.#advance(transfer, transfer.staged);
    transfer.staged = 0;
    this.state.filled = 0;
    if (transfer.remaining === 0) {
      this.#finish();
    } else {
      this.#askForBlock(transfer);
      this.raiseInterrupt();
    }
  }

  #issueDma(transfer: Transfer): void {
    const window = this.#openWindow(transfer.remaining * SECTOR_BYTES, transfer.operation === 'read' ? 'to-memory' : 'from-memory');
    if (window === undefined) return;
    const release = (): void => { this.busMaster.release(window); };
    const succeeded = (): void => {
      this.#advance(transfer, transfer.remaining);
      this.busMaster.finished(window);
      this.#finish();
    };
    if (transfer.operation === 'write') {
      this.#submitDurably(transfer, transfer.remaining, window.segments, succeeded, release);
    } else {
      this.#submit({ kind: 'read', sector: transfer.sector, sectorCount: transfer.remaining, segments: window.segments }, succeeded, release);
    }
  }

  #openWindow(length: number, direction: 'to-memory' | 'from-memory'): DmaWindow | undefined {
    const window = this.busMaster.open(length, direction);
    if (window !== undefined) return window;
    this.#own.transfer = undefined;
    this.fail(ERROR_ABRT);
    return undefined;
  }

  #issueTrim(transfer: Transfer): void {
    const window = this.#openWindow(transfer.remaining * SECTOR_BYTES, 'from-memory');
    if (window === undefined) return;
    const ranges = trimRanges(this.#collect(window, transfer.remaining * SECTOR_BYTES));
    this.busMaster.release(window);
    if (ranges.some(({ sector, sectorCount }) => sector + sectorCount > this.#backend.sectorCount)) {
      this.#refuse('out-of-range', 'discard');
      return;
    }
    let left = ranges.length;
    const oneDone = (): void => {
      if (--left > 0) return;
      this.busMaster.finished(window);
      this.#finish();
    };
    if (ranges.length === 0) {
      left = 1;
      oneDone();
      return;
    }
    const { epoch } = this;
    for (const range of ranges) {
      // Trimming is advice: a range that the host can't discard keeps its contents.
      this.#backend.submit({ kind: 'discard', ...range, segments: [] }, () => { if (epoch === this.epoch) oneDone(); });
    }
  }

  #collect(window: DmaWindow, length: number): Uint8Array {
    const data = new Uint8Array(length);
    let at = 0;
    for (const segment of window.segments) {
      data.set(this.memory.bytes.subarray(segment.offset, segment.offset + segment.length), at);
      at += segment.length;
    }
    return data;
  }
}

/** Version 1, and the number of pages of each log as a word. */
function logDirectory(): Uint8Array {
  const directory = new Uint8Array(SECTOR_BYTES);
  directory[0] = 1;
  directory[LOG_QUEUE_ERROR * 2] = 1;
  return directory;
}

function trimRanges(pages: Uint8Array): { sector: number; sectorCount: number }[] {
  const view = new DataView(pages.buffer, pages.byteOffset, pages.byteLength);
  const ranges: { sector: number; sectorCount: number }[] = [];
  for (let at = 0; at < pages.length; at += TRIM_ENTRY_BYTES) {
    const sectorCount = view.getUint16(at + 6, true);
    if (sectorCount > 0) ranges.push({ sector: view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32, sectorCount });
  }
  return ranges;
}

/** 16 heads and 63 sectors, as every large disk says of itself. */
function defaultGeometry(sectorCount: number): Geometry {
  return { cylinders: Math.min(16383, Math.max(1, Math.floor(sectorCount / (16 * 63)))), heads: 16, sectorsPerTrack: 63 };
}
