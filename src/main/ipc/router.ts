/** From a method's name and an untrusted input to its handler. */
import { schemasOf } from '../../shared/api.ts';
import type { ApiHandlers } from '../../shared/api.ts';
import { describeIssues } from '../../shared/machine-config.ts';
import { fail } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { dialogHandlers } from './dialogs.ts';
import { fileHandlers } from './files.ts';
import { guestHandlers } from './guests.ts';
import { hostHandlers } from './host.ts';
import { libraryHandlers } from './library.ts';
import { machineHandlers } from './machines.ts';
import { mediaHandlers } from './media.ts';
import { preferenceHandlers } from './preferences.ts';
import { replicaHandlers } from './replicas.ts';
import type { Services } from './services.ts';
import { signerHandlers } from './signers.ts';
import { snapshotHandlers } from './snapshots.ts';

export function handlersOf(services: Services): ApiHandlers {
  return {
    library: libraryHandlers(services),
    machines: machineHandlers(services),
    snapshots: snapshotHandlers(services),
    replicas: replicaHandlers(services),
    signers: signerHandlers(services),
    media: mediaHandlers(services),
    preferences: preferenceHandlers(services),
    host: hostHandlers(services),
    guests: guestHandlers(services),
    dialogs: dialogHandlers(services),
    files: fileHandlers(),
  };
}

/** Never rejects. Errors: `api.unknown-method`, `api.bad-input`, `internal`, and what the handler says. */
export async function route(handlers: ApiHandlers, method: string, input: unknown): Promise<Result<unknown>> {
  const schemas = schemasOf(method);
  if (schemas === undefined) return fail('api.unknown-method', `there is no call "${method.slice(0, 80)}"`, 'use the same version of Guesthouse on both sides');
  const checked = schemas.input.safeParse(input);
  if (!checked.success) return fail('api.bad-input', `the input of ${method} is not valid (${describeIssues(checked.error)})`, 'change it');
  const [noun = '', verb = ''] = method.split('.');
  const handler = (handlers as unknown as Record<string, Record<string, (input: unknown) => Promise<Result<unknown>>>>)[noun]?.[verb];
  if (handler === undefined) return fail('api.unknown-method', `nobody answers ${method} here`, '');
  try {
    return await handler(checked.data);
  } catch (error) {
    return fail('internal', `something unforeseen went wrong in ${method} (${error instanceof Error ? error.message : String(error)})`, 'report it');
  }
}
