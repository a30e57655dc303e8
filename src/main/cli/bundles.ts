import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { MachineConfig } from '../../shared/machine-config.ts';
import { confirmed } from './confirm.ts';
import type { CommandLineContext } from './context.ts';
import { withCore, withService } from './core.ts';
import { exportOvf, importForeign, isForeign, isOvf, printQemuCommand } from './exchange.ts';
import { EXIT_FAILED, printLine, unwrap, usageFailure } from './outcome.ts';

/** Opens a bundle in place and starts its machine, once the person has seen what it may touch. */
export async function runBundle(context: CommandLineContext, file: string, yes: boolean): Promise<void> {
  const path = resolve(file);
  await withService(context, async (core) => {
    const facts = unwrap(await core.client.library.inspectBundle({ path }));
    if (facts.openAs === undefined && !yes) {
      const what = whatItMayTouch(facts.config);
      if (!process.stdin.isTTY) throw usageFailure(`nobody has agreed that the bundle runs (${what.join('; ')})`, 'add --yes if it may');
      process.stderr.write(`${what.join('\n')}\n`);
      if (!await confirmed('Run it? [y/N] ', 'running a bundle')) {
        context.exitStatus = EXIT_FAILED;
        return;
      }
    }
    const { name } = unwrap(await core.client.library.openBundle({ path, manifestSha256: facts.manifestSha256 }));
    unwrap(await core.client.machines.start({ name }));
    printLine(name);
  });
}

function whatItMayTouch({ adapters }: MachineConfig): string[] {
  const lines = adapters.flatMap(({ mode, reach, allow, forwards, network }) => [
    ...(mode === 'nat-network' || mode === 'internal' ? [`it is on the network ${network} with other machines`] : []),
    ...(reach === 'internet' ? ['it may reach the internet and your network'] : []),
    ...allow.map(({ host, port }) => `it may reach ${host}${port === undefined ? '' : `:${port}`}`),
    ...forwards.map(({ protocol, host }) => `it is reached at ${protocol} port ${host.address}:${host.port} of this computer`),
  ]);
  return ['nobody has signed it', ...(lines.length === 0 ? ['its machine reaches nothing but its own disks'] : lines)];
}

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
  program.command('keep')
    .description('make a machine that runs in its bundle one of its own')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, (core) => core.client.library.keep({ name })));
    });
  program.command('discard')
    .description('forget a machine that runs in its bundle, with all that it changed: this can\'t be undone')
    .argument('<name>')
    .action(async (name: string) => {
      unwrap(await withCore(context, (core) => core.client.library.discard({ name })));
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
