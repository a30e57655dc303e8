/** What the handlers of calls work with. */
import type { ApiEvent, FILE_PURPOSES, HostInfo } from '../../shared/api.ts';
import type { Preferences } from '../../shared/preferences.ts';
import type { Result } from '../../shared/result.ts';
import type { AppPaths } from '../app-paths.ts';
import type { RunningJobs } from '../media/running-jobs.ts';
import type { BundlesInPlace } from '../library/in-place.ts';
import type { Library } from '../library/library.ts';
import type { Signers } from '../library/signers.ts';
import type { Replication } from '../replication/replication.ts';
import type { Supervisor } from '../machines/supervisor.ts';
import type { Snapshots } from '../snapshots/snapshots.ts';

export interface PreferencesStore {
  get(): Preferences;
  set(changes: { [K in keyof Preferences]?: Preferences[K] | undefined }): Result<Preferences>;
}

export type PickFile = (options: { readonly title: string; readonly purpose: (typeof FILE_PURPOSES)[number] }) => Promise<string | undefined>;

export interface Services {
  readonly shell: HostInfo['shell'];
  readonly paths: AppPaths;
  readonly library: Library;
  readonly supervisor: Supervisor;
  readonly snapshots: Snapshots;
  readonly replication: Replication;
  readonly inPlace: BundlesInPlace;
  /** Keys of bundles. */
  readonly signers: Signers;
  /** Long jobs of callers, by the names that they gave them. */
  readonly jobs: RunningJobs;
  readonly preferences: PreferencesStore;
  readonly pickFile: PickFile | undefined;
  emit(event: ApiEvent): void;
}
