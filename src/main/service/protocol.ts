/** What is said at the socket of a library's owner. A channel's number is the `id` of the message that opened it. */
import { z } from 'zod';
import { CHANNEL_KINDS } from '../../shared/api.ts';
import { machineErrorSchema } from '../../shared/machine-error.ts';

export const OWNER_PROTOCOL = 1;

const id = z.number().int().nonnegative();

export const ownerUpSchema = z.union([
  z.object({ id, method: z.string().max(128), input: z.unknown() }),
  z.object({ id, open: z.object({ kind: z.enum(CHANNEL_KINDS), machine: z.string().max(64) }) }),
  z.object({ channel: id, message: z.unknown() }),
  z.object({ close: id }),
]);
export type OwnerUp = z.infer<typeof ownerUpSchema>;

export const ownerDownSchema = z.union([
  z.object({ hello: z.object({ protocol: z.number() }) }),
  z.object({ id, result: z.union([z.object({ ok: z.literal(true), value: z.unknown() }), z.object({ ok: z.literal(false), error: machineErrorSchema })]) }),
  z.object({ event: z.string(), payload: z.unknown() }),
  z.object({ channel: id, message: z.unknown() }),
  z.object({ closed: id }),
]);
