/**
 * The device's end of a split virtqueue (Virtual I/O Device 1.2, §2.7). Everything in the rings comes from the guest and
 * is checked: sizes, indices, addresses, loops. A queue that breaks the rules stops until the device is reset.
 */
import type { GuestMemory, MemorySegment } from '../../interfaces/guest-memory.ts';

const DESCRIPTOR_BYTES = 16;
const DESCRIPTOR_NEXT = 1;
const DESCRIPTOR_WRITE = 2;
const DESCRIPTOR_INDIRECT = 4;
const AVAIL_NO_INTERRUPT = 1;
const RING_HEADER_BYTES = 4;
const USED_ELEMENT_BYTES = 8;
/** Descriptors of one chain, those of an indirect table included. Drivers keep to the queue size, which is less. */
const CHAIN_MAXIMUM_DESCRIPTORS = 1024;
/** Data of one chain. */
const CHAIN_MAXIMUM_BYTES = 64 << 20;
const ADDRESS_LIMIT = 2n ** 52n;
const LEGACY_ALIGNMENT = 4096;

/** A piece of guest memory, by physical address. */
export interface GuestRange {
  readonly address: number;
  readonly length: number;
}

/** One request of the driver. */
export interface Chain {
  readonly head: number;
  /** What the device reads, then what it may write, each in order. */
  readonly readable: readonly GuestRange[];
  readonly writable: readonly GuestRange[];
}

export interface VirtqueueState {
  size: number;
  enabled: boolean;
  descriptors: number;
  available: number;
  used: number;
  /** Free-running indices, 16 bits: next entry to take, next entry to fill. */
  nextAvailable: number;
  nextUsed: number;
  /** `nextUsed` when the driver was last told (event index). */
  signalledUsed: number;
  broken: boolean;
}

export class Virtqueue {
  readonly maximumSize: number;
  state: VirtqueueState;
  /** Negotiated: VIRTIO_F_EVENT_IDX and VIRTIO_F_INDIRECT_DESC. */
  usesEventIndex = false;
  allowsIndirect = false;
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory, maximumSize: number) {
    this.#memory = memory;
    this.maximumSize = maximumSize;
    this.state = this.#idleState();
  }

  reset(): void {
    this.state = this.#idleState();
    this.usesEventIndex = false;
    this.allowsIndirect = false;
  }

  save(): VirtqueueState {
    const { size, enabled, descriptors, available, used, nextAvailable, nextUsed, signalledUsed, broken, ...rest } = this.state;
    rest satisfies Record<string, never>;
    return { size, enabled, descriptors, available, used, nextAvailable, nextUsed, signalledUsed, broken };
  }

  /** Sizes that aren't a power of two or exceed the maximum leave it as it is. */
  setSize(size: number): void {
    if (size > 0 && size <= this.maximumSize && (size & (size - 1)) === 0) this.state.size = size;
  }

  /** Legacy layout (§2.7.2): everything follows the descriptor table at `address`; 0 turns the queue off. */
  placeLegacy(address: number): void {
    const { state } = this;
    const availableEnd = address + state.size * DESCRIPTOR_BYTES + RING_HEADER_BYTES + 2 * state.size + 2;
    state.descriptors = address;
    state.available = address + state.size * DESCRIPTOR_BYTES;
    state.used = Math.ceil(availableEnd / LEGACY_ALIGNMENT) * LEGACY_ALIGNMENT;
    state.enabled = address !== 0;
  }

  get isReady(): boolean {
    return this.state.enabled && !this.state.broken;
  }

  /** Takes the next request. `undefined` when there is none, or when the queue has just broken (`state.broken`). */
  take(): Chain | undefined {
    const { state } = this;
    if (!this.isReady) return undefined;
    const waiting = (this.#memory.read16(state.available + 2) - state.nextAvailable) & 0xffff;
    if (waiting === 0) return undefined;
    if (waiting > state.size) {
      state.broken = true;
      return undefined;
    }
    const slot = state.nextAvailable & (state.size - 1);
    const head = this.#memory.read16(state.available + RING_HEADER_BYTES + 2 * slot);
    const chain = this.chainAt(head);
    if (chain === undefined) {
      state.broken = true;
      return undefined;
    }
    state.nextAvailable = (state.nextAvailable + 1) & 0xffff;
    return chain;
  }

  /** The last `count` requests taken weren't: the next `take` gives the first of them. */
  putBack(count: number): void {
    this.state.nextAvailable = (this.state.nextAvailable - count) & 0xffff;
  }

  /** Asks the driver to tell of the next request (event index only: without it, it always does). */
  askForNotification(): void {
    const { state } = this;
    if (!this.usesEventIndex || !this.isReady) return;
    this.#memory.write16(state.used + RING_HEADER_BYTES + USED_ELEMENT_BYTES * state.size, state.nextAvailable);
  }

  /** The chain that starts at descriptor `head`; `undefined` where the descriptors break the rules. */
  chainAt(head: number): Chain | undefined {
    const readable: GuestRange[] = [];
    const writable: GuestRange[] = [];
    let table = this.state.descriptors;
    let tableSize = this.state.size;
    let index = head;
    let bytes = 0;
    let isIndirect = false;
    for (let count = 0; count < CHAIN_MAXIMUM_DESCRIPTORS; count++) {
      if (index >= tableSize) return undefined;
      const at = table + index * DESCRIPTOR_BYTES;
      const address = this.#memory.read64(at);
      const length = this.#memory.read32(at + 8);
      const flags = this.#memory.read16(at + 12);
      if (address >= ADDRESS_LIMIT) return undefined;
      if ((flags & DESCRIPTOR_INDIRECT) !== 0) {
        // §2.7.5.3.1: only where negotiated, never nested, never followed by another descriptor.
        if (!this.allowsIndirect || isIndirect || (flags & DESCRIPTOR_NEXT) !== 0) return undefined;
        if (length === 0 || length % DESCRIPTOR_BYTES !== 0) return undefined;
        isIndirect = true;
        table = Number(address);
        tableSize = length / DESCRIPTOR_BYTES;
        index = 0;
        continue;
      }
      bytes += length;
      if (bytes > CHAIN_MAXIMUM_BYTES) return undefined;
      const isWritable = (flags & DESCRIPTOR_WRITE) !== 0;
      if (!isWritable && writable.length > 0) return undefined;
      if (length > 0) (isWritable ? writable : readable).push({ address: Number(address), length });
      if ((flags & DESCRIPTOR_NEXT) === 0) return { head, readable, writable };
      index = this.#memory.read16(at + 14);
    }
    return undefined;
  }

  /** Returns a request to the driver with `written` bytes. Tells whether the driver wants an interrupt for it. */
  complete(head: number, written: number): boolean {
    const { state } = this;
    if (!this.isReady) return false;
    const slot = state.nextUsed & (state.size - 1);
    const element = state.used + RING_HEADER_BYTES + USED_ELEMENT_BYTES * slot;
    this.#memory.write32(element, head);
    this.#memory.write32(element + 4, written);
    state.nextUsed = (state.nextUsed + 1) & 0xffff;
    this.#memory.write16(state.used + 2, state.nextUsed);
    return this.#wantsInterrupt();
  }

  #wantsInterrupt(): boolean {
    const { state } = this;
    if (!this.usesEventIndex) return (this.#memory.read16(state.available) & AVAIL_NO_INTERRUPT) === 0;
    const usedEvent = this.#memory.read16(state.available + RING_HEADER_BYTES + 2 * state.size);
    const before = state.signalledUsed;
    state.signalledUsed = state.nextUsed;
    // §2.7.7.2: whether the index has passed the event.
    return ((state.nextUsed - usedEvent - 1) & 0xffff) < ((state.nextUsed - before) & 0xffff);
  }

  #idleState(): VirtqueueState {
    return {
      size: this.maximumSize, enabled: false, descriptors: 0, available: 0, used: 0, nextAvailable: 0, nextUsed: 0, signalledUsed: 0, broken: false,
    };
  }
}

export function totalLength(ranges: readonly GuestRange[]): number {
  let total = 0;
  for (const range of ranges) total += range.length;
  return total;
}

/** The part of `ranges` from byte `from` to byte `to`. */
export function sliceRanges(ranges: readonly GuestRange[], from: number, to: number): GuestRange[] {
  const parts: GuestRange[] = [];
  let at = 0;
  for (const { address, length } of ranges) {
    const start = Math.max(from, at);
    const end = Math.min(to, at + length);
    if (start < end) parts.push({ address: address + start - at, length: end - start });
    at += length;
  }
  return parts;
}

export function readRanges(memory: GuestMemory, ranges: readonly GuestRange[]): Uint8Array {
  const data = new Uint8Array(totalLength(ranges));
  readRangesInto(memory, ranges, data);
  return data;
}

/** `data` is as long as all `ranges`. */
export function readRangesInto(memory: GuestMemory, ranges: readonly GuestRange[], data: Uint8Array): void {
  let at = 0;
  for (const { address, length } of ranges) {
    memory.readBlock(address, data.subarray(at, at + length));
    at += length;
  }
}

/** Writes as much of `data` as fits; returns how much that was. */
export function writeRanges(memory: GuestMemory, ranges: readonly GuestRange[], data: Uint8Array): number {
  let at = 0;
  for (const { address, length } of ranges) {
    const part = data.subarray(at, at + length);
    if (part.length === 0) break;
    memory.writeBlock(address, part);
    at += part.length;
  }
  return at;
}

/** Guest memory held for I/O. */
export interface PinnedRanges {
  readonly segments: readonly MemorySegment[];
  release(): void;
}

/** `undefined` where a range isn't all RAM. */
export function pinRanges(memory: GuestMemory, ranges: readonly GuestRange[], access: 'read' | 'write'): PinnedRanges | undefined {
  const pins: (readonly MemorySegment[])[] = [];
  const segments: MemorySegment[] = [];
  const release = (): void => { for (const pinned of pins) memory.unpin(pinned, access); };
  for (const { address, length } of ranges) {
    const pinned = memory.pin(address, length, access);
    if (pinned === undefined) {
      release();
      return undefined;
    }
    pins.push(pinned);
    for (const segment of pinned) segments.push(segment);
  }
  return { segments, release };
}
