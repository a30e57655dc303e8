import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addResetVerb(program: Command, context: CommandLineContext): void {
  program.command('reset')
    .description('press a machine\'s reset button')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, async (core) => core.client.machines.reset({ name })));
    });
}
