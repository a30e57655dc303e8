/** Runs the browser shell until a signal ends it: for `guesthouse serve` and for the shell's own program. */
import { fail } from '../../shared/result.ts';
import type { AppPaths } from '../app-paths.ts';
import { startBrowserShell } from '../web/browser-shell.ts';
import { CommandFailure, EXIT_FAILED, printLine, unwrap, usageFailure } from './outcome.ts';

/** Prints the address first. Resolves when the shell was told to end. */
export async function serveUntilTold(paths: AppPaths, port: string | undefined): Promise<void> {
  const shell = unwrap(await startBrowserShell(paths, parsePort(port)));
  printLine(`Guesthouse is at ${shell.address}`);
  const told = new Promise<'told'>((resolve) => { for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { resolve('told'); }); });
  const why = await Promise.race([told, shell.lost.then(() => 'lost' as const)]);
  await shell.close();
  if (why === 'lost') throw new CommandFailure(EXIT_FAILED, fail('owner.lost', 'the Guesthouse that owned the library has ended', 'start again').error);
}

function parsePort(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw usageFailure(`--port "${text}" is not a port`, 'give a number from 1 to 65535');
  return Number(text);
}
