import type { Command } from 'commander';
import { formatSize } from '../../shared/sizes.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { printJson, printLine, unwrap } from './outcome.ts';
import { describeStatus } from './status-text.ts';

export function addListVerb(program: Command, context: CommandLineContext): void {
  program.command('list')
    .description('list the machines of the library')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const { entries } = unwrap(await withCore(context, (core) => core.client.library.list({})));
      if (json === true) {
        printJson(entries);
        return;
      }
      const width = Math.max(4, ...entries.map((entry) => entry.name.length));
      for (const { name, status, config, broken, hasSavedState } of entries) {
        const facts = config === undefined ? `broken: ${broken?.message ?? ''}` : `${(hasSavedState === true ? 'saved' : describeStatus(status)).padEnd(10)}  ${formatSize(config.memoryBytes)}`;
        printLine(`${name.padEnd(width)}  ${facts}`);
      }
    });
}
