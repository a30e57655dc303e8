/**
 * ATAPI CD/DVD-ROM drive: the PACKET feature set (ATA/ATAPI-7 volume 1, §6.24 and chapter 9 of volume 2) with the
 * commands of MMC-5 that operating systems send to a data disc.
 *
 * Not emulated: audio, sub-channel data, raw sectors (READ CD gives user data only), DVD structures, writing.
 */
import { transferModeOf, SET_FEATURES } from './ata-commands.ts';
import { identifyPacketDevice, type TransferMode } from './ata-identify.ts';
import { ERROR_ABRT, IdeDrive, STAGING_BYTES, STATUS_DRDY, STATUS_DSC, STATUS_ERR } from './ide-drive.ts';
import {
  DISC_SECTOR_BYTES, getConfiguration, getEventStatus, inquiry, inquiryPage, MEDIA_EVENT_EJECT_REQUEST, MEDIA_EVENT_NEW_MEDIA, MEDIA_EVENT_NONE,
  MEDIA_EVENT_REMOVAL, mechanismStatus, modeSense, readCapacity, readDiscInformation, readSubChannel, readToc, readTrackInformation, requestSense,
  type Sense,
} from './packet-replies.ts';
import type { BlockBackend } from '../../interfaces/block-backend.ts';
import type { ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';

const COMMAND = {
  deviceReset: 0x08,
  packet: 0xa0,
  identifyPacketDevice: 0xa1,
  standbyImmediate: 0xe0,
  idleImmediate: 0xe1,
  standby: 0xe2,
  idle: 0xe3,
  checkPowerMode: 0xe5,
  sleep: 0xe6,
  identifyDevice: 0xec,
  setFeatures: 0xef,
} as const;
const POWER_MODE_ACTIVE = 0xff;
const FEATURE_DMA = 0x01;

/** Interrupt reason, in the sector count register. */
const REASON_COMMAND = 0x01;
const REASON_TO_HOST = 0x02;

const PACKET_BYTES = 12;
const BYTE_LIMIT_MAXIMUM = 0xfffe;
const STAGED_SECTORS = STAGING_BYTES / DISC_SECTOR_BYTES;
/** What READ(10) can ask for; more in READ(12) is refused. */
const READ_MAXIMUM_SECTORS = 0xffff;

const OPERATION = {
  testUnitReady: 0x00,
  requestSense: 0x03,
  inquiry: 0x12,
  modeSelect6: 0x15,
  modeSense6: 0x1a,
  startStopUnit: 0x1b,
  preventAllow: 0x1e,
  readCapacity: 0x25,
  read10: 0x28,
  seek10: 0x2b,
  synchronizeCache: 0x35,
  readSubChannel: 0x42,
  readToc: 0x43,
  getConfiguration: 0x46,
  getEventStatus: 0x4a,
  readDiscInformation: 0x51,
  readTrackInformation: 0x52,
  modeSelect10: 0x55,
  modeSense10: 0x5a,
  read12: 0xa8,
  setCdSpeed: 0xbb,
  mechanismStatus: 0xbd,
  readCd: 0xbe,
} as const;

const NO_SENSE: Sense = { key: 0, asc: 0, ascq: 0 };
const SENSE_MEDIUM_ABSENT: Sense = { key: 2, asc: 0x3a, ascq: 0x01 };
const SENSE_MEDIUM_ABSENT_TRAY_OPEN: Sense = { key: 2, asc: 0x3a, ascq: 0x02 };
const SENSE_UNRECOVERED_READ: Sense = { key: 3, asc: 0x11, ascq: 0x00 };
const SENSE_INVALID_OPERATION: Sense = { key: 5, asc: 0x20, ascq: 0x00 };
const SENSE_ADDRESS_OUT_OF_RANGE: Sense = { key: 5, asc: 0x21, ascq: 0x00 };
const SENSE_INVALID_FIELD: Sense = { key: 5, asc: 0x24, ascq: 0x00 };
const SENSE_REMOVAL_PREVENTED: Sense = { key: 5, asc: 0x53, ascq: 0x02 };
const SENSE_MEDIUM_CHANGED: Sense = { key: 6, asc: 0x28, ascq: 0x00 };
const SENSE_DATA_PHASE: Sense = { key: 0xb, asc: 0x4b, ascq: 0x00 };
const SENSE_KEY_ILLEGAL_REQUEST = 5;

/** Commands that tell of themselves what happened, so that a medium change doesn't refuse them (MMC-5 §6). */
const UNTOUCHED_BY_ATTENTION: ReadonlySet<number> = new Set([
  OPERATION.requestSense, OPERATION.inquiry, OPERATION.getConfiguration, OPERATION.getEventStatus,
]);
const NEEDS_MEDIUM: ReadonlySet<number> = new Set([
  OPERATION.testUnitReady, OPERATION.readCapacity, OPERATION.read10, OPERATION.read12, OPERATION.readCd, OPERATION.seek10,
  OPERATION.readSubChannel, OPERATION.readToc, OPERATION.readDiscInformation, OPERATION.readTrackInformation,
]);

/** The command under way. */
interface Job {
  /** `parameters` takes MODE SELECT's data; `read` streams sectors; `reply` sends what is staged. */
  readonly kind: 'packet' | 'identify' | 'reply' | 'read' | 'parameters';
  readonly dma: boolean;
  /** Most bytes of one PIO data block. */
  readonly byteLimit: number;
  /** `read`: sectors not yet staged. */
  sector: number;
  remaining: number;
  /** Bytes staged, and how many of them the host has. */
  staged: number;
  sent: number;
}

interface AtapiState {
  sense: Sense;
  /** Unit attention: the medium may have changed. */
  attention: boolean;
  mediaEvent: number;
  trayOpen: boolean;
  locked: boolean;
  transferMode: TransferMode;
  job: Job | undefined;
}

export interface AtapiDriveOptions {
  readonly id: string;
  readonly memory: GuestMemory;
  readonly serial: string;
  /** The disc in the tray: 2048-byte sectors. */
  readonly medium?: BlockBackend;
  /** The guest opened or closed the tray. */
  readonly trayMoved?: (open: boolean) => void;
}

export class AtapiDrive extends IdeDrive {
  readonly id: string;
  readonly #serial: string;
  readonly #trayMoved: ((open: boolean) => void) | undefined;
  #medium: BlockBackend | undefined;
  #own = powerOnState();

  /** Throws when the medium hasn't 2048-byte sectors. */
  constructor(options: AtapiDriveOptions) {
    super(options.memory, options.id, { lbaMid: 0x14, lbaHigh: 0xeb, status: 0 });
    this.id = options.id;
    this.#serial = options.serial;
    this.#trayMoved = options.trayMoved;
    this.#medium = checkedMedium(options.id, options.medium);
  }

  get isLocked(): boolean {
    return this.#own.locked;
  }

  /** Puts a disc in (closing the tray) or takes it out. The guest sees a unit attention. */
  changeMedium(medium: BlockBackend | undefined): void {
    this.#medium = checkedMedium(this.id, medium);
    this.#own.trayOpen = false;
    this.#own.locked = false;
    this.#own.attention = medium !== undefined;
    this.#own.mediaEvent = medium === undefined ? MEDIA_EVENT_REMOVAL : MEDIA_EVENT_NEW_MEDIA;
  }

  /** Tells a guest that listens that the user pressed the eject button. */
  requestEject(): void {
    this.#own.mediaEvent = MEDIA_EVENT_EJECT_REQUEST;
  }

  protected execute(command: number): void {
    this.#own.job = undefined;
    switch (command) {
      case COMMAND.packet:
        this.#beginPacket();
        break;
      case COMMAND.identifyPacketDevice:
        this.#own.job = newJob('identify', false, STAGING_BYTES);
        this.#stage(identifyPacketDevice(this.#serial, this.#own.transferMode, this.serialLink?.queueDepth));
        this.enterData('data-in', 0, this.#own.job.staged);
        this.raiseInterrupt();
        break;
      case COMMAND.deviceReset:
        this.finishReset();
        break;
      case COMMAND.identifyDevice:
        // A packet device aborts and shows what it is (§6.16.5.2).
        this.setSignature();
        this.fail(ERROR_ABRT);
        break;
      case COMMAND.setFeatures:
        this.#setFeatures();
        break;
      case COMMAND.checkPowerMode:
        this.state.taskFile.count = POWER_MODE_ACTIVE;
        this.complete();
        break;
      case COMMAND.standbyImmediate:
      case COMMAND.idleImmediate:
      case COMMAND.standby:
      case COMMAND.idle:
      case COMMAND.sleep:
        this.complete();
        break;
      default:
        this.fail(ERROR_ABRT);
    }
  }

  protected blockTransferred(): void {
    const { job } = this.#own;
    if (job === undefined) {
      this.complete(false);
      return;
    }
    switch (job.kind) {
      case 'packet':
        this.#runPacket(this.#stagedBytes(PACKET_BYTES), job);
        break;
      case 'identify':
        this.#own.job = undefined;
        this.complete(false);
        break;
      case 'parameters':
        // Nothing that can be selected changes what the drive does.
        this.#succeed();
        break;
      case 'reply':
      case 'read':
        job.sent = this.state.end;
        this.#continueToHost(job);
    }
  }

  protected runDma(): void {
    const { job } = this.#own;
    if (job === undefined) this.fail(ERROR_ABRT);
    else if (job.kind === 'read') this.#readByDma(job);
    else this.#exchangeByDma(job);
  }

  protected resume(): void {
    const { job } = this.#own;
    if (job?.kind === 'read' && !job.dma) this.#fetch(job);
    else this.runDma();
  }

  protected resetOwn(kind: ResetKind | 'software'): void {
    const { attention, mediaEvent, trayOpen, locked, transferMode } = this.#own;
    this.#own = powerOnState();
    if (kind === 'soft') Object.assign(this.#own, { trayOpen });
    if (kind === 'software') Object.assign(this.#own, { attention, mediaEvent, trayOpen, locked, transferMode });
  }

  protected saveOwn(): unknown {
    const { sense, attention, mediaEvent, trayOpen, locked, transferMode, job, ...rest } = this.#own;
    rest satisfies Record<string, never>;
    const saved: AtapiState = {
      sense: { ...sense }, attention, mediaEvent, trayOpen, locked, transferMode: { ...transferMode },
      job: job === undefined ? undefined : { ...job },
    };
    return saved;
  }

  protected restoreOwn(saved: unknown): void {
    const own = saved as AtapiState;
    this.#own = { ...own, job: own.job === undefined ? undefined : { ...own.job } };
  }

  /** The disc, if the guest can reach it. */
  get #disc(): BlockBackend | undefined {
    return this.#own.trayOpen ? undefined : this.#medium;
  }

  #setFeatures(): void {
    const { feature, count } = this.state.taskFile;
    const mode = feature === SET_FEATURES.setTransferMode ? transferModeOf(count, this.#own.transferMode) : undefined;
    const isRevert = feature === SET_FEATURES.disableRevert || feature === SET_FEATURES.enableRevert;
    if (mode === undefined && !isRevert) {
      this.fail(ERROR_ABRT);
      return;
    }
    this.#own.transferMode = mode ?? this.#own.transferMode;
    this.complete();
  }

  #beginPacket(): void {
    const { taskFile } = this.state;
    const asked = taskFile.lbaMid | (taskFile.lbaHigh << 8);
    const even = asked & 0xfffe;
    const byteLimit = even === 0 ? BYTE_LIMIT_MAXIMUM : even;
    this.#own.job = newJob('packet', (taskFile.feature & FEATURE_DMA) !== 0, byteLimit);
    this.#showReason(REASON_COMMAND);
    this.enterData('data-out', 0, PACKET_BYTES);
  }

  #runPacket(packet: Uint8Array, { dma, byteLimit }: Job): void {
    const operation = packet[0]!;
    this.state.filled = 0;
    this.#own.job = undefined;
    if (this.#own.attention && !UNTOUCHED_BY_ATTENTION.has(operation)) {
      this.#own.attention = false;
      this.#refuse(SENSE_MEDIUM_CHANGED);
      return;
    }
    if (NEEDS_MEDIUM.has(operation) && this.#disc === undefined) {
      this.#refuse(this.#own.trayOpen ? SENSE_MEDIUM_ABSENT_TRAY_OPEN : SENSE_MEDIUM_ABSENT);
      return;
    }
    if (operation !== OPERATION.requestSense) this.#own.sense = NO_SENSE;
    const reply = (data: Uint8Array | undefined, allocationLength: number): void => {
      if (data === undefined) this.#refuse(SENSE_INVALID_FIELD);
      else this.#reply(data, allocationLength, dma, byteLimit);
    };
    this.#dispatch(packet, operation, reply, (kind) => newJob(kind, dma, byteLimit));
  }

  #dispatch(packet: Uint8Array, operation: number, reply: (data: Uint8Array | undefined, allocationLength: number) => void,
    begin: (kind: 'read' | 'parameters') => Job): void {
    const own = this.#own;
    const sectors = this.#disc?.sectorCount ?? 0;
    const length16 = big16(packet, 7);
    switch (operation) {
      case OPERATION.testUnitReady:
      case OPERATION.synchronizeCache:
      case OPERATION.setCdSpeed:
        this.#succeed();
        break;
      case OPERATION.requestSense:
        reply(requestSense(this.#takeSense()), packet[4]!);
        break;
      case OPERATION.inquiry:
        reply((packet[1]! & 1) === 0 ? inquiry() : inquiryPage(packet[2]!, this.#serial), big16(packet, 3));
        break;
      case OPERATION.modeSense6:
        reply(modeSense(packet[2]! & 0x3f, 6, own.locked, this.#disc !== undefined), packet[4]!);
        break;
      case OPERATION.modeSense10:
        reply(modeSense(packet[2]! & 0x3f, 10, own.locked, this.#disc !== undefined), length16);
        break;
      case OPERATION.modeSelect6:
        this.#takeParameters(begin('parameters'), packet[4]!);
        break;
      case OPERATION.modeSelect10:
        this.#takeParameters(begin('parameters'), length16);
        break;
      case OPERATION.startStopUnit:
        this.#startStop(packet[4]!);
        break;
      case OPERATION.preventAllow:
        own.locked = (packet[4]! & 1) !== 0;
        this.#succeed();
        break;
      case OPERATION.readCapacity:
        reply(readCapacity(sectors), 8);
        break;
      case OPERATION.read10:
        this.#read(begin('read'), big32(packet, 2), length16);
        break;
      case OPERATION.read12:
        this.#read(begin('read'), big32(packet, 2), big32(packet, 6));
        break;
      case OPERATION.readCd:
        this.#readCd(packet, begin);
        break;
      case OPERATION.seek10:
        if (big32(packet, 2) < sectors) this.#succeed();
        else this.#refuse(SENSE_ADDRESS_OUT_OF_RANGE);
        break;
      case OPERATION.readToc: {
        // SFF-8020 drives took the format from the control byte.
        const format = (packet[2]! & 0x0f) === 0 ? packet[9]! >> 6 : packet[2]! & 0x0f;
        reply(readToc(format, packet[6]!, (packet[1]! & 2) !== 0, sectors), length16);
        break;
      }
      case OPERATION.readSubChannel:
        reply(readSubChannel((packet[2]! & 0x40) !== 0, packet[3]!), length16);
        break;
      case OPERATION.getConfiguration:
        reply((packet[1]! & 3) === 3 ? undefined : getConfiguration(packet[1]! & 3, big16(packet, 2), this.#disc?.sectorCount), length16);
        break;
      case OPERATION.getEventStatus:
        this.#getEventStatus(packet, reply);
        break;
      case OPERATION.readDiscInformation:
        reply((packet[1]! & 7) === 0 ? readDiscInformation() : undefined, length16);
        break;
      case OPERATION.readTrackInformation:
        reply(readTrackInformation(sectors), length16);
        break;
      case OPERATION.mechanismStatus:
        reply(mechanismStatus(own.trayOpen), big16(packet, 8));
        break;
      default:
        this.#refuse(SENSE_INVALID_OPERATION);
    }
  }

  #takeSense(): Sense {
    const own = this.#own;
    const sense = own.sense.key === 0 && own.attention ? SENSE_MEDIUM_CHANGED : own.sense;
    if (sense === SENSE_MEDIUM_CHANGED) own.attention = false;
    own.sense = NO_SENSE;
    return sense;
  }

  #getEventStatus(packet: Uint8Array, reply: (data: Uint8Array | undefined, allocationLength: number) => void): void {
    const own = this.#own;
    const isPolled = (packet[1]! & 1) !== 0;
    const hasDisc = this.#disc !== undefined;
    const allocationLength = big16(packet, 7);
    reply(isPolled ? getEventStatus(packet[4]!, own.mediaEvent, hasDisc, own.trayOpen) : undefined, allocationLength);
    // The event code is the fifth byte: a host that takes less hasn't seen it.
    if (isPolled && (packet[4]! & 0x10) !== 0 && allocationLength > 4) own.mediaEvent = MEDIA_EVENT_NONE;
  }

  #startStop(action: number): void {
    const own = this.#own;
    const movesTray = (action & 2) !== 0;
    const open = movesTray && (action & 1) === 0;
    if (open && own.locked && !own.trayOpen) {
      this.#refuse(SENSE_REMOVAL_PREVENTED);
      return;
    }
    if (movesTray && open !== own.trayOpen) {
      own.trayOpen = open;
      own.mediaEvent = open ? MEDIA_EVENT_REMOVAL : this.#medium === undefined ? MEDIA_EVENT_NONE : MEDIA_EVENT_NEW_MEDIA;
      own.attention = !open && this.#medium !== undefined;
      this.#trayMoved?.(open);
    }
    this.#succeed();
  }

  #readCd(packet: Uint8Array, begin: (kind: 'read') => Job): void {
    const expectedType = (packet[1]! >> 2) & 7;
    const fields = packet[9]! & 0xf8;
    const subChannels = packet[10]! & 7;
    const USER_DATA = 0x10;
    const TYPE_CD_DA = 1;
    if (fields === 0) this.#succeed();
    else if (fields !== USER_DATA || subChannels !== 0 || expectedType === TYPE_CD_DA) this.#refuse(SENSE_INVALID_FIELD);
    else this.#read(begin('read'), big32(packet, 2), big32(packet, 5) & 0xff_ffff);
  }

  #read(job: Job, sector: number, count: number): void {
    const sectors = this.#disc?.sectorCount ?? 0;
    if (sector + count > sectors || sector >= sectors) {
      this.#refuse(SENSE_ADDRESS_OUT_OF_RANGE);
      return;
    }
    if (count > READ_MAXIMUM_SECTORS) {
      this.#refuse(SENSE_INVALID_FIELD);
      return;
    }
    if (count === 0) {
      this.#succeed();
      return;
    }
    job.sector = sector;
    job.remaining = count;
    this.#own.job = job;
    if (job.dma) {
      this.#showReason(REASON_TO_HOST);
      this.enterDma();
    } else {
      this.enterBusy();
      this.#fetch(job);
    }
  }

  #takeParameters(job: Job, length: number): void {
    if (length === 0) {
      this.#succeed();
      return;
    }
    this.#own.job = job;
    job.staged = length;
    this.#showReason(0);
    if (job.dma) {
      this.enterDma();
      return;
    }
    this.#showByteCount(length);
    this.enterData('data-out', 0, length);
    this.raiseInterrupt();
  }

  #reply(data: Uint8Array, allocationLength: number, dma: boolean, byteLimit: number): void {
    const length = Math.min(data.length, allocationLength);
    if (length === 0) {
      this.#succeed();
      return;
    }
    const job = newJob('reply', dma, byteLimit);
    this.#own.job = job;
    this.#stage(data.subarray(0, length));
    if (dma) {
      this.#showReason(REASON_TO_HOST);
      this.enterDma();
    } else {
      this.#continueToHost(job);
    }
  }

  /** Fills the staging buffer from the disc. The drive is busy. */
  #fetch(job: Job): void {
    const disc = this.#disc;
    if (disc === undefined) {
      this.#refuse(SENSE_MEDIUM_ABSENT);
      return;
    }
    const sectorCount = Math.min(job.remaining, STAGED_SECTORS);
    const segments = [{ offset: this.staging.offset, length: sectorCount * DISC_SECTOR_BYTES }];
    const { epoch } = this;
    disc.submit({ kind: 'read', sector: job.sector, sectorCount, segments }, (status) => {
      if (epoch !== this.epoch) return;
      if (status !== 'ok') {
        this.#refuse(SENSE_UNRECOVERED_READ);
        return;
      }
      job.sector += sectorCount;
      job.remaining -= sectorCount;
      job.staged = sectorCount * DISC_SECTOR_BYTES;
      job.sent = 0;
      this.state.filled = job.staged;
      this.#continueToHost(job);
    });
  }

  /** The next PIO data block, the next sectors, or the end. */
  #continueToHost(job: Job): void {
    if (job.sent < job.staged) {
      const length = Math.min(job.byteLimit, job.staged - job.sent);
      this.#showReason(REASON_TO_HOST);
      this.#showByteCount(length);
      this.enterData('data-in', job.sent, job.sent + length);
      this.raiseInterrupt();
    } else if (job.remaining > 0) {
      this.state.filled = 0;
      this.enterBusy();
      this.#fetch(job);
    } else {
      this.#succeed();
    }
  }

  #readByDma(job: Job): void {
    const disc = this.#disc;
    const window = disc === undefined ? undefined : this.busMaster.open(job.remaining * DISC_SECTOR_BYTES, 'to-memory');
    if (disc === undefined || window === undefined) {
      this.#refuse(disc === undefined ? SENSE_MEDIUM_ABSENT : SENSE_DATA_PHASE);
      return;
    }
    const { epoch } = this;
    disc.submit({ kind: 'read', sector: job.sector, sectorCount: job.remaining, segments: window.segments }, (status) => {
      this.busMaster.release(window);
      if (epoch !== this.epoch) return;
      if (status !== 'ok') {
        this.#refuse(SENSE_UNRECOVERED_READ);
        return;
      }
      this.busMaster.finished(window);
      this.#succeed();
    });
  }

  /** A reply or MODE SELECT's parameters, between the staging buffer and guest memory. */
  #exchangeByDma(job: Job): void {
    const toMemory = job.kind === 'reply';
    const window = this.busMaster.open(job.staged, toMemory ? 'to-memory' : 'from-memory');
    if (window === undefined) {
      this.#refuse(SENSE_DATA_PHASE);
      return;
    }
    let at = this.staging.offset;
    for (const { offset, length } of window.segments) {
      if (toMemory) this.memory.bytes.copyWithin(offset, at, at + length);
      at += length;
    }
    this.busMaster.release(window);
    this.busMaster.finished(window);
    this.#succeed();
  }

  #stage(data: Uint8Array): void {
    this.memory.bytes.set(data, this.staging.offset);
    this.state.filled = data.length;
    if (this.#own.job !== undefined) this.#own.job.staged = data.length;
  }

  #stagedBytes(length: number): Uint8Array {
    return this.memory.bytes.slice(this.staging.offset, this.staging.offset + length);
  }

  #succeed(): void {
    this.#own.job = undefined;
    this.#showReason(REASON_TO_HOST | REASON_COMMAND);
    this.complete();
  }

  /** CHECK CONDITION. */
  #refuse(sense: Sense): void {
    this.#own.job = undefined;
    this.#own.sense = sense;
    this.#showReason(REASON_TO_HOST | REASON_COMMAND);
    this.fail((sense.key << 4) | (sense.key === SENSE_KEY_ILLEGAL_REQUEST ? ERROR_ABRT : 0), STATUS_DRDY | STATUS_DSC | STATUS_ERR);
  }

  #showReason(reason: number): void {
    this.state.taskFile.count = reason;
  }

  #showByteCount(bytes: number): void {
    this.state.taskFile.lbaMid = bytes & 0xff;
    this.state.taskFile.lbaHigh = bytes >>> 8;
  }
}

function powerOnState(): AtapiState {
  return {
    sense: NO_SENSE, attention: false, mediaEvent: MEDIA_EVENT_NONE, trayOpen: false, locked: false,
    transferMode: { kind: 'mwdma', mode: 2 }, job: undefined,
  };
}

function newJob(kind: Job['kind'], dma: boolean, byteLimit: number): Job {
  return { kind, dma, byteLimit, sector: 0, remaining: 0, staged: 0, sent: 0 };
}

function checkedMedium(id: string, medium: BlockBackend | undefined): BlockBackend | undefined {
  if (medium !== undefined && medium.sectorBytes !== DISC_SECTOR_BYTES) throw new Error(`${id}: a disc has sectors of ${DISC_SECTOR_BYTES} bytes`);
  return medium;
}

function big16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

function big32(bytes: Uint8Array, at: number): number {
  return big16(bytes, at) * 0x10000 + big16(bytes, at + 2);
}
