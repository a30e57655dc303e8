/**
 * AMD PCnet-PCI II (Am79C970A datasheet): the LANCE's descriptor rings on PCI, in four software styles.
 *
 * Not emulated: look-ahead (LAPP), magic packets, EEPROM and boot ROM, big-endian buses, collisions and what else is an
 * error on a cable, FCS of received frames (its place holds zeros), the copies of descriptors in CSR18 to CSR67.
 */
import { logicalAddressHash } from '../multicast-hash.ts';
import { DescriptorFormat, type Descriptor } from './descriptors.ts';
import { APROM_BYTES, RegisterFile, type RegisterState } from './register-file.ts';
import * as reg from './registers.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../../interfaces/clock.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import { NO_OFFLOAD, type NetworkLink } from '../../interfaces/network.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

const VENDOR_AMD = 0x1022;
const DEVICE_PCNET = 0x2000;
const REVISION_970A = 0x10;
const CLASS_ETHERNET = 0x020000;

const SPACE_BYTES = 32;
/** Places of RDP, RAP, the reset register and BDP, for accesses by words and by doublewords. */
const WORD_REGISTERS = { 0x10: 'data', 0x12: 'address', 0x14: 'reset', 0x16: 'bus' } as const;
const DOUBLEWORD_REGISTERS = { 0x10: 'data', 0x14: 'address', 0x18: 'reset', 0x1c: 'bus' } as const;
type Register = 'data' | 'address' | 'reset' | 'bus';

const FCS_BYTES = 4;
const FRAME_MINIMUM_BYTES = 60;
const FRAME_MAXIMUM_BYTES = 1518;
/** Payload that an IEEE 802.3 frame has at least, and its header. */
const PAYLOAD_MINIMUM_BYTES = 46;
const HEADER_BYTES = 14;
const RING_MAXIMUM_LOGARITHM = 9;
/** Transmit descriptors that are looked at in one go: a ring that isn't in RAM reads as one that never ends. */
const TRANSMIT_BUDGET = 512;
/** The chip looks into its rings every 65,536 PCI clocks of 30 ns, or as CSR47 says, but not more often than this. */
const POLL_CLOCKS = 65_536;
const NANOS_PER_CLOCK = 30;
const POLL_NANOS_MINIMUM = 250_000;
/** While nothing is found the time doubles, this often: an idle guest isn't woken five hundred times a second. */
const POLL_DOUBLINGS = 5;

interface PcnetState extends RegisterState {
  /** When the rings are looked at next, and how often nothing has been found. */
  pollAt: Nanos | undefined;
  idlePolls: number;
}

export interface PcnetOptions {
  readonly id: string;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

export class Pcnet implements PciFunction, Device<PcnetState> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = VENDOR_AMD;
  readonly deviceId = DEVICE_PCNET;
  readonly revision = REVISION_970A;
  readonly classCode = CLASS_ETHERNET;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 1;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities = [];
  readonly #memory: GuestMemory;
  readonly #clock: Clock;
  readonly #link: NetworkLink;
  readonly #mac: Uint8Array;
  readonly #poll: Timer;
  /** A frame while it is looped back. */
  readonly #loop = new Uint8Array(FRAME_MAXIMUM_BYTES + FCS_BYTES);
  #interrupt: InterruptLine | undefined;
  /** Whether the cable is plugged in, which is no state of the adapter. */
  #isLinkUp = true;
  readonly #registers = new RegisterFile();
  #pollAt: Nanos | undefined;
  #idlePolls = 0;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: PcnetOptions) {
    this.id = options.id;
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#link = options.link;
    this.#mac = options.mac.slice();
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#poll = options.clock.timer(`${options.id}.poll`, () => { this.#pollRings(); });
    this.#registers.reset(this.#mac);
    const handler: IoHandler = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => { this.#write(offset, width, value); },
      peek: (offset, width) => this.#peek(offset, width),
    };
    this.bars = [{ kind: 'io', length: SPACE_BYTES, handler }, { kind: 'memory', length: SPACE_BYTES, prefetchable: false, handler }];
    this.#link.onReadable = () => { if (!this.#receive()) this.#hurry(); };
    this.#link.onWritable = () => { this.#transmit(); };
  }

  connectInterrupt(line: InterruptLine): void {
    this.#interrupt = line;
  }

  /** The cable was plugged in or pulled out. Drivers look at the LED's register for it. */
  setLink(isUp: boolean): void {
    this.#isLinkUp = isUp;
  }

  reset(_kind: ResetKind): void {
    this.#registers.reset(this.#mac);
    this.#idlePolls = 0;
    this.#schedulePoll();
    this.#driveInterrupt();
  }

  save(): PcnetState {
    return { ...this.#registers.save(), pollAt: this.#pollAt, idlePolls: this.#idlePolls };
  }

  /** Frames on the link are on the wire: no part of the adapter. */
  restore({ pollAt, idlePolls, ...registers }: PcnetState): void {
    this.#registers.restore(registers);
    this.#pollAt = pollAt;
    this.#idlePolls = idlePolls;
    if (pollAt === undefined) this.#poll.disarm();
    else this.#poll.arm(pollAt);
    this.#driveInterrupt();
    if (!this.#receive() && this.#pollAt === undefined) this.#schedulePoll();
  }

  /** Registers answer to accesses of their own width only. */
  #registerAt(offset: number, width: AccessWidth): Register | undefined {
    if (this.#registers.isByDoublewords) return width === 4 ? DOUBLEWORD_REGISTERS[offset as keyof typeof DOUBLEWORD_REGISTERS] : undefined;
    return width === 2 ? WORD_REGISTERS[offset as keyof typeof WORD_REGISTERS] : undefined;
  }

  #read(offset: number, width: AccessWidth): number {
    if (this.#registerAt(offset, width) === 'reset') {
      this.#registers.softReset();
      this.#schedulePoll();
      this.#driveInterrupt();
    }
    return this.#peek(offset, width);
  }

  #peek(offset: number, width: AccessWidth): number {
    const { aprom, selected } = this.#registers;
    if (offset < APROM_BYTES) {
      let value = 0;
      for (let byte = 0; byte < width; byte++) value += (aprom[offset + byte] ?? 0xff) * 2 ** (8 * byte);
      return value;
    }
    switch (this.#registerAt(offset, width)) {
      case 'data': return this.#registers.readCsr(selected, width === 4);
      case 'address': return selected;
      case 'reset': return 0;
      case 'bus': return this.#registers.readBcr(selected, this.#isLinkUp);
      default: return 2 ** (8 * width) - 1;
    }
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    const { aprom, bcr, selected } = this.#registers;
    if (offset < APROM_BYTES) {
      if ((bcr[reg.BCR_MISCELLANEOUS]! & reg.MISCELLANEOUS_APROMWE) === 0) return;
      for (let byte = 0; byte < width && offset + byte < APROM_BYTES; byte++) aprom[offset + byte] = (value >>> (8 * byte)) & 0xff;
      return;
    }
    switch (this.#registerAt(offset, width)) {
      case 'data': this.#writeCsr(selected, value & 0xffff); break;
      case 'address': this.#registers.selected = value & 0xff; break;
      case 'bus': this.#registers.writeBcr(selected, value & 0xffff); break;
      default:
        // The first doubleword that is written here changes the width of all accesses.
        if (offset === 0x10 && width === 4) bcr[reg.BCR_BUS]! |= reg.BUS_DWIO;
    }
  }

  #writeCsr(register: number, value: number): void {
    if (register === reg.CSR_STATUS) this.#command(value);
    else this.#registers.writeCsr(register, value);
    this.#driveInterrupt();
    // The driver may have made room.
    this.#receive();
    this.#hurry();
  }

  /** CSR0: what is written there is done in the order of STOP, INIT, STRT, TDMD. */
  #command(value: number): void {
    const { csr } = this.#registers;
    csr[reg.CSR_STATUS]! &= ~(value & reg.STATUS_CAUSES);
    if ((value & reg.STATUS_STOP) !== 0) {
      this.#registers.stop();
      return;
    }
    csr[reg.CSR_STATUS] = (csr[reg.CSR_STATUS]! & ~reg.STATUS_IENA) | (value & reg.STATUS_IENA);
    if ((value & reg.STATUS_INIT) !== 0 && (csr[reg.CSR_STATUS] & reg.STATUS_INIT) === 0) this.#initialize();
    if ((value & reg.STATUS_STRT) !== 0 && (csr[reg.CSR_STATUS] & reg.STATUS_STRT) === 0) this.#start();
    if ((value & reg.STATUS_TDMD) !== 0) this.#transmit();
  }

  #initialize(): void {
    const { csr } = this.#registers;
    const block = this.#format.readInitialization((csr[reg.CSR_INIT_LOW]! | (csr[reg.CSR_INIT_HIGH]! << 16)) >>> 0);
    csr[reg.CSR_MODE] = block.mode;
    csr[reg.CSR_LENGTHS] = (block.transmitLength << 12) | (block.receiveLength << 8);
    csr.set(block.logicalFilter, reg.CSR_LADRF);
    csr.set(block.physicalAddress, reg.CSR_PADR);
    csr.set([block.receiveRing & 0xffff, block.receiveRing >>> 16], reg.CSR_RECEIVE_BASE);
    csr.set([block.transmitRing & 0xffff, block.transmitRing >>> 16], reg.CSR_TRANSMIT_BASE);
    csr[reg.CSR_RECEIVE_LENGTH] = -(1 << Math.min(block.receiveLength, RING_MAXIMUM_LOGARITHM));
    csr[reg.CSR_TRANSMIT_LENGTH] = -(1 << Math.min(block.transmitLength, RING_MAXIMUM_LOGARITHM));
    this.#registers.receiveIndex = 0;
    this.#registers.transmitIndex = 0;
    csr[reg.CSR_STATUS] = (csr[reg.CSR_STATUS]! & ~reg.STATUS_STOP) | reg.STATUS_INIT | reg.STATUS_IDON;
  }

  /** The LANCE went on where it was when it was stopped; this chip begins at the rings' first descriptors. */
  #start(): void {
    const { csr } = this.#registers;
    const mode = csr[reg.CSR_MODE]!;
    const enabled = ((mode & reg.MODE_DTX) === 0 ? reg.STATUS_TXON : 0) | ((mode & reg.MODE_DRX) === 0 ? reg.STATUS_RXON : 0);
    csr[reg.CSR_STATUS] = (csr[reg.CSR_STATUS]! & ~reg.STATUS_STOP) | reg.STATUS_STRT | enabled;
    this.#registers.receiveIndex = 0;
    this.#registers.transmitIndex = 0;
  }

  #raise(causes: number): void {
    this.#registers.csr[reg.CSR_STATUS]! |= causes;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#interrupt?.set(this.#registers.isLineAsserted);
  }

  get #format(): DescriptorFormat {
    return new DescriptorFormat(this.#memory, this.#registers.style, this.#registers.csr[reg.CSR_INIT_HIGH]! >> 8);
  }

  /** Something has happened: the next look is soon. */
  #hurry(): void {
    if (this.#idlePolls === 0 && this.#pollAt !== undefined && this.#mustPoll) return;
    this.#idlePolls = 0;
    this.#schedulePoll();
  }

  /** Drivers may fill transmit descriptors without a word; what they make room for with is never told. */
  get #mustPoll(): boolean {
    const isTransmitPolled = this.#registers.isOn(reg.STATUS_TXON) && (this.#registers.csr[reg.CSR_FEATURES]! & reg.FEATURES_DPOLL) === 0;
    return isTransmitPolled || (this.#registers.isOn(reg.STATUS_RXON) && this.#link.peek() !== undefined);
  }

  #schedulePoll(): void {
    if (!this.#mustPoll) {
      this.#pollAt = undefined;
      this.#poll.disarm();
      return;
    }
    const interval = (POLL_CLOCKS - this.#registers.csr[reg.CSR_POLL_INTERVAL]!) * NANOS_PER_CLOCK;
    this.#pollAt = this.#clock.now() + Math.max(interval, POLL_NANOS_MINIMUM) * 2 ** this.#idlePolls;
    this.#poll.arm(this.#pollAt);
  }

  #pollRings(): void {
    const hasSent = (this.#registers.csr[reg.CSR_FEATURES]! & reg.FEATURES_DPOLL) === 0 && this.#transmit();
    const hasReceived = this.#receive();
    this.#idlePolls = hasSent || hasReceived ? 0 : Math.min(POLL_DOUBLINGS, this.#idlePolls + 1);
    this.#schedulePoll();
  }

  /** Whether a frame was sent. Frames wait in their descriptors while the link has no room. */
  #transmit(): boolean {
    const format = this.#format;
    let budget = TRANSMIT_BUDGET;
    let hasSent = false;
    let causes = 0;
    while (budget > 0 && this.#registers.isOn(reg.STATUS_TXON)) {
      const at = this.#registers.transmitAt(this.#registers.transmitIndex);
      const first = format.read(at);
      if ((first.flags & reg.OWN) === 0) break;
      if ((first.flags & reg.STP) === 0) {
        // Not the beginning of a frame: skipped.
        format.writeSent(at, first.flags & ~reg.OWN, 0);
        this.#advanceTransmit(1);
        budget--;
        continue;
      }
      const chain = this.#chainFrom(format, first);
      budget -= chain.count;
      const outcome = chain.last === undefined ? this.#underflow() : this.#send(format, chain.bytes, first, chain.last);
      if (outcome === undefined) break;
      hasSent = true;
      this.#registers.csr[reg.CSR_FEATURES]! |= reg.FEATURES_TXSTRT;
      causes |= outcome.causes;
      for (let index = 0; index < chain.count; index++) {
        const each = this.#registers.transmitAt(this.#registers.transmitIndex + index);
        const isLast = index === chain.count - 1;
        format.writeSent(each, (format.read(each).flags & ~(reg.OWN | reg.ERR)) | (isLast && outcome.errors !== 0 ? reg.ERR : 0), isLast ? outcome.errors : 0);
      }
      this.#advanceTransmit(chain.count);
      const extended = this.#registers.csr[reg.CSR_EXTENDED]!;
      const isQuiet = (extended & reg.EXTENDED_TOKINTD) !== 0 && outcome.errors === 0 &&
        !((extended & reg.EXTENDED_LTINTEN) !== 0 && ((chain.last?.flags ?? 0) & reg.TRANSMIT_LTINT) !== 0);
      if (!isQuiet) causes |= reg.STATUS_TINT;
    }
    if (causes !== 0 || hasSent) this.#raise(causes);
    return hasSent;
  }

  #advanceTransmit(count: number): void {
    this.#registers.transmitIndex = (this.#registers.transmitIndex + count) % this.#registers.transmitLength;
  }

  /** The descriptors of one frame. `last` is undefined where the driver has given no end of it. */
  #chainFrom(format: DescriptorFormat, first: Descriptor): { count: number; bytes: number; last: Descriptor | undefined } {
    const most = Math.min(TRANSMIT_BUDGET, this.#registers.transmitLength);
    let bytes = 0;
    let descriptor = first;
    for (let count = 1; ; count++) {
      bytes += descriptor.bytes;
      if ((descriptor.flags & reg.ENP) !== 0) return { count, bytes, last: descriptor };
      descriptor = format.read(this.#registers.transmitAt(this.#registers.transmitIndex + count));
      if (count >= most || (descriptor.flags & reg.OWN) === 0) return { count, bytes, last: undefined };
    }
  }

  /** The frame's end isn't there when the chip gets to it: it stops sending, unless it is told not to. */
  #underflow(): { errors: number; causes: number } {
    const { csr } = this.#registers;
    if ((csr[reg.CSR_MASKS]! & reg.MASKS_DXSUFLO) === 0) csr[reg.CSR_STATUS]! &= ~reg.STATUS_TXON;
    return { errors: reg.ERROR_BUFF | reg.ERROR_UFLO, causes: 0 };
  }

  /** `undefined` while the link has no room. */
  #send(format: DescriptorFormat, bytes: number, first: Descriptor, last: Descriptor): { errors: number; causes: number } | undefined {
    const { csr, bcr } = this.#registers;
    const isIlacc = (bcr[reg.BCR_STYLE]! & 0xff) === 1;
    const asked = (csr[reg.CSR_MODE]! & reg.MODE_DXMTFCS) === 0;
    const isFcsAppended = (csr[reg.CSR_FEATURES]! & reg.FEATURES_APAD_XMT) !== 0 ||
      (isIlacc ? asked && (last.flags & reg.TRANSMIT_ADD_FCS) === 0 : asked || (first.flags & reg.TRANSMIT_ADD_FCS) !== 0);
    // Where the driver brings the FCS it is left out: there is none on a link.
    const length = isFcsAppended ? bytes : bytes - FCS_BYTES;
    if (length > FRAME_MAXIMUM_BYTES) return { errors: 0, causes: reg.STATUS_BABL };
    if ((csr[reg.CSR_MODE]! & reg.MODE_LOOP) !== 0) return { errors: 0, causes: this.#loopBack(format, length) };
    if (!this.#isLinkUp) return { errors: reg.ERROR_LCAR, causes: reg.STATUS_CERR };
    if (length < HEADER_BYTES) return { errors: 0, causes: 0 };
    const frame = this.#link.reserve(Math.max(length, FRAME_MINIMUM_BYTES));
    if (frame === undefined) return undefined;
    this.#gather(format, frame.subarray(0, length));
    frame.fill(0, length);
    this.#link.commit(NO_OFFLOAD);
    return { errors: 0, causes: 0 };
  }

  #gather(format: DescriptorFormat, frame: Uint8Array): void {
    for (let at = 0, index = 0; at < frame.length; index++) {
      const { address, bytes } = format.read(this.#registers.transmitAt(this.#registers.transmitIndex + index));
      const part = Math.min(bytes, frame.length - at);
      this.#memory.readBlock(address, frame.subarray(at, at + part));
      at += part;
    }
  }

  /** The chip hears itself, and nobody else. */
  #loopBack(format: DescriptorFormat, length: number): number {
    if (length < HEADER_BYTES || !this.#registers.isOn(reg.STATUS_RXON)) return 0;
    const frame = this.#loop.subarray(0, length);
    this.#gather(format, frame);
    const match = this.#matchOf(frame);
    if (match === undefined) return 0;
    if (this.#deliver(frame, match)) return reg.STATUS_RINT;
    this.#registers.csr[reg.CSR_MISSED]!++;
    return reg.STATUS_MISS;
  }

  /** Whether frames came. They stay on the link until the driver has made room for them. */
  #receive(): boolean {
    if (!this.#registers.isOn(reg.STATUS_RXON) || (this.#registers.csr[reg.CSR_MODE]! & reg.MODE_LOOP) !== 0) return false;
    let hasDelivered = false;
    for (let frame = this.#link.peek(); frame !== undefined; frame = this.#link.peek()) {
      // Made for a driver of another adapter: this one takes nothing on.
      const isOrdinary = frame.offload.checksumStart === 0 && frame.offload.segmentation === 'none' && frame.bytes.length <= FRAME_MAXIMUM_BYTES;
      const match = isOrdinary ? this.#matchOf(frame.bytes) : undefined;
      if (match !== undefined) {
        if (!this.#deliver(frame.bytes, match)) break;
        hasDelivered = true;
      }
      this.#link.consume();
    }
    if (hasDelivered) this.#raise(reg.STATUS_RINT);
    return hasDelivered;
  }

  /** By what the filters let a frame in, as its descriptor says it; `undefined` where they keep it out. */
  #matchOf(frame: Uint8Array): number | undefined {
    const { csr } = this.#registers;
    const mode = csr[reg.CSR_MODE]!;
    const isPcnetStyle = (this.#registers.bcr[reg.BCR_STYLE]! & 0xff) >= 2;
    let match: number | undefined;
    if ((frame[0]! & 1) === 0) {
      const isOurs = (mode & reg.MODE_DRCVPA) === 0 && [0, 1, 2].every((word) => (frame[2 * word]! | (frame[2 * word + 1]! << 8)) === csr[reg.CSR_PADR + word]);
      if (isOurs) match = reg.RECEIVE_PAM;
    } else {
      const isBroadcast = (mode & reg.MODE_DRCVBC) === 0 && frame.subarray(0, 6).every((byte) => byte === 0xff);
      const hash = logicalAddressHash(frame);
      if (isBroadcast) match = reg.RECEIVE_BAM;
      else if (((csr[reg.CSR_LADRF + (hash >> 4)]! >> (hash & 15)) & 1) !== 0) match = reg.RECEIVE_LAFM;
    }
    if ((mode & reg.MODE_PROM) !== 0) match ??= 0;
    return match !== undefined && !isPcnetStyle ? 0 : match;
  }

  /** Spreads a frame over buffers; `false` while the driver has given too few. */
  #deliver(frame: Uint8Array, match: number): boolean {
    const format = this.#format;
    const { receiveIndex } = this.#registers;
    const length = this.#registers.receiveLength;
    const total = this.#receivedBytes(frame);
    let [room, buffers] = [0, 0];
    for (; room < total && buffers < length; buffers++) {
      const descriptor = format.read(this.#registers.receiveAt(receiveIndex + buffers));
      if ((descriptor.flags & reg.OWN) === 0) return false;
      room += descriptor.bytes;
    }
    for (let [index, at] = [0, 0]; index < buffers; index++) {
      const place = this.#registers.receiveAt(receiveIndex + index);
      const { address, bytes, flags } = format.read(place);
      const end = Math.min(at + bytes, total);
      if (at < frame.length) this.#memory.writeBlock(address, frame.subarray(at, Math.min(end, frame.length)));
      for (let pad = Math.max(at, frame.length); pad < end; pad++) this.#memory.write8(address + pad - at, 0);
      at = end;
      const isLast = index === buffers - 1;
      // Larger than the whole ring: cut.
      const ending = !isLast ? 0 : room < total ? reg.ERR | reg.RECEIVE_BUFF : reg.ENP | match;
      format.writeReceived(place, (flags & 0x0080) | (index === 0 ? reg.STP : 0) | ending, isLast && room >= total ? total : 0);
    }
    this.#registers.receiveIndex = (receiveIndex + buffers) % length;
    return true;
  }

  /** With the FCS, and what a short frame is padded to; without both where the chip strips them from frames that say their length. */
  #receivedBytes(frame: Uint8Array): number {
    const payload = (frame[12]! << 8) | frame[13]!;
    const isStripped = (this.#registers.csr[reg.CSR_FEATURES]! & reg.FEATURES_ASTRP_RCV) !== 0 && payload < PAYLOAD_MINIMUM_BYTES;
    return isStripped ? HEADER_BYTES + payload : Math.max(frame.length, FRAME_MINIMUM_BYTES) + FCS_BYTES;
  }
}
