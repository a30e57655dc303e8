import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** In hexadecimal digits. `progress` is told how many bytes have been read. */
export async function fileDigest(path: string, algorithm: 'sha1' | 'sha256' | 'sha512', progress: (bytes: number) => void): Promise<string> {
  const hash = createHash(algorithm);
  let read = 0;
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    hash.update(piece);
    progress(read += piece.length);
  }
  return hash.digest('hex');
}
