/**
 * A bundle's signature: `signature.json` holds an Ed25519 signature (RFC 8032) over the bytes of `manifest.json`, and the public
 * key that it fits. By the manifest's hashes it covers every byte of every member. Whose key it is, the signature can't say.
 */
import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { ImageError } from '../storage/image-error.ts';

export const SIGNATURE = 'signature.json';
export const SIGNATURE_BYTES_MAXIMUM = 4096;
const SIGNATURE_BYTES = 64;
/** What RFC 8410 puts before the 32 bytes of a public key (SubjectPublicKeyInfo in DER). */
const PUBLIC_KEY_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PUBLIC_KEY_BYTES = PUBLIC_KEY_PREFIX.length + 32;

/** The file's contents. `privateKeyPem` is PKCS #8. */
export function signManifest(manifest: Uint8Array, privateKeyPem: string): string {
  const privateKey = createPrivateKey(privateKeyPem);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64');
  return JSON.stringify({ version: 1, algorithm: 'ed25519', publicKey, signature: sign(null, manifest, privateKey).toString('base64') });
}

/** Whose signature it is: their public key, as SubjectPublicKeyInfo in base64. Throws `ImageError` where it doesn't fit. */
export function signerOf(signature: Uint8Array, manifest: Uint8Array): string {
  const { publicKey, bytes } = parse(signature);
  const key = createPublicKey({ key: publicKey, format: 'der', type: 'spki' });
  if (!verify(null, manifest, key, bytes)) throw wrongSignature('is not of this manifest');
  return publicKey.toString('base64');
}

function parse(signature: Uint8Array): { publicKey: Buffer; bytes: Buffer } {
  let fields: Partial<Record<'version' | 'algorithm' | 'publicKey' | 'signature', unknown>> | null;
  try {
    fields = JSON.parse(Buffer.from(signature).toString('utf8')) as typeof fields;
  } catch {
    throw wrongSignature('can\'t be read');
  }
  if (fields?.version !== 1 || fields.algorithm !== 'ed25519' || typeof fields.publicKey !== 'string' || typeof fields.signature !== 'string') throw wrongSignature('is of a kind that this Guesthouse doesn\'t know');
  const publicKey = Buffer.from(fields.publicKey, 'base64');
  const bytes = Buffer.from(fields.signature, 'base64');
  if (publicKey.length !== PUBLIC_KEY_BYTES || !publicKey.subarray(0, PUBLIC_KEY_PREFIX.length).equals(PUBLIC_KEY_PREFIX) || bytes.length !== SIGNATURE_BYTES) throw wrongSignature('is no Ed25519 signature');
  return { publicKey, bytes };
}

function wrongSignature(how: string): ImageError {
  return new ImageError('bundle.signature', `the bundle's signature ${how}: the bundle was changed after it was signed`, 'get it from whoever signed it, and don\'t trust this copy');
}
