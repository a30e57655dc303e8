/** Text to be typed at a machine's keyboard, as commands: what has a character by `type-text`, what has only a key by `keys`. */
import type { KeyChange, VmCommand } from '../../../shared/vm-protocol.ts';

const KEYS_WITHOUT_TEXT: Readonly<Record<string, string>> = { '\x1b': 'Escape', '\b': 'Backspace', '\x7f': 'Delete' };

export function typingCommands(text: string): VmCommand[] {
  return text.replaceAll('\r\n', '\n').replaceAll('\r', '\n').split(/([\x1b\b\x7f])/).filter((part) => part !== '').map((part): VmCommand => { // eslint-disable-line no-control-regex -- these are the keys
    const code = KEYS_WITHOUT_TEXT[part];
    return code === undefined ? { kind: 'type-text', text: part } : { kind: 'keys', events: pressed([code]) };
  });
}

/** A chord: all down in order, then up in reverse. */
export function pressed(codes: readonly string[]): KeyChange[] {
  return [...codes.map((code) => ({ code, down: true })), ...codes.toReversed().map((code) => ({ code, down: false }))];
}

const NAMED_KEYS: Readonly<Record<string, string>> = {
  ctrl: 'ControlLeft', control: 'ControlLeft', alt: 'AltLeft', altgr: 'AltRight', shift: 'ShiftLeft', meta: 'MetaLeft', win: 'MetaLeft', super: 'MetaLeft',
  del: 'Delete', delete: 'Delete', ins: 'Insert', insert: 'Insert', home: 'Home', end: 'End', pgup: 'PageUp', pageup: 'PageUp', pgdn: 'PageDown', pagedown: 'PageDown',
  up: 'ArrowUp', down: 'ArrowDown', left: 'ArrowLeft', right: 'ArrowRight',
  enter: 'Enter', return: 'Enter', ret: 'Enter', esc: 'Escape', escape: 'Escape', tab: 'Tab', space: 'Space', spc: 'Space', backspace: 'Backspace', bksp: 'Backspace',
  minus: 'Minus', equal: 'Equal', comma: 'Comma', dot: 'Period', period: 'Period', slash: 'Slash', backslash: 'Backslash', semicolon: 'Semicolon', quote: 'Quote', backquote: 'Backquote',
  capslock: 'CapsLock', numlock: 'NumLock', scrolllock: 'ScrollLock', print: 'PrintScreen', printscreen: 'PrintScreen', sysrq: 'PrintScreen', pause: 'Pause', menu: 'ContextMenu',
};

/** DOM codes of a chord such as `ctrl-alt-del`, `alt-f2`, `a` or a code itself (`KeyA`); `undefined` when a key is unknown. */
export function parseChord(chord: string): string[] | undefined {
  const codes = (chord === '-' ? ['minus'] : chord.split('-')).map((name) => {
    const lower = name.toLowerCase();
    if (Object.hasOwn(NAMED_KEYS, lower)) return NAMED_KEYS[lower];
    if (/^[a-z]$/.test(lower)) return `Key${lower.toUpperCase()}`;
    if (/^\d$/.test(lower)) return `Digit${lower}`;
    if (/^f(?:[1-9]|1[0-2])$/.test(lower)) return lower.toUpperCase();
    return /^(?:Key[A-Z]|Digit\d|Numpad\w+|Arrow(?:Up|Down|Left|Right)|(?:Control|Alt|Shift|Meta|Bracket)(?:Left|Right)|Intl\w+)$/.test(name) ? name : undefined;
  });
  return codes.every((code) => code !== undefined) ? codes : undefined;
}
