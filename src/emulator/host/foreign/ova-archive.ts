/** OVA packages: a tar archive whose first member is the descriptor. Disks are read where they lie in it. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { extract } from 'tar-stream';
import type { Within } from '../../../shared/foreign-machine.ts';
import { ImageError, printable } from '../../storage/image-error.ts';
import { damagedText } from './xml-document.ts';

const HEADER_BYTES = 512;
const MEMBERS_MAXIMUM = 1000;
/** Of the descriptor and the manifest. */
const TEXT_BYTES_MAXIMUM = 4 << 20;

export interface OvaArchive {
  readonly descriptor: Buffer;
  readonly members: ReadonlyMap<string, Within>;
}

/** Digests by file name, as `SHA256(disk1.vmdk)= 0123…` says them. */
export interface Manifest {
  readonly algorithm: 'sha1' | 'sha256' | 'sha512';
  readonly digests: ReadonlyMap<string, string>;
}

/** Reads all of it once, and compares it with its manifest where it has one. Throws `ImageError`, and what `progress` throws. */
export async function readOva(path: string, bytes: number, progress: (done: number) => void): Promise<OvaArchive> {
  const members = new Map<string, Within>();
  const sums = new Map<string, { readonly sha1: string; readonly sha256: string }>();
  const texts = new Map<string, Buffer>();
  const archive = extract();
  const source = createReadStream(path, { highWaterMark: 1 << 20 });
  let read = 0;
  source.on('data', (piece) => { read += piece.length; });
  let stopped: unknown;
  const told = (): void => {
    try {
      progress(Math.min(1, read / Math.max(1, bytes)));
    } catch (error) {
      stopped = error;
      throw error;
    }
  };
  source.on('error', (error) => { archive.destroy(error); });
  source.pipe(archive);
  try {
    for await (const entry of archive) {
      const { name, type, size = 0 } = entry.header;
      if (members.size >= MEMBERS_MAXIMUM) throw damagedText('the OVA package', 'has far too many members');
      const isText = /\.(?:ovf|mf)$/i.test(name);
      if (isText && size > TEXT_BYTES_MAXIMUM) throw damagedText('the OVA package', `has a ${printable(name)} that is far too large`);
      // tar-stream knows where a member's header begins, and its types don't.
      const offset = (entry as unknown as { offset: number }).offset + HEADER_BYTES;
      const [sha1, sha256] = [createHash('sha1'), createHash('sha256')];
      const pieces: Buffer[] = [];
      for await (const piece of entry as AsyncIterable<Buffer>) {
        sha1.update(piece);
        sha256.update(piece);
        if (isText) pieces.push(piece);
        told();
      }
      if (type !== 'file' && type !== 'contiguous-file') continue;
      if (members.has(name)) throw damagedText('the OVA package', `has the member ${printable(name)} twice`);
      if (offset + size > bytes) throw damagedText('the OVA package', 'is cut off');
      members.set(name, { offset, bytes: size });
      sums.set(name, { sha1: sha1.digest('hex'), sha256: sha256.digest('hex') });
      if (isText) texts.set(name, Buffer.concat(pieces));
    }
  } catch (error) {
    source.destroy();
    if (error === stopped || error instanceof ImageError || !(error instanceof Error) || 'code' in error) throw error;
    throw damagedText('the OVA package', `is cut off, or no tar archive (${printable(error.message)})`);
  }
  const descriptorName = [...texts.keys()].find((name) => /\.ovf$/i.test(name));
  if (descriptorName === undefined) throw damagedText('the OVA package', 'holds no OVF descriptor');
  const manifestName = [...texts.keys()].find((name) => /\.mf$/i.test(name));
  if (manifestName !== undefined) {
    const manifest = parseManifest(texts.get(manifestName)!.toString('utf8'));
    for (const [name, digest] of manifest.digests) {
      const sum = sums.get(name);
      if (sum === undefined) throw damagedText('the OVA package', `lacks ${printable(name)}, which its manifest names`);
      if (manifest.algorithm !== 'sha512' && sum[manifest.algorithm] !== digest) throw tampered(name);
    }
  }
  return { descriptor: texts.get(descriptorName)!, members };
}

export function tampered(name: string): ImageError {
  return new ImageError('foreign.tampered', `${printable(name)} is not what the package's manifest says`, 'get another copy of it, and not from whoever changed it');
}

/** Throws `ImageError`. */
export function parseManifest(text: string): Manifest {
  const digests = new Map<string, string>();
  let algorithm: Manifest['algorithm'] = 'sha256';
  for (const line of text.split(/\r?\n/)) {
    if (line.trim() === '') continue;
    const match = /^\s*(SHA1|SHA256|SHA512)\s*\((.+)\)\s*=\s*([0-9a-fA-F]+)\s*$/.exec(line);
    if (match === null) throw damagedText('the package\'s manifest', `has a line that makes no sense (${printable(line)})`);
    algorithm = match[1]!.toLowerCase() as Manifest['algorithm'];
    digests.set(match[2]!, match[3]!.toLowerCase());
  }
  return { algorithm, digests };
}
