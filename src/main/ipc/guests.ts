import type { ApiHandlers } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import { GUESTHOUSE_LINUX, readBundledGuest } from '../library/bundled-guests.ts';
import type { Services } from './services.ts';

export function guestHandlers(services: Services): ApiHandlers['guests'] {
  return {
    async bundled() {
      const guest = readBundledGuest(services.paths.guestFolder, GUESTHOUSE_LINUX);
      return ok({ guests: guest.ok ? [guest.value.facts] : [] });
    },
  };
}
