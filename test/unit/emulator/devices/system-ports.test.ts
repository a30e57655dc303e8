import { describe, expect, it } from 'vitest';

import { DebugPort } from '../../../../src/emulator/devices/debug-port.ts';
import { Port92 } from '../../../../src/emulator/devices/port92.ts';
import { SystemControlPort } from '../../../../src/emulator/devices/system-control.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { describeDeviceContract } from './device-contract.ts';

describeDeviceContract('DebugPort', () => {
  const emitted: number[] = [];
  const device = new DebugPort({ id: 'debug', emit: (byte) => { emitted.push(byte); } });
  return { device, ranges: [{ name: 'ports', handler: device.ports, length: 1 }], observe: () => emitted.splice(0) };
}, { manyTwins: true });

describeDeviceContract('Port92', () => {
  let a20: boolean | undefined;
  let inits = 0;
  const device = new Port92({ id: 'port92', a20Changed: (enabled) => { a20 = enabled; }, initCpu: () => { inits++; } });
  const observe = (): unknown => {
    const seen = [a20, inits];
    inits = 0;
    return seen;
  };
  return { device, ranges: [{ name: 'ports', handler: device.ports, length: 1 }], observe };
}, { manyTwins: true });

describeDeviceContract('SystemControlPort', (clock) => {
  const gates: boolean[] = [];
  const device = new SystemControlPort({
    id: 'system-control',
    clock,
    timer2: { setGate: (high) => { gates.push(high); }, output: () => clock.now() % 2 === 0 },
  });
  return { device, ranges: [{ name: 'ports', handler: device.ports, length: 1 }], observe: () => gates.splice(0) };
}, { manyTwins: true });

describe('system ports', () => {
  it('the debug port is found by 0xE9 and emits bytes, also of REP OUTSB', () => {
    const emitted: number[] = [];
    const port = new DebugPort({ id: 'debug', emit: (byte) => { emitted.push(byte); } });
    expect(port.ports.read(0, 1)).toBe(0xe9);
    port.ports.write(0, 1, 0x41);
    expect(port.ports.writeBlock?.(0, 1, Uint8Array.of(0x42, 0x43))).toBe(2);
    expect(emitted).toEqual([0x41, 0x42, 0x43]);
  });

  it('port 0x92 gates A20 and resets on the rising bit only', () => {
    const seen: unknown[] = [];
    const port = new Port92({ id: 'port92', a20Changed: (enabled) => { seen.push(enabled); }, initCpu: () => { seen.push('init'); } });
    port.ports.write(0, 1, 0x02);
    port.ports.write(0, 1, 0x03);
    port.ports.write(0, 1, 0x03);
    port.ports.write(0, 1, 0x00);
    expect(seen).toEqual([true, 'init', false]);
  });

  it('port 0x61 drives gate and speaker and shows the timer and the refresh', () => {
    const clock = new FakeClock();
    const seen: unknown[] = [];
    let out = false;
    const port = new SystemControlPort({
      id: 'system-control',
      clock,
      timer2: { setGate: (high) => { seen.push(high); }, output: () => out },
      speakerChanged: (on) => { seen.push(on ? 'loud' : 'quiet'); },
    });
    port.ports.write(0, 1, 0xff);
    expect(seen).toEqual([true, 'loud']);
    expect(port.ports.read(0, 1)).toBe(0x0f);
    out = true;
    clock.advance(15_085);
    expect(port.ports.read(0, 1)).toBe(0x3f);
    clock.advance(15_085);
    expect(port.ports.read(0, 1)).toBe(0x2f);
  });
});
