import { describe, expect, it } from 'vitest';

import { Dma8237Pair } from '../../../../src/emulator/devices/dma.ts';
import type { GuestMemory } from '../../../../src/emulator/interfaces/guest-memory.ts';
import { describeDeviceContract } from './device-contract.ts';

function build(): { dma: Dma8237Pair; ram: Map<number, number> } {
  const ram = new Map<number, number>();
  // DMA moves single bytes only.
  const memory = {
    read8: (physical: number) => ram.get(physical) ?? 0xff,
    write8: (physical: number, value: number) => { ram.set(physical, value); },
  } as unknown as GuestMemory;
  return { dma: new Dma8237Pair({ id: 'dma', memory }), ram };
}

describeDeviceContract('Dma8237Pair', () => {
  const { dma } = build();
  return {
    device: dma,
    ranges: [
      { name: 'first', handler: dma.first, length: 16 },
      { name: 'second', handler: dma.second, length: 32 },
      { name: 'pages', handler: dma.pages, length: 16 },
    ],
    stimulate: (random) => dma.writeMemory(random.pick([0, 1, 2, 3, 5, 6, 7]), new Uint8Array(random.below(40))),
  };
}, { manyTwins: true });

describe('Dma8237Pair', () => {
  it('moves a sector to memory by channel 2 and ends with the terminal count', () => {
    const { dma, ram } = build();
    for (const [port, value] of [[12, 0], [4, 0xfe], [4, 0x0f], [5, 0xff], [5, 0x01], [11, 0x46], [10, 0x02]] as const) dma.first.write(port, 1, value);
    dma.pages.write(1, 1, 0x03);
    expect(dma.writeMemory(2, new Uint8Array(300).fill(0xaa))).toEqual({ bytes: 300, terminalCount: false });
    expect(dma.writeMemory(2, new Uint8Array(300).fill(0xbb))).toEqual({ bytes: 212, terminalCount: true });
    expect([ram.get(0x30ffe), ram.get(0x30ffe + 511), ram.get(0x30ffe + 512)]).toEqual([0xaa, 0xbb, undefined]);
    expect([dma.first.read(8, 1), dma.first.read(8, 1)]).toEqual([0x04, 0]);
    expect(dma.isReady(2)).toBe(false);
  });

  it('moves words by channel 5 from a 128 KiB page, and starts over where told to', () => {
    const { dma, ram } = build();
    ram.set(0x20004, 1).set(0x20005, 2).set(0x20006, 3).set(0x20007, 4);
    dma.pages.write(0xb, 1, 0x03);
    for (const [port, value] of [[0x18, 0], [4, 2], [4, 0], [6, 1], [6, 0], [0x16, 0x59], [0x14, 0x01]] as const) dma.second.write(port, 1, value);
    const target = new Uint8Array(8);
    expect(dma.readMemory(5, target)).toEqual({ bytes: 4, terminalCount: true });
    expect([...target.slice(0, 4)]).toEqual([1, 2, 3, 4]);
    expect(dma.isReady(5)).toBe(true);
    expect(dma.second.read(4, 1)).toBe(2);
  });

  it('keeps the POST code at port 0x80', () => {
    const { dma } = build();
    dma.pages.write(0, 1, 0x5a);
    expect(dma.postCode).toBe(0x5a);
  });
});
