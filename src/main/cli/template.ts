import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addTemplateVerb(program: Command, context: CommandLineContext): void {
  program.command('template')
    .description('make a machine that is off a template: it is there to be cloned, and doesn\'t start itself')
    .argument('<name>')
    .option('--off', 'make it an ordinary machine again')
    .action(async (name: string, { off = false }: { off?: boolean }) => {
      unwrap(await withCore(context, (core) => core.client.library.change({ name, changes: { isTemplate: !off } })));
    });
}
