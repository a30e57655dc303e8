/** Settings of a machine as calls change them: in its `machine.json`, and at once in the machine where it is on. */
import type { LibraryEntry, MachineChanges } from '../../shared/api.ts';
import { brokenRules } from '../../shared/machine-rules.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import type { VmChange } from '../../shared/vm-protocol.ts';
import { readInPlace } from '../library/in-place-record.ts';
import type { FoundMachine } from '../library/library.ts';
import { liveChanges, waitingSettings } from '../machines/live-settings.ts';
import type { Services } from './services.ts';

export class MachineSettings {
  readonly #services: Services;

  constructor(services: Services) {
    this.#services = services;
  }

  async entryOf({ name, folder, config }: FoundMachine): Promise<LibraryEntry> {
    const { supervisor, snapshots } = this.#services;
    const started = supervisor.startedConfig(name);
    const waiting = started === undefined || !config.ok ? [] : waitingSettings(started, config.value);
    const inPlace = await readInPlace(folder);
    return {
      name, folder, status: supervisor.statusOf(name), ...(config.ok ? { config: config.value } : { broken: config.error }),
      hasSavedState: !supervisor.isOn(name) && await snapshots.hasSavedState(folder),
      ...(inPlace.ok && inPlace.value !== undefined && { bundlePath: inPlace.value.bundle.path }),
      ...(waiting.length === 0 ? {} : { atNextStart: waiting }),
    };
  }

  /** Where the machine can't take a change up now, nothing is changed. `force` takes discs from a guest that holds them. */
  async change(name: string, changes: MachineChanges, force: boolean): Promise<Result<LibraryEntry>> {
    const { library, supervisor, emit } = this.#services;
    const present = await library.findWhole(name);
    if (!present.ok) return present;
    // `null` takes a setting away.
    const given = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined).map(([setting, value]) => [setting, value ?? undefined]));
    const checked = library.checkChange(present.value.config, given);
    if (!checked.ok) return checked;
    const [broken] = brokenRules(checked.value);
    if (broken !== undefined) return fail('machine-config.invalid', `the settings don't go together (${broken.path}: ${broken.rule})`, 'change them');
    const started = supervisor.startedConfig(name);
    if (started !== undefined) {
      const { folder, config } = present.value;
      const changesNow = liveChanges(started, config, checked.value, folder);
      if (!changesNow.ok) return changesNow;
      const back = liveChanges(started, checked.value, config, folder);
      const forced = (all: readonly VmChange[]): VmChange[] => all.map((change) => change.kind === 'disc' ? { ...change, force } : change);
      const made = await supervisor.change(name, forced(changesNow.value), back.ok ? back.value : []);
      if (!made.ok) return made;
    }
    const saved = await library.save(name, checked.value);
    if (!saved.ok) return saved;
    emit({ event: 'library.changed', payload: {} });
    return ok(await this.entryOf(saved.value));
  }
}
