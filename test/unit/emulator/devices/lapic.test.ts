import { describe, expect, it } from 'vitest';

import { ApicBus } from '../../../../src/emulator/devices/apic-bus.ts';
import { apicMessageOfMsi } from '../../../../src/emulator/devices/apic-message.ts';
import type { ApicMessage } from '../../../../src/emulator/devices/apic-message.ts';
import { LocalApic } from '../../../../src/emulator/devices/lapic.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { describeDeviceContract } from './device-contract.ts';

const REGISTERS = [0x20, 0x30, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x280, 0x300, 0x310, 0x320, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3e0];

class FakePic {
  pending = false;
  acknowledge(): number {
    this.pending = false;
    return 0x08;
  }
}

interface Rig {
  apic: LocalApic;
  pic: FakePic;
  bus: ApicBus;
  events: string[];
  get: (register: number) => number;
  put: (register: number, value: number) => void;
}

function build(clock: FakeClock, bus = new ApicBus(), apicId = 0): Rig {
  const pic = new FakePic();
  const events: string[] = [];
  const apic = new LocalApic({
    id: `lapic${apicId}`,
    clock,
    apicId,
    bootstrap: apicId === 0,
    pic,
    send: (message, shorthand, from) => { bus.send(message, shorthand, from); },
    eoiBroadcast: (vector) => { events.push(`eoi ${vector}`); },
    nmi: () => { events.push('nmi'); },
    init: () => { events.push('init'); },
    startup: (page) => { events.push(`startup ${page}`); },
    tscToNanos: (tsc) => Number(tsc),
    baseChanged: (physical, enabled) => { events.push(`base ${physical.toString(16)} ${enabled}`); },
  });
  bus.attach(apic);
  return {
    apic, pic, bus, events,
    get: (register) => apic.registers.read(register, 4),
    put: (register, value) => { apic.registers.write(register, 4, value); },
  };
}

function rig(clock = new FakeClock(), bus = new ApicBus(), apicId = 0): Rig {
  const made = build(clock, bus, apicId);
  made.apic.reset('power-on');
  made.put(0xf0, 0x1ff);
  made.events.length = 0;
  return made;
}

function message(vector: number, more: Partial<ApicMessage> = {}): ApicMessage {
  return { vector, deliveryMode: 'fixed', destination: 0, logical: false, trigger: 'edge', ...more };
}

describeDeviceContract('LocalApic', (clock) => {
  const { apic, pic, events } = build(clock);
  return {
    device: apic,
    ranges: [{ name: 'registers', handler: apic.registers, length: 0x1000, offsets: REGISTERS }],
    observe: () => [apic.pending, apic.processorPriority, events.splice(0), clock.nextDeadline],
    stimulate: (random) => {
      // The PIC's own state is no part of this device: it shows an interrupt for the length of the stimulus.
      pic.pending = random.below(2) === 0;
      apic.registers.write(REGISTERS[random.below(REGISTERS.length)] as number, 4, random.next32());
      if (random.below(2) === 0) apic.registers.write(0xf0, 4, 0x1ff);
      if (random.below(4) === 0) apic.setBaseMsr(random.below(2) === 0 ? 0xfee00000n : 0xfee00800n);
      if (random.below(2) === 0) apic.lint0.set(random.below(2) === 0);
      if (random.below(2) === 0) apic.lint1.set(random.below(2) === 0);
      if (random.below(2) === 0) apic.registers.write(0x320, 4, random.next32() & 0x600ff);
      apic.setTscDeadline(BigInt(random.next32()) * 10n);
      apic.receive(message(random.below(256), { trigger: random.below(2) === 0 ? 'edge' : 'level' }));
      const seen = [apic.pending, apic.acknowledge()];
      pic.pending = false;
      return seen;
    },
  };
}, { manyTwins: true });

describe('LocalApic', () => {
  it('takes the highest vector first and holds lower classes back until its EOI', () => {
    const { apic, put, get, events } = rig();
    apic.receive(message(0x31));
    apic.receive(message(0x52));
    expect(apic.acknowledge()).toBe(0x52);
    expect(get(0xa0)).toBe(0x50);
    apic.receive(message(0x5f));
    expect(apic.pending).toBe(false);
    apic.receive(message(0x60));
    expect(apic.acknowledge()).toBe(0x60);
    put(0xb0, 0);
    put(0xb0, 0);
    expect(apic.acknowledge()).toBe(0x5f);
    put(0xb0, 0);
    expect(apic.acknowledge()).toBe(0x31);
    expect(events).toEqual([]);
  });

  it('lets the task priority (CR8) hold classes back', () => {
    const { apic, get, put } = rig();
    apic.receive(message(0x45));
    apic.setTaskPriority(4);
    expect([apic.pending, get(0x80), apic.getTaskPriority()]).toEqual([false, 0x40, 4]);
    put(0x80, 0x3f);
    expect(apic.pending).toBe(true);
    apic.setTaskPriority(15);
    expect(apic.acknowledge()).toBe(0xff);
  });

  it('shows requests, service and trigger modes in their registers and broadcasts the EOI of levels', () => {
    const { apic, get, put, events } = rig();
    apic.receive(message(0x9f, { trigger: 'level' }));
    expect([get(0x240), get(0x1c0), get(0x140)]).toEqual([0x80000000, 0x80000000, 0]);
    apic.acknowledge();
    expect([get(0x240), get(0x140)]).toEqual([0, 0x80000000]);
    put(0xb0, 0);
    expect(events).toEqual(['eoi 159']);
  });

  it('passes the PIC on through LINT0, until that is masked or the APIC is disabled by software', () => {
    const clock = new FakeClock();
    const { apic, pic, put } = rig(clock);
    pic.pending = true;
    expect(apic.pending).toBe(true);
    expect(apic.acknowledge()).toBe(0x08);
    pic.pending = true;
    put(0x350, 0x10700);
    expect(apic.pending).toBe(false);
    put(0x350, 0x700);
    expect(apic.pending).toBe(true);
    put(0xf0, 0xff);
    expect(apic.pending).toBe(false);
    expect(apic.setBaseMsr(0xfee00000n)).toBe(true);
    expect(apic.pending).toBe(true);
  });

  it('delivers NMIs and vectors from its pins', () => {
    const { apic, put, events } = rig();
    put(0x360, 0x400);
    apic.lint1.set(true);
    apic.lint1.set(true);
    expect(events).toEqual(['nmi']);
    put(0x350, 0x30);
    apic.lint0.set(true);
    expect(apic.acknowledge()).toBe(0x30);
  });

  it('counts once at the divided bus clock', () => {
    const clock = new FakeClock();
    const { apic, put, get } = rig(clock);
    put(0x3e0, 0x3);
    put(0x320, 0x40);
    put(0x380, 1000);
    clock.advance(8_000);
    expect(get(0x390)).toBe(500);
    clock.advance(7_999);
    expect(apic.pending).toBe(false);
    clock.advance(1);
    expect([apic.pending, get(0x390)]).toEqual([true, 0]);
    apic.acknowledge();
    put(0xb0, 0);
    clock.advance(1_000_000);
    expect(apic.pending).toBe(false);
  });

  it('counts periodically without drift', () => {
    const clock = new FakeClock();
    const { apic, put } = rig(clock);
    put(0x3e0, 0xb);
    put(0x320, 0x20040);
    put(0x380, 1_000_000);
    let ticks = 0;
    for (let step = 0; step < 10_000; step++) {
      clock.advance(99_999);
      if (!apic.pending) continue;
      apic.acknowledge();
      put(0xb0, 0);
      ticks++;
    }
    expect(ticks).toBe(999);
  });

  it('does not flood the host with a period of one nanosecond', () => {
    const clock = new FakeClock();
    const { apic, put } = rig(clock);
    put(0x3e0, 0xb);
    put(0x320, 0x20040);
    put(0x380, 1);
    clock.advance(1_000_000);
    expect(apic.pending).toBe(true);
    expect(clock.nextDeadline! - clock.now()).toBeGreaterThan(10_000);
  });

  it('fires at a TSC deadline, at once at a past one, and not after it was cleared', () => {
    const clock = new FakeClock();
    const { apic, put } = rig(clock);
    put(0x320, 0x40040);
    apic.setTscDeadline(5_000n);
    clock.advance(4_999);
    expect(apic.pending).toBe(false);
    clock.advance(1);
    expect(apic.acknowledge()).toBe(0x40);
    expect(apic.tscDeadline).toBe(0n);
    put(0xb0, 0);
    apic.setTscDeadline(1n);
    clock.advance(0);
    expect(apic.acknowledge()).toBe(0x40);
    put(0xb0, 0);
    apic.setTscDeadline(10_000n);
    apic.setTscDeadline(0n);
    clock.advance(100_000);
    expect(apic.pending).toBe(false);
    apic.setTscDeadline(0xffff_ffff_ffff_ffffn);
    expect(clock.nextDeadline).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('goes on counting after a restore', () => {
    const clock = new FakeClock();
    const { apic, put } = rig(clock);
    put(0x320, 0x40);
    put(0x380, 500);
    const later = new FakeClock({ now: 100 });
    const twin = build(later);
    twin.apic.restore(apic.save());
    later.advance(899);
    expect(twin.apic.pending).toBe(false);
    later.advance(1);
    expect(twin.apic.pending).toBe(true);
  });

  it('keeps a tick that was due when the guest programs the timer anew before the clock ran it', () => {
    const clock = new FakeClock();
    const { apic, put } = rig(clock);
    put(0x320, 0x40);
    put(0x380, 50);
    const late = new FakeClock({ now: 1000 });
    const twin = build(late);
    twin.apic.restore(apic.save());
    twin.put(0x380, 5_000_000);
    expect(twin.apic.acknowledge()).toBe(0x40);
  });

  it('sends to itself, to others, to logical groups, and starts processors', () => {
    const clock = new FakeClock();
    const bus = new ApicBus();
    const [a, b, c] = [rig(clock, bus, 0), rig(clock, bus, 1), rig(clock, bus, 2)];
    a.put(0x300, 0x40041);
    expect([a, b, c].map((each) => each.apic.pending)).toEqual([true, false, false]);
    a.apic.acknowledge();
    a.put(0xb0, 0);
    a.put(0x300, 0xc0042);
    expect([a, b, c].map((each) => each.apic.pending)).toEqual([false, true, true]);
    for (const each of [b, c]) {
      each.apic.acknowledge();
      each.put(0xb0, 0);
    }
    b.put(0xd0, 0x02000000);
    c.put(0xd0, 0x04000000);
    a.put(0x310, 0x06000000);
    a.put(0x300, 0x843);
    expect([a, b, c].map((each) => each.apic.pending)).toEqual([false, true, true]);
    a.put(0x310, 0x02000000);
    a.put(0x300, 0x4500);
    a.put(0x300, 0x8500);
    a.put(0x300, 0x0612);
    expect([a.events, b.events, c.events]).toEqual([[], [], ['init', 'startup 18']]);
    bus.send(message(0x77, { deliveryMode: 'lowest-priority', destination: 0xff }));
    expect([a, b, c].filter((each) => each.get(0x230) !== 0)).toHaveLength(1);
  });

  it('reports illegal vectors in ESR when that is written', () => {
    const { apic, get, put } = rig();
    apic.receive(message(3));
    put(0x300, 0x40005);
    expect(get(0x280)).toBe(0);
    put(0x280, 0);
    expect(get(0x280)).toBe(0x60);
    put(0x280, 0);
    expect(get(0x280)).toBe(0);
  });

  it('an illegal error vector does not report itself for ever', () => {
    const { apic, put } = rig();
    put(0x370, 0x02);
    expect(() => { apic.receive(message(1)); }).not.toThrow();
  });

  it('refuses base values that must fault, and tells where its registers lie', () => {
    const { apic, events } = rig();
    expect(apic.setBaseMsr(0xfee00c00n)).toBe(false);
    expect(apic.setBaseMsr(1n << 60n)).toBe(false);
    expect(apic.setBaseMsr(0xfed00800n)).toBe(true);
    expect(apic.baseMsr).toBe(0xfed00900n);
    expect(events).toEqual(['base fed00000 true']);
  });

  it('reads an MSI\'s address and data', () => {
    expect(apicMessageOfMsi(0xfee01004, 0x4131)).toEqual({ vector: 0x31, deliveryMode: 'lowest-priority', destination: 1, logical: true, trigger: 'edge' });
  });
});
