/** Checks an image of any format, and repairs it where it is asked to. Images below are not looked at. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { Compression } from '../interfaces/disk-image.ts';
import { NO_FINDINGS, type ImageCheck } from './image-check.ts';
import type { ImageFiles } from './image-files.ts';
import { probeFormat } from './probe.ts';
import { checkQcow2 } from './qcow2/check-qcow2.ts';
import { checkVdi } from './vdi-image.ts';
import { withLogReplayed } from './vhdx/vhdx-log.ts';
import { checkVhdx } from './vhdx/vhdx-image.ts';
import { checkVmdk } from './vmdk/check-vmdk.ts';
import { checkVhd } from './vhd/vhd-image.ts';

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
      case 'vdi': return { format, ...await checkVdi(file, { repair, progress }) };
      case 'vhd': return { format, ...await checkVhd(file, { repair, progress }) };
      case 'vmdk': return { format, ...await checkVmdk(file, path, files, { repair, progress }) };
      case 'vhdx': return { format, ...await checkVhdx(await withLogReplayed(file), { repair, progress }) };
    }
  } finally {
    await file[Symbol.asyncDispose]();
  }
}
