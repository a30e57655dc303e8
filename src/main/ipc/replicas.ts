import type { ApiHandlers } from '../../shared/api.ts';
import type { Services } from './services.ts';
import { MachineSettings } from './machine-settings.ts';

export function replicaHandlers(services: Services): ApiHandlers['replicas'] {
  const { replication, jobs, library } = services;
  const settings = new MachineSettings(services);
  return {
    make: ({ name, folder, keep, id }) => jobs.run(id, (progress, signal) => replication.make(name, folder, keep, { progress, signal })),
    list: ({ folder }) => replication.list(folder),
    verify: ({ folder, generation, id }) => jobs.run(id, (progress, signal) => replication.verify(folder, generation, { progress, signal })),
    restore: ({ folder, generation, name, id }) => jobs.run(id, async (progress, signal) => {
      const made = await replication.restore(folder, generation, name, { progress, signal });
      const found = made.ok ? await library.find(made.value) : made;
      if (!found.ok) return found;
      services.emit({ event: 'library.changed', payload: {} });
      return { ok: true, value: await settings.entryOf(found.value) };
    }),
  };
}
