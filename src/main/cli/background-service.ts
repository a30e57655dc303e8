import type { Command } from 'commander';
import { runBackgroundService, SERVICE_VERB } from '../service/background.ts';
import type { CommandLineContext } from './context.ts';
import { unwrap } from './outcome.ts';

/** Not for people: what `start` starts. */
export function addBackgroundServiceVerb(program: Command, context: CommandLineContext): void {
  program.command(SERVICE_VERB, { hidden: true }).action(async () => {
    unwrap(await runBackgroundService(context.paths));
  });
}
