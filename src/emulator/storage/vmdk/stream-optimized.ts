/**
 * Writes a streamOptimized VMDK image, as appliances carry it: from its beginning to its end, each grain compressed behind a
 * marker, tables where their grains end, the directory and the header that finds it last.
 */
import type { ByteFile, Compression, DiskImage } from '../../interfaces/disk-image.ts';
import { ByteFields, isZero } from '../byte-fields.ts';
import { directoryEntries, DIRECTORY_AT_END, FLAG, GRAINS_OF_TABLE, newDescriptor, newSparseHeader } from './vmdk-structures.ts';

const GRAIN_SECTORS = 128;
const GRAIN_BYTES = GRAIN_SECTORS * 512;
const OVERHEAD_SECTORS = 128;
const DESCRIPTOR_SECTORS = 20;
const TABLE_SECTORS = (GRAINS_OF_TABLE * 4) / 512;
/** Grains that are read and compressed at the same time. */
const GRAINS_UNDER_WAY = 16;
const MARKER = { endOfStream: 0, table: 1, directory: 2, footer: 3 } as const;

export interface StreamOptimizedOptions {
  readonly source: DiskImage;
  readonly file: ByteFile;
  readonly compression: Compression;
  readonly name: string;
  readonly contentId: number;
  /** Bytes of the disk that are done. Throws to stop. */
  readonly progress: (bytes: number) => void;
}

/** Into an empty file, which is on stable storage when it returns. */
export async function writeStreamOptimized({ source, file, compression, name, contentId, progress }: StreamOptimizedOptions): Promise<void> {
  const sectors = source.sectorCount;
  const header = {
    version: 3, flags: FLAG.newlines | FLAG.compressed | FLAG.markers, capacitySectors: sectors, grainSectors: GRAIN_SECTORS,
    descriptorSector: 1, descriptorSectors: DESCRIPTOR_SECTORS, redundantDirectorySector: 0, overheadSectors: OVERHEAD_SECTORS,
  };
  const writer = new SectorWriter(file, OVERHEAD_SECTORS);
  await file.write(0, newSparseHeader({ ...header, directorySector: DIRECTORY_AT_END }));
  await file.write(512, newDescriptor({ kind: 'streamOptimized', sectors, contentId, extents: [{ sectors, type: 'SPARSE', name, firstSector: 0 }] }));
  const entries = directoryEntries({ capacitySectors: sectors, grainSectors: GRAIN_SECTORS });
  const directory = new ByteFields(new Uint8Array(Math.ceil((entries * 4) / 512) * 512), 'little-endian');
  for (let entry = 0; entry < entries; entry++) {
    const table = new ByteFields(new Uint8Array(GRAINS_OF_TABLE * 4), 'little-endian');
    for (let first = 0; first < GRAINS_OF_TABLE; first += GRAINS_UNDER_WAY) {
      const grains = Array.from({ length: GRAINS_UNDER_WAY }, (_, index) => (entry * GRAINS_OF_TABLE + first + index) * GRAIN_SECTORS).filter((sector) => sector < sectors);
      if (grains.length === 0) break;
      const packed = await Promise.all(grains.map((sector) => packGrain(source, sector, compression)));
      for (const [index, bytes] of packed.entries()) if (bytes !== undefined) table.setU32((first + index) * 4, await writer.writeGrain(grains[index]!, bytes));
      progress(Math.min(sectors, grains[0]! + GRAINS_UNDER_WAY * GRAIN_SECTORS) * 512);
    }
    if (isZero(table.bytes)) continue;
    await writer.writeMarker(MARKER.table, TABLE_SECTORS);
    directory.setU32(entry * 4, await writer.write(table.bytes));
  }
  await writer.writeMarker(MARKER.directory, directory.bytes.length / 512);
  const directorySector = await writer.write(directory.bytes);
  await writer.writeMarker(MARKER.footer, 1);
  await writer.write(newSparseHeader({ ...header, directorySector }));
  await writer.writeMarker(MARKER.endOfStream, 0);
  await file.flush();
}

/** `undefined` where all is zero. The disk may end inside its last grain. */
async function packGrain(source: DiskImage, sector: number, compression: Compression): Promise<Uint8Array | undefined> {
  const count = Math.min(GRAIN_SECTORS, source.sectorCount - sector);
  const extent = await source.extentAt(sector, count);
  if (extent.kind === 'zeros' && extent.sectorCount === count) return undefined;
  const grain = new Uint8Array(GRAIN_BYTES);
  await source.read(sector, grain.subarray(0, count * 512));
  return isZero(grain) ? undefined : compression.deflate(grain);
}

class SectorWriter {
  readonly #file: ByteFile;
  #sector: number;

  constructor(file: ByteFile, sector: number) {
    this.#file = file;
    this.#sector = sector;
  }

  /** Returns the sector at which the bytes begin. */
  async write(bytes: Uint8Array): Promise<number> {
    const at = this.#sector;
    const padded = new Uint8Array(Math.ceil(bytes.length / 512) * 512);
    padded.set(bytes);
    await this.#file.write(at * 512, padded);
    this.#sector += padded.length / 512;
    return at;
  }

  async writeGrain(sector: number, packed: Uint8Array): Promise<number> {
    const fields = new ByteFields(new Uint8Array(12 + packed.length), 'little-endian');
    fields.setU64(0, sector);
    fields.setU32(8, packed.length);
    fields.bytes.set(packed, 12);
    return this.write(fields.bytes);
  }

  async writeMarker(type: number, sectors: number): Promise<void> {
    const fields = new ByteFields(new Uint8Array(512), 'little-endian');
    fields.setU64(0, sectors);
    fields.setU32(12, type);
    await this.write(fields.bytes);
  }
}
