import { describe, expect, it } from 'vitest';

import { chainedMode13, planarMode12, textMode3 } from '../../../../support/vga-modes.ts';
import type { FakeClock } from '../../../../support/fake-clock.ts';
import { describeDeviceContract } from '../device-contract.ts';
import { buildVga, mebibyte } from './vga-rig.ts';

const registerPorts = [0x04, 0x05, 0x0a, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1e, 0x1f, 0x24, 0x25, 0x2a];

describeDeviceContract('the standard VGA', (clock: FakeClock) => {
  const { vga, mmio, rasterizer } = buildVga({ clock, videoMemoryBytes: 0x40000 });
  return {
    device: vga,
    ranges: [
      { name: 'ports', handler: vga.ports, length: 0x30, offsets: registerPorts },
      { name: 'dispi', handler: vga.dispiPorts, length: 3 },
      { name: 'window', handler: vga.aperture, length: 0x20000 },
      { name: 'mmio', handler: mmio, length: 0x1000, offsets: [0x400, 0x402, 0x404, 0x500, 0x502, 0x504, 0x506, 0x508, 0x50a, 0x50c, 0x510, 0x512] },
    ],
    // The rasterizer takes whatever the registers say.
    observe: () => [rasterizer.draw().width, rasterizer.screenText()?.length],
  };
}, {
  seeds: [1, 2],
  accesses: 600,
  prepare: ([ports]) => {
    ports?.handler.write(0x12, 1, textMode3.misc);
    ports?.handler.write(0x10, 1, 0x20);
  },
});

describe('the VGA registers', () => {
  it('read back what a BIOS wrote, without bits that do not exist', () => {
    const { ports } = buildVga();
    ports.setMode(planarMode12);
    expect(ports.in(0x3cc)).toBe(0xe3);
    planarMode12.sequencer.forEach((value, index) => expect(ports.inIndexed(0x3c4, index)).toBe(value));
    planarMode12.graphics.forEach((value, index) => expect(ports.inIndexed(0x3ce, index)).toBe(value));
    planarMode12.crtc.forEach((value, index) => expect(ports.inIndexed(0x3d4, index), `CR${index}`).toBe(value));
    ports.outIndexed(0x3ce, 3, 0xff);
    expect(ports.inIndexed(0x3ce, 3)).toBe(0x1f);
  });

  it('protect CRTC 0 to 7 except the line compare bit', () => {
    const { ports } = buildVga();
    ports.setMode(planarMode12);
    ports.outIndexed(0x3d4, 0, 0x11);
    expect(ports.inIndexed(0x3d4, 0)).toBe(0x5f);
    ports.outIndexed(0x3d4, 7, 0x00);
    expect(ports.inIndexed(0x3d4, 7)).toBe(0x2e);
  });

  it('answer at 3Bx instead of 3Dx when Miscellaneous Output says monochrome', () => {
    const { ports } = buildVga();
    ports.out(0x3c2, 0x66);
    ports.outIndexed(0x3b4, 0x0a, 0x12);
    expect(ports.inIndexed(0x3b4, 0x0a)).toBe(0x12);
    expect(ports.in(0x3d5)).toBe(0xff);
    expect(ports.in(0x3da)).toBe(0xff);
  });

  it('take attribute index and data alternately at 3C0 and start over after a status read', () => {
    const { ports } = buildVga();
    ports.out(0x3c2, 0x67);
    ports.out(0x3c0, 0x01);
    ports.in(0x3da);
    ports.outAttribute(0x05, 0x2a);
    ports.in(0x3da);
    ports.out(0x3c0, 0x05);
    expect(ports.in(0x3c1)).toBe(0x2a);
    expect(ports.in(0x3c0)).toBe(0x05);
  });

  it('count through the DAC by colours, 6 bits deep', () => {
    const { ports } = buildVga();
    ports.setColor(7, 0xff, 0x15, 0x2a);
    ports.setColor(8, 1, 2, 3);
    ports.out(0x3c7, 7);
    expect(ports.in(0x3c7)).toBe(3);
    expect(Array.from({ length: 6 }, () => ports.in(0x3c9))).toEqual([0x3f, 0x15, 0x2a, 1, 2, 3]);
  });

  it('show retrace and blanking at the rate of the mode, so that waiting loops end', () => {
    const { ports, clock } = buildVga();
    ports.setMode(textMode3);
    let retraces = 0;
    let blanked = 0;
    let last = 0;
    const stepNanos = 1000;
    const samples = 1_000_000;
    for (let i = 0; i < samples; i++) {
      const status = ports.in(0x3da);
      if ((status & 8) !== 0 && last === 0) retraces++;
      if ((status & 1) !== 0) blanked++;
      last = status & 8;
      clock.advance(stepNanos);
    }
    expect(retraces).toBe(70);
    expect(blanked / samples).toBeGreaterThan(0.2);
    expect(blanked / samples).toBeLessThan(0.35);
  });

  it('toggle the retrace bit even when the CRTC is unprogrammed or nonsense', () => {
    for (const fill of [0x00, 0xff, 0x13]) {
      const { ports, clock } = buildVga();
      ports.out(0x3c2, 0x01);
      for (let index = 0; index < 0x19; index++) ports.outIndexed(0x3d4, index, index === 0x11 ? fill & 0x7f : fill);
      const seen = new Set<number>();
      for (let i = 0; i < 100_000; i++) {
        seen.add(ports.in(0x3da));
        clock.advance(1000);
      }
      expect([...seen].some((status) => (status & 8) !== 0) && [...seen].some((status) => (status & 8) === 0)).toBe(true);
      expect([...seen].some((status) => (status & 1) !== 0) && [...seen].some((status) => (status & 1) === 0)).toBe(true);
    }
  });
});

describe('the window at A0000', () => {
  it('answers only in the part that the memory map selects', () => {
    const { ports, aperture, poke } = buildVga();
    ports.setMode(textMode3);
    poke(0xb8000, 0x1234, 2);
    expect(aperture.read(0x18000, 2)).toBe(0x1234);
    expect(aperture.read(0x10000, 2)).toBe(0xffff);
    expect(aperture.read(0x00000, 4)).toBe(0xffffffff);
    ports.out(0x3c2, textMode3.misc & ~2);
    expect(aperture.read(0x18000, 1)).toBe(0xff);
  });

  it('puts text into planes 0 and 1 and reads it back at every width and alignment', () => {
    const { ports, aperture, poke, videoMemory } = buildVga();
    ports.setMode(textMode3);
    poke(0xb8000, 0x44332211, 4);
    poke(0xb8005, 0x6655, 2);
    expect([...videoMemory.subarray(0, 16)]).toEqual([0x11, 0x22, 0, 0, 0, 0, 0, 0, 0x33, 0x44, 0, 0, 0, 0, 0, 0]);
    expect(aperture.read(0x18000, 4)).toBe(0x44332211);
    expect(aperture.read(0x18005, 2)).toBe(0x6655);
    expect(aperture.read(0x18001, 2)).toBe(0x3322);
  });

  it('rotates, sets and resets, combines with the latches and masks bits in write mode 0', () => {
    const { ports, aperture, poke } = buildVga();
    ports.setMode(planarMode12);
    const planeOf = (plane: number): number => {
      ports.outIndexed(0x3ce, 4, plane);
      return aperture.read(0, 1);
    };
    ports.outIndexed(0x3c4, 2, 0x05);
    poke(0xa0000, 0xf0);
    ports.outIndexed(0x3c4, 2, 0x0f);
    expect([0, 1, 2, 3].map(planeOf)).toEqual([0xf0, 0x00, 0xf0, 0x00]);
    // Rotate by 1, XOR, only the low six bits; plane 3 set, plane 2 reset.
    ports.outIndexed(0x3ce, 3, 0x19);
    ports.outIndexed(0x3ce, 8, 0x3f);
    ports.outIndexed(0x3ce, 0, 0x08);
    ports.outIndexed(0x3ce, 1, 0x0c);
    aperture.read(0, 1);
    poke(0xa0000, 0xaa);
    ports.outIndexed(0x3ce, 1, 0x00);
    expect([0, 1, 2, 3].map(planeOf)).toEqual([0xe5, 0x15, 0xf0, 0x3f]);
  });

  it('copies latches in write mode 1, expands colours in mode 2 and masks with data in mode 3', () => {
    const { ports, aperture, poke, videoMemory } = buildVga();
    ports.setMode(planarMode12);
    ports.outIndexed(0x3ce, 5, 2);
    ports.outIndexed(0x3ce, 8, 0x0f);
    poke(0xa0000, 0x05);
    expect([...videoMemory.subarray(0, 4)]).toEqual([0x0f, 0x00, 0x0f, 0x00]);
    ports.outIndexed(0x3ce, 5, 1);
    aperture.read(0, 1);
    poke(0xa0001, 0xff);
    expect([...videoMemory.subarray(4, 8)]).toEqual([0x0f, 0x00, 0x0f, 0x00]);
    ports.outIndexed(0x3ce, 5, 3);
    ports.outIndexed(0x3ce, 0, 0x02);
    ports.outIndexed(0x3ce, 8, 0x3c);
    aperture.read(1, 1);
    poke(0xa0001, 0xf8);
    expect([...videoMemory.subarray(4, 8)]).toEqual([0x07, 0x38, 0x07, 0x00]);
  });

  it('compares colours in read mode 1', () => {
    const { ports, aperture, poke } = buildVga();
    ports.setMode(planarMode12);
    ports.outIndexed(0x3ce, 5, 2);
    ports.outIndexed(0x3ce, 8, 0xf0);
    poke(0xa0000, 0x0a);
    ports.outIndexed(0x3ce, 5, 8);
    ports.outIndexed(0x3ce, 2, 0x0a);
    expect(aperture.read(0, 1)).toBe(0xf0);
    ports.outIndexed(0x3ce, 7, 0x05);
    expect(aperture.read(0, 1)).toBe(0xff);
  });

  it('spreads chained bytes over the planes', () => {
    const { ports, aperture, poke, videoMemory } = buildVga();
    ports.setMode(chainedMode13);
    poke(0xa0004, 0x44332211, 4);
    poke(0xa0009, 0x55);
    expect([...videoMemory.subarray(16, 20)]).toEqual([0x11, 0x22, 0x33, 0x44]);
    expect(videoMemory[8 * 4 + 1]).toBe(0x55);
    expect(aperture.read(4, 4)).toBe(0x44332211);
    expect(aperture.read(9, 1)).toBe(0x55);
  });
});

describe('the DISPI interface', () => {
  it('answers its version and what it can do', () => {
    const { dispi, dispiRead } = buildVga({ videoMemoryBytes: 16 * mebibyte });
    expect(dispiRead(0)).toBe(0xb0c5);
    dispi(0, 0xb0c0);
    expect(dispiRead(0)).toBe(0xb0c0);
    dispi(0, 0x1234);
    expect(dispiRead(0)).toBe(0xb0c0);
    expect(dispiRead(10)).toBe(256);
    dispi(4, 2);
    expect([1, 2, 3].map(dispiRead)).toEqual([2560, 1600, 32]);
    dispi(4, 0);
    expect([1, 2].map(dispiRead)).toEqual([0, 0]);
  });

  it('clears video memory on a mode set unless told not to, and gives the virtual size', () => {
    const { dispi, dispiRead, videoMemory } = buildVga({ videoMemoryBytes: 4 * mebibyte });
    videoMemory.fill(0x77);
    dispi(1, 640);
    dispi(2, 480);
    dispi(3, 32);
    dispi(4, 0xc1);
    expect(videoMemory[0]).toBe(0x77);
    expect([6, 7, 8, 9].map(dispiRead)).toEqual([640, Math.floor(4 * mebibyte / 2560), 0, 0]);
    dispi(4, 0);
    dispi(4, 0x41);
    expect(videoMemory[640 * 480 * 4 - 1]).toBe(0);
    expect(videoMemory[640 * 480 * 4]).toBe(0x77);
  });

  it('keeps offsets and sizes inside video memory whatever is written', () => {
    const { dispi, dispiRead } = buildVga({ videoMemoryBytes: mebibyte });
    dispi(1, 0xffff);
    dispi(2, 0xffff);
    dispi(3, 32);
    dispi(4, 1);
    expect(dispiRead(1)).toBe(2560);
    expect(dispiRead(2)).toBe(102);
    dispi(6, 0xffff);
    dispi(8, 0xffff);
    dispi(9, 0xffff);
    expect([6, 8, 9].map(dispiRead)).toEqual([2560, 0, 0]);
  });

  it('shows 64 KiB banks at A0000', () => {
    const { dispi, poke, ports, videoMemory, aperture } = buildVga({ videoMemoryBytes: 4 * mebibyte });
    ports.out(0x3c2, 0x63);
    dispi(1, 800);
    dispi(2, 600);
    dispi(3, 16);
    dispi(4, 1);
    dispi(5, 3);
    poke(0xa0010, 0xbeef, 2);
    expect(videoMemory[0x30010]).toBe(0xef);
    expect(aperture.read(0x10, 2)).toBe(0xbeef);
  });

  it('is reached in BAR2 too, with the VGA ports and a monitor that describes itself', () => {
    const { mmio, dispi, ports } = buildVga();
    expect(mmio.read(0x500, 2)).toBe(0xb0c5);
    mmio.write(0x502, 2, 1024);
    dispi(4, 0);
    expect(mmio.read(0x502, 2)).toBe(1024);
    mmio.write(0x402, 1, 0x67);
    expect(ports.in(0x3cc)).toBe(0x67);
    expect(mmio.read(0x600, 4)).toBe(8);
    const edid = Array.from({ length: 128 }, (_, at) => mmio.read(at, 1));
    expect(edid.slice(0, 8)).toEqual([0, 255, 255, 255, 255, 255, 255, 0]);
    expect(edid.reduce((sum, byte) => sum + byte) & 0xff).toBe(0);
    // Preferred timing: 1024 x 768 at 65 MHz.
    expect([edid[54]! | (edid[55]! << 8), edid[56]! | ((edid[58]! >> 4) << 8), edid[59]! | ((edid[61]! >> 4) << 8)]).toEqual([6500, 1024, 768]);
  });
});
