/** `guesthouse VERB …`: the command line. */
import { Command, CommanderError } from 'commander';
import { appPaths } from '../app-paths.ts';
import { appVersion } from '../app-version.ts';
import { addBackgroundServiceVerb } from './background-service.ts';
import { addConsoleVerb } from './console.ts';
import { addCreateVerb } from './create.ts';
import { addDeleteVerb } from './delete.ts';
import { addInfoVerb } from './info.ts';
import { addKeyVerb } from './key.ts';
import { addListVerb } from './list.ts';
import { addLogsVerb } from './logs.ts';
import { addPauseVerb } from './pause.ts';
import { addResetVerb } from './reset.ts';
import { addResumeVerb } from './resume.ts';
import { addRunVerb } from './run.ts';
import { addScreenshotVerb } from './screenshot.ts';
import { addStartVerb } from './start.ts';
import { addStopVerb } from './stop.ts';
import { addTypeVerb } from './type.ts';
import type { CommandLineContext } from './context.ts';
import { CommandFailure, EXIT_FAILED, EXIT_OK, EXIT_USAGE, flushOutput, printError } from './outcome.ts';

const context: CommandLineContext = { paths: appPaths(), exitStatus: EXIT_OK };

const program = new Command('guesthouse')
  .description('runs second operating systems in windows and in scripts')
  .version(appVersion())
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

// In the order of the help: what one begins with first.
for (const addVerb of [
  addListVerb, addInfoVerb, addCreateVerb, addDeleteVerb, addStartVerb, addStopVerb, addPauseVerb, addResumeVerb, addResetVerb,
  addRunVerb, addScreenshotVerb, addTypeVerb, addKeyVerb, addConsoleVerb, addLogsVerb, addBackgroundServiceVerb,
]) addVerb(program, context);

process.exitCode = await runCommandLine(process.argv.slice(2));
await flushOutput();
// Standard input, when it was read, would keep the process alive.
process.exit();

async function runCommandLine(argv: readonly string[]): Promise<number> {
  process.stdout.on('error', () => {});
  try {
    if (argv.length === 0) {
      program.outputHelp();
      return EXIT_USAGE;
    }
    await program.parseAsync([...argv], { from: 'user' });
    return context.exitStatus;
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
