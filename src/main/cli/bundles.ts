import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BundleFacts, Signer, Touch } from '../../shared/bundle.ts';
import { formatSize } from '../../shared/sizes.ts';
import { confirmed } from './confirm.ts';
import type { CommandLineContext } from './context.ts';
import { withCore, withService } from './core.ts';
import { exportOvf, importForeign, isForeign, isOvf, printQemuCommand, withJob } from './exchange.ts';
import { CommandFailure, EXIT_FAILED, printJson, printLine, unwrap, usageFailure } from './outcome.ts';

/** Opens a bundle in place and starts its machine, once the person has seen what it may touch. */
export async function runBundle(context: CommandLineContext, file: string, yes: boolean): Promise<void> {
  const path = resolve(file);
  await withService(context, async (core) => {
    const facts = unwrap(await core.client.library.inspectBundle({ path }));
    if (facts.openAs === undefined && !yes) {
      const what = whatItMayTouch(facts);
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

function isSignedBy(signer: Signer): string {
  switch (signer.kind) {
    case 'unsigned': return 'nobody has signed it';
    case 'own': return `signed by this computer (${signer.fingerprint})`;
    case 'known': return `signed by ${signer.name} (${signer.fingerprint})`;
    case 'unknown': return `signed by somebody unknown (${signer.fingerprint})`;
  }
}

function mayTouch(touch: Touch): string {
  switch (touch.kind) {
    case 'internet': return 'it may reach the internet and your network';
    case 'target': return `it may reach ${touch.host === 'loopback' ? 'services of this computer' : touch.host}${touch.port === undefined ? '' : `:${touch.port}`}`;
    case 'machines': return `it is on the network ${touch.network} with other machines`;
    case 'forward': return `it is reached at ${touch.protocol} port ${touch.address}:${touch.port} of this computer${touch.isOpen ? ', also by others' : ''}`;
  }
}

function whatItMayTouch({ signer, touches }: BundleFacts): string[] {
  return [isSignedBy(signer), ...(touches.length === 0 ? ['its machine reaches nothing but its own disks'] : touches.map(mayTouch))];
}

function addBundleInfoVerbs(program: Command, context: CommandLineContext): void {
  const bundle = program.command('bundle').description('look at bundles, and keep the names of those who sign them');
  bundle.command('info').description('show who signed a bundle, and what its machine is and may touch').argument('<file>').option('--json', 'print JSON')
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      const facts = unwrap(await withCore(context, (core) => core.client.library.inspectBundle({ path: resolve(file) })));
      if (json) {
        printJson(facts);
        return;
      }
      const { config, bytes, unpackedBytes, snapshots, hasSavedState, openAs } = facts;
      const lines: [string, string | undefined][] = [
        ['signature', isSignedBy(facts.signer)],
        ...whatItMayTouch(facts).slice(1).map((line): [string, string] => ['network', line]),
        ['size', `${formatSize(bytes)} (${formatSize(unpackedBytes)} unpacked)`], ['memory', formatSize(config.memoryBytes)],
        ['snapshots', String(snapshots)], ['state', hasSavedState ? 'goes on where it was saved' : 'starts anew'], ['open as', openAs],
      ];
      for (const [label, value] of lines) if (value !== undefined) printLine(`${`${label}:`.padEnd(14)}${value}`);
    });
  bundle.command('trust').description('give the one who signed a bundle a name, by which later bundles of theirs are known').argument('<file>').argument('<name>')
    .action(async (file: string, name: string) => {
      await withCore(context, async (core) => {
        const { signer } = unwrap(await core.client.library.inspectBundle({ path: resolve(file) }));
        if (signer.kind === 'unsigned') throw new CommandFailure(EXIT_FAILED, { code: 'signer.unsigned', message: 'nobody has signed the bundle', advice: 'ask for a signed one: guesthouse export --sign' });
        unwrap(await core.client.signers.remember({ publicKey: signer.publicKey, name }));
      });
    });
  bundle.command('signers').description('list those whose bundles are known').option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const { signers } = unwrap(await withCore(context, (core) => core.client.signers.list({})));
      if (json) printJson(signers);
      else for (const { name, fingerprint } of signers) printLine(`${fingerprint}  ${name}`);
    });
  bundle.command('forget').description('take the name of a signer away: their bundles are of somebody unknown again').argument('<name>')
    .action(async (name: string) => { unwrap(await withCore(context, (core) => core.client.signers.forget({ name }))); });
}

export function addBundleVerbs(program: Command, context: CommandLineContext): void {
  program.command('export')
    .description('write a machine that is off into one file: with its snapshots and saved state (.guestvmz), or for other programs (.ova, .ovf)')
    .argument('<name>')
    .argument('[file]')
    .option('--qemu', 'print the command line of a QEMU that starts the machine as it is now')
    .option('--sign', 'sign a bundle with this computer\'s key, which is made when there is none')
    .action(async (name: string, file: string | undefined, { qemu = false, sign = false }: { qemu?: boolean; sign?: boolean }) => {
      if (sign && (file === undefined || isOvf(file))) throw usageFailure('only bundles are signed', 'leave --sign out, or give a file NAME.guestvmz');
      if (qemu === (file !== undefined)) throw usageFailure(qemu ? '--qemu writes no file' : 'where to is not said', 'give either a file or --qemu');
      if (file === undefined) {
        await printQemuCommand(context, name);
        return;
      }
      if (isOvf(file)) {
        await exportOvf(context, name, file);
        return;
      }
      await withJob(context, 'exporting', (core, id) => core.client.library.export({ name, path: resolve(file), sign, id }));
    });
  program.command('keep')
    .description('make a machine that runs in its bundle one of its own')
    .argument('<name>')
    .action(async (name: string) => {
      await withJob(context, 'keeping', (core, id) => core.client.library.keep({ name, id }));
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
      const { name: made, config } = await withJob(context, 'importing', (core, id) => core.client.library.import({ path: resolve(file), id, ...(name !== undefined && { name }) }));
      const networks = config?.adapters.filter(({ reach, allow, forwards }) => reach !== 'nothing' || allow.length > 0 || forwards.length > 0) ?? [];
      printLine(`${made}${networks.length === 0 ? '' : `: may use the network (${networks.map(({ reach }) => reach).join(', ')})`}`);
    });
  addBundleInfoVerbs(program, context);
}
