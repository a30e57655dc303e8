import { useCallback, useEffect, useState } from 'react';

/** Keyboard lock: browsers that have it let keys such as Alt+Tab through to the page while it fills the screen. */
interface KeyboardLock { lock(): Promise<void>; unlock(): void }
const keyboardLock = (navigator as Navigator & { readonly keyboard?: KeyboardLock }).keyboard;

export function useFullscreen(): { readonly isFullscreen: boolean; readonly toggle: () => void } {
  const [isFullscreen, setFullscreen] = useState(document.fullscreenElement !== null);

  useEffect(() => {
    const changed = (): void => {
      setFullscreen(document.fullscreenElement !== null);
      if (document.fullscreenElement === null) keyboardLock?.unlock();
    };
    document.addEventListener('fullscreenchange', changed);
    return () => {
      document.removeEventListener('fullscreenchange', changed);
      if (document.fullscreenElement !== null) void document.exitFullscreen();
    };
  }, []);

  const toggle = useCallback((): void => {
    if (document.fullscreenElement !== null) {
      void document.exitFullscreen();
      return;
    }
    // The whole page, not the screen alone: messages and questions must be able to appear over it.
    document.documentElement.requestFullscreen({ navigationUI: 'hide' }).then(
      () => keyboardLock?.lock(),
      () => undefined,
    ).catch(() => undefined);
  }, []);

  return { isFullscreen, toggle };
}
