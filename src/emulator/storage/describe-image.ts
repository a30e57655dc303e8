/** What can be said of an image without looking at its data. */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile } from '../interfaces/disk-image.ts';
import type { NewImage } from './create-image.ts';
import { damaged, unsupported } from './image-error.ts';
import type { ImageFiles } from './image-files.ts';
import { CHAIN_MAXIMUM, formatByQemuName, vdiParent } from './open-image.ts';
import { probeFormat } from './probe.ts';
import { readQcow2Header } from './qcow2/header.ts';
import { readVdiHeader, uuidBytes } from './vdi-image.ts';
import { withLogReplayed } from './vhdx/vhdx-log.ts';
import { readVhdxLayout } from './vhdx/vhdx-structures.ts';
import { readVmdkLayout } from './vmdk/vmdk-image.ts';
import { readSparseHeader } from './vmdk/vmdk-structures.ts';
import { readVhdFooter, readVhdHeader } from './vhd/vhd-structures.ts';

export interface ImageFacts {
  readonly format: DiskFormat;
  readonly subformat?: string;
  readonly virtualBytes: number;
  readonly blockBytes?: number;
  readonly compression?: string;
  readonly snapshots?: number;
  readonly isDirty?: boolean;
  readonly isDamaged?: boolean;
  readonly uuid?: Uint8Array;
  /** How an image like this one is made, but for its size. */
  readonly recipe: Omit<NewImage, 'bytes'>;
  /** The name and format of what is below it, as the image says. */
  readonly below?: { readonly name: string; readonly format: DiskFormat | undefined };
}

export interface ImageDescription extends ImageFacts {
  /** The images below, nearest first. */
  readonly backing: { readonly path: string; readonly format: DiskFormat }[];
}

/** Throws `ImageError`. */
export async function describeImage({ path, format, files }: { path: string; format: DiskFormat | undefined; files: ImageFiles }): Promise<ImageDescription> {
  const facts = await factsOf(path, format, files);
  const backing: { path: string; format: DiskFormat }[] = [];
  const seen = new Set([await files.identity(path)]);
  for (let { below } = facts, from = path; below !== undefined;) {
    const belowPath = await files.resolve(from, below.name);
    const identity = await files.identity(belowPath);
    if (seen.has(identity)) throw damaged(`the image ${belowPath} is below itself`);
    if (seen.size >= CHAIN_MAXIMUM) throw unsupported(`more than ${CHAIN_MAXIMUM} images lie on each other`, 'convert the top one, which makes one image of all');
    seen.add(identity);
    const next = await factsOf(belowPath, below.format, files);
    backing.push({ path: belowPath, format: next.format });
    from = belowPath;
    ({ below } = next);
  }
  const nearest = backing[0];
  const recipe = facts.recipe.backing === undefined || nearest === undefined ? facts.recipe : { ...facts.recipe, backing: { ...facts.recipe.backing, format: nearest.format } };
  return { ...facts, recipe, backing };
}

async function factsOf(path: string, stated: DiskFormat | undefined, files: ImageFiles): Promise<ImageFacts> {
  const file = await files.open(path, 'read-only');
  try {
    return await factsOfFile(file, path, stated ?? await probeFormat(file), files);
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

async function factsOfFile(file: ByteFile, path: string, format: DiskFormat, files: ImageFiles): Promise<ImageFacts> {
  switch (format) {
    case 'raw': return { format, virtualBytes: Math.ceil(await file.size() / 512) * 512, recipe: { format } };
    case 'qcow2': {
      const header = await readQcow2Header(file);
      const { version, compression, hasLazyRefcounts: lazyRefcounts, backingName, backingFormat } = header;
      const below = backingName === undefined ? undefined : { name: backingName, format: backingFormat === undefined ? undefined : formatByQemuName(backingFormat) };
      const blockBytes = 2 ** header.clusterBits;
      return {
        format, subformat: `version ${version}`, virtualBytes: Math.ceil(header.size / 512) * 512, blockBytes, compression, snapshots: header.snapshotCount,
        isDirty: header.isDirty, isDamaged: header.isCorrupt,
        recipe: { format, blockBytes, version, compression, lazyRefcounts, ...(below === undefined ? {} : { backing: { name: below.name, format: below.format ?? 'raw' } }) },
        ...(below === undefined ? {} : { below }),
      };
    }
    case 'vdi': {
      const header = await readVdiHeader(file);
      const below = header.type === 'differencing' ? { name: await vdiParent(files, path, header), format } : undefined;
      const { type: subformat, blockBytes } = header;
      return {
        format, subformat, virtualBytes: Math.ceil(header.size / 512) * 512, blockBytes, uuid: uuidBytes(header.uuid),
        recipe: { format, subformat, blockBytes, ...(below === undefined ? {} : { backing: { ...below, uuid: uuidBytes(header.parentUuid) } }) }, ...(below === undefined ? {} : { below }),
      };
    }
    case 'vhd': {
      const { footer } = await readVhdFooter(file);
      const { type: subformat, uuid } = footer;
      const facts = { format, subformat, virtualBytes: Math.ceil(footer.size / 512) * 512, uuid, recipe: { format, subformat } };
      if (subformat === 'fixed') return facts;
      const { blockBytes, parentName, parentUuid } = await readVhdHeader(file, footer);
      const below = parentName === undefined ? undefined : { name: parentName, format };
      const recipe = { format, subformat, blockBytes, ...(below === undefined ? {} : { backing: { ...below, uuid: parentUuid } }) };
      return { ...facts, blockBytes, recipe, ...(below === undefined ? {} : { below }) };
    }
    case 'vmdk': {
      const { descriptor, sectors, isMonolithic } = await readVmdkLayout(file);
      const subformat = descriptor.kind;
      const grains = isMonolithic ? { blockBytes: (await readSparseHeader(file)).grainSectors * 512 } : {};
      return { format, subformat, virtualBytes: sectors * 512, ...grains, recipe: { format, subformat, ...grains } };
    }
    case 'vhdx': {
      const { size, blockBytes, isFixed, uuid } = await readVhdxLayout(await withLogReplayed(file));
      const subformat = isFixed ? 'fixed' : 'dynamic';
      return { format, subformat, virtualBytes: Math.ceil(size / 512) * 512, blockBytes, ...(uuid === undefined ? {} : { uuid }), recipe: { format, subformat, blockBytes } };
    }
  }
}
