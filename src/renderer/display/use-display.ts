import { useEffect, useRef, useState } from 'react';
import type { RefObject } from 'react';
import type { MachineState, DisplayUp } from '../../shared/api.ts';
import type { Channel } from '../api.ts';
import { useApp } from '../state/app-state.ts';
import { useStore } from '../state/store.ts';
import type { Extent } from './place-screen.ts';
import { ScreenPainter } from './screen-painter.ts';

/** Wait before a display channel that ended is opened again, as after a quick restart of the machine. */
const REOPEN_MILLIS = 700;

export function isOn(state: MachineState): boolean {
  return state !== 'off' && state !== 'crashed';
}

export interface DisplayView {
  /** The guest's screen; absent until its first frame. */
  readonly size: Extent | undefined;
  readonly channel: RefObject<Channel<DisplayUp> | undefined>;
}

/**
 * Shows a machine's screen on a canvas for as long as the machine is on.
 * @param millisPerFrame how long to wait after each frame before the next is asked for; 0 is as fast as they come
 */
export function useDisplay(canvas: RefObject<HTMLCanvasElement | null>, machine: string, state: MachineState, millisPerFrame: number): DisplayView {
  const { shell, connection } = useApp();
  const isConnected = useStore(connection) === 'connected';
  const channel = useRef<Channel<DisplayUp>>(undefined);
  const [size, setSize] = useState<Extent>();
  const wanted = isOn(state) && isConnected;

  useEffect(() => {
    const element = canvas.current;
    if (!wanted || element === null) return undefined;
    let isEnded = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let reopen: ReturnType<typeof setTimeout> | undefined;
    const painter = new ScreenPainter(element, {
      resized: (width, height) => { setSize({ width, height }); },
      drawn: () => {
        if (millisPerFrame === 0) channel.current?.send({ kind: 'frame-drawn' });
        else timer = setTimeout(() => { channel.current?.send({ kind: 'frame-drawn' }); }, millisPerFrame);
      },
    });
    const open = (): void => {
      if (isEnded) return;
      const opened = shell.openDisplay(machine, {
        message: ({ frame }) => { painter.show(frame); },
        closed: () => {
          channel.current = undefined;
          reopen = setTimeout(open, REOPEN_MILLIS);
        },
      });
      channel.current = opened;
      opened.send({ kind: 'watch-display', watch: true });
    };
    open();
    return () => {
      isEnded = true;
      clearTimeout(timer);
      clearTimeout(reopen);
      painter.end();
      channel.current?.close();
      channel.current = undefined;
      // The next frame of a machine that starts anew tells its size again.
      element.width = 1;
      element.height = 1;
      setSize(undefined);
    };
  }, [canvas, machine, wanted, millisPerFrame, shell]);

  return { size, channel };
}
