/**
 * The "standard VGA" PCI card 1234:1111: an IBM VGA (PS/2 Hardware Interface Technical Reference, 1992, "Video
 * Subsystem") with the Bochs VBE interface (dispi.ts), a linear frame buffer in BAR0 and its registers in BAR2.
 *
 * Not emulated: the vertical retrace interrupt (as on nearly every PC card), light pen, the monitor sense comparator,
 * interlace, the EGA's 64 KiB page bit, big-endian frame buffers.
 *
 * All mutable state lies in the machine's shared memory (register block and video memory), where the rasterizer of
 * another thread reads it without asking.
 */
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import type { Clock } from '../../interfaces/clock.ts';
import type { Device, ResetKind } from '../../interfaces/device.ts';
import type { DisplaySource } from '../../interfaces/display.ts';
import type { MemorySegment } from '../../interfaces/guest-memory.ts';
import type { PciFunction } from '../../interfaces/pci.ts';
import { VgaAperture } from './aperture.ts';
import { readDispiRegister, resetDispi, writeDispiRegister } from './dispi.ts';
import { monitorEdid } from './edid.ts';
import {
  Attr, attributePaletteAddressSource, Crtc, Dispi, DispiEnable, Gc, Misc, readDispi, Reg, registerBlockBytes,
} from './register-block.ts';
import { inputStatus1, retraceTiming } from './retrace.ts';
import type { RetraceTiming } from './retrace.ts';

/** The VGA's ports as offsets from 3B0h, where the board claims 30h of them. */
export const vgaPortBase = 0x3b0;
const Port = {
  crtcIndexMono: 0x3b4, crtcDataMono: 0x3b5, status1Mono: 0x3ba, attributeIndex: 0x3c0, attributeData: 0x3c1,
  miscWriteStatus0: 0x3c2, videoEnable: 0x3c3, sequencerIndex: 0x3c4, sequencerData: 0x3c5, dacMask: 0x3c6,
  dacReadIndexState: 0x3c7, dacWriteIndex: 0x3c8, dacData: 0x3c9, featureRead: 0x3ca, miscRead: 0x3cc,
  graphicsIndex: 0x3ce, graphicsData: 0x3cf, crtcIndexColor: 0x3d4, crtcDataColor: 0x3d5, status1Color: 0x3da,
} as const;

// Bits that exist, by register; the others read as 0.
const sequencerMasks = [0x03, 0x3d, 0x0f, 0x3f, 0x0e] as const;
const graphicsMasks = [0x0f, 0x0f, 0x0f, 0x1f, 0x03, 0x7b, 0x0f, 0x0f, 0xff] as const;
const attributeMasks = [0xef, 0xff, 0x3f, 0x0f, 0x0f] as const;
const crtcRegisters = 0x19;
/** Undocumented but probed for: the data latch and the attribute flip-flop (bit 7). */
const crtcLatch = 0x22;
const crtcFlipFlop = 0x24;
const crtcProtect = 0x80;
const crtcOverflowLineCompare = 0x10;
/** Input Status 0: a colour monitor answers the switch sense. */
const switchSense = 0x10;

// BAR2.
const mmioBytes = 0x1000;
const mmioEdidEnd = 0x400;
const mmioVgaPorts = 0x400;
const mmioVgaPortsEnd = 0x420;
const mmioDispi = 0x500;
const mmioDispiEnd = 0x516;
const mmioExtended = 0x600;
/** Size of the extended registers in bytes; then the frame buffer's byte order, which is fixed. */
const extendedRegisters = [8, 0x1e1e1e1e] as const;

export interface SavedStdVga {
  readonly registers: Uint8Array;
  /** Up to its last byte that isn't 0. */
  readonly videoMemory: Uint8Array;
}

interface StdVgaState {
  registers: Uint8Array;
  videoMemory: Uint8Array;
}

export interface StdVgaOptions {
  readonly id: string;
  readonly clock: Clock;
  /** The machine's whole shared memory, in which the segments lie. */
  readonly sharedMemory: Uint8Array;
  /** A power of two of at least 256 KiB, aligned to 4096; a new machine's is 0. */
  readonly videoMemory: MemorySegment;
  /** At least `registerBlockBytes`, aligned to 4. */
  readonly registers: MemorySegment;
  /** The video BIOS: bytes of the shared memory, a power of two long. */
  readonly expansionRom?: { readonly memoryOffset: number; readonly length: number };
}

export class StdVga implements Device<SavedStdVga> {
  readonly id: string;
  readonly savedVersion = 1;
  readonly pciFunction: PciFunction;
  /** Ports 3B0h-3DFh. */
  readonly ports: IoHandler;
  /** Ports 1CEh (index), 1CFh and 1D0h (data). */
  readonly dispiPorts: IoHandler;
  /** Physical A0000h-BFFFFh. */
  readonly aperture: IoHandler;
  readonly displaySource: DisplaySource;

  private readonly state: StdVgaState;
  private readonly clock: Clock;
  private readonly window: VgaAperture;
  private readonly edid = monitorEdid();
  /** Of a card that has just been built, or reset once and no more, video memory is 0: looking through it takes as long as all the rest of a board. */
  private age: 'built' | 'reset' | 'used' = 'built';
  /** Derived from the registers; undefined after a change of those it depends on. */
  private timing: RetraceTiming | undefined;

  constructor(options: StdVgaOptions) {
    const { videoMemory, registers, sharedMemory } = options;
    if (videoMemory.length < 0x40000 || (videoMemory.length & (videoMemory.length - 1)) !== 0 || videoMemory.offset % 4096 !== 0) {
      throw new Error('video memory is a page-aligned power of two of at least 256 KiB');
    }
    if (registers.length < registerBlockBytes || (sharedMemory.byteOffset + registers.offset) % 4 !== 0) {
      throw new Error('the register block is aligned and whole');
    }
    this.id = options.id;
    this.clock = options.clock;
    this.displaySource = { videoMemory, registers };
    this.state = {
      registers: sharedMemory.subarray(registers.offset, registers.offset + registerBlockBytes),
      videoMemory: sharedMemory.subarray(videoMemory.offset, videoMemory.offset + videoMemory.length),
    };
    this.window = new VgaAperture(this.state.registers, this.state.videoMemory);
    this.aperture = this.window;
    this.ports = byteHandler(
      0x30,
      (offset) => this.readPort(vgaPortBase + offset),
      (offset, value) => this.writePort(vgaPortBase + offset, value),
      (offset) => this.peekPort(vgaPortBase + offset),
    );
    const readDispiPort = (offset: number): number => (offset === 0 ? this.block16(Reg.dispiIndex) : this.dispiRead(this.block16(Reg.dispiIndex)));
    this.dispiPorts = {
      read: (offset, width) => (width === 1 ? readDispiPort(offset) & 0xff : readDispiPort(offset)),
      write: (offset, _width, value) => {
        if (offset === 0) {
          this.state.registers[Reg.dispiIndex] = value & 0xff;
          this.state.registers[Reg.dispiIndex + 1] = (value >> 8) & 0xff;
        } else this.dispiWrite(this.block16(Reg.dispiIndex), value & 0xffff);
      },
      peek: (offset, width) => (width === 1 ? readDispiPort(offset) & 0xff : readDispiPort(offset)),
    };
    this.pciFunction = {
      id: options.id,
      vendorId: 0x1234,
      deviceId: 0x1111,
      // From revision 2 on drivers look for the extended registers.
      revision: 2,
      classCode: 0x030000,
      subsystemVendorId: 0x1af4,
      subsystemId: 0x1100,
      interruptPin: 0,
      bars: [
        { kind: 'direct', length: videoMemory.length, prefetchable: true, memoryOffset: videoMemory.offset },
        undefined,
        { kind: 'memory', length: mmioBytes, prefetchable: false, handler: this.mmioHandler() },
      ],
      capabilities: [],
      ...(options.expansionRom ? { expansionRom: options.expansionRom } : {}),
    };
  }

  reset(kind: ResetKind): void {
    const block = this.state.registers;
    block.fill(0);
    block[Reg.videoEnable] = 1;
    block[Reg.dacMask] = 0xff;
    resetDispi(block);
    if (kind === 'power-on' && this.age !== 'built') clearWhereSet(this.state.videoMemory, 0);
    this.age = this.age === 'built' ? 'reset' : 'used';
    this.derive();
  }

  save(): SavedStdVga {
    const { registers, videoMemory, ...rest } = this.state;
    rest satisfies Record<string, never>;
    return { registers: registers.slice(), videoMemory: videoMemory.slice(0, usedLength(videoMemory)) };
  }

  restore(saved: SavedStdVga): void {
    const { registers, videoMemory } = this.state;
    registers.set(saved.registers.subarray(0, registers.length));
    const kept = saved.videoMemory.subarray(0, videoMemory.length);
    videoMemory.set(kept);
    if (this.age === 'used') clearWhereSet(videoMemory, kept.length);
    this.age = 'used';
    this.derive();
  }

  private derive(): void {
    this.window.reconfigure();
    this.timing = undefined;
  }

  private block16(at: number): number {
    return this.state.registers[at]! | (this.state.registers[at + 1]! << 8);
  }

  private dispiRead(index: number): number {
    return readDispiRegister(this.state.registers, index, this.state.videoMemory.length);
  }

  private dispiWrite(index: number, value: number): void {
    const clear = writeDispiRegister(this.state.registers, index, value, this.state.videoMemory.length);
    this.state.videoMemory.fill(0, 0, clear);
    this.derive();
  }

  /** Whether a CRTC or status port is the one that Miscellaneous Output bit 0 selects. */
  private decodes(port: number): boolean {
    const color = (this.state.registers[Reg.miscOutput]! & Misc.ioAddressColor) !== 0;
    return color === (port >= Port.crtcIndexColor);
  }

  private readPort(port: number): number {
    const block = this.state.registers;
    if (port === Port.dacData) {
      const index = block[Reg.dacReadIndex]!;
      const component = block[Reg.dacComponent]! % 3;
      const value = block[Reg.palette + index * 3 + component]!;
      block[Reg.dacComponent] = (component + 1) % 3;
      if (component === 2) block[Reg.dacReadIndex] = index + 1;
      return value;
    }
    if ((port === Port.status1Color || port === Port.status1Mono) && this.decodes(port)) block[Reg.attributeFlipFlop] = 0;
    return this.peekPort(port);
  }

  private peekPort(port: number): number {
    const block = this.state.registers;
    switch (port) {
      case Port.attributeIndex: return block[Reg.attributeIndex]!;
      case Port.attributeData: {
        const index = block[Reg.attributeIndex]! & 0x1f;
        return index <= Attr.colorSelect ? block[Reg.attribute + index]! : 0;
      }
      case Port.miscWriteStatus0: return switchSense;
      case Port.videoEnable: return block[Reg.videoEnable]!;
      case Port.sequencerIndex: return block[Reg.sequencerIndex]!;
      case Port.sequencerData: {
        const index = block[Reg.sequencerIndex]!;
        return index < sequencerMasks.length ? block[Reg.sequencer + index]! : 0;
      }
      case Port.dacMask: return block[Reg.dacMask]!;
      case Port.dacReadIndexState: return block[Reg.dacState]!;
      case Port.dacWriteIndex: return block[Reg.dacWriteIndex]!;
      case Port.dacData: return block[Reg.palette + block[Reg.dacReadIndex]! * 3 + (block[Reg.dacComponent]! % 3)]!;
      case Port.featureRead: return block[Reg.featureControl]!;
      case Port.miscRead: return block[Reg.miscOutput]!;
      case Port.graphicsIndex: return block[Reg.graphicsIndex]!;
      case Port.graphicsData: {
        const index = block[Reg.graphicsIndex]!;
        return index < graphicsMasks.length ? block[Reg.graphics + index]! : 0;
      }
      case Port.crtcIndexMono: case Port.crtcIndexColor: return this.decodes(port) ? block[Reg.crtcIndex]! : 0xff;
      case Port.crtcDataMono: case Port.crtcDataColor: return this.decodes(port) ? this.crtcRead(block[Reg.crtcIndex]!) : 0xff;
      case Port.status1Mono: case Port.status1Color:
        if (!this.decodes(port)) return 0xff;
        this.timing ??= retraceTiming(block);
        return inputStatus1(this.timing, this.clock.now());
      default: return 0xff;
    }
  }

  private crtcRead(index: number): number {
    const block = this.state.registers;
    if (index < crtcRegisters) return block[Reg.crtc + index]!;
    if (index === crtcLatch) return block[Reg.latch + (block[Reg.graphics + Gc.readMapSelect]! & 3)]!;
    if (index === crtcFlipFlop) return block[Reg.attributeFlipFlop]! !== 0 ? 0x80 : 0;
    return 0xff;
  }

  private writePort(port: number, value: number): void {
    const block = this.state.registers;
    switch (port) {
      case Port.attributeIndex: this.attributeWrite(value); return;
      case Port.miscWriteStatus0:
        block[Reg.miscOutput] = value & ~0x10;
        this.derive();
        return;
      case Port.videoEnable: block[Reg.videoEnable] = value & 1; return;
      case Port.sequencerIndex: block[Reg.sequencerIndex] = value & 7; return;
      case Port.sequencerData: {
        const mask = sequencerMasks[block[Reg.sequencerIndex]!];
        if (mask === undefined) return;
        block[Reg.sequencer + block[Reg.sequencerIndex]!] = value & mask;
        this.derive();
        return;
      }
      case Port.dacMask: block[Reg.dacMask] = value; return;
      case Port.dacReadIndexState:
        block[Reg.dacReadIndex] = value;
        block[Reg.dacComponent] = 0;
        block[Reg.dacState] = 3;
        return;
      case Port.dacWriteIndex:
        block[Reg.dacWriteIndex] = value;
        block[Reg.dacComponent] = 0;
        block[Reg.dacState] = 0;
        return;
      case Port.dacData: this.dacWrite(value); return;
      case Port.graphicsIndex: block[Reg.graphicsIndex] = value & 15; return;
      case Port.graphicsData: {
        const mask = graphicsMasks[block[Reg.graphicsIndex]!];
        if (mask === undefined) return;
        block[Reg.graphics + block[Reg.graphicsIndex]!] = value & mask;
        this.window.reconfigure();
        return;
      }
      case Port.crtcIndexMono: case Port.crtcIndexColor:
        if (this.decodes(port)) block[Reg.crtcIndex] = value & 0x3f;
        return;
      case Port.crtcDataMono: case Port.crtcDataColor:
        if (this.decodes(port)) this.crtcWrite(block[Reg.crtcIndex]!, value);
        return;
      case Port.status1Mono: case Port.status1Color:
        if (this.decodes(port)) block[Reg.featureControl] = value & 3;
        return;
      default:
    }
  }

  private attributeWrite(value: number): void {
    const block = this.state.registers;
    const isIndex = block[Reg.attributeFlipFlop] === 0;
    block[Reg.attributeFlipFlop] = isIndex ? 1 : 0;
    if (isIndex) {
      block[Reg.attributeIndex] = value & (attributePaletteAddressSource | 0x1f);
      return;
    }
    const index = block[Reg.attributeIndex]! & 0x1f;
    if (index > Attr.colorSelect) return;
    block[Reg.attribute + index] = value & (index < Attr.modeControl ? 0x3f : attributeMasks[index - Attr.modeControl]!);
  }

  /** The three components of a colour take effect together, with the third. */
  private dacWrite(value: number): void {
    const block = this.state.registers;
    const component = block[Reg.dacComponent]! % 3;
    const kept = (readDispi(block, Dispi.enable) & DispiEnable.dac8Bit) !== 0 ? value : value & 0x3f;
    block[Reg.dacComponent] = (component + 1) % 3;
    if (component === 0) block[Reg.dacLatchRed] = kept;
    else if (component === 1) block[Reg.dacLatchGreen] = kept;
    else {
      const index = block[Reg.dacWriteIndex]!;
      const at = Reg.palette + index * 3;
      block[at] = block[Reg.dacLatchRed]!;
      block[at + 1] = block[Reg.dacLatchGreen]!;
      block[at + 2] = kept;
      block[Reg.dacWriteIndex] = index + 1;
    }
  }

  private crtcWrite(index: number, value: number): void {
    if (index >= crtcRegisters) return;
    const block = this.state.registers;
    const at = Reg.crtc + index;
    const isProtected = (block[Reg.crtc + Crtc.verticalRetraceEnd]! & crtcProtect) !== 0 && index <= Crtc.overflow;
    if (!isProtected) block[at] = value;
    else if (index === Crtc.overflow) block[at] = (block[at]! & ~crtcOverflowLineCompare) | (value & crtcOverflowLineCompare);
    // The cursor and the start address move all the time and change no timing.
    if (index < Crtc.presetRowScan || (index >= Crtc.verticalRetraceStart && index <= Crtc.verticalDisplayEnd)) this.timing = undefined;
  }

  private mmioHandler(): IoHandler {
    const byte = (offset: number, sideEffects: boolean): number => {
      if (offset < mmioEdidEnd) return this.edid[offset] ?? 0;
      if (offset >= mmioVgaPorts && offset < mmioVgaPortsEnd) {
        const port = Port.attributeIndex + offset - mmioVgaPorts;
        return sideEffects ? this.readPort(port) : this.peekPort(port);
      }
      if (offset >= mmioDispi && offset < mmioDispiEnd) {
        return (this.dispiRead((offset - mmioDispi) >> 1) >> ((offset & 1) * 8)) & 0xff;
      }
      const extended = extendedRegisters[(offset - mmioExtended) >> 2];
      return extended === undefined ? 0xff : (extended >>> ((offset & 3) * 8)) & 0xff;
    };
    const gather = (offset: number, width: AccessWidth, sideEffects: boolean): number => {
      let value = 0;
      for (let i = 0; i < width; i++) value |= byte(offset + i, sideEffects) << (i * 8);
      return value >>> 0;
    };
    return {
      read: (offset, width) => gather(offset, width, true),
      peek: (offset, width) => gather(offset, width, false),
      write: (offset, width, value) => {
        if (offset >= mmioVgaPorts && offset + width <= mmioVgaPortsEnd) {
          for (let i = 0; i < width; i++) this.writePort(Port.attributeIndex + offset - mmioVgaPorts + i, (value >>> (i * 8)) & 0xff);
        } else if (offset >= mmioDispi && offset + width <= mmioDispiEnd && width > 1 && (offset & 1) === 0) {
          for (let i = 0; i < width; i += 2) this.dispiWrite((offset - mmioDispi + i) >> 1, (value >>> (i * 8)) & 0xffff);
        }
      },
    };
  }
}

/** A wide access to the VGA's 8-bit registers reaches neighbours, lowest first: how index and data go out as one word. */
function byteHandler(
  length: number, read: (offset: number) => number, write: (offset: number, value: number) => void, peek: (offset: number) => number,
): IoHandler {
  const gather = (offset: number, width: AccessWidth, one: (offset: number) => number): number => {
    let value = 0;
    for (let i = 0; i < width; i++) value |= (offset + i < length ? one(offset + i) : 0xff) << (i * 8);
    return value >>> 0;
  };
  return {
    read: (offset, width) => (width === 1 ? read(offset) : gather(offset, width, read)),
    write: (offset, width, value) => {
      for (let i = 0; i < width && offset + i < length; i++) write(offset + i, (value >>> (i * 8)) & 0xff);
    },
    peek: (offset, width) => gather(offset, width, peek),
  };
}

/** Writes only where there is something to clear: untouched memory costs the host nothing and shall stay so. */
function clearWhereSet(bytes: Uint8Array, from: number): void {
  const aligned = Math.min((from + 3) & ~3, bytes.length);
  bytes.fill(0, from, aligned);
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const end = usedLength(bytes) >> 2;
  for (let i = aligned >> 2; i < end; i++) if (words[i] !== 0) words[i] = 0;
}

function usedLength(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let last = words.length;
  // Mostly zeros, and the machine stands still meanwhile: sixteen at a time.
  while (last >= 16 && (words[last - 1]! | words[last - 2]! | words[last - 3]! | words[last - 4]! | words[last - 5]! | words[last - 6]! | words[last - 7]! | words[last - 8]!
    | words[last - 9]! | words[last - 10]! | words[last - 11]! | words[last - 12]! | words[last - 13]! | words[last - 14]! | words[last - 15]! | words[last - 16]!) === 0) last -= 16;
  while (last > 0 && words[last - 1] === 0) last--;
  return last * 4;
}
