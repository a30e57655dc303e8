import type { VirtioPciDevice } from '../../../../../src/emulator/devices/virtio/virtio-pci.ts';
import type { AccessWidth } from '../../../../../src/emulator/interfaces/bus.ts';
import type { FakeGuestMemory } from '../../../../support/fake-guest-memory.ts';
import { FakeLine } from '../../../../support/fake-line.ts';

const QUEUE_BASE = 0x10000;
const QUEUE_STRIDE = 0x4000;

export interface Buffer {
  readonly address: number;
  readonly length: number;
  readonly writable?: boolean;
}

/** A driver as an operating system has one: finds the registers, negotiates, sets up queues, submits chains. */
export class VirtioDriver {
  readonly line = new FakeLine('intx');
  readonly device: VirtioPciDevice;
  readonly memory: FakeGuestMemory;
  /** Per queue: available entries given, used entries seen. */
  readonly #given: number[] = [];
  readonly #seen: number[] = [];
  readonly #sizes: number[] = [];

  constructor(device: VirtioPciDevice, memory: FakeGuestMemory) {
    this.device = device;
    this.memory = memory;
    device.connectInterrupt(this.line);
    device.reset('power-on');
  }

  common(offset: number, width: AccessWidth): number {
    return this.#bar(4).read(offset, width);
  }

  setCommon(offset: number, width: AccessWidth, value: number): void {
    this.#bar(4).write(offset, width, value);
  }

  config(offset: number, width: AccessWidth): number {
    return this.#bar(4).read(0x2000 + offset, width);
  }

  isr(): number {
    return this.#bar(4).read(0x1000, 1);
  }

  legacy(offset: number, width: AccessWidth): number {
    return this.#bar(0).read(offset, width);
  }

  setLegacy(offset: number, width: AccessWidth, value: number): void {
    this.#bar(0).write(offset, width, value);
  }

  get offered(): bigint {
    this.setCommon(0x00, 4, 0);
    const low = BigInt(this.common(0x04, 4));
    this.setCommon(0x00, 4, 1);
    return low | (BigInt(this.common(0x04, 4)) << 32n);
  }

  accept(features: bigint): number {
    this.setCommon(0x14, 1, 1);
    this.setCommon(0x14, 1, 3);
    for (const word of [0, 1]) {
      this.setCommon(0x08, 4, word);
      this.setCommon(0x0c, 4, Number((features >> BigInt(32 * word)) & 0xffff_ffffn));
    }
    this.setCommon(0x14, 1, 0x0b);
    return this.common(0x14, 1);
  }

  /** Brings the device up through the modern registers; `without` leaves feature bits out. */
  start(options: { without?: readonly number[]; queueSize?: number } = {}): void {
    let features = this.offered;
    for (const bit of options.without ?? []) features &= ~(1n << BigInt(bit));
    this.accept(features);
    const queues = this.common(0x12, 2);
    for (let queue = 0; queue < queues; queue++) {
      this.setCommon(0x16, 2, queue);
      const size = options.queueSize ?? Math.min(16, this.common(0x18, 2));
      this.setCommon(0x18, 2, size);
      this.#prepare(queue, size);
      const base = QUEUE_BASE + queue * QUEUE_STRIDE;
      [base, this.available(queue), this.used(queue)].forEach((address, index) => {
        this.setCommon(0x20 + 8 * index, 4, address);
        this.setCommon(0x24 + 8 * index, 4, 0);
      });
      this.setCommon(0x1c, 2, 1);
    }
    this.setCommon(0x14, 1, 0x0f);
  }

  /** Brings the device up through the legacy registers. */
  startLegacy(): void {
    for (const status of [0, 1, 3]) this.setLegacy(0x12, 1, status);
    this.setLegacy(0x04, 4, this.legacy(0x00, 4) & ~(1 << 29));
    for (let queue = 0; ; queue++) {
      this.setLegacy(0x0e, 2, queue);
      const size = this.legacy(0x0c, 2);
      if (size === 0) break;
      this.#prepare(queue, size);
      this.setLegacy(0x08, 4, (QUEUE_BASE + queue * QUEUE_STRIDE) / 4096);
    }
    this.setLegacy(0x12, 1, 7);
  }

  /** Queues memory is laid out as legacy drivers do it. */
  available(queue: number): number {
    return QUEUE_BASE + queue * QUEUE_STRIDE + 16 * this.#sizes[queue]!;
  }

  used(queue: number): number {
    const end = this.available(queue) + 6 + 2 * this.#sizes[queue]!;
    return Math.ceil(end / 4096) * 4096;
  }

  /** Writes descriptor `index` of the queue's own table, or of an indirect one at `table`. */
  describe(queue: number, index: number, buffer: Buffer, flags: number, next: number, table = QUEUE_BASE + queue * QUEUE_STRIDE): void {
    const at = table + 16 * index;
    this.memory.write64(at, BigInt(buffer.address));
    this.memory.write32(at + 8, buffer.length);
    this.memory.write16(at + 12, flags | (buffer.writable === true ? 2 : 0));
    this.memory.write16(at + 14, next);
  }

  /** Makes a chain from descriptor `head` on and offers it, without telling the device. */
  offer(queue: number, head: number, buffers: readonly Buffer[]): void {
    buffers.forEach((buffer, index) => {
      const isLast = index === buffers.length - 1;
      this.describe(queue, head + index, buffer, isLast ? 0 : 1, isLast ? 0 : head + index + 1);
    });
    this.offerHead(queue, head);
  }

  offerHead(queue: number, head: number): void {
    const given = this.#given[queue]!;
    this.memory.write16(this.available(queue) + 4 + 2 * (given % this.#sizes[queue]!), head);
    this.#given[queue] = (given + 1) & 0xffff;
    this.memory.write16(this.available(queue) + 2, this.#given[queue]);
  }

  notify(queue: number): void {
    this.#bar(4).write(0x3000 + 4 * queue, 2, queue);
  }

  /** Used entries not seen before: head and length. */
  takeUsed(queue: number): [head: number, written: number][] {
    const taken: [number, number][] = [];
    while (this.#seen[queue] !== this.memory.read16(this.used(queue) + 2)) {
      const at = this.used(queue) + 4 + 8 * (this.#seen[queue]! % this.#sizes[queue]!);
      taken.push([this.memory.read32(at), this.memory.read32(at + 4)]);
      this.#seen[queue] = (this.#seen[queue]! + 1) & 0xffff;
    }
    return taken;
  }

  setUsedEvent(queue: number, index: number): void {
    this.memory.write16(this.available(queue) + 4 + 2 * this.#sizes[queue]!, index);
  }

  availableEvent(queue: number): number {
    return this.memory.read16(this.used(queue) + 4 + 8 * this.#sizes[queue]!);
  }

  #prepare(queue: number, size: number): void {
    this.#given[queue] = 0;
    this.#seen[queue] = 0;
    this.#sizes[queue] = size;
    this.memory.ram.fill(0, QUEUE_BASE + queue * QUEUE_STRIDE, QUEUE_BASE + (queue + 1) * QUEUE_STRIDE);
  }

  #bar(index: number) {
    const bar = this.device.bars[index];
    if (bar === undefined || bar.kind === 'direct') throw new Error(`BAR ${index} has no registers`);
    return bar.handler;
  }
}
