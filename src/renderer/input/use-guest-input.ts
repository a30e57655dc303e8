/**
 * Keyboard and mouse of a guest's screen. The screen has three conditions: idle; `keyboard`, where every key goes to the
 * guest; and `captured`, where the mouse does too. The host key leads back to idle, and from idle to `keyboard`.
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import type { DisplayInput } from '../display/use-display.ts';
import { GuestKeyboard } from './guest-keyboard.ts';
import type { HostKey } from './guest-keyboard.ts';
import { PointerStream } from './pointer-stream.ts';

export type Grab = 'idle' | 'keyboard' | 'captured';

export interface GuestInput {
  readonly grab: Grab;
  /** Sends keys to the guest from now on; with the mouse, if wanted, which only a click may ask for. */
  take(withMouse: boolean): void;
  release(): void;
}

export interface GuestInputOptions {
  /** What has the focus while keys go to the guest. */
  readonly surface: RefObject<HTMLElement | null>;
  readonly channel: RefObject<DisplayInput | undefined>;
  readonly hostKey: HostKey;
  /** The guest runs, so that there is somebody to type to. */
  readonly isEnabled: boolean;
  readonly onHostCombination: (code: string) => void;
}

export function useGuestInput({ surface, channel, hostKey, isEnabled, onHostCombination }: GuestInputOptions): GuestInput {
  const [grab, setGrab] = useState<Grab>('idle');
  const combination = useRef(onHostCombination);
  useEffect(() => { combination.current = onHostCombination; });
  const isTaken = useRef(false);

  const take = useCallback((withMouse: boolean): void => {
    const element = surface.current;
    if (element === null || !isEnabled) return;
    element.focus({ preventScroll: true });
    isTaken.current = true;
    setGrab(document.pointerLockElement === element ? 'captured' : 'keyboard');
    if (withMouse && document.pointerLockElement !== element) void lockPointer(element);
  }, [surface, isEnabled]);

  const release = useCallback((): void => {
    isTaken.current = false;
    setGrab('idle');
    if (document.pointerLockElement !== null) document.exitPointerLock();
  }, []);

  useEffect(() => {
    const element = surface.current;
    if (element === null || !isEnabled) return undefined;

    const guest = new GuestKeyboard(hostKey, {
      send: (events) => { channel.current?.send({ kind: 'keys', events }); },
      hostKey: release,
      hostCombination: (code) => { combination.current(code); },
    });
    // Hears the host key while the keys are the page's own.
    const idle = new GuestKeyboard(hostKey, {
      send: () => undefined,
      hostKey: () => { if (!isTaken.current && document.querySelector('[role=dialog], [role=alertdialog], [role=menu]') === null) take(false); },
      hostCombination: (code) => { combination.current(code); },
    });
    const goesToGuest = (): boolean => isTaken.current && document.activeElement === element;
    const keyDown = (event: KeyboardEvent): void => {
      if (event.isComposing) return;
      if (goesToGuest()) {
        if (guest.keyDown(event.code)) swallow(event);
      } else {
        idle.keyDown(event.code);
      }
    };
    const keyUp = (event: KeyboardEvent): void => {
      // The release of the host key that gave the keyboard up belongs to the guest's keyboard, the next press does not.
      if (goesToGuest()) {
        if (guest.keyUp(event.code)) swallow(event);
      } else {
        idle.keyUp(event.code);
      }
    };
    const releaseKeys = (): void => {
      guest.releaseAll();
      idle.releaseAll();
    };
    const blur = (): void => {
      releaseKeys();
      // When the whole window loses the focus it comes back to where it was, and so do the keys.
      if (document.hasFocus()) release();
    };

    const pointer = new PointerStream(
      (change) => { channel.current?.send({ kind: 'pointer', ...change }); },
      (flush) => { requestAnimationFrame(flush); },
    );
    const isLocked = (): boolean => document.pointerLockElement === element;
    const move = (event: MouseEvent): void => { if (isLocked()) pointer.move(event.movementX, event.movementY); };
    const press = (event: MouseEvent): void => {
      if (isLocked()) {
        swallow(event);
        pointer.press(event.buttons);
      }
    };
    const wheel = (event: WheelEvent): void => {
      if (!isLocked()) return;
      swallow(event);
      pointer.turn(event.deltaY, event.deltaMode);
    };
    const lockChanged = (): void => {
      pointer.press(0);
      if (isLocked()) setGrab('captured');
      else setGrab(isTaken.current ? 'keyboard' : 'idle');
    };

    window.addEventListener('keydown', keyDown, true);
    window.addEventListener('keyup', keyUp, true);
    window.addEventListener('blur', releaseKeys);
    element.addEventListener('blur', blur);
    element.addEventListener('mousemove', move);
    element.addEventListener('mousedown', press);
    element.addEventListener('mouseup', press);
    element.addEventListener('wheel', wheel, { passive: false });
    document.addEventListener('pointerlockchange', lockChanged);
    return () => {
      releaseKeys();
      release();
      window.removeEventListener('keydown', keyDown, true);
      window.removeEventListener('keyup', keyUp, true);
      window.removeEventListener('blur', releaseKeys);
      element.removeEventListener('blur', blur);
      element.removeEventListener('mousemove', move);
      element.removeEventListener('mousedown', press);
      element.removeEventListener('mouseup', press);
      element.removeEventListener('wheel', wheel);
      document.removeEventListener('pointerlockchange', lockChanged);
    };
  }, [surface, channel, hostKey, isEnabled, take, release]);

  return { grab, take, release };
}

function swallow(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

/** Without the host's acceleration where that can be had: the guest has its own. A refusal leaves the mouse where it is. */
async function lockPointer(element: HTMLElement): Promise<void> {
  try {
    await element.requestPointerLock({ unadjustedMovement: true });
  } catch {
    try {
      await element.requestPointerLock();
    } catch { /* The browser wants a click of the person first, or another lock has just ended. */ }
  }
}
