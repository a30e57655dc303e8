import { describe, expect, it } from 'vitest';
import { CoprocessorError } from '../../../../src/emulator/devices/coprocessor-error.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

function logic() {
  const line = new FakeLine('irq13');
  let ignored = false;
  const device = new CoprocessorError({ id: 'coprocessor-error', interrupt: line, ignoreErrors: (asserted) => { ignored = asserted; } });
  return { device, pins: () => ({ irq: line.high, ignored }) };
}

describeDeviceContract('CoprocessorError', () => {
  const { device, pins } = logic();
  return {
    device,
    ranges: [{ name: 'ports', handler: device.ports, length: 2 }],
    observe: () => pins(),
    stimulate: (random) => { device.setError(random.below(2) === 0); },
  };
});

describe('CoprocessorError', () => {
  it('requests IRQ 13 from the error until the write to port F0h, which has errors ignored until there is none', () => {
    const { device, pins } = logic();
    device.setError(true);
    expect(pins()).toEqual({ irq: true, ignored: false });
    device.ports.write(0, 1, 0);
    expect(pins()).toEqual({ irq: false, ignored: true });
    device.setError(false);
    expect(pins()).toEqual({ irq: false, ignored: false });
    device.setError(true);
    expect(pins()).toEqual({ irq: true, ignored: false });
  });

  it('keeps the request where the error goes away unanswered', () => {
    const { device, pins } = logic();
    device.setError(true);
    device.setError(false);
    expect(pins()).toEqual({ irq: true, ignored: false });
    device.ports.write(0, 1, 0);
    expect(pins()).toEqual({ irq: false, ignored: false });
  });

  it('has nothing ignored where there is no error, nor by a write to port F1h', () => {
    const { device, pins } = logic();
    device.ports.write(0, 1, 0);
    expect(pins()).toEqual({ irq: false, ignored: false });
    device.setError(true);
    device.ports.write(1, 1, 0);
    expect(pins()).toEqual({ irq: true, ignored: false });
  });
});
