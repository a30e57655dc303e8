/**
 * The two Intel 8237A DMA controllers of a PC (datasheet 231466) with their page registers (IBM AT technical
 * reference 6280070): channels 0 to 3 move bytes, 5 to 7 words; channel 4 carries the first controller. Not emulated:
 * memory-to-memory transfers, software requests and compressed timing, which a PC can't use.
 *
 * The page register at port 0x80 has no channel: firmware writes its progress (POST codes) there.
 */
import { byteWideHandler } from './byte-registers.ts';
import type { IoHandler } from '../interfaces/bus.ts';
import type { Device, ResetKind } from '../interfaces/device.ts';
import type { GuestMemory } from '../interfaces/guest-memory.ts';

const CHANNEL_REGISTERS = 8;
const COMMAND_STATUS = 8;
const REQUEST = 9;
const SINGLE_MASK = 10;
const MODE = 11;
const CLEAR_FLIP_FLOP = 12;
const MASTER_CLEAR_TEMPORARY = 13;
const CLEAR_MASK = 14;
const ALL_MASK = 15;

const COMMAND_DISABLED = 0x04;
const MODE_DIRECTION = 0x0c;
const MODE_WRITES_MEMORY = 0x04;
const MODE_READS_MEMORY = 0x08;
const MODE_AUTO_INITIALIZE = 0x10;
const MODE_DECREMENT = 0x20;
const MASK_SET = 0x04;

/** Which page register each channel uses, as an offset from port 0x80. Channel 4's is for refresh. */
const PAGE_OF_CHANNEL: readonly number[] = [0x7, 0x3, 0x1, 0x2, 0xf, 0xb, 0x9, 0xa];
const PAGE_REGISTERS = 16;

interface ChannelState {
  baseAddress: number;
  baseCount: number;
  address: number;
  count: number;
  mode: number;
}

interface ControllerState {
  command: number;
  mask: number;
  /** Terminal counts reached, bit n = channel n. Cleared when read. */
  terminal: number;
  requests: number;
  highByteNext: boolean;
  channels: ChannelState[];
}

interface DmaState {
  controllers: ControllerState[];
  pages: number[];
}

export interface SavedDma {
  readonly controllers: readonly (Readonly<Omit<ControllerState, 'channels'>> & { readonly channels: readonly Readonly<ChannelState>[] })[];
  readonly pages: readonly number[];
}

export interface DmaTransfer {
  /** Bytes that were moved. */
  readonly bytes: number;
  /** Whether the channel reached its end: TC, at which the peripheral stops. */
  readonly terminalCount: boolean;
}

export interface DmaOptions {
  readonly id: string;
  readonly memory: GuestMemory;
}

function powerOnController(): ControllerState {
  return {
    command: 0,
    mask: 0x0f,
    terminal: 0,
    requests: 0,
    highByteNext: false,
    channels: Array.from({ length: 4 }, () => ({ baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 })),
  };
}

function powerOnState(): DmaState {
  return { controllers: [powerOnController(), powerOnController()], pages: new Array<number>(PAGE_REGISTERS).fill(0) };
}

function copyControllers(controllers: SavedDma['controllers']): ControllerState[] {
  return controllers.map((controller) => ({ ...controller, channels: controller.channels.map((channel) => ({ ...channel })) }));
}

export class Dma8237Pair implements Device<SavedDma> {
  readonly id: string;
  readonly savedVersion = 1;
  /** Channels 0 to 3: 16 ports. */
  readonly first: IoHandler;
  /** Channels 4 to 7: 32 ports, a register at every second. */
  readonly second: IoHandler;
  /** Page registers: 16 ports from 0x80. */
  readonly pages: IoHandler;
  readonly #memory: GuestMemory;
  #state = powerOnState();

  constructor(options: DmaOptions) {
    this.id = options.id;
    this.#memory = options.memory;
    this.first = byteWideHandler({
      length: 16,
      read: (offset) => this.#read(0, offset, true),
      write: (offset, value) => { this.#write(0, offset, value); },
      peek: (offset) => this.#read(0, offset, false),
    });
    this.second = byteWideHandler({
      length: 32,
      read: (offset) => this.#read(1, offset >> 1, true),
      write: (offset, value) => { if ((offset & 1) === 0) this.#write(1, offset >> 1, value); },
      peek: (offset) => this.#read(1, offset >> 1, false),
    });
    const readPage = (offset: number): number => this.#state.pages[offset] as number;
    this.pages = byteWideHandler({
      length: PAGE_REGISTERS,
      read: readPage,
      write: (offset, value) => { this.#state.pages[offset] = value; },
      peek: readPage,
    });
  }

  /** What was last written to port 0x80. */
  get postCode(): number {
    return this.#state.pages[0] as number;
  }

  /** Whether channel `index` (0 to 7 without 4) would serve a request of its peripheral now. */
  isReady(index: number): boolean {
    const controller = this.#controller(index >> 2);
    return (controller.command & COMMAND_DISABLED) === 0 && (controller.mask & (1 << (index & 3))) === 0;
  }

  /** A peripheral gives bytes to memory. What the guest set the channel up for otherwise (verify) is only counted. */
  writeMemory(index: number, source: Uint8Array): DmaTransfer {
    return this.#transfer(index, source.length, (physical, at, unit) => {
      if (this.#direction(index) !== MODE_WRITES_MEMORY) return;
      for (let byte = 0; byte < unit; byte++) this.#memory.write8(physical + byte, source[at + byte] as number);
    });
  }

  /** A peripheral takes bytes from memory. */
  readMemory(index: number, target: Uint8Array): DmaTransfer {
    return this.#transfer(index, target.length, (physical, at, unit) => {
      if (this.#direction(index) !== MODE_READS_MEMORY) return;
      for (let byte = 0; byte < unit; byte++) target[at + byte] = this.#memory.read8(physical + byte);
    });
  }

  reset(_kind: ResetKind): void {
    this.#state = powerOnState();
  }

  save(): SavedDma {
    const { controllers, pages, ...rest } = this.#state;
    rest satisfies Record<string, never>;
    return { controllers: copyControllers(controllers), pages: [...pages] };
  }

  restore(saved: SavedDma): void {
    this.#state = { controllers: copyControllers(saved.controllers), pages: [...saved.pages] };
  }

  #controller(index: number): ControllerState {
    return this.#state.controllers[index] as ControllerState;
  }

  #channel(index: number): ChannelState {
    return this.#controller(index >> 2).channels[index & 3] as ChannelState;
  }

  #direction(index: number): number {
    return this.#channel(index).mode & MODE_DIRECTION;
  }

  #physical(index: number): number {
    const page = this.#state.pages[PAGE_OF_CHANNEL[index] as number] as number;
    const { address } = this.#channel(index);
    // Word channels: the address counts words, bit 0 of the page register isn't used.
    return index < 4 ? page << 16 | address : (page & 0xfe) << 16 | address << 1;
  }

  #transfer(index: number, length: number, move: (physical: number, at: number, unit: number) => void): DmaTransfer {
    const controller = this.#controller(index >> 2);
    const channel = this.#channel(index);
    const bit = 1 << (index & 3);
    const unit = index < 4 ? 1 : 2;
    let bytes = 0;
    while (bytes + unit <= length) {
      if (!this.isReady(index)) return { bytes, terminalCount: false };
      move(this.#physical(index), bytes, unit);
      bytes += unit;
      channel.address = (channel.address + ((channel.mode & MODE_DECREMENT) !== 0 ? -1 : 1)) & 0xffff;
      channel.count = (channel.count - 1) & 0xffff;
      // A count of n moves n + 1 units: the end is its underflow.
      if (channel.count !== 0xffff) continue;
      controller.terminal |= bit;
      if ((channel.mode & MODE_AUTO_INITIALIZE) !== 0) {
        channel.address = channel.baseAddress;
        channel.count = channel.baseCount;
      } else {
        controller.mask |= bit;
      }
      return { bytes, terminalCount: true };
    }
    return { bytes, terminalCount: false };
  }

  #read(index: number, register: number, sideEffects: boolean): number {
    const controller = this.#controller(index);
    if (register < CHANNEL_REGISTERS) {
      const channel = controller.channels[register >> 1] as ChannelState;
      const value = (register & 1) === 0 ? channel.address : channel.count;
      const byte = controller.highByteNext ? value >> 8 : value & 0xff;
      if (sideEffects) controller.highByteNext = !controller.highByteNext;
      return byte;
    }
    if (register === COMMAND_STATUS) {
      const status = controller.terminal | controller.requests << 4;
      if (sideEffects) controller.terminal = 0;
      return status;
    }
    if (register === ALL_MASK) return 0xf0 | controller.mask;
    return register === MASTER_CLEAR_TEMPORARY ? 0 : 0xff;
  }

  #write(index: number, register: number, value: number): void {
    const controller = this.#controller(index);
    if (register < CHANNEL_REGISTERS) {
      this.#writeChannel(controller, register, value);
      return;
    }
    const bit = 1 << (value & 3);
    switch (register) {
      case COMMAND_STATUS:
        controller.command = value;
        break;
      case REQUEST:
        controller.requests = (value & MASK_SET) !== 0 ? controller.requests | bit : controller.requests & ~bit;
        break;
      case SINGLE_MASK:
        controller.mask = (value & MASK_SET) !== 0 ? controller.mask | bit : controller.mask & ~bit;
        break;
      case MODE:
        (controller.channels[value & 3] as ChannelState).mode = value & 0xfc;
        break;
      case CLEAR_FLIP_FLOP:
        controller.highByteNext = false;
        break;
      case MASTER_CLEAR_TEMPORARY:
        controller.command = 0;
        controller.mask = 0x0f;
        controller.terminal = 0;
        controller.requests = 0;
        controller.highByteNext = false;
        break;
      case CLEAR_MASK:
        controller.mask = 0;
        break;
      default:
        controller.mask = value & 0x0f;
    }
  }

  #writeChannel(controller: ControllerState, register: number, value: number): void {
    const channel = controller.channels[register >> 1] as ChannelState;
    const high = controller.highByteNext;
    controller.highByteNext = !high;
    const merge = (before: number): number => (high ? (before & 0xff) | value << 8 : (before & 0xff00) | value);
    // Base and current registers are written together.
    if ((register & 1) === 0) {
      channel.baseAddress = merge(channel.baseAddress);
      channel.address = merge(channel.address);
    } else {
      channel.baseCount = merge(channel.baseCount);
      channel.count = merge(channel.count);
    }
  }
}
