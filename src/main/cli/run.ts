/** `guesthouse run`: an ephemeral machine; nothing is kept. */
import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { BOOT_DEVICES } from '../../shared/boot-order.ts';
import { ADAPTER_MODELS } from '../../shared/network-config.ts';
import { ForkLauncher } from '../machines/fork-launcher.ts';
import { checkOutputFile, fileError } from '../machines/media-check.ts';
import { checkVmStart } from '../machines/vm-start.ts';
import { runBundle } from './bundles.ts';
import type { CommandLineContext } from './context.ts';
import { CommandFailure, EXIT_FAILED, printError, unwrap, usageFailure } from './outcome.ts';
import { EphemeralMachine } from './run/ephemeral-machine.ts';
import { outputFiles, planRun } from './run/plan.ts';
import type { RunOptions, RunPlan } from './run/plan.ts';
import { ProcessTerminal } from './run/process-terminal.ts';

const collect = (value: string, earlier: string[]): string[] => [...earlier, value];

export function addRunVerb(program: Command, context: CommandLineContext): void {
  program.command('run')
    .description('run an ephemeral machine with its serial console on this terminal; nothing is kept')
    .argument('[bundle]', 'a bundle (NAME.guestvmz), which runs in place as a machine of the library until "guesthouse keep" or "discard"')
    .option('--yes', 'don\'t ask before a bundle runs')
    .option('--memory <size>', 'memory of the machine', '256M')
    .option('--cpus <count>', 'CPUs of the machine', '1')
    .option('--accel <name>', 'auto, translator, interpreter or kvm', 'auto')
    .option('--arch <name>', 'x86_64 or i386', 'x86_64')
    .option('--kernel <file>', 'boot this Linux kernel directly')
    .option('--initrd <file>', 'its initial RAM disk')
    .option('--append <text>', 'its command line')
    .option('--disk <file[,setting...]>', 'attach a disk image: bus=ide|ahci|virtio, format=raw|qcow2|..., readonly, discard-changes, backing-folder=FOLDER', collect, [])
    .option('--cdrom <file>', 'attach a CD image: FILE[,bus=ide|ahci]', collect, [])
    .option('--floppy <file>', 'attach a floppy image (not in this version)')
    .option('--boot <device>', `boot first from ${BOOT_DEVICES.join(', ')}`)
    .option('--bios <file>', 'firmware in place of the built-in one')
    .option('--net <kind[,setting...]>', 'none, nat, host-only, nat-network=NAME or internal=NAME, with reach=internet|listed|nothing, allow=HOST[:PORT], forward=, nic=, mac=, capture=FILE.pcapng, delay=MILLIS, jitter=MILLIS, loss=PERCENT, boot-folder=FOLDER, boot-file=NAME', collect, [])
    .option('--nic <model>', `network adapter: ${ADAPTER_MODELS.join(', ')}`)
    .option('--forward <rule>', 'lead a port of this host into the guest: tcp|udp:[ADDRESS:]HOSTPORT:GUESTPORT', collect, [])
    .option('--share <name=folder>', 'share a folder (not in this version)', collect, [])
    .option('--serial <where>', 'serial console: stdio, file:PATH or none', 'stdio')
    .option('--debug-port <port=where>', 'what the guest writes to an I/O port: PORT=stdio or PORT=file:PATH')
    .option('--screenshot <file.png>', 'keep a picture of the screen here, renewed every second')
    .option('--screenshot-on-exit <file.png>', 'the last picture of the screen')
    .option('--time <kind>', 'host, or instructions[:PER_MICROSECOND] for deterministic time', 'host')
    .option('--rtc <time>', 'what the clock shows at power-on, such as 2026-11-23T12:00:00Z')
    .option('--seed <number>', 'seed of everything random in the machine')
    .option('--on-reset <action>', 'reboot or stop', 'reboot')
    .option('--exit-port <port>', 'a byte that the guest writes here ends the machine with that status')
    .option('--type-when <text::keys>', 'type keys when a text appears: at the keyboard when on the screen, at the console when there', collect, [])
    .option('--exit-on <text>', 'end with status 0 when a text appears on console or screen', collect, [])
    .option('--fail-on <text>', 'end with status 1 when a text appears on console or screen', collect, [])
    .option('--timeout <seconds>', 'end with status 124 after this time')
    .option('--stats <file.json>', 'write figures of the run here')
    .option('--regions <file>', 'write what the translator makes here: guest code beside WebAssembly')
    .option('--verbose', 'print the machine\'s log on standard error')
    .addHelpText('after', '\nCtrl-] ends the machine when the console is a terminal.\nExit status: 0 the guest powered off or --exit-on; 1 --fail-on or a crash; 2 wrong usage; 124 timeout; N from --exit-port.')
    .action(async (bundle: string | undefined, { yes = false, ...options }: RunOptions & { yes?: boolean }) => {
      if (bundle !== undefined) {
        await runBundle(context, bundle, yes);
        return;
      }
      const plan = planRun(options, context.paths);
      unwrap(checkVmStart(plan.start));
      for (const path of outputFiles(plan)) unwrap(checkOutputFile(path));
      const overwritten = overwrittenInput(plan);
      if (overwritten !== undefined) throw usageFailure(`the output file ${overwritten} is also what the machine is to use`, 'give another output file');
      let machine: EphemeralMachine;
      try {
        machine = new EphemeralMachine(plan, new ForkLauncher(context.paths.vmProcess), new ProcessTerminal());
      } catch (error) {
        throw new CommandFailure(EXIT_FAILED, fileError(error, (error as NodeJS.ErrnoException).path ?? '', 'output file').error);
      }
      for (const [signal, status] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const) process.on(signal, () => { machine.interrupt(status); });
      const { status, error } = await machine.outcome;
      if (error !== undefined) printError(error);
      context.exitStatus = status;
    });
}

/** An output file that is one of the machine's own files, by whatever name. */
function overwrittenInput(plan: RunPlan): string | undefined {
  const { start } = plan;
  const inputs = [...start.disks.map((disk) => disk.path), start.biosPath, start.directBoot?.kernelPath, start.directBoot?.initrdPath].flatMap((path) => identity(path) ?? []);
  return outputFiles(plan).find((path) => inputs.includes(identity(path) ?? ''));
}

function identity(path: string | undefined): string | undefined {
  const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false, bigint: true });
  return found?.isFile() === true ? `${found.dev}:${found.ino}` : undefined;
}
