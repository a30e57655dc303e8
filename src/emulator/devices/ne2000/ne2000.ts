/** Novell's NE2000 as a card for the ISA bus, and as Realtek's RTL8029AS made it for PCI. */
import { Dp8390, NE2000_PORTS, type Dp8390State } from './dp8390.ts';
import type { IoHandler } from '../../interfaces/bus.ts';
import type { Clock } from '../../interfaces/clock.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { InterruptLine } from '../../interfaces/interrupt-line.ts';
import type { NetworkLink } from '../../interfaces/network.ts';
import type { PciBar, PciFunction } from '../../interfaces/pci.ts';

const VENDOR_REALTEK = 0x10ec;
const DEVICE_8029 = 0x8029;
const CLASS_ETHERNET = 0x020000;
/** "PC" in page 0, and the chip's number in page 3, as drivers look for them (RTL8029AS datasheet, §5). */
const RTL8029_IDENTITY = { id: [0x50, 0x43], page3: [0, 0, 0xff, 0, 0xff, 0, 0x01, 0xff, 0, 0, 0, 0, 0, 0, 0x29, 0x80] } as const;

interface CardOptions {
  readonly id: string;
  readonly clock: Clock;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: NetworkLink;
}

export class Ne2000Isa implements Device<Dp8390State> {
  readonly id: string;
  readonly savedVersion = 1;
  /** `NE2000_PORTS` ports, where the board's jumpers say. */
  readonly ports: IoHandler;
  readonly #board: Dp8390;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: CardOptions & { readonly interrupt: InterruptLine }) {
    this.id = options.id;
    this.#board = new Dp8390(options);
    this.#board.connectInterrupt(options.interrupt);
    this.ports = this.#board.ports;
  }

  /** The cable was plugged in or pulled out. */
  setLink(isUp: boolean): void {
    this.#board.setLink(isUp);
  }

  reset(_kind: ResetKind): void {
    this.#board.reset();
  }

  save(): Dp8390State {
    return this.#board.save();
  }

  restore(saved: Dp8390State): void {
    this.#board.restore(saved);
  }
}

/** Not emulated: the EEPROM's wires, full duplex and the other settings of page 3. */
export class Rtl8029 implements PciFunction, Device<Dp8390State> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly vendorId = VENDOR_REALTEK;
  readonly deviceId = DEVICE_8029;
  readonly revision = 0;
  readonly classCode = CLASS_ETHERNET;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
  readonly interruptPin = 1;
  readonly bars: readonly (PciBar | undefined)[];
  readonly capabilities = [];
  readonly #board: Dp8390;

  /** Takes the link's `onReadable` and `onWritable`. */
  constructor(options: CardOptions & { readonly subsystemVendorId: number; readonly subsystemId: number }) {
    this.id = options.id;
    this.subsystemVendorId = options.subsystemVendorId;
    this.subsystemId = options.subsystemId;
    this.#board = new Dp8390({ ...options, identity: RTL8029_IDENTITY });
    this.bars = [{ kind: 'io', length: NE2000_PORTS, handler: this.#board.ports }];
  }

  connectInterrupt(line: InterruptLine): void {
    this.#board.connectInterrupt(line);
  }

  /** The cable was plugged in or pulled out. */
  setLink(isUp: boolean): void {
    this.#board.setLink(isUp);
  }

  reset(_kind: ResetKind): void {
    this.#board.reset();
  }

  save(): Dp8390State {
    return this.#board.save();
  }

  restore(saved: Dp8390State): void {
    this.#board.restore(saved);
  }
}
