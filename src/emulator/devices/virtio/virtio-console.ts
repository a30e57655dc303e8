/**
 * Virtio console (Virtual I/O Device 1.2, §5.3) with one port.
 *
 * Not emulated: several ports, window size, the control queues.
 */
import { readRanges, sliceRanges, totalLength, writeRanges } from './virtqueue.ts';
import { VirtioPciDevice, type VirtioDeviceOptions } from './virtio-pci.ts';
import type { AccessWidth } from '../../interfaces/bus.ts';
import type { CharacterChannel } from '../../interfaces/character-channel.ts';

const DEVICE_TYPE = 3;
const PCI_DEVICE_ID = 0x1003;
const CLASS_CODE = 0x078000;
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;
const QUEUE_SIZE = 64;

const FEATURE_EMERGENCY_WRITE = 2;
/** Configuration: columns, rows, ports, emergency write. */
const CONFIG_PORTS = 4;
const CONFIG_EMERGENCY_WRITE = 8;
const CONFIG_BYTES = 12;

/** Bytes taken from one buffer of the driver, or put into one; a longer one is used in part. */
const BUFFER_MAXIMUM_BYTES = 65536;

export interface VirtioConsoleOptions extends VirtioDeviceOptions {
  readonly channel: CharacterChannel;
}

export class VirtioConsole extends VirtioPciDevice {
  readonly #channel: CharacterChannel;

  /** Takes the channel's `onReadable`. */
  constructor(options: VirtioConsoleOptions) {
    super(options, {
      deviceType: DEVICE_TYPE,
      pciDeviceId: PCI_DEVICE_ID,
      classCode: CLASS_CODE,
      features: [FEATURE_EMERGENCY_WRITE],
      queueSizes: [QUEUE_SIZE, QUEUE_SIZE],
      configBytes: CONFIG_BYTES,
    });
    this.#channel = options.channel;
    this.#channel.onReadable = () => { this.#receive(); };
  }

  protected notified(index: number): void {
    if (index === TRANSMIT_QUEUE) this.#transmit();
    else this.#receive();
  }

  protected readConfigByte(offset: number): number {
    return offset === CONFIG_PORTS ? 1 : 0;
  }

  /** A character a driver in distress writes without a queue (§5.3.4). */
  protected override writeDeviceConfig(offset: number, _width: AccessWidth, value: number): void {
    if (offset === CONFIG_EMERGENCY_WRITE) this.#channel.send(Uint8Array.of(value & 0xff));
  }

  protected resetOwn(): void {}

  protected saveOwn(): unknown {
    return {};
  }

  /** Input that came while the machine was saved waits in the channel. */
  protected restoreOwn(_saved: unknown): void {
    this.#receive();
  }

  #transmit(): void {
    for (let chain = this.take(TRANSMIT_QUEUE); chain !== undefined; chain = this.take(TRANSMIT_QUEUE)) {
      const length = Math.min(totalLength(chain.readable), BUFFER_MAXIMUM_BYTES);
      if (length > 0) this.#channel.send(readRanges(this.memory, sliceRanges(chain.readable, 0, length)));
      this.complete(TRANSMIT_QUEUE, chain.head, 0);
    }
  }

  /** Input stays in the channel until the driver offers room for it. */
  #receive(): void {
    while (this.isRunning && this.#channel.available > 0) {
      const chain = this.take(RECEIVE_QUEUE);
      if (chain === undefined) return;
      const room = Math.min(totalLength(chain.writable), BUFFER_MAXIMUM_BYTES);
      const written = room === 0 ? 0 : writeRanges(this.memory, chain.writable, this.#channel.receive(room));
      this.complete(RECEIVE_QUEUE, chain.head, written);
    }
  }
}
