/**
 * Virtio block device (Virtual I/O Device 1.2, §5.2): read, write, flush, discard, write zeroes and the serial number, as
 * many requests at a time as the queues hold. A driver that took no flush counts on every write that is completed (§5.2.6.2).
 *
 * Not emulated: secure erase, lifetime, a write cache that can be turned off, zones, the legacy SCSI pass-through.
 */
import { pinRanges, readRanges, sliceRanges, totalLength, writeRanges, type Chain, type GuestRange } from './virtqueue.ts';
import { VirtioPciDevice, type VirtioDeviceOptions } from './virtio-pci.ts';
import type { BlockBackend, BlockRequest, BlockStatus } from '../../interfaces/block-backend.ts';

const DEVICE_TYPE = 2;
const PCI_DEVICE_ID = 0x1001;
/** SCSI storage controller, as drivers that match by class expect of it. */
const CLASS_CODE = 0x010000;
/** As many as a machine may have processors for, each with its own. */
const QUEUE_COUNT = 4;
const QUEUE_SIZE = 256;
/** Queue and head of a request as one number. */
const QUEUE_UNIT = 0x1_0000;
/** Requests are counted in these whatever the disk's own sectors (§5.2.4). */
const SECTOR_BYTES = 512;

const FEATURE_SEGMENT_MAXIMUM = 2;
const FEATURE_READ_ONLY = 5;
const FEATURE_BLOCK_SIZE = 6;
const FEATURE_FLUSH = 9;
const FEATURE_MULTIQUEUE = 12;
const FEATURE_DISCARD = 13;
const FEATURE_WRITE_ZEROES = 14;

const REQUEST_IN = 0;
const REQUEST_OUT = 1;
const REQUEST_FLUSH = 4;
const REQUEST_GET_ID = 8;
const REQUEST_DISCARD = 11;
const REQUEST_WRITE_ZEROES = 13;
const REQUEST_HEADER_BYTES = 16;
const ID_BYTES = 20;

const STATUS_OK = 0;
const STATUS_IO_ERROR = 1;
const STATUS_UNSUPPORTED = 2;

/** Segments of a request to discard or to write zeroes, and 512-byte sectors of one segment. */
const RANGE_MAXIMUM_SEGMENTS = 16;
const RANGE_MAXIMUM_SECTORS = 1 << 22;
const RANGE_SEGMENT_BYTES = 16;
/** Flag of a segment: what is zeroed may be discarded. */
const RANGE_UNMAP = 1;

/** Configuration (§5.2.4). */
const CONFIG_CAPACITY = 0;
const CONFIG_SEGMENT_MAXIMUM = 12;
const CONFIG_BLOCK_SIZE = 20;
const CONFIG_QUEUE_COUNT = 34;
const CONFIG_DISCARD_SECTORS = 36;
const CONFIG_DISCARD_SEGMENTS = 40;
const CONFIG_DISCARD_ALIGNMENT = 44;
const CONFIG_ZEROES_SECTORS = 48;
const CONFIG_ZEROES_SEGMENTS = 52;
const CONFIG_ZEROES_MAY_UNMAP = 56;
const CONFIG_BYTES = 60;

const FLUSH: BlockRequest = { kind: 'flush', sector: 0, sectorCount: 0, segments: [] };

interface VirtioBlockState {
  /** Requests that were taken and not returned, oldest first: queue * QUEUE_UNIT + head. */
  inFlight: number[];
}

/** A request and the queue that it came by. */
interface BlockChain extends Chain {
  readonly queue: number;
}

export interface VirtioBlockOptions extends VirtioDeviceOptions {
  readonly backend: BlockBackend;
}

export class VirtioBlock extends VirtioPciDevice {
  readonly #backend: BlockBackend;
  readonly #config = new Uint8Array(CONFIG_BYTES);
  #state: VirtioBlockState = { inFlight: [] };

  constructor(options: VirtioBlockOptions) {
    const { readOnly } = options.backend;
    super(options, {
      deviceType: DEVICE_TYPE,
      pciDeviceId: PCI_DEVICE_ID,
      classCode: CLASS_CODE,
      features: [FEATURE_SEGMENT_MAXIMUM, FEATURE_BLOCK_SIZE, FEATURE_FLUSH, FEATURE_MULTIQUEUE, ...(readOnly ? [FEATURE_READ_ONLY] : [FEATURE_DISCARD, FEATURE_WRITE_ZEROES])],
      queueSizes: new Array<number>(QUEUE_COUNT).fill(QUEUE_SIZE),
      configBytes: CONFIG_BYTES,
    });
    this.#backend = options.backend;
    const view = new DataView(this.#config.buffer);
    const sectorsPerBlock = options.backend.sectorBytes / SECTOR_BYTES;
    view.setBigUint64(CONFIG_CAPACITY, BigInt(options.backend.sectorCount * sectorsPerBlock), true);
    // A header and a status descriptor go with the data.
    view.setUint32(CONFIG_SEGMENT_MAXIMUM, QUEUE_SIZE - 2, true);
    view.setUint32(CONFIG_BLOCK_SIZE, options.backend.sectorBytes, true);
    view.setUint16(CONFIG_QUEUE_COUNT, QUEUE_COUNT, true);
    if (!readOnly) {
      view.setUint32(CONFIG_DISCARD_SECTORS, RANGE_MAXIMUM_SECTORS, true);
      view.setUint32(CONFIG_DISCARD_SEGMENTS, RANGE_MAXIMUM_SEGMENTS, true);
      view.setUint32(CONFIG_ZEROES_SECTORS, RANGE_MAXIMUM_SECTORS, true);
      view.setUint32(CONFIG_ZEROES_SEGMENTS, RANGE_MAXIMUM_SEGMENTS, true);
      view.setUint8(CONFIG_ZEROES_MAY_UNMAP, 1);
      view.setUint32(CONFIG_DISCARD_ALIGNMENT, sectorsPerBlock, true);
    }
  }

  protected notified(queue: number): void {
    // A driver can't have more requests under way than the queue has entries; one that says so has to wait.
    while (this.#countInFlight(queue) < this.queueSize(queue)) {
      const chain = this.take(queue);
      if (chain === undefined) return;
      this.#state.inFlight.push(queue * QUEUE_UNIT + chain.head);
      this.#start({ ...chain, queue });
    }
  }

  protected readConfigByte(offset: number): number {
    return this.#config[offset] ?? 0;
  }

  protected resetOwn(): void {
    this.#state = { inFlight: [] };
  }

  protected saveOwn(): unknown {
    const { inFlight, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { inFlight: [...inFlight] } satisfies VirtioBlockState;
  }

  protected restoreOwn(saved: unknown): void {
    const { inFlight } = saved as VirtioBlockState;
    this.#state = { inFlight: [...inFlight] };
    for (const request of inFlight) {
      const queue = Math.floor(request / QUEUE_UNIT);
      const head = request % QUEUE_UNIT;
      const chain = this.chainAt(queue, head);
      if (chain === undefined) this.#forget(queue, head);
      else this.#start({ ...chain, queue });
    }
  }

  #countInFlight(queue: number): number {
    let count = 0;
    for (const request of this.#state.inFlight) if (Math.floor(request / QUEUE_UNIT) === queue) count++;
    return count;
  }

  #forget(queue: number, head: number): boolean {
    const at = this.#state.inFlight.indexOf(queue * QUEUE_UNIT + head);
    if (at < 0) return false;
    this.#state.inFlight.splice(at, 1);
    return true;
  }

  /** `dataBytes`: what was written to the guest before the status byte. */
  #finish(chain: BlockChain, status: number, dataBytes: number): void {
    if (!this.#forget(chain.queue, chain.head)) return;
    const space = totalLength(chain.writable);
    if (space > 0) writeRanges(this.memory, sliceRanges(chain.writable, space - 1, space), Uint8Array.of(status));
    this.complete(chain.queue, chain.head, space > 0 ? dataBytes + 1 : 0);
  }

  /** A completion from outside: there is room for another request now. */
  #finishLater(chain: BlockChain, status: number, dataBytes: number): void {
    this.#finish(chain, status, dataBytes);
    this.notified(chain.queue);
  }

  #start(chain: BlockChain): void {
    const space = totalLength(chain.writable);
    const given = totalLength(chain.readable);
    // Without a header or a status byte the driver can't be told anything: the request is returned as it is.
    if (space < 1 || given < REQUEST_HEADER_BYTES) {
      this.#finish(chain, STATUS_IO_ERROR, 0);
      return;
    }
    const header = new DataView(readRanges(this.memory, sliceRanges(chain.readable, 0, REQUEST_HEADER_BYTES)).buffer);
    const type = header.getUint32(0, true);
    // Beyond 2^53 every sector is out of range anyway.
    const sector = Number(header.getBigUint64(8, true));
    switch (type) {
      case REQUEST_IN:
        this.#transfer(chain, 'read', sector, sliceRanges(chain.writable, 0, space - 1));
        break;
      case REQUEST_OUT:
        this.#transfer(chain, 'write', sector, sliceRanges(chain.readable, REQUEST_HEADER_BYTES, given));
        break;
      case REQUEST_FLUSH:
        this.#submit(chain, FLUSH, 0);
        break;
      case REQUEST_GET_ID: {
        const id = new Uint8Array(ID_BYTES);
        for (let index = 0; index < Math.min(ID_BYTES, this.#backend.serial.length); index++) id[index] = this.#backend.serial.charCodeAt(index);
        this.#finish(chain, STATUS_OK, writeRanges(this.memory, sliceRanges(chain.writable, 0, space - 1), id));
        break;
      }
      case REQUEST_DISCARD:
      case REQUEST_WRITE_ZEROES:
        if (this.#backend.readOnly || !this.hasFeature(type === REQUEST_DISCARD ? FEATURE_DISCARD : FEATURE_WRITE_ZEROES)) this.#finish(chain, STATUS_UNSUPPORTED, 0);
        else this.#changeRanges(chain, type === REQUEST_DISCARD ? 'discard' : 'zero', sliceRanges(chain.readable, REQUEST_HEADER_BYTES, given));
        break;
      default:
        this.#finish(chain, STATUS_UNSUPPORTED, 0);
    }
  }

  /** Sectors of the disk's own size, or `undefined` where the range doesn't begin and end with one or leaves the disk. */
  #ownSectors(sector: number, bytes: number): { sector: number; sectorCount: number } | undefined {
    const { sectorBytes, sectorCount } = this.#backend;
    const first = (sector * SECTOR_BYTES) / sectorBytes;
    const count = bytes / sectorBytes;
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count === 0 || first + count > sectorCount) return undefined;
    return { sector: first, sectorCount: count };
  }

  #transfer(chain: BlockChain, kind: 'read' | 'write', sector: number, data: readonly GuestRange[]): void {
    const bytes = totalLength(data);
    const range = this.#ownSectors(sector, bytes);
    if (range === undefined || (kind === 'write' && this.#backend.readOnly)) {
      this.#finish(chain, STATUS_IO_ERROR, 0);
      return;
    }
    const pinned = pinRanges(this.memory, data, kind === 'read' ? 'write' : 'read');
    if (pinned === undefined) {
      this.#finish(chain, STATUS_IO_ERROR, 0);
      return;
    }
    this.#submit(chain, { kind, ...range, segments: pinned.segments }, kind === 'read' ? bytes : 0, () => { pinned.release(); });
  }

  #submit(chain: BlockChain, request: BlockRequest, dataBytes: number, release?: () => void): void {
    const { epoch } = this;
    this.#backend.submit(request, (status) => {
      release?.();
      if (epoch !== this.epoch) return;
      if (status === 'ok' && request.kind === 'write' && !this.hasFeature(FEATURE_FLUSH)) this.#submit(chain, FLUSH, 0);
      else this.#finishLater(chain, status === 'ok' ? STATUS_OK : STATUS_IO_ERROR, status === 'ok' ? dataBytes : 0);
    });
  }

  #changeRanges(chain: BlockChain, kind: 'discard' | 'zero', segments: readonly GuestRange[]): void {
    const bytes = totalLength(segments);
    const isSound = bytes > 0 && bytes % RANGE_SEGMENT_BYTES === 0 && bytes <= RANGE_MAXIMUM_SEGMENTS * RANGE_SEGMENT_BYTES;
    const ranges = isSound ? this.#ranges(new DataView(readRanges(this.memory, segments).buffer), kind) : 'malformed';
    if (typeof ranges === 'string') {
      this.#finish(chain, ranges === 'unsupported' ? STATUS_UNSUPPORTED : STATUS_IO_ERROR, 0);
      return;
    }
    const { epoch } = this;
    let left = ranges.length;
    let worst: BlockStatus = 'ok';
    for (const range of ranges) {
      this.#backend.submit({ ...range, segments: [] }, (status) => {
        if (epoch !== this.epoch) return;
        if (status !== 'ok') worst = status;
        left--;
        if (left > 0) return;
        if (worst === 'ok' && kind === 'zero' && !this.hasFeature(FEATURE_FLUSH)) this.#submit(chain, FLUSH, 0);
        else this.#finishLater(chain, worst === 'ok' ? STATUS_OK : STATUS_IO_ERROR, 0);
      });
    }
  }

  #ranges(view: DataView, kind: 'discard' | 'zero'): { kind: 'discard' | 'zero'; sector: number; sectorCount: number }[] | 'malformed' | 'unsupported' {
    const ranges: { kind: 'discard' | 'zero'; sector: number; sectorCount: number }[] = [];
    for (let at = 0; at < view.byteLength; at += RANGE_SEGMENT_BYTES) {
      const sectors = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      // §5.2.6.2: other flags, and that one of a discard, are answered as unsupported.
      if ((flags & ~(kind === 'zero' ? RANGE_UNMAP : 0)) !== 0) return 'unsupported';
      const range = sectors > RANGE_MAXIMUM_SECTORS ? undefined : this.#ownSectors(Number(view.getBigUint64(at, true)), sectors * SECTOR_BYTES);
      if (range === undefined) return 'malformed';
      ranges.push({ kind: flags === RANGE_UNMAP ? 'discard' : kind, ...range });
    }
    return ranges;
  }
}
