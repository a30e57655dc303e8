/**
 * National's DP8390 network interface controller with the 16 KiB of packet memory and the address PROM of a NE2000 board
 * (DP8390D/NS32490D datasheet; Novell NE2000): transmit buffer, receive ring, filters, and remote DMA through the data port.
 *
 * Not emulated: the FIFO and what loopback leaves in it, the send-packet command, frames with errors, collisions, FCS of
 * received frames (its place holds zeros).
 */
import { multicastHash } from '../multicast-hash.ts';
import * as reg from './registers.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../../interfaces/clock.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import { NO_OFFLOAD, type NetworkLink } from '../../interfaces/network.ts';

/** Ports of a NE2000: the chip's 16 registers, the data port in eight places, the reset port in eight. */
export const NE2000_PORTS = 32;
const DATA_PORT = 0x10;
const RESET_PORT = 0x18;

const PAGE_BYTES = 256;
const RAM_BASE = 0x4000;
const RAM_BYTES = 0x4000;
/** Each byte lies at two addresses, as the board has it on a 16-bit bus. */
const PROM_BYTES = 32;
/** By it drivers know a board of 16 bits. */
const PROM_SIGNATURE = 0x57;
const HEADER_BYTES = 4;
const FCS_BYTES = 4;
const FRAME_MINIMUM_BYTES = 60;
const FRAME_MAXIMUM_BYTES = 1518;
const REGISTERS = 16;
const TALLY_MAXIMUM = 0xff;
/**
 * Frames that come until the driver has acknowledged what it was told. Drivers read ten for an interrupt and acknowledge
 * it afterwards, with all that came meanwhile.
 */
const BURST_FRAMES = 8;
/** From the moment that the driver makes room until frames that waited for it come, so that it doesn't acknowledge these unseen. */
const RESUME_NANOS = 20_000;

export interface Dp8390State {
  /** CR. */
  command: number;
  /** Page 0 as it is written, BNRY and ISR among them. */
  settings: Uint8Array;
  /** Page 1: addresses and CURR. */
  addresses: Uint8Array;
  transmitStatus: number;
  receiveStatus: number;
  /** CNTR2: frames that nobody took. */
  missed: number;
  remoteAddress: number;
  remoteBytes: number;
  /** Frames given since the driver acknowledged the last. */
  burst: number;
  /** When frames that wait for room come. */
  resumeAt: Nanos | undefined;
  ram: Uint8Array;
}

export interface Dp8390Options {
  readonly id: string;
  readonly clock: Clock;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
  /** Page 0's reserved registers, and page 3, by which a chip says what it is. */
  readonly identity?: { readonly id: readonly [number, number]; readonly page3: readonly number[] };
}

/** The board behind its 32 ports. */
export class Dp8390 {
  readonly ports: IoHandler;
  readonly #clock: Clock;
  readonly #link: NetworkLink;
  readonly #identity: Dp8390Options['identity'];
  readonly #prom = new Uint8Array(PROM_BYTES);
  readonly #resume: Timer;
  #interrupt: InterruptLine | undefined;
  /** Whether the cable is plugged in, which is no state of the adapter. */
  #isLinkUp = true;
  #state = idleState();

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: Dp8390Options) {
    this.#clock = options.clock;
    this.#link = options.link;
    this.#identity = options.identity;
    for (const [index, byte] of [...options.mac, ...new Array<number>(8).fill(0), PROM_SIGNATURE, PROM_SIGNATURE].entries()) this.#prom.fill(byte, 2 * index, 2 * index + 2);
    this.#resume = options.clock.timer(`${options.id}.resume`, () => {
      this.#state.resumeAt = undefined;
      this.#state.burst = 0;
      this.#receive();
    });
    this.ports = {
      read: (offset, width) => this.#read(offset, width),
      write: (offset, width, value) => { this.#write(offset, width, value); },
      peek: (offset, width) => byBytes(width, (byte) => (offset + byte < DATA_PORT ? this.#readRegister(offset + byte) : 0xff)),
    };
    this.#link.onReadable = () => { this.#receive(); };
    this.#link.onWritable = () => { this.#transmit(); };
  }

  connectInterrupt(line: InterruptLine): void {
    this.#interrupt = line;
  }

  /** The cable was plugged in or pulled out: who sends sees that there is no carrier. */
  setLink(isUp: boolean): void {
    this.#isLinkUp = isUp;
  }

  reset(): void {
    this.#state = idleState();
    this.#resume.disarm();
    this.#driveInterrupt();
  }

  save(): Dp8390State {
    const { command, settings, addresses, transmitStatus, receiveStatus, missed, remoteAddress, remoteBytes, burst, resumeAt, ram, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return {
      command, settings: settings.slice(), addresses: addresses.slice(), transmitStatus, receiveStatus, missed, remoteAddress, remoteBytes, burst, resumeAt, ram: ram.slice(),
    };
  }

  /** Frames on the link are on the wire: no part of the adapter. */
  restore(saved: Dp8390State): void {
    this.#state = { ...saved, settings: saved.settings.slice(), addresses: saved.addresses.slice(), ram: saved.ram.slice() };
    if (saved.resumeAt === undefined) this.#resume.disarm();
    else this.#resume.arm(saved.resumeAt);
    this.#driveInterrupt();
    this.#transmit();
    this.#receive();
  }

  #read(offset: number, width: AccessWidth): number {
    if (offset >= RESET_PORT) {
      this.#resetChip();
      return byBytes(width, () => 0xff);
    }
    if (offset >= DATA_PORT) return this.#readData(width);
    return byBytes(width, (byte) => (offset + byte < DATA_PORT ? this.#readRegister(offset + byte) : 0xff), (byte) => { this.#hasRead(offset + byte); });
  }

  #write(offset: number, width: AccessWidth, value: number): void {
    if (offset >= RESET_PORT) this.#resetChip();
    else if (offset >= DATA_PORT) this.#writeData(width, value);
    else for (let byte = 0; byte < width && offset + byte < DATA_PORT; byte++) this.#writeRegister(offset + byte, (value >>> (8 * byte)) & 0xff);
  }

  get #page(): number {
    return this.#state.command >> reg.CR_PAGE_SHIFT;
  }

  #readRegister(offset: number): number {
    const { command, settings, addresses } = this.#state;
    if (offset === reg.CR) return command;
    switch (this.#page) {
      case 0: return this.#readStatus(offset);
      case 1: return addresses[offset]!;
      // RSAR's and RBCR's places are reserved here, those of TBCR hold counters for tests.
      case 2: return offset <= reg.WRITE.tpsr && offset !== reg.WRITE.bnry ? settings[offset]! : offset >= reg.WRITE.rcr ? settings[offset]! : 0;
      default: return this.#identity?.page3[offset] ?? 0xff;
    }
  }

  #readStatus(offset: number): number {
    const { settings, transmitStatus, receiveStatus, missed, remoteAddress } = this.#state;
    switch (offset) {
      // CLDA: the local DMA rests where the next frame begins.
      case reg.READ.clda1: return this.#state.addresses[reg.CURR]!;
      case reg.READ.bnry: case reg.READ.isr: return settings[offset]!;
      case reg.READ.tsr: return transmitStatus;
      case reg.READ.crda0: return remoteAddress & 0xff;
      case reg.READ.crda1: return remoteAddress >> 8;
      case reg.READ.id0: return this.#identity?.id[0] ?? 0xff;
      case reg.READ.id1: return this.#identity?.id[1] ?? 0xff;
      case reg.READ.rsr: return receiveStatus | ((settings[reg.WRITE.rcr]! & reg.RCR_MON) !== 0 ? reg.RSR_DIS : 0);
      case reg.READ.cntr2: return missed;
      default: return 0;
    }
  }

  /** Counters start anew when they have been read. */
  #hasRead(offset: number): void {
    if (this.#page === 0 && offset === reg.READ.cntr2) this.#state.missed = 0;
  }

  #writeRegister(offset: number, value: number): void {
    if (offset === reg.CR) {
      this.#writeCommand(value);
      return;
    }
    const { settings, addresses } = this.#state;
    if (this.#page === 1) addresses[offset] = value;
    if (this.#page !== 0) return;
    if (offset === reg.WRITE.isr) {
      this.#acknowledge(value);
      return;
    }
    settings[offset] = value;
    switch (offset) {
      case reg.WRITE.bnry: this.#boundaryMoved(); break;
      case reg.WRITE.rsar0: case reg.WRITE.rsar1: this.#state.remoteAddress = settings[reg.WRITE.rsar0]! | (settings[reg.WRITE.rsar1]! << 8); break;
      case reg.WRITE.rbcr0: case reg.WRITE.rbcr1: this.#state.remoteBytes = settings[reg.WRITE.rbcr0]! | (settings[reg.WRITE.rbcr1]! << 8); break;
      case reg.WRITE.imr: this.#driveInterrupt(); break;
      case reg.WRITE.rcr: case reg.WRITE.tcr: case reg.WRITE.dcr: this.#receive(); break;
      default:
    }
  }

  /** Drivers that only look at CURR acknowledge nothing: what they have emptied is filled again. */
  #boundaryMoved(): void {
    const free = this.#freePages();
    if (free === undefined || free < this.#ringPages - 1 || this.#link.peek() === undefined || this.#state.resumeAt !== undefined) return;
    this.#state.resumeAt = this.#clock.now() + RESUME_NANOS;
    this.#resume.arm(this.#state.resumeAt);
  }

  #writeCommand(value: number): void {
    const { settings } = this.#state;
    const wasRunning = this.#isRunning;
    // A transmission that has begun goes on, whatever is written here.
    this.#state.command = value | (this.#state.command & reg.CR_TXP);
    const remote = value & reg.CR_REMOTE;
    if ((remote === reg.CR_REMOTE_READ || remote === reg.CR_REMOTE_WRITE) && this.#state.remoteBytes === 0) this.#raise(reg.ISR_RDC);
    if ((value & reg.CR_STP) !== 0) {
      this.#state.command &= ~reg.CR_TXP;
      settings[reg.WRITE.isr]! |= reg.ISR_RST;
      return;
    }
    if ((value & reg.CR_STA) === 0) return;
    settings[reg.WRITE.isr]! &= ~reg.ISR_RST;
    this.#transmit();
    if (!wasRunning) this.#receive();
  }

  /** RST can't be written away. */
  #acknowledge(causes: number): void {
    const { settings } = this.#state;
    settings[reg.WRITE.isr]! &= ~causes | reg.ISR_RST;
    if ((causes & reg.ISR_PRX) !== 0) {
      this.#state.burst = 0;
      this.#receive();
    }
    this.#driveInterrupt();
  }

  /** The reset pin: the chip stops, with its interrupts off. Addresses and packet memory stay. */
  #resetChip(): void {
    const { settings } = this.#state;
    this.#state.command = reg.CR_STP | reg.CR_REMOTE_ABORT;
    settings[reg.WRITE.isr] = reg.ISR_RST;
    settings[reg.WRITE.imr] = 0;
    settings[reg.WRITE.tcr]! &= ~reg.TCR_LOOPBACK;
    this.#state.burst = 0;
    this.#driveInterrupt();
  }

  #raise(causes: number): void {
    this.#state.settings[reg.WRITE.isr]! |= causes;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    const { settings } = this.#state;
    this.#interrupt?.set((settings[reg.WRITE.isr]! & settings[reg.WRITE.imr]! & ~reg.ISR_RST) !== 0);
  }

  /** What the chip's own bus shows: the PROM, the packet memory, and nothing between them. */
  #memoryByte(address: number): number {
    if (address < PROM_BYTES) return this.#prom[address]!;
    return address >= RAM_BASE && address < RAM_BASE + RAM_BYTES ? this.#state.ram[address - RAM_BASE]! : 0xff;
  }

  #setMemoryByte(address: number, value: number): void {
    if (address >= RAM_BASE && address < RAM_BASE + RAM_BYTES) this.#state.ram[address - RAM_BASE] = value;
  }

  /** Bytes that one transfer of the data port moves on. */
  get #unitBytes(): 1 | 2 {
    return (this.#state.settings[reg.WRITE.dcr]! & reg.DCR_WTS) !== 0 ? 2 : 1;
  }

  /** A narrow access to a port of words is a transfer too, half of which the bus doesn't take. */
  #readData(width: AccessWidth): number {
    const unit = this.#unitBytes;
    let value = 0;
    for (let at = 0; at < width; at += unit) {
      const isRunning = this.#state.remoteBytes > 0 && (this.#state.command & reg.CR_REMOTE) === reg.CR_REMOTE_READ;
      for (let byte = 0; byte < unit && at + byte < width; byte++) value += (isRunning ? this.#memoryByte((this.#state.remoteAddress + byte) & 0xffff) : 0xff) * 2 ** (8 * (at + byte));
      if (isRunning) this.#advanceRemote(unit);
    }
    return value;
  }

  #writeData(width: AccessWidth, value: number): void {
    const unit = this.#unitBytes;
    for (let at = 0; at < width; at += unit) {
      if (this.#state.remoteBytes === 0 || (this.#state.command & reg.CR_REMOTE) !== reg.CR_REMOTE_WRITE) return;
      for (let byte = 0; byte < unit && at + byte < width; byte++) this.#setMemoryByte((this.#state.remoteAddress + byte) & 0xffff, Math.floor(value / 2 ** (8 * (at + byte))) & 0xff);
      this.#advanceRemote(unit);
    }
  }

  /** Reading goes on at the ring's beginning where it ends, so that drivers take a frame in one go (§6.2). */
  #advanceRemote(bytes: number): void {
    const { settings } = this.#state;
    const next = (this.#state.remoteAddress + bytes) & 0xffff;
    this.#state.remoteAddress = next === settings[reg.WRITE.pstop]! * PAGE_BYTES ? settings[reg.WRITE.pstart]! * PAGE_BYTES : next;
    this.#state.remoteBytes = Math.max(0, this.#state.remoteBytes - bytes);
    if (this.#state.remoteBytes === 0) this.#raise(reg.ISR_RDC);
  }

  get #isRunning(): boolean {
    return (this.#state.command & (reg.CR_STA | reg.CR_STP)) === reg.CR_STA;
  }

  get #isLoopback(): boolean {
    const { settings } = this.#state;
    return (settings[reg.WRITE.dcr]! & reg.DCR_LS) === 0 || (settings[reg.WRITE.tcr]! & reg.TCR_LOOPBACK) !== 0;
  }

  /** A frame waits in its buffer while the link has no room. */
  #transmit(): void {
    const { command, settings } = this.#state;
    if (!this.#isRunning || (command & reg.CR_TXP) === 0) return;
    const length = settings[reg.WRITE.tbcr0]! | (settings[reg.WRITE.tbcr1]! << 8);
    if (!this.#isLoopback && length >= 14 && length <= FRAME_MAXIMUM_BYTES) {
      const frame = this.#link.reserve(Math.max(length, FRAME_MINIMUM_BYTES));
      if (frame === undefined) return;
      const from = settings[reg.WRITE.tpsr]! * PAGE_BYTES;
      for (let index = 0; index < length; index++) frame[index] = this.#memoryByte((from + index) & 0xffff);
      frame.fill(0, length);
      this.#link.commit(NO_OFFLOAD);
    }
    this.#state.command &= ~reg.CR_TXP;
    this.#state.transmitStatus = reg.TSR_PTX | (this.#isLinkUp ? 0 : reg.TSR_CRS);
    this.#raise(reg.ISR_PTX);
  }

  /** Frames stay on the link until the chip runs and the driver has made room for them. */
  #receive(): void {
    const { settings } = this.#state;
    if (!this.#isRunning || this.#isLoopback) return;
    let causes = 0;
    for (let frame = this.#link.peek(); frame !== undefined; frame = this.#link.peek()) {
      // Made for a driver of another adapter: this one takes nothing on.
      const isOrdinary = frame.offload.checksumStart === 0 && frame.offload.segmentation === 'none' && frame.bytes.length <= FRAME_MAXIMUM_BYTES;
      if (isOrdinary && this.#takes(frame.bytes)) {
        if ((settings[reg.WRITE.rcr]! & reg.RCR_MON) !== 0) {
          causes |= this.#miss();
        } else {
          if (this.#state.burst >= BURST_FRAMES) break;
          if (!this.#deliver(frame.bytes)) {
            // A driver that thinks it has read everything has to be told that something waits.
            if (((causes | settings[reg.WRITE.isr]!) & reg.ISR_PRX) === 0) causes |= reg.ISR_OVW;
            break;
          }
          this.#state.burst++;
          causes |= reg.ISR_PRX;
        }
      }
      this.#link.consume();
    }
    if (causes !== 0) this.#raise(causes);
  }

  #miss(): number {
    this.#state.missed = Math.min(TALLY_MAXIMUM, this.#state.missed + 1);
    return (this.#state.missed & 0x80) !== 0 ? reg.ISR_CNT : 0;
  }

  #takes(frame: Uint8Array): boolean {
    const { addresses, settings } = this.#state;
    const control = settings[reg.WRITE.rcr]!;
    if ((frame[0]! & 1) === 0) return (control & reg.RCR_PRO) !== 0 || frame.subarray(0, 6).every((byte, index) => byte === addresses[reg.PAR + index]);
    if (frame.subarray(0, 6).every((byte) => byte === 0xff)) return (control & reg.RCR_AB) !== 0;
    const hash = multicastHash(frame);
    return (control & reg.RCR_AM) !== 0 && ((addresses[reg.MAR + (hash >> 3)]! >> (hash & 7)) & 1) !== 0;
  }

  get #ringPages(): number {
    const { settings } = this.#state;
    return settings[reg.WRITE.pstop]! - settings[reg.WRITE.pstart]!;
  }

  /** From CURR to BNRY. Both at one page say that the ring is empty: CURR must not get there from behind. `undefined`: that is no ring. */
  #freePages(): number | undefined {
    const { addresses, settings } = this.#state;
    const [first, end, current] = [settings[reg.WRITE.pstart]!, settings[reg.WRITE.pstop]!, addresses[reg.CURR]!];
    if (current < first || current >= end) return undefined;
    return (((settings[reg.WRITE.bnry]! - current) % (end - first)) + (end - first)) % (end - first) || end - first;
  }

  /** Puts a frame into the ring behind its header; `false` where there is no room. */
  #deliver(frame: Uint8Array): boolean {
    const { addresses, settings } = this.#state;
    const [first, end, current] = [settings[reg.WRITE.pstart]!, settings[reg.WRITE.pstop]!, addresses[reg.CURR]!];
    const count = Math.max(frame.length, FRAME_MINIMUM_BYTES) + FCS_BYTES;
    const pages = Math.ceil((HEADER_BYTES + count) / PAGE_BYTES);
    const free = this.#freePages();
    if (free === undefined || pages >= free) return false;
    const next = current + pages >= end ? current + pages - (end - first) : current + pages;
    this.#state.receiveStatus = reg.RSR_PRX | ((frame[0]! & 1) !== 0 ? reg.RSR_PHY : 0);
    const ringEnd = end * PAGE_BYTES;
    let address = current * PAGE_BYTES;
    const put = (byte: number): void => {
      this.#setMemoryByte(address, byte);
      address++;
      if (address === ringEnd) address = first * PAGE_BYTES;
    };
    for (const byte of [this.#state.receiveStatus, next, count & 0xff, count >> 8]) put(byte);
    for (let index = 0; index < count; index++) put(index < frame.length ? frame[index]! : 0);
    addresses[reg.CURR] = next;
    return true;
  }
}

function idleState(): Dp8390State {
  const settings = new Uint8Array(REGISTERS);
  settings[reg.WRITE.isr] = reg.ISR_RST;
  settings[reg.WRITE.dcr] = reg.DCR_LS;
  return {
    command: reg.CR_STP | reg.CR_REMOTE_ABORT, settings, addresses: new Uint8Array(REGISTERS), transmitStatus: 0, receiveStatus: 0, missed: 0, remoteAddress: 0, remoteBytes: 0, burst: 0,
    resumeAt: undefined, ram: new Uint8Array(RAM_BYTES),
  };
}

/** A number of `width` bytes, lowest first; `then` is told of each that was read. */
function byBytes(width: AccessWidth, one: (byte: number) => number, then?: (byte: number) => void): number {
  let value = 0;
  for (let byte = 0; byte < width; byte++) {
    value += one(byte) * 2 ** (8 * byte);
    then?.(byte);
  }
  return value;
}
