import { spawnSync } from 'node:child_process';

/** Whether a program of the host can be started, for tests that check our output with someone else's reader. */
export function isInstalled(program: string, ...versionArguments: string[]): boolean {
  return spawnSync(program, versionArguments, { stdio: 'ignore' }).error === undefined;
}
