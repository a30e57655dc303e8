import { describe, expect, it } from 'vitest';

import { KEY_CODES } from '../../../src/emulator/devices/ps2/key-codes.ts';
import { keysForText } from '../../../src/shared/keyboard-text.ts';

function shown(text: string): string {
  return keysForText(text).changes.map((change) => `${change.down ? '+' : '-'}${change.code}`).join(' ');
}

describe('keysForText', () => {
  it('types letters, holds Shift where it is needed and lets it go at the end', () => {
    expect(shown('aBC')).toBe('+KeyA -KeyA +ShiftLeft +KeyB -KeyB +KeyC -KeyC -ShiftLeft');
  });

  it('types every printable ASCII character with keys that exist', () => {
    const text = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
    const typed = keysForText(text);
    expect(typed.untypable).toEqual([]);
    expect(typed.changes.filter((change) => change.down && change.code !== 'ShiftLeft')).toHaveLength(95);
    for (const change of typed.changes) expect(KEY_CODES.has(change.code), change.code).toBe(true);
  });

  it('makes one Enter of any line end', () => {
    expect(shown('\n')).toBe('+Enter -Enter');
    expect(shown('\r\n')).toBe('+Enter -Enter');
    expect(shown('\r')).toBe('+Enter -Enter');
  });

  it('reports what no key gives, and types the rest', () => {
    const typed = keysForText('ä1€ä😀');
    expect(typed.untypable).toEqual(['ä', '€', '😀']);
    expect(typed.changes).toEqual([{ code: 'Digit1', down: true }, { code: 'Digit1', down: false }]);
  });
});

describe('keysForText on a German keyboard', () => {
  const strokes = (text: string): string => keysForText(text, 'de').changes.map((change) => `${change.down ? '+' : '-'}${change.code}`).join(' ');

  it('finds letters and signs where DIN 2137 has them', () => {
    expect(strokes('yzß')).toBe('+KeyZ -KeyZ +KeyY -KeyY +Minus -Minus');
    expect(strokes('/{@|')).toBe('+ShiftLeft +Digit7 -Digit7 -ShiftLeft +AltRight +Digit7 -Digit7 +KeyQ -KeyQ +IntlBackslash -IntlBackslash -AltRight');
  });

  it('completes dead keys with Space', () => {
    expect(strokes('^`')).toBe('+Backquote -Backquote +Space -Space +ShiftLeft +Equal -Equal -ShiftLeft +Space -Space');
  });

  it('types all of ASCII', () => {
    const ascii = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)).join('');
    expect(keysForText(ascii, 'de').untypable).toEqual([]);
    expect(keysForText(ascii, 'us').untypable).toEqual([]);
  });
});
