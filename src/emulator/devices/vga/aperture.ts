/**
 * The window at A0000h-BFFFFh: the graphics controller's write modes 0-3 and read modes 0 and 1, the latches, the
 * sequencer's map mask, chain-4 and odd/even addressing, and the DISPI banks. PS/2 Hardware Interface Technical
 * Reference, "Video Memory Organization" and "Graphics Controller Registers".
 *
 * Video memory holds the four planes interleaved: byte `offset * 4 + plane`. So one 32-bit word is what the four
 * planes have at one offset, and every plane operation is one operation on a word.
 */
import type { AccessWidth, IoHandler } from '../../interfaces/bus.ts';
import {
  dispiEnabled, Dispi, Gc, GcMisc, GcMode, Misc, readDispi, Reg, Seq, SeqMemoryMode,
} from './register-block.ts';

/** By four plane bits: 0xFF in the byte of each plane whose bit is set. */
const planeBytes = Int32Array.from({ length: 16 }, (_, planes) =>
  (planes & 1 ? 0xff : 0) | (planes & 2 ? 0xff00 : 0) | (planes & 4 ? 0xff0000 : 0) | (planes & 8 ? 0xff000000 : 0));

/** By bits 2-3 of the graphics controller's Miscellaneous register: where the window starts in A0000h and its length. */
const windows = [
  { start: 0x00000, length: 0x20000 }, { start: 0x00000, length: 0x10000 },
  { start: 0x10000, length: 0x08000 }, { start: 0x18000, length: 0x08000 },
] as const;

/** Which code serves an access; chosen when a register changes, so that the common ones are a few instructions. */
const Path = { planar: 0, text: 1, chain4: 2, linear: 3 } as const;

export class VgaAperture implements IoHandler {
  private readonly registers: Uint8Array;
  private readonly bytes: Uint8Array;
  private readonly pairs: Uint16Array;
  private readonly words: Int32Array;
  private readonly latches: Int32Array;

  // All below is derived from the registers by `reconfigure` and is no state of its own.
  private windowStart = 0;
  private windowLength = 0;
  private writePath: number = Path.planar;
  private readPath: number = Path.planar;
  private bankStart = 0;
  private planeOffsetMask = 0xffff;
  private chain4 = false;
  private writeOddEven = false;
  private readOddEven = false;
  private mapMask = 0;
  private writeMode = 0;
  private readMode1 = false;
  private readPlane = 0;
  private rotate = 0;
  private operation = 0;
  private bitMask = 0;
  private setReset = 0;
  private keepHostData = 0;
  private enabledSetReset = 0;
  private colorCompare = 0;
  private colorCare = 0;

  /** `registers` is the register block, `videoMemory` a power of two of bytes, both aligned to 4 in one buffer. */
  constructor(registers: Uint8Array, videoMemory: Uint8Array) {
    this.registers = registers;
    this.bytes = videoMemory;
    this.pairs = new Uint16Array(videoMemory.buffer, videoMemory.byteOffset, videoMemory.length >> 1);
    this.words = new Int32Array(videoMemory.buffer, videoMemory.byteOffset, videoMemory.length >> 2);
    this.latches = new Int32Array(registers.buffer, registers.byteOffset + Reg.latch, 1);
    this.reconfigure();
  }

  /** Call after a change of Miscellaneous Output, a sequencer, graphics controller or DISPI register. */
  reconfigure(): void {
    const block = this.registers;
    const gc = Reg.graphics;
    const misc = block[gc + Gc.miscellaneous]!;
    const mode = block[gc + Gc.mode]!;
    const memoryMode = block[Reg.sequencer + Seq.memoryMode]!;
    const window = windows[((misc & GcMisc.memoryMap) >> 2) as 0 | 1 | 2 | 3];
    this.windowStart = window.start;
    this.windowLength = (block[Reg.miscOutput]! & Misc.ramEnable) !== 0 ? window.length : 0;

    const dispi = dispiEnabled(block);
    const linear = dispi && readDispi(block, Dispi.bpp) !== 4;
    const bank = readDispi(block, Dispi.bank);
    this.bankStart = dispi ? bank * 0x10000 : 0;
    this.planeOffsetMask = dispi ? (this.words.length - 1) : 0xffff;

    this.chain4 = (memoryMode & SeqMemoryMode.chain4) !== 0;
    this.writeOddEven = (memoryMode & SeqMemoryMode.oddEvenDisable) === 0;
    this.readOddEven = (mode & GcMode.oddEven) !== 0;
    const planes = block[Reg.sequencer + Seq.mapMask]! & 15;
    this.mapMask = planeBytes[planes]!;
    this.writeMode = mode & GcMode.writeMode;
    this.readMode1 = (mode & GcMode.readMode1) !== 0;
    this.readPlane = block[gc + Gc.readMapSelect]! & 3;
    this.rotate = block[gc + Gc.dataRotate]! & 7;
    this.operation = (block[gc + Gc.dataRotate]! >> 3) & 3;
    this.bitMask = spread(block[gc + Gc.bitMask]!);
    this.setReset = planeBytes[block[gc + Gc.setReset]! & 15]!;
    this.keepHostData = ~planeBytes[block[gc + Gc.enableSetReset]! & 15]!;
    this.enabledSetReset = this.setReset & ~this.keepHostData;
    this.colorCompare = planeBytes[block[gc + Gc.colorCompare]! & 15]!;
    this.colorCare = planeBytes[block[gc + Gc.colorDontCare]! & 15]!;

    const plainWrite = this.writeMode === 0 && this.rotate === 0 && this.operation === 0 && this.bitMask === -1 && this.keepHostData === -1;
    this.writePath = linear ? Path.linear
      : plainWrite && this.chain4 && planes === 15 && !dispi ? Path.chain4
      : plainWrite && !this.chain4 && this.writeOddEven && planes === 3 && !dispi ? Path.text : Path.planar;
    this.readPath = linear ? Path.linear
      : !this.readMode1 && !this.chain4 && this.readOddEven && this.readPlane < 2 && !dispi ? Path.text : Path.planar;
  }

  write(offset: number, width: AccessWidth, value: number): void {
    const at = offset - this.windowStart;
    if (at < 0 || at + width > this.windowLength) return;
    if (this.writePath === Path.text) {
      const address = at & 0xffff;
      if (width === 2 && (address & 1) === 0) this.pairs[address << 1] = value;
      else for (let i = 0; i < width; i++) {
        const a = (address + i) & 0xffff;
        this.bytes[((a & ~1) << 2) | (a & 1)] = value >>> (i * 8);
      }
    } else if (this.writePath === Path.linear) {
      const start = this.bankStart + at;
      for (let i = 0; i < width; i++) this.bytes[(start + i) & (this.bytes.length - 1)] = value >>> (i * 8);
    } else if (this.writePath === Path.chain4) {
      if (width === 4 && (at & 3) === 0) this.words[at & 0xffff] = value;
      else for (let i = 0; i < width; i++) {
        const a = (at + i) & 0xffff;
        this.bytes[((a & ~3) << 2) | (a & 3)] = value >>> (i * 8);
      }
    } else {
      for (let i = 0; i < width; i++) this.writePlanar(at + i, (value >>> (i * 8)) & 0xff);
    }
  }

  read(offset: number, width: AccessWidth): number {
    const at = offset - this.windowStart;
    if (at < 0 || at + width > this.windowLength) return allOnes(width);
    if (this.readPath === Path.text && width === 2 && (at & 1) === 0) {
      const word = this.words[at & 0xffff]!;
      this.latches[0] = word;
      return word & 0xffff;
    }
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.readByte(at + i, true) << (i * 8);
    return value >>> 0;
  }

  peek(offset: number, width: AccessWidth): number {
    const at = offset - this.windowStart;
    if (at < 0 || at + width > this.windowLength) return allOnes(width);
    let value = 0;
    for (let i = 0; i < width; i++) value |= this.readByte(at + i, false) << (i * 8);
    return value >>> 0;
  }

  private readByte(at: number, loadLatches: boolean): number {
    if (this.readPath === Path.linear) return this.bytes[(this.bankStart + at) & (this.bytes.length - 1)]!;
    let address = at & 0xffff;
    let plane = this.readPlane;
    if (this.chain4) {
      plane = address & 3;
      address &= ~3;
    } else if (this.readOddEven) {
      plane = (plane & 2) | (address & 1);
      address &= ~1;
    }
    const word = this.words[(this.bankStart + address) & this.planeOffsetMask]!;
    if (loadLatches) this.latches[0] = word;
    if (!this.readMode1) return (word >>> (plane * 8)) & 0xff;
    let differs = (word ^ this.colorCompare) & this.colorCare;
    differs |= differs >>> 16;
    differs |= differs >>> 8;
    return ~differs & 0xff;
  }

  private writePlanar(at: number, value: number): void {
    let address = at & 0xffff;
    let planes = this.mapMask;
    if (this.chain4) {
      planes &= 0xff << ((address & 3) * 8);
      address &= ~3;
    } else if (this.writeOddEven) {
      planes &= (address & 1) !== 0 ? 0xff00ff00 : 0x00ff00ff;
      address &= ~1;
    }
    const latch = this.latches[0]!;
    let result = latch;
    if (this.writeMode !== 1) {
      let mask = this.bitMask;
      if (this.writeMode === 0) result = (spread(rotateRight(value, this.rotate)) & this.keepHostData) | this.enabledSetReset;
      else if (this.writeMode === 2) result = planeBytes[value & 15]!;
      else {
        mask &= spread(rotateRight(value, this.rotate));
        result = this.setReset;
      }
      if (this.operation === 1) result &= latch;
      else if (this.operation === 2) result |= latch;
      else if (this.operation === 3) result ^= latch;
      result = latch ^ ((result ^ latch) & mask);
    }
    const index = (this.bankStart + address) & this.planeOffsetMask;
    const old = this.words[index]!;
    this.words[index] = old ^ ((old ^ result) & planes);
  }
}

function spread(byte: number): number {
  return Math.imul(byte & 0xff, 0x01010101);
}

function rotateRight(byte: number, count: number): number {
  return ((byte >> count) | (byte << (8 - count))) & 0xff;
}

function allOnes(width: AccessWidth): number {
  return width === 4 ? 0xffffffff : width === 2 ? 0xffff : 0xff;
}
