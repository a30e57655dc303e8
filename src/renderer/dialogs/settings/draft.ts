/**
 * The settings that a person is working on: a whole `MachineConfig` that may hold what is none yet. The shared schema and
 * the shared rules decide what is wrong; this finds the words, by the setting's path (`adapters.0.mac`).
 */
import { createContext, useContext } from 'react';
import type { LibraryEntry, MachineChanges } from '../../../shared/api.ts';
import { machineConfigSchema } from '../../../shared/machine-config.ts';
import type { MachineConfig } from '../../../shared/machine-config.ts';
import { brokenRules } from '../../../shared/machine-rules.ts';
import type { MachineRule } from '../../../shared/machine-rules.ts';
import type { en } from '../../i18n/en.ts';

export type Draft = MachineConfig;
export type Reason = keyof typeof en.settingsProblem;

const REASONS: readonly (readonly [RegExp, Reason])[] = [
  [/^memoryBytes$/, 'memory'],
  [/^cpuLimitPercent$/, 'cpuLimit'],
  [/^disks\.\d+\.path$/, 'path'],
  [/^cdroms\.\d+\.path$/, 'path'],
  [/^directBoot\.(?:kernel|initrd)$/, 'path'],
  [/^directBoot\.commandLine$/, 'commandLine'],
  [/bytesPerSecondMaximum$/, 'rate'],
  [/^adapters\.\d+\.mac$/, 'mac'],
  [/^adapters\.\d+\.network$/, 'networkName'],
  [/(?:delay|jitter)Millis$/, 'delay'],
  [/lossPercent$/, 'loss'],
  [/bootFolder$/, 'bootFolder'],
  [/bootFile$/, 'bootFile'],
  [/\.port$/, 'port'],
  [/\.address$/, 'address'],
  [/\.allow\.\d+\.host$/, 'target'],
  [/^time\.mode/, 'pace'],
  [/^time\.rtcEpochSeconds$/, 'clock'],
  [/^time\.seed$/, 'seed'],
  [/^notes$/, 'notes'],
  [/^tags/, 'tags'],
  [/^group$/, 'group'],
];

const RULE_REASONS: Readonly<Record<MachineRule, Reason>> = {
  'ide-drives': 'ideDrives', 'ahci-drives': 'ahciDrives', 'virtio-drives': 'virtioDrives', 'disk-twice': 'diskTwice', 'port-twice': 'portTwice', 'network-in-instruction-time': 'networkTime', 'isa-adapters': 'isaAdapters',
};

/** What is wrong, by path; the first reason of each counts. */
export function findProblems(draft: Draft): ReadonlyMap<string, Reason> {
  const problems = new Map<string, Reason>();
  const add = (path: string, reason: Reason): void => { if (!problems.has(path)) problems.set(path, reason); };
  const checked = machineConfigSchema.safeParse(draft);
  if (!checked.success) {
    for (const issue of checked.error.issues) {
      const path = issue.path.map(String).join('.');
      add(path, REASONS.find(([pattern]) => pattern.test(path))?.[1] ?? 'other');
    }
  }
  for (const { path, rule } of brokenRules(draft)) add(path, RULE_REASONS[rule]);
  return problems;
}

/** What differs, by sections of the settings. */
export function changesOf(saved: MachineConfig, draft: Draft): MachineChanges {
  const sections = new Set([...Object.keys(saved), ...Object.keys(draft)]) as Set<keyof MachineConfig>;
  const changed = [...sections].filter((section) => JSON.stringify(draft[section]) !== JSON.stringify(saved[section]));
  // `null` takes a setting away.
  return Object.fromEntries(changed.map((section) => [section, draft[section] ?? null]));
}

/** The same tree with another value at `path`; `undefined` takes it out. */
export function withValue<T>(tree: T, path: string, value: unknown): T {
  const [key = '', ...rest] = path.split('.');
  const next = (present: unknown): unknown => rest.length === 0 ? value : withValue(present ?? {}, rest.join('.'), value);
  if (Array.isArray(tree)) return tree.map((item: unknown, index) => index === Number(key) ? next(item) : item) as T;
  const record = { ...(tree as Record<string, unknown>), [key]: next((tree as Record<string, unknown>)[key]) };
  if (record[key] === undefined) delete record[key];
  return record as T;
}

export interface DraftEditor {
  readonly entry: LibraryEntry;
  readonly saved: MachineConfig;
  readonly draft: Draft;
  readonly isOn: boolean;
  set(path: string, value: unknown): void;
  /** What stands in a field that is being typed in, for as long as it differs from how its value is shown. */
  typed(path: string): string | undefined;
  type(path: string, text: string | undefined): void;
  /** The field has been left: from now on it says what is wrong with it. */
  touch(path: string): void;
  reason(path: string): string | undefined;
}

const DraftContext = createContext<DraftEditor | undefined>(undefined);
export const DraftProvider = DraftContext.Provider;

export function useDraft(): DraftEditor {
  const editor = useContext(DraftContext);
  if (editor === undefined) throw new Error('useDraft outside of the settings dialog');
  return editor;
}
