import { useEffect, useRef, useState } from 'react';
import type { ApiClient, MediumJob } from '../../../shared/api.ts';
import type { Result } from '../../../shared/result.ts';
import { useApp } from '../../state/app-state.ts';

type Answer = Awaited<ReturnType<ApiClient['media']['run']>>;
export type JobOutcome = Answer extends Result<infer Value> ? Value : never;

export interface MediaJobRun {
  /** Between 0 and 1, while a job runs. */
  readonly done: number | undefined;
  run(job: MediumJob): Promise<Answer>;
  cancel(): void;
}

/** One job at a time; it is cancelled when who asked for it goes away. */
export function useMediaJob(): MediaJobRun {
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
    run: async (job) => {
      const id = crypto.randomUUID();
      running.current = id;
      setDone(0);
      const answer = await shell.client.media.run({ id, job });
      running.current = undefined;
      setDone(undefined);
      return answer;
    },
  };
}
