/** Turns what a program does into output and an exit status. */
import { CommanderError } from 'commander';
import { CommandFailure, EXIT_FAILED, EXIT_OK, EXIT_USAGE, flushOutput, printError } from './outcome.ts';

/** Runs `work`, whose value is the exit status, and ends the process. */
export async function runProgram(work: () => Promise<number>): Promise<never> {
  // A reader that has gone is noticed by whoever writes.
  process.stdout.on('error', () => {});
  process.exitCode = await statusOf(work);
  await flushOutput();
  // Standard input, when it was read, would keep the process alive.
  process.exit();
}

async function statusOf(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CommandFailure) {
      printError(error.error);
      return error.status;
    }
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return EXIT_OK;
      if (error.code !== 'commander.help') printError({ code: 'usage', message: error.message.replace(/^error: /, ''), advice: 'see guesthouse --help' });
      return EXIT_USAGE;
    }
    printError({ code: 'internal', message: `something unforeseen went wrong (${error instanceof Error ? error.message : String(error)})`, advice: 'report it' });
    if (process.env['GUESTHOUSE_DEBUG'] !== undefined && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    return EXIT_FAILED;
  }
}
