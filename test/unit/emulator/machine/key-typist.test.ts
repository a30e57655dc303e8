import { describe, expect, it } from 'vitest';
import { KeyTypist } from '../../../../src/emulator/machine/key-typist.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

function setUp() {
  const clock = new FakeClock();
  const keyboard = {
    pressed: [] as string[],
    queuedBytes: 0,
    key(code: string, down: boolean) {
      keyboard.pressed.push(`${down ? '+' : '-'}${code}@${clock.now() / 1e6}`);
      return true;
    },
  };
  return { clock, keyboard, typist: new KeyTypist(clock, keyboard) };
}

const A = [{ code: 'KeyA', down: true }, { code: 'KeyA', down: false }];

describe('KeyTypist', () => {
  it('types text at a pace and presses a person\'s keys at once', () => {
    const { clock, keyboard, typist } = setUp();
    typist.press(A);
    expect(keyboard.pressed).toEqual(['+KeyA@0', '-KeyA@0']);
    keyboard.pressed.length = 0;
    typist.type([...A, ...A]);
    clock.advance(1e9);
    expect(keyboard.pressed).toEqual(['+KeyA@0', '-KeyA@8', '+KeyA@16', '-KeyA@24']);
    expect(clock.nextDeadline).toBeUndefined();
  });

  it('waits while the guest does not take what was typed', () => {
    const { clock, keyboard, typist } = setUp();
    keyboard.queuedBytes = 20;
    typist.type(A);
    clock.advance(1e9);
    expect(keyboard.pressed).toEqual([]);
    keyboard.queuedBytes = 0;
    clock.advance(1e9);
    expect(keyboard.pressed).toHaveLength(2);
  });

  it('keeps a person\'s keys too while the guest does not take them', () => {
    const { clock, keyboard, typist } = setUp();
    keyboard.queuedBytes = 20;
    typist.press(A);
    expect(keyboard.pressed).toEqual([]);
    keyboard.queuedBytes = 0;
    clock.advance(1e9);
    expect(keyboard.pressed).toHaveLength(2);
  });

  it('keeps keys that are pressed meanwhile behind the text', () => {
    const { clock, keyboard, typist } = setUp();
    typist.type(A);
    typist.press([{ code: 'Enter', down: true }]);
    clock.advance(1e9);
    expect(keyboard.pressed.at(-1)).toContain('+Enter');
    typist.type(A);
    typist.stop();
    clock.advance(1e9);
    expect(keyboard.pressed.filter((key) => key.includes('KeyA'))).toHaveLength(3);
  });
});
