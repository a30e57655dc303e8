/** What every verb is given. */
import type { AppPaths } from '../app-paths.ts';

export interface CommandLineContext {
  readonly paths: AppPaths;
  /** What the process ends with, unless a `CommandFailure` says otherwise. */
  exitStatus: number;
}
