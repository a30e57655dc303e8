/**
 * VHD, dynamic and differencing: a table of blocks, each behind a bitmap that says which of its sectors it has. A block
 * that is written is made whole, from the parent or with zeros. The footer stays behind the last block.
 */
import type { ByteFile, DiskImage } from '../../interfaces/disk-image.ts';
import { BlockMapImage, type BlockEntry } from '../block-map-image.ts';
import { damaged, unsupported } from '../image-error.ts';
import { Findings, type CheckOptions, type ImageCheck } from '../image-check.ts';
import type { Placement, Run } from '../mapped-image.ts';
import { PageCache } from '../page-cache.ts';
import { ABSENT, FOOTER_BYTES, HEADER_BYTES, newFooter, newHeader, readVhdFooter, readVhdHeader, type VhdFooter, type VhdHeader } from './vhd-structures.ts';

const PAGE_BYTES = 4096;
const DEFAULT_BLOCK_BYTES = 2 << 20;
const BITMAP_CACHE_BYTES = 1 << 20;

export class VhdImage extends BlockMapImage {
  readonly format = 'vhd';
  protected override readonly storedBytes: number;
  protected override readonly dataOffset: number;
  readonly #footer: VhdFooter;
  readonly #bitmaps: PageCache;
  /** Blocks that are known to have all their sectors. */
  readonly #whole = new Set<number>();
  #isFooterDirty: boolean;

  private constructor(file: ByteFile, footer: VhdFooter, header: VhdHeader, backing: DiskImage | undefined, fileEnd: number, hasFooterAtEnd: boolean) {
    super({
      file, readOnly: file.readOnly, sectorCount: Math.ceil(footer.size / 512), blockBytes: header.blockBytes, backing,
      tablePosition: header.tablePosition, pageBytes: PAGE_BYTES, entryBytes: 4, fileEnd,
    });
    this.#footer = footer;
    this.#isFooterDirty = !hasFooterAtEnd;
    this.dataOffset = bitmapBytes(header.blockBytes);
    this.storedBytes = this.dataOffset + header.blockBytes;
    this.#bitmaps = new PageCache({ file, pageBytes: this.dataOffset, maximumPages: Math.max(64, BITMAP_CACHE_BYTES / this.dataOffset) });
  }

  /** Takes the file over. */
  static async open(file: ByteFile, footer: VhdFooter, header: VhdHeader, isAtEnd: boolean, backing: DiskImage | undefined): Promise<VhdImage> {
    const size = await file.size();
    // Nothing of what is there is written over but the footer.
    const end = isAtEnd ? size - FOOTER_BYTES : size;
    const image = new VhdImage(file, footer, header, backing, Math.max(Math.ceil(end / 512) * 512, header.tablePosition + Math.ceil((header.blocks * 4) / 512) * 512), isAtEnd);
    if (!isAtEnd) image.touch();
    return image;
  }

  protected override decode(view: DataView, at: number, block: number): BlockEntry {
    const sector = view.getUint32(at);
    if (sector === ABSENT) return { kind: 'absent' };
    if (sector * 512 < this.tablePosition) throw damaged(`block ${block} of the VHD image lies on its tables`);
    return { kind: 'data', position: sector * 512 + this.dataOffset };
  }

  protected override encode(view: DataView, at: number, position: number): void {
    view.setUint32(at, (position - this.dataOffset) / 512);
  }

  protected override isPartial(block: number): boolean {
    return !this.#whole.has(block);
  }

  protected override partOf(block: number, position: number, skip: number, length: number): Run | Promise<Run> | undefined {
    if (this.#whole.has(block)) return undefined;
    const bitmap = this.#bitmaps.get(position - this.dataOffset);
    const run = (bytes: Uint8Array): Run => this.#runOfBits(bytes, block, position, skip, length);
    return bitmap instanceof Promise ? bitmap.then((page) => run(page.bytes)) : run(bitmap.bytes);
  }

  /** Bits begin with the most significant one of the first byte. */
  #runOfBits(bitmap: Uint8Array, block: number, position: number, skip: number, length: number): Run {
    const sectors = this.blockBytes / 512;
    if (bitmap.subarray(0, sectors / 8).every((byte) => byte === 0xff)) {
      // Bounded: what is forgotten is looked up again.
      if (this.#whole.size >= 1 << 16) this.#whole.clear();
      this.#whole.add(block);
      return { kind: 'data', length: this.blockBytes - skip, position: position + skip, inPlace: true };
    }
    const bit = (sector: number): number => (bitmap[sector >> 3]! >> (7 - (sector & 7))) & 1;
    const first = Math.floor(skip / 512);
    const isHere = bit(first);
    let end = first + 1;
    while (end < sectors && end * 512 < skip + length && bit(end) === isHere) end++;
    const bytes = end * 512 - skip;
    return isHere === 1 ? { kind: 'data', length: bytes, position: position + skip, inPlace: true } : { kind: 'absent', length: bytes };
  }

  protected override async allocate(offset: number, length: number): Promise<Placement> {
    // A block that lacks only some sectors is completed where it is.
    const entry = await this.#entryOf(Math.floor(offset / this.blockBytes));
    if (entry.kind === 'data') return { position: entry.position, length: this.blockBytes, isFresh: false };
    return super.allocate(offset, length);
  }

  protected override newBlock(): Placement {
    const placement = super.newBlock();
    if (placement.position / 512 >= ABSENT) throw unsupported('the VHD image can\'t become larger', 'convert it to VHDX or qcow2');
    this.#isFooterDirty = true;
    return placement;
  }

  protected override async publish(offset: number, placement: Placement): Promise<void> {
    const block = Math.floor(offset / this.blockBytes);
    const entry = await this.#entryOf(block);
    if (entry.kind === 'data') {
      const bitmap = await this.#bitmaps.get(entry.position - this.dataOffset);
      bitmap.bytes.fill(0xff);
      this.#bitmaps.changed(bitmap, 0, bitmap.bytes.length);
      return;
    }
    await super.publish(offset, placement);
  }

  protected override async abandon(placement: Placement): Promise<void> {
    // One that was being completed is still its block's.
    if (placement.isFresh) await super.abandon(placement);
  }

  protected override async prepareBlock(_block: number, stored: number): Promise<void> {
    await this.file.write(stored, new Uint8Array(this.dataOffset).fill(0xff));
    this.#bitmaps.forget(stored);
  }

  protected override async beforeTables(): Promise<void> {
    if (!this.#isFooterDirty) return;
    await this.file.write(this.fileEnd, this.#footer.bytes);
    this.#isFooterDirty = false;
  }

  protected override async afterTables(): Promise<void> {
    if (this.#bitmaps.dirtyCount === 0) return;
    await this.#bitmaps.writeDirty();
    await this.file.flush();
  }

  async #entryOf(block: number): Promise<BlockEntry> {
    const { page, at } = this.entryAt(block);
    return this.decode((await this.table.get(page)).view, at, block);
  }
}

function bitmapBytes(blockBytes: number): number {
  return Math.ceil(blockBytes / 512 / 8 / 512) * 512;
}

export interface NewVhd {
  readonly bytes: number;
  readonly subformat: VhdFooter['type'];
  readonly blockBytes?: number | undefined;
  readonly uuid: Uint8Array;
  readonly epochSeconds: number;
  readonly parent?: { readonly name: string; readonly uuid: Uint8Array } | undefined;
}

/** Into an empty file. Throws `ImageError`. */
export async function createVhd(file: ByteFile, wanted: NewVhd): Promise<void> {
  const { bytes, subformat } = wanted;
  if (bytes > 2040 * 2 ** 30) throw unsupported('a VHD image holds at most 2040 GiB', 'make a VHDX or qcow2 image');
  const footer = newFooter({ type: subformat, size: bytes, uuid: wanted.uuid, epochSeconds: wanted.epochSeconds });
  if (subformat === 'fixed') {
    await file.truncate(bytes);
    await file.write(bytes, footer);
    await file.flush();
    return;
  }
  const blockBytes = wanted.blockBytes ?? DEFAULT_BLOCK_BYTES;
  if (blockBytes !== DEFAULT_BLOCK_BYTES && blockBytes !== 1 << 19) throw unsupported(`a VHD image can't have blocks of ${blockBytes} bytes`, 'choose 2M or 512K');
  const blocks = Math.ceil(bytes / blockBytes);
  const locatorPosition = FOOTER_BYTES + HEADER_BYTES;
  const tablePosition = locatorPosition + (wanted.parent === undefined ? 0 : 512);
  const table = new Uint8Array(Math.ceil((blocks * 4) / 512) * 512).fill(0xff);
  const { header, locator } = newHeader({ tablePosition, blocks, blockBytes, parent: wanted.parent && { ...wanted.parent, locatorPosition } });
  await file.write(FOOTER_BYTES, header);
  if (locator.length > 0) await file.write(locatorPosition, locator);
  await file.write(tablePosition, table);
  await file.write(tablePosition + table.length, footer);
  await file.flush();
  await file.write(0, footer);
  await file.flush();
}

/** A repair takes away entries that lead out of the file or into another's block, and writes the footer anew. Throws `ImageError`. */
export async function checkVhd(file: ByteFile, { repair, progress }: CheckOptions): Promise<ImageCheck> {
  const { footer, isAtEnd } = await readVhdFooter(file);
  if (footer.type === 'fixed') {
    const units = Math.ceil(footer.size / 512);
    return { errors: [], errorCount: 0, leakedUnits: 0, repaired: 0, allocatedUnits: units, totalUnits: units, unitBytes: 512 };
  }
  const header = await readVhdHeader(file, footer);
  const findings = new Findings();
  const table = new Uint8Array(header.blocks * 4);
  await file.read(header.tablePosition, table);
  const view = new DataView(table.buffer);
  const stored = bitmapBytes(header.blockBytes) + header.blockBytes;
  const fileEnd = await file.size() - (isAtEnd ? FOOTER_BYTES : 0);
  const firstData = header.tablePosition + Math.ceil(table.length / 512) * 512;
  const places: { block: number; position: number }[] = [];
  for (let block = 0; block < header.blocks; block++) {
    const sector = view.getUint32(block * 4);
    if (sector !== ABSENT) places.push({ block, position: sector * 512 });
  }
  places.sort((one, other) => one.position - other.position);
  const wrong: number[] = [];
  let end = firstData;
  for (const [index, { block, position }] of places.entries()) {
    if (index % 4096 === 0) progress(index / places.length);
    if (position < end) findings.add(`block ${block} lies on ${end === firstData ? 'the tables' : 'another block'}`);
    else if (position + stored > fileEnd) findings.add(`block ${block} lies behind the end of the file`);
    else {
      end = position + stored;
      continue;
    }
    wrong.push(block);
  }
  const used = places.length - wrong.length;
  const result = { allocatedUnits: used, totalUnits: header.blocks, unitBytes: header.blockBytes };
  const leakedUnits = Math.max(0, Math.floor((fileEnd - firstData - used * stored) / stored));
  if (!repair) return { ...result, errors: findings.errors, errorCount: findings.errorCount, leakedUnits, repaired: 0 };
  for (const block of wrong) await file.write(header.tablePosition + block * 4, Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  if (!isAtEnd || leakedUnits > 0) {
    await file.truncate(end);
    await file.write(end, footer.bytes);
  }
  await file.flush();
  return { ...result, errors: [], errorCount: 0, leakedUnits: Math.max(0, Math.floor((end - firstData - used * stored) / stored)), repaired: wrong.length + leakedUnits + (isAtEnd ? 0 : 1) };
}
