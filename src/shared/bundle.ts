/** What is known of a bundle before it runs: who signed it, and what its machine may touch of the host and its network. */
import { z } from 'zod';
import { machineConfigSchema } from './machine-config.ts';
import type { MachineConfig } from './machine-config.ts';
import { publicKeySchema } from './media-protocol.ts';

/** Names that people give to those who sign bundles. */
export const signerNameSchema = z.string().trim().min(1).max(100);
/** As `ssh-keygen -l` writes it: `SHA256:` and the base64 digest of the public key. */
const fingerprintSchema = z.string().max(64);
/** A signature shows that a bundle is as whoever holds the key has made it; `known` are keys that the person has named, `own` is this computer's. */
export const signerSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('unsigned') }),
  z.object({ kind: z.literal('unknown'), publicKey: publicKeySchema, fingerprint: fingerprintSchema }),
  z.object({ kind: z.literal('own'), publicKey: publicKeySchema, fingerprint: fingerprintSchema }),
  z.object({ kind: z.literal('known'), publicKey: publicKeySchema, fingerprint: fingerprintSchema, name: signerNameSchema }),
]);
export type Signer = z.infer<typeof signerSchema>;

export const knownSignerSchema = z.object({ name: signerNameSchema, publicKey: publicKeySchema, fingerprint: fingerprintSchema, /** Milliseconds since 1970. */ since: z.number() });
export type KnownSigner = z.infer<typeof knownSignerSchema>;

export const touchSchema = z.discriminatedUnion('kind', [
  /** Everything that the host itself reaches, but not the host's own services. */
  z.object({ kind: z.literal('internet') }),
  /** One target; `loopback` is the host's own services. */
  z.object({ kind: z.literal('target'), host: z.string(), port: z.number().optional() }),
  /** A network that it shares with other machines of that name's network. */
  z.object({ kind: z.literal('machines'), network: z.string() }),
  /** A port of the host that leads into the guest; `isOpen` to others than the host itself. */
  z.object({ kind: z.literal('forward'), protocol: z.enum(['tcp', 'udp']), address: z.string(), port: z.number(), isOpen: z.boolean() }),
]);
export type Touch = z.infer<typeof touchSchema>;

export const bundleFactsSchema = z.object({
  manifestSha256: z.string().length(64),
  /** Of the file, and of the machine when it is unpacked. */
  bytes: z.number(),
  unpackedBytes: z.number(),
  config: machineConfigSchema,
  snapshots: z.number().int(),
  hasSavedState: z.boolean(),
  signer: signerSchema,
  /** Of the machine as it is and in its snapshots; nothing but its own disks where there is none. */
  touches: z.array(touchSchema),
  /** False: it has to be imported. */
  runsInPlace: z.boolean(),
  /** The machine as which it is open already. */
  openAs: z.string().optional(),
});
export type BundleFacts = z.infer<typeof bundleFactsSchema>;

const LOOPBACK = /^(?:127\.|::1$)/;

/** Each once. */
export function touchesOf(configs: readonly MachineConfig[]): Touch[] {
  const found = new Map<string, Touch>();
  const add = (touch: Touch): void => { found.set(JSON.stringify(touch), touch); };
  for (const { mode, reach, allow, forwards, network } of configs.flatMap(({ adapters }) => adapters)) {
    if (mode === 'nat-network' || mode === 'internal') add({ kind: 'machines', network });
    if (mode === 'internal') continue;
    const canReach = mode !== 'host-only' && reach !== 'nothing';
    if (canReach && reach === 'internet') add({ kind: 'internet' });
    for (const { host, port } of canReach ? allow : []) add({ kind: 'target', host, ...(port !== undefined && { port }) });
    for (const { protocol, host: { address, port } } of forwards) add({ kind: 'forward', protocol, address, port, isOpen: !LOOPBACK.test(address) });
  }
  return [...found.values()];
}
