import type { Command } from 'commander';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { CommandFailure, EXIT_TIMEOUT, EXIT_USAGE, unwrap, usageFailure } from './outcome.ts';

const POLL_MILLIS = 100;

export function addStopVerb(program: Command, context: CommandLineContext): void {
  program.command('stop')
    .description('press a machine\'s power button and wait until it is off')
    .argument('<name>')
    .option('--force', 'end it at once, as when the power fails')
    .option('--timeout <seconds>', 'how long the guest may take', '60')
    .action(async (name: string, { force, timeout }: { force?: boolean; timeout: string }) => {
      const seconds = Number(timeout);
      if (!(seconds > 0 && seconds <= 86_400)) throw usageFailure(`--timeout "${timeout}" is not a time in seconds`, 'give a number above 0');
      unwrap(await withCore(context, async (core): Promise<Result<unknown>> => {
        const stopped = await core.client.machines.stop({ name, how: force === true ? 'force' : 'acpi' });
        if (!stopped.ok || force === true) return stopped;
        for (const endsAt = Date.now() + seconds * 1000; Date.now() < endsAt;) {
          const status = await core.client.machines.status({ name });
          if (!status.ok || status.value.state === 'off' || status.value.state === 'crashed') return ok(0);
          await new Promise((resolve) => { setTimeout(resolve, POLL_MILLIS); });
        }
        throw new CommandFailure(EXIT_TIMEOUT, fail('stop.timeout', `the guest did not power off within ${timeout} seconds`, 'wait, or use --force').error);
      }));
    })
    .addHelpText('after', `\nExit status ${EXIT_TIMEOUT} when the guest did not power off in time, ${EXIT_USAGE} for wrong usage.`);
}
