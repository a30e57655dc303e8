/**
 * Virtio network adapter (Virtual I/O Device 1.2, §5.1) with one pair of queues: checksum and TCP segmentation offload
 * both ways, mergeable receive buffers, receive filters and a MAC address that the driver may change.
 *
 * Not emulated: several queue pairs, receive-side scaling, VLAN filters, UDP segmentation, link announcements.
 */
import { readRanges, readRangesInto, sliceRanges, totalLength, writeRanges, type Chain, type GuestRange } from './virtqueue.ts';
import { FEATURE_VERSION_1, VirtioPciDevice, type VirtioDeviceOptions } from './virtio-pci.ts';
import type { AccessWidth } from '../../interfaces/bus.ts';
import { FRAME_MAXIMUM_BYTES, type FrameOffload, type NetworkLink, type ReceivedFrame } from '../../interfaces/network.ts';

const DEVICE_TYPE = 1;
const PCI_DEVICE_ID = 0x1000;
/** Ethernet controller. */
const CLASS_CODE = 0x020000;
const RECEIVE_QUEUE = 0;
const TRANSMIT_QUEUE = 1;
const CONTROL_QUEUE = 2;
const DATA_QUEUE_SIZE = 256;
const CONTROL_QUEUE_SIZE = 64;

const FEATURE_CHECKSUM = 0;
const FEATURE_GUEST_CHECKSUM = 1;
const FEATURE_MAC = 5;
const FEATURE_GUEST_TCP4 = 7;
const FEATURE_GUEST_TCP6 = 8;
const FEATURE_HOST_TCP4 = 11;
const FEATURE_HOST_TCP6 = 12;
const FEATURE_MERGEABLE_BUFFERS = 15;
const FEATURE_STATUS = 16;
const FEATURE_CONTROL_QUEUE = 17;
const FEATURE_CONTROL_RECEIVE = 18;
const FEATURE_CONTROL_MAC_ADDRESS = 23;

/** struct virtio_net_hdr (§5.1.6); legacy drivers without mergeable buffers leave out the last field. */
const HEADER_FLAGS = 0;
const HEADER_SEGMENTATION = 1;
const HEADER_LENGTH = 2;
const HEADER_SEGMENT_BYTES = 4;
const HEADER_CHECKSUM_START = 6;
const HEADER_CHECKSUM_OFFSET = 8;
const HEADER_BUFFERS = 10;
const HEADER_BYTES = 12;
const SHORT_HEADER_BYTES = 10;
const FLAG_NEEDS_CHECKSUM = 1;
const FLAG_DATA_VALID = 2;
const SEGMENTATION_NONE = 0;
const SEGMENTATION_TCP4 = 1;
const SEGMENTATION_TCP6 = 4;
/** With the type: some segments carry a congestion mark. */
const SEGMENTATION_ECN = 0x80;

/** Configuration (§5.1.4): MAC address, status, queue pairs. */
const CONFIG_STATUS = 6;
const CONFIG_QUEUE_PAIRS = 8;
const CONFIG_BYTES = 10;
const STATUS_LINK_UP = 1;

/** Control queue (§5.1.6.5). */
const CONTROL_OK = 0;
const CONTROL_ERROR = 1;
const CLASS_RECEIVE = 0;
const CLASS_MAC = 1;
const MAC_TABLE_SET = 0;
const MAC_ADDRESS_SET = 1;
/** More addresses in a table than this receive everything of their kind. */
const MAC_TABLE_MAXIMUM = 64;
const CONTROL_MAXIMUM_BYTES = 4096;

const MAC_BYTES = 6;
const ETHERNET_HEADER_BYTES = 14;
/** Buffers that one frame may take: a frame of 64 KiB in buffers of 128 bytes. */
const MERGE_MAXIMUM = 512;

/** By command number of CLASS_RECEIVE. */
const RECEIVE_MODES = ['promiscuous', 'allMulticast', 'allUnicast', 'noMulticast', 'noUnicast', 'noBroadcast'] as const;
type ReceiveModes = Record<(typeof RECEIVE_MODES)[number], boolean>;

interface VirtioNetState {
  /** 48 bits. */
  mac: number;
  modes: ReceiveModes;
  /** Addresses received besides `mac`; `undefined` are all. */
  unicast: number[] | undefined;
  multicast: number[] | undefined;
}

export interface VirtioNetOptions extends VirtioDeviceOptions {
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
}

export class VirtioNet extends VirtioPciDevice {
  readonly #link: NetworkLink;
  readonly #ownMac: number;
  /** Whether the cable is plugged in, which is no state of the adapter. */
  #isLinkUp = true;
  #state: VirtioNetState;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: VirtioNetOptions) {
    super(options, {
      deviceType: DEVICE_TYPE,
      pciDeviceId: PCI_DEVICE_ID,
      classCode: CLASS_CODE,
      features: [
        FEATURE_CHECKSUM, FEATURE_GUEST_CHECKSUM, FEATURE_MAC, FEATURE_GUEST_TCP4, FEATURE_GUEST_TCP6, FEATURE_HOST_TCP4, FEATURE_HOST_TCP6,
        FEATURE_MERGEABLE_BUFFERS, FEATURE_STATUS, FEATURE_CONTROL_QUEUE, FEATURE_CONTROL_RECEIVE, FEATURE_CONTROL_MAC_ADDRESS,
      ],
      queueSizes: [DATA_QUEUE_SIZE, DATA_QUEUE_SIZE, CONTROL_QUEUE_SIZE],
      configBytes: CONFIG_BYTES,
    });
    this.#link = options.link;
    this.#ownMac = macAt(options.mac, 0);
    this.#state = idleState(this.#ownMac);
    this.#link.onReadable = () => { this.#receive(); };
    this.#link.onWritable = () => { this.#transmit(); };
  }

  /** The cable was plugged in or pulled out. */
  setLink(isUp: boolean): void {
    if (this.#isLinkUp === isUp) return;
    this.#isLinkUp = isUp;
    this.configChanged();
  }

  protected notified(index: number): void {
    if (index === TRANSMIT_QUEUE) this.#transmit();
    else if (index === RECEIVE_QUEUE) this.#receive();
    else this.#control();
  }

  protected override featuresSettled(): void {
    this.#link.accept({
      checksum: this.hasFeature(FEATURE_GUEST_CHECKSUM),
      // §5.1.3.1: segments come with a checksum to be finished.
      tcp4: this.hasFeature(FEATURE_GUEST_TCP4) && this.hasFeature(FEATURE_GUEST_CHECKSUM),
      tcp6: this.hasFeature(FEATURE_GUEST_TCP6) && this.hasFeature(FEATURE_GUEST_CHECKSUM),
    });
  }

  protected readConfigByte(offset: number): number {
    if (offset < MAC_BYTES) return Math.floor(this.#state.mac / 2 ** (8 * (MAC_BYTES - 1 - offset))) & 0xff;
    return offset === CONFIG_STATUS ? (this.#isLinkUp ? STATUS_LINK_UP : 0) : offset === CONFIG_QUEUE_PAIRS ? 1 : 0;
  }

  /** Legacy drivers write their address byte by byte. */
  protected override writeDeviceConfig(offset: number, width: AccessWidth, value: number): void {
    if (this.hasFeature(FEATURE_VERSION_1)) return;
    const bytes = macBytes(this.#state.mac);
    for (let byte = 0; byte < width && offset + byte < MAC_BYTES; byte++) bytes[offset + byte] = value >>> (8 * byte);
    this.#state.mac = macAt(bytes, 0);
  }

  protected resetOwn(): void {
    this.#state = idleState(this.#ownMac);
  }

  protected saveOwn(): unknown {
    const { mac, modes, unicast, multicast, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { mac, modes: { ...modes }, unicast: unicast?.slice(), multicast: multicast?.slice() } satisfies VirtioNetState;
  }

  /** Frames on the link are on the wire: no part of the adapter. */
  protected restoreOwn(saved: unknown): void {
    const { mac, modes, unicast, multicast } = saved as VirtioNetState;
    this.#state = { mac, modes: { ...modes }, unicast: unicast?.slice(), multicast: multicast?.slice() };
    this.#receive();
    this.#transmit();
  }

  get #headerBytes(): number {
    return this.hasFeature(FEATURE_VERSION_1) || this.hasFeature(FEATURE_MERGEABLE_BUFFERS) ? HEADER_BYTES : SHORT_HEADER_BYTES;
  }

  /** Frames stay in the queue while the link has no room. */
  #transmit(): void {
    for (let chain = this.take(TRANSMIT_QUEUE); chain !== undefined; chain = this.take(TRANSMIT_QUEUE)) {
      if (!this.#send(chain)) {
        this.putBack(TRANSMIT_QUEUE, 1);
        return;
      }
      this.complete(TRANSMIT_QUEUE, chain.head, 0);
    }
  }

  /** `false`: there is no room on the link. What is no frame is dropped. */
  #send({ readable }: Chain): boolean {
    const headerBytes = this.#headerBytes;
    const total = totalLength(readable);
    const length = total - headerBytes;
    if (length < ETHERNET_HEADER_BYTES || length > FRAME_MAXIMUM_BYTES) return true;
    const offload = readOffload(readRanges(this.memory, sliceRanges(readable, 0, headerBytes)), length);
    if (offload === undefined) {
      this.log.log('warning', 'virtio-net-frame', `${this.id}: a frame's header asks for what can't be done`);
      return true;
    }
    const frame = this.#link.reserve(length);
    if (frame === undefined) return false;
    readRangesInto(this.memory, sliceRanges(readable, headerBytes, total), frame);
    this.#link.commit(offload);
    return true;
  }

  /** Frames stay on the link until the driver offers room for them. */
  #receive(): void {
    for (let frame = this.#link.peek(); frame !== undefined && this.isRunning; frame = this.#link.peek()) {
      if (this.#isForUs(frame) && !this.#deliver(frame)) return;
      this.#link.consume();
    }
  }

  /** `false`: the driver offers too little room at present. What never fits is dropped. */
  #deliver({ bytes, offload }: ReceivedFrame): boolean {
    const headerBytes = this.#headerBytes;
    const isMergeable = this.hasFeature(FEATURE_MERGEABLE_BUFFERS);
    const needed = headerBytes + bytes.length;
    const chains: Chain[] = [];
    let room = 0;
    while (room < needed) {
      const chain = this.take(RECEIVE_QUEUE);
      if (chain === undefined) {
        this.putBack(RECEIVE_QUEUE, chains.length);
        return false;
      }
      chains.push(chain);
      room += totalLength(chain.writable);
      if (room < needed && (!isMergeable || chains.length >= Math.min(MERGE_MAXIMUM, this.queueSize(RECEIVE_QUEUE)))) {
        for (const { head } of chains) this.complete(RECEIVE_QUEUE, head, 0);
        return true;
      }
    }
    const header = new Uint8Array(headerBytes);
    this.#writeHeader(new DataView(header.buffer), offload, chains.length);
    let done = 0;
    chains.forEach(({ head, writable }, index) => {
      const part = Math.min(totalLength(writable), needed - done);
      const from = index === 0 ? headerBytes : 0;
      if (index === 0) writeRanges(this.memory, writable, header);
      const space: readonly GuestRange[] = from === 0 ? writable : sliceRanges(writable, from, part);
      writeRanges(this.memory, space, bytes.subarray(done + from - headerBytes, done + part - headerBytes));
      done += part;
      this.complete(RECEIVE_QUEUE, head, part);
    });
    return true;
  }

  #writeHeader(header: DataView, offload: FrameOffload, buffers: number): void {
    const { checksumStart, checksumOffset, segmentation, segmentBytes } = offload;
    if (checksumStart > 0) {
      header.setUint8(HEADER_FLAGS, FLAG_NEEDS_CHECKSUM);
      header.setUint16(HEADER_CHECKSUM_START, checksumStart, true);
      header.setUint16(HEADER_CHECKSUM_OFFSET, checksumOffset, true);
    } else if (this.hasFeature(FEATURE_GUEST_CHECKSUM)) {
      // It came through memory: nothing can have happened to it on the way.
      header.setUint8(HEADER_FLAGS, FLAG_DATA_VALID);
    }
    if (segmentation !== 'none') {
      header.setUint8(HEADER_SEGMENTATION, segmentation === 'tcp4' ? SEGMENTATION_TCP4 : SEGMENTATION_TCP6);
      header.setUint16(HEADER_SEGMENT_BYTES, segmentBytes, true);
      // A hint of where the payload begins: behind a TCP header without options.
      header.setUint16(HEADER_LENGTH, checksumStart + 20, true);
    }
    if (header.byteLength === HEADER_BYTES) header.setUint16(HEADER_BUFFERS, buffers, true);
  }

  /** Whether the filters let a frame in, and the driver knows what to do with what it was left. */
  #isForUs({ bytes, offload }: ReceivedFrame): boolean {
    if (offload.checksumStart > 0 && !this.hasFeature(FEATURE_GUEST_CHECKSUM)) return false;
    if (offload.segmentation === 'tcp4' && !this.hasFeature(FEATURE_GUEST_TCP4)) return false;
    if (offload.segmentation === 'tcp6' && !this.hasFeature(FEATURE_GUEST_TCP6)) return false;
    const { mac, modes, unicast, multicast } = this.#state;
    if (modes.promiscuous) return true;
    const destination = macAt(bytes, 0);
    if (destination === 0xffff_ffff_ffff) return !modes.noBroadcast;
    if ((bytes[0]! & 1) !== 0) return !modes.noMulticast && (modes.allMulticast || multicast === undefined || multicast.includes(destination));
    return !modes.noUnicast && (destination === mac || modes.allUnicast || unicast === undefined || unicast.includes(destination));
  }

  #control(): void {
    for (let chain = this.take(CONTROL_QUEUE); chain !== undefined; chain = this.take(CONTROL_QUEUE)) {
      const given = totalLength(chain.readable);
      const command = given > CONTROL_MAXIMUM_BYTES ? new Uint8Array(0) : readRanges(this.memory, chain.readable);
      const status = this.#obey(command) ? CONTROL_OK : CONTROL_ERROR;
      const written = writeRanges(this.memory, sliceRanges(chain.writable, 0, 1), Uint8Array.of(status));
      this.complete(CONTROL_QUEUE, chain.head, written);
    }
  }

  #obey(command: Uint8Array): boolean {
    const data = command.subarray(2);
    switch (command[0]) {
      case CLASS_RECEIVE: {
        const mode = RECEIVE_MODES[command[1] ?? RECEIVE_MODES.length];
        if (mode === undefined || data.length !== 1) return false;
        this.#state.modes[mode] = data[0] !== 0;
        return true;
      }
      case CLASS_MAC:
        if (command[1] === MAC_ADDRESS_SET && data.length === MAC_BYTES) {
          this.#state.mac = macAt(data, 0);
          return true;
        }
        return command[1] === MAC_TABLE_SET && this.#setTables(data);
      default:
        return false;
    }
  }

  /** Two tables, each a 32-bit count and so many addresses. */
  #setTables(data: Uint8Array): boolean {
    const tables: (number[] | undefined)[] = [];
    let at = 0;
    for (let table = 0; table < 2; table++) {
      if (at + 4 > data.length) return false;
      const count = new DataView(data.buffer, data.byteOffset + at, 4).getUint32(0, true);
      at += 4;
      if (count * MAC_BYTES > data.length - at) return false;
      tables.push(count > MAC_TABLE_MAXIMUM ? undefined : Array.from({ length: count }, (_, index) => macAt(data, at + MAC_BYTES * index)));
      at += count * MAC_BYTES;
    }
    [this.#state.unicast, this.#state.multicast] = tables;
    return true;
  }
}

function idleState(mac: number): VirtioNetState {
  return {
    mac,
    modes: { promiscuous: false, allMulticast: false, allUnicast: false, noMulticast: false, noUnicast: false, noBroadcast: false },
    unicast: [],
    // A driver without the control queue gets every multicast and filters by itself; the others set a table.
    multicast: undefined,
  };
}

/** `undefined` where the header names places outside the frame or a segmentation that wasn't offered. */
function readOffload(header: Uint8Array, length: number): FrameOffload | undefined {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const needsChecksum = (view.getUint8(HEADER_FLAGS) & FLAG_NEEDS_CHECKSUM) !== 0;
  const checksumStart = needsChecksum ? view.getUint16(HEADER_CHECKSUM_START, true) : 0;
  const checksumOffset = needsChecksum ? view.getUint16(HEADER_CHECKSUM_OFFSET, true) : 0;
  if (needsChecksum && (checksumStart < ETHERNET_HEADER_BYTES || checksumStart + checksumOffset + 2 > length)) return undefined;
  const type = view.getUint8(HEADER_SEGMENTATION) & ~SEGMENTATION_ECN;
  if (type === SEGMENTATION_NONE) return { checksumStart, checksumOffset, segmentation: 'none', segmentBytes: 0 };
  const segmentBytes = view.getUint16(HEADER_SEGMENT_BYTES, true);
  if ((type !== SEGMENTATION_TCP4 && type !== SEGMENTATION_TCP6) || segmentBytes === 0 || !needsChecksum) return undefined;
  return { checksumStart, checksumOffset, segmentation: type === SEGMENTATION_TCP4 ? 'tcp4' : 'tcp6', segmentBytes };
}

function macAt(bytes: Uint8Array, at: number): number {
  let mac = 0;
  for (let index = 0; index < MAC_BYTES; index++) mac = mac * 256 + bytes[at + index]!;
  return mac;
}

function macBytes(mac: number): Uint8Array {
  return Uint8Array.from({ length: MAC_BYTES }, (_, index) => Math.floor(mac / 2 ** (8 * (MAC_BYTES - 1 - index))) & 0xff);
}
