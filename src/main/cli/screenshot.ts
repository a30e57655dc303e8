import { resolve } from 'node:path';
import type { Command } from 'commander';
import { writeFileAtomically } from '../files/atomic-file.ts';
import { fileError } from '../machines/media-check.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { unwrap } from './outcome.ts';

export function addScreenshotVerb(program: Command, context: CommandLineContext): void {
  program.command('screenshot')
    .description('write a picture of a machine\'s screen')
    .argument('<name>')
    .argument('<file.png>')
    .action(async (name: string, file: string) => {
      const { png } = unwrap(await withCore(context, (core) => core.client.machines.screenshot({ name })));
      const path = resolve(file);
      await writeFileAtomically(path, png).catch((error: unknown) => unwrap(fileError(error, path, 'file')));
    });
}
