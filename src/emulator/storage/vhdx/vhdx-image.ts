/**
 * VHDX, dynamic and fixed. Entries of the table are changed in place, one aligned entry in one sector, behind a barrier; the
 * log, which is for writers that change more at once, stays empty. Not read: images with a parent, or with sectors of 4096
 * bytes.
 */
import type { ByteFile } from '../../interfaces/disk-image.ts';
import { BlockMapImage, type BlockEntry } from '../block-map-image.ts';
import { ByteFields } from '../byte-fields.ts';
import { damaged } from '../image-error.ts';
import { Findings, type CheckOptions, type ImageCheck } from '../image-check.ts';
import { BLOCK_STATE, MEGABYTE, nextHeader, nextWriteGuid, readVhdxLayout, type VhdxHeader, type VhdxLayout } from './vhdx-structures.ts';

const PAGE_BYTES = 4096;

export class VhdxImage extends BlockMapImage {
  readonly format = 'vhdx';
  protected override readonly storedBytes: number;
  protected override readonly alignment = MEGABYTE;
  readonly #layout: VhdxLayout;
  #header: VhdxHeader;

  private constructor(file: ByteFile, layout: VhdxLayout, fileEnd: number) {
    super({
      file, readOnly: file.readOnly, sectorCount: Math.ceil(layout.size / 512), blockBytes: layout.blockBytes, backing: undefined,
      tablePosition: layout.tablePosition, pageBytes: PAGE_BYTES, entryBytes: 8, fileEnd,
    });
    this.#layout = layout;
    this.#header = layout.header;
    this.storedBytes = layout.blockBytes;
  }

  /** Takes the file over. */
  static async open(file: ByteFile, layout: VhdxLayout): Promise<VhdxImage> {
    const end = Math.max(await file.size(), layout.tablePosition + layout.tableBytes);
    return new VhdxImage(file, layout, Math.ceil(end / MEGABYTE) * MEGABYTE);
  }

  protected override entryAt(block: number): { page: number; at: number } {
    // An entry for a bitmap follows each chunk.
    return super.entryAt(block + Math.floor(block / this.#layout.chunkBlocks));
  }

  protected override decode(view: DataView, at: number, block: number): BlockEntry {
    const { state, position } = decodeEntry(view, at);
    switch (state) {
      case BLOCK_STATE.absent:
      case BLOCK_STATE.undefinedData:
      case BLOCK_STATE.unmapped: return { kind: 'absent' };
      case BLOCK_STATE.zeros: return { kind: 'zeros' };
      case BLOCK_STATE.present:
        if (position < MEGABYTE || position >= 2 ** 53) throw damaged(`block ${block} of the VHDX image lies where no block can be`);
        return { kind: 'data', position };
      default: throw damaged(`block ${block} of the VHDX image has the state ${state}`);
    }
  }

  protected override encode(view: DataView, at: number, position: number): void {
    view.setUint32(at, (position % 0x1_0000_0000) + BLOCK_STATE.present, true);
    view.setUint32(at + 4, Math.floor(position / 0x1_0000_0000), true);
  }

  /** Whoever keeps a copy of the file sees by its GUIDs that it was written. */
  protected override async beforeFirstChange(): Promise<void> {
    this.#header = nextHeader(this.#header, nextWriteGuid(this.#header));
    await this.file.write(this.#header.position, this.#header.bytes);
    await this.file.flush();
  }
}

function decodeEntry(view: DataView, at: number): { state: number; position: number } {
  const low = view.getUint32(at, true);
  return { state: low & 7, position: view.getUint32(at + 4, true) * 0x1_0000_0000 + ((low & 0xfff0_0000) >>> 0) };
}

/** A repair takes away entries that lead out of the file, or into another block. Throws `ImageError`. */
export async function checkVhdx(file: ByteFile, { repair, progress }: CheckOptions): Promise<ImageCheck> {
  const layout = await readVhdxLayout(file);
  const { tablePosition, tableBytes, blocks, blockBytes, chunkBlocks } = layout;
  const findings = new Findings();
  const fileBytes = await file.size();
  const places: { block: number; at: number; position: number }[] = [];
  const page = new ByteFields(new Uint8Array(PAGE_BYTES), 'little-endian');
  const view = new DataView(page.bytes.buffer);
  let loaded = -1;
  for (let block = 0; block < blocks; block++) {
    const at = (block + Math.floor(block / chunkBlocks)) * 8;
    const pageAt = at - (at % PAGE_BYTES);
    if (pageAt !== loaded) {
      progress(block / blocks);
      await file.read(tablePosition + pageAt, page.bytes);
      loaded = pageAt;
    }
    const { state, position } = decodeEntry(view, at % PAGE_BYTES);
    if (state === BLOCK_STATE.present) places.push({ block, at: tablePosition + at, position });
    else if (state > BLOCK_STATE.unmapped) findings.add(`block ${block} has the state ${state}`);
  }
  places.sort((one, other) => one.position - other.position);
  let end = 0;
  let repaired = 0;
  for (const { block, at, position } of places) {
    const isInside = position + blockBytes <= Math.ceil(fileBytes / MEGABYTE) * MEGABYTE;
    const isFree = position >= end && position >= MEGABYTE && (position >= tablePosition + tableBytes || position + blockBytes <= tablePosition);
    if (isInside && isFree) {
      end = position + blockBytes;
    } else if (repair) {
      await file.write(at, new Uint8Array(8));
      repaired++;
    } else {
      findings.add(`block ${block} lies ${isInside ? 'on another part of the file' : 'behind the end of the file'}`);
    }
  }
  if (repair) await file.flush();
  return { errors: findings.errors, errorCount: findings.errorCount, leakedUnits: 0, repaired, allocatedUnits: places.length - repaired, totalUnits: blocks, unitBytes: blockBytes };
}
