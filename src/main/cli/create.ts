import { resolve } from 'node:path';
import type { Command } from 'commander';
import { BOOT_DEVICES } from '../../shared/boot-order.ts';
import { DISK_BUSES } from '../../shared/disk-bus.ts';
import type { DiskFormat } from '../../shared/disk-format.ts';
import { ACCELERATORS, ARCHITECTURES, checkMachineName } from '../../shared/machine-config.ts';
import { mediaInfoSchema } from '../../shared/media-protocol.ts';
import { ADAPTER_MODELS } from '../../shared/network-config.ts';
import { ok } from '../../shared/result.ts';
import { parseDiskSize, parseMemorySize } from '../../shared/sizes.ts';
import type { DiskAttachment } from '../../shared/vm-protocol.ts';
import { GUESTHOUSE_LINUX } from '../library/bundled-guests.ts';
import { checkMedium } from '../machines/media-check.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { runDiskJob } from './disk/disk-job.ts';
import { EXIT_USAGE, printJson, printLine, unwrap, usageFailure } from './outcome.ts';
import { planAdapters } from './run/network-options.ts';
import { oneOf, parseCdromOption, parseDiskOption, planBootOrder } from './run/plan.ts';

interface CreateOptions {
  memory: string; arch: string; accel: string; newDisk?: string; bus: string; disk: string[]; net: string[]; nic?: string; forward: string[]; cdrom: string[]; boot?: string;
  kernel?: string; initrd?: string; append?: string; bundled?: boolean; json?: boolean;
}

const collect = (value: string, earlier: string[]): string[] => [...earlier, value];

export function addCreateVerb(program: Command, context: CommandLineContext): void {
  program.command('create')
    .description('make a new machine in the library')
    .argument('<name>')
    .option('--memory <size>', 'memory of the machine', '256M')
    .option('--arch <name>', 'x86_64 or i386', 'x86_64')
    .option('--accel <name>', 'auto, translator or interpreter', 'auto')
    .option('--new-disk <size>', 'an empty disk of this size inside the VM folder')
    .option('--bus <name>', `bus of the new disk: ${DISK_BUSES.join(', ')}`, 'ide')
    .option('--disk <file[,setting...]>', 'attach a disk image: bus=ide|ahci|virtio, readonly, discard-changes', collect, [])
    .option('--cdrom <file>', 'attach a CD image: FILE[,bus=ide|ahci]', collect, [])
    .option('--net <kind[,setting...]>', 'none, nat, host-only, nat-network=NAME or internal=NAME, with reach=internet|listed|nothing, allow=HOST[:PORT], forward=, nic=, mac=, delay=MILLIS, jitter=MILLIS, loss=PERCENT, boot-folder=FOLDER, boot-file=NAME', collect, [])
    .option('--nic <model>', `network adapter: ${ADAPTER_MODELS.join(', ')}`)
    .option('--forward <rule>', 'lead a port of this host into the guest: tcp|udp:[ADDRESS:]HOSTPORT:GUESTPORT', collect, [])
    .option('--boot <device>', `boot first from ${BOOT_DEVICES.join(', ')}`)
    .option('--kernel <file>', 'boot this Linux kernel directly')
    .option('--initrd <file>', 'its initial RAM disk')
    .option('--append <text>', 'its command line')
    .option('--bundled', 'make it from the bundled guest, Guesthouse Linux')
    .option('--json', 'print JSON')
    .action(async (name: string, options: CreateOptions, command: Command) => {
      unwrap(checkMachineName(name), EXIT_USAGE);
      if (options.bundled === true) refuseBesideBundled(command);
      const architecture = ARCHITECTURES.find((candidate) => candidate === options.arch);
      if (architecture === undefined) throw usageFailure(`--arch "${options.arch}" is not known`, `give one of ${ARCHITECTURES.join(', ')}`);
      const accelerator = ACCELERATORS.find((candidate) => candidate === options.accel);
      if (accelerator === undefined) throw usageFailure(`--accel "${options.accel}" is not known`, `give one of ${ACCELERATORS.join(', ')}`);
      if (accelerator === 'kvm') throw usageFailure(`--accel ${accelerator} is not available in this version`, 'use --accel auto');
      const bus = oneOf(options.bus, DISK_BUSES, '--bus');
      if (options.kernel === undefined && (options.initrd !== undefined || options.append !== undefined)) throw usageFailure('--initrd and --append need a kernel', 'give --kernel FILE');
      const memoryBytes = unwrap(parseMemorySize(options.memory), EXIT_USAGE);
      const newDiskBytes = options.newDisk === undefined ? undefined : unwrap(parseDiskSize(options.newDisk), EXIT_USAGE);
      const disks = await Promise.all(options.disk.map(parseDiskOption).map(async ({ path, format, bus, readOnly, discardChanges, backingFolders }) => (
        { path, format: await formatOfDisk(context, path, format, backingFolders), bus, readOnly, discardChanges, backingFolders: [...backingFolders] })));
      const planned = planAdapters(options);
      if (planned.some(({ capturePath }) => capturePath !== undefined)) throw usageFailure('--net capture is for one run', 'use it with guesthouse run');
      const adapters = planned.map(({ config }) => config);
      const directBoot = options.kernel === undefined ? undefined
        : { kernel: resolve(options.kernel), ...(options.initrd === undefined ? {} : { initrd: resolve(options.initrd) }), commandLine: options.append ?? '' };
      const bootOrder = planBootOrder(options.boot, planned);
      const made = unwrap(await withCore(context, async (core) => {
        const result = options.bundled === true
          ? await core.client.library.createFromBundledGuest({ id: GUESTHOUSE_LINUX, name })
          : await core.client.library.create({
              name, architecture, accelerator, memoryBytes, ...(newDiskBytes === undefined ? {} : { newDiskBytes }), newDiskBus: bus, disks,
              cdroms: options.cdrom.map(parseCdromOption).map(({ path, bus: cdromBus }) => ({ path, bus: cdromBus })), adapters, bootOrder, ...(directBoot === undefined ? {} : { directBoot }),
            });
        return result.ok ? ok(result.value) : result;
      }));
      if (options.json === true) printJson(made);
      else printLine(made.folder);
    });
}

/** What the machine's description is to say: found out once, here. What isn't there, or can't be read, is told of later. */
async function formatOfDisk(context: CommandLineContext, path: string, stated: DiskAttachment['format'], backingFolders: readonly string[]): Promise<DiskFormat> {
  if (stated !== undefined && stated !== 'iso') return stated;
  if (!checkMedium(path, 'disk', false).ok) return 'raw';
  return unwrap(await runDiskJob(context, { kind: 'info', image: { path, format: undefined, backingFolders } }, mediaInfoSchema)).format;
}

/** The bundled guest brings its own settings. */
function refuseBesideBundled(command: Command): void {
  const other = command.options.find((option) => !['bundled', 'json'].includes(option.attributeName()) && command.getOptionValueSource(option.attributeName()) === 'cli');
  if (other !== undefined) throw usageFailure(`${other.long ?? other.flags} has no effect beside --bundled`, 'leave one of them out');
}
