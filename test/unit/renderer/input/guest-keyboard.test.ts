import { beforeEach, describe, expect, it } from 'vitest';
import { chord, GuestKeyboard } from '../../../../src/renderer/input/guest-keyboard.ts';
import type { HostKey } from '../../../../src/renderer/input/guest-keyboard.ts';

let sent: string[];
let heard: string[];

function keyboardWith(hostKey: HostKey): GuestKeyboard {
  return new GuestKeyboard(hostKey, {
    send: (events) => { sent.push(...events.map(({ code, down }) => `${down ? '+' : '-'}${code}`)); },
    hostKey: () => { heard.push('host'); },
    hostCombination: (code) => { heard.push(code); },
  });
}

beforeEach(() => {
  sent = [];
  heard = [];
});

describe('the guest\'s keyboard', () => {
  it('passes a key down, its repetitions, and up', () => {
    const keyboard = keyboardWith('ControlRight');
    for (const press of [true, true, false]) expect(press ? keyboard.keyDown('KeyA') : keyboard.keyUp('KeyA')).toBe(true);
    expect(sent).toEqual(['+KeyA', '+KeyA', '-KeyA']);
  });

  it('lets every key go when the focus leaves, last pressed first, and once', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('ShiftLeft');
    keyboard.keyDown('KeyA');
    keyboard.releaseAll();
    keyboard.releaseAll();
    keyboard.keyUp('KeyA');
    expect(sent).toEqual(['+ShiftLeft', '+KeyA', '-KeyA', '-ShiftLeft']);
  });

  it('does not pass the release of a key that was pressed elsewhere', () => {
    keyboardWith('ControlRight').keyUp('Tab');
    expect(sent).toEqual([]);
  });

  it('leaves events without a code to the page', () => {
    expect(keyboardWith('ControlRight').keyDown('')).toBe(false);
    expect(sent).toEqual([]);
  });

  it('lets go of what Command kept silent', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('MetaLeft');
    keyboard.keyDown('KeyC');
    keyboard.keyUp('MetaLeft');
    expect(sent).toEqual(['+MetaLeft', '+KeyC', '-MetaLeft', '-KeyC']);
  });
});

describe('the host key', () => {
  it('is heard when it is pressed alone, and never reaches the guest', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('ControlRight');
    keyboard.keyDown('ControlRight');
    keyboard.keyUp('ControlRight');
    expect([sent, heard]).toEqual([[], ['host']]);
  });

  it('makes the keys pressed with it the window\'s, once each, and is then not heard itself', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('ControlRight');
    keyboard.keyDown('KeyF');
    keyboard.keyDown('KeyF');
    keyboard.keyUp('ControlRight');
    keyboard.keyUp('KeyF');
    expect([sent, heard]).toEqual([[], ['KeyF']]);
  });

  it('first lets go of what is down in the guest', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('KeyX');
    keyboard.keyDown('ControlRight');
    expect(sent).toEqual(['+KeyX', '-KeyX']);
  });

  it('of two keys lets either of them through to the guest alone', () => {
    const keyboard = keyboardWith('ControlLeft+AltLeft');
    keyboard.keyDown('ControlLeft');
    keyboard.keyDown('KeyC');
    keyboard.keyUp('KeyC');
    keyboard.keyUp('ControlLeft');
    expect(sent).toEqual(['+ControlLeft', '+KeyC', '-KeyC', '-ControlLeft']);
    expect(heard).toEqual([]);
  });

  it('of two keys is heard when both were pressed and let go', () => {
    const keyboard = keyboardWith('ControlLeft+AltLeft');
    keyboard.keyDown('ControlLeft');
    keyboard.keyDown('AltLeft');
    keyboard.keyUp('AltLeft');
    keyboard.keyUp('ControlLeft');
    expect([sent, heard]).toEqual([['+ControlLeft', '-ControlLeft'], ['host']]);
  });

  it('is forgotten when the focus leaves while it is down', () => {
    const keyboard = keyboardWith('ControlRight');
    keyboard.keyDown('ControlRight');
    keyboard.releaseAll();
    keyboard.keyDown('KeyA');
    expect([sent, heard]).toEqual([['+KeyA'], []]);
  });
});

describe('a chord', () => {
  it('goes down in order and up in the opposite order', () => {
    expect(chord(['ControlLeft', 'AltLeft', 'Delete']).map(({ code, down }) => `${down ? '+' : '-'}${code}`))
      .toEqual(['+ControlLeft', '+AltLeft', '+Delete', '-Delete', '-AltLeft', '-ControlLeft']);
  });
});
