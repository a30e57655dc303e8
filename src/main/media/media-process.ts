/** Starts a media process for one job, and validates what comes back. */
import { fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { z } from 'zod';
import { mediaEventSchema, type MediaCommand, type MediaJob } from '../../shared/media-protocol.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { unfinishedPrefix } from '../../shared/unfinished-image.ts';

export interface MediaJobOptions<T> {
  /** The media process's program. */
  readonly program: string;
  readonly job: MediaJob;
  readonly answer: z.ZodType<T>;
  /** Between 0 and 1. */
  readonly progress: (done: number) => void;
  /** Cancels the job; what it had begun is taken back. */
  readonly signal: AbortSignal;
  /** How long a cancelled process may take to end by itself. */
  readonly killAfterMillis?: number;
}

const KILL_AFTER_MILLIS = 10_000;

/** Errors: those of the job, `media.cancelled`, `media.process-died`. */
export async function runMediaJob<T>({ program, job, answer, progress, signal, killAfterMillis = KILL_AFTER_MILLIS }: MediaJobOptions<T>): Promise<Result<T>> {
  if (!existsSync(program)) return fail('media.process-died', `the program ${program} is missing`, 'build Guesthouse anew');
  const child = fork(program, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A process group of its own: Ctrl-C in the terminal is ours to pass on.
    detached: process.platform !== 'win32',
    execArgv: [],
  });
  const post = (command: MediaCommand): void => { if (child.connected) child.send(command, () => {}); };
  let killing: NodeJS.Timeout | undefined;
  const cancel = (): void => {
    post({ kind: 'cancel' });
    killing ??= setTimeout(() => { child.kill('SIGKILL'); }, killAfterMillis);
  };
  signal.addEventListener('abort', cancel);
  try {
    return await new Promise<Result<T>>((resolve) => {
      let outcome: Result<T> = fail('media.process-died', 'the process that worked on the image died', 'try it again');
      child.on('message', (message) => {
        const event = mediaEventSchema.safeParse(message);
        if (!event.success) return;
        switch (event.data.kind) {
          case 'progress':
            progress(event.data.done);
            break;
          case 'failed':
            outcome = { ok: false, error: event.data.error };
            break;
          case 'finished': {
            const value = answer.safeParse(event.data.value);
            outcome = value.success ? ok(value.data) : fail('media.process-died', 'the process that worked on the image gave no sensible answer', 'report it');
            break;
          }
        }
      });
      child.on('error', (error) => { resolve(fail('media.process-died', `the process for the image could not be started (${error.message})`, 'try it again')); });
      child.on('close', (_code, by) => {
        clearTimeout(killing);
        resolve(signal.aborted && by === 'SIGKILL' ? fail('media.cancelled', 'the job was cancelled', '') : outcome);
      });
      post({ kind: 'start', job });
      if (signal.aborted) cancel();
    });
  } finally {
    signal.removeEventListener('abort', cancel);
    if (child.signalCode !== null && child.pid !== undefined) await clearAway(job, child.pid);
  }
}

/** Removes the image that a killed process had begun beside its place. */
async function clearAway(job: MediaJob, pid: number): Promise<void> {
  const place = job.kind === 'create' || job.kind === 'convert' ? job.target.path : job.kind === 'compact' ? job.image.path : job.kind === 'export-ovf' ? job.path : undefined;
  if (place === undefined) return;
  const real = await realpath(place).catch(() => place);
  const prefix = unfinishedPrefix(basename(real), pid);
  for (const name of await readdir(dirname(real)).catch(() => [])) if (name.startsWith(prefix)) await rm(join(dirname(real), name), { recursive: true, force: true }).catch(() => {});
}
