import type { Command } from 'commander';
import type { Result } from '../../shared/result.ts';
import { confirmed } from './confirm.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { EXIT_FAILED, unwrap } from './outcome.ts';

export function addDeleteVerb(program: Command, context: CommandLineContext): void {
  program.command('delete')
    .description('delete a machine; it goes to the library\'s trash folder')
    .argument('<name>')
    .option('--for-good', 'remove its files: this can\'t be undone')
    .option('--yes', 'don\'t ask')
    .action(async (name: string, { forGood, yes }: { forGood?: boolean; yes?: boolean }) => {
      const how = forGood === true ? 'for-good' : 'trash';
      unwrap(await withCore(context, async (core): Promise<Result<unknown>> => {
        const found = await core.client.library.get({ name });
        if (!found.ok) return found;
        if (how === 'for-good' && yes !== true && !await confirmed(`Delete "${name}" with all its disks for good? [y/N] `, '--for-good')) {
          context.exitStatus = EXIT_FAILED;
          return found;
        }
        return core.client.library.delete({ name, how });
      }));
    });
}
