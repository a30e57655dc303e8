import type { Command } from 'commander';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { confirmed } from './confirm.ts';
import type { CommandLineContext } from './context.ts';
import { withService } from './core.ts';
import { EXIT_FAILED, unwrap } from './outcome.ts';

export function addStartVerb(program: Command, context: CommandLineContext): void {
  program.command('start')
    .description('start a machine, from its saved state where it has one; it runs on when this command has ended')
    .argument('<name>')
    .option('--headless', 'without a window (as always from here: open the app to see it)')
    .option('--cold', 'drop its saved state: this can\'t be undone')
    .option('--yes', 'don\'t ask')
    .option('--overcommit', 'also where the host will have little memory left')
    .action(async (name: string, { cold = false, yes = false, overcommit }: { cold?: boolean; yes?: boolean; overcommit?: boolean }) => {
      unwrap(await withService(context, async (core): Promise<Result<unknown>> => {
        if (cold && !yes) {
          const entry = await core.client.library.get({ name });
          if (!entry.ok) return entry;
          if (entry.value.hasSavedState === true && !await confirmed(`Drop the saved state of "${name}"? [y/N] `, 'dropping a saved state')) {
            context.exitStatus = EXIT_FAILED;
            return ok({});
          }
        }
        return core.client.machines.start({ name, cold, overcommit });
      }));
    });
}
