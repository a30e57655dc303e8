import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addPauseVerb(program: Command, context: CommandLineContext): void {
  program.command('pause')
    .description('stop a machine\'s CPU for a while')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, async (core) => core.client.machines.pause({ name })));
    });
}
