import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { serveUntilTold } from './serve-shell.ts';

export function addServeVerb(program: Command, context: CommandLineContext): void {
  program.command('serve')
    .description('serve the app to a browser on this host; prints its address')
    .option('--port <number>', 'port to listen at; a free one when left out')
    .action(async ({ port }: { port?: string }) => {
      await serveUntilTold(context.paths, port);
    });
}
