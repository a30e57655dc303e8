/** Long jobs that callers began, each by a name of the caller's, to be told of their progress and to cancel them. */
import { fail } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';

export interface JobControl {
  /** Between 0 and 1. */
  readonly progress: (done: number) => void;
  readonly signal: AbortSignal;
}

export class RunningJobs {
  readonly #running = new Map<string, AbortController>();
  readonly #progressed: (id: string, done: number) => void;

  constructor(progressed: (id: string, done: number) => void) {
    this.#progressed = progressed;
  }

  /** Without a name nobody hears of its progress, and nobody can cancel it. Error: `media.failed` where one of that name runs. */
  async run<T>(id: string | undefined, work: (progress: (done: number) => void, signal: AbortSignal) => Promise<Result<T>>): Promise<Result<T>> {
    const cancelling = new AbortController();
    if (id === undefined) return work(() => {}, cancelling.signal);
    if (this.#running.has(id)) return fail('media.failed', `the job ${id} runs already`, 'wait for its end');
    this.#running.set(id, cancelling);
    try {
      return await work((done) => { this.#progressed(id, done); }, cancelling.signal);
    } finally {
      this.#running.delete(id);
    }
  }

  cancel(id: string): void {
    this.#running.get(id)?.abort();
  }
}
