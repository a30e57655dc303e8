import { registerBlockBytes } from '../../../../../src/emulator/devices/vga/register-block.ts';
import { VgaRasterizer } from '../../../../../src/emulator/devices/vga/rasterizer.ts';
import type { Picture } from '../../../../../src/emulator/devices/vga/rasterizer.ts';
import { StdVga } from '../../../../../src/emulator/devices/vga/vga.ts';
import type { AccessWidth, IoHandler } from '../../../../../src/emulator/interfaces/bus.ts';
import { FakeClock } from '../../../../support/fake-clock.ts';
import { VgaPorts } from '../../../../support/vga-modes.ts';

export const mebibyte = 0x100000;

export interface VgaRig {
  readonly vga: StdVga;
  readonly clock: FakeClock;
  readonly ports: VgaPorts;
  readonly aperture: IoHandler;
  readonly mmio: IoHandler;
  readonly videoMemory: Uint8Array;
  readonly registers: Uint8Array;
  readonly rasterizer: VgaRasterizer;
  /** Writes to the window by physical address. */
  poke(address: number, value: number, width?: AccessWidth): void;
  dispi(index: number, value: number): void;
  dispiRead(index: number): number;
}

export function buildVga(options: { clock?: FakeClock; videoMemoryBytes?: number } = {}): VgaRig {
  const clock = options.clock ?? new FakeClock();
  const length = options.videoMemoryBytes ?? mebibyte;
  const sharedMemory = new Uint8Array(new SharedArrayBuffer(8192 + length));
  const vga = new StdVga({
    id: 'vga', clock, sharedMemory,
    videoMemory: { offset: 8192, length }, registers: { offset: 64, length: registerBlockBytes },
  });
  vga.reset('power-on');
  const videoMemory = sharedMemory.subarray(8192);
  const registers = sharedMemory.subarray(64, 64 + registerBlockBytes);
  const bar2 = vga.pciFunction.bars[2];
  if (bar2?.kind !== 'memory') throw new Error('BAR2 is a register BAR');
  return {
    vga, clock, videoMemory, registers,
    ports: new VgaPorts(vga.ports),
    aperture: vga.aperture,
    mmio: bar2.handler,
    rasterizer: new VgaRasterizer(videoMemory, registers),
    poke: (address, value, width = 1) => vga.aperture.write(address - 0xa0000, width, value),
    dispi(index, value) {
      vga.dispiPorts.write(0, 2, index);
      vga.dispiPorts.write(1, 2, value);
    },
    dispiRead(index) {
      vga.dispiPorts.write(0, 2, index);
      return vga.dispiPorts.read(1, 2);
    },
  };
}

/** A pixel as 'rrggbb'. */
export function pixelAt(picture: Picture, x: number, y: number): string {
  const word = picture.pixels[y * picture.width + x]!;
  return [word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff].map((part) => part.toString(16).padStart(2, '0')).join('');
}

/** Part of a picture as lines of text: '.' where a pixel has the background's colour, '#' elsewhere. */
export function pixelArt(picture: Picture, x: number, y: number, width: number, height: number, background: string): string[] {
  return Array.from({ length: height }, (_, row) =>
    Array.from({ length: width }, (_, column) => (pixelAt(picture, x + column, y + row) === background ? '.' : '#')).join(''));
}
