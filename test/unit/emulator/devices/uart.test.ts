import { describe, expect, it } from 'vitest';

import { Uart16550A } from '../../../../src/emulator/devices/uart.ts';
import { FakeCharacterChannel } from '../../../support/fake-character-channel.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { FakeLine } from '../../../support/fake-line.ts';
import { describeDeviceContract } from './device-contract.ts';

/** 10 bits at 115200 baud. */
const CHARACTER_NANOS = Math.ceil(10e9 / 115_200);

interface Rig {
  uart: Uart16550A;
  clock: FakeClock;
  line: FakeLine;
  channel: FakeCharacterChannel;
  get: (offset: number) => number;
  put: (offset: number, value: number) => void;
}

/** 115200 baud, 8 data bits, no parity, OUT2 on. */
function rig(fifoControl = 0x01): Rig {
  const clock = new FakeClock();
  const line = new FakeLine();
  const channel = new FakeCharacterChannel();
  const uart = new Uart16550A({ id: 'com1', clock, interrupt: line, channel });
  uart.reset('power-on');
  const put = (offset: number, value: number): void => { uart.ports.write(offset, 1, value); };
  for (const [offset, value] of [[3, 0x83], [0, 1], [1, 0], [3, 0x03], [2, fifoControl], [4, 0x0b]] as const) put(offset, value);
  return { uart, clock, line, channel, get: (offset) => uart.ports.read(offset, 1), put };
}

describeDeviceContract('Uart16550A', (clock) => {
  const line = new FakeLine();
  const channel = new FakeCharacterChannel();
  const uart = new Uart16550A({ id: 'com1', clock, interrupt: line, channel });
  return {
    device: uart,
    ranges: [{ name: 'ports', handler: uart.ports, length: 8 }],
    observe: () => [line.high, channel.sent.splice(0)],
    stimulate: (random) => {
      channel.deliver(Uint8Array.from({ length: 1 + random.below(20) }, () => random.below(256)));
      // What the line couldn't take yet is no part of the device: drop it.
      return channel.receive(100);
    },
  };
}, { longestStepNanos: 300_000, manyTwins: true });

describe('Uart16550A', () => {
  it('sends at once and is always empty', () => {
    const { put, get, channel } = rig();
    for (const character of 'hello') put(0, character.charCodeAt(0));
    expect(channel.sentText).toBe('hello');
    expect(get(5)).toBe(0x60);
  });

  it('interrupts when the transmitter becomes empty, once per write and once per enabling', () => {
    const { put, get, line } = rig();
    put(1, 0x02);
    expect(line.high).toBe(true);
    expect(get(2)).toBe(0xc2);
    expect(line.high).toBe(false);
    expect(get(2)).toBe(0xc1);
    put(0, 0x41);
    expect(line.high).toBe(true);
    expect(get(2)).toBe(0xc2);
    put(1, 0x02);
    expect(line.high).toBe(false);
    put(1, 0x00);
    put(1, 0x02);
    expect(get(2)).toBe(0xc2);
  });

  it('keeps its interrupt from the board without OUT2', () => {
    const { put, line } = rig();
    put(4, 0x03);
    put(1, 0x02);
    expect(line.high).toBe(false);
    put(4, 0x0b);
    expect(line.high).toBe(true);
  });

  it('interrupts at the trigger level, or after four characters of silence', () => {
    const { put, get, line, channel, clock } = rig(0x41);
    put(1, 0x01);
    channel.deliver('abc');
    expect(line.high).toBe(false);
    clock.advance(4 * CHARACTER_NANOS - 1);
    expect(line.high).toBe(false);
    clock.advance(1);
    expect(get(2)).toBe(0xcc);
    expect([get(0), get(0), get(0), get(5) & 1]).toEqual([0x61, 0x62, 0x63, 0]);
    expect(line.high).toBe(false);
    channel.deliver('abcd');
    expect(get(2)).toBe(0xc4);
    get(0);
    expect(get(2)).toBe(0xc1);
  });

  it('brings input a FIFO at a time and no faster than the line', () => {
    const { get, channel, clock } = rig();
    channel.deliver('0123456789abcdefXYZ');
    expect(channel.available).toBe(3);
    for (let index = 0; index < 16; index++) get(0);
    expect(get(5) & 1).toBe(0);
    clock.advance(16 * CHARACTER_NANOS - 1);
    expect(get(5) & 1).toBe(0);
    clock.advance(1);
    expect(String.fromCharCode(get(0), get(0), get(0))).toBe('XYZ');
    expect(get(5) & 1).toBe(0);
  });

  it('takes one character at a time without FIFOs', () => {
    const { put, get, channel, clock } = rig(0);
    put(1, 0x01);
    channel.deliver('ab');
    expect(get(2)).toBe(0x04);
    expect(get(0)).toBe(0x61);
    expect(get(2)).toBe(0x01);
    clock.advance(CHARACTER_NANOS);
    expect(get(0)).toBe(0x62);
  });

  it('serves overrun before data, data before transmitter, transmitter before modem', () => {
    const { put, get } = rig();
    put(4, 0x1b);
    put(1, 0x0f);
    for (let index = 0; index < 17; index++) put(0, index);
    expect(get(2)).toBe(0xc6);
    expect(get(5)).toBe(0x63);
    expect(get(2)).toBe(0xc4);
    put(2, 0x03);
    expect(get(2)).toBe(0xc2);
    put(4, 0x1f);
    put(4, 0x1b);
    expect(get(2)).toBe(0xc0);
    expect(get(6)).toBe(0xb4);
    expect(get(2)).toBe(0xc1);
  });

  it('loops modem lines and data back and keeps them from the cable', () => {
    const { put, get, channel, line } = rig();
    put(4, 0x1a);
    expect(get(6) & 0xf0).toBe(0x90);
    put(0, 0x55);
    expect(channel.sent).toEqual([]);
    expect(get(0)).toBe(0x55);
    put(1, 0x02);
    expect(line.high).toBe(false);
  });

  it('keeps the scratch register and the divisor apart from data', () => {
    const { put, get } = rig();
    put(7, 0xa5);
    put(3, 0x83);
    put(0, 0x34);
    put(1, 0x12);
    expect([get(7), get(0), get(1)]).toEqual([0xa5, 0x34, 0x12]);
    put(3, 0x03);
    expect(get(1)).toBe(0);
  });

  it('without a channel loses what is sent and shows no modem', () => {
    const uart = new Uart16550A({ id: 'com2', clock: new FakeClock(), interrupt: new FakeLine() });
    uart.ports.write(0, 1, 0x41);
    expect(uart.ports.read(6, 1)).toBe(0);
  });
});
