/**
 * Scan codes of the keys (Microsoft "Keyboard Scan Code Specification" 1.3a; IBM PS/2 technical reference, "Keyboard")
 * by DOM `KeyboardEvent.code` (UI Events code values).
 */

export const PREFIX_E0 = 0xe0;
export const PREFIX_E1 = 0xe1;

export interface KeyCode {
  /** Whether E0 precedes the code in sets 1 and 2. */
  readonly extended: boolean;
  readonly set2: number;
  /** Absent where set 3 has no such key. */
  readonly set3?: number;
  /** The key tells its press only. */
  readonly makeOnly?: boolean;
}

/** Keys with the same code in sets 2 and 3: two hexadecimal digits each. */
const COMMON = 'KeyA 1c KeyB 32 KeyC 21 KeyD 23 KeyE 24 KeyF 2b KeyG 34 KeyH 33 KeyI 43 KeyJ 3b KeyK 42 KeyL 4b KeyM 3a '
  + 'KeyN 31 KeyO 44 KeyP 4d KeyQ 15 KeyR 2d KeyS 1b KeyT 2c KeyU 3c KeyV 2a KeyW 1d KeyX 22 KeyY 35 KeyZ 1a '
  + 'Digit0 45 Digit1 16 Digit2 1e Digit3 26 Digit4 25 Digit5 2e Digit6 36 Digit7 3d Digit8 3e Digit9 46 '
  + 'Backquote 0e Minus 4e Equal 55 Backspace 66 Tab 0d BracketLeft 54 BracketRight 5b Semicolon 4c Quote 52 Enter 5a '
  + 'ShiftLeft 12 ShiftRight 59 Space 29 Comma 41 Period 49 Slash 4a IntlRo 51 '
  + 'Numpad0 70 Numpad1 69 Numpad2 72 Numpad3 7a Numpad4 6b Numpad5 73 Numpad6 74 Numpad7 6c Numpad8 75 Numpad9 7d NumpadDecimal 71';

/** Set 2 (with E0 where it is extended), then set 3 or a dash. */
const OTHERS = 'Backslash 5d 5c, CapsLock 58 14, ControlLeft 14 11, AltLeft 11 19, AltRight e011 39, ControlRight e014 58, '
  + 'F1 05 07, F2 06 0f, F3 04 17, F4 0c 1f, F5 03 27, F6 0b 2f, F7 83 37, F8 0a 3f, F9 01 47, F10 09 4f, F11 78 56, F12 07 5e, '
  + 'F13 08 -, F14 10 -, F15 18 -, F16 20 -, F17 28 -, F18 30 -, F19 38 -, F20 40 -, F21 48 -, F22 50 -, F23 57 -, F24 5f -, '
  + 'Escape 76 08, ScrollLock 7e 5f, NumLock 77 76, '
  + 'NumpadMultiply 7c 7e, NumpadSubtract 7b 84, NumpadAdd 79 7c, NumpadDivide e04a 77, NumpadEnter e05a 79, '
  + 'NumpadComma 6d -, NumpadEqual 0f -, '
  + 'Insert e070 67, Home e06c 6e, PageUp e07d 6f, Delete e071 64, End e069 65, PageDown e07a 6d, '
  + 'ArrowUp e075 63, ArrowLeft e06b 61, ArrowDown e072 60, ArrowRight e074 6a, '
  + 'MetaLeft e01f 8b, MetaRight e027 8c, ContextMenu e02f 8d, '
  + 'IntlBackslash 61 13, IntlYen 6a 5d, KanaMode 13 87, Convert 64 86, NonConvert 67 85, '
  + 'Power e037 -, Sleep e03f -, WakeUp e05e -, '
  + 'AudioVolumeMute e023 -, AudioVolumeDown e021 -, AudioVolumeUp e032 -, '
  + 'MediaPlayPause e034 -, MediaTrackNext e04d -, MediaTrackPrevious e015 -, MediaStop e03b -, MediaSelect e050 -, '
  + 'BrowserSearch e010 -, BrowserHome e03a -, BrowserBack e038 -, BrowserForward e030 -, BrowserStop e028 -, '
  + 'BrowserRefresh e020 -, BrowserFavorites e018 -, LaunchMail e048 -, LaunchApp1 e040 -, LaunchApp2 e02b -';

function readTable(): Map<string, KeyCode> {
  const table = new Map<string, KeyCode>();
  const common = COMMON.split(' ');
  for (let index = 0; index + 1 < common.length; index += 2) {
    const code = Number.parseInt(common[index + 1] as string, 16);
    table.set(common[index] as string, { extended: false, set2: code, set3: code });
  }
  for (const row of OTHERS.split(', ')) {
    const [name, set2, set3] = row.split(' ') as [string, string, string];
    const code = Number.parseInt(set2, 16);
    const key = { extended: code > 0xff, set2: code & 0xff };
    table.set(name, set3 === '-' ? key : { ...key, set3: Number.parseInt(set3, 16) });
  }
  // Hangul and Hanja of Korean keyboards.
  table.set('Lang1', { extended: false, set2: 0xf2, makeOnly: true });
  table.set('Lang2', { extended: false, set2: 0xf1, makeOnly: true });
  return table;
}

/** All keys but PrintScreen and Pause, whose codes depend on other keys: the keyboard makes them. */
export const KEY_CODES: ReadonlyMap<string, KeyCode> = readTable();

/** Set 1 codes of set 2 codes 0x00 to 0x84, as the controller translates them; greater ones stay as they are. */
const TRANSLATION = [
  'ff 43 41 3f 3d 3b 3c 58 64 44 42 40 3e 0f 29 59',
  '65 38 2a 70 1d 10 02 5a 66 71 2c 1f 1e 11 03 5b',
  '67 2e 2d 20 12 05 04 5c 68 39 2f 21 14 13 06 5d',
  '69 31 30 23 22 15 07 5e 6a 72 32 24 16 08 09 5f',
  '6b 33 25 17 18 0b 0a 60 6c 34 35 26 27 19 0c 61',
  '6d 73 28 74 1a 0d 62 6e 3a 36 1c 1b 75 2b 63 76',
  '55 56 77 78 79 7a 0e 7b 7c 4f 7d 4b 47 7e 7f 6f',
  '52 53 50 4c 4d 48 01 45 57 4e 51 4a 37 49 46 54',
  '80 81 82 41 54',
].join(' ').split(' ').map((digits) => Number.parseInt(digits, 16));

/** The controller's translation of one byte from the keyboard (a make code; the caller adds the release bit). */
export function translateToSet1(set2: number): number {
  return TRANSLATION[set2] ?? set2;
}
