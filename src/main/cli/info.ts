import type { Command } from 'commander';
import { formatSize } from '../../shared/sizes.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { printJson, printLine, unwrap } from './outcome.ts';
import { describeStatus } from './status-text.ts';

/** Of a crashed machine's log; `guesthouse logs` has more. */
const CRASH_LOG_LINES = 5;

export function addInfoVerb(program: Command, context: CommandLineContext): void {
  program.command('info')
    .description('show a machine\'s settings and state')
    .argument('<name>')
    .option('--json', 'print JSON')
    .action(async (name: string, { json }: { json?: boolean }) => {
      const entry = unwrap(await withCore(context, (core) => core.client.library.get({ name })));
      if (json === true) {
        printJson(entry);
        return;
      }
      const { config, status, broken } = entry;
      const lines: [string, string | undefined][] = [
        ['name', entry.name],
        ['state', entry.hasSavedState === true ? 'saved' : describeStatus(status)],
        ['folder', entry.folder],
        ['on host', entry.bytesOnHost === undefined ? undefined : formatSize(entry.bytesOnHost)],
        ['broken', broken?.message],
        ['crashed', status.crash?.error.message],
      ];
      if (config !== undefined) {
        lines.push(['memory', formatSize(config.memoryBytes)], ['architecture', config.architecture], ['accelerator', config.accelerator],
          ['boot', config.directBoot?.kernel ?? config.bundledGuest ?? config.bootOrder.join(', ')]);
        for (const disk of config.disks) lines.push(['disk', `${disk.path} (${disk.bus}${disk.readOnly ? ', read-only' : ''}${disk.discardChanges ? ', changes discarded' : ''})`]);
        for (const cdrom of config.cdroms) lines.push(['CD', cdrom.path ?? 'empty']);
      }
      for (const line of status.crash?.lastLogLines.slice(-CRASH_LOG_LINES) ?? []) lines.push(['last log', line]);
      for (const [label, value] of lines) if (value !== undefined) printLine(`${`${label}:`.padEnd(14)}${value}`);
    });
}
