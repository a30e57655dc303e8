import { describe, expect, it } from 'vitest';

import { Pic8259 } from '../../../../src/emulator/devices/pic.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

function single(): { pic: Pic8259; int: FakeLine } {
  const int = new FakeLine();
  const pic = new Pic8259({ id: 'pic', output: int, levelTriggerable: 0xf8 });
  pic.reset('power-on');
  for (const [port, value] of [[0, 0x11], [1, 0x20], [1, 0x04], [1, 0x01]] as const) pic.ports.write(port, 1, value);
  return { pic, int };
}

function pair(): { master: Pic8259; slave: Pic8259 } {
  const chips: { slave?: Pic8259 } = {};
  const master = new Pic8259({ id: 'pic0', levelTriggerable: 0xf8, slaveAt: (input) => (input === 2 ? chips.slave : undefined) });
  const slave = new Pic8259({ id: 'pic1', levelTriggerable: 0xde, output: master.inputs[2]! });
  chips.slave = slave;
  for (const [pic, base, wiring] of [[master, 0x08, 0x04], [slave, 0x70, 0x02]] as const) {
    pic.reset('power-on');
    for (const [port, value] of [[0, 0x11], [1, base], [1, wiring], [1, 0x01]] as const) pic.ports.write(port, 1, value);
  }
  return { master, slave };
}

function pulse(pic: Pic8259, input: number): void {
  pic.inputs[input]!.set(true);
  pic.inputs[input]!.set(false);
}

describeDeviceContract('Pic8259', () => {
  const int = new FakeLine();
  const pic = new Pic8259({ id: 'pic', output: int, levelTriggerable: 0xf8 });
  return {
    device: pic,
    ranges: [{ name: 'ports', handler: pic.ports, length: 2 }, { name: 'elcr', handler: pic.elcr, length: 1 }],
    observe: () => [int.high, pic.pending],
    stimulate: (random) => {
      if (random.below(3) === 0) return pic.acknowledge();
      pic.inputs[random.below(8)]!.set(random.below(2) === 0);
      return undefined;
    },
  };
}, { manyTwins: true });

describe('Pic8259', () => {
  it('gives the vector of the highest priority first', () => {
    const { pic, int } = single();
    pulse(pic, 4);
    pulse(pic, 1);
    expect(int.high).toBe(true);
    expect(pic.acknowledge()).toBe(0x21);
    expect(int.high).toBe(false);
    pic.ports.write(0, 1, 0x20);
    expect(int.high).toBe(true);
    expect(pic.acknowledge()).toBe(0x24);
  });

  it('lets a higher request in while a lower one is in service, not the other way round', () => {
    const { pic } = single();
    pulse(pic, 3);
    pic.acknowledge();
    pulse(pic, 5);
    expect(pic.pending).toBe(false);
    pulse(pic, 0);
    expect(pic.acknowledge()).toBe(0x20);
  });

  it('answers an acknowledge cycle without a request with the spurious IR7 and nothing in service', () => {
    const { pic } = single();
    expect(pic.acknowledge()).toBe(0x27);
    pic.ports.write(0, 1, 0x0b);
    expect(pic.ports.read(0, 1)).toBe(0);
  });

  it('takes a level-triggered request back when its line falls, and repeats it while the line stays high', () => {
    const { pic } = single();
    pic.elcr.write(0, 1, 0xff);
    expect(pic.elcr.read(0, 1)).toBe(0xf8);
    pic.inputs[5]!.set(true);
    expect(pic.acknowledge()).toBe(0x25);
    pic.ports.write(0, 1, 0x20);
    expect(pic.pending).toBe(true);
    pic.inputs[5]!.set(false);
    expect(pic.pending).toBe(false);
  });

  it('holds a masked edge until the mask opens', () => {
    const { pic } = single();
    pic.ports.write(1, 1, 0xff);
    pulse(pic, 6);
    expect(pic.pending).toBe(false);
    expect(pic.ports.read(0, 1)).toBe(0x40);
    pic.ports.write(1, 1, 0xbf);
    expect(pic.acknowledge()).toBe(0x26);
  });

  it('passes the acknowledge cycle to the slave and keeps its own cascade input in service', () => {
    const { master, slave } = pair();
    pulse(slave, 4);
    pulse(slave, 6);
    expect(master.acknowledge()).toBe(0x74);
    master.ports.write(0, 1, 0x0b);
    expect(master.ports.read(0, 1)).toBe(0x04);
    slave.ports.write(0, 1, 0x20);
    master.ports.write(0, 1, 0x20);
    expect(master.acknowledge()).toBe(0x76);
  });

  it.each([[0x01, false], [0x11, true]])('with ICW4 %i lets the slave interrupt its own service: %s', (icw4, nested) => {
    const { master, slave } = pair();
    for (const [port, value] of [[0, 0x11], [1, 0x08], [1, 0x04], [1, icw4]] as const) master.ports.write(port, 1, value);
    pulse(slave, 4);
    master.acknowledge();
    pulse(slave, 0);
    expect(master.pending).toBe(nested);
    if (nested) expect(master.acknowledge()).toBe(0x70);
  });

  it('with automatic EOI leaves nothing in service and rotates if told to', () => {
    const { pic } = single();
    for (const [port, value] of [[0, 0x11], [1, 0x20], [1, 0x04], [1, 0x03], [0, 0x80]] as const) pic.ports.write(port, 1, value);
    pulse(pic, 2);
    pic.acknowledge();
    pulse(pic, 1);
    pulse(pic, 3);
    expect(pic.acknowledge()).toBe(0x23);
    expect(pic.acknowledge()).toBe(0x21);
  });

  it('rotates on a non-specific EOI and sets priorities', () => {
    const { pic } = single();
    pulse(pic, 3);
    pic.acknowledge();
    pic.ports.write(0, 1, 0xa0);
    pulse(pic, 3);
    pulse(pic, 7);
    expect(pic.acknowledge()).toBe(0x27);
    pic.ports.write(0, 1, 0xc0 | 6);
    expect(pic.pending).toBe(false);
    pic.ports.write(0, 1, 0x60 | 7);
    expect(pic.acknowledge()).toBe(0x23);
  });

  it('in special mask mode lets lower requests in past a masked one in service', () => {
    const { pic } = single();
    pulse(pic, 2);
    pic.acknowledge();
    pulse(pic, 5);
    pic.ports.write(1, 1, 0x04);
    expect(pic.pending).toBe(false);
    pic.ports.write(0, 1, 0x68);
    expect(pic.acknowledge()).toBe(0x25);
    pic.ports.write(0, 1, 0x20);
    pic.ports.write(0, 1, 0x48);
    pic.ports.write(0, 1, 0x0b);
    expect(pic.ports.read(0, 1)).toBe(0x04);
  });

  it('acknowledges by a poll', () => {
    const { pic } = single();
    pulse(pic, 4);
    pic.ports.write(0, 1, 0x0c);
    expect(pic.ports.read(0, 1)).toBe(0x84);
    expect(pic.pending).toBe(false);
    pic.ports.write(0, 1, 0x20);
    pic.ports.write(0, 1, 0x0c);
    expect(pic.ports.read(0, 1) & 0x80).toBe(0);
  });

  it('restores in any order of the two chips', () => {
    const { master, slave } = pair();
    pulse(slave, 1);
    const saved = { master: master.save(), slave: slave.save() };
    for (const order of ['master', 'slave'] as const) {
      const twin = pair();
      if (order === 'master') { twin.master.restore(saved.master); twin.slave.restore(saved.slave); }
      else { twin.slave.restore(saved.slave); twin.master.restore(saved.master); }
      expect(twin.master.save()).toEqual(saved.master);
      expect(twin.master.acknowledge()).toBe(0x71);
    }
  });
});
