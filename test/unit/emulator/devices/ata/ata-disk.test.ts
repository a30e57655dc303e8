import { describe, expect, it } from 'vitest';

import { DISK_SECTORS, identifyText, identifyWord, IdeRig } from './ide-rig.ts';

const DRQ = 0x58;
const READY = 0x50;

describe('AtaDisk', () => {
  it('identifies itself', () => {
    const rig = new IdeRig();
    rig.out(0, 7, 0xec);
    expect(rig.in(0, 7)).toBe(DRQ);
    const data = rig.readWords(0, 512);
    expect(rig.in(0, 7)).toBe(READY);
    expect(identifyText(data, 10, 10)).toBe('GH-DISK-7');
    expect(identifyText(data, 27, 20)).toBe('Guesthouse Disk');
    expect(identifyWord(data, 60) + identifyWord(data, 61) * 65536).toBe(DISK_SECTORS);
    expect(identifyWord(data, 100) + identifyWord(data, 101) * 65536).toBe(DISK_SECTORS);
    expect(identifyWord(data, 83) & 0xc400).toBe(0x4400);
    expect([identifyWord(data, 1), identifyWord(data, 3), identifyWord(data, 6)]).toEqual([4, 16, 63]);
  });

  it('reads by PIO, an interrupt for each sector and the address of the last one at the end', () => {
    const rig = new IdeRig();
    rig.command28(0x20, 5, 200);
    expect(rig.status(0)).toBe(0x80);
    rig.settle();
    for (let sector = 5; sector < 205; sector++) {
      expect(rig.irqs[0].high, `sector ${sector}`).toBe(true);
      expect(rig.in(0, 7)).toBe(DRQ);
      expect(rig.readWords(0, 512)).toEqual(rig.disk.sector(sector).slice());
      rig.settle();
    }
    expect(rig.irqs[0].high).toBe(false);
    expect(rig.in(0, 7)).toBe(READY);
    expect([3, 4, 5].map((register) => rig.in(0, register))).toEqual([204, 0, 0]);
    expect(rig.in(0, 2)).toBe(0);
  });

  it('serves REP INS by the block, never past the data block', () => {
    const rig = new IdeRig();
    rig.out(0, 2, 8);
    rig.out(0, 7, 0xc6);
    rig.command28(0xc4, 100, 10);
    rig.settle();
    const target = new Uint8Array(10 * 512);
    expect(rig.readBlock(0, target)).toBe(8 * 512);
    expect(rig.readBlock(0, target.subarray(8 * 512))).toBe(2 * 512);
    expect(target).toEqual(rig.disk.sector(100, 10).slice());
    expect(rig.readBlock(0, target)).toBe(0);
  });

  it('reads doublewords and bytes at the data port', () => {
    const rig = new IdeRig();
    rig.command28(0x20, 1, 1);
    rig.settle();
    const port = rig.ide.channels[0].commandBlock;
    const expected = new DataView(rig.disk.sector(1).slice().buffer);
    expect(port.read(0, 4)).toBe(expected.getUint32(0, true));
    expect(port.read(0, 1)).toBe(expected.getUint8(4));
  });

  it('writes by PIO, reporting the end when the backend has', () => {
    const rig = new IdeRig();
    const data = Uint8Array.from({ length: 300 * 512 }, (_, index) => (index * 31 + (index >> 9)) & 0xff);
    rig.command48(0x34, 1000, 300);
    expect(rig.status(0)).toBe(DRQ);
    expect(rig.irqs[0].high).toBe(false);
    for (let at = 0; at < data.length; at += 512) {
      expect(rig.in(0, 7)).toBe(DRQ);
      expect(rig.writeBlock(0, data.subarray(at))).toBe(512);
      if (at + 512 < data.length) {
        rig.settle();
        expect(rig.irqs[0].high).toBe(true);
      }
    }
    expect(rig.status(0)).toBe(0x80);
    rig.settle();
    expect(rig.in(0, 7)).toBe(READY);
    expect(rig.disk.sector(1000, 300)).toEqual(data);
    expect(rig.disk.requests.length).toBe(3);
  });

  it('translates CHS with the geometry that INITIALIZE DEVICE PARAMETERS set', () => {
    const rig = new IdeRig();
    rig.out(0, 2, 32);
    rig.out(0, 6, 0xa0 | 7);
    rig.out(0, 7, 0x91);
    rig.out(0, 6, 0xa0 | 3);
    rig.out(0, 2, 1);
    rig.out(0, 3, 5);
    rig.out(0, 4, 9);
    rig.out(0, 5, 0);
    rig.out(0, 7, 0x20);
    rig.settle();
    expect(rig.readWords(0, 512)).toEqual(rig.disk.sector((9 * 8 + 3) * 32 + 4).slice());
  });

  it('moves data by DMA through several regions', () => {
    const rig = new IdeRig();
    rig.describe(0, 0x1000, [[0x8000, 0x200], [0x9f00, 0x600], [0x20000, 0x1800]]);
    rig.command28(0xc8, 77, 16);
    expect(rig.disk.requests.length).toBe(0);
    rig.setMaster(0, 0, 1, 0x09);
    expect(rig.master(0, 2) & 5).toBe(1);
    rig.settle();
    expect(rig.master(0, 2) & 7).toBe(4);
    expect(rig.irqs[0].high).toBe(true);
    expect(rig.in(0, 7)).toBe(READY);
    const got = [...rig.memory.ram.slice(0x8000, 0x8200), ...rig.memory.ram.slice(0x9f00, 0xa500), ...rig.memory.ram.slice(0x20000, 0x21800)];
    expect(Uint8Array.from(got)).toEqual(rig.disk.sector(77, 16).slice());
    expect(rig.memory.openPins).toBe(0);
  });

  it('writes by DMA, also when the bus master was started before the command', () => {
    const rig = new IdeRig();
    rig.memory.ram.fill(0xa5, 0x10000, 0x20000);
    rig.describe(0, 0x1000, [[0x10000, 0]]);
    rig.setMaster(0, 0, 1, 0x01);
    rig.command48(0x35, 2000, 128);
    rig.settle();
    expect(rig.disk.sector(2000, 128).every((byte) => byte === 0xa5)).toBe(true);
    expect(rig.master(0, 2) & 7).toBe(4);
    expect(rig.memory.openPins).toBe(0);
  });

  it('stays active where the table describes more than the transfer', () => {
    const rig = new IdeRig();
    rig.describe(0, 0x1000, [[0x10000, 0x2000]]);
    rig.command28(0xc8, 0, 1);
    rig.setMaster(0, 0, 1, 0x09);
    rig.settle();
    expect(rig.master(0, 2) & 7).toBe(5);
    rig.setMaster(0, 0, 1, 0x00);
    expect(rig.master(0, 2) & 1).toBe(0);
  });

  it.each([
    ['is too short', [[0x10000, 0x200]]],
    ['points outside RAM', [[0xf000_0000, 0x1000]]],
  ] as const)('ends a DMA command whose table %s with an error and no request', (_why, regions) => {
    const rig = new IdeRig();
    rig.describe(0, 0x1000, regions);
    rig.command28(0xc8, 0, 8);
    rig.setMaster(0, 0, 1, 0x09);
    expect(rig.master(0, 2) & 3).toBe(2);
    expect(rig.in(0, 7) & 0x81).toBe(0x01);
    expect([rig.disk.requests.length, rig.memory.openPins]).toEqual([0, 0]);
  });

  it('refuses addresses past the end, unreadable sectors and writes to a read-only disk', () => {
    const rig = new IdeRig();
    rig.command28(0x20, DISK_SECTORS - 1, 2);
    expect([rig.in(0, 7), rig.in(0, 1)]).toEqual([0x51, 0x10]);
    rig.command48(0x24, 2 ** 40, 1);
    expect([rig.in(0, 7), rig.in(0, 1)]).toEqual([0x51, 0x10]);
    rig.disk.failWith = 'io-error';
    rig.command28(0x20, 0x1234, 1);
    rig.settle();
    expect([rig.in(0, 7), rig.in(0, 1), rig.in(0, 3), rig.in(0, 4)]).toEqual([0x51, 0x40, 0x34, 0x12]);
    const sealed = new IdeRig({ readOnly: true });
    sealed.command28(0x30, 0, 1);
    expect([sealed.in(0, 7), sealed.in(0, 1)]).toEqual([0x51, 0x04]);
  });

  it('refuses commands it does not know', () => {
    const rig = new IdeRig();
    for (const opcode of [0x00, 0xb0, 0xa0, 0xa1, 0xf1]) {
      rig.out(0, 7, opcode);
      expect([rig.in(0, 7), rig.in(0, 1)], opcode.toString(16)).toEqual([0x51, 0x04]);
    }
  });

  it('flushes on command, after forced writes and after every write while the write cache is off', () => {
    const rig = new IdeRig();
    const kinds = (): string[] => rig.disk.requests.map((request) => request.kind);
    rig.out(0, 7, 0xe7);
    expect(rig.status(0)).toBe(0x80);
    rig.settle();
    expect(rig.irqs[0].high).toBe(true);
    rig.describe(0, 0x1000, [[0x10000, 0x200]]);
    rig.setMaster(0, 0, 1, 0x01);
    rig.command48(0x3d, 0, 1);
    rig.settle();
    expect(kinds()).toEqual(['flush', 'write', 'flush']);
    rig.out(0, 1, 0x82);
    rig.out(0, 7, 0xef);
    rig.command28(0x30, 0, 1);
    rig.writeBlock(0, new Uint8Array(512));
    rig.settle();
    expect(rig.in(0, 7)).toBe(READY);
    expect(kinds()).toEqual(['flush', 'write', 'flush', 'write', 'flush']);
  });

  it('trims the ranges it is given', () => {
    const rig = new IdeRig();
    rig.memory.write64(0x10000, 10n | (2n << 48n));
    rig.memory.write64(0x10008, 500n | (3n << 48n));
    rig.describe(0, 0x1000, [[0x10000, 0x200]]);
    rig.setMaster(0, 0, 1, 0x01);
    rig.command48(0x06, 0, 1, 1);
    rig.settle();
    expect(rig.in(0, 7)).toBe(READY);
    expect(rig.disk.requests.map(({ kind, sector, sectorCount }) => [kind, sector, sectorCount])).toEqual([['discard', 10, 2], ['discard', 500, 3]]);
    expect(rig.memory.openPins).toBe(0);
  });

  it('shows its native size and chosen transfer mode', () => {
    const rig = new IdeRig();
    rig.command48(0x27, 0, 0);
    expect([3, 4, 5].map((register) => rig.in(0, register))).toEqual([0x87, 0x13, 0x00]);
    rig.out(0, 1, 0x03);
    rig.out(0, 2, 0x21);
    rig.out(0, 7, 0xef);
    rig.out(0, 7, 0xec);
    expect(identifyWord(rig.readWords(0, 512), 63)).toBe(0x0207);
    rig.out(0, 1, 0x03);
    rig.out(0, 2, 0x23);
    rig.out(0, 7, 0xef);
    expect(rig.in(0, 7)).toBe(0x51);
  });

  it('forgets a request that a software reset overtook', () => {
    const rig = new IdeRig();
    rig.describe(0, 0x1000, [[0x10000, 0x200]]);
    rig.setMaster(0, 0, 1, 0x09);
    rig.command28(0xc8, 0, 1);
    rig.control(0, 0x04);
    rig.control(0, 0x00);
    const risings = rig.irqs[0].risingEdges;
    rig.settle();
    expect(rig.irqs[0].risingEdges).toBe(risings);
    expect(rig.in(0, 7)).toBe(READY);
    expect(rig.memory.openPins).toBe(0);
  });

  it.each(['dma', 'pio read', 'pio write'] as const)('issues an unfinished request again after a restore (%s)', (path) => {
    const rig = new IdeRig();
    const twin = new IdeRig();
    const data = Uint8Array.from({ length: 512 }, (_, index) => index ^ 0x3c);
    if (path === 'dma') {
      rig.describe(0, 0x1000, [[0x10000, 0x400]]);
      rig.setMaster(0, 0, 1, 0x09);
      rig.command28(0xc8, 40, 2);
    } else {
      rig.command28(path === 'pio read' ? 0x20 : 0x30, 40, 1);
      if (path === 'pio write') rig.writeBlock(0, data);
    }
    twin.memory.ram.set(rig.memory.ram);
    twin.ide.restore(structuredClone(rig.ide.save()));
    expect(twin.disk.waiting).toBe(1);
    twin.settle();
    expect(twin.irqs[0].high).toBe(true);
    if (path === 'dma') expect(twin.memory.ram.slice(0x10000, 0x10400)).toEqual(twin.disk.sector(40, 2).slice());
    if (path === 'pio read') expect(twin.readWords(0, 512)).toEqual(twin.disk.sector(40).slice());
    if (path === 'pio write') expect(twin.disk.sector(40)).toEqual(data);
  });
});
