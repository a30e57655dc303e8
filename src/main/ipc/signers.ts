import type { ApiHandlers } from '../../shared/api.ts';
import { ok } from '../../shared/result.ts';
import type { Services } from './services.ts';

export function signerHandlers({ signers }: Services): ApiHandlers['signers'] {
  return {
    async list() {
      const known = await signers.list();
      return known.ok ? ok({ signers: known.value }) : known;
    },
    remember: ({ publicKey, name }) => signers.remember(publicKey, name),
    forget: ({ name }) => signers.forget(name),
  };
}
