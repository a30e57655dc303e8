/** Signatures of bundles, with OpenSSL for an oracle, and bundles whose manifest, signature or key were changed. */
import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise } from 'yauzl';
import { ZipFile } from 'yazl';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { signerOf, signManifest } from '../../../../src/emulator/host/bundle-signature.ts';
import { writeBundle } from '../../../../src/emulator/host/bundle-writer.ts';
import { withBundle } from '../../../../src/emulator/host/bundle.ts';
import { Signers } from '../../../../src/main/library/signers.ts';

let folder = '';
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'guesthouse-signature-')); });
afterEach(() => { rmSync(folder, { recursive: true }); });
const newKey = (): string => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const file = (name: string, contents: string | Buffer): string => {
  writeFileSync(join(folder, name), contents);
  return join(folder, name);
};
const signerOfBundle = (path: string): Promise<string | undefined> => withBundle(path, ({ signer }) => Promise.resolve(signer));

test.skipIf(spawnSync('openssl', ['version']).error !== undefined)('OpenSSL verifies our signatures, and we its', () => {
  const manifest = Buffer.from('{"version":1}');
  const key = newKey();
  const ours = JSON.parse(signManifest(manifest, key)) as { publicKey: string; signature: string };
  const [keyFile, text, publicKey] = [file('key.pem', key), file('manifest', manifest), file('public.pem', `-----BEGIN PUBLIC KEY-----\n${ours.publicKey}\n-----END PUBLIC KEY-----\n`)];
  expect(execFileSync('openssl', ['pkeyutl', '-verify', '-pubin', '-inkey', publicKey, '-rawin', '-in', text, '-sigfile', file('ours.sig', Buffer.from(ours.signature, 'base64'))], { encoding: 'utf8' })).toContain('Verified Successfully');
  const theirs = execFileSync('openssl', ['pkeyutl', '-sign', '-inkey', keyFile, '-rawin', '-in', text]);
  const signature = (publicKeyGiven: string): Buffer => Buffer.from(JSON.stringify({ version: 1, algorithm: 'ed25519', publicKey: publicKeyGiven, signature: theirs.toString('base64') }));
  expect(signerOf(signature(ours.publicKey), manifest)).toBe(ours.publicKey);
  const other = (JSON.parse(signManifest(manifest, newKey())) as { publicKey: string }).publicKey;
  expect(() => signerOf(signature(other), manifest)).toThrow(/not of this manifest/);
  for (const broken of ['', '{', 'null', '{"version":2}', JSON.stringify({ ...ours, version: 1, algorithm: 'ed25519', publicKey: 'AAAA' })]) expect(() => signerOf(Buffer.from(broken), manifest)).toThrow(/signature/);
});

test('a bundle whose manifest or signature was changed is refused; without its signature it is unsigned', async () => {
  const machine = join(folder, 'one.guestvm');
  mkdirSync(machine);
  writeFileSync(join(machine, 'empty'), '');
  const bundle = join(folder, 'one.guestvmz');
  const key = newKey();
  await writeBundle(machine, bundle, () => {}, key);
  const members = await contents(bundle);
  expect(await signerOfBundle(bundle)).toBe((JSON.parse(members.get('signature.json')!.toString()) as { publicKey: string }).publicKey);
  const packed = (changes: Record<string, Buffer | undefined>): Promise<string> => pack(new Map([...members, ...Object.entries(changes)]));
  await expect(signerOfBundle(await packed({ 'manifest.json': Buffer.from(members.get('manifest.json')!.toString().replace('"version":2', '"version": 2')) }))).rejects.toThrow(/not of this manifest/);
  const signature = members.get('signature.json')!;
  signature[signature.indexOf('"signature":"') + 15]! ^= 1;
  await expect(signerOfBundle(await packed({ 'signature.json': signature }))).rejects.toThrow(/signature/);
  // By another, it is another's.
  const other = Buffer.from(signManifest(members.get('manifest.json')!, newKey()));
  expect(await signerOfBundle(await packed({ 'signature.json': other }))).toBe((JSON.parse(other.toString()) as { publicKey: string }).publicKey);
  expect(await signerOfBundle(await packed({ 'signature.json': undefined }))).toBeUndefined();
});

test('this computer has one key that nobody else can read; others are known by the names they were given', async () => {
  const preferences = join(folder, 'preferences');
  const signers = new Signers(preferences);
  const own = await Promise.all([signers.ownKey(), new Signers(preferences).ownKey()]);
  expect(own[0]).toEqual(own[1]);
  expect(statSync(join(preferences, 'bundle-key.pem')).mode & 0o777).toBe(0o600);
  const key = own[0].ok ? own[0].value : '';
  const publicKeyOf = (pem: string): string => (JSON.parse(signManifest(Buffer.of(), pem)) as { publicKey: string }).publicKey;
  expect(await signers.describe(publicKeyOf(key))).toMatchObject({ ok: true, value: { kind: 'own' } });
  expect(await signers.describe(undefined)).toEqual({ ok: true, value: { kind: 'unsigned' } });
  const ada = publicKeyOf(newKey());
  expect(await signers.describe(ada)).toMatchObject({ ok: true, value: { kind: 'unknown', fingerprint: expect.stringMatching(/^SHA256:.{43}$/) } });
  expect(await signers.remember(ada, 'Ada')).toMatchObject({ ok: true });
  expect(await signers.describe(ada)).toMatchObject({ ok: true, value: { kind: 'known', name: 'Ada' } });
  expect(await signers.remember(publicKeyOf(newKey()), 'Ada')).toMatchObject({ ok: false, error: { code: 'signer.name-taken' } });
  expect(await signers.forget('Ada')).toMatchObject({ ok: true });
  expect(await signers.describe(ada)).toMatchObject({ ok: true, value: { kind: 'unknown' } });
  writeFileSync(join(preferences, 'known-signers.json'), '{');
  expect(await signers.describe(ada)).toMatchObject({ ok: false, error: { code: 'signer.list-damaged' } });
  writeFileSync(join(preferences, 'bundle-key.pem'), 'none');
  expect(await signers.ownKey()).toMatchObject({ ok: false, error: { code: 'signer.own-damaged' } });
  expect(readFileSync(join(preferences, 'bundle-key.pem'), 'utf8')).toBe('none');
});

async function contents(path: string): Promise<Map<string, Buffer>> {
  const zip = await openPromise(path, { lazyEntries: true, autoClose: false });
  const found = new Map<string, Buffer>();
  for await (const entry of zip.eachEntry()) {
    const pieces: Buffer[] = [];
    for await (const piece of await zip.openReadStreamPromise(entry) as AsyncIterable<Buffer>) pieces.push(piece);
    found.set(entry.fileName, Buffer.concat(pieces));
  }
  zip.close();
  return found;
}

let packedFiles = 0;
async function pack(members: ReadonlyMap<string, Buffer | undefined>): Promise<string> {
  const zip = new ZipFile();
  for (const [name, bytes] of members) if (bytes !== undefined) zip.addBuffer(bytes, name, { compress: false });
  zip.end();
  const path = join(folder, `packed-${packedFiles++}.guestvmz`);
  await pipeline(zip.outputStream, createWriteStream(path));
  return path;
}
