import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addResumeVerb(program: Command, context: CommandLineContext): void {
  program.command('resume')
    .description('let a paused machine go on')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, async (core) => core.client.machines.resume({ name })));
    });
}
