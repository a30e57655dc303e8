import type { ByteFile } from '../interfaces/disk-image.ts';

/** The files of images; `host/` knows how. */
export interface ImageFiles {
  /** Locked against writers among our own programs, and against readers where it is opened for writing; `look` is for reading without that. */
  open(path: string, access: 'look' | 'read-only' | 'read-write'): Promise<ByteFile>;
  /** Path of a file that the image at `from` names. Throws `ImageError` where an image may not name it. */
  resolve(from: string, name: string): Promise<string>;
  /** Paths of the files in an image's folder whose names end so: at most a thousand. */
  besides(path: string, ending: string): Promise<string[]>;
  /** The same for two paths of one file. */
  identity(path: string): Promise<string>;
}
