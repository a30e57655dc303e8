/**
 * Entry of a media process: does one job on disk images (`../../shared/media-protocol.ts`) for whoever forked it with
 * `serialization: 'advanced'`, answers over the IPC channel and ends. It gives up, leaving nothing half-made, when it is told
 * to, when its parent goes away, and on SIGTERM.
 */
import type { MediaCommand, MediaEvent, MediaJob } from '../../shared/media-protocol.ts';
import { ImageError } from '../storage/image-error.ts';
import { runMediaJob } from './media-jobs.ts';
import { StartError } from './start-error.ts';

const PROGRESS_MILLIS = 100;

class Cancelled extends Error {}

let isCancelled = false;
let toldAt = 0;

function send(event: MediaEvent): Promise<void> {
  return new Promise((resolve) => {
    if (process.connected) process.send!(event, undefined, undefined, () => { resolve(); });
    else resolve();
  });
}

function progress(done: number): void {
  if (isCancelled) throw new Cancelled();
  const now = performance.now();
  if (now - toldAt < PROGRESS_MILLIS) return;
  toldAt = now;
  void send({ kind: 'progress', done: Math.min(1, Math.max(0, done)) });
}

async function work(job: MediaJob): Promise<void> {
  try {
    await send({ kind: 'finished', value: await runMediaJob(job, progress) });
  } catch (error) {
    await send({ kind: 'failed', error: factsOf(error) });
  }
  process.exit();
}

function factsOf(error: unknown): { code: string; message: string; advice: string } {
  if (error instanceof Cancelled) return { code: 'media.cancelled', message: 'the job was cancelled', advice: '' };
  if (error instanceof ImageError || error instanceof StartError) return { code: error.code, message: error.message, advice: error.advice };
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return { code: 'media.no-space', message: 'there is no space left on the disk', advice: 'free some space' };
  return { code: 'media.failed', message: `the image could not be worked on (${code ?? message})`, advice: 'check the file and the disk it is on' };
}

if (process.send === undefined) {
  process.stderr.write('guesthouse: a media process is started by guesthouse itself: use "guesthouse disk"\n');
  process.exit(2);
}
const cancel = (): void => { isCancelled = true; };
process.on('message', (command: MediaCommand) => {
  if (command.kind === 'start') void work(command.job);
  else cancel();
});
process.on('disconnect', cancel);
process.on('SIGTERM', cancel);
