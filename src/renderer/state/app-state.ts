/** What the windows show of the app behind them, kept up to date by its events. */
import { createContext, useContext } from 'react';
import type { BundledGuest, HostInfo, LibraryEntry, MachineChanges, MachineStatus } from '../../shared/api.ts';
import { PREFERENCES_DEFAULT } from '../../shared/preferences.ts';
import type { Preferences } from '../../shared/preferences.ts';
import type { MachineError, Result } from '../../shared/result.ts';
import type { Connection, Shell } from '../api.ts';
import { showNotice } from './notices.ts';
import { Store } from './store.ts';

export interface Library {
  /** The first list has come. */
  readonly isLoaded: boolean;
  readonly folder: string;
  readonly entries: readonly LibraryEntry[];
  readonly error: MachineError | undefined;
}

export class AppState {
  readonly shell: Shell;
  readonly connection: Store<Connection>;
  readonly library = new Store<Library>({ isLoaded: false, folder: '', entries: [], error: undefined });
  readonly guests = new Store<readonly BundledGuest[]>([]);
  readonly host = new Store<HostInfo | undefined>(undefined);
  readonly preferences = new Store<Preferences>(PREFERENCES_DEFAULT);
  /** A start that was refused for want of memory, until the person has decided. */
  readonly refusedStart = new Store<{ readonly name: string; readonly error: MachineError } | undefined>(undefined);
  /** Names of machines with a call under way that changes their state. */
  readonly busy = new Store<ReadonlySet<string>>(new Set());
  /** How much of new machines' disks has been copied, between 0 and 1. */
  readonly imports = new Store<ReadonlyMap<string, number>>(new Map());
  #refreshing: Promise<void> | undefined;
  #refreshAgain = false;

  constructor(shell: Shell) {
    this.shell = shell;
    this.connection = new Store<Connection>(shell.connection);
    shell.onConnection((connection) => {
      const wasLost = this.connection.value === 'lost';
      this.connection.set(connection);
      if (connection === 'connected' && wasLost) void this.refresh();
    });
    shell.onEvent((event) => {
      switch (event.event) {
        case 'library.changed': void this.refreshLibrary(); break;
        case 'machines.status': this.#setStatus(event.payload.name, event.payload.status); break;
        case 'library.importing': this.imports.update((imports) => new Map(imports).set(event.payload.name, event.payload.done)); break;
        case 'machines.warning': showNotice({ kind: 'warning', text: `${event.payload.name}: ${event.payload.message}` }); break;
        // Whoever runs the job, or shows the tree, hears it.
        case 'media.progress':
        case 'snapshots.changed': break;
        case 'preferences.changed': this.preferences.set(event.payload); break;
      }
    });
  }

  async refresh(): Promise<void> {
    const { client } = this.shell;
    await Promise.all([
      this.refreshLibrary(),
      client.guests.bundled({}).then((answer) => { if (answer.ok) this.guests.set(answer.value.guests); }),
      this.refreshHost(),
      client.preferences.get({}).then((answer) => { if (answer.ok) this.preferences.set(answer.value); }),
    ]);
  }

  /** One at a time: what changes meanwhile is fetched by one more. */
  refreshLibrary(): Promise<void> {
    this.#refreshAgain = this.#refreshing !== undefined;
    this.#refreshing ??= this.#fetchLibrary().finally(() => {
      this.#refreshing = undefined;
      if (this.#refreshAgain) void this.refreshLibrary();
    });
    return this.#refreshAgain ? this.#refreshing.then(() => this.#refreshing) : this.#refreshing;
  }

  async #fetchLibrary(): Promise<void> {
    const answer = await this.shell.client.library.list({});
    if (answer.ok) this.library.set({ isLoaded: true, folder: answer.value.folder, entries: keepSame(this.library.value.entries, answer.value.entries), error: undefined });
    else if (answer.error.code !== 'shell.unreachable') this.library.update((library) => ({ ...library, isLoaded: true, error: answer.error }));
  }

  async refreshHost(): Promise<void> {
    const answer = await this.shell.client.host.info({});
    if (answer.ok) this.host.set(answer.value);
  }

  async savePreferences(changes: Partial<Preferences>): Promise<void> {
    this.preferences.update((preferences) => ({ ...preferences, ...changes }));
    const answer = await this.shell.client.preferences.set(changes);
    if (answer.ok) this.preferences.set(answer.value);
    else showNotice({ kind: 'error', error: answer.error });
  }

  /** Changes what describes machines to people, all of them before the list is fetched again; the first failure is shown. */
  async describe(changes: ReadonlyMap<string, MachineChanges>): Promise<boolean> {
    const answers = await Promise.all([...changes].map(([name, change]) => this.shell.client.library.change({ name, changes: change })));
    const failure = answers.find((answer) => !answer.ok);
    if (failure?.ok === false) showNotice({ kind: 'error', error: failure.error });
    await this.refreshLibrary();
    return failure === undefined;
  }

  start(name: string, overcommit = false): Promise<boolean> {
    return this.#act(name, this.shell.client.machines.start({ name, overcommit }), (error) => {
      if (error.code !== 'memory.host-low') return false;
      this.refusedStart.set({ name, error });
      return true;
    });
  }
  save(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.save({ name })); }
  /** Drops the saved state for good. */
  startCold(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.start({ name, cold: true })); }
  pause(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.pause({ name })); }
  resume(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.resume({ name })); }
  shutDown(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.stop({ name, how: 'acpi' })); }
  powerOff(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.stop({ name, how: 'force' })); }
  reset(name: string): Promise<boolean> { return this.#act(name, this.shell.client.machines.reset({ name })); }

  /** True when it succeeded; a failure is shown at the window's edge, unless `deals` deals with it. */
  async #act(name: string, call: Promise<Result<unknown>>, deals: (error: MachineError) => boolean = () => false): Promise<boolean> {
    this.busy.update((busy) => new Set(busy).add(name));
    const answer = await call;
    this.busy.update((busy) => new Set([...busy].filter((other) => other !== name)));
    if (!answer.ok && !deals(answer.error)) showNotice({ kind: 'error', error: answer.error });
    return answer.ok;
  }

  #setStatus(name: string, status: MachineStatus): void {
    this.library.update((library) => ({ ...library, entries: library.entries.map((entry) => entry.name === name ? { ...entry, status } : entry) }));
  }
}

/** Entries that say the same stay the same objects, so that only what changed is drawn anew. */
function keepSame(before: readonly LibraryEntry[], now: readonly LibraryEntry[]): readonly LibraryEntry[] {
  const known = new Map(before.map((entry) => [entry.name, entry]));
  return now.map((entry) => {
    const old = known.get(entry.name);
    return old !== undefined && JSON.stringify(old) === JSON.stringify(entry) ? old : entry;
  });
}

const AppContext = createContext<AppState | undefined>(undefined);
export const AppProvider = AppContext.Provider;

export function useApp(): AppState {
  const app = useContext(AppContext);
  if (app === undefined) throw new Error('useApp outside of AppProvider');
  return app;
}
