/** Opens an image with everything below it. The rules are in README.md, "Opening". */
import type { DiskFormat } from '../../shared/disk-format.ts';
import type { ByteFile, Compression, DiskImage } from '../interfaces/disk-image.ts';
import { isZero } from './byte-fields.ts';
import type { ImageFiles } from './image-files.ts';
import { damaged, ImageError, printable, unsupported } from './image-error.ts';
import { probeFormat } from './probe.ts';
import { checkQcow2 } from './qcow2/check-qcow2.ts';
import { readQcow2Header } from './qcow2/header.ts';
import { Qcow2Image } from './qcow2/qcow2-image.ts';
import { RawImage } from './raw-image.ts';
import { readVdiHeader, VdiImage, type VdiHeader } from './vdi-image.ts';
import { VhdxImage } from './vhdx/vhdx-image.ts';
import { withLogReplayed } from './vhdx/vhdx-log.ts';
import { readVhdxLayout } from './vhdx/vhdx-structures.ts';
import { openVmdk } from './vmdk/vmdk-image.ts';
import { VhdImage } from './vhd/vhd-image.ts';
import { readVhdFooter, readVhdHeader } from './vhd/vhd-structures.ts';

export const CHAIN_MAXIMUM = 16;
/** Any file can be read as raw: below another image only one that is called a disk. */
const SECTOR_BYTES = 512;
/** LUKS and XFS, which fill a disk without a boot sector. */
const VOLUME_SIGNATURES: readonly (readonly number[])[] = [[0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe], [0x58, 0x46, 0x53, 0x42]];
const RAW_NAME = /\.(?:img|raw|dd|iso)$/i;

/** Throws `ImageError` where a raw file may not lie below another image: any file can be read as raw. */
export async function checkRawBase(path: string, file: ByteFile): Promise<void> {
  if (!RAW_NAME.test(path) && !await beginsAsDisk(file)) throw new ImageError('image.foreign-file', `${printable(path)} is said to be a raw disk below another image, and neither its name nor its first sector looks like one`, 'give it a name that ends in .img, .raw, .dd or .iso');
}

/** Whether the first sector is nothing that a file of other contents would begin with: empty, a boot sector, or a volume's header. */
async function beginsAsDisk(file: ByteFile): Promise<boolean> {
  if (await file.size() < SECTOR_BYTES) return false;
  const sector = new Uint8Array(SECTOR_BYTES);
  await file.read(0, sector);
  return isZero(sector) || (sector[510] === 0x55 && sector[511] === 0xaa) || VOLUME_SIGNATURES.some((signature) => signature.every((byte, at) => sector[at] === byte));
}

export interface OpenImageOptions {
  readonly path: string;
  /** What its content says where it isn't given. */
  readonly format?: DiskFormat | undefined;
  readonly readOnly: boolean;
  readonly files: ImageFiles;
  readonly compression: Compression;
  /** What the image's further files are named by, where that isn't its own name: one that hasn't got its place yet. */
  readonly name?: string;
  /** Leaves the images below closed: what is absent reads as zeros. For looking at one file. */
  readonly withoutBacking?: boolean;
}

/** Throws `ImageError`, and what opening a file throws. */
export async function openImage(options: OpenImageOptions): Promise<DiskImage> {
  return new ChainOpener(options).open(options.path, options.format, options.readOnly ? 'read-only' : 'read-write', { mayNameOthers: true, isBelow: false });
}

interface PlaceInChain {
  /** Whether the image may have a file below it. */
  readonly mayNameOthers: boolean;
  readonly isBelow: boolean;
}

class ChainOpener {
  readonly #options: OpenImageOptions;
  readonly #seen = new Set<string>();

  constructor(options: OpenImageOptions) {
    this.#options = options;
  }

  async open(path: string, format: DiskFormat | undefined, access: 'read-only' | 'read-write', place: PlaceInChain): Promise<DiskImage> {
    const { files } = this.#options;
    const identity = await files.identity(path);
    if (this.#seen.has(identity)) throw damaged(`the image ${path} is below itself`);
    if (this.#seen.size >= CHAIN_MAXIMUM) throw unsupported(`more than ${CHAIN_MAXIMUM} images lie on each other`, 'convert the top one, which makes one image of all');
    this.#seen.add(identity);
    const file = await files.open(path, access);
    try {
      return await this.#openFile(file, path, format, place);
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #openFile(file: ByteFile, path: string, stated: DiskFormat | undefined, { mayNameOthers, isBelow }: PlaceInChain): Promise<DiskImage> {
    const format = stated ?? await probeFormat(file);
    switch (format) {
      case 'raw':
        if (isBelow) await checkRawBase(path, file);
        return new RawImage({ file, fileBytes: await sizeOf(file), wasGuessed: stated === undefined });
      case 'qcow2': {
        let header = await readQcow2Header(file);
        if (header.isDirty && !header.isCorrupt && !file.readOnly) {
          await checkQcow2(file, { repair: true, progress: () => {} });
          header = await readQcow2Header(file);
        }
        const backing = await this.#openBelow(path, header.backingName, header.backingFormat, mayNameOthers);
        return closingOnFailure(backing, () => Qcow2Image.open({ file, compression: this.#options.compression, backing }, header));
      }
      case 'vdi': {
        const header = await readVdiHeader(file);
        const below = header.type === 'differencing' ? await vdiParent(this.#options.files, path, header) : undefined;
        const backing = await this.#openBelow(path, below, 'vdi', mayNameOthers);
        return closingOnFailure(backing, () => VdiImage.open(file, header, backing));
      }
      case 'vhd': {
        const { footer, isAtEnd } = await readVhdFooter(file);
        if (footer.type === 'fixed') return new RawImage({ file, fileBytes: footer.size, format: 'vhd' });
        const header = await readVhdHeader(file, footer);
        if (mayNameOthers && header.parentName !== undefined && this.#options.withoutBacking !== true) await checkVhdParent(this.#options.files, path, header.parentName, header.parentUuid);
        const backing = await this.#openBelow(path, header.parentName, 'vpc', mayNameOthers);
        return closingOnFailure(backing, () => VhdImage.open(file, footer, header, isAtEnd, backing));
      }
      case 'vmdk': return openVmdk({ file, path, name: isBelow ? undefined : this.#options.name, files: this.#options.files, compression: this.#options.compression, mayNameOthers });
      case 'vhdx': {
        const replayed = await withLogReplayed(file);
        return VhdxImage.open(replayed, await readVhdxLayout(replayed));
      }
    }
  }

  /** `stated` is the format as the image names it, in QEMU's words. */
  async #openBelow(path: string, name: string | undefined, stated: string | undefined, mayNameOthers: boolean): Promise<DiskImage | undefined> {
    if (name === undefined || this.#options.withoutBacking === true) return undefined;
    if (!mayNameOthers) throw new ImageError('image.guessed-chain', `the image ${path} was named without its format and names another file`, 'state its format in the image above: qemu-img rebase -u -F FORMAT -b FILE IMAGE');
    const format = stated === undefined ? undefined : formatByQemuName(stated);
    return this.open(await this.#options.files.resolve(path, name), format, 'read-only', { mayNameOthers: format !== undefined, isBelow: true });
  }
}

/** Throws `ImageError`. */
export function formatByQemuName(name: string): DiskFormat {
  switch (name) {
    case 'raw':
    case 'file': return 'raw';
    case 'vpc': return 'vhd';
    case 'qcow2':
    case 'vdi':
    case 'vmdk':
    case 'vhdx': return name;
    default: throw unsupported(`the image's backing file is said to have the format "${printable(name)}"`);
  }
}

/** A VDI image names its parent by UUID alone. Throws `ImageError` where there is no such image beside it. */
export async function vdiParent(files: ImageFiles, path: string, header: VdiHeader): Promise<string> {
  for (const beside of await files.besides(path, '.vdi')) {
    const file = await files.open(beside, 'look');
    try {
      if ((await readVdiHeader(file)).uuid === header.parentUuid) return beside;
    } catch (error) {
      // Whatever else lies there.
      if (!(error instanceof ImageError)) throw error;
    } finally {
      await file[Symbol.asyncDispose]();
    }
  }
  throw new ImageError('image.backing-missing', `the image ${path} is based on the VDI image with the UUID ${header.parentUuid}, and none beside it has that`, 'put it into the same folder');
}

/** A file of that name may be another image by now. Throws `ImageError`. */
async function checkVhdParent(files: ImageFiles, path: string, name: string, uuid: Uint8Array): Promise<void> {
  const file = await files.open(await files.resolve(path, name), 'look');
  try {
    const { footer } = await readVhdFooter(file);
    if (uuid.every((byte, index) => byte === footer.uuid[index])) return;
  } finally {
    await file[Symbol.asyncDispose]();
  }
  throw new ImageError('image.backing-missing', `the image ${path} was made on another VHD image than the one that is now called "${printable(name)}"`, 'put the one that it was made on into its place');
}

async function sizeOf(file: ByteFile): Promise<number> {
  const size = await file.size();
  if (size === 0) throw new ImageError('media.empty', 'the image is empty', 'name another image');
  return size;
}

/** The image below belongs to the one above once that is open. */
async function closingOnFailure<T>(backing: DiskImage | undefined, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await backing?.[Symbol.asyncDispose]();
    throw error;
  }
}
