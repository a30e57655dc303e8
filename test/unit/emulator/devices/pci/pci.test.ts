import { describe, expect, it } from 'vitest';

import { PciBus } from '../../../../../src/emulator/devices/pci/pci.ts';
import type { AccessWidth, IoHandler } from '../../../../../src/emulator/interfaces/bus.ts';
import type { InterruptLine } from '../../../../../src/emulator/interfaces/interrupt-line.ts';
import type { PciFunction } from '../../../../../src/emulator/interfaces/pci.ts';
import { FakeBus } from '../../../../support/fake-bus.ts';
import { FakeLine } from '../../../../support/fake-line.ts';
import { FakeLog } from '../../../../support/fake-log.ts';
import { describeDeviceContract } from '../device-contract.ts';

const silent: IoHandler = { read: () => 0x5a, write: () => undefined };

interface Card extends PciFunction {
  line: InterruptLine | undefined;
  commands: unknown[];
}

function card(id: string, overrides: Partial<PciFunction> = {}): Card {
  const made: Card = {
    id, vendorId: 0x1234, deviceId: 0x5678, revision: 9, classCode: 0x010203, subsystemVendorId: 0x1af4, subsystemId: 0x1100,
    interruptPin: 1, bars: [], capabilities: [], line: undefined, commands: [],
    connectInterrupt: (line) => { made.line = line; },
    commandChanged: (command) => { made.commands.push(command); },
    ...overrides,
  };
  return made;
}

function board(resetControl?: IoHandler) {
  const ports = new FakeBus();
  const memory = new FakeBus();
  const pirqs = [0, 1, 2, 3].map((pirq) => new FakeLine(`pirq${pirq}`));
  const log = new FakeLog();
  const bus = new PciBus({
    id: 'pci', ports, memory, pirqs, log, pirqOf: (slot, pin) => (slot + pin - 2) & 3,
    ...(resetControl === undefined ? {} : { resetControl }),
  });
  const select = (slot: number, register: number): void => { bus.configPorts.write(0, 4, 0x8000_0000 + slot * 0x800 + (register & 0xfc)); };
  return {
    bus, ports, memory, pirqs, log,
    read(slot: number, register: number, width: AccessWidth = 4): number {
      select(slot, register);
      return bus.configPorts.read(4 + (register & 3), width);
    },
    write(slot: number, register: number, width: AccessWidth, value: number): void {
      select(slot, register);
      bus.configPorts.write(4 + (register & 3), width, value);
    },
  };
}

describeDeviceContract('PciBus', () => {
  const { bus, ports, memory, pirqs } = board();
  const cards = [
    card('net', { bars: [{ kind: 'io', length: 32, handler: silent }, { kind: 'memory', length: 4096, prefetchable: false, handler: silent }] }),
    card('vga', { bars: [{ kind: 'direct', length: 0x10000, prefetchable: true, memoryOffset: 0 }], expansionRom: { memoryOffset: 0, length: 0x8000 } }),
  ];
  cards.forEach((each, index) => bus.plug(index, 0, each));
  return {
    device: bus,
    ranges: [{ name: 'config', handler: bus.configPorts, length: 8 }],
    observe: () => [pirqs.map((line) => line.high), ports.map, memory.map.sort()],
    stimulate: (random) => {
      bus.configPorts.write(0, 4, 0x8000_0000 + random.below(3) * 0x800 + random.pick([0x00, 0x04, 0x10, 0x14, 0x30, 0x3c]));
      cards[random.below(2)]!.line!.set(random.below(2) === 0);
    },
  };
});

describe('PciBus', () => {
  it('identifies a card and reads all ones where there is none', () => {
    const { bus, read } = board();
    bus.plug(3, 0, card('net'));
    expect(read(3, 0x00)).toBe(0x5678_1234);
    expect(read(3, 0x08)).toBe(0x0102_0309);
    expect(read(3, 0x0a, 2)).toBe(0x0102);
    expect(read(3, 0x0b, 1)).toBe(0x01);
    expect(read(3, 0x2c)).toBe(0x1100_1af4);
    expect(read(3, 0x3d, 1)).toBe(1);
    expect(read(4, 0x00)).toBe(0xffff_ffff);
    expect(read(4, 0x00, 2)).toBe(0xffff);
    bus.configPorts.write(0, 4, 0x8001_1800);
    expect(bus.configPorts.read(4, 4)).toBe(0xffff_ffff);
    bus.configPorts.write(0, 4, 0x0000_1800);
    expect(bus.configPorts.read(4, 4)).toBe(0xffff_ffff);
  });

  it('answers the probe for mechanism 1 and gives the byte at 0xCF9 to the reset control register', () => {
    const written: number[] = [];
    const { bus } = board({ read: () => 0x42, write: (_offset, _width, value) => { written.push(value); } });
    bus.configPorts.write(3, 1, 0x01);
    bus.configPorts.write(0, 4, 0x8000_0000);
    expect(bus.configPorts.read(0, 4)).toBe(0x8000_0000);
    bus.configPorts.write(1, 1, 0x06);
    expect(written).toEqual([0x06]);
    expect(bus.configPorts.read(1, 1)).toBe(0x42);
    expect(bus.configPorts.read(0, 4)).toBe(0x8000_0000);
  });

  it('sizes base address registers and maps them only while decoding is on', () => {
    const { bus, ports, memory, read, write } = board();
    bus.plug(3, 0, card('net', {
      bars: [{ kind: 'io', length: 32, handler: silent }, { kind: 'memory', length: 0x1000, prefetchable: true, handler: silent }, undefined],
    }));
    write(3, 0x10, 4, 0xffff_ffff);
    write(3, 0x14, 4, 0xffff_ffff);
    write(3, 0x18, 4, 0xffff_ffff);
    expect(read(3, 0x10)).toBe(0xffff_ffe1);
    expect(read(3, 0x14)).toBe(0xffff_f008);
    expect(read(3, 0x18)).toBe(0);
    write(3, 0x10, 4, 0xc000);
    write(3, 0x14, 4, 0xfeb0_0000);
    expect([...ports.map, ...memory.map]).toEqual([]);
    write(3, 0x04, 2, 0x0001);
    expect([...ports.map, ...memory.map]).toEqual(['net.bar0@c000']);
    write(3, 0x04, 2, 0x0003);
    expect(memory.map).toEqual(['net.bar1@feb00000']);
    expect(memory.read(0xfeb0_0010, 1)).toBe(0x5a);
    write(3, 0x14, 4, 0xfec0_0000);
    write(3, 0x10, 2, 0xd000);
    expect([...ports.map, ...memory.map]).toEqual(['net.bar0@d000', 'net.bar1@fec00000']);
    write(3, 0x14, 4, 0xffff_ffff);
    expect(memory.map).toEqual([]);
    write(3, 0x14, 4, 0xfec0_0000);
    bus.reset('soft');
    expect([...ports.map, ...memory.map]).toEqual([]);
  });

  it('leaves the second of two cards at one address off until the place is free', () => {
    const { bus, ports, log, write } = board();
    for (const [slot, id] of [[3, 'a'], [4, 'b']] as const) {
      bus.plug(slot, 0, card(id, { bars: [{ kind: 'io', length: 32, handler: silent }] }));
      write(slot, 0x10, 4, 0xc000);
      write(slot, 0x04, 2, 1);
    }
    expect(ports.map).toEqual(['a.bar0@c000']);
    expect(log.lines[0]?.topic).toBe('pci-overlap');
    write(3, 0x10, 4, 0xe000);
    expect(ports.map.sort()).toEqual(['a.bar0@e000', 'b.bar0@c000']);
  });

  it('decodes fixed ports of a compatibility mode function whatever its register says', () => {
    const { bus, ports, read, write } = board();
    bus.plug(1, 0, card('ide', { bars: [{ kind: 'io', length: 8, handler: silent, fixedBase: 0x1f0 }] }));
    write(1, 0x10, 4, 0xffff_ffff);
    expect(read(1, 0x10)).toBe(1);
    write(1, 0x04, 2, 1);
    expect(ports.map).toEqual(['ide.bar0@1f0']);
  });

  it('shows an expansion ROM when its register and memory decoding are on', () => {
    const { bus, memory, read, write } = board();
    bus.plug(2, 0, card('vga', { expansionRom: { memoryOffset: 0x4000, length: 0x10000 } }));
    write(2, 0x30, 4, 0xffff_fffe);
    expect(read(2, 0x30)).toBe(0xffff_0000);
    write(2, 0x30, 4, 0xfea0_0001);
    expect(memory.map).toEqual([]);
    write(2, 0x04, 2, 2);
    expect(memory.map).toEqual(['vga.rom@fea00000']);
    write(2, 0x30, 4, 0xfea0_0000);
    expect(memory.map).toEqual([]);
  });

  it('shows what the board put into a card\'s socket', () => {
    const { bus, memory, read, write } = board();
    bus.plug(2, 0, card('network0'), { memoryOffset: 0x4000, length: 0x20000 });
    write(2, 0x30, 4, 0xffff_fffe);
    expect(read(2, 0x30)).toBe(0xfffe_0000);
    write(2, 0x30, 4, 0xfea0_0001);
    write(2, 0x04, 2, 2);
    expect(memory.map).toEqual(['network0.rom@fea00000']);
  });

  it('links capabilities and lets the guest write only what they allow', () => {
    const { bus, read, write } = board();
    const seen: number[] = [];
    bus.plug(2, 0, card('virtio', {
      capabilities: [
        { bytes: Uint8Array.of(0x09, 0xee, 0x10, 1, 0, 0) },
        { bytes: Uint8Array.of(0x09, 0, 0x08, 5, 7, 7, 0, 0), writable: Uint8Array.of(0, 0xff, 0, 0, 0xff, 0, 0, 0), written: (_bytes, offset) => { seen.push(offset); } },
      ],
    }));
    expect(read(2, 0x06, 2) & 0x10).toBe(0x10);
    expect(read(2, 0x34, 1)).toBe(0x40);
    expect(read(2, 0x40)).toBe(0x0110_4809);
    expect(read(2, 0x48)).toBe(0x0508_0009);
    write(2, 0x48, 4, 0xffff_ffff);
    write(2, 0x4c, 2, 0xaaaa);
    expect(read(2, 0x48)).toBe(0x0508_0009);
    expect(read(2, 0x4c)).toBe(0x0000_07aa);
    expect(seen).toEqual([0, 4]);
  });

  it('ors the INTx pins that share a PIRQ, shows them in the status register and obeys interrupt disable', () => {
    const { bus, pirqs, read, write } = board();
    const a = card('a');
    const b = card('b', { interruptPin: 2 });
    bus.plug(3, 0, a);
    bus.plug(2, 0, b);
    a.line!.set(true);
    b.line!.set(true);
    expect(pirqs.map((line) => line.high)).toEqual([false, false, true, false]);
    expect(read(3, 0x06, 2) & 8).toBe(8);
    a.line!.set(false);
    expect(pirqs[2]!.high).toBe(true);
    write(2, 0x04, 2, 0x0400);
    expect(pirqs[2]!.high).toBe(false);
    expect(read(2, 0x06, 2) & 8).toBe(8);
    write(2, 0x04, 2, 0);
    expect(pirqs[2]!.high).toBe(true);
  });

  it('tells a card its command register, also after a restore', () => {
    const first = board();
    const original = card('net', { bars: [{ kind: 'io', length: 32, handler: silent }] });
    first.bus.plug(3, 0, original);
    first.write(3, 0x10, 4, 0xc000);
    first.write(3, 0x04, 2, 0x0405);
    const command = { io: true, memory: false, busMaster: true, interruptDisable: true };
    expect(original.commands).toEqual([command]);
    const second = board();
    const twin = card('net', { bars: [{ kind: 'io', length: 32, handler: silent }] });
    second.bus.plug(3, 0, twin);
    second.bus.restore(first.bus.save());
    expect(twin.commands).toEqual([command]);
    expect(second.ports.map).toEqual(['net.bar0@c000']);
  });

  it('refuses cards that no slot or header can hold', () => {
    const { bus } = board();
    bus.plug(3, 0, card('a'));
    expect(() => bus.plug(3, 0, card('b'))).toThrow('both sit in slot 3.0');
    expect(() => bus.plug(4, 0, card('a'))).toThrow('two cards are called a');
    expect(() => bus.plug(5, 0, card('c', { bars: [{ kind: 'io', length: 24, handler: silent }] }))).toThrow('24 bytes');
  });
});
