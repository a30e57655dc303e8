import { describe, expect, it } from 'vitest';

import type { ApicMessage } from '../../../../src/emulator/devices/apic-message.ts';
import { IoApic82093AA } from '../../../../src/emulator/devices/ioapic.ts';
import { describeDeviceContract } from './device-contract.ts';

function rig(version = 0x11): { ioapic: IoApic82093AA; sent: ApicMessage[]; get: (register: number) => number; put: (register: number, value: number) => void } {
  const sent: ApicMessage[] = [];
  const ioapic = new IoApic82093AA({ id: 'ioapic', version, deliver: (message) => { sent.push(message); } });
  ioapic.reset('power-on');
  return {
    ioapic,
    sent,
    get: (register) => {
      ioapic.registers.write(0, 4, register);
      return ioapic.registers.read(0x10, 4);
    },
    put: (register, value) => {
      ioapic.registers.write(0, 4, register);
      ioapic.registers.write(0x10, 4, value);
    },
  };
}

describeDeviceContract('IoApic82093AA', () => {
  const { ioapic, sent } = rig(0x20);
  return {
    device: ioapic,
    ranges: [{ name: 'registers', handler: ioapic.registers, length: 0x1000, offsets: [0, 0, 0x10, 0x40] }],
    observe: () => sent.splice(0),
    stimulate: (random) => {
      // Select a register that exists; then unmask it in half of the cases.
      ioapic.registers.write(0, 4, random.below(0x40));
      if (random.below(2) === 0) ioapic.registers.write(0x10, 4, random.next32() & 0xf8ff);
      if (random.below(3) === 0) ioapic.endOfInterrupt(random.below(256));
      ioapic.inputs[random.below(24)]!.set(random.below(2) === 0);
    },
  };
}, { manyTwins: true });

describe('IoApic82093AA', () => {
  it('has 24 masked pins and tells its version and id', () => {
    const { get, put } = rig();
    expect(get(1)).toBe(0x00170011);
    expect(get(0x10)).toBe(0x10000);
    expect(get(0x3f)).toBe(0);
    put(0, 0x0f000000);
    expect(get(0)).toBe(0x0f000000);
  });

  it('delivers an edge once, and loses it at a masked pin', () => {
    const { ioapic, put, sent } = rig();
    ioapic.inputs[4]!.set(true);
    ioapic.inputs[4]!.set(false);
    put(0x19, 0x03000000);
    put(0x18, 0x00000931);
    expect(sent).toEqual([]);
    ioapic.inputs[4]!.set(true);
    expect(sent).toEqual([{ vector: 0x31, deliveryMode: 'lowest-priority', destination: 3, logical: true, trigger: 'edge' }]);
  });

  it('holds a level until its EOI and then gives it again while it is asserted', () => {
    const { ioapic, put, get, sent } = rig();
    put(0x22, 0x8040);
    ioapic.inputs[9]!.set(true);
    expect(get(0x22)).toBe(0xc040);
    ioapic.inputs[9]!.set(false);
    ioapic.inputs[9]!.set(true);
    expect(sent).toHaveLength(1);
    ioapic.endOfInterrupt(0x41);
    expect(sent).toHaveLength(1);
    ioapic.endOfInterrupt(0x40);
    expect(sent).toHaveLength(2);
    ioapic.inputs[9]!.set(false);
    ioapic.endOfInterrupt(0x40);
    expect(sent).toHaveLength(2);
    expect(get(0x22)).toBe(0x8040);
  });

  it('delivers a level that was asserted while masked, and forgets remote IRR when set to edge', () => {
    const { ioapic, put, get, sent } = rig();
    put(0x22, 0x18040);
    ioapic.inputs[9]!.set(true);
    expect(sent).toHaveLength(0);
    put(0x22, 0x8040);
    expect(sent).toHaveLength(1);
    put(0x22, 0x10040);
    put(0x22, 0x18040);
    expect(get(0x22)).toBe(0x18040);
  });

  it('has an EOI register from version 0x20', () => {
    const { ioapic, put, get } = rig(0x20);
    put(0x22, 0x8040);
    ioapic.inputs[9]!.set(true);
    ioapic.inputs[9]!.set(false);
    ioapic.registers.write(0x40, 4, 0x40);
    expect(get(0x22)).toBe(0x8040);
  });
});
