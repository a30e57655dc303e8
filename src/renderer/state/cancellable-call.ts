import { useEffect, useRef, useState } from 'react';
import type { Result } from '../../shared/result.ts';
import { useApp } from './app-state.ts';

export interface CancellableCall {
  /** Between 0 and 1, while a call runs. */
  readonly done: number | undefined;
  run<T>(call: (id: string) => Promise<Result<T>>): Promise<Result<T>>;
  cancel(): void;
}

/** One long call at a time, by the number that its progress is told with; it is cancelled when who asked for it goes away. */
export function useCancellableCall(): CancellableCall {
  const { shell } = useApp();
  const [done, setDone] = useState<number>();
  const running = useRef<string>(undefined);
  useEffect(() => shell.onEvent((event) => {
    if (event.event === 'media.progress' && event.payload.id === running.current) setDone(event.payload.done);
  }), [shell]);
  const cancel = (): void => { if (running.current !== undefined) void shell.client.media.cancel({ id: running.current }); };
  useEffect(() => () => { if (running.current !== undefined) void shell.client.media.cancel({ id: running.current }); }, [shell]);
  return {
    done, cancel,
    run: async (call) => {
      const id = crypto.randomUUID();
      running.current = id;
      setDone(0);
      const answer = await call(id);
      running.current = undefined;
      setDone(undefined);
      return answer;
    },
  };
}
