import { describe, expect, it } from 'vitest';

import { AcpiPm } from '../../../../src/emulator/devices/acpi-pm.ts';
import { ResetControlPort } from '../../../../src/emulator/devices/reset-control.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

function build(clock: FakeClock): { pm: AcpiPm; sci: FakeLine; events: string[] } {
  const sci = new FakeLine();
  const events: string[] = [];
  const pm = new AcpiPm({
    id: 'pm', clock, sci, timerBits: 24, enableCommand: 0xf1, disableCommand: 0xf0, softOffType: 0,
    powerOff: () => { events.push('off'); },
  });
  return { pm, sci, events };
}

describeDeviceContract('AcpiPm', (clock) => {
  const { pm, sci, events } = build(clock);
  return {
    device: pm,
    ranges: [
      { name: 'ports', handler: pm.ports, length: 64, offsets: [0, 1, 2, 3, 4, 5, 8, 12, 14] },
      { name: 'gpe', handler: pm.gpe, length: 4 },
      { name: 'apm', handler: pm.apm, length: 2 },
    ],
    observe: () => [sci.high, events.splice(0), clock.nextDeadline],
    stimulate: (random) => { if (random.below(2) === 0) pm.pressPowerButton(); else pm.raiseEvent(random.below(16)); },
  };
}, { longestStepNanos: 2_000_000_000, manyTwins: true });

describeDeviceContract('ResetControlPort', () => {
  const events: string[] = [];
  const port = new ResetControlPort({ id: 'reset', requestReset: (kind) => { events.push(kind); } });
  return { device: port, ranges: [{ name: 'ports', handler: port.ports, length: 1 }], observe: () => events.splice(0) };
});

/** Time that goes on while a chip looks at it, as the host's does. */
class RunningClock extends FakeClock {
  #looks = 0;

  override now(): number {
    return super.now() + this.#looks++ * 300;
  }
}

describe('AcpiPm', () => {
  it('never goes back, however long a read of its four bytes takes', () => {
    const { pm } = build(new RunningClock());
    let last = 0;
    for (let reads = 0; reads < 5000; reads++) {
      const ticks = pm.ports.read(8, 4);
      expect(ticks).toBeGreaterThanOrEqual(last);
      last = ticks;
    }
    expect(last).toBeGreaterThan(5000);
  });

  it('counts 3.579545… MHz exactly, in 24 bits', () => {
    const clock = new FakeClock();
    const { pm } = build(clock);
    clock.advance(1_000_000_000);
    expect(pm.ports.read(8, 4)).toBe(3_579_545);
    clock.advance(3_600_000_000_000);
    expect(pm.ports.read(8, 4)).toBe(Math.floor((3601 * 315_000_000) / 88) % 2 ** 24);
  });

  it('tells the change of the timer\'s highest bit, by SCI where enabled', () => {
    const clock = new FakeClock();
    const { pm, sci } = build(clock);
    pm.apm.write(0, 1, 0xf1);
    expect(pm.ports.read(4, 2)).toBe(1);
    const carryNanos = Math.ceil((2 ** 23 * 88e9) / 315e6);
    clock.advance(carryNanos);
    expect(pm.ports.read(0, 2)).toBe(1);
    expect(sci.high).toBe(false);
    pm.ports.write(0, 2, 1);
    pm.ports.write(2, 2, 1);
    expect(sci.high).toBe(false);
    clock.advance(carryNanos);
    expect(sci.high).toBe(true);
    pm.ports.write(0, 2, 1);
    expect(sci.high).toBe(false);
  });

  it('asks the guest to shut down by the power button', () => {
    const { pm, sci } = build(new FakeClock());
    pm.pressPowerButton();
    expect(sci.high).toBe(false);
    pm.ports.write(0, 2, 0x100);
    pm.ports.write(2, 2, 0x120);
    pm.apm.write(0, 1, 0xf1);
    expect(pm.powerButtonEnabled).toBe(true);
    pm.pressPowerButton();
    expect([sci.high, pm.ports.read(0, 2)]).toEqual([true, 0x100]);
    pm.ports.write(0, 2, 0x100);
    expect(sci.high).toBe(false);
  });

  it('switches off in S5 and wakes at once from what it does not offer', () => {
    const { pm, events } = build(new FakeClock());
    pm.ports.write(4, 2, 0x2401);
    expect(events).toEqual([]);
    expect(pm.ports.read(0, 2)).toBe(0x8000);
    pm.ports.write(4, 2, 0x2001);
    expect(events).toEqual(['off']);
  });

  it('raises general purpose events', () => {
    const { pm, sci } = build(new FakeClock());
    pm.apm.write(0, 1, 0xf1);
    pm.gpe.write(2, 2, 0x0008);
    pm.raiseEvent(3);
    expect([sci.high, pm.ports.read(0x0c, 2)]).toEqual([true, 8]);
    pm.gpe.write(0, 1, 8);
    expect(sci.high).toBe(false);
  });

  it('resets by 0xCF9 on the rising bit, the board or the CPU', () => {
    const events: string[] = [];
    const port = new ResetControlPort({ id: 'reset', requestReset: (kind) => { events.push(kind); } });
    port.ports.write(0, 1, 0x02);
    port.ports.write(0, 1, 0x06);
    port.ports.write(0, 1, 0x06);
    port.ports.write(0, 1, 0x00);
    port.ports.write(0, 1, 0x04);
    port.ports.write(0, 4, 0x06);
    expect(events).toEqual(['power-on', 'soft']);
  });
});
