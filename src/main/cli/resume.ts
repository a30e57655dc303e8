import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore, withService } from './core.ts';
import { unwrap } from './outcome.ts';

export function addResumeVerb(program: Command, context: CommandLineContext): void {
  program.command('resume')
    .description('let a paused or saved machine go on')
    .argument('<name>')
    .action(async (name: string) => {
      const { hasSavedState } = unwrap(await withCore(context, (core) => core.client.library.get({ name })));
      if (hasSavedState === true) unwrap(await withService(context, (core) => core.client.machines.start({ name })));
      else unwrap(await withCore(context, (core) => core.client.machines.resume({ name })));
    });
}
