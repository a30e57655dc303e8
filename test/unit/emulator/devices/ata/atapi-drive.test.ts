import { describe, expect, it } from 'vitest';

import { DISC_SECTORS, identifyText, identifyWord, IdeRig } from './ide-rig.ts';

const READY = 0x50;

describe('AtapiDrive', () => {
  it('aborts IDENTIFY DEVICE with its signature and identifies itself as a packet device', () => {
    const rig = new IdeRig();
    rig.out(1, 7, 0xec);
    expect([rig.in(1, 7), rig.in(1, 1), rig.in(1, 4), rig.in(1, 5)]).toEqual([0x51, 0x04, 0x14, 0xeb]);
    rig.out(1, 7, 0xa1);
    const data = rig.readWords(1, 512);
    expect(identifyWord(data, 0)).toBe(0x85c0);
    expect(identifyText(data, 27, 20)).toBe('Guesthouse DVD-ROM');
    expect(rig.in(1, 7)).toBe(READY);
  });

  it('reads sectors by PIO in blocks of the byte limit', () => {
    const rig = new IdeRig();
    rig.packet([0x28, 0, 0, 0, 0, 10, 0, 0, 70], { byteLimit: 3000 });
    expect(rig.status(1)).toBe(0x80);
    rig.settle();
    expect([rig.in(1, 7), rig.in(1, 2), rig.in(1, 4) | (rig.in(1, 5) << 8)]).toEqual([0x58, 2, 3000]);
    expect(rig.takeReply()).toEqual(rig.disc.sector(10, 70).slice());
    expect([rig.in(1, 7), rig.in(1, 2)]).toEqual([READY, 3]);
  });

  it('asks for the packet without an interrupt and reports the end with one', () => {
    const rig = new IdeRig();
    rig.out(1, 7, 0xa0);
    expect([rig.in(1, 7), rig.in(1, 2), rig.irqs[1].high]).toEqual([0x58, 1, false]);
    rig.packet([0x00]);
    expect([rig.irqs[1].high, rig.in(1, 7), rig.in(1, 2)]).toEqual([true, READY, 3]);
  });

  it('reads sectors by DMA and answers short commands by DMA', () => {
    const rig = new IdeRig();
    rig.describe(1, 0x1000, [[0x10000, 0x1000], [0x20000, 0x800]]);
    rig.packet([0xa8, 0, 0, 0, 0, 16, 0, 0, 0, 3], { dma: true });
    rig.setMaster(1, 0, 1, 0x09);
    rig.settle();
    expect([rig.master(1, 2) & 7, rig.irqs[1].high, rig.in(1, 7)]).toEqual([4, true, READY]);
    expect([...rig.memory.ram.slice(0x10000, 0x11000), ...rig.memory.ram.slice(0x20000, 0x20800)]).toEqual([...rig.disc.sector(16, 3)]);
    rig.setMaster(1, 0, 1, 0);
    rig.describe(1, 0x1000, [[0x30000, 8]]);
    rig.packet([0x25], { dma: true });
    rig.setMaster(1, 0, 1, 0x09);
    expect([...rig.memory.ram.slice(0x30000, 0x30008)]).toEqual([0, 0, 1, 0x2b, 0, 0, 8, 0]);
    expect(rig.memory.openPins).toBe(0);
  });

  it('refuses with CHECK CONDITION and tells why once', () => {
    const rig = new IdeRig();
    rig.packet([0x28, 0, 0, 0, 1, 0x2c, 0, 0, 1]);
    expect([rig.in(1, 7), rig.in(1, 1), rig.in(1, 2)]).toEqual([0x51, 0x54, 3]);
    expect(rig.sense()).toEqual([5, 0x21, 0]);
    expect(rig.sense()).toEqual([0, 0, 0]);
    rig.packet([0xff]);
    expect(rig.sense()).toEqual([5, 0x20, 0]);
    rig.disc.failWith = 'io-error';
    rig.packet([0x28, 0, 0, 0, 0, 0, 0, 0, 1]);
    rig.settle();
    expect(rig.sense()).toEqual([3, 0x11, 0]);
  });

  it('is not ready without a disc, and reports a new one as a unit attention', () => {
    const rig = new IdeRig({ withDisc: false });
    rig.packet([0x00]);
    expect(rig.in(1, 7)).toBe(0x51);
    expect(rig.sense()).toEqual([2, 0x3a, 1]);
    rig.cd.changeMedium(rig.disc);
    rig.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
    expect([...rig.takeReply()]).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    rig.packet([0x00]);
    expect(rig.sense()).toEqual([6, 0x28, 0]);
    rig.packet([0x00]);
    expect(rig.in(1, 7)).toBe(READY);
    rig.cd.changeMedium(undefined);
    rig.packet([0x25]);
    expect(rig.sense()).toEqual([2, 0x3a, 1]);
  });

  it('opens and closes its tray unless removal is prevented', () => {
    const rig = new IdeRig();
    rig.packet([0x1e, 0, 0, 0, 1]);
    rig.packet([0x1b, 0, 0, 0, 2]);
    expect(rig.sense()).toEqual([5, 0x53, 2]);
    rig.packet([0x1e, 0, 0, 0, 0]);
    rig.packet([0x1b, 0, 0, 0, 2]);
    rig.packet([0x00]);
    expect(rig.sense()).toEqual([2, 0x3a, 2]);
    rig.packet([0x1b, 0, 0, 0, 3]);
    rig.packet([0x00]);
    expect(rig.sense()).toEqual([6, 0x28, 0]);
    rig.packet([0x00]);
    expect(rig.in(1, 7)).toBe(READY);
    // What was refused moved nothing.
    expect(rig.trayMoves).toEqual([true, false]);
  });

  it('describes itself, its disc and its one track', () => {
    const rig = new IdeRig();
    const ask = (...bytes: number[]): Uint8Array => {
      rig.packet(bytes);
      return rig.takeReply();
    };
    expect(String.fromCharCode(...ask(0x12, 0, 0, 0, 36).slice(8, 24))).toBe('GUESTHSEDVD-ROM ');
    expect(ask(0x12, 0, 0, 0, 5).length).toBe(5);
    expect([...ask(0x43, 0, 0, 0, 0, 0, 0, 0, 0xff)]).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 1, 0x2c]);
    expect([...ask(0x43, 2, 0, 0, 0, 0, 0xaa, 0, 12)].slice(8)).toEqual([0, 0, 6, 0]);
    const page = ask(0x5a, 0, 0x2a, 0, 0, 0, 0, 0, 0xff);
    expect([page[1], page[8], page[9], page.length]).toEqual([page.length - 2, 0x2a, 18, 28]);
    expect([...ask(0x46, 0, 0, 0, 0, 0, 0, 0, 8)].slice(4)).toEqual([0, 0, 0, 8]);
    expect(ask(0x51, 0, 0, 0, 0, 0, 0, 0, 0xff).length).toBe(34);
    expect(ask(0xbd, 0, 0, 0, 0, 0, 0, 0, 0, 8).length).toBe(8);
    expect([...ask(0xbe, 0, 0, 0, 0, 1, 0, 0, 1, 0x10)]).toEqual([...rig.disc.sector(1)]);
    expect(DISC_SECTORS).toBe(0x12c);
  });

  it('takes MODE SELECT parameters', () => {
    const rig = new IdeRig();
    rig.packet([0x55, 0x10, 0, 0, 0, 0, 0, 0, 16]);
    expect([rig.in(1, 2), rig.in(1, 4), rig.in(1, 7)]).toEqual([0, 16, 0x58]);
    expect(rig.writeBlock(1, new Uint8Array(16))).toBe(16);
    expect(rig.in(1, 7)).toBe(READY);
  });

  it('issues an unfinished read again after a restore', () => {
    const rig = new IdeRig();
    const twin = new IdeRig();
    rig.packet([0x28, 0, 0, 0, 0, 10, 0, 0, 40]);
    twin.ide.restore(structuredClone(rig.ide.save()));
    expect(twin.takeReply()).toEqual(rig.disc.sector(10, 40).slice());
  });
});
