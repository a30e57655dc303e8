/**
 * Native command queuing (Serial ATA 3.2, section 13.6): the queued reads and writes of one disk, in any number up to the
 * queue's depth at once, each by its tag.
 */
import { HOST_FIS } from './ahci-fis.ts';
import type { DmaWindow } from './bus-master.ts';
import { ERROR_ABRT, ERROR_IDNF, ERROR_UNC, STATUS_DF, STATUS_DRDY, STATUS_DSC, STATUS_ERR } from './ide-drive.ts';
import type { BlockBackend, BlockRequest, BlockStatus } from '../../interfaces/block-backend.ts';

const READ_FPDMA_QUEUED = 0x60;
const WRITE_FPDMA_QUEUED = 0x61;
export const QUEUE_DEPTH = 32;
const SECTOR_BYTES = 512;
const DEVICE_FUA = 0x80;
const LOG_BYTES = 512;
const LOG_NOT_QUEUED = 0x80;

export interface QueuedCommand {
  readonly tag: number;
  readonly operation: 'read' | 'write';
  readonly sector: number;
  readonly sectorCount: number;
  /** On stable storage before it ends (FUA). */
  readonly forced: boolean;
}

export interface QueueFailure {
  readonly command: QueuedCommand;
  readonly status: number;
  readonly error: number;
}

export interface SavedQueue {
  readonly commands: readonly QueuedCommand[];
  readonly failure: QueueFailure | undefined;
}

/** What the port does for the queue. */
export interface QueueHost {
  open(command: QueuedCommand, bytes: number): DmaWindow | undefined;
  release(window: DmaWindow): void;
  completed(command: QueuedCommand): void;
  /** Nothing else of the queue will complete. */
  failed(failure: QueueFailure): void;
}

export class NativeQueue {
  readonly #backend: BlockBackend;
  readonly #host: QueueHost;
  #commands = new Map<number, QueuedCommand>();
  #failure: QueueFailure | undefined;
  /** Counts what makes unfinished requests stale: their completions only free what they hold. */
  #epoch = 0;

  constructor(backend: BlockBackend, host: QueueHost) {
    this.#backend = backend;
    this.#host = host;
  }

  get isEmpty(): boolean {
    return this.#commands.size === 0;
  }

  start(command: QueuedCommand): void {
    const { tag, operation, sector, sectorCount, forced } = command;
    if (this.#commands.has(tag)) {
      this.#fail(command, ERROR_ABRT);
      return;
    }
    this.#commands.set(tag, command);
    if (operation === 'write' && this.#backend.readOnly) {
      this.#fail(command, ERROR_ABRT);
      return;
    }
    if (sector + sectorCount > this.#backend.sectorCount) {
      this.#fail(command, ERROR_IDNF);
      return;
    }
    const window = this.#host.open(command, sectorCount * SECTOR_BYTES);
    if (window === undefined) {
      this.#fail(command, ERROR_ABRT);
      return;
    }
    this.#submit(command, { kind: operation, sector, sectorCount, segments: window.segments }, () => { this.#host.release(window); }, () => {
      if (operation === 'write' && forced) this.#submit(command, { kind: 'flush', sector: 0, sectorCount: 0, segments: [] }, () => {}, () => { this.#complete(command); });
      else this.#complete(command);
    });
  }

  /** The port was stopped or reset. What failed is still told. */
  abandon(): void {
    this.#epoch++;
    this.#commands.clear();
  }

  reset(): void {
    this.abandon();
    this.#failure = undefined;
  }

  save(): SavedQueue {
    return { commands: [...this.#commands.values()].map((command) => ({ ...command })), failure: this.#failure === undefined ? undefined : copyOf(this.#failure) };
  }

  /** The port and guest memory have their saved state: unfinished commands start again. */
  restore({ commands, failure }: SavedQueue): void {
    this.reset();
    this.#failure = failure === undefined ? undefined : copyOf(failure);
    for (const command of commands) this.start({ ...command });
  }

  /** Log 10h (ACS-3 §9.11): whether the last failure was a queued command's, and which. */
  errorLog(): Uint8Array {
    const log = new Uint8Array(LOG_BYTES);
    const failure = this.#failure;
    if (failure === undefined) {
      log[0] = LOG_NOT_QUEUED;
    } else {
      const { command: { tag, sector, sectorCount }, status, error } = failure;
      const lba = Array.from({ length: 6 }, (_, index) => Math.floor(sector / 2 ** (8 * index)) % 256);
      log.set([tag, 0, status, error, lba[0]!, lba[1]!, lba[2]!, 0x40, lba[3]!, lba[4]!, lba[5]!, 0, sectorCount & 0xff, (sectorCount >> 8) & 0xff]);
    }
    // All bytes add up to 0.
    log[LOG_BYTES - 1] = -log.reduce((sum, byte) => sum + byte, 0) & 0xff;
    this.#failure = undefined;
    return log;
  }

  #submit(command: QueuedCommand, request: BlockRequest, release: () => void, succeeded: () => void): void {
    const epoch = this.#epoch;
    this.#backend.submit(request, (status) => {
      release();
      if (epoch !== this.#epoch) return;
      if (status === 'ok') succeeded();
      else this.#fail(command, errorOf(status, request.kind), status === 'io-error' && request.kind !== 'read' ? STATUS_DF : 0);
    });
  }

  #complete(command: QueuedCommand): void {
    this.#commands.delete(command.tag);
    this.#host.completed(command);
  }

  /** One failure ends all that is queued (§13.6.2.3). */
  #fail(command: QueuedCommand, error: number, status = 0): void {
    this.abandon();
    this.#failure = { command, status: STATUS_DRDY | STATUS_DSC | STATUS_ERR | status, error };
    this.#host.failed(this.#failure);
  }
}

/** `undefined` where the FIS holds another command. */
export function queuedCommand(fis: Uint8Array): QueuedCommand | undefined {
  const opcode = fis[HOST_FIS.command];
  if (opcode !== READ_FPDMA_QUEUED && opcode !== WRITE_FPDMA_QUEUED) return undefined;
  const byte = (field: keyof typeof HOST_FIS): number => fis[HOST_FIS[field]]!;
  return {
    tag: byte('count') >> 3,
    operation: opcode === READ_FPDMA_QUEUED ? 'read' : 'write',
    sector: byte('lbaLow') + byte('lbaMid') * 2 ** 8 + byte('lbaHigh') * 2 ** 16 + byte('previousLbaLow') * 2 ** 24 + byte('previousLbaMid') * 2 ** 32 + byte('previousLbaHigh') * 2 ** 40,
    sectorCount: byte('feature') + byte('previousFeature') * 2 ** 8 || 0x10000,
    forced: (byte('device') & DEVICE_FUA) !== 0,
  };
}

function errorOf(status: BlockStatus, kind: BlockRequest['kind']): number {
  if (status === 'out-of-range') return ERROR_IDNF;
  return status === 'io-error' && kind === 'read' ? ERROR_UNC : ERROR_ABRT;
}

function copyOf({ command, status, error }: QueueFailure): QueueFailure {
  return { command: { ...command }, status, error };
}
