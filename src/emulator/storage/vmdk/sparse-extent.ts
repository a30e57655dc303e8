/** A sparse extent of a VMDK image: grains found by tables, which a directory finds; both are kept twice where the image has that. */
import type { ByteFile, Compression, DiskImage } from '../../interfaces/disk-image.ts';
import { BlockMapImage, type BlockEntry } from '../block-map-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged, unsupported } from '../image-error.ts';
import type { Run } from '../mapped-image.ts';
import { directoryEntries, FLAG, GRAINS_OF_TABLE, type SparseHeader } from './vmdk-structures.ts';

const TABLE_BYTES = GRAINS_OF_TABLE * 4;
const ZERO_GRAIN = 1;
const NO_TABLE = 0;
/** Sector number, length of the data. */
const MARKER_BYTES = 12;
const UNPACKED_KEPT = 16;

export interface SparseExtentOptions {
  readonly file: ByteFile;
  readonly header: SparseHeader;
  readonly compression: Compression;
  readonly backing: DiskImage | undefined;
}

export class SparseExtent extends BlockMapImage {
  readonly format = 'vmdk';
  protected override readonly storedBytes: number;
  readonly #header: SparseHeader;
  readonly #compression: Compression;
  /** Sectors of the tables. */
  readonly #directory: ByteFields;
  readonly #redundant: ByteFields | undefined;
  readonly #dirtyCopies = new Map<number, number>();
  readonly #unpacked = new Map<number, Promise<Uint8Array>>();

  private constructor(options: SparseExtentOptions, directory: ByteFields, redundant: ByteFields | undefined, fileEnd: number) {
    const { file, header, backing } = options;
    const blockBytes = header.grainSectors * 512;
    super({
      file, readOnly: file.readOnly || header.isCompressed, sectorCount: header.capacitySectors, blockBytes, backing,
      tablePosition: 0, pageBytes: TABLE_BYTES, entryBytes: 4, fileEnd,
    });
    this.#header = header;
    this.#compression = options.compression;
    this.#directory = directory;
    this.#redundant = redundant;
    this.storedBytes = blockBytes;
  }

  /** Takes the file over. Compressed extents can only be read. Throws `ImageError`. */
  static async open(options: SparseExtentOptions): Promise<SparseExtent> {
    const { file, header } = options;
    const entries = directoryEntries(header);
    const directory = await readDirectory(file, header.directorySector, entries);
    const hasCopy = (header.flags & FLAG.redundant) !== 0 && Number.isFinite(header.redundantDirectorySector) && header.redundantDirectorySector > 0;
    const redundant = hasCopy && !file.readOnly ? await readDirectory(file, header.redundantDirectorySector, entries) : undefined;
    if (!file.readOnly && !header.isCompressed) for (let index = 0; index < entries; index++) if (directory.u32(index * 4) === NO_TABLE) throw unsupported('the VMDK image lacks some of its tables, and can only be read', 'attach it read-only, or convert it');
    const fileEnd = Math.max(Math.ceil(await file.size() / 512), Number.isFinite(header.overheadSectors) ? Math.min(header.overheadSectors, 2 ** 32) : 0) * 512;
    return new SparseExtent(options, directory, redundant, fileEnd);
  }

  protected override entryAt(block: number): { page: number; at: number } {
    const table = Math.floor(block / GRAINS_OF_TABLE);
    const sector = table * 4 < this.#directory.bytes.length ? this.#directory.u32(table * 4) : NO_TABLE;
    // Where there is no table nothing is read: see findRun.
    return { page: sector * 512, at: (block % GRAINS_OF_TABLE) * 4 };
  }

  protected override findRun(offset: number, length: number): Run | Promise<Run> {
    const block = Math.floor(offset / this.blockBytes);
    if (this.entryAt(block).page === NO_TABLE) {
      const tableBytes = GRAINS_OF_TABLE * this.blockBytes;
      return { kind: 'absent', length: tableBytes - (offset % tableBytes) };
    }
    return super.findRun(offset, length);
  }

  protected override decode(view: DataView, at: number, block: number): BlockEntry {
    const sector = view.getUint32(at, true);
    if (sector === 0) return { kind: 'absent' };
    if (sector === ZERO_GRAIN && (this.#header.flags & FLAG.zeroGrains) !== 0) return { kind: 'zeros' };
    if (sector < 2) throw damaged(`grain ${block} of the VMDK image lies on its header`);
    return { kind: 'data', position: sector * 512 };
  }

  protected override encode(view: DataView, at: number, position: number): void {
    view.setUint32(at, position / 512, true);
  }

  protected override isPartial(): boolean {
    return this.#header.isCompressed;
  }

  protected override partOf(block: number, position: number, skip: number): Run | undefined {
    if (!this.#header.isCompressed) return undefined;
    return { kind: 'packed', length: this.blockBytes - skip, skip, unpack: () => this.#unpack(block, position) };
  }

  #unpack(block: number, position: number): Promise<Uint8Array> {
    const known = this.#unpacked.get(position);
    if (known !== undefined) return known;
    const unpacking = (async () => {
      const marker = new ByteFields(new Uint8Array(MARKER_BYTES), 'little-endian');
      await this.file.read(position, marker.bytes);
      const length = marker.u32(8);
      if (marker.u64OrInfinity(0) !== block * this.#header.grainSectors || length === 0 || length > this.blockBytes * 2 + 1024) throw damaged(`grain ${block} of the VMDK image has a wrong marker`);
      const packed = new Uint8Array(length);
      await this.file.read(position + MARKER_BYTES, packed);
      const unpacked = await this.#compression.inflate(packed, this.blockBytes).catch(() => undefined);
      if (unpacked === undefined) throw damaged(`grain ${block} of the VMDK image can't be unpacked`);
      if (unpacked.length === this.blockBytes) return unpacked;
      // The last grain may end with the disk.
      const whole = new Uint8Array(this.blockBytes);
      whole.set(unpacked);
      return whole;
    })();
    while (this.#unpacked.size >= UNPACKED_KEPT) this.#unpacked.delete(this.#unpacked.keys().next().value!);
    this.#unpacked.set(position, unpacking);
    unpacking.catch(() => { this.#unpacked.delete(position); });
    return unpacking;
  }

  protected override newBlock(): ReturnType<BlockMapImage['newBlock']> {
    const placement = super.newBlock();
    if (placement.position / 512 > 0xffff_ffff) throw unsupported('the VMDK extent can\'t become larger', 'convert it to qcow2');
    return placement;
  }

  protected override async setEntry(block: number, set: (view: DataView, at: number) => void): Promise<void> {
    await super.setEntry(block, set);
    if (this.#redundant === undefined) return;
    const copy = this.#redundant.u32(Math.floor(block / GRAINS_OF_TABLE) * 4) * 512;
    const { page, at } = this.entryAt(block);
    if (copy !== 0 && copy !== page) this.#dirtyCopies.set(copy + at, (await this.table.get(page)).view.getUint32(at, true));
  }

  /** The copies follow: who reads them finds what was true a moment ago. */
  protected override async afterTables(): Promise<void> {
    if (this.#dirtyCopies.size === 0) return;
    for (const [position, value] of this.#dirtyCopies) {
      const entry = new ByteFields(new Uint8Array(4), 'little-endian');
      entry.setU32(0, value);
      await this.file.write(position, entry.bytes);
    }
    this.#dirtyCopies.clear();
    await this.file.flush();
  }
}

export async function readDirectory(file: ByteFile, sector: number, entries: number): Promise<ByteFields> {
  const directory = new ByteFields(new Uint8Array(entries * 4), 'little-endian');
  await file.read(sector * 512, directory.bytes);
  return directory;
}
