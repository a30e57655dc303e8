import type { Command } from 'commander';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';
import { typingCommands } from './run/keystrokes.ts';
import { unescapeKeys } from './run/plan.ts';

export function addTypeVerb(program: Command, context: CommandLineContext): void {
  program.command('type')
    .description('type text at a machine\'s keyboard (\\n Enter, \\t Tab, \\e Escape, \\b Backspace, \\\\ backslash)')
    .argument('<name>')
    .argument('<text>')
    .action(async (name: string, text: string) => {
      const commands = typingCommands(unescapeKeys(text));
      unwrap(await withCore(context, async (core): Promise<Result<unknown>> => {
        for (const command of commands) {
          const typed = command.kind === 'type-text' ? await core.client.machines.typeText({ name, text: command.text })
            : command.kind === 'keys' ? await core.client.machines.sendKeys({ name, events: [...command.events] }) : ok({});
          if (!typed.ok) return typed;
        }
        return ok({});
      }));
    });
}
