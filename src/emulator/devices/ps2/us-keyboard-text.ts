/** A key going down or up, as `Ps2Keyboard.key` takes it. */
export interface KeyChange {
  /** DOM `KeyboardEvent.code`. */
  readonly code: string;
  readonly down: boolean;
}

export interface TypedText {
  readonly changes: readonly KeyChange[];
  /** Characters of the text that no key gives, each once, in order of appearance. */
  readonly untypable: readonly string[];
}

/** What each key of a US keyboard gives without and with Shift. */
const SYMBOL_KEYS: readonly (readonly [code: string, plain: string, shifted: string])[] = [
  ['Backquote', '`', '~'],
  ['Digit1', '1', '!'],
  ['Digit2', '2', '@'],
  ['Digit3', '3', '#'],
  ['Digit4', '4', '$'],
  ['Digit5', '5', '%'],
  ['Digit6', '6', '^'],
  ['Digit7', '7', '&'],
  ['Digit8', '8', '*'],
  ['Digit9', '9', '('],
  ['Digit0', '0', ')'],
  ['Minus', '-', '_'],
  ['Equal', '=', '+'],
  ['BracketLeft', '[', '{'],
  ['BracketRight', ']', '}'],
  ['Backslash', '\\', '|'],
  ['Semicolon', ';', ':'],
  ['Quote', "'", '"'],
  ['Comma', ',', '<'],
  ['Period', '.', '>'],
  ['Slash', '/', '?'],
];

const CONTROL_KEYS: readonly (readonly [character: string, code: string])[] = [
  [' ', 'Space'],
  ['\n', 'Enter'],
  ['\r', 'Enter'],
  ['\t', 'Tab'],
  ['\b', 'Backspace'],
  ['\u007f', 'Backspace'],
  ['\u001b', 'Escape'],
];

interface Keystroke {
  readonly code: string;
  readonly shift: boolean;
}

function readLayout(): Map<string, Keystroke> {
  const layout = new Map<string, Keystroke>();
  for (const letter of 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') {
    layout.set(letter, { code: `Key${letter}`, shift: true });
    layout.set(letter.toLowerCase(), { code: `Key${letter}`, shift: false });
  }
  for (const [code, plain, shifted] of SYMBOL_KEYS) {
    layout.set(plain, { code, shift: false });
    layout.set(shifted, { code, shift: true });
  }
  for (const [character, code] of CONTROL_KEYS) layout.set(character, { code, shift: false });
  return layout;
}

const LAYOUT = readLayout();

/**
 * The key changes that type `text` on a US keyboard without Caps Lock. A line end (LF, CR or both) is Enter. Shift is
 * held over neighbouring characters that need it and is up at the end.
 */
export function keysForText(text: string): TypedText {
  const changes: KeyChange[] = [];
  const untypable = new Set<string>();
  let shifted = false;
  const setShift = (down: boolean): void => {
    if (shifted === down) return;
    shifted = down;
    changes.push({ code: 'ShiftLeft', down });
  };
  for (const character of text.replaceAll('\r\n', '\n')) {
    const keystroke = LAYOUT.get(character);
    if (keystroke === undefined) {
      untypable.add(character);
      continue;
    }
    setShift(keystroke.shift);
    changes.push({ code: keystroke.code, down: true }, { code: keystroke.code, down: false });
  }
  setShift(false);
  return { changes, untypable: [...untypable] };
}
