/**
 * Realtek RTL8139C fast Ethernet adapter (RTL8139C datasheet, chapters 5 and 6): four transmit descriptors, one receive
 * ring, filters, EEPROM, basic mode registers and the timer.
 *
 * Not emulated: the C+ mode of the later chip, early receive interrupts, wake-up, loopback, FCS of received frames (its
 * place holds zeros).
 */
import { driveMicrowire, EEPROM_WORDS, idleMicrowire, type MicrowireState } from './microwire-eeprom.ts';
import { multicastHash } from './multicast-hash.ts';
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../interfaces/clock.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { GuestMemory } from '../interfaces/guest-memory.ts';
import type { InterruptLine } from '../interfaces/interrupt-line.ts';
import { NO_OFFLOAD, type NetworkLink } from '../interfaces/network.ts';
import type { PciBar, PciFunction } from '../interfaces/pci.ts';

const VENDOR_REALTEK = 0x10ec;
const DEVICE_8139 = 0x8139;
/** From 0x20 on drivers take it for a C+. */
const REVISION_8139C = 0x10;
const CLASS_ETHERNET = 0x020000;
const REGISTER_BYTES = 256;

const IDR = 0x00;
const MAR = 0x08;
const TSD = 0x10;
const TSAD = 0x20;
const RBSTART = 0x30;
const CR = 0x37;
const CAPR = 0x38;
const CBR = 0x3a;
const IMR = 0x3c;
const ISR = 0x3e;
const TCR = 0x40;
const RCR = 0x44;
const TCTR = 0x48;
const MPC = 0x4c;
const CR9346 = 0x50;
const CONFIG0 = 0x51;
const TIMER_INT = 0x54;
const MSR = 0x58;
const CONFIG4 = 0x5a;
const REVISION_ID = 0x5e;
const TSAD_SUMMARY = 0x60;
const BMCR = 0x62;
const BMSR = 0x64;
const ANAR = 0x66;
const ANLPAR = 0x68;

const TSD_SIZE = 0x1fff;
const TSD_OWN = 0x2000;
const TSD_TOK = 0x8000;
const TRANSMIT_DESCRIPTORS = 4;
const TRANSMIT_MAXIMUM_BYTES = 1792;
const CR_BUFE = 0x01;
const CR_TE = 0x04;
const CR_RE = 0x08;
const CR_RST = 0x10;
const INT_ROK = 0x0001;
const INT_TOK = 0x0004;
const INT_RXOVW = 0x0010;
/** Packet underrun or link change. */
const INT_LINK = 0x0020;
const INT_TIMEOUT = 0x4000;
const RCR_AAP = 0x01;
const RCR_APM = 0x02;
const RCR_AM = 0x04;
const RCR_AB = 0x08;
const RCR_WRAP = 0x80;
/** HWVERID of an 8139C. */
const TCR_VERSION = 0x7400_0000;
/** MSR: inverse link status, and receive flow control. */
const MSR_LINK_FAILED = 0x04;
const BMSR_LINK = 0x0004;
/** CS configuration: the link has changed, until its interrupt is acknowledged; drivers take INT_LINK for an underrun without it. */
const CSCR_HIGH = 0x75;
const CSCR_HIGH_CHANGED = 0x08;
const CR9346_UNLOCKED = 0xc0;
const CR9346_CS = 0x08;
const CR9346_SK = 0x04;
const CR9346_DI = 0x02;
const CR9346_DO = 0x01;
const RECEIVED_OK = 0x0001;
const RECEIVED_BROADCAST = 0x2000;
const RECEIVED_OURS = 0x4000;
const RECEIVED_MULTICAST = 0x8000;
const RECEIVE_HEADER_BYTES = 4;
const FCS_BYTES = 4;
/** CAPR lies this far behind the place that is read next. */
const CAPR_LAG = 16;
const FRAME_MINIMUM_BYTES = 60;
const FRAME_MAXIMUM_BYTES = 1518;
/**
 * From the moment that the driver makes room until frames that waited for it come. Drivers acknowledge what they were
 * told after they have read, and would acknowledge these unseen.
 */
const RESUME_NANOS = 20_000;
/** The timer counts PCI clocks: 33 MHz. */
const NANOS_PER_TICK = 30;

/** Bits that keep what is written, by byte. Interrupt status, transmit status and configuration have rules of their own. */
const WRITABLE = new Uint8Array(REGISTER_BYTES);
WRITABLE.fill(0xff, IDR, IDR + 6);
WRITABLE.fill(0xff, MAR, MAR + 8);
WRITABLE.fill(0xff, TSAD, TSAD + 16);
WRITABLE.fill(0xff, RBSTART, RBSTART + 4);
WRITABLE.set([0xff, 0xff], CAPR);
WRITABLE.set([0x7f, 0xe0], IMR);
WRITABLE.set([0xf0, 0x07, 0x07, 0x03], TCR);
WRITABLE.set([0xff, 0xff, 0x01, 0x0f], RCR);
WRITABLE.fill(0xff, TIMER_INT, TIMER_INT + 4);
WRITABLE.set([0x00, 0x31], BMCR);
WRITABLE.set([0xff, 0x3f], ANAR);

interface Rtl8139State {
  registers: Uint8Array;
  microwire: MicrowireState;
  /** The descriptor that is sent next. */
  nextTransmit: number;
  /** Guest time at which TCTR was 0. */
  timerStart: Nanos;
}

export interface Rtl8139Options {
  readonly id: string;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

export class Rtl8139 implements PciFunction, Device<Rtl8139State> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = VENDOR_REALTEK;
  readonly deviceId = DEVICE_8139;
  readonly revision = REVISION_8139C;
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
  readonly #eeprom = new Uint16Array(EEPROM_WORDS);
  readonly #timer: Timer;
  readonly #resume: Timer;
  #interrupt: InterruptLine | undefined;
  /** Whether the cable is plugged in, which is no state of the adapter. */
  #isLinkUp = true;
  #state: Rtl8139State;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: Rtl8139Options) {
    this.id = options.id;
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#link = options.link;
    this.#mac = options.mac.slice();
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#eeprom.set([0x8129, VENDOR_REALTEK, DEVICE_8139, options.subsystemVendorId, options.subsystemId]);
    for (let index = 0; index < 3; index++) this.#eeprom[7 + index] = this.#mac[2 * index]! | (this.#mac[2 * index + 1]! << 8);
    this.#timer = options.clock.timer(`${options.id}.timer`, () => { this.#raise(INT_TIMEOUT); });
    this.#resume = options.clock.timer(`${options.id}.resume`, () => { this.#receive(); });
    this.#state = this.#idleState();
    const handler: IoHandler = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => { this.#write(offset, width, value); },
      peek: (offset, width) => this.#read(offset, width),
    };
    this.bars = [{ kind: 'io', length: REGISTER_BYTES, handler }, { kind: 'memory', length: REGISTER_BYTES, prefetchable: false, handler }];
    this.#link.onReadable = () => { this.#receive(); };
    this.#link.onWritable = () => { this.#transmit(); };
  }

  connectInterrupt(line: InterruptLine): void {
    this.#interrupt = line;
  }

  /** The cable was plugged in or pulled out. */
  setLink(isUp: boolean): void {
    if (this.#isLinkUp === isUp) return;
    this.#isLinkUp = isUp;
    this.#state.registers[CSCR_HIGH]! |= CSCR_HIGH_CHANGED;
    this.#raise(INT_LINK);
  }

  reset(_kind: ResetKind): void {
    this.#state = this.#idleState();
    this.#timer.disarm();
    this.#resume.disarm();
    this.#driveInterrupt();
  }

  save(): Rtl8139State {
    const { registers, microwire, nextTransmit, timerStart, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { registers: registers.slice(), microwire: { ...microwire }, nextTransmit, timerStart };
  }

  /** Frames on the link are on the wire: no part of the adapter. */
  restore(saved: Rtl8139State): void {
    const { registers, microwire, nextTransmit, timerStart } = saved;
    this.#state = { registers: registers.slice(), microwire: { ...microwire }, nextTransmit, timerStart };
    this.#armTimer();
    this.#driveInterrupt();
    this.#transmit();
    this.#receive();
  }

  #idleState(): Rtl8139State {
    const registers = new Uint8Array(REGISTER_BYTES);
    const view = new DataView(registers.buffer);
    registers.set(this.#mac, IDR);
    for (let index = 0; index < TRANSMIT_DESCRIPTORS; index++) view.setUint32(TSD + 4 * index, TSD_OWN, true);
    view.setUint16(CAPR, 0x10000 - CAPR_LAG, true);
    view.setUint32(TCR, TCR_VERSION, true);
    registers[CONFIG0 + 1] = 0x0c;
    registers[MSR] = 0x10;
    registers[REVISION_ID] = REVISION_8139C;
    // Negotiated: 100 Mbit/s, full duplex.
    view.setUint16(BMCR, 0x3100, true);
    view.setUint16(BMSR, 0x782d, true);
    view.setUint16(ANAR, 0x05e1, true);
    view.setUint16(ANLPAR, 0x45e1, true);
    return { registers, microwire: idleMicrowire(), nextTransmit: 0, timerStart: 0 };
  }

  get #view(): DataView {
    const { registers } = this.#state;
    return new DataView(registers.buffer, registers.byteOffset, REGISTER_BYTES);
  }

  #get16(offset: number): number {
    return this.#view.getUint16(offset, true);
  }

  #get32(offset: number): number {
    return this.#view.getUint32(offset, true);
  }

  #read(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let byte = 0; byte < width; byte++) value += (offset + byte < REGISTER_BYTES ? this.#readByte(offset + byte) : 0xff) * 2 ** (8 * byte);
    return value;
  }

  #readByte(offset: number): number {
    const { registers, microwire } = this.#state;
    if (offset === CR) return registers[CR]! | (this.#unread() === 0 ? CR_BUFE : 0);
    if (offset === MSR) return registers[MSR]! | (this.#isLinkUp ? 0 : MSR_LINK_FAILED);
    if (offset === BMSR && !this.#isLinkUp) return registers[BMSR]! & ~BMSR_LINK;
    if (offset === CR9346) return registers[CR9346]! | (microwire.dataOut !== 0 ? CR9346_DO : 0);
    if (offset >= TCTR && offset < TCTR + 4) return (this.#ticks() >>> (8 * (offset - TCTR))) & 0xff;
    if (offset === TSAD_SUMMARY || offset === TSAD_SUMMARY + 1) return (this.#summary() >>> (8 * (offset - TSAD_SUMMARY))) & 0xff;
    return registers[offset]!;
  }

  /** OWN in the low half, TOK in the high byte's low bits (§5.21). */
  #summary(): number {
    let summary = 0;
    for (let index = 0; index < TRANSMIT_DESCRIPTORS; index++) {
      const status = this.#get32(TSD + 4 * index);
      if ((status & TSD_OWN) !== 0) summary |= 1 << index;
      if ((status & TSD_TOK) !== 0) summary |= 0x1000 << index;
    }
    return summary;
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    const { registers } = this.#state;
    const end = Math.min(REGISTER_BYTES, offset + width);
    const isTouched = (from: number, length: number): boolean => offset < from + length && end > from;
    for (let at = offset; at < end; at++) {
      const byte = Math.floor(value / 2 ** (8 * (at - offset))) & 0xff;
      if (at === ISR && (byte & INT_LINK) !== 0) registers[CSCR_HIGH]! &= ~CSCR_HIGH_CHANGED;
      if (at === ISR || at === ISR + 1) registers[at]! &= ~byte;
      else if (at >= CONFIG0 && at <= CONFIG4 && !(at >= TIMER_INT && at < MSR)) this.#configure(at, byte);
      else if (at >= MPC && at < MPC + 4) registers[at] = 0;
      else registers[at] = (registers[at]! & ~WRITABLE[at]!) | (byte & WRITABLE[at]!);
    }
    for (let index = 0; index < TRANSMIT_DESCRIPTORS; index++) {
      const at = TSD + 4 * index;
      // Size and threshold come with one write that also clears OWN: the frame is there.
      if (offset === at && width === 4) this.#view.setUint32(at, value & 0x003f_3fff, true);
    }
    if (isTouched(CR9346, 1)) this.#writeEeprom(Math.floor(value / 2 ** (8 * (CR9346 - offset))) & 0xff);
    if (isTouched(TCTR, 4)) this.#state.timerStart = this.#clock.now();
    if (isTouched(TCTR, 4) || isTouched(TIMER_INT, 4)) this.#armTimer();
    if (isTouched(CR, 1)) this.#command(Math.floor(value / 2 ** (8 * (CR - offset))) & 0xff);
    if (isTouched(IMR, 4)) this.#driveInterrupt();
    if (isTouched(TSD, 16)) this.#transmit();
    if (isTouched(RCR, 4)) this.#receive();
    if (isTouched(CAPR, 2) && this.#resume.deadline === undefined && this.#link.peek() !== undefined) this.#resume.arm(this.#clock.now() + RESUME_NANOS);
  }

  /** Configuration is locked but for a certain mode of the EEPROM's register (§5.14). */
  #configure(offset: number, byte: number): void {
    const { registers } = this.#state;
    if (offset === MSR) registers[MSR] = (registers[MSR]! & 0x3f) | (byte & 0xc0);
    else if ((registers[CR9346]! & CR9346_UNLOCKED) === CR9346_UNLOCKED && offset !== CONFIG0) registers[offset] = byte;
  }

  #writeEeprom(byte: number): void {
    this.#state.registers[CR9346] = byte & ~CR9346_DO;
    driveMicrowire(this.#state.microwire, this.#eeprom, (byte & CR9346_CS) !== 0, (byte & CR9346_SK) !== 0, (byte & CR9346_DI) !== 0);
  }

  #command(byte: number): void {
    if ((byte & CR_RST) !== 0) {
      const { microwire } = this.#state;
      this.reset('soft');
      this.#state.microwire = microwire;
      return;
    }
    const before = this.#state.registers[CR]!;
    if ((byte & CR_TE) !== 0 && (before & CR_TE) === 0) this.#state.nextTransmit = 0;
    this.#state.registers[CR] = byte & (CR_TE | CR_RE);
    this.#transmit();
    this.#receive();
  }

  #ticks(): number {
    return Math.floor((this.#clock.now() - this.#state.timerStart) / NANOS_PER_TICK) % 2 ** 32;
  }

  /** TIMER_INT of 0 is off. The interrupt comes once, when the count gets there. */
  #armTimer(): void {
    const wanted = this.#get32(TIMER_INT);
    const left = wanted - this.#ticks();
    if (wanted === 0 || left <= 0) this.#timer.disarm();
    else this.#timer.arm(this.#state.timerStart + (Math.floor((this.#clock.now() - this.#state.timerStart) / NANOS_PER_TICK) + left) * NANOS_PER_TICK);
  }

  #raise(causes: number): void {
    this.#view.setUint16(ISR, this.#get16(ISR) | causes, true);
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#interrupt?.set((this.#get16(ISR) & this.#get16(IMR)) !== 0);
  }

  /** Frames wait in their descriptors while the link has no room. */
  #transmit(): void {
    if ((this.#state.registers[CR]! & CR_TE) === 0) return;
    let causes = 0;
    for (let count = 0; count < TRANSMIT_DESCRIPTORS; count++) {
      const at = TSD + 4 * this.#state.nextTransmit;
      const status = this.#get32(at);
      if ((status & TSD_OWN) !== 0) break;
      const length = status & TSD_SIZE;
      if (length <= TRANSMIT_MAXIMUM_BYTES && length >= 14) {
        const frame = this.#link.reserve(Math.max(length, FRAME_MINIMUM_BYTES));
        if (frame === undefined) break;
        this.#memory.readBlock(this.#get32(TSAD + 4 * this.#state.nextTransmit), frame.subarray(0, length));
        frame.fill(0, length);
        this.#link.commit(NO_OFFLOAD);
      }
      this.#view.setUint32(at, status | TSD_OWN | TSD_TOK, true);
      this.#state.nextTransmit = (this.#state.nextTransmit + 1) % TRANSMIT_DESCRIPTORS;
      causes |= INT_TOK;
    }
    if (causes !== 0) this.#raise(causes);
  }

  #ringBytes(): number {
    return 8192 << ((this.#get32(RCR) >>> 11) & 3);
  }

  /** Bytes in the ring that the driver hasn't read. */
  #unread(): number {
    const ring = this.#ringBytes();
    return (this.#get16(CBR) - this.#get16(CAPR) - CAPR_LAG + 2 * 0x10000) % ring;
  }

  /** Frames stay on the link until the driver has made room for them. */
  #receive(): void {
    if ((this.#state.registers[CR]! & CR_RE) === 0) return;
    let causes = 0;
    for (let frame = this.#link.peek(); frame !== undefined; frame = this.#link.peek()) {
      // Made for a driver of another adapter: this one takes nothing on.
      const isOrdinary = frame.offload.checksumStart === 0 && frame.offload.segmentation === 'none' && frame.bytes.length <= FRAME_MAXIMUM_BYTES;
      const status = isOrdinary ? this.#statusOf(frame.bytes) : undefined;
      if (status !== undefined) {
        if (!this.#deliver(frame.bytes, status)) {
          // A driver that thinks it has read everything has to be told that something waits.
          if (((causes | this.#get16(ISR)) & INT_ROK) === 0) causes |= INT_RXOVW;
          break;
        }
        causes |= INT_ROK;
      }
      this.#link.consume();
    }
    if (causes !== 0) this.#raise(causes);
  }

  /** What the header says of a frame; `undefined` where the filters keep it out. */
  #statusOf(frame: Uint8Array): number | undefined {
    const control = this.#get32(RCR);
    const isOurs = frame.subarray(0, 6).every((byte, index) => byte === this.#state.registers[IDR + index]);
    const isBroadcast = frame.subarray(0, 6).every((byte) => byte === 0xff);
    const isMulticast = (frame[0]! & 1) !== 0 && !isBroadcast;
    const status = RECEIVED_OK | (isOurs ? RECEIVED_OURS : isBroadcast ? RECEIVED_BROADCAST : isMulticast ? RECEIVED_MULTICAST : 0);
    if ((control & RCR_AAP) !== 0 || (isOurs && (control & RCR_APM) !== 0) || (isBroadcast && (control & RCR_AB) !== 0)) return status;
    if (!isMulticast || (control & RCR_AM) === 0) return undefined;
    const hash = multicastHash(frame);
    return ((this.#state.registers[MAR + (hash >> 3)]! >> (hash & 7)) & 1) !== 0 ? status : undefined;
  }

  #deliver(frame: Uint8Array, status: number): boolean {
    const ring = this.#ringBytes();
    const dataBytes = Math.max(frame.length, FRAME_MINIMUM_BYTES) + FCS_BYTES;
    const total = (RECEIVE_HEADER_BYTES + dataBytes + 3) & ~3;
    // A full ring would look like an empty one.
    if (this.#unread() + total >= ring) return false;
    const record = new Uint8Array(total);
    record.set([status & 0xff, status >> 8, dataBytes & 0xff, dataBytes >> 8]);
    record.set(frame, RECEIVE_HEADER_BYTES);
    const base = this.#get32(RBSTART);
    const at = this.#get16(CBR) % ring;
    // With WRAP the last frame runs on behind the ring; else it goes on at the ring's beginning.
    const before = (this.#get32(RCR) & RCR_WRAP) !== 0 && ring < 0x10000 ? total : Math.min(total, ring - at);
    this.#memory.writeBlock(base + at, record.subarray(0, before));
    if (before < total) this.#memory.writeBlock(base, record.subarray(before));
    this.#view.setUint16(CBR, (at + total) % ring, true);
    return true;
  }
}
