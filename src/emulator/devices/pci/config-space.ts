/**
 * The 256 bytes of configuration space that the bus keeps for one function: type 0 header and capabilities list.
 * PCI Local Bus Specification 3.0, chapter 6 and appendix H.
 */
import type { AccessWidth } from '../../interfaces/bus.ts';
import type { PciBar, PciCapability, PciFunction } from '../../interfaces/pci.ts';

export const CONFIG_BYTES = 256;
export const STANDARD_HEADER_BYTES = 64;
export const BAR_COUNT = 6;

const VENDOR_ID = 0x00;
const DEVICE_ID = 0x02;
export const COMMAND = 0x04;
const STATUS = 0x06;
const REVISION_ID = 0x08;
const CLASS_CODE = 0x09;
const CACHE_LINE_SIZE = 0x0c;
const LATENCY_TIMER = 0x0d;
const HEADER_TYPE = 0x0e;
const BASE_ADDRESS = 0x10;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const SUBSYSTEM_ID = 0x2e;
const EXPANSION_ROM = 0x30;
const CAPABILITIES_POINTER = 0x34;
const INTERRUPT_LINE = 0x3c;
const INTERRUPT_PIN = 0x3d;

export const COMMAND_IO = 0x0001;
export const COMMAND_MEMORY = 0x0002;
export const COMMAND_BUS_MASTER = 0x0004;
export const COMMAND_INTERRUPT_DISABLE = 0x0400;
/** I/O, memory, bus master, parity error response, SERR# enable, interrupt disable. */
const COMMAND_WRITABLE = 0x0547;
const STATUS_INTERRUPT = 0x08;
const STATUS_CAPABILITIES = 0x10;
const HEADER_MULTIFUNCTION = 0x80;
const BAR_IO = 0x01;
const BAR_PREFETCHABLE = 0x08;
const ROM_ENABLE = 0x01;

interface PlacedCapability {
  readonly at: number;
  readonly capability: PciCapability;
}

export class PciConfigSpace {
  readonly #card: PciFunction;
  readonly #rom: PciFunction['expansionRom'];
  readonly #initial = new Uint8Array(CONFIG_BYTES);
  /** Bits that a guest's write changes. */
  readonly #writable = new Uint8Array(CONFIG_BYTES);
  readonly #capabilities: PlacedCapability[] = [];
  readonly bytes = new Uint8Array(CONFIG_BYTES);

  /** Throws when the card describes something that a header can't hold. */
  constructor(card: PciFunction, rom: PciFunction['expansionRom'] = card.expansionRom) {
    this.#card = card;
    this.#rom = rom;
    this.#layHeader();
    card.bars.forEach((bar, index) => { if (bar !== undefined) this.#layBar(index, bar); });
    this.#layRom();
    this.#layCapabilities();
    this.bytes.set(this.#initial);
  }

  reset(): void {
    this.bytes.set(this.#initial);
  }

  get command(): number {
    return this.#get16(COMMAND);
  }

  /** Where a BAR points, or `undefined` where its address can't be decoded. */
  barAddress(index: number): number | undefined {
    const bar = this.#card.bars[index];
    if (bar === undefined) return undefined;
    const register = this.#get32(BASE_ADDRESS + 4 * index);
    if (bar.kind !== 'io') return decodable(register & ~0xf, bar.length, 2 ** 32);
    return bar.fixedBase ?? decodable(register & ~3, bar.length, 0x10000);
  }

  /** Where the expansion ROM appears, or `undefined` while it is off. */
  romAddress(): number | undefined {
    const rom = this.#rom;
    const register = this.#get32(EXPANSION_ROM);
    if (rom === undefined || (register & ROM_ENABLE) === 0) return undefined;
    return decodable(register & ~0x7ff, rom.length, 2 ** 32);
  }

  showInterrupt(asserted: boolean): void {
    const status = this.bytes[STATUS]! & ~STATUS_INTERRUPT;
    this.bytes[STATUS] = asserted ? status | STATUS_INTERRUPT : status;
  }

  /** `offset` + `width` stay inside one dword. */
  read(offset: number, width: AccessWidth): number {
    if (offset >= STANDARD_HEADER_BYTES) {
      const own = this.#card.readConfig?.(offset, width);
      if (own !== undefined) return width === 4 ? own >>> 0 : own & (width === 2 ? 0xffff : 0xff);
      const placed = this.#capabilityAt(offset);
      if (placed !== undefined) placed.capability.reading?.(this.#bytesOf(placed), offset - placed.at, width);
    }
    return this.peek(offset, width);
  }

  /** What the bus keeps, without asking the card. */
  peek(offset: number, width: AccessWidth): number {
    let value = 0;
    for (let byte = width - 1; byte >= 0; byte--) value = (value << 8) | this.bytes[offset + byte]!;
    return value >>> 0;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset >= STANDARD_HEADER_BYTES && this.#card.writeConfig?.(offset, width, value) === true) return;
    for (let byte = 0; byte < width; byte++) {
      const mask = this.#writable[offset + byte]!;
      this.bytes[offset + byte] = (this.bytes[offset + byte]! & ~mask) | ((value >>> (8 * byte)) & mask);
    }
    const placed = this.#capabilityAt(offset);
    if (placed !== undefined) placed.capability.written?.(this.#bytesOf(placed), offset - placed.at, width);
  }

  #layHeader(): void {
    const card = this.#card;
    this.#put16(VENDOR_ID, card.vendorId);
    this.#put16(DEVICE_ID, card.deviceId);
    this.#initial[REVISION_ID] = card.revision;
    this.#initial[CLASS_CODE] = card.classCode;
    this.#put16(CLASS_CODE + 1, card.classCode >>> 8);
    this.#initial[HEADER_TYPE] = card.multifunction === true ? HEADER_MULTIFUNCTION : 0;
    this.#put16(SUBSYSTEM_VENDOR_ID, card.subsystemVendorId);
    this.#put16(SUBSYSTEM_ID, card.subsystemId);
    this.#initial[INTERRUPT_PIN] = card.interruptPin;
    this.#writable[COMMAND] = COMMAND_WRITABLE & 0xff;
    this.#writable[COMMAND + 1] = COMMAND_WRITABLE >> 8;
    for (const offset of [CACHE_LINE_SIZE, LATENCY_TIMER, INTERRUPT_LINE]) this.#writable[offset] = 0xff;
  }

  #layBar(index: number, bar: PciBar): void {
    const smallest = bar.kind === 'io' ? 4 : bar.kind === 'memory' ? 16 : 4096;
    if (index >= BAR_COUNT || !isPowerOfTwo(bar.length) || bar.length < smallest) {
      throw new Error(`${this.#card.id}: BAR ${index} can't be ${bar.length} bytes long`);
    }
    const at = BASE_ADDRESS + 4 * index;
    if (bar.kind === 'io') {
      this.#put32(at, BAR_IO);
      // A function in compatibility mode decodes its fixed ports whatever the register says.
      if (bar.fixedBase === undefined) this.#allowWrites32(at, ~(bar.length - 1) & ~3);
    } else {
      this.#put32(at, bar.prefetchable ? BAR_PREFETCHABLE : 0);
      this.#allowWrites32(at, ~(bar.length - 1) & ~0xf);
    }
  }

  #layRom(): void {
    const rom = this.#rom;
    if (rom === undefined) return;
    if (!isPowerOfTwo(rom.length) || rom.length < 4096) throw new Error(`${this.#card.id}: an expansion ROM can't be ${rom.length} bytes long`);
    this.#allowWrites32(EXPANSION_ROM, ~(rom.length - 1) | ROM_ENABLE);
  }

  #layCapabilities(): void {
    let at = STANDARD_HEADER_BYTES;
    let pointer = CAPABILITIES_POINTER;
    for (const capability of this.#card.capabilities) {
      const { bytes, writable } = capability;
      if (at + bytes.length > CONFIG_BYTES) throw new Error(`${this.#card.id}: the capabilities don't fit`);
      this.#initial.set(bytes, at);
      if (writable !== undefined) this.#writable.set(writable, at);
      this.#initial[at + 1] = 0;
      this.#writable[at + 1] = 0;
      this.#initial[pointer] = at;
      pointer = at + 1;
      this.#capabilities.push({ at, capability });
      at = (at + bytes.length + 3) & ~3;
    }
    if (this.#capabilities.length > 0) this.#initial[STATUS] = STATUS_CAPABILITIES;
  }

  #capabilityAt(offset: number): PlacedCapability | undefined {
    return this.#capabilities.find(({ at, capability }) => offset >= at && offset < at + capability.bytes.length);
  }

  #bytesOf(placed: PlacedCapability): Uint8Array {
    return this.bytes.subarray(placed.at, placed.at + placed.capability.bytes.length);
  }

  #get16(offset: number): number {
    return this.peek(offset, 2);
  }

  #get32(offset: number): number {
    return this.peek(offset, 4);
  }

  #put16(offset: number, value: number): void {
    this.#initial[offset] = value;
    this.#initial[offset + 1] = value >>> 8;
  }

  #put32(offset: number, value: number): void {
    this.#put16(offset, value);
    this.#put16(offset + 2, value >>> 16);
  }

  #allowWrites32(offset: number, mask: number): void {
    for (let byte = 0; byte < 4; byte++) this.#writable[offset + byte] = mask >>> (8 * byte);
  }
}

/**
 * An address of 0 is a BAR nobody has set; one that reaches the end of the address space is the middle of sizing it
 * (all ones written) with decoding on.
 */
function decodable(address: number, length: number, limit: number): number | undefined {
  const base = address >>> 0;
  return base === 0 || base + length >= limit ? undefined : base;
}

function isPowerOfTwo(length: number): boolean {
  return Number.isInteger(length) && length > 0 && (length & (length - 1)) === 0;
}
