import { useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import type { DisplayUp, MachineState } from '../../shared/api.ts';
import type { Channel } from '../channel.ts';
import { useApp } from '../state/app-state.ts';
import { useStore } from '../state/store.ts';
import type { Extent } from './place-screen.ts';
import { workerDisplay } from './worker-display.ts';

/** Wait before a display channel that ended is opened again, as after a quick restart of the machine. */
const REOPEN_MILLIS = 700;

export function isOn(state: MachineState): boolean {
  return state !== 'off' && state !== 'crashed';
}

/** What is sent before the display is open, or after its end, goes nowhere. */
export type DisplayInput = Pick<Channel<DisplayUp>, 'send'>;

export interface DisplayView {
  /** The guest's screen; absent until its first frame. */
  readonly size: Extent | undefined;
  readonly channel: RefObject<DisplayInput | undefined>;
}

/**
 * Shows a machine's screen on a canvas for as long as the machine is on.
 * @param millisPerFrame how long to wait after each frame before the next is asked for; 0 is as fast as they come
 */
export function useDisplay(canvas: RefObject<HTMLCanvasElement | null>, machine: string, state: MachineState, millisPerFrame: number): DisplayView {
  const { shell, connection } = useApp();
  const isConnected = useStore(connection) === 'connected';
  const channel = useRef<DisplayInput>(undefined);
  const [size, setSize] = useState<Extent>();
  const wanted = isOn(state) && isConnected;

  useEffect(() => {
    const element = canvas.current;
    if (!wanted || element === null) return undefined;
    const display = workerDisplay();
    const screen = display.adopt(element);
    let isEnded = false;
    let reopen: ReturnType<typeof setTimeout> | undefined;
    const open = async (): Promise<void> => {
      const end = await shell.displayEnd(machine);
      if (isEnded) {
        if (end?.kind === 'port') end.port.close();
        return;
      }
      const openLater = (): void => { reopen = setTimeout(() => { void open(); }, REOPEN_MILLIS); };
      if (end === undefined) openLater();
      else display.show(screen, end, millisPerFrame, { resized: (width, height) => { setSize({ width, height }); }, closed: openLater });
    };
    channel.current = { send: (message) => { display.send(screen, message); } };
    void open();
    return () => {
      isEnded = true;
      clearTimeout(reopen);
      display.hide(screen);
      channel.current = undefined;
      // The next frame of a machine that starts anew tells its size again.
      setSize(undefined);
    };
  }, [canvas, machine, wanted, millisPerFrame, shell]);

  return { size, channel };
}
