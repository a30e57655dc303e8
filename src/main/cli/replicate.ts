import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { GENERATIONS_KEPT_DEFAULT } from '../../shared/machine-config.ts';
import type { GenerationFacts } from '../../shared/media-protocol.ts';
import { formatSize } from '../../shared/sizes.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { withJob } from './exchange.ts';
import { printJson, printLine, unwrap, usageFailure } from './outcome.ts';

const MINUTES: Readonly<Record<string, number>> = { '': 1, m: 1, h: 60, d: 24 * 60 };

export function addReplicateVerbs(program: Command, context: CommandLineContext): void {
  program.command('replicate')
    .description('copy a machine, on or off, into a replica: only what has changed since the last time; every generation can be a machine again')
    .argument('<name>').argument('[dir]', 'folder of the replica, one for each machine')
    .option('--keep <count>', 'generations that stay', count, GENERATIONS_KEPT_DEFAULT)
    .option('--every <time>', 'from now on by itself, such as every 30m, 6h or 1d, while Guesthouse is open', minutes)
    .option('--never', 'no more by itself')
    .action(async (name: string, dir: string | undefined, { keep, every, never = false }: { keep: number; every?: number; never?: boolean }) => {
      if (never) {
        if (dir !== undefined || every !== undefined) throw usageFailure('--never ends the schedule and copies nothing', 'leave the folder and --every out');
        unwrap(await withCore(context, (core) => core.client.library.change({ name, changes: { replication: null } })));
        return;
      }
      if (dir === undefined) throw usageFailure('where to is not said', 'give the replica\'s folder');
      const folder = resolve(dir);
      const made = await withJob(context, 'replicating', (core, id) => core.client.replicas.make({ name, folder, keep, id }));
      printLine(describe(made));
      if (every !== undefined) unwrap(await withCore(context, (core) => core.client.library.change({ name, changes: { replication: { folder, everyMinutes: every, keep } } })));
    });

  const replica = program.command('replica').description('look at replicas, verify them, and make machines of their generations');
  replica.command('list').description('list the generations of a replica, oldest first').argument('<dir>').option('--json', 'print JSON')
    .action(async (dir: string, { json = false }: { json?: boolean }) => {
      const { generations } = unwrap(await withCore(context, (core) => core.client.replicas.list({ folder: resolve(dir) })));
      if (json) printJson(generations);
      else for (const generation of generations) printLine(describe(generation));
    });
  replica.command('verify').description('compare every byte of a generation with what was written').argument('<dir>').argument('[generation]', 'the newest when left out')
    .action(async (dir: string, generation: string | undefined) => {
      printLine(describe(await withJob(context, 'verifying', (core, id) => core.client.replicas.verify({ folder: resolve(dir), id, ...(generation !== undefined && { generation }) }))));
    });
  replica.command('restore').description('make a machine of a generation').argument('<dir>').argument('<new>', 'name of the new machine')
    .option('--generation <id>', 'the newest when left out')
    .action(async (dir: string, name: string, { generation }: { generation?: string }) => {
      await withJob(context, 'restoring', (core, id) => core.client.replicas.restore({ folder: resolve(dir), name, id, ...(generation !== undefined && { generation }) }));
    });
}

function describe({ id, takenAt, bytes, newBytes }: GenerationFacts): string {
  return `${id}  ${new Date(takenAt).toISOString().slice(0, 16).replace('T', ' ')}  ${formatSize(bytes)}, ${formatSize(newBytes)} new`;
}

function count(text: string): number {
  if (!/^[1-9]\d{0,2}$/.test(text)) throw new InvalidArgumentError('give a number between 1 and 999');
  return Number(text);
}

function minutes(text: string): number {
  const match = /^(\d{1,5})([mhd]?)$/.exec(text);
  const value = match === null ? 0 : Number(match[1]) * MINUTES[match[2]!]!;
  if (value < 5 || value > 44_640) throw new InvalidArgumentError('give between 5m and 31d');
  return value;
}
