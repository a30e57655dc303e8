import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { exportOvf, importForeign, isForeign, isOvf, printQemuCommand } from './exchange.ts';
import { printLine, unwrap, usageFailure } from './outcome.ts';

export function addBundleVerbs(program: Command, context: CommandLineContext): void {
  program.command('export')
    .description('write a machine that is off into one file: with its snapshots and saved state (.guestvmz), or for other programs (.ova, .ovf)')
    .argument('<name>')
    .argument('[file]')
    .option('--qemu', 'print the command line of a QEMU that starts the machine as it is now')
    .action(async (name: string, file: string | undefined, { qemu = false }: { qemu?: boolean }) => {
      if (qemu === (file !== undefined)) throw usageFailure(qemu ? '--qemu writes no file' : 'where to is not said', 'give either a file or --qemu');
      if (file === undefined) {
        await printQemuCommand(context, name);
        return;
      }
      if (isOvf(file)) {
        await exportOvf(context, name, file);
        return;
      }
      unwrap(await withCore(context, (core) => core.client.library.export({ name, path: resolve(file) })));
    });
  program.command('import')
    .description('make a machine of a bundle (.guestvmz), of an OVF package (.ova, .ovf), or of another program\'s (.vbox, .vmx, .utm, quickemu\'s .conf)')
    .argument('<file>')
    .option('--name <name>', 'what to call it (the file\'s name otherwise)')
    .option('--allow-file <file>', 'take this file, which another program\'s configuration names and which lies outside its folder', (file: string, earlier: string[]) => [...earlier, file], [])
    .option('--json', 'print JSON: what there was no place for, of another program\'s machine')
    .action(async (file: string, { name, allowFile, json = false }: { name?: string; allowFile: string[]; json?: boolean }) => {
      if (isForeign(file)) {
        await importForeign(context, file, name, allowFile, json);
        return;
      }
      const { name: made, config } = unwrap(await withCore(context, (core) => core.client.library.import({ path: resolve(file), ...(name !== undefined && { name }) })));
      const networks = config?.adapters.filter(({ reach, allow, forwards }) => reach !== 'nothing' || allow.length > 0 || forwards.length > 0) ?? [];
      printLine(`${made}${networks.length === 0 ? '' : `: may use the network (${networks.map(({ reach }) => reach).join(', ')})`}`);
    });
}
