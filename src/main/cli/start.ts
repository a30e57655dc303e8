import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withService } from './core.ts';
import { unwrap } from './outcome.ts';

export function addStartVerb(program: Command, context: CommandLineContext): void {
  program.command('start')
    .description('start a machine; it runs on when this command has ended')
    .argument('<name>')
    .option('--headless', 'without a window (as always from here: open the app to see it)')
    .option('--overcommit', 'also where the host will have little memory left')
    .action(async (name: string, { overcommit }: { overcommit?: boolean }) => {
      unwrap(await withService(context, (core) => core.client.machines.start({ name, overcommit })));
    });
}
