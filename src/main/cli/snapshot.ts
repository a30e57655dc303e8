import type { Command } from 'commander';
import type { Snapshot, SnapshotTree } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { confirmed } from './confirm.ts';
import type { CommandLineContext } from './context.ts';
import { withCore, withService } from './core.ts';
import { EXIT_FAILED, printJson, printLine, unwrap } from './outcome.ts';

export function addSnapshotVerb(program: Command, context: CommandLineContext): void {
  const snapshot = program.command('snapshot').description('take, list, restore and delete snapshots of a machine');

  snapshot.command('take')
    .description('keep what a machine is now; a running one runs on')
    .argument('<name>')
    .argument('[snapshot]', 'what to call it (the date and time otherwise)')
    .option('--notes <text>', 'what there is to say of it', '')
    .option('--json', 'print JSON')
    .action(async (name: string, given: string | undefined, { notes, json }: { notes: string; json?: boolean }) => {
      const snapshotName = given ?? new Date().toISOString().slice(0, 19).replace('T', ' ');
      const taken = unwrap(await withCore(context, (core) => core.client.snapshots.take({ name, snapshotName, notes })));
      if (json === true) printJson(taken);
    });

  snapshot.command('list')
    .description('show a machine\'s tree of snapshots')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const tree = unwrap(await withCore(context, (core) => core.client.snapshots.list({ name })));
      if (json === true) printJson(tree);
      else for (const line of linesOf(tree)) printLine(line);
    });

  snapshot.command('restore')
    .description('make a machine what it was; what it is now is lost, unless --save-current keeps it')
    .argument('<name>')
    .argument('<snapshot>', 'name or id')
    .option('--save-current <snapshot>', 'keep what the machine is now as another snapshot first')
    .option('--start', 'start the machine, also where it was off')
    .option('--yes', 'don\'t ask')
    .action(async (name: string, which: string, { saveCurrent, start = false, yes = false }: { saveCurrent?: string; start?: boolean; yes?: boolean }) => {
      if (saveCurrent === undefined && !yes && !await confirmed(`Lose what "${name}" is now? [y/N] `, 'losing what the machine is now')) {
        context.exitStatus = EXIT_FAILED;
        return;
      }
      unwrap(await withService(context, (core) => core.client.snapshots.restore({ name, snapshot: which, start, ...(saveCurrent !== undefined && { saveCurrentAs: saveCurrent }) })));
    });

  snapshot.command('delete')
    .description('forget a snapshot; the machine and its other snapshots keep what they have of it')
    .argument('<name>')
    .argument('<snapshot>', 'name or id')
    .option('--yes', 'don\'t ask')
    .action(async (name: string, which: string, { yes = false }: { yes?: boolean }) => {
      unwrap(await withCore(context, async (core): Promise<Result<unknown>> => {
        if (!yes && !await confirmed(`Delete the snapshot "${which}" of "${name}"? [y/N] `, 'deleting a snapshot')) {
          context.exitStatus = EXIT_FAILED;
          return ok({});
        }
        return core.client.snapshots.delete({ name, snapshot: which });
      }));
    });

  snapshot.command('reset-on-power-off')
    .description('have a machine become a snapshot again whenever it goes off; without one it keeps what it is')
    .argument('<name>')
    .argument('[snapshot]', 'name or id')
    .action(async (name: string, which: string | undefined) => {
      unwrap(await withCore(context, (core) => core.client.snapshots.resetOnPowerOff({ name, ...(which !== undefined && { snapshot: which }) })));
    });
}

function linesOf({ snapshots, current }: SnapshotTree): string[] {
  const lines = (parent: string | undefined, depth: number): string[] => snapshots.filter((snapshot) => snapshot.parent === parent).flatMap((snapshot) => [
    `${'  '.repeat(depth)}${snapshot.id === current ? '* ' : '- '}${describe(snapshot)}`, ...lines(snapshot.id, depth + 1),
  ]);
  return lines(undefined, 0);
}

function describe({ id, name, takenAt, hasMemory, notes }: Snapshot): string {
  const firstLine = notes.split('\n')[0] ?? '';
  return `${name}  (${id}, ${new Date(takenAt).toISOString().slice(0, 16).replace('T', ' ')}${hasMemory ? ', running' : ''})${firstLine === '' ? '' : `  ${firstLine}`}`;
}
