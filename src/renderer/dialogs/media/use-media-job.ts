import type { ApiClient, MediumJob } from '../../../shared/api.ts';
import type { Result } from '../../../shared/result.ts';
import { useApp } from '../../state/app-state.ts';
import { useCancellableCall, type CancellableCall } from '../../state/cancellable-call.ts';

type Answer = Awaited<ReturnType<ApiClient['media']['run']>>;
export type JobOutcome = Answer extends Result<infer Value> ? Value : never;

export interface MediaJobRun extends Omit<CancellableCall, 'run'> {
  run(job: MediumJob): Promise<Answer>;
}

/** One job at a time. */
export function useMediaJob(): MediaJobRun {
  const { shell } = useApp();
  const { done, run, cancel } = useCancellableCall();
  return { done, cancel, run: (job) => run((id) => shell.client.media.run({ id, job })) };
}
