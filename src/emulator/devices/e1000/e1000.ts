/**
 * Intel 82540EM gigabit Ethernet adapter ("e1000"; 8254x software developer's manual): legacy and extended descriptors,
 * checksum and TCP segmentation offload, receive filters, interrupt throttling, EEPROM and PHY.
 *
 * Not emulated: VLAN tags, wake-up, flow control, jumbo frames beyond what the guest asks for, packet split, the delays of
 * IDE, RDTR and TADV (throttling has the same end), FCS of received frames (its place holds zeros).
 */
import { decodeTransmit, DESCRIPTOR_BYTES, COMMAND_EOP, COMMAND_RPS, COMMAND_RS, finishFrame, idleContext, type TransmitContext, type TransmitDescriptor } from './transmit-frame.ts';
import { eepromContents } from './eeprom-contents.ts';
import { PHY_ADDRESS, PHY_REGISTERS, readPhy, resetPhy, writePhy } from './phy.ts';
import * as reg from './registers.ts';
import { driveMicrowire, idleMicrowire, type MicrowireState } from '../microwire-eeprom.ts';
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Clock, Nanos, Timer } from '../../interfaces/clock.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { GuestMemory } from '../../interfaces/guest-memory.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { DeviceLog } from '../../interfaces/log.ts';
import { FRAME_MAXIMUM_BYTES, type NetworkLink } from '../../interfaces/network.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

const VENDOR_INTEL = 0x8086;
const DEVICE_82540EM = 0x100e;
const REVISION = 0x03;
const CLASS_ETHERNET = 0x020000;
const IO_BYTES = 64;
const IO_ADDRESS = 0;
const IO_DATA = 4;

/** Descriptors of one frame; a guest that spends more on one loses it. */
const FRAME_MAXIMUM_DESCRIPTORS = 1024;
const ITR_UNIT_NANOS = 256;
const FRAME_MINIMUM_BYTES = 60;
const FCS_BYTES = 4;
const STATUS_DD = 0x01;
const STATUS_EOP = 0x02;
const STATUS_TCPCS = 0x20;
const STATUS_IPCS = 0x40;
/** Frames that are received without RCTL.LPE. */
const ORDINARY_MAXIMUM_BYTES = 1522 - FCS_BYTES;
/** Shift of a multicast address's last bytes into the table's index, by RCTL.MO. */
const MULTICAST_SHIFTS = [4, 3, 2, 0] as const;

interface E1000State {
  /** By offset / 4. */
  registers: Uint32Array;
  phy: Uint16Array;
  microwire: MicrowireState;
  context: TransmitContext;
  /** IOADDR. */
  ioAddress: number;
  isAsserted: boolean;
  /** No interrupt before this time (ITR). */
  quietUntil: Nanos;
}

export interface E1000Options {
  readonly id: string;
  readonly memory: GuestMemory;
  readonly clock: Clock;
  readonly log: DeviceLog;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

export class E1000 implements PciFunction, Device<E1000State> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = VENDOR_INTEL;
  readonly deviceId = DEVICE_82540EM;
  readonly revision = REVISION;
  readonly classCode = CLASS_ETHERNET;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 1;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities = [];
  readonly #memory: GuestMemory;
  readonly #clock: Clock;
  readonly #log: DeviceLog;
  readonly #link: NetworkLink;
  readonly #mac: Uint8Array;
  readonly #eeprom: Uint16Array;
  readonly #quiet: Timer;
  #interrupt: InterruptLine | undefined;
  /** Whether the cable is plugged in, which is no state of the adapter. */
  #isLinkUp = true;
  #state: E1000State;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: E1000Options) {
    this.id = options.id;
    this.#memory = options.memory;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#link = options.link;
    this.#mac = options.mac.slice();
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#eeprom = eepromContents(options.mac, DEVICE_82540EM, VENDOR_INTEL);
    this.#quiet = options.clock.timer(`${options.id}.itr`, () => { this.#driveInterrupt(); });
    this.#state = this.#idleState();
    const registers: IoHandler = {
      read: (offset, width) => partOf(this.#read(offset & ~3), offset, width),
      write: (offset, width, value) => { if (width === 4 && offset % 4 === 0) this.#write(offset, value); },
      peek: (offset, width) => partOf(this.#peek(offset & ~3), offset, width),
    };
    const indirect: IoHandler = {
      read: (offset, width) => partOf(this.#readIndirect(offset & ~3), offset, width),
      write: (offset, width, value) => { if (width === 4) this.#writeIndirect(offset, value); },
      peek: (offset, width) => partOf(offset >> 2 === IO_ADDRESS ? this.#state.ioAddress : this.#peek(this.#state.ioAddress), offset, width),
    };
    this.bars = [{ kind: 'memory', length: reg.REGISTER_BYTES, prefetchable: false, handler: registers }, { kind: 'io', length: IO_BYTES, handler: indirect }];
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
    this.#raise(reg.INT_LSC);
  }

  reset(_kind: ResetKind): void {
    this.#state = this.#idleState();
    this.#quiet.disarm();
    this.#interrupt?.set(false);
  }

  save(): E1000State {
    const { registers, phy, microwire, context, ioAddress, isAsserted, quietUntil, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { registers: registers.slice(), phy: phy.slice(), microwire: { ...microwire }, context: { ...context }, ioAddress, isAsserted, quietUntil };
  }

  /** Frames on the link are on the wire: no part of the adapter. */
  restore(saved: E1000State): void {
    const { registers, phy, microwire, context, ioAddress, isAsserted, quietUntil } = saved;
    this.#state = { registers: registers.slice(), phy: phy.slice(), microwire: { ...microwire }, context: { ...context }, ioAddress, isAsserted, quietUntil };
    this.#quiet.disarm();
    this.#interrupt?.set(isAsserted);
    this.#driveInterrupt();
    this.#transmit();
    this.#receive();
  }

  #idleState(): E1000State {
    const state: E1000State = {
      registers: new Uint32Array(reg.REGISTER_WORDS), phy: resetPhy(), microwire: idleMicrowire(), context: idleContext(), ioAddress: 0, isAsserted: false, quietUntil: 0,
    };
    const put = (offset: number, value: number): void => { state.registers[offset / 4] = value; };
    put(reg.STATUS, reg.STATUS_LINKED);
    put(0x1000, 0x30);
    put(reg.MDIC, reg.MDIC_READY);
    const [a, b, c, d, e, f] = this.#mac;
    put(reg.RA, (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0);
    put(reg.RA + 4, (e! | (f! << 8) | reg.RAH_AV) >>> 0);
    return state;
  }

  #get(offset: number): number {
    return this.#state.registers[offset / 4]!;
  }

  #set(offset: number, value: number): void {
    this.#state.registers[offset / 4] = value;
  }

  #peek(offset: number): number {
    if (offset >= 4 * reg.REGISTER_WORDS) return 0;
    switch (offset) {
      case reg.CTRL_COPY: return this.#get(reg.CTRL);
      case reg.STATUS: return this.#isLinkUp ? this.#get(reg.STATUS) : this.#get(reg.STATUS) & ~reg.STATUS_LU;
      case reg.EECD: {
        const kept = this.#get(reg.EECD);
        return kept | reg.EECD_PRES | (this.#state.microwire.dataOut !== 0 ? reg.EECD_DO : 0) | ((kept & reg.EECD_REQ) !== 0 ? reg.EECD_GNT : 0);
      }
      case reg.ICR: return this.#causes();
      default: return this.#get(offset);
    }
  }

  #read(offset: number): number {
    const value = this.#peek(offset);
    if (offset === reg.ICR) {
      this.#set(reg.ICR, 0);
      this.#driveInterrupt();
    } else if (offset >= reg.STATISTICS && offset < reg.STATISTICS_END) {
      this.#set(offset, 0);
    }
    return value;
  }

  #readIndirect(offset: number): number {
    return offset === IO_ADDRESS ? this.#state.ioAddress : offset === IO_DATA ? this.#read(this.#state.ioAddress) : 0xffff_ffff;
  }

  #writeIndirect(offset: number, value: number): void {
    if (offset === IO_ADDRESS) this.#state.ioAddress = value & (reg.REGISTER_BYTES - 1) & ~3;
    else if (offset === IO_DATA) this.#write(this.#state.ioAddress, value);
  }

  #write(offset: number, value: number): void {
    switch (offset) {
      case reg.CTRL:
      case reg.CTRL_COPY:
        this.#control(value);
        return;
      case reg.EECD: {
        this.#set(reg.EECD, value & (reg.EECD_SK | reg.EECD_CS | reg.EECD_DI | reg.EECD_REQ));
        driveMicrowire(this.#state.microwire, this.#eeprom, (value & reg.EECD_CS) !== 0, (value & reg.EECD_SK) !== 0, (value & reg.EECD_DI) !== 0);
        return;
      }
      case reg.EERD:
        if ((value & reg.EERD_START) !== 0) {
          const address = (value >>> 8) & 0xff;
          this.#set(reg.EERD, ((address << 8) | reg.EERD_DONE | ((this.#eeprom[address] ?? 0xffff) << 16)) >>> 0);
        }
        return;
      case reg.MDIC:
        this.#manage(value);
        return;
      case reg.ICR:
        this.#set(reg.ICR, this.#get(reg.ICR) & ~value);
        this.#driveInterrupt();
        return;
      case reg.ICS:
        this.#raise(value & reg.INT_CAUSES);
        return;
      case reg.IMS:
        this.#set(reg.IMS, this.#get(reg.IMS) | (value & reg.INT_CAUSES));
        this.#driveInterrupt();
        return;
      case reg.IMC:
        this.#set(reg.IMS, this.#get(reg.IMS) & ~value);
        this.#driveInterrupt();
        return;
      default:
    }
    const kept = reg.PLAIN_REGISTERS.get(offset);
    if (kept === undefined) return;
    this.#set(offset, (value & kept) >>> 0);
    if (offset === reg.TDT || offset === reg.TCTL) this.#transmit();
    else if (offset === reg.RDT || offset === reg.RCTL) this.#receive();
  }

  #control(value: number): void {
    if ((value & reg.CTRL_RST) !== 0) {
      const { ioAddress } = this.#state;
      this.reset('soft');
      this.#state.ioAddress = ioAddress;
      return;
    }
    this.#set(reg.CTRL, (value & reg.PLAIN_REGISTERS.get(reg.CTRL)!) >>> 0);
    if ((value & reg.CTRL_PHY_RST) === 0) return;
    this.#state.phy = resetPhy();
    this.#raise(reg.INT_LSC);
  }

  /** The PHY's registers, through MDI control. */
  #manage(value: number): void {
    const index = (value >>> 16) & (PHY_REGISTERS - 1);
    const operation = (value >>> 26) & 3;
    let result = value & 0x0fff_ffff;
    if (((value >>> 21) & 31) !== PHY_ADDRESS) {
      result |= reg.MDIC_ERROR;
    } else if (operation === reg.MDIC_OP_READ) {
      result = (result & ~0xffff) | readPhy(this.#state.phy, index, this.#isLinkUp);
    } else if (operation === reg.MDIC_OP_WRITE && writePhy(this.#state.phy, index, value & 0xffff)) {
      this.#raise(reg.INT_LSC);
    }
    this.#set(reg.MDIC, (result | reg.MDIC_READY) >>> 0);
    if ((value & reg.MDIC_INTERRUPT) !== 0) this.#raise(reg.INT_MDAC);
  }

  // ---- Interrupts

  #causes(): number {
    const causes = this.#get(reg.ICR);
    return (causes & this.#get(reg.IMS)) !== 0 ? (causes | reg.INT_ASSERTED) >>> 0 : causes;
  }

  #raise(causes: number): void {
    this.#set(reg.ICR, this.#get(reg.ICR) | causes);
    this.#driveInterrupt();
  }

  /** An interrupt comes at once, the next not before ITR's interval is over (§13.4.18). */
  #driveInterrupt(): void {
    const state = this.#state;
    const isWanted = (this.#get(reg.ICR) & this.#get(reg.IMS)) !== 0;
    if (!isWanted) this.#quiet.disarm();
    if (isWanted === state.isAsserted) return;
    const now = this.#clock.now();
    const interval = this.#get(reg.ITR) * ITR_UNIT_NANOS;
    if (isWanted && interval > 0 && now < state.quietUntil) {
      this.#quiet.arm(state.quietUntil);
      return;
    }
    if (isWanted) state.quietUntil = now + interval;
    state.isAsserted = isWanted;
    this.#interrupt?.set(isWanted);
  }

  #count(offset: number): void {
    this.#set(offset, Math.min(0xffff_ffff, this.#get(offset) + 1));
  }

  // ---- Transmit

  #ringOf(low: number, high: number, lengthRegister: number): { base: number; count: number } {
    return { base: this.#get(low) + (this.#get(high) & 0xf_ffff) * 2 ** 32, count: this.#get(lengthRegister) / DESCRIPTOR_BYTES };
  }

  /** Frames whose last descriptor is there; they stay in the ring while the link has no room. */
  #transmit(): void {
    if ((this.#get(reg.TCTL) & reg.TCTL_EN) === 0) return;
    const { base, count } = this.#ringOf(reg.TDBAL, reg.TDBAH, reg.TDLEN);
    const tail = this.#get(reg.TDT);
    let head = this.#get(reg.TDH);
    let causes = 0;
    if (count === 0 || head >= count || tail >= count) return;
    const bytes = new Uint8Array(DESCRIPTOR_BYTES);
    while (head !== tail) {
      const descriptors: { readonly at: number; readonly descriptor: TransmitDescriptor }[] = [];
      let isWhole = false;
      let next = head;
      while (next !== tail && !isWhole && descriptors.length < FRAME_MAXIMUM_DESCRIPTORS) {
        const at = base + next * DESCRIPTOR_BYTES;
        this.#memory.readBlock(at, bytes);
        const descriptor = decodeTransmit(bytes);
        descriptors.push({ at, descriptor });
        next = next + 1 === count ? 0 : next + 1;
        isWhole = descriptor.kind === 'context' ? descriptors.length === 1 : (descriptor.command & COMMAND_EOP) !== 0;
      }
      if (!isWhole && descriptors.length < FRAME_MAXIMUM_DESCRIPTORS) break;
      if (!this.#send(descriptors.map(({ descriptor }) => descriptor))) break;
      for (const { at, descriptor } of descriptors) {
        if ((descriptor.command & (COMMAND_RS | COMMAND_RPS)) === 0) continue;
        this.#memory.write8(at + 12, this.#memory.read8(at + 12) | STATUS_DD);
        causes |= reg.INT_TXDW;
      }
      head = next;
    }
    if (head === this.#get(reg.TDH)) return;
    this.#set(reg.TDH, head);
    if (head === tail) causes |= reg.INT_TXQE;
    this.#raise(causes);
  }

  /** `false`: there is no room on the link. What is no frame is dropped. */
  #send(descriptors: readonly TransmitDescriptor[]): boolean {
    const data = descriptors.flatMap((descriptor) => (descriptor.kind === 'data' ? [descriptor] : []));
    const [only] = descriptors;
    if (only?.kind === 'context') {
      this.#state.context = { ...only.context };
      return true;
    }
    const [first] = data;
    const last = data.at(-1);
    const length = data.reduce((sum, { length: part }) => sum + part, 0);
    if (first === undefined || last === undefined || length < 14 || length > FRAME_MAXIMUM_BYTES || data.length < descriptors.length) return true;
    const isPadded = length < FRAME_MINIMUM_BYTES && (this.#get(reg.TCTL) & reg.TCTL_PSP) !== 0;
    const frame = this.#link.reserve(isPadded ? FRAME_MINIMUM_BYTES : length);
    if (frame === undefined) return false;
    let at = 0;
    for (const { address, length: part } of data) {
      this.#memory.readBlock(address, frame.subarray(at, at + part));
      at += part;
    }
    frame.fill(0, at);
    const offload = finishFrame(frame, first, last, this.#state.context);
    if (offload === undefined) {
      this.#log.log('warning', 'e1000-frame', `${this.id}: a frame's context asks for what can't be done`);
      return true;
    }
    this.#link.commit(offload);
    this.#count(reg.GPTC);
    this.#count(reg.TPT);
    return true;
  }

  // ---- Receive

  /** Frames stay on the link until the driver has put room for them into the ring. */
  #receive(): void {
    if ((this.#get(reg.RCTL) & reg.RCTL_EN) === 0) return;
    let causes = 0;
    for (let frame = this.#link.peek(); frame !== undefined; frame = this.#link.peek()) {
      // Made for a driver of another adapter: this one takes nothing on.
      const isOrdinary = frame.offload.checksumStart === 0 && frame.offload.segmentation === 'none';
      if (isOrdinary && this.#isForUs(frame.bytes)) {
        if (!this.#deliver(frame.bytes)) break;
        causes |= reg.INT_RXT0;
      }
      this.#link.consume();
    }
    if (causes !== 0) this.#raise(causes | (this.#isRunningLow() ? reg.INT_RXDMT0 : 0));
  }

  #isForUs(frame: Uint8Array): boolean {
    const control = this.#get(reg.RCTL);
    if (frame.length > ORDINARY_MAXIMUM_BYTES && (control & reg.RCTL_LPE) === 0) return false;
    const isGroup = (frame[0]! & 1) !== 0;
    if ((control & (isGroup ? reg.RCTL_MPE : reg.RCTL_UPE)) !== 0) return true;
    if (frame.subarray(0, 6).every((byte) => byte === 0xff) && (control & reg.RCTL_BAM) !== 0) return true;
    const low = (frame[0]! | (frame[1]! << 8) | (frame[2]! << 16) | (frame[3]! << 24)) >>> 0;
    const high = frame[4]! | (frame[5]! << 8);
    for (let at = reg.RA; at < reg.RA_END; at += 8) {
      const entry = this.#get(at + 4);
      if (entry >= reg.RAH_AV && (entry & 0xffff) === high && this.#get(at) === low) return true;
    }
    if (!isGroup) return false;
    const hash = (high >> MULTICAST_SHIFTS[(control >>> 12) & 3]!) & 0xfff;
    return ((this.#get(reg.MTA + 4 * (hash >> 5)) >>> (hash & 31)) & 1) !== 0;
  }

  #bufferBytes(): number {
    const control = this.#get(reg.RCTL);
    const size = 2048 >> ((control >>> 16) & 3);
    return (control & reg.RCTL_BSEX) !== 0 && size < 2048 ? size * 16 : size;
  }

  /** `false`: the ring has too little room at present. What never fits is dropped. */
  #deliver(frame: Uint8Array): boolean {
    const { base, count } = this.#ringOf(reg.RDBAL, reg.RDBAH, reg.RDLEN);
    let head = this.#get(reg.RDH);
    const tail = this.#get(reg.RDT);
    if (count === 0 || head >= count || tail >= count) return false;
    const bufferBytes = this.#bufferBytes();
    const keepsFcs = (this.#get(reg.RCTL) & reg.RCTL_SECRC) === 0;
    const total = Math.max(frame.length, FRAME_MINIMUM_BYTES) + (keepsFcs ? FCS_BYTES : 0);
    const needed = Math.ceil(total / bufferBytes);
    const free = (tail - head + count) % count;
    if (needed >= count) {
      this.#count(reg.MPC);
      return true;
    }
    if (free < needed) return false;
    const padded = new Uint8Array(total);
    padded.set(frame);
    for (let at = 0; at < total; at += bufferBytes) {
      const descriptor = base + head * DESCRIPTOR_BYTES;
      const part = padded.subarray(at, at + bufferBytes);
      const isLast = at + bufferBytes >= total;
      const address = this.#memory.read32(descriptor) + (this.#memory.read32(descriptor + 4) & 0xf_ffff) * 2 ** 32;
      this.#memory.writeBlock(address, part);
      const written = new Uint8Array(8);
      written.set([part.length & 0xff, part.length >> 8]);
      written[4] = STATUS_DD | (isLast ? STATUS_EOP | this.#checked(frame) : 0);
      this.#memory.writeBlock(descriptor + 8, written);
      head = head + 1 === count ? 0 : head + 1;
    }
    this.#set(reg.RDH, head);
    this.#count(reg.GPRC);
    this.#count(reg.TPR);
    return true;
  }

  /** What RXCSUM lets the adapter say of a frame's checksums. The network makes them right, and nothing happens to them on the way. */
  #checked(frame: Uint8Array): number {
    const control = this.#get(reg.RXCSUM);
    const isIpv4 = frame[12] === 8 && frame[13] === 0 && frame[14] === 0x45;
    const isWhole = ((frame[20] ?? 0) & 0x3f) === 0 && frame[21] === 0;
    const protocol = frame[23];
    if (!isIpv4) return 0;
    const transport = isWhole && (protocol === 6 || protocol === 17) && (control & reg.RXCSUM_TUOFL) !== 0 ? STATUS_TCPCS : 0;
    return ((control & reg.RXCSUM_IPOFL) !== 0 ? STATUS_IPCS : 0) | transport;
  }

  /** Fewer free descriptors than RCTL.RDMTS allows: a half, a quarter or an eighth. */
  #isRunningLow(): boolean {
    const { count } = this.#ringOf(reg.RDBAL, reg.RDBAH, reg.RDLEN);
    const free = (this.#get(reg.RDT) - this.#get(reg.RDH) + count) % Math.max(1, count);
    return free <= count >> (1 + Math.min(2, (this.#get(reg.RCTL) >>> 8) & 3));
  }
}

function partOf(word: number, offset: number, width: AccessWidth): number {
  if (width === 4) return word >>> 0;
  return (word >>> (8 * (offset & 3))) & (width === 2 ? 0xffff : 0xff);
}
