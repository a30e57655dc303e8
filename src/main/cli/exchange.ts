/** Machines of other programs in, and packages for them out, with progress on a terminal and Ctrl-C. */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import type { Result } from '../../shared/result.ts';
import type { AppCore } from '../app-core.ts';
import type { CommandLineContext } from './context.ts';
import { withCore } from './core.ts';
import { CommandFailure, printJson, printLine, unwrap } from './outcome.ts';

export function isOvf(file: string): boolean {
  return /\.(?:ova|ovf)$/i.test(file);
}

export function isForeign(file: string): boolean {
  return /\.(?:ova|ovf|vbox|vmx|utm|conf)\/?$/i.test(file);
}

export async function exportOvf(context: CommandLineContext, name: string, file: string): Promise<void> {
  await withJob(context, 'exporting', (core, id) => core.client.library.exportOvf({ name, path: resolve(file), id }));
}

/** On standard output the line alone, so that a script can run it. */
export async function printQemuCommand(context: CommandLineContext, name: string): Promise<void> {
  const { line, leftOut } = unwrap(await withCore(context, (core) => core.client.library.qemuCommand({ name })));
  printLine(line);
  for (const { what, detail } of leftOut) process.stderr.write(`left out: ${what}${detail === '' ? '' : `: ${detail}`}\n`);
}

/** Prints the machine's name, and what there was no place for. */
export async function importForeign(context: CommandLineContext, file: string, name: string | undefined, allowed: readonly string[], json: boolean): Promise<void> {
  const { entry, leftOut } = await withJob(context, 'importing', (core, id) => core.client.library.importForeign({
    path: resolve(file), id, allowedOutside: allowed.map((path) => resolve(path)), ...(name !== undefined && { name }),
  }));
  if (json) {
    printJson({ name: entry.name, leftOut });
    return;
  }
  printLine(entry.name);
  for (const { what, detail } of leftOut) printLine(`  left out: ${what}${detail === '' ? '' : `: ${detail}`}`);
}

/** A call that takes a while: told of on a terminal, and cancelled by a signal. */
export async function withJob<T>(context: CommandLineContext, doing: string, work: (core: AppCore, id: string) => Promise<Result<T>>): Promise<T> {
  const id = randomUUID();
  let status = 0;
  let shown = '';
  const result = await withCore(context, async (core) => {
    const unlisten = core.onEvent((event) => {
      if (event.event !== 'media.progress' || event.payload.id !== id || !process.stderr.isTTY) return;
      const text = `${doing}: ${Math.floor(event.payload.done * 100)} %`;
      if (text !== shown) process.stderr.write(`\r${text}\u001b[K`);
      shown = text;
    });
    const signals = ([['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]] as const).map(([signal, exitStatus]) => {
      const listener = (): void => {
        status ||= exitStatus;
        void core.client.media.cancel({ id });
      };
      process.on(signal, listener);
      return { signal, listener };
    });
    try {
      return await work(core, id);
    } finally {
      unlisten();
      if (shown !== '') process.stderr.write('\r\u001b[K');
      for (const { signal, listener } of signals) process.off(signal, listener);
    }
  });
  if (status !== 0 && !result.ok) throw new CommandFailure(status, result.error);
  return unwrap(result);
}
