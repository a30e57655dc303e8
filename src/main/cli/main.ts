/** `guesthouse VERB …`: the command line. */
import { Command } from 'commander';
import { appPaths } from '../app-paths.ts';
import { appVersion } from '../app-version.ts';
import { addBackgroundServiceVerb } from './background-service.ts';
import { addBundleVerbs } from './bundles.ts';
import { addCloneVerb } from './clone.ts';
import { addConsoleVerb } from './console.ts';
import { addCreateVerb } from './create.ts';
import { addDeleteVerb } from './delete.ts';
import { addDiskVerb } from './disk.ts';
import { addInfoVerb } from './info.ts';
import { addKeyVerb } from './key.ts';
import { addListVerb } from './list.ts';
import { addLogsVerb } from './logs.ts';
import { addPauseVerb } from './pause.ts';
import { addReplicateVerbs } from './replicate.ts';
import { addTemplateVerb } from './template.ts';
import { addResetVerb } from './reset.ts';
import { addResumeVerb } from './resume.ts';
import { addRunVerb } from './run.ts';
import { addSaveVerb } from './save.ts';
import { addScreenshotVerb } from './screenshot.ts';
import { addServeVerb } from './serve.ts';
import { addSnapshotVerb } from './snapshot.ts';
import { addStartVerb } from './start.ts';
import { addStopVerb } from './stop.ts';
import { addTypeVerb } from './type.ts';
import type { CommandLineContext } from './context.ts';
import { EXIT_OK, EXIT_USAGE } from './outcome.ts';
import { runProgram } from './program.ts';

const context: CommandLineContext = { paths: appPaths(), exitStatus: EXIT_OK };

const program = new Command('guesthouse')
  .description('runs second operating systems in windows and in scripts')
  .version(appVersion())
  .exitOverride()
  .configureOutput({ writeErr: () => {} });

// In the order of the help: what one begins with first.
for (const addVerb of [
  addListVerb, addInfoVerb, addCreateVerb, addDeleteVerb, addStartVerb, addStopVerb, addPauseVerb, addResumeVerb, addSaveVerb, addResetVerb,
  addSnapshotVerb, addCloneVerb, addTemplateVerb, addBundleVerbs, addReplicateVerbs,
  addRunVerb, addDiskVerb, addScreenshotVerb, addTypeVerb, addKeyVerb, addConsoleVerb, addLogsVerb, addServeVerb, addBackgroundServiceVerb,
]) addVerb(program, context);

await runProgram(async () => {
  const argv = process.argv.slice(2);
  if (argv.length === 0) {
    program.outputHelp();
    return EXIT_USAGE;
  }
  await program.parseAsync(argv, { from: 'user' });
  return context.exitStatus;
});
