/** The composition that all ways in share: library, supervisor, preferences and the calls upon them, in the process that owns the library. */
import { consoleUpSchema, createApiClient, displayUpSchema } from '../shared/api.ts';
import type { ApiEvent, ChannelKind, HostInfo } from '../shared/api.ts';
import { ok } from '../shared/result.ts';
import type { Result } from '../shared/result.ts';
import type { AppCore, ChannelDown, ChannelUp } from './app-core.ts';
import type { AppPaths } from './app-paths.ts';
import { handlersOf, route } from './ipc/router.ts';
import type { PickFile, Services } from './ipc/services.ts';
import { GUESTHOUSE_LINUX, readBundledGuest } from './library/bundled-guests.ts';
import { BundlesInPlace } from './library/in-place.ts';
import { Library } from './library/library.ts';
import { Signers } from './library/signers.ts';
import type { VmLauncher } from './machines/launcher.ts';
import { RunningJobs } from './media/running-jobs.ts';
import { Replication } from './replication/replication.ts';
import { ReplicationSchedule } from './replication/schedule.ts';
import { Supervisor } from './machines/supervisor.ts';
import { Snapshots } from './snapshots/snapshots.ts';

export interface AppServicesOptions {
  readonly shell: HostInfo['shell'];
  readonly paths: AppPaths;
  readonly launcher: VmLauncher;
  /** Native dialogs, where the shell has them. */
  readonly pickFile?: PickFile;
}

/** The library's owner, and how many of its machines are on. */
export interface OwningCore extends AppCore {
  readonly machinesOn: number;
}

/** Errors: those of opening the library. */
export async function createAppServices(options: AppServicesOptions): Promise<Result<OwningCore>> {
  const { paths, launcher, shell, pickFile } = options;
  // Loaded when needed: `conf` brings handlers that raise every signal a second time, which `run` must not see.
  const { openPreferences } = await import('./preferences.ts');
  const listeners = new Set<(event: ApiEvent) => void>();
  const emit = (event: ApiEvent): void => { for (const listener of [...listeners]) listener(event); };
  const library = new Library(paths.library);
  const opened = await library.open();
  if (!opened.ok) return opened;
  const supervisor = new Supervisor(launcher, {
    status: (name, status) => {
      emit({ event: 'machines.status', payload: { name, status } });
      if (status.state === 'off' || status.state === 'crashed') snapshots.machineOff(name);
    },
    warning: (name, message) => { emit({ event: 'machines.warning', payload: { name, message } }); },
    memoryLoaded: (name) => { snapshots.memoryLoaded(name); },
    // What the guest has put out is out for good, as with a real drive: the next start finds it empty.
    discEjected: (name, cdrom) => { void call('machines.changeDisc', { name, drive: cdrom, force: true }); },
  });
  const snapshots = new Snapshots({
    library, supervisor, paths,
    changed: (name) => {
      emit({ event: 'snapshots.changed', payload: { name } });
      emit({ event: 'library.changed', payload: {} });
    },
  });
  const replication = new Replication({ library, supervisor, snapshots, program: paths.mediaProcess });
  const schedule = new ReplicationSchedule(library, replication, (name, message) => { emit({ event: 'machines.warning', payload: { name, message } }); });
  const signers = new Signers(paths.preferencesFolder);
  const inPlace = new BundlesInPlace({ library, snapshots, signers, program: paths.mediaProcess });
  const services: Services = { shell, paths, library, supervisor, snapshots, replication, inPlace, signers, jobs: new RunningJobs((id, done) => { emit({ event: 'media.progress', payload: { id, done } }); }), preferences: openPreferences(paths.preferencesFolder), pickFile, emit };
  const handlers = handlersOf(services);
  // The bundled guest is ready to start on the first run; who deletes it later is not given it again.
  if (opened.value.firstRun && readBundledGuest(paths.guestFolder, GUESTHOUSE_LINUX).ok) await route(handlers, 'library.createFromBundledGuest', { id: GUESTHOUSE_LINUX });
  library.watch(() => { emit({ event: 'library.changed', payload: {} }); });

  const call = (method: string, input: unknown): Promise<Result<unknown>> => route(handlers, method, input);
  return ok({
    call,
    client: createApiClient(call),
    onEvent(listener) {
      listeners.add(listener);
      return () => { listeners.delete(listener); };
    },
    async openChannel(kind, machine, down) {
      const found = await library.find(machine);
      return found.ok ? openChannel(supervisor, kind, machine, down) : found;
    },
    attachDisplayPort: launcher.takesPorts ? (machine, port) => supervisor.machine(machine).attachDisplayPort(port) : undefined,
    get machinesOn() {
      return supervisor.running.length;
    },
    async close() {
      library.close();
      await schedule.close();
      await supervisor.close();
      await inPlace.close();
      await snapshots.close();
    },
  });
}

function openChannel(supervisor: Supervisor, kind: ChannelKind, name: string, down: ChannelDown): Result<ChannelUp> {
  const machine = supervisor.machine(name);
  if (kind !== 'display') {
    const end = machine.openConsole(kind, (bytes, replay) => { down.message({ kind: 'serial-output', bytes, replay }); });
    return ok({
      send(message) {
        const checked = consoleUpSchema.safeParse(message);
        if (checked.success) machine.sendToConsole(kind, checked.data.bytes);
      },
      close: end,
    });
  }
  const connected = machine.connected();
  if (!connected.ok) return connected;
  let viewer: ReturnType<typeof machine.openDisplay> | undefined;
  let closed = false;
  const unwatch = (): void => {
    if (viewer?.ok === true) viewer.value.close();
    viewer = undefined;
  };
  const end = (): void => {
    if (closed) return;
    closed = true;
    unwatch();
    down.closed();
  };
  // A channel that doesn't watch must hear of the machine's end as well.
  void machine.untilOff().then(end);
  return ok({
    send(message) {
      const checked = displayUpSchema.safeParse(message);
      if (!checked.success || closed) return;
      switch (checked.data.kind) {
        case 'watch-display':
          unwatch();
          if (checked.data.watch) viewer = machine.openDisplay((frame) => { down.message({ kind: 'display-frame', frame }); }, end);
          return;
        case 'frame-drawn':
          if (viewer?.ok === true) viewer.value.frameDrawn();
          return;
        default:
          machine.send(checked.data);
      }
    },
    close() {
      closed = true;
      unwatch();
    },
  });
}
