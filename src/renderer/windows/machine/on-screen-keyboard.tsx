/** Keys to press with the mouse. Modifiers stay down until the next key, like on a phone. */
import { useState } from 'react';
import { Button } from 'react-aria-components';
import { useTranslation } from 'react-i18next';
import { keyCaps } from '../../../shared/keyboard-text.ts';
import type { KeyboardLayout } from '../../../shared/machine-config.ts';
import { chord } from '../../input/guest-keyboard.ts';
import type { KeyChange } from '../../../shared/vm-protocol.ts';

const MODIFIERS = ['ShiftLeft', 'ControlLeft', 'AltLeft', 'AltRight', 'MetaLeft'] as const;
type Modifier = (typeof MODIFIERS)[number];

/** `code` or `code:width`, a width of 1 being a letter's. */
const ROWS = [
  'Escape F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 Delete',
  'Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace:2 Insert Home PageUp',
  'Tab:1.5 KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Backslash:1.5 ArrowUp End PageDown',
  'CapsLock:1.8 KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Enter:2.2 ArrowLeft ArrowDown ArrowRight',
  'ShiftLeft:1.4 IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash PrintScreen Pause',
  'ControlLeft:1.4 MetaLeft:1.2 AltLeft:1.2 Space:6 AltRight:1.2 ContextMenu',
].map((row) => row.split(' ').map((key) => {
  const [code = '', width = '1'] = key.split(':');
  return { code, width: Number(width) };
}));

/** Signs in place of words where everybody knows them. */
const SIGNS: Readonly<Record<string, string>> = {
  Backspace: '⌫', Tab: '⇥', Enter: '⏎', ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', CapsLock: '⇪', ShiftLeft: '⇧', MetaLeft: '⊞', ContextMenu: '☰',
};
const WORDS: Readonly<Record<string, string>> = {
  Escape: 'Esc', Delete: 'Del', Insert: 'Ins', Home: 'Home', End: 'End', PageUp: 'PgUp', PageDown: 'PgDn', PrintScreen: 'PrtSc', Pause: 'Pause', ControlLeft: 'Ctrl', AltLeft: 'Alt', AltRight: 'AltGr', Space: ' ',
};

export function OnScreenKeyboard({ layout, onKeys }: { readonly layout: KeyboardLayout; readonly onKeys: (events: KeyChange[]) => void }) {
  const { t } = useTranslation();
  const [held, setHeld] = useState<ReadonlySet<Modifier>>(new Set());
  const press = (code: string): void => {
    if (isModifier(code)) {
      setHeld((present) => present.has(code) ? new Set([...present].filter((other) => other !== code)) : new Set(present).add(code));
      return;
    }
    onKeys(chord([...held, code]));
    setHeld(new Set());
  };
  const cap = (code: string): string => {
    const caps = keyCaps(code, layout);
    if (caps === undefined) return SIGNS[code] ?? WORDS[code] ?? code;
    return (held.has('AltRight') ? caps.third : held.has('ShiftLeft') ? caps.shifted : caps.plain) ?? caps.plain;
  };
  return (
    <div className="keyboard" role="group" aria-label={t('machine.onScreenKeyboard')}>
      {ROWS.map((row, index) => (
        <div key={index} className="keyboard-row">
          {row.filter(({ code }) => code !== 'IntlBackslash' || keyCaps(code, layout) !== undefined).map(({ code, width }) => (
            <Button key={code} className="key" aria-label={SIGNS[code] === undefined ? cap(code) === ' ' ? 'Space' : cap(code) : code} {...(isModifier(code) ? { 'aria-pressed': held.has(code) } : {})}
              style={{ flexGrow: width, flexBasis: `${width * 30}px` }} onPress={() => { press(code); }}>
              {cap(code)}
            </Button>
          ))}
        </div>
      ))}
    </div>
  );
}

function isModifier(code: string): code is Modifier {
  return (MODIFIERS as readonly string[]).includes(code);
}
