/** An image that is a part of a file, as an archive holds it. It may name no other files. */
import type { ByteFile } from '../interfaces/disk-image.ts';
import { ImageError, printable } from '../storage/image-error.ts';
import type { ImageFiles } from '../storage/image-files.ts';
import { HostByteFile } from './file-bytes.ts';

export interface Part {
  readonly offset: number;
  readonly bytes: number;
}

export class PartImageFiles implements ImageFiles {
  readonly #part: Part;

  constructor(part: Part) {
    this.#part = part;
  }

  async open(path: string): Promise<ByteFile> {
    return new FilePart(await HostByteFile.open(path, 'read-only'), this.#part);
  }

  async resolve(from: string, name: string): Promise<string> {
    throw new ImageError('image.foreign-file', `the image in ${from} names the file "${printable(name)}", which an image in an archive may not`, 'export it anew, as one image');
  }

  async besides(): Promise<string[]> {
    return [];
  }

  async identity(path: string): Promise<string> {
    return `${path}:${this.#part.offset}`;
  }
}

class FilePart implements ByteFile {
  readonly readOnly = true;
  readonly #file: HostByteFile;
  readonly #part: Part;

  constructor(file: HostByteFile, part: Part) {
    this.#file = file;
    this.#part = part;
  }

  async size(): Promise<number> {
    return this.#part.bytes;
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    const count = Math.max(0, Math.min(target.length, this.#part.bytes - position));
    if (count > 0) await this.#file.read(this.#part.offset + position, target.subarray(0, count));
    target.fill(0, count);
  }

  async write(): Promise<void> {
    throw readOnlyPart();
  }

  async truncate(): Promise<void> {
    throw readOnlyPart();
  }

  async flush(): Promise<void> {
    // Nothing is ever written.
  }

  async punchHole(): Promise<void> {
    throw readOnlyPart();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file[Symbol.asyncDispose]();
  }
}

function readOnlyPart(): ImageError {
  return new ImageError('image.read-only', 'an image in an archive can\'t be written', 'import it first');
}
