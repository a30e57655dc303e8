import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap, usageFailure } from './outcome.ts';
import { parseChord, pressed } from './run/keystrokes.ts';

export function addKeyVerb(program: Command, context: CommandLineContext): void {
  program.command('key')
    .description('press keys together at a machine\'s keyboard, such as ctrl-alt-del, alt-f2 or enter')
    .argument('<name>')
    .argument('<chord...>', 'chords, pressed one after the other')
    .action(async (name: string, chords: string[]) => {
      const events = chords.flatMap((chord) => {
        const codes = parseChord(chord);
        if (codes === undefined) throw usageFailure(`"${chord}" names a key that is not known`, 'join names such as ctrl, alt, del, f1, enter and letters with dashes');
        return pressed(codes);
      });
      unwrap(await withCore(context, (core) => core.client.machines.sendKeys({ name, events })));
    });
}
