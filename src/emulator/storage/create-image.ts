/** Writes a new, empty image. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';
import { unsupported } from './image-error.ts';
import { createQcow2 } from './qcow2/create-qcow2.ts';
import { createVdi } from './vdi-image.ts';
import { createVhdx } from './vhdx/vhdx-structures.ts';
import { createVmdk, type NewParts } from './vmdk/vmdk-image.ts';
import { createVhd } from './vhd/vhd-image.ts';

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
  readonly backing?: NewBacking | undefined;
}

export interface NewBacking {
  readonly name: string;
  readonly format: DiskFormat;
  /** What the image below says that it is, where its format has that. */
  readonly uuid?: Uint8Array | undefined;
}

/** What makes an image one of its own. */
export interface Birth {
  /** 16 random bytes, a version 4 UUID. */
  readonly uuid: Uint8Array;
  /** Since 1970. */
  readonly epochSeconds: number;
}

/** Into an empty file and, for formats of several files, `parts` of it. It is all on stable storage when it returns. Throws `ImageError`. */
export async function createImage(file: ByteFile, image: NewImage, birth: Birth, parts: NewParts): Promise<void> {
  const { backing: below } = image;
  if (below !== undefined && image.format !== 'qcow2' && (below.format !== image.format || below.uuid === undefined)) {
    throw unsupported(`a new ${image.format} image can't lie on one of the format ${below.format}`, 'make a qcow2 image');
  }
  if (below === undefined && image.subformat === 'differencing') throw unsupported('a differencing image needs one that it lies on', 'give --backing FILE');
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
    case 'vdi': {
      const { bytes, blockBytes } = image;
      await createVdi(file, { bytes, blockBytes, uuid: birth.uuid, subformat: kindOf(image, ['dynamic', 'fixed']), parentUuid: below?.uuid });
      return;
    }
    case 'vhd': {
      const { bytes, blockBytes } = image;
      await createVhd(file, { bytes, blockBytes, ...birth, subformat: kindOf(image, ['dynamic', 'fixed']), parent: below?.uuid && { name: below.name, uuid: below.uuid } });
      return;
    }
    case 'vmdk': {
      const { bytes, blockBytes } = image;
      const kind = kindOf(image, ['monolithicSparse', 'monolithicFlat', 'twoGbMaxExtentSparse', 'twoGbMaxExtentFlat']);
      if (kind === 'differencing') throw unsupported('a new VMDK image can\'t lie on another', 'make a qcow2 image');
      await createVmdk(file, { bytes, blockBytes, kind, contentId: contentIdOf(birth), parts });
      return;
    }
    case 'vhdx': {
      const { bytes, blockBytes } = image;
      const kind = kindOf(image, ['dynamic', 'fixed']);
      if (kind === 'differencing') throw unsupported('a new VHDX image can\'t lie on another', 'make a VHD or qcow2 image');
      await createVhdx(file, { bytes, blockBytes, subformat: kind, uuid: birth.uuid });
      return;
    }
  }
}

/** VMware's name for the state of a disk: any number but 0xffffffff and 0xfffffffe. */
export function contentIdOf({ uuid }: Birth): number {
  return new DataView(uuid.buffer, uuid.byteOffset).getUint32(0) & 0x7fff_ffff;
}

/** The first kind where none is asked for. Throws `ImageError`. */
function kindOf<T extends string>({ format, subformat, backing }: NewImage, kinds: readonly [T, ...T[]]): T | 'differencing' {
  if (backing !== undefined) return 'differencing';
  const found = subformat === undefined ? kinds[0] : kinds.find((kind) => kind === subformat);
  if (found === undefined) throw unsupported(`there is no kind "${subformat ?? ''}" of ${format} images`, `choose ${kinds.join(' or ')}`);
  return found;
}

/** What QEMU calls a format, in backing files and on its command line. */
export function qemuFormatName(format: DiskFormat): string {
  return format === 'vhd' ? 'vpc' : format;
}
