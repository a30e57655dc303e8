import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { printJson, printLine, unwrap, usageFailure } from './outcome.ts';

export function addLogsVerb(program: Command, context: CommandLineContext): void {
  program.command('logs')
    .description('print the end of a machine\'s log')
    .argument('<name>')
    .option('--lines <count>', 'how many lines', '200')
    .option('--json', 'print JSON')
    .action(async (name: string, { lines: count, json }: { lines: string; json?: boolean }) => {
      if (!/^\d+$/.test(count) || Number(count) < 1 || Number(count) > 10_000) throw usageFailure(`--lines "${count}" is not a number from 1 to 10000`, 'give another');
      const { lines } = unwrap(await withCore(context, (core) => core.client.machines.logs({ name, lines: Number(count) })));
      if (json === true) printJson(lines);
      else for (const line of lines) printLine(line);
    });
}
