/** Starts a media process for one job, and validates what comes back. */
import { fork, type ChildProcess } from 'node:child_process';
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
  /** Where one waits already. */
  readonly waiting?: WaitingMediaProcess | undefined;
}

/** A media process that has no job yet, for a while: its job begins at once. */
export class WaitingMediaProcess {
  readonly #program: string;
  readonly #delayMillis: number;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(program: string, delayMillis = DELAY_MILLIS) {
    this.#program = program;
    this.#delayMillis = delayMillis;
  }

  /** Soon there may be a job. */
  expectJob(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    // What has just been done may be followed by a machine's start, which is to have the host's processors to itself.
    this.#timer = setTimeout(() => {
      this.#start();
      this.#timer = setTimeout(() => { this.#end(); }, WAITING_MILLIS).unref();
    }, this.#delayMillis).unref();
  }

  #start(): void {
    if (this.#child !== undefined || !existsSync(this.#program)) return;
    const child = this.#child = forkMediaProcess(this.#program);
    child.on('error', () => { this.#forget(child); });
    child.on('exit', () => { this.#forget(child); });
    // It keeps nobody from ending, and ends with whoever started it.
    child.unref();
    child.channel?.unref();
  }

  /** It is the caller's from now on. */
  take(): ChildProcess | undefined {
    const child = this.#child;
    this.#child = undefined;
    if (child?.connected !== true || child.exitCode !== null) return undefined;
    child.ref();
    child.channel?.ref();
    return child;
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#end();
  }

  #end(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #forget(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined;
  }
}

const DELAY_MILLIS = 1000;
const WAITING_MILLIS = 5 * 60_000;

function forkMediaProcess(program: string): ChildProcess {
  return fork(program, [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // A process group of its own: Ctrl-C in the terminal is ours to pass on.
    detached: process.platform !== 'win32',
    execArgv: [],
  });
}

const KILL_AFTER_MILLIS = 10_000;

/** Errors: those of the job, `media.cancelled`, `media.process-died`. */
export async function runMediaJob<T>(options: MediaJobOptions<T>): Promise<Result<T>> {
  const { program, waiting, signal } = options;
  if (!existsSync(program)) return fail('media.process-died', `the program ${program} is missing`, 'build Guesthouse anew');
  const child = waiting?.take();
  const done = child === undefined ? undefined : await runIn(child, options);
  // One that waited may have been dead without anybody's having heard of it.
  return done === undefined || (!done.ok && done.error.code === 'media.process-died' && !signal.aborted) ? runIn(forkMediaProcess(program), options) : done;
}

async function runIn<T>(child: ChildProcess, { job, answer, progress, signal, killAfterMillis = KILL_AFTER_MILLIS }: MediaJobOptions<T>): Promise<Result<T>> {
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
  const place = job.kind === 'create' || job.kind === 'convert' ? job.target.path : job.kind === 'compact' ? job.image.path : job.kind === 'export-ovf' || job.kind === 'export-bundle' ? job.path : undefined;
  if (place === undefined) return;
  const real = await realpath(place).catch(() => place);
  const prefix = unfinishedPrefix(basename(real), pid);
  for (const name of await readdir(dirname(real)).catch(() => [])) if (name.startsWith(prefix)) await rm(join(dirname(real), name), { recursive: true, force: true }).catch(() => {});
}
