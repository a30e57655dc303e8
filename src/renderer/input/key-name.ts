/** What is printed on a key, from its DOM `KeyboardEvent.code`: `KeyF` → `F`. */
export function keyName(code: string): string {
  return code.replace(/^(?:Key|Digit)(?=.$)/, '').replace(/^Arrow/, '').replace(/^Numpad(.+)/, 'Num $1');
}

/** Keys that can't stand beside the host key: other ways to hold something, and what a guest or a browser can't do without. */
const UNUSABLE = /^(?:Control|Alt|Shift|Meta|OS|Fn|CapsLock|NumLock|Escape$|Tab$|Enter$|Unidentified)/;

export function canBeShortcut(code: string): boolean {
  return code !== '' && !UNUSABLE.test(code);
}
