/** Text as key strokes of keyboards that guests know. */
import type { KeyboardLayout } from './machine-config.ts';
import type { KeyChange } from './vm-protocol.ts';

export interface TypedText {
  readonly changes: readonly KeyChange[];
  /** Characters of the text that no key gives, each once, in order of appearance. */
  readonly untypable: readonly string[];
}

/** What a key gives by itself, with Shift, and with AltGr. A dead key gives its accent when Space follows. */
type LayoutKey = readonly [code: string, plain: string, shifted: string, third?: string];

const US_KEYS: readonly LayoutKey[] = [
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

/** DIN 2137. */
const GERMAN_KEYS: readonly LayoutKey[] = [
  ['Backquote', '^', '°'],
  ['Digit1', '1', '!'],
  ['Digit2', '2', '"', '²'],
  ['Digit3', '3', '§', '³'],
  ['Digit4', '4', '$'],
  ['Digit5', '5', '%'],
  ['Digit6', '6', '&'],
  ['Digit7', '7', '/', '{'],
  ['Digit8', '8', '(', '['],
  ['Digit9', '9', ')', ']'],
  ['Digit0', '0', '=', '}'],
  ['Minus', 'ß', '?', '\\'],
  ['Equal', '´', '`'],
  ['KeyQ', 'q', 'Q', '@'],
  ['KeyE', 'e', 'E', '€'],
  ['KeyM', 'm', 'M', 'µ'],
  ['KeyY', 'z', 'Z'],
  ['KeyZ', 'y', 'Y'],
  ['BracketLeft', 'ü', 'Ü'],
  ['BracketRight', '+', '*', '~'],
  ['Backslash', '#', "'"],
  ['Semicolon', 'ö', 'Ö'],
  ['Quote', 'ä', 'Ä'],
  ['Comma', ',', ';'],
  ['Period', '.', ':'],
  ['Slash', '-', '_'],
  ['IntlBackslash', '<', '>', '|'],
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

type Modifier = 'ShiftLeft' | 'AltRight';

interface Keystroke {
  readonly code: string;
  readonly modifier: Modifier | undefined;
  readonly isDead: boolean;
}

export interface KeyCaps { readonly plain: string; readonly shifted: string; readonly third: string | undefined }

interface Layout {
  readonly strokes: ReadonlyMap<string, Keystroke>;
  readonly caps: ReadonlyMap<string, KeyCaps>;
}

function readLayout(keys: readonly LayoutKey[], dead: string): Layout {
  const strokes = new Map<string, Keystroke>();
  const caps = new Map<string, KeyCaps>();
  const put = (character: string | undefined, code: string, modifier: Modifier | undefined): void => {
    if (character !== undefined) strokes.set(character, { code, modifier, isDead: dead.includes(character) });
  };
  const letters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'].map((letter): LayoutKey => [`Key${letter}`, letter.toLowerCase(), letter]);
  const own = new Set(keys.map(([code]) => code));
  for (const [code, plain, shifted, third] of [...letters.filter(([code]) => !own.has(code)), ...keys]) {
    put(plain, code, undefined);
    put(shifted, code, 'ShiftLeft');
    put(third, code, 'AltRight');
    caps.set(code, { plain, shifted, third });
  }
  for (const [character, code] of CONTROL_KEYS) put(character, code, undefined);
  return { strokes, caps };
}

const LAYOUTS: Readonly<Record<KeyboardLayout, Layout>> = { us: readLayout(US_KEYS, ''), de: readLayout(GERMAN_KEYS, '^´`') };

/** What is printed on a key of letters, digits or signs, by `KeyboardEvent.code`. */
export function keyCaps(code: string, layout: KeyboardLayout): KeyCaps | undefined {
  return LAYOUTS[layout].caps.get(code);
}

/**
 * The key changes that type `text` on a keyboard of that layout without Caps Lock. A line end (LF, CR or both) is Enter.
 * Shift and AltGr are held over neighbouring characters that need them and are up at the end.
 */
export function keysForText(text: string, layout: KeyboardLayout = 'us'): TypedText {
  const changes: KeyChange[] = [];
  const untypable = new Set<string>();
  let held: Modifier | undefined;
  const hold = (wanted: Modifier | undefined): void => {
    if (held === wanted) return;
    if (held !== undefined) changes.push({ code: held, down: false });
    if (wanted !== undefined) changes.push({ code: wanted, down: true });
    held = wanted;
  };
  const press = (code: string): void => { changes.push({ code, down: true }, { code, down: false }); };
  for (const character of text.replaceAll('\r\n', '\n')) {
    const keystroke = LAYOUTS[layout].strokes.get(character);
    if (keystroke === undefined) {
      untypable.add(character);
      continue;
    }
    hold(keystroke.modifier);
    press(keystroke.code);
    if (!keystroke.isDead) continue;
    hold(undefined);
    press('Space');
  }
  hold(undefined);
  return { changes, untypable: [...untypable] };
}
