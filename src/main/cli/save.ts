import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addSaveVerb(program: Command, context: CommandLineContext): void {
  program.command('save')
    .alias('suspend')
    .description('save a running machine\'s state and turn it off; it goes on there at its next start')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, (core) => core.client.machines.save({ name })));
    });
}
