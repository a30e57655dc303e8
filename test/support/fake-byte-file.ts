import type { ByteFile } from '../../src/emulator/interfaces/disk-image.ts';

/** A host file in memory. */
export class FakeByteFile implements ByteFile {
  readonly readOnly: boolean;
  bytes: Uint8Array;
  flushes = 0;
  isClosed = false;

  constructor(bytes: Uint8Array, options: { readOnly?: boolean } = {}) {
    this.bytes = bytes;
    this.readOnly = options.readOnly ?? false;
  }

  async size(): Promise<number> {
    return this.bytes.length;
  }

  async read(position: number, target: Uint8Array): Promise<void> {
    target.fill(0);
    target.set(this.bytes.subarray(position, position + target.length));
  }

  async write(position: number, source: Uint8Array): Promise<void> {
    if (position + source.length > this.bytes.length) await this.truncate(position + source.length);
    this.bytes.set(source, position);
  }

  async truncate(size: number): Promise<void> {
    const resized = new Uint8Array(size);
    resized.set(this.bytes.subarray(0, size));
    this.bytes = resized;
  }

  async flush(): Promise<void> {
    this.flushes++;
  }

  async punchHole(position: number, length: number): Promise<void> {
    this.bytes.fill(0, position, position + length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isClosed = true;
  }
}
