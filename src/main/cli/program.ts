/** Turns what a program does into output and an exit status. */
import { CommanderError } from 'commander';
import { fail } from '../../shared/result.ts';
import { CommandFailure, EXIT_FAILED, EXIT_OK, EXIT_USAGE, flushOutput, printError } from './outcome.ts';

/** Runs `work`, whose value is the exit status, and ends the process. */
export async function runProgram(work: () => Promise<number>): Promise<never> {
  let lostOutput: NodeJS.ErrnoException | undefined;
  // A reader that has gone (`| head`) wants no more; that is noticed by whoever writes, and no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => { if (error.code !== 'EPIPE') lostOutput ??= error; });
  let status = await statusOf(work);
  await flushOutput();
  if (lostOutput !== undefined) {
    printError(fail('output.lost', `standard output could not be written (${lostOutput.code ?? lostOutput.message})`, 'check where it goes').error);
    if (status === EXIT_OK) status = EXIT_FAILED;
    await flushOutput();
  }
  process.exitCode = status;
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
