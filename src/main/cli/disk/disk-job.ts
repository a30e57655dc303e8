/** One job of a media process as a verb of the command line: its progress on a terminal, and Ctrl-C. */
import type { z } from 'zod';
import type { MediaJob } from '../../../shared/media-protocol.ts';
import type { Result } from '../../../shared/result.ts';
import { runMediaJob } from '../../media/media-process.ts';
import type { CommandLineContext } from '../context.ts';
import { CommandFailure } from '../outcome.ts';

/** Names what is under way, with its progress, where `doing` is given and standard error is a terminal. */
export async function runDiskJob<T>(context: CommandLineContext, job: MediaJob, answer: z.ZodType<T>, doing?: string): Promise<Result<T>> {
  const cancelling = new AbortController();
  let status = 0;
  const signals = ([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const).map(([signal, exitStatus]) => {
    const listener = (): void => {
      status ||= exitStatus;
      cancelling.abort();
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  const isShown = doing !== undefined && process.stderr.isTTY;
  let shown = '';
  const progress = (done: number): void => {
    if (!isShown) return;
    const text = `${doing}: ${Math.floor(done * 100)} %`;
    if (text !== shown) process.stderr.write(`\r${text}\u001b[K`);
    shown = text;
  };
  try {
    const result = await runMediaJob({ program: context.paths.mediaProcess, job, answer, progress, signal: cancelling.signal });
    if (status !== 0 && !result.ok) throw new CommandFailure(status, result.error);
    return result;
  } finally {
    if (shown !== '') process.stderr.write('\r\u001b[K');
    for (const { signal, listener } of signals) process.off(signal, listener);
  }
}
