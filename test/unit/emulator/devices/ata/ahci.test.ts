import { describe, expect, it } from 'vitest';

import { describeDeviceContract } from '../device-contract.ts';
import { AhciRig, DISC_PORT, DISK_PORT, EMPTY_PORT, PORT } from './ahci-rig.ts';
import { DISK_SECTORS, identifyText, identifyWord } from './ide-rig.ts';

const DONE = 0x50;
const BUFFER = 0x1_0000;

describeDeviceContract('Ich9Ahci', () => {
  // A read-only disk and no RAM: what the controller does depends on nothing but its own state then.
  const rig = new AhciRig({ ramBytes: 0, readOnly: true });
  return {
    device: rig.ahci,
    ranges: [{ name: 'registers', handler: rig.registers, length: 0x400, offsets: [0x04, 0x08, ...[0, 1, 2].flatMap((port) => Object.values(PORT).map((at) => 0x100 + port * 0x80 + at))] }],
    observe: () => rig.line.high,
    stimulate: (random) => {
      if (random.below(2) === 0) rig.start(random.below(3));
      rig.disk.completeWaiting();
      rig.disc.completeWaiting();
    },
  };
});

describe('Ich9Ahci', () => {
  it('identifies itself and its ports', () => {
    const rig = new AhciRig();
    expect([rig.ahci.vendorId, rig.ahci.deviceId, rig.ahci.classCode]).toEqual([0x8086, 0x2922, 0x010601]);
    expect(rig.get(0x00)).toBe(0xc124_1f05);
    expect([rig.get(0x04), rig.get(0x0c)]).toEqual([0x8000_0000, 0x3f]);
    expect([0, 1, 2].map((port) => rig.port(port, PORT.ssts))).toEqual([0x123, 0x123, 0]);
    expect([0, 1, 2].map((port) => rig.port(port, PORT.sig))).toEqual([0x101, 0xeb14_0101, 0xffff_ffff]);
    expect([0, 2].map((port) => rig.port(port, PORT.tfd))).toEqual([0x150, 0x7f]);
  });

  it('sends the device\'s signature when the port begins to take FISes, and again after a reset of the link', () => {
    const rig = new AhciRig();
    rig.start(DISC_PORT);
    expect([...rig.received(DISC_PORT, 0x40, 7)]).toEqual([0x34, 0x40, 0, 1, 1, 0x14, 0xeb]);
    rig.memory.ram.fill(0, 0x11_0400, 0x11_0500);
    rig.setPort(DISC_PORT, PORT.sctl, 0x301);
    expect([rig.port(DISC_PORT, PORT.ssts), rig.port(DISC_PORT, PORT.sig)]).toEqual([0, 0xffff_ffff]);
    rig.setPort(DISC_PORT, PORT.sctl, 0x300);
    expect([rig.port(DISC_PORT, PORT.ssts), rig.port(DISC_PORT, PORT.sig)]).toEqual([0x123, 0xeb14_0101]);
    expect([...rig.received(DISC_PORT, 0x40, 7)]).toEqual([0x34, 0x40, 0, 1, 1, 0x14, 0xeb]);
  });

  it('identifies a disk with a queue by PIO, telling of the end by PIO setup alone', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.run(DISK_PORT, { opcode: 0xec, regions: [[BUFFER, 0x80], [BUFFER + 0x1000, 0x200]] });
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.is), rig.port(DISK_PORT, PORT.tfd), rig.moved(DISK_PORT)]).toEqual([0, 2, DONE, 512]);
    expect(rig.line.high).toBe(true);
    const data = Uint8Array.from([...rig.memory.ram.slice(BUFFER, BUFFER + 0x80), ...rig.memory.ram.slice(BUFFER + 0x1000, BUFFER + 0x1180)]);
    expect([identifyText(data, 10, 10), identifyWord(data, 60), identifyWord(data, 75), identifyWord(data, 76) & 0x100, identifyWord(data, 93)]).toEqual(['GH-DISK-7', DISK_SECTORS, 31, 0x100, 0]);
    const fis = rig.received(DISK_PORT, 0x20, 20);
    expect([fis[0], fis[1], fis[2], fis[15], fis[16]! | (fis[17]! << 8)]).toEqual([0x5f, 0x60, 0x58, DONE, 512]);
  });

  it('interrupts while a port has something to tell that is enabled there and for all', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.registers.write(0x04, 4, 0);
    rig.run(DISK_PORT, { opcode: 0xe7 });
    expect([rig.line.high, rig.get(0x08)]).toEqual([false, 1]);
    rig.registers.write(0x04, 4, 2);
    expect(rig.line.high).toBe(true);
    rig.registers.write(0x08, 4, 1);
    expect(rig.get(0x08), 'the port still has something to tell').toBe(1);
    rig.setPort(DISK_PORT, PORT.is, 1);
    rig.registers.write(0x08, 1, 1);
    expect([rig.line.high, rig.get(0x08)]).toEqual([false, 0]);
  });

  it('reads and writes by DMA through several regions', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.run(DISK_PORT, { opcode: 0x25, sector: 77, count: 16, regions: [[BUFFER, 0x202], [BUFFER + 0x3000, 0x1dfe], [BUFFER + 0x8000, 0x400]] });
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.is), rig.port(DISK_PORT, PORT.tfd), rig.moved(DISK_PORT)]).toEqual([0, 1, DONE, 0x2000]);
    const got = [...rig.memory.ram.slice(BUFFER, BUFFER + 0x202), ...rig.memory.ram.slice(BUFFER + 0x3000, BUFFER + 0x4dfe)];
    expect(Uint8Array.from(got)).toEqual(rig.disk.sector(77, 16).slice());
    rig.memory.ram.fill(0xa5, BUFFER, BUFFER + 0x1000);
    rig.run(DISK_PORT, { opcode: 0x35, sector: 2000, count: 8, regions: [[BUFFER, 0x1000]] }, 7);
    expect(rig.disk.sector(2000, 8).every((byte) => byte === 0xa5)).toBe(true);
    expect(rig.memory.openPins).toBe(0);
  });

  it('writes and reads by PIO, more than a buffer of the drive holds', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    const data = Uint8Array.from({ length: 300 * 512 }, (_, index) => (index * 31 + (index >> 9)) & 0xff);
    rig.memory.ram.set(data, BUFFER);
    rig.run(DISK_PORT, { opcode: 0x34, sector: 1000, count: 300, regions: [[BUFFER, data.length]] });
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.tfd), rig.port(DISK_PORT, PORT.is)]).toEqual([0, DONE, 1]);
    expect(rig.disk.sector(1000, 300).slice()).toEqual(data);
    rig.memory.ram.fill(0, BUFFER, BUFFER + data.length);
    rig.run(DISK_PORT, { opcode: 0x24, sector: 1000, count: 300, regions: [[BUFFER, data.length]] });
    expect(rig.memory.ram.slice(BUFFER, BUFFER + data.length)).toEqual(data);
  });

  it('works on issued commands one after the other, lowest slot first', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    for (const slot of [3, 1, 2]) rig.prepare(DISK_PORT, slot, { opcode: 0x25, sector: slot * 10, count: 1, regions: [[BUFFER + slot * 0x200, 0x200]] });
    rig.setPort(DISK_PORT, PORT.ci, 0x0e);
    expect([rig.port(DISK_PORT, PORT.tfd) & 0x80, (rig.port(DISK_PORT, PORT.cmd) >> 8) & 31, rig.disk.waiting]).toEqual([0x80, 1, 1]);
    rig.disk.completeWaiting();
    expect(rig.port(DISK_PORT, PORT.ci)).toBe(0x0c);
    rig.settle();
    for (const slot of [1, 2, 3]) expect(rig.memory.ram.slice(BUFFER + slot * 0x200, BUFFER + (slot + 1) * 0x200)).toEqual(rig.disk.sector(slot * 10).slice());
  });

  it('stops at a failed command until the port is started anew', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepare(DISK_PORT, 1, { opcode: 0xe7 });
    rig.prepare(DISK_PORT, 0, { opcode: 0x25, sector: DISK_SECTORS, count: 1, regions: [[BUFFER, 0x200]] });
    rig.setPort(DISK_PORT, PORT.ci, 3);
    rig.settle();
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.is) >>> 0, rig.port(DISK_PORT, PORT.tfd)]).toEqual([2, 0x4000_0001, 0x1051]);
    rig.setPort(DISK_PORT, PORT.cmd, 0x16);
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.cmd) & 0x8000]).toEqual([0, 0]);
    rig.setPort(DISK_PORT, PORT.cmd, 0x17);
    rig.run(DISK_PORT, { opcode: 0xe7 });
    expect(rig.port(DISK_PORT, PORT.tfd)).toBe(DONE);
  });

  it('refuses a transfer whose regions are too few or outside RAM, and takes a table of garbage', () => {
    const rig = new AhciRig();
    for (const regions of [[[BUFFER, 0x200]], [[0xf000_0000, 0x1000]], []] as [number, number][][]) {
      rig.start(DISK_PORT);
      rig.run(DISK_PORT, { opcode: 0x25, sector: 1, count: 8, regions });
      expect([rig.port(DISK_PORT, PORT.tfd), rig.port(DISK_PORT, PORT.is) & 0x0100_0000]).toEqual([0x0451, 0x0100_0000]);
      rig.setPort(DISK_PORT, PORT.cmd, 0x16);
    }
    rig.start(DISK_PORT);
    rig.fill(DISK_PORT, 0, [0x99, 0x80, 0x25]);
    rig.setPort(DISK_PORT, PORT.ci, 1);
    expect(rig.port(DISK_PORT, PORT.is) & 0x0800_0000, 'no FIS that a host sends').toBe(0x0800_0000);
    rig.setPort(DISK_PORT, PORT.cmd, 0x16);
    rig.start(DISK_PORT);
    rig.run(DISK_PORT, { opcode: 0x30, sector: 1, count: 8, regions: [[BUFFER, 0x200]] });
    expect(rig.port(DISK_PORT, PORT.is) & 0x0800_0000, 'a write whose data is not described').toBe(0x0800_0000);
    expect(rig.memory.openPins).toBe(0);
  });

  it('resets the device by FISes without a command', () => {
    const rig = new AhciRig();
    rig.start(DISC_PORT);
    rig.fill(DISC_PORT, 0, [0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x04]);
    rig.setPort(DISC_PORT, PORT.ci, 1);
    expect([rig.port(DISC_PORT, PORT.ci), rig.port(DISC_PORT, PORT.tfd) & 0x80]).toEqual([0, 0x80]);
    rig.fill(DISC_PORT, 1, [0x27, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00]);
    rig.setPort(DISC_PORT, PORT.ci, 2);
    expect([rig.port(DISC_PORT, PORT.ci), rig.port(DISC_PORT, PORT.tfd) & 0x80, rig.port(DISC_PORT, PORT.sig)]).toEqual([0, 0, 0xeb14_0101]);
  });

  it('forgets what a stopped port had under way', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepare(DISK_PORT, 0, { opcode: 0x25, sector: 5, count: 8, regions: [[BUFFER, 0x1000]] });
    rig.setPort(DISK_PORT, PORT.ci, 1);
    rig.setPort(DISK_PORT, PORT.cmd, 0x16);
    rig.setPort(DISK_PORT, PORT.is, 0xffff_ffff);
    rig.setPort(DISK_PORT, PORT.cmd, 0x1f & ~1);
    rig.setPort(DISK_PORT, PORT.cmd, 0x17);
    rig.settle();
    expect([rig.port(DISK_PORT, PORT.is), rig.port(DISK_PORT, PORT.ci), rig.memory.openPins]).toEqual([0, 0, 0]);
    rig.run(DISK_PORT, { opcode: 0xe7 });
    expect(rig.port(DISK_PORT, PORT.tfd)).toBe(DONE);
  });

  it('does nothing with commands of an empty port', () => {
    const rig = new AhciRig();
    rig.start(EMPTY_PORT);
    rig.run(EMPTY_PORT, { opcode: 0xec, regions: [[BUFFER, 512]] });
    expect([rig.port(EMPTY_PORT, PORT.ci), rig.port(EMPTY_PORT, PORT.is)]).toEqual([1, 0]);
  });
});

describe('a queue of commands', () => {
  it('has many reads and writes under way and tells of each end', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.memory.ram.fill(0x5a, BUFFER + 0x20000, BUFFER + 0x20000 + 0x1000);
    for (let slot = 0; slot < 31; slot++) rig.prepareQueued(slot, 'read', slot * 16, 8, BUFFER + slot * 0x1000);
    rig.prepareQueued(31, 'write', 3000, 8, BUFFER + 0x20000);
    rig.issueQueued(0xffff_ffff);
    expect([rig.port(DISK_PORT, PORT.ci), rig.port(DISK_PORT, PORT.sact), rig.disk.waiting]).toEqual([0, 0xffff_ffff, 32]);
    rig.settle();
    expect([rig.port(DISK_PORT, PORT.sact), rig.port(DISK_PORT, PORT.is), rig.port(DISK_PORT, PORT.tfd)]).toEqual([0, 8, DONE]);
    for (let slot = 0; slot < 31; slot++) expect(rig.memory.ram.slice(BUFFER + slot * 0x1000, BUFFER + (slot + 1) * 0x1000)).toEqual(rig.disk.sector(slot * 16, 8).slice());
    expect(rig.disk.sector(3000, 8).every((byte) => byte === 0x5a)).toBe(true);
    expect([...rig.received(DISK_PORT, 0x58, 8)]).toEqual([0xa1, 0x40, 0x50, 0, 0, 0, 0, 0x80]);
    expect(rig.memory.openPins).toBe(0);
  });

  it('puts forced writes on stable storage before they end', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepareQueued(4, 'write', 10, 1, BUFFER, 0xc0);
    rig.issueQueued(1 << 4);
    rig.disk.completeWaiting();
    expect(rig.port(DISK_PORT, PORT.sact)).toBe(1 << 4);
    rig.settle();
    expect(rig.disk.requests.map(({ kind }) => kind)).toEqual(['write', 'flush']);
    expect(rig.port(DISK_PORT, PORT.sact)).toBe(0);
  });

  it('ends all when one fails, and its log says which', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepareQueued(2, 'read', 0, 8, BUFFER);
    rig.prepareQueued(9, 'read', DISK_SECTORS - 1, 2, BUFFER + 0x1000);
    rig.issueQueued((1 << 2) | (1 << 9));
    rig.settle();
    expect([rig.port(DISK_PORT, PORT.sact), rig.port(DISK_PORT, PORT.is), rig.port(DISK_PORT, PORT.tfd)]).toEqual([(1 << 2) | (1 << 9), 0x4000_0008, 0x1051]);
    rig.setPort(DISK_PORT, PORT.cmd, 0x16);
    rig.start(DISK_PORT);
    rig.run(DISK_PORT, { opcode: 0x2f, sector: 0x10, count: 1, regions: [[BUFFER, 512]] });
    const log = rig.memory.ram.slice(BUFFER, BUFFER + 512);
    expect([...log.subarray(0, 6)]).toEqual([9, 0, 0x51, 0x10, (DISK_SECTORS - 1) & 0xff, (DISK_SECTORS - 1) >> 8]);
    expect(log.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    rig.run(DISK_PORT, { opcode: 0x2f, sector: 0x10, count: 1, regions: [[BUFFER, 512]] });
    expect(rig.memory.read8(BUFFER)).toBe(0x80);
    expect(rig.memory.openPins).toBe(0);
  });

  it('lets other commands wait until it is empty', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepareQueued(0, 'read', 0, 8, BUFFER);
    rig.prepare(DISK_PORT, 1, { opcode: 0xea });
    rig.setPort(DISK_PORT, PORT.sact, 1);
    rig.setPort(DISK_PORT, PORT.ci, 3);
    expect(rig.disk.requests.map(({ kind }) => kind)).toEqual(['read']);
    rig.settle();
    expect([rig.port(DISK_PORT, PORT.ci), rig.disk.requests.map(({ kind }) => kind)]).toEqual([0, ['read', 'flush']]);
  });

  it('goes on in a machine that was saved with commands under way', () => {
    const rig = new AhciRig();
    rig.start(DISK_PORT);
    rig.prepareQueued(5, 'read', 100, 8, BUFFER);
    rig.prepareQueued(6, 'write', 200, 8, BUFFER + 0x1000);
    rig.issueQueued(0x60);
    const twin = new AhciRig();
    twin.memory.ram.set(rig.memory.ram);
    twin.memory.ram.fill(0x77, BUFFER + 0x1000, BUFFER + 0x2000);
    twin.ahci.restore(structuredClone(rig.ahci.save()));
    expect([twin.port(DISK_PORT, PORT.sact), twin.disk.waiting]).toEqual([0x60, 2]);
    twin.settle();
    expect([twin.port(DISK_PORT, PORT.sact), twin.line.high]).toEqual([0, true]);
    expect(twin.memory.ram.slice(BUFFER, BUFFER + 0x1000)).toEqual(twin.disk.sector(100, 8).slice());
    expect(twin.disk.sector(200, 8).every((byte) => byte === 0x77)).toBe(true);
  });
});

describe('a CD drive on a port', () => {
  it('identifies itself and answers packets by PIO', () => {
    const rig = new AhciRig();
    rig.start(DISC_PORT);
    rig.run(DISC_PORT, { opcode: 0xa1, regions: [[BUFFER, 512]] });
    expect([identifyWord(rig.memory.ram.slice(BUFFER, BUFFER + 512), 0), identifyWord(rig.memory.ram.slice(BUFFER, BUFFER + 512), 76)]).toEqual([0x85c0, 0x0006]);
    rig.run(DISC_PORT, { opcode: 0xa0, lbaMid: 0xfe, packet: [0x12, 0, 0, 0, 36], regions: [[BUFFER, 36]] });
    expect([rig.memory.read8(BUFFER), rig.port(DISC_PORT, PORT.tfd), rig.moved(DISC_PORT), rig.port(DISC_PORT, PORT.ci)]).toEqual([5, DONE, 36, 0]);
  });

  it('reads sectors by DMA and, in blocks, by PIO', () => {
    const rig = new AhciRig();
    rig.start(DISC_PORT);
    rig.run(DISC_PORT, { opcode: 0xa0, feature: 1, packet: [0x28, 0, 0, 0, 0, 7, 0, 0, 3], regions: [[BUFFER, 6144]] });
    expect(rig.memory.ram.slice(BUFFER, BUFFER + 6144)).toEqual(rig.disc.sector(7, 3).slice());
    rig.run(DISC_PORT, { opcode: 0xa0, lbaMid: 0, sector: 0x08_0000, packet: [0x28, 0, 0, 0, 0, 9, 0, 0, 50], regions: [[BUFFER, 102_400]] });
    expect(rig.memory.ram.slice(BUFFER, BUFFER + 102_400)).toEqual(rig.disc.sector(9, 50).slice());
    expect(rig.port(DISC_PORT, PORT.is) & 0x4000_0000).toBe(0);
  });

  it('reports a refusal as an error of the task file', () => {
    const rig = new AhciRig();
    rig.start(DISC_PORT);
    rig.run(DISC_PORT, { opcode: 0xa0, packet: [0xff] });
    expect([rig.port(DISC_PORT, PORT.tfd), rig.port(DISC_PORT, PORT.is)]).toEqual([0x5451, 0x4000_0001]);
    rig.setPort(DISC_PORT, PORT.cmd, 0x16);
    rig.start(DISC_PORT);
    rig.run(DISC_PORT, { opcode: 0xa0, lbaMid: 0xfe, packet: [0x03, 0, 0, 0, 18], regions: [[BUFFER, 18]] });
    expect([rig.memory.read8(BUFFER + 2), rig.memory.read8(BUFFER + 12)]).toEqual([5, 0x20]);
  });
});
