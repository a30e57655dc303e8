/** Which of a machine's changed settings take effect while it is on, and which wait for its next start. */
import { isDeepStrictEqual } from 'node:util';
import type { MachineConfig } from '../../shared/machine-config.ts';
import type { descriptionShape } from '../../shared/machine-description.ts';
import { ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { VmChange } from '../../shared/vm-protocol.ts';
import { checkMedium } from './media-check.ts';
import { mediumPath, networkSettingsOf } from './vm-start.ts';

/** What the VM process has nothing to do with. */
type Unseen = 'schemaVersion' | 'display' | 'input' | 'linkedTo' | 'resetToSnapshot' | 'replication' | 'isTemplate' | keyof typeof descriptionShape;
type Section = Exclude<keyof MachineConfig, Unseen>;
/** Every setting that the machine was started with, but for what can be changed in it since. */
type Frozen = { readonly [S in Section]: unknown };

/** What can be no other while the machine is on. */
function frozen(config: MachineConfig): Frozen {
  const { architecture, accelerator, memoryBytes, bootOrder, directBoot, bundledGuest, serial, time, onReset } = config;
  return {
    architecture, accelerator, memoryBytes, bootOrder, directBoot, bundledGuest, serial, time, onReset,
    disks: config.disks.map(({ bytesPerSecondMaximum: _, ...disk }) => disk),
    cdroms: config.cdroms.length,
    adapters: config.adapters.map(({ model, mac, mode, network }) => ({ model, mac, mode, network: mode === 'nat' || mode === 'host-only' ? undefined : network })),
    cpuLimitPercent: undefined,
  };
}

/** The settings that differ from what the machine was started with and that it only takes up at its next start. */
export function waitingSettings(started: MachineConfig, saved: MachineConfig): string[] {
  const [before, after] = [frozen(started), frozen(saved)];
  return (Object.keys(before) as Section[]).filter((section) => !isDeepStrictEqual(before[section], after[section]));
}

/**
 * What a running machine is told when its settings go from `present` to `wanted`. Parts that wait for the next start are
 * left out: they are told then. Errors: those of media.
 */
export function liveChanges(started: MachineConfig, present: MachineConfig, wanted: MachineConfig, folder: string): Result<VmChange[]> {
  const changes: VmChange[] = [];
  const waiting = new Set(waitingSettings(started, wanted));
  if (present.cpuLimitPercent !== wanted.cpuLimitPercent) changes.push({ kind: 'cpu-limit', percent: wanted.cpuLimitPercent });
  if (!waiting.has('disks')) {
    for (const [disk, { bytesPerSecondMaximum }] of wanted.disks.entries()) {
      if (present.disks[disk]?.bytesPerSecondMaximum !== bytesPerSecondMaximum) changes.push({ kind: 'disk-limit', disk, bytesPerSecondMaximum });
    }
  }
  if (!waiting.has('adapters')) {
    for (const [adapter, config] of wanted.adapters.entries()) {
      const before = present.adapters[adapter];
      if (before === undefined || !isDeepStrictEqual(networkSettingsOf(before), networkSettingsOf(config))) changes.push({ kind: 'adapter', adapter, settings: networkSettingsOf(config) });
    }
  }
  if (waiting.has('cdroms') || waiting.has('disks')) return ok(changes);
  for (const [index, { path }] of wanted.cdroms.entries()) {
    if (present.cdroms[index]?.path === path) continue;
    const whole = path === undefined ? ok(undefined) : mediumPath(folder, path);
    if (!whole.ok) return whole;
    const checked = whole.value === undefined ? ok(0) : checkMedium(whole.value, 'CD image', false);
    if (!checked.ok) return checked;
    changes.push({ kind: 'disc', drive: started.disks.length + index, path: whole.value, force: false });
  }
  return ok(changes);
}
