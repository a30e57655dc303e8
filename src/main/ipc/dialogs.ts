import type { ApiHandlers } from '../../shared/api.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Services } from './services.ts';

export function dialogHandlers(services: Services): ApiHandlers['dialogs'] {
  return {
    async pickFile(options) {
      if (services.pickFile === undefined) return fail('dialogs.not-here', 'this shell has no dialogs of its own', 'browse the host\'s files instead');
      const path = await services.pickFile(options);
      return ok(path === undefined ? {} : { path });
    },
  };
}
