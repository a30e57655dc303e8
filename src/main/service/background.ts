/** The background service that `guesthouse start` starts where no app is open: owns the library for as long as a machine is on. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { AppCore } from '../app-core.ts';
import type { AppPaths } from '../app-paths.ts';
import { ForkLauncher } from '../machines/fork-launcher.ts';
import { lastLines } from '../machines/machine-log.ts';
import { openCore } from './open-core.ts';
import { joinOwner } from './owner-connection.ts';
import { prepareSocketFolder } from './owner-server.ts';

export const SERVICE_VERB = 'background-service';
/** Without a machine and a connection for so long it ends. */
const IDLE_MILLIS = 3000;
const START_TIMEOUT_MILLIS = 15_000;
const START_POLL_MILLIS = 50;

/** Runs until idle. What it resolves with is the process's exit status. */
export async function runBackgroundService(paths: AppPaths): Promise<Result<Record<string, never>>> {
  const opened = await openCore({ shell: 'command-line', paths, launcher: new ForkLauncher(paths.vmProcess) });
  if (!opened.ok) return opened;
  if (!opened.value.owns) {
    await opened.value.core.close();
    return ok({});
  }
  const { core, server } = opened.value;
  await new Promise<void>((resolve) => {
    let idle: NodeJS.Timeout | undefined;
    const look = (): void => {
      clearTimeout(idle);
      if (core.machinesOn === 0 && server.connections === 0) idle = setTimeout(resolve, IDLE_MILLIS);
    };
    core.onEvent(look);
    server.onConnections(look);
    look();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { resolve(); });
  });
  await core.close();
  return ok({});
}

/** The library's owner; the background service is started where there is none. Errors: `owner.not-started`, … */
export async function joinOrStartService(paths: AppPaths): Promise<Result<AppCore>> {
  const first = await joinOwner(paths.ownerSocket);
  if (first !== undefined) return first;
  const folder = prepareSocketFolder(paths.ownerSocket);
  if (!folder.ok) return folder;
  mkdirSync(paths.runtimeFolder, { recursive: true, mode: 0o700 });
  const log = openSync(paths.serviceLog, 'w', 0o600);
  const service = spawn(process.execPath, [commandLineProgram(paths), SERVICE_VERB], { detached: true, stdio: ['ignore', log, log], cwd: paths.runtimeFolder });
  closeSync(log);
  let ended = false;
  service.on('error', () => { ended = true; });
  service.on('exit', () => { ended = true; });
  service.unref();
  for (const endsAt = Date.now() + START_TIMEOUT_MILLIS; Date.now() < endsAt && !ended; await delay(START_POLL_MILLIS)) {
    const joined = await joinOwner(paths.ownerSocket);
    if (joined !== undefined) return joined;
  }
  const why = lastLines(paths.serviceLog, 1)[0];
  return fail('owner.not-started', `the background service did not start${why === undefined ? '' : ` (${why.replace(/^guesthouse: /, '')})`}`, `see ${paths.serviceLog}`);
}

/** The command line's program: beside this source file, or the build's. */
function commandLineProgram(paths: AppPaths): string {
  return import.meta.url.endsWith('/background.ts') ? fileURLToPath(new URL('../cli/main.ts', import.meta.url)) : paths.commandLine;
}
