/**
 * The Bochs VBE display interface, version 0xB0C5: modes without the VGA's timing registers, a linear frame buffer
 * and 64 KiB banks at A0000h. Bochs documentation, "VBE Display Interface" (vbe_display_api.txt).
 *
 * Registers always hold a mode that fits video memory while ENABLED is set: a value that doesn't is brought into range
 * when it is written, and reads back so.
 */
import {
  Dispi, DispiEnable, dispiEnabled, dispiMaximum, Gc, GcMisc, readDispi, Reg, storeDispi,
} from './register-block.ts';

const ID_OLDEST = 0xb0c0;
const ID_NEWEST = 0xb0c5;
const DEPTHS: readonly number[] = [4, 8, 15, 16, 24, 32];
const BANK_BYTES = 0x10000;

export function resetDispi(block: Uint8Array): void {
  block.fill(0, Reg.dispiIndex, Reg.dispi + 32);
  storeDispi(block, Dispi.id, ID_NEWEST);
  storeDispi(block, Dispi.bpp, 8);
}

export function readDispiRegister(block: Uint8Array, index: number, videoMemoryBytes: number): number {
  if ((readDispi(block, Dispi.enable) & DispiEnable.getCapabilities) !== 0) {
    if (index === Dispi.xres) return dispiMaximum.xres;
    if (index === Dispi.yres) return dispiMaximum.yres;
    if (index === Dispi.bpp) return dispiMaximum.bpp;
  }
  if (index === Dispi.videoMemory64K) return videoMemoryBytes / BANK_BYTES;
  return index < Dispi.videoMemory64K ? readDispi(block, index) : 0;
}

/** Returns how many bytes at the start of video memory the write asks to clear. */
export function writeDispiRegister(block: Uint8Array, index: number, value: number, videoMemoryBytes: number): number {
  switch (index) {
    case Dispi.id:
      if (value >= ID_OLDEST && value <= ID_NEWEST) storeDispi(block, index, value);
      return 0;
    case Dispi.bpp:
      // Version 0xB0C0 knew 8 bits only and had 0 mean that.
      if (value === 0) storeDispi(block, index, 8);
      else if (DEPTHS.includes(value)) storeDispi(block, index, value);
      break;
    case Dispi.xres: case Dispi.yres: case Dispi.virtualWidth: case Dispi.xOffset: case Dispi.yOffset:
      storeDispi(block, index, value);
      break;
    case Dispi.bank: {
      // Four planes share a bank of a 4-bit mode.
      const banks = videoMemoryBytes / BANK_BYTES / (readDispi(block, Dispi.bpp) === 4 ? 4 : 1);
      storeDispi(block, index, value & (Math.max(1, banks) - 1));
      return 0;
    }
    case Dispi.enable:
      return writeEnable(block, value, videoMemoryBytes);
    default:
      return 0;
  }
  if (dispiEnabled(block)) fitMode(block, videoMemoryBytes);
  return 0;
}

function writeEnable(block: Uint8Array, value: number, videoMemoryBytes: number): number {
  const starts = (value & DispiEnable.enabled) !== 0 && !dispiEnabled(block);
  storeDispi(block, Dispi.enable, value & 0xff);
  if (!starts) return 0;
  storeDispi(block, Dispi.virtualWidth, 0);
  storeDispi(block, Dispi.xOffset, 0);
  storeDispi(block, Dispi.yOffset, 0);
  storeDispi(block, Dispi.bank, 0);
  fitMode(block, videoMemoryBytes);
  // Banks are reached through the 64 KiB window of a graphics mode.
  const misc = Reg.graphics + Gc.miscellaneous;
  block[misc] = (block[misc]! & ~GcMisc.memoryMap) | 0x04 | GcMisc.graphics;
  return (value & DispiEnable.noClearMemory) !== 0 ? 0 : lineBytes(block) * readDispi(block, Dispi.yres);
}

function lineBytes(block: Uint8Array): number {
  return bytesOf(readDispi(block, Dispi.virtualWidth), readDispi(block, Dispi.bpp));
}

/** Bytes of video memory behind `pixels` neighbours in a line; a multiple of 4 for the multiples of 8 that lines are. */
export function bytesOf(pixels: number, bpp: number): number {
  return bpp === 4 ? Math.floor(pixels / 8) * 4 : pixels * (bpp === 15 ? 2 : bpp / 8);
}

function fitMode(block: Uint8Array, videoMemoryBytes: number): void {
  const bpp = readDispi(block, Dispi.bpp);
  const xres = Math.min(Math.max(readDispi(block, Dispi.xres) & ~7, 8), dispiMaximum.xres);
  const lines = Math.floor(videoMemoryBytes / bytesOf(xres, bpp));
  const yres = Math.min(Math.max(readDispi(block, Dispi.yres), 1), dispiMaximum.yres, lines);
  let virtualWidth = Math.max(readDispi(block, Dispi.virtualWidth) & ~7, xres);
  if (bytesOf(virtualWidth, bpp) * yres > videoMemoryBytes) virtualWidth = xres;
  const virtualHeight = Math.floor(videoMemoryBytes / bytesOf(virtualWidth, bpp));
  storeDispi(block, Dispi.xres, xres);
  storeDispi(block, Dispi.yres, yres);
  storeDispi(block, Dispi.virtualWidth, virtualWidth);
  storeDispi(block, Dispi.virtualHeight, Math.min(virtualHeight, 0xffff));
  storeDispi(block, Dispi.xOffset, Math.min(readDispi(block, Dispi.xOffset), virtualWidth - xres));
  storeDispi(block, Dispi.yOffset, Math.min(readDispi(block, Dispi.yOffset), virtualHeight - yres));
}
