import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { printLine, unwrap } from './outcome.ts';

export function addBundleVerbs(program: Command, context: CommandLineContext): void {
  program.command('export')
    .description('write a machine that is off, with its snapshots and saved state, into one file (NAME.guestvmz)')
    .argument('<name>')
    .argument('<file>')
    .action(async (name: string, file: string) => {
      unwrap(await withCore(context, (core) => core.client.library.export({ name, path: resolve(file) })));
    });
  program.command('import')
    .description('make a machine of a bundle, every byte of it checked by its manifest')
    .argument('<file>')
    .option('--name <name>', 'what to call it (the file\'s name otherwise)')
    .action(async (file: string, { name }: { name?: string }) => {
      const { name: made, config } = unwrap(await withCore(context, (core) => core.client.library.import({ path: resolve(file), ...(name !== undefined && { name }) })));
      const networks = config?.adapters.filter(({ reach, allow, forwards }) => reach !== 'nothing' || allow.length > 0 || forwards.length > 0) ?? [];
      printLine(`${made}${networks.length === 0 ? '' : `: may use the network (${networks.map(({ reach }) => reach).join(', ')})`}`);
    });
}
