/**
 * Opens and makes VMDK images: monolithicSparse, monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, and for reading
 * streamOptimized (which `stream-optimized.ts` writes). Not read: images with a parent, and ESX's own extents.
 */
import type { ByteFile, Compression, DiskImage } from '../../interfaces/disk-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { ConcatenatedImage, type Part } from '../concatenated-image.ts';
import { damaged, ImageError, printable, unsupported } from '../image-error.ts';
import type { ImageFiles } from '../image-files.ts';
import { RawImage } from '../raw-image.ts';
import { SparseExtent } from './sparse-extent.ts';
import {
  directoryEntries, FLAG, GRAINS_OF_TABLE, newDescriptor, newSparseHeader, parseDescriptor, readDescriptorAt, readSparseHeader,
  type Descriptor, type ExtentLine, type VmdkKind,
} from './vmdk-structures.ts';

/** Whole images in text are a few hundred bytes long. */
const DESCRIPTOR_FILE_BYTES_MAXIMUM = 1 << 20;
const DESCRIPTOR_SECTORS = 20;
const DEFAULT_GRAIN_SECTORS = 128;
/** Of twoGbMaxExtent images, as VMware cuts them. */
const EXTENT_SECTORS_MAXIMUM = (2 ** 31 - 65536) / 512;

export interface VmdkLayout {
  readonly descriptor: Descriptor;
  /** The descriptor is inside the one extent. */
  readonly isMonolithic: boolean;
  readonly sectors: number;
}

/** Throws `ImageError`. */
export async function readVmdkLayout(file: ByteFile): Promise<VmdkLayout> {
  const start = new ByteFields(new Uint8Array(4), 'little-endian');
  await file.read(0, start.bytes);
  const isMonolithic = start.text(0, 4) === 'KDMV' || start.text(0, 4) === 'COWD';
  let descriptor: Descriptor;
  let sectors: number;
  if (isMonolithic) {
    const header = await readSparseHeader(file);
    if (header.descriptorSector === 0) throw unsupported('the file is one extent of a VMDK image', 'name the image\'s descriptor file instead');
    descriptor = parseDescriptor(await readDescriptorAt(file, header.descriptorSector * 512, header.descriptorSectors * 512));
    sectors = header.capacitySectors;
  } else {
    const size = await file.size();
    if (size > DESCRIPTOR_FILE_BYTES_MAXIMUM) throw damaged('the descriptor of the VMDK image is too long');
    descriptor = parseDescriptor(await readDescriptorAt(file, 0, size));
    sectors = descriptor.extents.reduce((sum, extent) => sum + extent.sectors, 0);
  }
  if (descriptor.parentName !== undefined || (descriptor.parentContentId !== 'ffffffff' && descriptor.parentContentId !== '')) {
    throw unsupported('the VMDK image lies on another one', 'convert it with "qemu-img convert"');
  }
  return { descriptor, isMonolithic, sectors };
}

export interface OpenVmdkOptions {
  readonly file: ByteFile;
  readonly path: string;
  /** By which its extents are named, where that isn't the file's name. */
  readonly name?: string | undefined;
  readonly files: ImageFiles;
  readonly compression: Compression;
  /** Whether the image may name files: its extents. */
  readonly mayNameOthers: boolean;
}

/** Takes the file over. Throws `ImageError`. */
export async function openVmdk(options: OpenVmdkOptions): Promise<DiskImage> {
  const { file, compression } = options;
  const { descriptor, isMonolithic } = await readVmdkLayout(file);
  if (isMonolithic) return SparseExtent.open({ file, header: await readSparseHeader(file), compression, backing: undefined });
  if (!options.mayNameOthers) throw unsupported('a VMDK image of several files must be named with its format', 'state its format in the image above');
  const parts: Part[] = [];
  try {
    for (const extent of descriptor.extents) parts.push({ image: await openExtent(extent, options), sectorCount: extent.sectors });
    return new ConcatenatedImage('vmdk', [...parts, { image: new OnlyOpen(file), sectorCount: 0 }]);
  } catch (error) {
    for (const { image } of parts) await image[Symbol.asyncDispose]();
    throw error;
  }
}

/** A flat extent can be any file: only one that is called a part of the image is one. Throws `ImageError`. */
export function checkExtentName(path: string, name: string): void {
  const imageName = path.split(/[\\/]/).at(-1) ?? '';
  const stems = [imageName, imageName.replace(/\.[^.]*$/, '')];
  const part = /^(.*)-(?:flat|[sf]\d{3,6})(?:\.\w+)?$/i.exec(name);
  if (part === null || !stems.includes(part[1]!)) {
    throw new ImageError('image.foreign-file', `the VMDK image ${printable(imageName)} names the extent "${printable(name)}", which is not called a part of it`, `rename its parts, and in its descriptor, to ${printable(stems[1] ?? '')}-s001.vmdk and the like, or convert it with "qemu-img convert"`);
  }
}

async function openExtent({ type, name, sectors, firstSector }: ExtentLine, { path, name: imageName, files, file, compression }: OpenVmdkOptions): Promise<DiskImage> {
  if (type === 'ZERO') throw unsupported('the VMDK image has an extent of zeros', 'convert it with "qemu-img convert"');
  checkExtentName(imageName ?? path, name);
  const extentFile = await files.open(await files.resolve(path, name), file.readOnly ? 'read-only' : 'read-write');
  try {
    if (type === 'SPARSE') {
      const extent = await SparseExtent.open({ file: extentFile, header: await readSparseHeader(extentFile), compression, backing: undefined });
      if (extent.sectorCount < sectors) throw damaged(`the extent ${name} of the VMDK image is smaller than its descriptor says`);
      return extent;
    }
    if (firstSector !== 0) throw unsupported('a flat extent of the VMDK image begins inside its file', 'convert it with "qemu-img convert"');
    if (await extentFile.size() < sectors * 512) throw damaged(`the extent ${name} of the VMDK image is smaller than its descriptor says`);
    return new RawImage({ file: extentFile, fileBytes: sectors * 512, format: 'vmdk' });
  } catch (error) {
    await extentFile[Symbol.asyncDispose]();
    throw error;
  }
}

/** Keeps the descriptor's file open, and so locked, as long as the image is. */
class OnlyOpen extends RawImage {
  readonly #descriptor: ByteFile;

  constructor(file: ByteFile) {
    super({ file, fileBytes: 512, format: 'vmdk' });
    this.#descriptor = file;
  }

  override async flush(): Promise<void> {
    if (!this.#descriptor.readOnly) await this.#descriptor.flush();
  }
}

/** Files beside the image's own; a name is taken once, and never one that is there. */
export interface NewParts {
  /** The image's file name without its ending. */
  readonly stem: string;
  create(name: string): Promise<ByteFile>;
}

export interface NewVmdk {
  readonly bytes: number;
  readonly kind: Exclude<VmdkKind, 'streamOptimized'>;
  readonly blockBytes?: number | undefined;
  readonly contentId: number;
  readonly parts: NewParts;
}

/** Into an empty file, and files beside it for all but monolithicSparse. Throws `ImageError`. */
export async function createVmdk(file: ByteFile, { bytes, kind, blockBytes, contentId, parts }: NewVmdk): Promise<void> {
  const sectors = bytes / 512;
  const grainSectors = blockBytes === undefined ? DEFAULT_GRAIN_SECTORS : blockBytes / 512;
  if (grainSectors < 8 || grainSectors > 1 << 13 || (grainSectors & (grainSectors - 1)) !== 0) throw unsupported(`a VMDK image can't have grains of ${blockBytes ?? 0} bytes`, 'choose a power of two from 4K to 4M');
  const isSparse = kind === 'monolithicSparse' || kind === 'twoGbMaxExtentSparse';
  if (kind === 'monolithicSparse') {
    await createSparse(file, sectors, grainSectors, newDescriptor({ kind, sectors, contentId, extents: [{ sectors, type: 'SPARSE', name: `${parts.stem}.vmdk`, firstSector: 0 }] }));
    return;
  }
  const cut = kind === 'monolithicFlat' ? sectors : EXTENT_SECTORS_MAXIMUM;
  const extents: ExtentLine[] = [];
  for (let done = 0; done < sectors; done += cut) {
    const count = Math.min(cut, sectors - done);
    const number = String(extents.length + 1).padStart(3, '0');
    const name = kind === 'monolithicFlat' ? `${parts.stem}-flat.vmdk` : `${parts.stem}-${isSparse ? 's' : 'f'}${number}.vmdk`;
    const extent = await parts.create(name);
    try {
      if (isSparse) await createSparse(extent, count, grainSectors, undefined);
      else {
        await extent.truncate(count * 512);
        await extent.flush();
      }
    } finally {
      await extent[Symbol.asyncDispose]();
    }
    extents.push({ sectors: count, type: isSparse ? 'SPARSE' : 'FLAT', name, firstSector: 0 });
  }
  await file.write(0, newDescriptor({ kind, sectors, contentId, extents }));
  await file.flush();
}

/** Header, descriptor, a directory and its tables, and both once more. */
async function createSparse(file: ByteFile, sectors: number, grainSectors: number, descriptor: Uint8Array | undefined): Promise<void> {
  const entries = directoryEntries({ capacitySectors: sectors, grainSectors });
  const directorySectors = Math.ceil((entries * 4) / 512);
  const tableSectors = (GRAINS_OF_TABLE * 4) / 512;
  const redundantDirectorySector = 1 + DESCRIPTOR_SECTORS;
  const directorySector = redundantDirectorySector + directorySectors + entries * tableSectors;
  const overheadSectors = Math.ceil((directorySector + directorySectors + entries * tableSectors) / grainSectors) * grainSectors;
  if (overheadSectors + sectors > 0xffff_ffff) throw unsupported('the disk is too large for a sparse VMDK extent', 'choose twoGbMaxExtentSparse, or another format');
  for (const at of [redundantDirectorySector, directorySector]) {
    const directory = new ByteFields(new Uint8Array(directorySectors * 512), 'little-endian');
    for (let entry = 0; entry < entries; entry++) directory.setU32(entry * 4, at + directorySectors + entry * tableSectors);
    await file.write(at * 512, directory.bytes);
  }
  if (descriptor !== undefined) await file.write(512, descriptor);
  await file.truncate(overheadSectors * 512);
  await file.flush();
  await file.write(0, newSparseHeader({
    version: 1, flags: FLAG.newlines | FLAG.redundant, capacitySectors: sectors, grainSectors,
    descriptorSector: descriptor === undefined ? 0 : 1, descriptorSectors: descriptor === undefined ? 0 : DESCRIPTOR_SECTORS,
    directorySector, redundantDirectorySector, overheadSectors,
  }));
  await file.flush();
}
