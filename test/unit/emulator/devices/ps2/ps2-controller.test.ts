import { describe, expect, it } from 'vitest';

import { KEY_CODES } from '../../../../../src/emulator/devices/ps2/key-codes.ts';
import { Ps2Controller8042 } from '../../../../../src/emulator/devices/ps2/ps2-controller.ts';
import { FakeLine } from '../../../../support/fake-line.ts';
import { describeDeviceContract } from '../device-contract.ts';

interface Rig {
  ps2: Ps2Controller8042;
  keyboardLine: FakeLine;
  mouseLine: FakeLine;
  seen: unknown[];
  command: (code: number, ...values: number[]) => void;
  send: (...values: number[]) => void;
  sendMouse: (...values: number[]) => void;
  status: () => number;
  /** Reads until the output buffer stays empty. */
  drain: () => number[];
}

function build(): Rig {
  const keyboardLine = new FakeLine();
  const mouseLine = new FakeLine();
  const seen: unknown[] = [];
  const ps2 = new Ps2Controller8042({
    id: 'ps2',
    keyboardInterrupt: keyboardLine,
    mouseInterrupt: mouseLine,
    a20Changed: (enabled) => { seen.push(enabled ? 'a20 on' : 'a20 off'); },
    resetCpu: () => { seen.push('reset'); },
    ledsChanged: (leds) => { seen.push(leds); },
  });
  const status = (): number => ps2.command.read(0, 1);
  const send = (...values: number[]): void => { for (const value of values) ps2.data.write(0, 1, value); };
  const command = (code: number, ...values: number[]): void => {
    ps2.command.write(0, 1, code);
    send(...values);
  };
  return {
    ps2, keyboardLine, mouseLine, seen, status, send, command,
    sendMouse: (...values) => { for (const value of values) command(0xd4, value); },
    drain: () => {
      const bytes: number[] = [];
      while ((status() & 1) !== 0) bytes.push(ps2.data.read(0, 1));
      return bytes;
    },
  };
}

/** As firmware leaves it: both ports on, both interrupts, translation. */
function rig(commandByte = 0x47): Rig {
  const made = build();
  made.ps2.reset('power-on');
  made.command(0x60, commandByte);
  made.seen.length = 0;
  return made;
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

describeDeviceContract('Ps2Controller8042', () => {
  const { ps2, keyboardLine, mouseLine, seen } = build();
  const codes = [...KEY_CODES.keys(), 'PrintScreen', 'Pause'];
  return {
    device: ps2,
    ranges: [{ name: 'data', handler: ps2.data, length: 1 }, { name: 'command', handler: ps2.command, length: 1 }],
    observe: () => [keyboardLine.high, mouseLine.high, seen.splice(0)],
    stimulate: (random) => {
      if (random.below(2) === 0) return ps2.keyboard.key(random.pick(codes), random.below(2) === 0);
      ps2.mouse.move(random.below(600) - 300, random.below(600) - 300, random.below(5) - 2, random.below(32));
      return undefined;
    },
  };
}, { manyTwins: true });

describe('Ps2Controller8042', () => {
  it('passes the tests of firmware and kernels', () => {
    const { command, drain, status } = rig();
    command(0xaa);
    expect(drain()).toEqual([0x55]);
    expect(status() & 0x04).toBe(0x04);
    command(0xab);
    command(0xa9);
    expect(drain()).toEqual([0, 0]);
    command(0x20);
    expect(drain()).toEqual([0x47]);
  });

  it('switches the mouse port off and on in the command byte', () => {
    const { command, drain } = rig();
    command(0xa7);
    command(0x20);
    command(0xa8);
    command(0x20);
    expect(drain()).toEqual([0x67, 0x47]);
  });

  it('loops bytes back as the mouse\'s', () => {
    const { command, drain, status, mouseLine, keyboardLine } = rig();
    command(0xd3, 0x5a);
    expect(status() & 0x21).toBe(0x21);
    expect([mouseLine.high, keyboardLine.high]).toEqual([true, false]);
    expect(drain()).toEqual([0x5a]);
    expect(mouseLine.high).toBe(false);
  });

  it('gates A20 and resets, by the output port and by pulses', () => {
    const { command, seen, drain } = rig();
    command(0xd1, 0xdd);
    command(0xd0);
    expect(drain()).toEqual([0xcd]);
    command(0xdf);
    command(0xd1, 0xde);
    command(0xfe);
    command(0xff);
    expect(seen).toEqual(['a20 off', 'a20 on', 'reset', 'reset']);
  });

  it('makes one edge of the interrupt for each byte', () => {
    const { ps2, keyboardLine, drain } = rig();
    ps2.keyboard.key('ArrowUp', true);
    expect(drain()).toEqual([0xe0, 0x48]);
    expect(keyboardLine.risingEdges).toBe(2);
  });

  it('keeps keys back while the keyboard is switched off, until something is sent to it', () => {
    const { ps2, command, drain, send } = rig();
    command(0xad);
    ps2.keyboard.key('KeyA', true);
    expect(drain()).toEqual([]);
    send(0xee);
    expect(drain()).toEqual([0xee, 0x1e]);
  });
});

describe('Ps2Keyboard', () => {
  it.each([
    ['KeyA', '1e 9e'],
    ['PrintScreen', 'e0 2a e0 37 e0 b7 e0 aa'],
    ['Pause', 'e1 1d 45 e1 9d c5'],
    ['ControlRight', 'e0 1d e0 9d'],
    ['AltRight', 'e0 38 e0 b8'],
    ['MetaLeft', 'e0 5b e0 db'],
    ['IntlBackslash', '56 d6'],
    ['IntlRo', '73 f3'],
    ['IntlYen', '7d fd'],
    ['Lang1', 'f2'],
    ['NumpadEnter', 'e0 1c e0 9c'],
    ['Numpad5', '4c cc'],
    ['F12', '58 d8'],
    ['F7', '41 c1'],
    ['Delete', 'e0 53 e0 d3'],
  ])('%s is %s in set 1, by translation and by the keyboard\'s own set', (code, expected) => {
    const translated = rig();
    translated.ps2.keyboard.key(code, true);
    translated.ps2.keyboard.key(code, false);
    expect(hex(translated.drain())).toBe(expected);
    const own = rig(0x03);
    own.send(0xf0, 0x01);
    own.drain();
    own.ps2.keyboard.key(code, true);
    own.ps2.keyboard.key(code, false);
    expect(hex(own.drain())).toBe(expected);
  });

  it('speaks sets 2 and 3', () => {
    const { ps2, send, drain } = rig(0x03);
    ps2.keyboard.key('ControlRight', true);
    ps2.keyboard.key('ControlRight', false);
    expect(hex(drain())).toBe('e0 14 e0 f0 14');
    send(0xf0, 0x03);
    expect(hex(drain())).toBe('fa fa');
    ps2.keyboard.key('ControlRight', true);
    ps2.keyboard.key('ControlRight', false);
    expect(hex(drain())).toBe('58 f0 58');
    send(0xf0, 0x00);
    expect(hex(drain())).toBe('fa fa 03');
  });

  it('makes Break of Pause with Control, SysRq of PrintScreen with Alt', () => {
    const { ps2, drain } = rig();
    ps2.keyboard.key('ControlLeft', true);
    drain();
    ps2.keyboard.key('Pause', true);
    expect(hex(drain())).toBe('e0 46 e0 c6');
    ps2.keyboard.key('ControlLeft', false);
    ps2.keyboard.key('AltLeft', true);
    drain();
    ps2.keyboard.key('PrintScreen', true);
    ps2.keyboard.key('PrintScreen', false);
    expect(hex(drain())).toBe('54 d4');
  });

  it('answers commands before scan codes: identity, reset, lights', () => {
    const { ps2, send, drain, seen } = rig(0x03);
    ps2.keyboard.key('KeyA', true);
    send(0xf2);
    expect(hex(drain())).toBe('1c fa ab 83');
    send(0xff);
    expect(hex(drain())).toBe('fa aa');
    seen.length = 0;
    send(0xed, 0x06);
    expect(hex(drain())).toBe('fa fa');
    expect(seen).toEqual([{ scrollLock: false, numLock: true, capsLock: true }]);
    send(0xf3, 0x00);
    send(0x77);
    expect(hex(drain())).toBe('fa fa fe');
    send(0xfe);
    expect(hex(drain())).toBe('fe');
  });

  it('repeats held keys, and is silent when disabled', () => {
    const { ps2, send, drain } = rig();
    for (let repeat = 0; repeat < 3; repeat++) ps2.keyboard.key('KeyB', true);
    expect(hex(drain())).toBe('30 30 30');
    send(0xf5);
    drain();
    ps2.keyboard.key('KeyB', false);
    ps2.keyboard.key('KeyC', true);
    expect(drain()).toEqual([]);
  });

  it('drops presses when the guest takes nothing, but owes the release of every key it told', () => {
    const { ps2, drain } = rig();
    ps2.keyboard.key('ShiftLeft', true);
    let taken = 0;
    while (ps2.keyboard.key('KeyX', true)) taken++;
    expect(taken).toBeGreaterThan(8);
    expect(ps2.keyboard.key('ArrowUp', true)).toBe(false);
    ps2.keyboard.key('ShiftLeft', false);
    ps2.keyboard.key('ArrowUp', false);
    expect(drain().slice(-1)).toEqual([0xaa]);
  });

  it.each([['one key', ['KeyX']], ['a key with a prefix', ['ArrowUp']], ['a chord', ['ShiftLeft', 'Digit3']], ['many keys', [...KEY_CODES.keys()]]])(
    'never has more than the 16 bytes for a guest that looks late, whatever was pressed: %s', (_name, codes) => {
      const { ps2, drain } = rig();
      for (let round = 0; round < 20; round++) {
        for (const code of codes) ps2.keyboard.key(code, true);
        if (round % 2 === 1) for (const code of codes) ps2.keyboard.key(code, false);
      }
      ps2.keyboard.releaseAll();
      const bytes = drain();
      expect(bytes.length).toBeGreaterThan(8);
      expect(bytes.length).toBeLessThanOrEqual(16);
    });

  it('lets go of everything at once', () => {
    const { ps2, drain } = rig();
    ps2.keyboard.key('ControlLeft', true);
    ps2.keyboard.key('Delete', true);
    drain();
    ps2.keyboard.releaseAll();
    expect(hex(drain())).toBe('9d e0 d3');
  });

  it('does not know keys that no keyboard has', () => {
    expect(rig().ps2.keyboard.key('toString', true)).toBe(false);
  });
});

describe('Ps2Mouse', () => {
  it('tells movement in packets of three bytes: right and up are positive', () => {
    const { ps2, sendMouse, drain, mouseLine } = rig();
    sendMouse(0xf4);
    expect(hex(drain())).toBe('fa');
    ps2.mouse.move(5, 3, 0, 1);
    expect(mouseLine.high).toBe(true);
    expect(hex(drain())).toBe('29 05 fd');
    ps2.mouse.move(-300, 0, 0, 0);
    expect(hex(drain())).toBe('18 01 00 18 d3 00');
  });

  it('tells its wheel after the knock 200, 100, 80, and two more buttons after 200, 200, 80', () => {
    const { ps2, sendMouse, drain } = rig();
    sendMouse(0xf3, 200, 0xf3, 100, 0xf3, 80, 0xf2);
    expect(drain().at(-1)).toBe(3);
    sendMouse(0xf4);
    drain();
    ps2.mouse.move(0, 0, -1, 0);
    expect(hex(drain())).toBe('08 00 00 ff');
    sendMouse(0xf3, 200, 0xf3, 200, 0xf3, 80, 0xf2);
    expect(drain().at(-1)).toBe(4);
    ps2.mouse.move(0, 0, 2, 0x18);
    expect(hex(drain())).toBe('08 00 00 32');
  });

  it('keeps a click that falls between two packets', () => {
    const { ps2, sendMouse, drain } = rig();
    sendMouse(0xf4);
    ps2.mouse.move(1, 0, 0, 0);
    ps2.mouse.move(0, 0, 0, 1);
    ps2.mouse.move(0, 0, 0, 0);
    ps2.mouse.move(0, 0, 0, 2);
    const packets = drain().slice(1);
    expect(packets.filter((_, index) => index % 3 === 0).map((first) => first & 7)).toEqual([1, 0, 2]);
  });

  it('queues no more than it can hold, however much the host moves', () => {
    const { ps2, sendMouse, drain } = rig();
    sendMouse(0xf4);
    for (let event = 0; event < 10_000; event++) ps2.mouse.move(event % 7, 1, 0, event & 1);
    const bytes = drain().length;
    expect(bytes).toBeLessThan(300);
  });

  it('resets, tells its status, and answers polls in remote mode', () => {
    const { ps2, sendMouse, drain } = rig();
    sendMouse(0xff);
    expect(hex(drain())).toBe('fa aa 00');
    sendMouse(0xe9);
    expect(hex(drain())).toBe('fa 00 02 64');
    sendMouse(0xf0);
    drain();
    ps2.mouse.move(4, -4, 0, 2);
    expect(drain()).toEqual([]);
    sendMouse(0xeb);
    expect(hex(drain())).toBe('fa 0a 04 04');
    sendMouse(0xee, 0x12, 0xec);
    expect(hex(drain())).toBe('fa 12 fa');
  });

  it('refuses sample rates that do not exist', () => {
    const { sendMouse, drain } = rig();
    sendMouse(0xf3, 123);
    expect(hex(drain())).toBe('fa fc');
  });
});
