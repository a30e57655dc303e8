/** Virtio entropy device (Virtual I/O Device 1.2, §5.4). */
import { sliceRanges, totalLength, writeRanges } from './virtqueue.ts';
import { VirtioPciDevice, type VirtioDeviceOptions } from './virtio-pci.ts';
import type { EntropySource } from '../../interfaces/character-channel.ts';

const DEVICE_TYPE = 4;
const PCI_DEVICE_ID = 0x1005;
const CLASS_CODE = 0x00ff00;
const QUEUE = 0;
const QUEUE_SIZE = 8;
/** Bytes given for one buffer; a driver asks again for the rest. */
const BUFFER_MAXIMUM_BYTES = 4096;

export interface VirtioEntropyOptions extends VirtioDeviceOptions {
  readonly entropy: EntropySource;
}

export class VirtioEntropy extends VirtioPciDevice {
  readonly #entropy: EntropySource;

  constructor(options: VirtioEntropyOptions) {
    super(options, {
      deviceType: DEVICE_TYPE,
      pciDeviceId: PCI_DEVICE_ID,
      classCode: CLASS_CODE,
      features: [],
      queueSizes: [QUEUE_SIZE],
      configBytes: 0,
    });
    this.#entropy = options.entropy;
  }

  protected notified(_index: number): void {
    for (let chain = this.take(QUEUE); chain !== undefined; chain = this.take(QUEUE)) {
      const bytes = new Uint8Array(Math.min(totalLength(chain.writable), BUFFER_MAXIMUM_BYTES));
      this.#entropy.fill(bytes);
      this.complete(QUEUE, chain.head, writeRanges(this.memory, sliceRanges(chain.writable, 0, bytes.length), bytes));
    }
  }

  protected readConfigByte(_offset: number): number {
    return 0;
  }

  protected resetOwn(): void {}

  protected saveOwn(): unknown {
    return {};
  }

  protected restoreOwn(_saved: unknown): void {}
}
