/**
 * Virtio over PCI (Virtual I/O Device 1.2, §4.1): a transitional device, with the modern register blocks in BAR 4 and the
 * legacy ones in BAR 0. Devices derive from it and bring queues, features and their own configuration.
 *
 * Not emulated: MSI-X, queue reset, shared memory regions, notification data.
 */
import { Virtqueue, type Chain, type VirtqueueState } from './virtqueue.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { DeviceLog } from '../../interfaces/log.ts';
import type { PciBar, PciCapability, PciFunction } from '../../interfaces/pci.ts';

const VENDOR_VIRTIO = 0x1af4;

/** Device status (§2.1). */
export const STATUS_DRIVER_OK = 0x04;
const STATUS_FEATURES_OK = 0x08;
const STATUS_NEEDS_RESET = 0x40;

/** Feature bits of every device (§6). */
const FEATURE_INDIRECT_DESCRIPTORS = 28;
const FEATURE_EVENT_INDEX = 29;
export const FEATURE_VERSION_1 = 32;
/** VIRTIO_F_ANY_LAYOUT: shown to legacy drivers alone, since modern ones take it for granted (§6.3). */
const FEATURE_ANY_LAYOUT_BIT = 1 << 27;

const ISR_QUEUE = 1;
const ISR_CONFIGURATION = 2;

/** Common configuration structure (§4.1.4.3). */
const COMMON = {
  deviceFeatureSelect: 0x00,
  deviceFeature: 0x04,
  driverFeatureSelect: 0x08,
  driverFeature: 0x0c,
  configMsixVector: 0x10,
  queueCount: 0x12,
  deviceStatus: 0x14,
  configGeneration: 0x15,
  queueSelect: 0x16,
  queueSize: 0x18,
  queueMsixVector: 0x1a,
  queueEnable: 0x1c,
  queueNotifyOffset: 0x1e,
  queueDescriptors: 0x20,
  queueDriver: 0x28,
  queueDevice: 0x30,
} as const;
const COMMON_LENGTH = 0x38;
const NO_VECTOR = 0xffff;

/** Blocks of the modern BAR, a page each. */
const BLOCK_BYTES = 0x1000;
const BLOCK_COMMON = 0;
const BLOCK_ISR = 1;
const BLOCK_DEVICE = 2;
const BLOCK_NOTIFY = 3;
const MODERN_BAR = 4;
const MODERN_BAR_LENGTH = 4 * BLOCK_BYTES;
const NOTIFY_MULTIPLIER = 4;

/** Legacy registers (§4.1.4.10). */
const LEGACY = {
  deviceFeatures: 0x00,
  driverFeatures: 0x04,
  queueAddress: 0x08,
  queueSize: 0x0c,
  queueSelect: 0x0e,
  queueNotify: 0x10,
  deviceStatus: 0x12,
  isr: 0x13,
} as const;
const LEGACY_HEADER_LENGTH = 0x14;
const LEGACY_BAR_LENGTH = 0x80;
const LEGACY_PAGE_BYTES = 4096;

/** Capability types (§4.1.4). */
const CAPABILITY_VENDOR = 0x09;
const CAPABILITY_COMMON = 1;
const CAPABILITY_NOTIFY = 2;
const CAPABILITY_ISR = 3;
const CAPABILITY_DEVICE = 4;
const CAPABILITY_PCI_CONFIG = 5;
const CAPABILITY_BYTES = 16;

interface TransportState {
  status: number;
  isr: number;
  /** 64 bits, as two words. */
  driverFeaturesLow: number;
  driverFeaturesHigh: number;
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  queueSelect: number;
  configGeneration: number;
}

export interface SavedVirtio {
  readonly transport: Readonly<TransportState>;
  readonly queues: readonly Readonly<VirtqueueState>[];
  readonly own: unknown;
}

export interface VirtioDeviceOptions {
  readonly id: string;
  readonly memory: GuestMemory;
  readonly log: DeviceLog;
}

/** What a kind of device says about itself. */
export interface VirtioKind {
  /** Virtio device type (§5). */
  readonly deviceType: number;
  /** Transitional PCI device id. */
  readonly pciDeviceId: number;
  readonly classCode: number;
  /** Feature bits of the device itself. */
  readonly features: readonly number[];
  readonly queueSizes: readonly number[];
  /** Bytes of its configuration. */
  readonly configBytes: number;
}

function idleTransport(): TransportState {
  return {
    status: 0, isr: 0, driverFeaturesLow: 0, driverFeaturesHigh: 0, deviceFeatureSelect: 0, driverFeatureSelect: 0, queueSelect: 0, configGeneration: 0,
  };
}

export abstract class VirtioPciDevice implements PciFunction, Device<SavedVirtio> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = VENDOR_VIRTIO;
  readonly deviceId: number;
  /** 0 tells drivers that the device is a legacy or transitional one. */
  readonly revision = 0;
  readonly classCode: number;
  readonly subsystemVendorId = VENDOR_VIRTIO;
  readonly subsystemId: number;
  readonly interruptPin = 1;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities: readonly PciCapability[];
  protected readonly memory: GuestMemory;
  protected readonly log: DeviceLog;
  /** Counts resets: completions of requests from before one are stale. */
  protected epoch = 0;
  readonly #queues: readonly Virtqueue[];
  readonly #configBytes: number;
  readonly #featuresLow: number;
  readonly #featuresHigh: number;
  #interrupt: InterruptLine | undefined;
  #state = idleTransport();

  protected constructor(options: VirtioDeviceOptions, kind: VirtioKind) {
    this.id = options.id;
    this.memory = options.memory;
    this.log = options.log;
    this.deviceId = kind.pciDeviceId;
    this.classCode = kind.classCode;
    this.subsystemId = kind.deviceType;
    this.#configBytes = kind.configBytes;
    this.#queues = kind.queueSizes.map((size) => new Virtqueue(options.memory, size));
    const features = [...kind.features, FEATURE_INDIRECT_DESCRIPTORS, FEATURE_EVENT_INDEX, FEATURE_VERSION_1];
    const word = (first: number): number => features.reduce((bits, bit) => (bit >= first && bit < first + 32 ? bits | (1 << (bit - first)) : bits), 0) >>> 0;
    this.#featuresLow = word(0);
    this.#featuresHigh = word(32);
    const legacy: IoHandler = {
      read: (offset, width) => this.#readLegacy(offset, width),
      write: (offset, width, value) => { this.#writeLegacy(offset, width, value); },
      peek: (offset, width) => this.#peekLegacy(offset, width),
    };
    const modern: IoHandler = {
      read: (offset, width) => this.#readModern(offset, width),
      write: (offset, width, value) => { this.#writeModern(offset, width, value); },
      peek: (offset, width) => this.#peekModern(offset, width),
    };
    this.bars = [
      { kind: 'io', length: LEGACY_BAR_LENGTH, handler: legacy },
      undefined, undefined, undefined,
      { kind: 'memory', length: MODERN_BAR_LENGTH, prefetchable: false, handler: modern },
    ];
    this.capabilities = [
      { bytes: capability(CAPABILITY_COMMON, BLOCK_COMMON, COMMON_LENGTH) },
      { bytes: capability(CAPABILITY_ISR, BLOCK_ISR, 1) },
      { bytes: capability(CAPABILITY_DEVICE, BLOCK_DEVICE, Math.max(4, kind.configBytes)) },
      { bytes: capability(CAPABILITY_NOTIFY, BLOCK_NOTIFY, NOTIFY_MULTIPLIER * kind.queueSizes.length, NOTIFY_MULTIPLIER) },
      configAccessCapability(modern),
    ];
  }

  connectInterrupt(line: InterruptLine): void {
    this.#interrupt = line;
  }

  /** A driver notified queue `index`, or started with requests in it. The device is running. */
  protected abstract notified(index: number): void;
  /** The driver has settled which features it uses, or a reset or restore has. */
  protected featuresSettled(): void {}
  /** One byte of the device's configuration. */
  protected abstract readConfigByte(offset: number): number;
  /** `width` bytes were written to the device's configuration at `offset`. */
  protected writeDeviceConfig(_offset: number, _width: AccessWidth, _value: number): void {}
  /** The driver, the machine or a restore to come reset the device. */
  protected abstract resetOwn(): void;
  protected abstract saveOwn(): unknown;
  /** Called when transport and queues have their saved state; unfinished requests start again. */
  protected abstract restoreOwn(saved: unknown): void;

  reset(_kind: ResetKind): void {
    this.#resetDevice();
  }

  save(): SavedVirtio {
    const {
      status, isr, driverFeaturesLow, driverFeaturesHigh, deviceFeatureSelect, driverFeatureSelect, queueSelect, configGeneration, ...rest
    } = this.#state;
    rest satisfies Record<string, never>;
    return {
      transport: { status, isr, driverFeaturesLow, driverFeaturesHigh, deviceFeatureSelect, driverFeatureSelect, queueSelect, configGeneration },
      queues: this.#queues.map((queue) => queue.save()),
      own: this.saveOwn(),
    };
  }

  /** Guest memory holds its saved contents before this is called: unfinished requests are read from it again. */
  restore(saved: SavedVirtio): void {
    this.#resetDevice();
    this.#state = { ...saved.transport };
    this.#queues.forEach((queue, index) => {
      const own = saved.queues[index];
      if (own !== undefined) queue.state = { ...own };
    });
    this.#applyFeatures();
    this.restoreOwn(saved.own);
    this.#driveInterrupt();
  }

  /** Whether the driver runs the device. */
  protected get isRunning(): boolean {
    return (this.#state.status & STATUS_DRIVER_OK) !== 0 && (this.#state.status & STATUS_NEEDS_RESET) === 0;
  }

  protected hasFeature(bit: number): boolean {
    const { driverFeaturesLow, driverFeaturesHigh } = this.#state;
    return ((bit < 32 ? driverFeaturesLow >>> bit : driverFeaturesHigh >>> (bit - 32)) & 1) !== 0;
  }

  /** Takes the next request of a queue; a broken queue stops the device. */
  protected take(index: number): Chain | undefined {
    const queue = this.#queues[index];
    if (queue === undefined || !this.isRunning) return undefined;
    const chain = queue.take();
    if (chain !== undefined) return chain;
    if (queue.state.broken) this.#stop(`queue ${index} is malformed`);
    else queue.askForNotification();
    return undefined;
  }

  /** The last `count` requests taken from a queue weren't: they come again. */
  protected putBack(index: number, count: number): void {
    this.#queues[index]?.putBack(count);
  }

  /** The chain of a request taken earlier, read again from guest memory. */
  protected chainAt(index: number, head: number): Chain | undefined {
    return this.#queues[index]?.chainAt(head);
  }

  protected queueSize(index: number): number {
    return this.#queues[index]?.state.size ?? 0;
  }

  /** Returns a request to the driver. */
  protected complete(index: number, head: number, written: number): void {
    if (this.#queues[index]?.complete(head, written) === true) this.#raise(ISR_QUEUE);
  }

  /** The device's own configuration has another content. */
  protected configChanged(): void {
    if ((this.#state.status & STATUS_DRIVER_OK) !== 0) this.#raise(ISR_CONFIGURATION);
  }

  /** The driver broke the rules: nothing happens until it resets the device. */
  #stop(why: string): void {
    this.log.log('warning', 'virtio-driver-error', `${this.id} needs a reset: ${why}`);
    this.#state.status |= STATUS_NEEDS_RESET;
    this.#raise(ISR_CONFIGURATION);
  }

  #raise(cause: number): void {
    this.#state.isr |= cause;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#interrupt?.set(this.#state.isr !== 0);
  }

  #takeIsr(): number {
    const { isr } = this.#state;
    this.#state.isr = 0;
    this.#driveInterrupt();
    return isr;
  }

  #resetDevice(): void {
    this.epoch++;
    this.#state = idleTransport();
    for (const queue of this.#queues) queue.reset();
    this.featuresSettled();
    this.resetOwn();
    this.#driveInterrupt();
  }

  #applyFeatures(): void {
    for (const queue of this.#queues) {
      queue.usesEventIndex = this.hasFeature(FEATURE_EVENT_INDEX);
      queue.allowsIndirect = this.hasFeature(FEATURE_INDIRECT_DESCRIPTORS);
    }
    this.featuresSettled();
  }

  /** `modern`: through the modern registers, where features have to be settled first. */
  #setStatus(value: number, modern: boolean): void {
    if (value === 0) {
      this.#resetDevice();
      return;
    }
    const state = this.#state;
    const before = state.status;
    let status = value | (before & STATUS_NEEDS_RESET);
    if (modern && (status & STATUS_FEATURES_OK) !== 0 && (before & STATUS_FEATURES_OK) === 0) {
      const isSubset = (state.driverFeaturesLow & ~this.#featuresLow) === 0 && (state.driverFeaturesHigh & ~this.#featuresHigh) === 0;
      if (!isSubset || !this.hasFeature(FEATURE_VERSION_1)) status &= ~STATUS_FEATURES_OK;
    }
    state.status = status;
    this.#applyFeatures();
    if ((before & STATUS_DRIVER_OK) !== 0 || !this.isRunning) return;
    // Requests may have been queued before the driver started the device.
    for (let index = 0; index < this.#queues.length && this.isRunning; index++) this.notified(index);
  }

  #setDriverFeatures(word: number, value: number): void {
    if ((this.#state.status & STATUS_FEATURES_OK) !== 0) return;
    if (word === 0) this.#state.driverFeaturesLow = value >>> 0;
    else if (word === 1) this.#state.driverFeaturesHigh = value >>> 0;
  }

  get #legacyFeatures(): number {
    return (this.#featuresLow | FEATURE_ANY_LAYOUT_BIT) >>> 0;
  }

  get #selectedQueue(): Virtqueue | undefined {
    return this.#queues[this.#state.queueSelect];
  }

  #notify(index: number): void {
    if (index < this.#queues.length && this.isRunning) this.notified(index);
  }

  #readDeviceConfig(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let byte = 0; byte < width; byte++) {
      value += (offset + byte < this.#configBytes ? this.readConfigByte(offset + byte) & 0xff : 0) * 2 ** (8 * byte);
    }
    return value;
  }

  #readModern(offset: number, width: AccessWidth): number {
    if (offset >> 12 === BLOCK_ISR && offset % BLOCK_BYTES === 0) return this.#takeIsr();
    return this.#peekModern(offset, width);
  }

  #peekModern(offset: number, width: AccessWidth): number {
    const at = offset % BLOCK_BYTES;
    switch (offset >> 12) {
      case BLOCK_COMMON: return this.#readCommon(at, width);
      case BLOCK_ISR: return at === 0 ? this.#state.isr : 0;
      case BLOCK_DEVICE: return this.#readDeviceConfig(at, width);
      default: return 0;
    }
  }

  #writeModern(offset: number, width: AccessWidth, value: number): void {
    const at = offset % BLOCK_BYTES;
    switch (offset >> 12) {
      case BLOCK_COMMON:
        this.#writeCommon(at, width, value);
        break;
      case BLOCK_DEVICE:
        if (at < this.#configBytes) this.writeDeviceConfig(at, width, value);
        break;
      case BLOCK_NOTIFY:
        if (at % NOTIFY_MULTIPLIER === 0) this.#notify(at / NOTIFY_MULTIPLIER);
        break;
      default:
    }
  }

  #readCommon(offset: number, width: AccessWidth): number {
    // Fields are read whole; a narrower access gets its part of them.
    const field = offset & ~3;
    const word = this.#readCommonWord(field);
    const shifted = word / 2 ** (8 * (offset - field));
    return Math.floor(shifted) % 2 ** (8 * width);
  }

  /** The 32 bits at `field`, a multiple of 4. */
  #readCommonWord(field: number): number {
    const state = this.#state;
    const queue = this.#selectedQueue;
    const pair = (low: number, high: number): number => low + high * 0x10000;
    switch (field) {
      case COMMON.deviceFeatureSelect: return state.deviceFeatureSelect;
      case COMMON.deviceFeature: return [this.#featuresLow, this.#featuresHigh][state.deviceFeatureSelect] ?? 0;
      case COMMON.driverFeatureSelect: return state.driverFeatureSelect;
      case COMMON.driverFeature: return [state.driverFeaturesLow, state.driverFeaturesHigh][state.driverFeatureSelect] ?? 0;
      case COMMON.configMsixVector: return pair(NO_VECTOR, this.#queues.length);
      case COMMON.deviceStatus: return pair(state.status + state.configGeneration * 0x100, state.queueSelect);
      case COMMON.queueSize: return pair(queue?.state.size ?? 0, NO_VECTOR);
      case COMMON.queueEnable: return pair(queue?.state.enabled === true ? 1 : 0, queue === undefined ? 0 : state.queueSelect);
      case COMMON.queueDescriptors: return (queue?.state.descriptors ?? 0) % 2 ** 32;
      case COMMON.queueDescriptors + 4: return Math.floor((queue?.state.descriptors ?? 0) / 2 ** 32);
      case COMMON.queueDriver: return (queue?.state.available ?? 0) % 2 ** 32;
      case COMMON.queueDriver + 4: return Math.floor((queue?.state.available ?? 0) / 2 ** 32);
      case COMMON.queueDevice: return (queue?.state.used ?? 0) % 2 ** 32;
      case COMMON.queueDevice + 4: return Math.floor((queue?.state.used ?? 0) / 2 ** 32);
      default: return 0;
    }
  }

  #writeCommon(offset: number, width: AccessWidth, value: number): void {
    const state = this.#state;
    const queue = this.#selectedQueue;
    switch (offset) {
      case COMMON.deviceFeatureSelect: state.deviceFeatureSelect = value; break;
      case COMMON.driverFeatureSelect: state.driverFeatureSelect = value; break;
      case COMMON.driverFeature: this.#setDriverFeatures(state.driverFeatureSelect, value); break;
      case COMMON.deviceStatus: this.#setStatus(value & 0xff, true); break;
      case COMMON.queueSelect: state.queueSelect = value & 0xffff; break;
      case COMMON.queueSize: if (queue?.state.enabled === false) queue.setSize(value & 0xffff); break;
      case COMMON.queueEnable: if (queue !== undefined && (value & 0xffff) === 1) queue.state.enabled = true; break;
      default: this.#writeQueueAddress(queue, offset, width, value);
    }
  }

  #writeQueueAddress(queue: Virtqueue | undefined, offset: number, width: AccessWidth, value: number): void {
    if (queue === undefined || queue.state.enabled || width !== 4 || offset % 4 !== 0) return;
    const placed = (present: number): number => (offset % 8 === 0
      ? Math.floor(present / 2 ** 32) * 2 ** 32 + value
      // Bits above the physical address width of any CPU are dropped: no address is out of a number's range.
      : (value & 0xf_ffff) * 2 ** 32 + (present % 2 ** 32));
    const { state } = queue;
    if ((offset & ~7) === COMMON.queueDescriptors) state.descriptors = placed(state.descriptors);
    else if ((offset & ~7) === COMMON.queueDriver) state.available = placed(state.available);
    else if ((offset & ~7) === COMMON.queueDevice) state.used = placed(state.used);
  }

  #readLegacy(offset: number, width: AccessWidth): number {
    return offset === LEGACY.isr ? this.#takeIsr() : this.#peekLegacy(offset, width);
  }

  #peekLegacy(offset: number, width: AccessWidth): number {
    const state = this.#state;
    const queue = this.#selectedQueue;
    if (offset >= LEGACY_HEADER_LENGTH) return this.#readDeviceConfig(offset - LEGACY_HEADER_LENGTH, width);
    const word = ((): number => {
      switch (offset) {
        case LEGACY.deviceFeatures: return this.#legacyFeatures;
        case LEGACY.driverFeatures: return state.driverFeaturesLow;
        case LEGACY.queueAddress: return Math.floor((queue?.state.descriptors ?? 0) / LEGACY_PAGE_BYTES);
        case LEGACY.queueSize: return queue?.state.size ?? 0;
        case LEGACY.queueSelect: return state.queueSelect;
        case LEGACY.deviceStatus: return state.status;
        case LEGACY.isr: return state.isr;
        default: return 0;
      }
    })();
    return word % 2 ** (8 * width);
  }

  #writeLegacy(offset: number, width: AccessWidth, value: number): void {
    switch (offset) {
      case LEGACY.driverFeatures:
        this.#setDriverFeatures(0, value & this.#legacyFeatures);
        break;
      case LEGACY.queueAddress: {
        const queue = this.#selectedQueue;
        if (queue === undefined) break;
        if (value === 0) {
          queue.state = { ...queue.state, nextAvailable: 0, nextUsed: 0, signalledUsed: 0, broken: false };
        }
        queue.placeLegacy(value * LEGACY_PAGE_BYTES);
        break;
      }
      case LEGACY.queueSelect:
        this.#state.queueSelect = value & 0xffff;
        break;
      case LEGACY.queueNotify:
        this.#notify(value & 0xffff);
        break;
      case LEGACY.deviceStatus:
        this.#setStatus(value & 0xff, false);
        break;
      default:
        if (offset >= LEGACY_HEADER_LENGTH && offset - LEGACY_HEADER_LENGTH < this.#configBytes) {
          this.writeDeviceConfig(offset - LEGACY_HEADER_LENGTH, width, value);
        }
    }
  }
}

/** struct virtio_pci_cap, with the multiplier that follows it for notifications. */
function capability(type: number, block: number, length: number, multiplier?: number): Uint8Array {
  const bytes = new Uint8Array(multiplier === undefined ? CAPABILITY_BYTES : CAPABILITY_BYTES + 4);
  const view = new DataView(bytes.buffer);
  bytes.set([CAPABILITY_VENDOR, 0, bytes.length, type, MODERN_BAR]);
  view.setUint32(8, block * BLOCK_BYTES, true);
  view.setUint32(12, length, true);
  if (multiplier !== undefined) view.setUint32(16, multiplier, true);
  return bytes;
}

/** Access to the modern registers through configuration space, for firmware that can't map memory BARs (§4.1.4.9). */
function configAccessCapability(modern: IoHandler): PciCapability {
  const DATA = 16;
  const bytes = new Uint8Array(CAPABILITY_BYTES + 4);
  bytes.set([CAPABILITY_VENDOR, 0, bytes.length, CAPABILITY_PCI_CONFIG]);
  const writable = new Uint8Array(bytes.length);
  writable[4] = 0xff;
  writable.fill(0xff, 8);
  const window = (structure: Uint8Array, offset: number): { at: number; width: AccessWidth; view: DataView } | undefined => {
    const view = new DataView(structure.buffer, structure.byteOffset, structure.byteLength);
    const at = view.getUint32(8, true);
    const width = view.getUint32(12, true);
    if (offset < DATA || structure[4] !== MODERN_BAR || (width !== 1 && width !== 2 && width !== 4)) return undefined;
    return at % width !== 0 || at + width > MODERN_BAR_LENGTH ? undefined : { at, width, view };
  };
  return {
    bytes,
    writable,
    reading: (structure, offset) => {
      const target = window(structure, offset);
      if (target !== undefined) target.view.setUint32(DATA, modern.read(target.at, target.width), true);
    },
    written: (structure, offset) => {
      const target = window(structure, offset);
      if (target === undefined) return;
      const value = target.view.getUint32(DATA, true);
      modern.write(target.at, target.width, target.width === 4 ? value : value % 2 ** (8 * target.width));
    },
  };
}
