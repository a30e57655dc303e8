import type { ApiHandlers } from '../../shared/api.ts';
import { starterOf } from './machines.ts';
import type { Services } from './services.ts';

export function snapshotHandlers(services: Services): ApiHandlers['snapshots'] {
  const { snapshots } = services;
  return {
    list: ({ name }) => snapshots.list(name),
    take: ({ name, snapshotName, notes }) => snapshots.take(name, snapshotName, notes),
    restore: ({ name, snapshot, saveCurrentAs, start }) => snapshots.restore(name, snapshot, { saveCurrentAs, start }, starterOf(services, name, false)),
    delete: ({ name, snapshot }) => snapshots.delete(name, snapshot),
    change: ({ name, snapshot, newName, notes }) => snapshots.change(name, snapshot, { newName, notes }),
    resetOnPowerOff: ({ name, snapshot }) => snapshots.resetOnPowerOff(name, snapshot),
    thumbnail: ({ name, snapshot }) => snapshots.thumbnail(name, snapshot),
  };
}
