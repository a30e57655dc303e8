import type { Command } from 'commander';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { CommandLineContext } from './context.ts';
import { withService } from './core.ts';
import { unwrap, usageFailure } from './outcome.ts';

export function addCloneVerb(program: Command, context: CommandLineContext): void {
  program.command('clone')
    .description('make another machine like one: a copy of its own, or a linked clone that shares a snapshot\'s disks and memory')
    .argument('<name>')
    .argument('<new...>', 'names of the new machines')
    .option('--linked', 'share the disks and memory of a snapshot; one is taken where none is named')
    .option('--snapshot <snapshot>', 'what the linked clones begin as')
    .option('--start', 'start the new machines')
    .action(async (name: string, newNames: string[], { linked = false, snapshot, start = false }: { linked?: boolean; snapshot?: string; start?: boolean }) => {
      if (snapshot !== undefined && !linked) throw usageFailure('--snapshot is for linked clones', 'add --linked');
      unwrap(await withService(context, async (core): Promise<Result<unknown>> => {
        // All of several share one snapshot.
        let from = snapshot;
        if (linked && from === undefined) {
          const taken = await core.client.snapshots.take({ name, snapshotName: `Before ${newNames.join(', ')}`.slice(0, 200) });
          if (!taken.ok) return taken;
          from = taken.value.id;
        }
        for (const newName of newNames) {
          const made = await core.client.library.clone({ name, newName, linked, ...(from !== undefined && { snapshot: from }) });
          if (!made.ok) return made;
          const started = start ? await core.client.machines.start({ name: newName }) : ok({});
          if (!started.ok) return started;
        }
        return ok({});
      }));
    });
}
