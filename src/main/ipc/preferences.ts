import type { ApiHandlers } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import type { Services } from './services.ts';

export function preferenceHandlers(services: Services): ApiHandlers['preferences'] {
  return {
    async get() {
      return ok(services.preferences.get());
    },

    async set(changes) {
      const saved = services.preferences.set(changes);
      if (saved.ok) services.emit({ event: 'preferences.changed', payload: saved.value });
      return saved;
    },
  };
}
