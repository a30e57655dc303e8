/** Writes a new, empty image. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { unsupported } from './image-error.ts';
import { createQcow2 } from './qcow2/create-qcow2.ts';

export interface NewImage {
  readonly format: DiskFormat;
  /** Whole sectors of 512 bytes. */
  readonly bytes: number;
  /** Of formats that have several kinds, such as `streamOptimized`. */
  readonly subformat?: string | undefined;
  /** Bytes of a block, where the format lets one choose. */
  readonly blockBytes?: number | undefined;
  /** qcow2. */
  readonly version?: 2 | 3 | undefined;
  readonly compression?: 'zlib' | 'zstd' | undefined;
  readonly lazyRefcounts?: boolean | undefined;
  /** What the image shows where it has nothing of its own. `format` in our words. */
  readonly backing?: { readonly name: string; readonly format: DiskFormat } | undefined;
}

/** Into an empty file, which is on stable storage when it returns. Throws `ImageError`. */
export async function createImage(file: ByteFile, image: NewImage): Promise<void> {
  if (image.backing !== undefined && image.format !== 'qcow2') throw unsupported(`a new ${image.format} image can't have a backing file`, 'make a qcow2 image');
  switch (image.format) {
    case 'raw':
      await file.truncate(image.bytes);
      await file.flush();
      return;
    case 'qcow2': {
      const { bytes, blockBytes: clusterBytes, version, compression, lazyRefcounts, backing } = image;
      await createQcow2(file, { bytes, clusterBytes, version, compression, lazyRefcounts, backing: backing && { name: backing.name, format: qemuFormatName(backing.format) } });
      return;
    }
    default: throw unsupported(`images of the format ${image.format} can't be made yet`);
  }
}

/** What QEMU calls a format, in backing files and on its command line. */
function qemuFormatName(format: DiskFormat): string {
  return format === 'vhd' ? 'vpc' : format;
}
