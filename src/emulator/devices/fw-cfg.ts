/**
 * QEMU's firmware configuration device ("fw_cfg", docs/specs/fw_cfg in QEMU's documentation) on the I/O ports of a PC:
 * how the board hands tables, settings and a directly booted kernel to the firmware.
 *
 * Not emulated: items that the guest may write. Writes fail with the error bit, as for a read-only item.
 */
import type { AccessWidth, IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { FwCfgItem } from '../interfaces/fw-cfg-item.ts';
import type { GuestMemory } from '../interfaces/guest-memory.ts';

/** Offsets from the claim's base (0x510 on a PC). */
const SELECTOR = 0;
const DATA = 1;
const DMA_ADDRESS_HIGH = 4;
const DMA_ADDRESS_LOW = 8;
export const FW_CFG_LENGTH = 12;

/** Keys of what the device makes itself; the board's items have others below FILE_FIRST or from 0x8000 on. */
const KEY_SIGNATURE = 0x00;
const KEY_INTERFACE_VERSION = 0x01;
const KEY_FILE_DIRECTORY = 0x19;
const FILE_FIRST = 0x20;
const FILES_MAXIMUM = 0x4000 - FILE_FIRST;
const FILE_NAME_BYTES = 56;
const DIRECTORY_ENTRY_BYTES = 64;
/** Bit 14 of a selector asked for the long gone write channel. */
const SELECTOR_WRITE = 0x4000;

const VERSION_TRADITIONAL = 0x01;
const VERSION_DMA = 0x02;

const DMA_STRUCTURE_BYTES = 16;
const DMA_ERROR = 0x01;
const DMA_READ = 0x02;
const DMA_SKIP = 0x04;
const DMA_SELECT = 0x08;
const DMA_WRITE = 0x10;
/** What the DMA address registers read as: "QEMU CFG". */
const DMA_SIGNATURE: readonly number[] = [0x51, 0x45, 0x4d, 0x55, 0x20, 0x43, 0x46, 0x47];
const ZEROS_AT_ONCE = 0x10000;

const NO_BYTES = new Uint8Array(0);

interface FwCfgState {
  /** Key last selected. */
  selected: number;
  /** Bytes of the selected item already read or skipped; may lie past its end. */
  position: number;
  /** Upper half of the next DMA structure's address. */
  dmaAddressHigh: number;
}

/** The items are not part of it: a machine is restored with the items it was built with. */
export type SavedFwCfg = Readonly<FwCfgState>;

export interface FwCfgOptions {
  readonly id: string;
  /** A function is called when the guest asks first. Besides the signature, the version and the directory, which the device makes itself. */
  readonly items: readonly FwCfgItem[] | (() => readonly FwCfgItem[]);
  /** Source and target of the DMA interface. */
  readonly memory: GuestMemory;
}

function powerOnState(): FwCfgState {
  return { selected: KEY_SIGNATURE, position: 0, dmaAddressHigh: 0 };
}

/**
 * Whether `name` can be a file's: 1 to 55 printable ASCII characters. Names of users' own begin with "opt/".
 */
export function isFwCfgFileName(name: string): boolean {
  return name.length < FILE_NAME_BYTES && /^[\x21-\x7e]+$/.test(name);
}

export class FwCfg implements Device<SavedFwCfg> {
  readonly id: string;
  readonly savedVersion = 1;
  /** FW_CFG_LENGTH ports. */
  readonly ports: IoHandler = {
    read: (offset, width) => this.#readPort(offset, width, true),
    write: (offset, width, value) => this.#writePort(offset, width, value),
    readBlock: (offset, width, target) => this.#readPortBlock(offset, width, target),
    peek: (offset, width) => this.#readPort(offset, width, false),
  };
  private state: FwCfgState = powerOnState();
  readonly #memory: GuestMemory;
  readonly #given: FwCfgOptions['items'];
  #made: ReadonlyMap<number, Uint8Array> | undefined;

  /** Throws on duplicate keys or names and on names that `isFwCfgFileName` refuses: mistakes of the board. */
  constructor(options: FwCfgOptions) {
    this.id = options.id;
    this.#memory = options.memory;
    this.#given = options.items;
    if (typeof options.items !== 'function') this.#made = itemsByKey(options.items);
  }

  reset(_kind: ResetKind): void {
    this.state = powerOnState();
  }

  save(): SavedFwCfg {
    const { selected, position, dmaAddressHigh, ...rest } = this.state;
    rest satisfies Record<string, never>;
    return { selected, position, dmaAddressHigh };
  }

  restore(saved: SavedFwCfg): void {
    this.state = { ...saved };
  }

  #select(selector: number): void {
    this.state.selected = selector & ~SELECTOR_WRITE;
    this.state.position = 0;
  }

  /** Empty for a key that means nothing: reads past any item's end are zeros. */
  #selectedBytes(): Uint8Array {
    this.#made ??= itemsByKey(typeof this.#given === 'function' ? this.#given() : this.#given);
    return this.#made.get(this.state.selected) ?? NO_BYTES;
  }

  #advance(length: number): void {
    this.state.position = Math.min(this.state.position + length, this.#selectedBytes().length);
  }

  #readPort(offset: number, width: AccessWidth, consume: boolean): number {
    if (offset === DATA && width === 1) {
      const value = this.#selectedBytes()[this.state.position] ?? 0;
      if (consume) this.#advance(1);
      return value;
    }
    let value = 0;
    for (let byte = 0; byte < width; byte++) {
      value += (DMA_SIGNATURE[offset + byte - DMA_ADDRESS_HIGH] ?? 0xff) * 2 ** (8 * byte);
    }
    return value;
  }

  #readPortBlock(offset: number, width: AccessWidth, target: Uint8Array): number {
    if (offset !== DATA || width !== 1) return 0;
    const source = this.#selectedBytes().subarray(this.state.position, this.state.position + target.length);
    target.set(source);
    target.fill(0, source.length);
    this.#advance(target.length);
    return target.length;
  }

  #writePort(offset: number, width: AccessWidth, value: number): void {
    if (offset === SELECTOR && width === 2) {
      this.#select(value);
    } else if (offset === DMA_ADDRESS_HIGH && width === 4) {
      this.state.dmaAddressHigh = swap32(value);
    } else if (offset === DMA_ADDRESS_LOW && width === 4) {
      const address = this.state.dmaAddressHigh * 2 ** 32 + swap32(value);
      this.state.dmaAddressHigh = 0;
      this.#dma(address);
    }
  }

  /** struct FWCfgDmaAccess { be32 control, be32 length, be64 address }. Done when the write to the port returns. */
  #dma(structureAddress: number): void {
    if (!Number.isSafeInteger(structureAddress + DMA_STRUCTURE_BYTES)) return;
    const structure = new Uint8Array(DMA_STRUCTURE_BYTES);
    this.#memory.readBlock(structureAddress, structure);
    const view = new DataView(structure.buffer);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const address = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    if ((control & DMA_SELECT) !== 0) this.#select(control >>> 16);
    const done = this.#transfer(control, address, length);
    view.setUint32(0, done ? 0 : DMA_ERROR);
    this.#memory.writeBlock(structureAddress, structure.subarray(0, 4));
  }

  #transfer(control: number, address: number, length: number): boolean {
    if ((control & DMA_READ) !== 0) {
      // More than all RAM can't arrive anywhere; refusing it bounds the work of one access.
      if (length > this.#memory.ramBytes || !Number.isSafeInteger(address + length)) return false;
      const source = this.#selectedBytes().subarray(this.state.position, this.state.position + length);
      this.#memory.writeBlock(address, source);
      this.#writeZeros(address + source.length, length - source.length);
    } else if ((control & DMA_WRITE) !== 0) {
      return false;
    } else if ((control & DMA_SKIP) === 0) {
      return true;
    }
    this.#advance(length);
    return true;
  }

  #writeZeros(address: number, length: number): void {
    if (length === 0) return;
    const zeros = new Uint8Array(Math.min(length, ZEROS_AT_ONCE));
    for (let done = 0; done < length; done += zeros.length) {
      this.#memory.writeBlock(address + done, zeros.subarray(0, Math.min(zeros.length, length - done)));
    }
  }
}

/** The DMA address registers are big-endian on a little-endian bus. */
function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}

function itemsByKey(given: readonly FwCfgItem[]): Map<number, Uint8Array> {
  const items = new Map<number, Uint8Array>();
  const add = (key: number, bytes: Uint8Array): void => {
    if (items.has(key)) throw new Error(`fw_cfg item 0x${key.toString(16)} is there twice`);
    items.set(key, bytes);
  };
  add(KEY_SIGNATURE, new TextEncoder().encode('QEMU'));
  add(KEY_INTERFACE_VERSION, Uint8Array.of(VERSION_TRADITIONAL | VERSION_DMA, 0, 0, 0));
  const files: { name: string; bytes: Uint8Array }[] = [];
  for (const item of given) {
    if ('name' in item) files.push(item);
    else add(item.key, item.bytes);
  }
  if (files.length > FILES_MAXIMUM) throw new Error(`${files.length} fw_cfg files are too many`);
  // Sorted by name, so that equal machines number their files equally. All numbers are big-endian.
  files.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const directory = new Uint8Array(4 + files.length * DIRECTORY_ENTRY_BYTES);
  const view = new DataView(directory.buffer);
  view.setUint32(0, files.length);
  const names = new Set<string>();
  for (const [index, file] of files.entries()) {
    if (!isFwCfgFileName(file.name)) throw new Error(`"${file.name}" can't be the name of a fw_cfg file`);
    if (names.has(file.name)) throw new Error(`fw_cfg file ${file.name} is there twice`);
    names.add(file.name);
    const at = 4 + index * DIRECTORY_ENTRY_BYTES;
    view.setUint32(at, file.bytes.length);
    view.setUint16(at + 4, FILE_FIRST + index);
    directory.set(new TextEncoder().encode(file.name), at + 8);
    add(FILE_FIRST + index, file.bytes);
  }
  add(KEY_FILE_DIRECTORY, directory);
  return items;
}
