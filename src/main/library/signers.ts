/** Keys of bundles: this computer's own, with which it signs, and those of others that the person has given names. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { knownSignerSchema } from '../../shared/bundle.ts';
import type { KnownSigner, Signer } from '../../shared/bundle.ts';
import { fail, ok } from '../../shared/result.ts';
import type { Result } from '../../shared/result.ts';
import { makeFolder, writeFileAtomically } from '../files/atomic-file.ts';
import { fileError } from '../machines/media-check.ts';

const OWN_KEY = 'bundle-key.pem';
const KNOWN = 'known-signers.json';
const knownFileSchema = z.object({ schemaVersion: z.literal(1), signers: z.array(knownSignerSchema.omit({ fingerprint: true })).max(10_000) });

export class Signers {
  readonly #folder: string;

  /** `folder` is where the person's preferences are. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** This computer's private key as PEM (PKCS #8), made when it is first needed. Error: `signer.own-damaged`. */
  async ownKey(): Promise<Result<string>> {
    const present = await this.#readOwnKey();
    if (!present.ok || present.value !== undefined) return present as Result<string>;
    const pem = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });
    const path = join(this.#folder, OWN_KEY);
    const beside = `${path}.${randomBytes(4).toString('hex')}.new`;
    try {
      await makeFolder(this.#folder);
      const file = await open(beside, 'wx', 0o600);
      try {
        await file.writeFile(pem);
        await file.sync();
      } finally {
        await file.close();
      }
      // Not in the place of another's that was quicker.
      await link(beside, path).catch((error: unknown) => { if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; });
      await rm(beside);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      return fileError(error, path, 'output file');
    }
    return this.#readOwnKey() as Promise<Result<string>>;
  }

  /** Who that is, by what a bundle says its signer's key is. */
  async describe(publicKey: string | undefined): Promise<Result<Signer>> {
    if (publicKey === undefined) return ok({ kind: 'unsigned' });
    const fingerprint = fingerprintOf(publicKey);
    const own = await this.#readOwnKey();
    if (own.ok && own.value !== undefined && publicKeyOf(own.value) === publicKey) return ok({ kind: 'own', publicKey, fingerprint });
    const known = await this.list();
    if (!known.ok) return known;
    const found = known.value.find((signer) => signer.publicKey === publicKey);
    return ok(found === undefined ? { kind: 'unknown', publicKey, fingerprint } : { kind: 'known', publicKey, fingerprint, name: found.name });
  }

  /** Oldest first. Error: `signer.list-damaged`. */
  async list(): Promise<Result<KnownSigner[]>> {
    let text: string;
    try {
      text = await readFile(join(this.#folder, KNOWN), 'utf8');
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? ok([]) : fileError(error, join(this.#folder, KNOWN), 'list of known signers');
    }
    try {
      return ok(knownFileSchema.parse(JSON.parse(text)).signers.map((signer) => ({ ...signer, fingerprint: fingerprintOf(signer.publicKey) })));
    } catch {
      return fail('signer.list-damaged', `the list of known signers ${join(this.#folder, KNOWN)} is damaged`, 'remove it: then nobody is known');
    }
  }

  /** A key has one name, and a name one key. Error: `signer.name-taken`. */
  async remember(publicKey: string, name: string): Promise<Result<KnownSigner>> {
    const known = await this.list();
    if (!known.ok) return known;
    if (known.value.some((signer) => signer.name === name && signer.publicKey !== publicKey)) return fail('signer.name-taken', `another key is known as ${name}`, 'give another name, or forget that one first');
    const remembered: KnownSigner = { name, publicKey, fingerprint: fingerprintOf(publicKey), since: Date.now() };
    const written = await this.#write([...known.value.filter((signer) => signer.publicKey !== publicKey), remembered]);
    return written.ok ? ok(remembered) : written;
  }

  /** Error: `signer.unknown`. */
  async forget(name: string): Promise<Result<Record<string, never>>> {
    const known = await this.list();
    if (!known.ok) return known;
    const left = known.value.filter((signer) => signer.name !== name);
    return left.length === known.value.length ? fail('signer.unknown', `nobody is known as ${name}`, 'see the list: guesthouse bundle signers') : this.#write(left);
  }

  async #write(signers: readonly KnownSigner[]): Promise<Result<Record<string, never>>> {
    const path = join(this.#folder, KNOWN);
    try {
      await makeFolder(this.#folder);
      await writeFileAtomically(path, `${JSON.stringify({ schemaVersion: 1, signers: signers.map(({ name, publicKey, since }) => ({ name, publicKey, since })) }, null, 1)}\n`);
      return ok({});
    } catch (error) {
      return fileError(error, path, 'list of known signers');
    }
  }

  async #readOwnKey(): Promise<Result<string | undefined>> {
    const path = join(this.#folder, OWN_KEY);
    try {
      const pem = await readFile(path, 'utf8');
      return createPrivateKey(pem).asymmetricKeyType === 'ed25519' ? ok(pem) : damagedKey(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return ok(undefined);
      return code === 'EACCES' || code === 'EPERM' ? fileError(error, path, 'key for bundles') : damagedKey(path);
    }
  }
}

function damagedKey(path: string): Result<never> {
  return fail('signer.own-damaged', `the key ${path}, with which bundles are signed, is damaged`, 'put it back from a backup; or remove it, and those who know it must get to know another');
}

function publicKeyOf(privateKeyPem: string): string {
  return createPublicKey(createPrivateKey(privateKeyPem)).export({ type: 'spki', format: 'der' }).toString('base64');
}

export function fingerprintOf(publicKey: string): string {
  return `SHA256:${createHash('sha256').update(Buffer.from(publicKey, 'base64')).digest('base64').replace(/=+$/, '')}`;
}
