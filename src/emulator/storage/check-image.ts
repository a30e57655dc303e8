/** Checks an image of any format, and repairs it where it is asked to. Images below are not looked at. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { Compression } from '../interfaces/disk-image.ts';
import { NO_FINDINGS, type ImageCheck } from './image-check.ts';
import { unsupported } from './image-error.ts';
import type { ImageFiles } from './open-image.ts';
import { probeFormat } from './probe.ts';
import { checkQcow2 } from './qcow2/check-qcow2.ts';

export interface CheckImageOptions {
  readonly path: string;
  readonly format: DiskFormat | undefined;
  readonly files: ImageFiles;
  readonly compression: Compression;
  readonly repair: boolean;
  readonly progress: (done: number) => void;
}

/** Throws `ImageError` where nothing can be made of the file. */
export async function checkImage(options: CheckImageOptions): Promise<ImageCheck & { readonly format: DiskFormat }> {
  const { path, files, repair, progress } = options;
  const file = await files.open(path, repair ? 'read-write' : 'read-only');
  try {
    const format = options.format ?? await probeFormat(file);
    switch (format) {
      case 'raw': {
        const sectors = Math.ceil(await file.size() / 512);
        return { format, ...NO_FINDINGS, allocatedUnits: sectors, totalUnits: sectors, unitBytes: 512 };
      }
      case 'qcow2': return { format, ...await checkQcow2(file, { repair, progress }) };
      default: throw unsupported(`images of the format ${format} can't be checked yet`);
    }
  } finally {
    await file[Symbol.asyncDispose]();
  }
}
